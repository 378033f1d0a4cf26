// The seesaw: a pan for each sentence, and on it a slab for each anchor that speaks, as high as its product.
const beam = {
  pans: ["first", "second"].map((id) => ({ id, root: find(id), stack: find(id).querySelector(".stack"), slabs: new Map() })),
  looked: null,  // the slab that is inspected, { a, i }: anchor and sentence
  drawn: null,  // the decision whose slabs are seen
  finger: false,
};
const blind = () => Boolean(state.game && !state.game.done);
const touched = matchMedia("(hover: none)"), coarse = matchMedia("(hover: none), (max-width: 34rem)");  // where a slab is as high as its name
const wordOf = (i) => bank.words[state.words[i]];

const SILENT = {  // what is told of an anchor without a product, by the kind of its disc
  gone: "It is out: click to put it back.", picture: "Only the picture keeps it.", sentence: "Only the sentence keeps it.", silent: "Neither side keeps it.",
};

/** The factors of an anchor's product, as elements. */
function product(a, i) {
  const part = (name, value) => element(name === "anchor" ? "b" : "span", { class: name }, value.toFixed(3));
  const { image, text, products } = now;
  return [part("picture", image.entries[a]), " × ", part("sentence", text[i].entries[a]), " = ", part("anchor", products[i][a])];
}

/** The anchors that speak for a sentence, the largest product first. */
function speakers(i, { products } = now) {
  return [...products[i].keys()].filter((a) => products[i][a] > 0).sort((a, b) => products[i][b] - products[i][a]);
}

/** Inspect an anchor, for sentence `i` or else for the other one: its slabs and its disc are lit, and its product is written. */
function look(a, i) {
  if (!(now.products[i][a] > 0)) i = 1 - i;
  beam.looked = { a, i };
  const silent = now.products[i][a] > 0 ? null : SILENT[map.dots[a].kind];
  const hint = blind() ? "Its size is hidden." : touched.matches ? "A tap takes the anchor out." : "A click takes the anchor out.";
  const why = ["The slab is as high as ", element("span", { class: "picture" }, "● the picture’s entry"), " × ", element("span", { class: "sentence" }, "■ the sentence’s"), ". ", hint];
  const told = element("p", { class: "quiet" }, ...(silent ? [silent] : blind() ? [hint] : why));
  const times = silent || blind() ? [] : [element("p", { class: "times" }, ...product(a, i))];
  find("looked").replaceChildren(tile(a, 48), named(a, "b"), ...times, told);
  for (const { slabs } of beam.pans) for (const [each, slab] of slabs) slab.classList.toggle("lit", each === a);
  map.light(a);
}

/** A press on an anchor: a mouse takes it out; a tap of a finger inspects it, and takes out what is inspected. None
 *  counts while a removal is shown, because the slabs move under the pointer. */
function press(a, i) {
  if (moving) return null;
  return beam.finger && beam.looked?.a !== a && !state.gone.has(a) ? look(a, i) : toggle(a);
}

function addSlab(pan, a, i) {
  const number = element("span", { class: "number" }), slab = element("button", { type: "button", class: "slab", "data-anchor": a });
  slab.append(tile(a, 24), named(a, "bdi"), number);
  slab.addEventListener("click", () => press(a, i));
  slab.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") look(a, i); });
  slab.addEventListener("focus", () => { if (!beam.finger) look(a, i); });
  pan.slabs.set(a, slab);
  return slab;
}

/** What left stays as a ghost in its place, as high as it was: a press puts it back. */
function ghosts(pan, i, unit) {
  for (const a of speakers(i, first).filter((each) => !blind() && state.gone.has(each) && first.products[i][each] * unit >= 17)) {
    const ghost = element("button", { type: "button", class: "ghost", "aria-label": `Put back ${bank.captions[a]}` }, named(a, "s"));
    ghost.style.height = `${first.products[i][a] * unit}px`;
    ghost.addEventListener("click", () => { if (!moving) toggle(a); });
    pan.stack.insertBefore(ghost, [...pan.slabs.values()].find((slab) => now.products[i][slab.dataset.anchor] < first.products[i][a]) ?? pan.rest);
  }
}

