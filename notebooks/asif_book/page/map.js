// The thumbnails and the map of the anchors.
const thumbs = { sheet: null, added: new Map() };  // the bank's own on one sheet, cut round; a canvas of `bank.tile` pixels for each that was added

/** Where an anchor's thumbnail is: a canvas, and the upper left corner within it. */
function thumb(a) {
  const { tile, columns } = bank, added = thumbs.added.get(a);
  return added ? [added, 0, 0] : [thumbs.sheet, (a % columns) * tile, Math.floor(a / columns) * tile];
}

const map = {
  canvas: find("map"), dots: [], running: false, axis: 0, lit: null,  // the sentence of the vertical axis, the anchor that is inspected

  /** A round thumbnail of each anchor, cut once; `sheet` shows them all. */
  begin(sheet) {
    thumbs.sheet = element("canvas", { width: sheet.width, height: sheet.height });
    const pen = thumbs.sheet.getContext("2d"), { tile, columns } = bank, n = bank.captions.length;
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
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
  },

  resize() {
    const box = this.canvas.getBoundingClientRect(), scale = devicePixelRatio || 1;
    [this.width, this.height] = [Math.max(box.width, 50), Math.max(box.height, 50)];
    [this.canvas.width, this.canvas.height] = [this.width * scale, this.height * scale];
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(document.body), names = ["ink", "back", "faint", "is-picture", "is-sentence", "is-anchor", "corner", "shade"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.frame = { left: 26, right: 14, top: 30, floor: this.width < 500 ? 98 : 84 };
    if (now) this.aim();
  },

  /** Where each anchor belongs. The k-th similarity of each side is drawn in the middle: beyond it an anchor is kept. */
  aim() {
    const decision = now, { gone } = state, hidden = bank.questions[state.question]?.row, { left, right, top, floor } = this.frame, text = decision.text[this.axis];
    const wide = this.width - left - right, high = this.height - top - floor, secret = blind();
    const place = ({ cosines, order, threshold }, turn) => {  // what is kept by similarity, the rest by rank; in the game by chance
      const most = cosines[order[0]], rank = new Map(order.map((a, i) => [a, i])), rest = order.length - decision.kept;
      return (a) => rank.get(a) < decision.kept ? 0.53 + 0.38 * (secret ? (a * turn) % 1 : Math.sqrt((cosines[a] - threshold) / (most - threshold || 1)))
        : 0.01 + 0.47 * (order.length - 1 - (rank.get(a) ?? 0)) / (rest || 1);
    };
    const across = place(decision.image, 0.618), up = place(text, 0.755), unit = Math.min(wide, high) * 0.2;
    const out = [...gone], gap = Math.min(38, wide / Math.max(out.length, 1)), small = this.width < 500 ? 5 : 7, tiny = this.colours.shade ? 3.5 : small;
    this.dots.length = Math.min(this.dots.length, bank.captions.length);
    while (this.dots.length < bank.captions.length) this.dots.push({ a: this.dots.length, x: left, y: top, r: small, light: 1 });  // it flies in
    for (const dot of this.dots) {
      const { a } = dot, product = decision.products[this.axis][a], kept = [decision.image.entries[a] > 0, text.entries[a] > 0];
      dot.kind = a === hidden || (state.alone && a < base) ? "hidden" : gone.has(a) ? "gone" : product > 0 ? "speaks" : kept[0] ? "picture" : kept[1] ? "sentence" : "silent";
      dot.product = product;
      if (dot.kind === "gone") {
        dot.aim = { x: left + gap * (out.indexOf(a) + 0.5), y: this.height - 22, r: 15, light: 0.9 };
        continue;
      }
      const r = product > 0 ? secret ? 14 : Math.max(small, unit * Math.sqrt(product)) : dot.kind === "silent" ? tiny : small;
      dot.aim = {
        r, x: Math.min(left + wide * across(a), this.width - r - 8), y: Math.max(top + high * (1 - up(a)), top + r),
        light: { hidden: 0, speaks: 1, silent: this.colours.shade ? 0.45 : 0.42 }[dot.kind] ?? 0.9,
      };
    }
    this.order = [...this.dots].sort((one, other) => (one.kind !== "silent") - (other.kind !== "silent") || (one.product > 0) - (other.product > 0) || other.product - one.product);
    if (!calm.matches) return this.run();
    for (const dot of this.dots) Object.assign(dot, dot.aim);
    this.draw();
  },

  /** Ring the disc of an anchor. */
  light(a) {
    this.lit = a;
    if (this.order && !this.running) this.draw();
  },

  run() {
    if (this.running) return;
    this.running = true;
    let last = performance.now();
    const step = (time) => {
      const dt = Math.min(0.05, Math.max(0, (time - last) / 1000));
      last = time;
      let moving = false;
      for (const dot of this.dots) moving = this.move(dot, dt) || moving;
      this.draw();
      this.running = moving;
      if (moving) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  },

  /** One step towards the aim. */
  move(dot, dt) {
    const { aim } = dot, share = 1 - Math.exp(-dt * (4 + (dot.a % 7) / 2));
    for (const key of ["x", "y", "r", "light"]) dot[key] += (aim[key] - dot[key]) * share;
    return Math.abs(aim.x - dot.x) + Math.abs(aim.y - dot.y) + Math.abs(aim.r - dot.r) + 20 * Math.abs(aim.light - dot.light) > 0.4;
  },

  draw() {
    const { pen, width, height, colours, frame: { left, right, top, floor } } = this;
    const middle = left + (width - left - right) / 2 - 4, half = top + (height - top - floor) / 2 + 2, ground = height - floor + 26;
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
    const foot = ground - 10, narrow = width < 500;
    this.write("only the sentence keeps these", left, 19, "is-sentence");
    this.write("kept by both: these speak", middle + 10, 19, "is-anchor");
    this.write("kept by neither", left, foot, "ink");
    this.write("only the picture keeps these", middle + 10, foot, "is-picture");
    this.write("● more similar to the picture →", width - 8, ground + 16, "is-picture", "right");
    this.write(`■ caption more similar to ${wordOf(this.axis)} →`, 14, ground - 6, "is-sentence", "left", -Math.PI / 2);
    this.write(state.gone.size ? "Taken out. Click: it goes back." : "Taken out: none yet.", left, narrow ? ground + 34 : ground + 16, "ink");
    for (const dot of this.order) this.dot(dot);
    const lit = this.dots[this.lit];
    if (lit && lit.kind !== "hidden") {
      Object.assign(pen, { lineWidth: 3, strokeStyle: colours.ink });
      pen.beginPath();
      pen.arc(lit.x, lit.y, lit.r + 6, 0, 7);
      pen.stroke();
    }
    this.names();
  },

  write(text, x, y, colour, align = "left", turned = 0) {
    const { pen } = this;
    pen.save();
    pen.translate(x, y);
    pen.rotate(turned);
    Object.assign(pen, { font: `${this.width < 500 ? 11 : 13}px system-ui, sans-serif`, fillStyle: this.colours[colour], textAlign: align });
    pen.fillText(text, 0, 0, turned ? this.height - this.frame.floor : this.width / 2 - 26);
    pen.restore();
  },

  dot({ a, x, y, r, light, kind }) {
    if (light < 0.02) return;
    const { pen, colours } = this;
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
    pen.drawImage(...thumb(a), bank.tile, bank.tile, x - r, y - r, 2 * r, 2 * r);
    if (colours.shade) {  // in the dark its white is as grey as in the book
      pen.fillStyle = colours.shade;
      pen.beginPath();
      pen.arc(x, y, r, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  },

  /** The captions of the largest discs, where they cover no disc and no other name. */
  names() {
    const { pen, colours, width } = this, taken = [];
    Object.assign(pen, { font: "600 13px system-ui, sans-serif", textAlign: "center", lineWidth: 4, lineJoin: "round" });
    const loud = this.dots.filter(({ kind, r }) => kind === "speaks" && r > 11).sort((one, other) => other.product - one.product);
    const discs = this.dots.filter(({ kind, light }) => light > 0.5 && kind !== "gone");
    for (const dot of loud.slice(0, 8)) {
      const text = `\u2068${bank.captions[dot.a].slice(0, 34)}\u2069`, half = pen.measureText(text).width / 2 + 4, inside = (x) => Math.min(width - half, Math.max(half, x));
      const free = ([x, y]) => y > 34 && y < this.height - this.frame.floor && !taken.some((each) => Math.abs(each.x - x) < each.half + half && Math.abs(each.y - y) < 17)
        && !discs.some((each) => Math.abs(each.x - x) < each.r + half && Math.abs(each.y - y + 5) < each.r + 9);
      const [x, y] = [[inside(dot.x), dot.y + dot.r + 19], [inside(dot.x), dot.y - dot.r - 11], [inside(dot.x - dot.r - half - 8), dot.y + 5], [inside(dot.x + dot.r + half + 8), dot.y + 5]].find(free) ?? [];
      if (y === undefined) continue;
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

  /** Inspect the disc under the pointer of a mouse. */
  hover(event) {
    const dot = this.at(event);
    this.canvas.style.cursor = dot ? "pointer" : "";
    if (dot && dot.a !== this.lit) look(dot.a, this.axis);
  },

  /** Press the disc under a pointer. */
  press(event) {
    const dot = this.at(event);
    if (dot) press(dot.a, this.axis);
  },
};

/** The thumbnail of an anchor as an element. */
function tile(a, side = 40) {
  const { columns } = bank, added = thumbs.added.get(a);
  const made = element("span", { class: "tile", "aria-hidden": "true" });
  Object.assign(made.style, { width: `${side}px`, height: `${side}px` }, added
    ? { backgroundImage: `url(${added.toDataURL()})`, backgroundSize: "cover" }
    : { backgroundPosition: `${-side * (a % columns)}px ${-side * Math.floor(a / columns)}px`, backgroundSize: `${side * columns}px auto` });
  return made;
}

/** The map rises by the sentence that leads. */
showAt("scale", () => {
  map.axis = Math.max(now.best, 0);
  map.aim();
});
