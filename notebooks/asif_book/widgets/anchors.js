// A table of anchors, each with a checkbox; `ticked` holds the ids of those that are ticked, on this page of them or
// on another.
function cell(tag, content, attributes = {}) {
  const made = document.createElement(tag);
  made.append(content);
  return Object.assign(made, attributes);
}

function number(html, head) {
  const made = document.createElement("td");
  made.dataset.head = head; // shown before the number where the page is narrow
  made.insertAdjacentHTML("beforeend", html);
  return made;
}

function row(anchor, columns, ticked, toggle) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: ticked });
  const label = document.createElement("label");
  const made = document.createElement("tr");
  box.addEventListener("change", () => toggle(anchor.id, box.checked));
  label.append(box);
  label.insertAdjacentHTML("beforeend", anchor.picture); // made by the library, escaped there
  const text = cell("span", anchor.caption, { dir: "auto" });
  text.append(cell("code", anchor.id)); // captions may repeat, ids do not
  label.append(text);
  made.append(cell("th", label, { scope: "row" }), ...anchor.numbers.map((html, i) => number(html, columns[i + 1])));
  return made;
}

function render({ model, el }) {
  const table = document.createElement("table");
  el.classList.add("asif-controls", "asif-anchors");
  el.dataset.lmSuppressShortcuts = "true";
  el.append(table);

  function toggle(id, on) {
    const others = model.get("ticked").filter((one) => one !== id);
    model.set("ticked", on ? [...others, id] : others);
    model.save_changes();
  }

  function draw() {
    const { title, columns, anchors } = model.get("page");
    const ticked = model.get("ticked");
    const head = document.createElement("tr");
    const rows = anchors.map((anchor) => row(anchor, columns, ticked.includes(anchor.id), toggle));
    head.append(...columns.map((column) => cell("th", column, { scope: "col" })));
    const [thead, tbody] = [document.createElement("thead"), document.createElement("tbody")];
    thead.append(head);
    tbody.append(...rows);
    const caption = document.createElement("caption");
    caption.insertAdjacentHTML("beforeend", title);
    table.replaceChildren(caption, thead, tbody);
    table.hidden = !anchors.length;
  }

  function check() {
    const ticked = model.get("ticked");
    const { anchors } = model.get("page");
    table.querySelectorAll("input").forEach((box, i) => (box.checked = ticked.includes(anchors[i].id)));
  }

  model.on("change:page", draw);
  model.on("change:ticked", check);
  draw();
  return () => {
    model.off("change:page", draw);
    model.off("change:ticked", check);
  };
}

export default { render };
