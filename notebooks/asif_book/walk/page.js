// The page: one state (picture, sentences, k, p, anchors that are gone), one decision, and what shows it.
const find = (id) => document.getElementById(id);
const bank = JSON.parse(find("bank").textContent);
const n = bank.captions.length;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const quoted = (text) => `“${text}”`;

/** What cannot be used gets a sentence on the page, and the page goes on. */
function trouble(...sentences) {
  find("trouble").replaceChildren(sentenceOf(sentences.join(" ")));
  find("trouble").hidden = !sentences.length;
}

// The state ------------------------------------------------------------------------------------------

const sides = bank.embeddings.slice(0, 2).map((text, i) => Side.of(halves(text), bank.dimensions[i]));
const prompts = halves(bank.embeddings[2]), depth = bank.dimensions[1], asked = new Map();
let own = null;  // the reader's own picture, as [inner products, length]

/** A word's question to the captions: its inner products, and its product with itself. */
function sentence(word) {
  if (!asked.has(word)) {
    const row = prompts.subarray(word * depth, word * depth + depth);
    asked.set(word, [sides[1].products(row), row.reduce((sum, v) => sum + v * v, 0)]);
  }
  return asked.get(word);
}

/** The decision of a state; a picture of the bank is asked without its own pair. */
function answer({ question, words, gone, k, p }) {
  const row = question < 0 ? -1 : bank.questions[question].row;
  const picture = row < 0 ? own : [sides[0].column(row), sides[0].squares[row]];
  return decide(sides, picture, words.map(sentence), row < 0 ? gone : new Set([...gone, row]), k, p);
}

const fresh = (question) => ({ question, words: [...bank.questions[question].pair], gone: new Set() });
const state = { ...fresh(0), k: bank.k, p: bank.p, game: null, language: "" };
let now = null, first = null;  // the decision, and the one with all anchors

/** Read the address into the state; return a sentence for each part that cannot be used. */
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1)), wrong = [], { questions, words, digest } = bank;
  if (given.has("bank") && given.get("bank") !== digest) return ["This address belongs to another bank. Here is the first picture of this one."];
  const read = (name, use, rule) => {
    const text = given.get(name);
    if (text !== null && !use(text)) wrong.push(`The address says ${name} = ${quoted(text.slice(0, 40))}, which is no ${rule}.`);
  };
  const whole = (text, low, high) => /^\d{1,5}$/.test(text) && text >= low && text <= high;
  read("picture", (text) => whole(text, 0, questions.length - 1) && Object.assign(state, fresh(Number(text))), "picture here");
  read("k", (text) => whole(text, 1, n - 1) && (state.k = Number(text)), `whole number from 1 to ${n - 1}`);
  read("p", (text) => Number(text) >= 0.5 && Number(text) <= 64 && (state.p = Number(text)), "number from 0.5 to 64");
  read("language", (text) => Object.hasOwn(bank.translations, text) && (state.language = text), "language of these captions");
  const chosen = ["a", "b"].map((name, i) => (given.has(name) ? words.indexOf(given.get(name)) : state.words[i]));
  if (chosen[0] === chosen[1] || Math.min(...chosen) < 0) wrong.push("The address names no two sentences of this page.");
  else state.words = chosen;
  read("out", (text) => text.split(",").every((a) => whole(a, 0, n - 1) && Number(a) !== questions[state.question].row)
    && (state.gone = new Set(text.split(",").map(Number))), "list of anchors");
  return wrong.length ? [...wrong, "The page goes on without it."] : [];
}

/** The address of the state, to be sent. */
function address() {
  const { question, words: [a, b], gone, k, p, language } = state, more = { ...(gone.size && { out: [...gone].join(",") }), ...(language && { language }) };
  return `#${new URLSearchParams({ bank: bank.digest, picture: question, a: bank.words[a], b: bank.words[b], k, p, ...more })}`;
}

