// The list of the anchors that speak, with a box for each: a face of `decide`, in chapter 06.
/** A new element with attributes and children. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A sentence in which each quotation has a direction of its own, as Arabic within English needs. */
function sentenceOf(text) {
  return element("span", {}, ...text.split(/“([^”]*)”/).flatMap((part, i) => (i % 2 ? ["“", element("bdi", {}, part), "”"] : [part])));
}

class Ledger {
  /** `caption(a)` gives an element, `picture(a)` an element or "", `toggle(a, stays)` is called by a box. */
  constructor(table, caption, picture, toggle) {
    Object.assign(this, { table, caption, picture, toggle, rows: new Map() });
  }

  /** Show a decision between labels without the anchors `gone`, in rows of the anchors `shown`. */
  show(decision, labels, gone, shown) {
    const loudest = (a) => Math.max(...decision.products.map((each) => each[a]));
    const speaking = [...decision.image.entries.keys()].filter((a) => loudest(a) > 0);
    if (!this.body) this._begin(labels);
    const largest = Math.max(...decision.products.map((each) => Math.max(...each)), 1e-9);
    for (const a of shown) if (!this.rows.has(a)) this._add(a);
    const listed = decision.products.map(() => 0);
    for (const [a, row] of this.rows) {
      const stays = !gone.has(a);
      row.box.checked = stays;
      row.line.classList.toggle("struck", !stays);
      row.entry.textContent = decision.image.entries[a].toFixed(3);
      row.products.forEach((cell, i) => {
        const product = decision.products[i][a];
        listed[i] += product;
        this._write(cell, row.entry.textContent, decision.text[i].entries[a], product, largest);
      });
    }
    this.rest.forEach((cell, i) => { cell.textContent = Math.max(0, decision.scores[i] - listed[i]).toFixed(3); });
    const more = speaking.filter((a) => !this.rows.has(a)).length;
    this.others.textContent = more === 1 ? "1 more anchor" : `${more} more anchors`;
    this.sums.forEach((cell, i) => {
      cell.textContent = decision.scores[i].toFixed(3);
      cell.classList.toggle("ring", decision.best === i);
    });
  }

  _write(cell, first, entry, product, largest) {
    const [factor, number, bar] = cell.children;
    factor.dataset.entry = first; // which a narrow place shows here
    factor.textContent = `× ${entry.toFixed(3)} = `;
    number.textContent = product.toFixed(3);
    bar.style.width = `${100 * product / largest}%`;
  }

  _begin(labels) {
    this.head.prepend(element("th", { scope: "col", class: "choice" }, "in"));
    const cells = () => labels.map(() => element("td"));
    this.body = element("tbody");
    [this.rest, this.sums, this.others] = [cells(), cells(), element("th", { scope: "row", colspan: 3 })];
    const last = element("tr", {}, element("th", { scope: "row", colspan: 3 }, "the sum, over all anchors"), ...this.sums);
    this.table.replaceChildren(
      element("thead", {}, this.head), this.body, element("tfoot", {}, element("tr", {}, this.others, ...this.rest), last));
    this.products = labels.length;
  }

  _add(a) {
    const caption = this.caption(a), box = element("input", { type: "checkbox", "aria-label": `Keep ${caption.textContent}` });
    box.addEventListener("change", () => this.toggle(a, box.checked));
    const name = element("div", { class: "anchor" }, this.picture(a), caption);
    const products = Array.from({ length: this.products },
      () => element("td", {}, element("span"), element("span", { class: "number" }), element("i", { class: "product-bar" })));
    const entry = element("td", { class: "number" });
    const line = element("tr", {}, element("td", { class: "choice" }, box), element("th", { scope: "row" }, name), entry, ...products);
    this.body.append(line);
    this.rows.set(a, { box, line, entry, products });
  }
}

/** Chapter 06: every ledger on the page that has not begun yet. Each knows the anchors of its rows, and no others. */
function startLedgers() {
  for (const root of document.querySelectorAll(".asif-ledger:not([data-live])")) {
    root.dataset.live = "";
    const { labels, k, p, center, anchors, sides: packed } = JSON.parse(root.dataset.ledger), shown = anchors.map(([a]) => a);
    const pictures = new Map([...root.querySelectorAll("tbody tr")].map((row) => [Number(row.dataset.anchor), row.querySelector("img")]));
    const questions = [], sides = packed.map(([text, lengths]) => {
      const numbers = new Float32Array(bytesOf(text).buffer), q = lengths.length, n = numbers.length / (q + 2 + shown.length);
      const line = (i) => numbers.subarray(i * n, i * n + n);
      questions.push(lengths.map((length, i) => [line(i), length]));
      return new Side(line(q), line(q + 1), (anchor) => line(q + 2 + shown.indexOf(anchor)), center);
    });
    const gone = new Set(), status = root.querySelector("[role=status]"), captions = new Map(anchors);
    const ledger = new Ledger(root.querySelector("table"), (a) => element("span", { dir: "auto" }, captions.get(a)), (a) => pictures.get(a) ?? "", (a, stays) => {
      gone[stays ? "delete" : "add"](a);
      show();
    });
    ledger.head = root.querySelector("thead tr");
    const show = () => {
      const decision = decide(sides, questions[0][0], questions[1], gone, k, p), best = labels[decision.best];
      ledger.show(decision, labels, gone, shown);
      const rows = gone.size === 1 ? "1 anchor is out" : `${gone.size} anchors are out`;
      status.replaceChildren(sentenceOf((gone.size ? `${rows}. ` : "") + (best === undefined ? "Nothing decides." : `The answer is “${best}”.`)));
    };
    show();
  }
}