/** The slabs of the decision `now`. A slab keeps its element, so that it grows, but for another question (`again`). */
function stackUp(again) {
  for (const { stack } of beam.pans) stack.classList.toggle("blind", blind());
  const left = first.products.map((products) => [...state.gone].reduce((sum, a) => sum + products[a], 0));
  const most = Math.max(...first.scores, ...now.scores.map((score, i) => score + left[i]), 1e-9), room = beam.pans[0].stack.clientHeight - 22, unit = room / most;
  const tick = [0.01, 0.02, 0.05, 0.1, 0.2].find((each) => each * unit > 18) ?? 0.5;
  beam.pans.forEach((pan, i) => {
    const products = now.products[i], all = speakers(i), shown = blind() ? all : all.filter((a) => products[a] * unit >= (coarse.matches ? 17 : 8));
    const rest = all.slice(shown.length), sum = rest.reduce((total, a) => total + products[a], 0);
    for (const ghost of pan.stack.querySelectorAll(".ghost")) ghost.remove();
    for (const [a, slab] of pan.slabs) if (again || !shown.includes(a)) { slab.remove(); pan.slabs.delete(a); }
    const order = blind() ? [...shown].sort((a, b) => a - b) : shown;
    order.forEach((a, place) => {
      const slab = pan.slabs.get(a) ?? addSlab(pan, a, i), height = products[a] * unit, side = Math.min(coarse.matches ? 32 : 44, height - 4);
      if (pan.stack.children[place] !== slab) pan.stack.insertBefore(slab, pan.stack.children[place]);
      slab.style.height = blind() ? "" : `${height}px`;
      slab.style.setProperty("--small", (blind() ? 36 : side) / 24);
      slab.style.setProperty("--lines", Math.max(1, Math.floor(height / 18)));
      slab.classList.toggle("thin", !blind() && height < 17);
      slab.querySelector(".number").textContent = blind() ? "" : products[a].toFixed(3);
    });
    pan.rest ??= pan.stack.appendChild(element("div", { class: "rest" }, element("span")));
    pan.rest.style.height = `${sum * unit}px`;
    pan.rest.firstChild.textContent = rest.length ? `+ ${rest.length} more: ${sum.toFixed(3)}` : "";
    ghosts(pan, i, unit);
    pan.stack.style.setProperty("--tick", blind() ? "999px" : `${tick * unit}px`);
  });
  beam.drawn = now;
}

/** Slabs of anchors that have gone slide off their pan and fall. */
function dropSlabs({ slowly }) {
  for (const [i, { slabs, stack }] of beam.pans.entries()) for (const [a, slab] of slabs) {
    if (!state.gone.has(a)) continue;
    const focused = slab === document.activeElement;
    slabs.delete(a);
    if (slowly && !calm.matches) {
      const away = i ? 1 : -1, falls = slab.cloneNode(true), { offsetTop: top, offsetWidth, offsetHeight } = slab;
      Object.assign(falls.style, { position: "absolute", top: `${top}px`, width: `${offsetWidth}px`, height: `${offsetHeight}px` });
      falls.setAttribute("aria-hidden", "true");
      falls.tabIndex = -1;
      stack.append(falls);
      falls.animate([{}, { transform: `translateX(${away * 90}%)`, offset: 0.55 }, { transform: `translate(${away * 105}%, 12rem) rotate(${away * 25}deg)`, opacity: 0 }], STEPS.out).finished.finally(() => falls.remove());
    }
    slab.remove();
    if (focused) (stack.querySelector("button:not([aria-hidden])") ?? find("back")).focus();
  }
}

/** Numbers roll to their new value. */
function roll(place, value, time) {
  const from = Number(place.dataset.value || 0), start = performance.now();
  place.dataset.value = value;
  const step = (at) => {
    const share = calm.matches || !time ? 1 : Math.min(1, Math.max(0, (at - start) / time)), eased = 1 - (1 - share) ** 3;
    if (place.dataset.value !== String(value)) return;
    place.textContent = (from + (value - from) * eased).toFixed(3);
    if (share < 1) requestAnimationFrame(step);
  };
  step(start);
}

const sumOf = ({ root }) => root.querySelector(".sum b");

/** The sums without what has gone, before the others are scaled again. */
function subtract({ slowly }) {
  beam.pans.forEach((pan, i) => {
    const lost = slowly && beam.drawn ? [...state.gone].reduce((sum, a) => sum + beam.drawn.products[i][a], 0) : 0;
    const left = slowly && beam.drawn ? beam.drawn.scores[i] - lost : now.scores[i];
    roll(sumOf(pan), left, slowly ? STEPS.sum : 0);
  });
}

/** The lists are scaled to length 1 again, so that the others grow. */
function scaleAgain({ again, slowly }) {
  if (slowly && beam.drawn) beam.pans.forEach((pan, i) => roll(sumOf(pan), now.scores[i], STEPS.scale));
  stackUp(again);
}

/** The pan of the larger sum sinks. */
function tilt() {
  const [a, b] = now.scores, lead = (b - a) / (a + b || 1);
  find("scales").style.setProperty("--lean", Math.sign(lead) * (Math.abs(lead) > 1e-9 ? 0.9 : 0) + 0.1 * lead);
}

function showVerdict({ again }) {
  beam.pans.forEach(({ root, id }, i) => {
    root.classList.toggle("best", now.best === i);
    root.classList.remove("typing");
    root.classList.toggle("blind", blind());
    find(`${id}-word`).value = wordOf(i);
  });
  const lead = Math.max(now.best, 0), { a, i } = beam.looked ?? {};
  if (again || a === undefined || !(now.products[i][a] > 0)) {
    const largest = blind() ? undefined : speakers(lead)[0];
    if (largest === undefined) { beam.looked = null; find("looked").replaceChildren(); map.light(null); } else look(largest, lead);
  } else look(a, i);
}

showAt("out", dropSlabs);
showAt("sum", subtract);
showAt("scale", scaleAgain);
showAt("tilt", tilt);
showAt("verdict", showVerdict);