/** Decide after a change, and show it everywhere; `again`: a new question, and not only other anchors. */
function update(change, { again = false } = {}) {
  Object.assign(state, change);
  now = answer(state);
  if (again) {
    first = state.gone.size ? answer({ ...state, gone: new Set() }) : now;
    list.clear();
  }
  if (state.question >= 0) history.replaceState(null, "", address());
  showPicture();
  showSentences();
  list.show(now, state.words.map((word) => bank.words[word]), state.gone);
  for (const name of ["k", "p"]) find(name).value = state[name];
  if (find("language")) find("language").value = state.language;
  find("k-is").textContent = now.kept;
  find("p-is").textContent = state.p;
  find("back").disabled = !state.gone.size;
  map.aim();
  say();
}

/** Take an anchor out, or put it back. In the game one anchor is out at a time. */
function toggle(anchor, stays = state.gone.has(anchor)) {
  const gone = new Set(state.game && !state.game.done ? [] : state.gone);
  gone[stays ? "delete" : "add"](anchor);
  if (state.game && !stays) state.game.tries += 1;
  update({ gone });
}

// Words ----------------------------------------------------------------------------------------------

/** An anchor's caption as it is read, its first `most` letters. One that the language lacks is the bank's own, and marked. */
function caption(a, most) {
  const { language } = state, own = bank.captions[a].slice(0, most);
  return language ? bank.translations[language][a].slice(0, most) || `${own} (not translated)` : own;
}

/** The tag of a language by its code among the translations. */
const tagOf = (code) => code.replace("_", "-");

/** A caption as an element, in its own language and direction. */
function named(a, tag = "span") {
  const { language } = state, lang = bank.translations[language]?.[a] ? { lang: tagOf(language) } : {};
  return element(tag, { dir: "auto", ...lang }, caption(a));
}

function say() {
  const name = (i) => quoted(bank.words[state.words[i]]);
  const out = state.gone.size, turned = first.best !== now.best, says = find("says"), game = state.game?.done ? null : state.game;
  const taken = out === 1 ? `Without ${quoted(caption([...state.gone][0]))}` : `Without ${out} anchors`;
  let text;
  if (!now.left) text = "All anchors are out, so nobody is left to answer. Put some back.";
  else if (now.best < 0) text = "No anchor is kept by both sides, so nothing decides.";
  else if (game && out && turned) {
    game.done = true;
    const tries = state.game.tries === 1 ? "Found at the first try!" : `Found in ${state.game.tries} tries!`;
    text = `${state.game.told ? "It was this one." : tries} ${taken}, the answer is ${name(now.best)}.`;
  } else if (game) {
    text = out ? `${taken}, the answer stays ${name(now.best)}. Try another one: this one then goes back.`
      : `The answer is ${name(now.best)}. One anchor alone turns it. Which? Take it out.`;
  } else if (!out) text = `The model says ${name(now.best)}. Click the largest disc: that takes the anchor out.`;
  else if (turned) text = `${taken}, the answer turns to ${name(now.best)}.`;
  else text = `${taken}, the answer stays ${name(now.best)}.`;
  if (now.kept < state.k && now.left) text += ` Only ${now.left} anchors are left, so k is ${now.kept}.`;
  says.replaceChildren(sentenceOf(text));
  says.classList.toggle("turned", Boolean(out && turned && now.best >= 0));
  find("hint").hidden = !state.game || state.game.done;
  find("game").textContent = state.game?.done ? "Next one" : "Find the one that turns it";
}

function showPicture() {
  const { question } = state, known = bank.questions[question];
  if (known) {
    Object.assign(find("picture"), { src: bank.large[question], alt: "The picture that is asked" });
    find("hidden-caption").replaceChildren("The model never saw its caption: “", named(known.row, "bdi"), "”");
  }
  for (const button of find("gallery").children) button.setAttribute("aria-pressed", button.dataset.question === String(question));
}

/** Numbers roll to their new value. */
function roll(place, value) {
  const from = Number(place.dataset.value || 0), start = performance.now();
  place.dataset.value = value;
  const step = (time) => {
    const share = calm.matches ? 1 : Math.min(1, Math.max(0, (time - start) / 600)), eased = 1 - (1 - share) ** 3;
    if (place.dataset.value !== String(value)) return;
    place.textContent = (from + (value - from) * eased).toFixed(3);
    if (share < 1) requestAnimationFrame(step);
  };
  step(calm.matches ? Infinity : start);
}

function showSentences() {
  const widest = Math.max(...first.scores, ...now.scores, 1e-9);
  ["first", "second"].forEach((id, i) => {
    const card = find(id);
    card.classList.toggle("best", now.best === i);
    card.classList.remove("typing");
    find(`${id}-word`).value = bank.words[state.words[i]];
    roll(card.querySelector("b"), now.scores[i]);
    card.querySelector("i").style.width = `${100 * now.scores[i] / widest}%`;
  });
}

/** Another word for a sentence; with one that is not on the list, the sentence stays as it was. */
function choose(i, text) {
  const word = bank.words.findIndex((each) => each.toLowerCase() === text.trim().toLowerCase());
  if (word < 0) {
    const last = text.trim().toLowerCase().split(" ").at(-1), near = bank.words.filter((each) => last && each.toLowerCase().includes(last));
    trouble(`${quoted(text.slice(0, 60))} is not on the list of ${bank.words.length} words.`, near.length ? `On it is ${quoted(near[0])}.` : "Choose one of them.");
    showSentences();
  } else if (word === state.words[1 - i]) {
    trouble("Both sentences would be the same. Choose another word.");
    showSentences();
  } else {
    trouble();
    const words = [...state.words];
    words[i] = word;
    update({ words, game: null }, { again: true });
  }
}

// The map --------------------------------------------------------------------------------------------

const map = {
  canvas: find("map"), dots: [], running: false,

  /** A round thumbnail of each anchor, cut once; `sheet` shows them all. */
  begin(sheet) {
    this.sheet = element("canvas", { width: sheet.width, height: sheet.height });
    const pen = this.sheet.getContext("2d"), { tile, columns } = bank;
    pen.drawImage(sheet, 0, 0);
    pen.globalCompositeOperation = "destination-in";
    pen.beginPath();
    for (let a = 0; a < n; a++) {
      const x = (a % columns + 0.5) * tile, y = (Math.floor(a / columns) + 0.5) * tile;
      pen.moveTo(x + tile / 2, y);
      pen.arc(x, y, tile / 2, 0, 7);
    }
    pen.fill();
    this.resize();
    this.wall();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
  },

  /** All anchors in rows: the bank, before anything is asked. */
  wall() {
    const columns = Math.ceil(Math.sqrt(n * this.width / this.height)), step = this.width / columns, r = 0.44 * step;
    this.dots = bank.captions.map((_, a) => ({ a, x: (a % columns + 0.5) * step, y: (Math.floor(a / columns) + 0.5) * step, r, light: 1, fall: 0 }));
    this.hold = performance.now() + 700;
  },

  resize() {
    const box = this.canvas.getBoundingClientRect(), scale = devicePixelRatio || 1;
    [this.width, this.height] = [Math.max(box.width, 50), Math.max(box.height, 50)];
    [this.canvas.width, this.canvas.height] = [this.width * scale, this.height * scale];
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(document.body), names = ["ink", "back", "faint", "is-picture", "is-sentence", "is-anchor", "corner"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.frame = { left: 26, right: 14, top: 16, floor: 80 };
    if (now) this.aim();
  },

  /** Where each anchor belongs. The k-th similarity of each side is drawn in the middle: beyond it an anchor is kept. */
  aim() {
    const decision = now, { gone } = state, hidden = bank.questions[state.question]?.row, { left, right, top, floor } = this.frame, lead = Math.max(decision.best, 0), text = decision.text[lead];
    const wide = this.width - left - right, high = this.height - top - floor;
    const place = ({ cosines, order, threshold }) => {  // what is kept by similarity, the rest by rank
      const most = cosines[order[0]], rank = new Map(order.map((a, i) => [a, i])), rest = order.length - decision.kept;
      return (a) => rank.get(a) < decision.kept ? 0.53 + 0.38 * Math.sqrt((cosines[a] - threshold) / (most - threshold || 1))
        : 0.01 + 0.47 * (order.length - 1 - (rank.get(a) ?? 0)) / (rest || 1);
    };
    const across = place(decision.image), up = place(text), unit = Math.min(wide, high) * 0.2;
    const out = [...gone], gap = Math.min(38, wide / Math.max(out.length, 1));
    for (const dot of this.dots) {
      const { a } = dot, product = decision.products[lead][a], kept = [decision.image.entries[a] > 0, text.entries[a] > 0];
      dot.kind = a === hidden ? "hidden" : gone.has(a) ? "gone" : product > 0 ? "speaks" : kept[0] ? "picture" : kept[1] ? "sentence" : "silent";
      dot.product = product;
      if (dot.kind === "gone") {
        dot.fall ||= 1;
        dot.aim = { x: left + gap * (out.indexOf(a) + 0.5), y: this.height - 26, r: 15, light: 0.9 };
        continue;
      }
      dot.fall = 0;
      const small = this.width < 500 ? 5 : 7;
      const r = product > 0 ? Math.max(small, unit * Math.sqrt(product)) : small;
      dot.aim = {
        r, x: Math.min(left + wide * across(a), this.width - r - 8), y: Math.max(top + high * (1 - up(a)), r + 8),
        light: { hidden: 0, speaks: 1, silent: 0.42 }[dot.kind] ?? 0.9,
      };
    }
    this.order = [...this.dots].sort((one, other) => (one.kind !== "silent") - (other.kind !== "silent") || (one.product > 0) - (other.product > 0) || other.product - one.product);
    if (!calm.matches) return this.run();
    for (const dot of this.dots) Object.assign(dot, dot.aim);
    this.draw();
  },

  run() {
    if (this.running) return;
    this.running = true;
    let last = performance.now();
    const step = (time) => {
      const dt = Math.min(0.05, Math.max(0, (time - last) / 1000));
      last = time;
      let moving = time < this.hold;
      if (!moving) for (const dot of this.dots) moving = this.move(dot, dt) || moving;
      this.draw();
      this.running = moving;
      if (moving) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  },

  /** One step towards the aim; an anchor that was taken out falls. */
  move(dot, dt) {
    const { aim } = dot, share = 1 - Math.exp(-dt * (4 + (dot.a % 7) / 2));
    for (const key of ["x", "r", "light"]) dot[key] += (aim[key] - dot[key]) * share;
    if (dot.fall) {
      dot.fall += 2600 * dt;
      dot.y += dot.fall * dt;
      if (dot.y >= aim.y) {
        dot.y = aim.y;
        dot.fall = dot.fall > 240 ? -0.32 * dot.fall : 1e-9;
      }
    } else dot.y += (aim.y - dot.y) * share;
    return Math.abs(aim.x - dot.x) + Math.abs(aim.y - dot.y) + Math.abs(aim.r - dot.r) + 20 * Math.abs(aim.light - dot.light) > 0.4 || Math.abs(dot.fall) > 1;
  },

  draw() {
    const { pen, width, height, colours, frame: { left, right, top, floor } } = this;
    const middle = left + (width - left - right) / 2 - 4, half = top + (height - top - floor) / 2 + 2, ground = height - 54;
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = colours.corner;
    pen.beginPath();
    pen.roundRect(middle, 3, width - middle - 3, half - 3, 10);
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = colours.faint;
    for (const [dash, ...ends] of [[4, middle, 3, middle, ground - 8], [4, left, half, width - 3, half], [0, 0, ground, width, ground]]) {
      pen.setLineDash(dash ? [3, dash] : []);
      pen.beginPath();
      pen.moveTo(ends[0], ends[1]);
      pen.lineTo(ends[2], ends[3]);
      pen.stroke();
    }
    this.write("kept by both: these speak", middle + 10, 20, "is-anchor");
    this.write("● more similar to the picture →", width - 8, ground - 8, "is-picture", "right");
    this.write("■ caption more similar to the leading sentence →", 14, ground - 14, "is-sentence", "left", -Math.PI / 2);
    this.write(state.gone.size ? "Taken out. Click one to put it back." : "Taken out: none yet.", left, state.gone.size ? ground + 11 : height - 20, "ink");
    for (const dot of this.order) this.dot(dot);
    this.names();
  },

  write(text, x, y, colour, align = "left", turned = 0) {
    const { pen } = this;
    pen.save();
    pen.translate(x, y);
    pen.rotate(turned);
    Object.assign(pen, { font: `${this.width < 500 ? 11 : 13}px system-ui, sans-serif`, fillStyle: this.colours[colour], textAlign: align });
    pen.fillText(text, 0, 0);
    pen.restore();
  },

  dot({ a, x, y, r, light, kind }) {
    if (light < 0.02) return;
    const { pen, colours } = this, { tile, columns } = bank;
    pen.globalAlpha = light;
    if (kind !== "silent" && kind !== "hidden") {
      pen.fillStyle = colours[{ speaks: "is-anchor", picture: "is-picture", sentence: "is-sentence", gone: "faint" }[kind]];
      pen.shadowColor = colours["is-anchor"];
      pen.shadowBlur = kind === "speaks" && r > 14 ? 14 : 0;
      pen.beginPath();
      pen.arc(x, y, r + (kind === "speaks" ? Math.min(4, 1.5 + r / 12) : 1.5), 0, 7);
      pen.fill();
      pen.shadowBlur = 0;
    }
    pen.drawImage(this.sheet, (a % columns) * tile, Math.floor(a / columns) * tile, tile, tile, x - r, y - r, 2 * r, 2 * r);
    pen.globalAlpha = 1;
  },

  /** The captions of the largest discs, where there is room. */
  names() {
    const { pen, colours, width } = this, taken = [];
    Object.assign(pen, { font: "600 13px system-ui, sans-serif", textAlign: "center", lineWidth: 4, lineJoin: "round" });
    const loud = this.dots.filter((each) => each.kind === "speaks" && each.r > 11).sort((one, other) => other.product - one.product);
    for (const dot of loud.slice(0, 8)) {
      const text = `\u2068${caption(dot.a, 34)}\u2069`, half = pen.measureText(text).width / 2 + 4;
      const x = Math.min(width - half, Math.max(half, dot.x)), below = dot.y + dot.r + 17, above = dot.y - dot.r - 9;
      const free = (y) => y > 14 && !taken.some((each) => Math.abs(each.x - x) < each.half + half && Math.abs(each.y - y) < 17)
        && !this.dots.some((each) => each.kind === "speaks" && each.a !== dot.a && Math.abs(each.x - x) < each.r + half && Math.abs(each.y - y + 5) < each.r + 8);
      const y = [below, above].find(free) ?? (taken.length ? null : below);
      if (y === null) continue;
      taken.push({ x, y, half });
      pen.strokeStyle = colours.back;
      pen.strokeText(text, x, y);
      pen.fillStyle = colours.ink;
      pen.fillText(text, x, y);
    }
  },

  /** The anchor under the pointer: the topmost disc, else the nearest one. */
  at(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const away = (dot) => Math.hypot(dot.x - x, dot.y - y), shown = this.order.filter((dot) => dot.kind !== "hidden");
    return shown.findLast((dot) => dot.kind !== "silent" && away(dot) <= Math.max(dot.r + 3, 12)) ?? shown.findLast((dot) => away(dot) <= dot.r + 3);
  },

  tip(event) {
    const dot = event && this.at(event), tip = find("tip");
    tip.hidden = !dot;
    this.canvas.style.cursor = dot ? "pointer" : "";
    if (!dot) return;
    const both = state.words.map((word, i) => `${bank.words[word]} ${now.products[i][dot.a].toFixed(3)}`).join(", ");
    const about = { gone: "It is out: click to put it back.", speaks: both, picture: "Only the picture keeps it.", sentence: "Only the sentence keeps it.", silent: "Neither side keeps it." }[dot.kind];
    tip.replaceChildren(tile(dot.a, 64), named(dot.a, "b"), element("span", {}, about));
    tip.style.left = `${Math.min(Math.max(dot.x, 90), this.width - 90)}px`;
    tip.classList.toggle("below", dot.y < 150);
    tip.style.top = `${dot.y < 150 ? dot.y + dot.r + 10 : dot.y - dot.r - 10}px`;
  },
};

/** The thumbnail of an anchor as an element. */
function tile(a, side = 40) {
  const { columns } = bank, share = `${-side * (a % columns)}px ${-side * Math.floor(a / columns)}px`;
  const made = element("span", { class: "tile", "aria-hidden": "true" });
  Object.assign(made.style, { width: `${side}px`, height: `${side}px`, backgroundPosition: share, backgroundSize: `${side * columns}px auto` });
  return made;
}

const list = new Ledger(find("list"), named, tile, (a, stays) => toggle(a, stays));

// The start ------------------------------------------------------------------------------------------

function play() {
  const ready = bank.questions.map((_, i) => i).filter((i) => bank.questions[i].turns.length && i !== state.question);
  if (!ready.length) return trouble("No single anchor turns an answer here.");
  const question = ready.find((i) => i > state.question) ?? ready[0];
  update({ ...fresh(question), k: bank.k, p: bank.p, game: { tries: 0, done: false } }, { again: true });
}

function listen() {
  map.canvas.addEventListener("click", (event) => {
    const dot = map.at(event);
    if (dot) toggle(dot.a);
    map.tip();
  });
  map.canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") map.tip(event); });
  map.canvas.addEventListener("pointerleave", () => map.tip());
  ["first", "second"].forEach((id, i) => {
    find(`${id}-word`).addEventListener("change", (event) => choose(i, event.target.value));
    find(`${id}-word`).addEventListener("focus", (event) => event.target.select());
    find(`${id}-word`).addEventListener("input", () => find(id).classList.add("typing"));
  });
  for (const name of ["k", "p"]) find(name).addEventListener("input", (event) => update({ [name]: Number(event.target.value), game: null }, { again: true }));
  find("language")?.addEventListener("change", (event) => update({ language: event.target.value }, { again: true }));
  find("back").addEventListener("click", () => update({ gone: new Set(), game: null }));
  find("game").addEventListener("click", play);
  find("hint").addEventListener("click", () => {
    state.game.told = true;
    toggle(bank.questions[state.question].turns[0], false);
  });
  addEventListener("hashchange", () => { trouble(...readAddress()); update({ game: null }, { again: true }); });
}

async function start() {
  const sheet = Object.assign(new Image(), { src: bank.sheet });
  await sheet.decode();
  find("stage").hidden = false;
  document.body.style.setProperty("--sheet", `url(${bank.sheet})`);
  find("k").max = n - 1;
  find("language")?.append(...Object.keys(bank.translations).map((value) => {
    const lang = tagOf(value);
    return element("option", { value, lang }, new Intl.DisplayNames([lang], { type: "language" }).of(lang));
  }));
  find("words").append(...bank.words.map((word) => element("option", { value: word })));
  find("gallery").append(...bank.questions.map((question, i) => {
    const button = element("button", { type: "button", "data-question": i, "aria-label": `Picture ${i + 1}` }, tile(question.row, 48));
    button.addEventListener("click", () => update({ ...fresh(i), game: null }, { again: true }));
    return button;
  }));
  map.begin(sheet);
  listen();
  trouble(...readAddress());
  update({}, { again: true });
}

start().catch((error) => trouble(`This browser cannot show the page: ${error.message}.`));
