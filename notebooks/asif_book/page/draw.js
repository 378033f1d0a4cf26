// The second act: three sheets. A drawing goes the way of a chosen file, and is taught as any picture of the reader's own.
const sheets = [...find("sheets").children].map((root) => ({
  root, canvas: root.querySelector("canvas"), button: root.querySelector("button"), hint: root.querySelector("button").textContent,
  back: null, strokes: [], own: null, asked: null,  // the picture that lies on it, the lines above; what is asked, { z, src }, and its last question
}));
const REST = 500, narrow = matchMedia("(max-width: 34rem)");  // ms after a line before the drawing is asked; where only one sheet is large
let sheet = sheets[0], line = null, resting = 0, fetching = null, answered = null;  // the sheet at hand, the line that grows, the timer after it, the encoders on their way, the settings of the answers on the sheets
const drawing = () => document.body.classList.contains("drawing");

/** Draw a sheet again: its picture, whole on white, and its lines. */
function redraw({ canvas, back, strokes }) {
  const pen = canvas.getContext("2d"), { width } = canvas;
  Object.assign(pen, { fillStyle: "#fff", lineCap: "round", lineJoin: "round" });
  pen.fillRect(0, 0, width, width);
  if (back) {
    const share = width / Math.max(back.naturalWidth, back.naturalHeight), [w, h] = [back.naturalWidth * share, back.naturalHeight * share];
    pen.drawImage(back, (width - w) / 2, (width - h) / 2, w, h);
  }
  for (const { colour, wide, points } of strokes) {
    Object.assign(pen, { strokeStyle: colour, lineWidth: wide });
    pen.beginPath();
    for (const point of [...points, points.at(-1)]) pen.lineTo(...point);
    pen.stroke();
  }
}

/** How much of the encoders has come, which are fetched once, while the reader draws. What fails is told where it is needed. */
function showComing() {
  const { here, all } = coming, place = find("coming");
  place.hidden = !fetching || (imageEncoder.ready && (textEncoder.ready || Boolean(bank.textEncoder.why)));
  Object.assign(place.querySelector("progress"), { max: all, value: here });
  place.querySelector("span").textContent = `The encoders come while you draw: ${Math.round(here)} of ${Math.round(all)} MB.${here < all ? "" : " They are unpacked."}`;
}
function fetchEncoders() {
  fetching ??= imageEncoder().then(() => bank.textEncoder.why || textEncoder()).catch(() => { fetching = null; }).finally(showComing);
  showComing();
}
coming.tell = showComing;

/** Take a sheet to hand, and ask what is on it. */
function take(one) {
  if (one === sheet) return;
  sheet = one;
  for (const each of sheets) each.root.classList.toggle("hand", each === one);
  find("teach-it").disabled = !one.own;
  if (one.own) askOwn(one.own);
}

/** The drawing on a sheet has changed: when it rests, it is asked. */
function changed(one) {
  redraw(one);
  Object.assign(one, { own: null, asked: Symbol() });
  one.button.textContent = one.strokes.length || one.back ? "…" : one.hint;
  one.button.classList.remove("learned");
  find("teach-it").disabled = true;  // else the picture before would be taught
  clearTimeout(resting);
  if (!line && (one.strokes.length || one.back)) resting = setTimeout(() => askSheet(one), REST);
}

/** Ask what is drawn on a sheet: its pixels are a file, as any other. */
async function askSheet(one) {
  const { asked } = one;
  try {
    find("own-says").textContent = imageEncoder.ready ? "Looking …" : "The image encoder is on its way …";
    const blob = await new Promise((done) => one.canvas.toBlob(done)), z = await embed(new File([blob], "the drawing"));
    if (one.asked !== asked) return;
    one.own = { z, src: URL.createObjectURL(blob) };
    if (one === sheet) await askOwn(one.own);
    await answerSheets([one]);
  } catch (error) {
    find("own-says").textContent = `No answer: ${error.message}.`;
  }
}

/** Lay a picture, { z, src }, on the sheet at hand. */
async function lay(own) {
  const back = Object.assign(new Image(), { src: own.src });
  await back.decode();
  changed(Object.assign(sheet, { back, strokes: [] }));
  clearTimeout(resting);
  sheet.own = own;
}

const settings = () => [state.alone, state.k, state.p, ...taught.map(({ id }) => id)].join();
const asking = (own) => ({ question: -1, own, gone: new Set(), whiten: state.alone ? 1 : WHITEN });

/** Write on sheets what the model takes their drawings for, with the anchors of now. */
async function answerSheets(those = sheets) {
  const mine = settings();
  for (const one of those.filter(({ own }) => own)) {
    const { own } = one, [best] = await ranked(asking(own), () => settings() === mine && one.own === own);
    if (!best) continue;
    const text = bank.words[best.word];
    one.button.replaceChildren(...(lacking() ? ["?"] : [element("b", { dir: "auto" }, text), ` ${best.score.toFixed(2)}`]));
    one.button.classList.toggle("learned", learned().includes(text));
    one.canvas.setAttribute("aria-label", `A drawing: ${text}`);
  }
}

/** So many drawings, or pictures where one lies on a sheet. */
function pictures(count) {
  const noun = sheets.some(({ back }) => back) || !sheets.some(({ own }) => own) ? "picture" : "drawing";
  return count === 1 ? `one ${noun}` : `${count} ${noun}s`;
}

/** A picture to send: each drawing, what the bank alone takes it for, and what it is taken for now. */
async function card() {
  const made = element("canvas", { width: 1200, height: 630 }), pen = made.getContext("2d"), own = new Set(taught.map((_, i) => base + i)), words = [...Array(listedWords).keys()];
  const write = (text, x, y, size, colour, wide = 360) => {
    Object.assign(pen, { font: `${size > 20 ? 600 : 400} ${size}px system-ui, sans-serif`, fillStyle: colour });
    pen.fillText(text, x, y, wide);
  };
  pen.fillStyle = "#fdfdfb";
  pen.fillRect(0, 0, 1200, 630);
  write(`It learned ${learned().map(quoted).join(" and ")} from ${pictures(taught.length)}. Nothing was trained.`, 40, 70, 40, "#20242a", 1120);
  for (const [i, one] of sheets.filter((each) => each.own).entries()) {
    const x = 40 + 380 * i, [before] = await ranked({ ...asking(one.own), gone: own, words }, () => true), [after] = await ranked(asking(one.own), () => true);
    pen.strokeStyle = "#878f94";
    pen.strokeRect(x, 100, 360, 360);
    pen.drawImage(one.canvas, x, 100, 360, 360);
    write(`before: ${bank.words[before.word]}`, x, 495, 20, "#525c66");
    write(`now: ${bank.words[after.word]}`, x, 535, 30, "#00735a");
    pen.fillRect(x, 550, 360 * after.score, 14);
  }
  write(`${base} pictures with captions, and ${taught.length} of my own. Two encoders that never met. ${location.protocol === "file:" ? "" : location.host + location.pathname}`, 40, 605, 20, "#525c66", 1120);
  return new Promise((done) => made.toBlob(done));
}

/** Let the stage be that of the second act, or of the first. */
function stage(second) {
  document.body.classList.toggle("drawing", second);
  find("act").textContent = second ? "← Back to the first act" : "Now draw your own →";
}

/** Open the second act with what its sheet shows, or the first again. */
async function act(second) {
  stage(second);
  if (!second && state.question < 0) await update({ ...fresh(0), game: null }, { again: true });
  else if (second && sheet.own && state.own !== sheet.own) await askOwn(sheet.own);
  else if (now) say();
}

for (const one of sheets) {
  const at = (event) => {
    const box = one.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((value) => value * one.canvas.width / box.width);
  };
  const end = () => {
    if (line?.one !== one) return;
    line = null;
    changed(one);
  };
  one.canvas.addEventListener("pointerdown", (event) => {
    const away = narrow.matches && one !== sheet;  // a tap makes it large
    if (event.button || line) return;
    take(one);
    if (away) return;
    one.canvas.setPointerCapture(event.pointerId);
    fetchEncoders();
    const [colour, wide] = ["colour", "width"].map((name) => find("pens").querySelector(`[name=${name}]:checked`).value);
    line = { one, pointer: event.pointerId, points: [at(event)] };
    one.strokes.push({ colour, wide: Number(wide), points: line.points });
    changed(one);
  });
  one.canvas.addEventListener("pointermove", (event) => {
    if (line?.one !== one || line.pointer !== event.pointerId) return;
    line.points.push(...(event.getCoalescedEvents?.() ?? [event]).map(at), at(event));
    redraw(one);
  });
  for (const kind of ["pointerup", "pointercancel"]) one.canvas.addEventListener(kind, end);
  one.button.addEventListener("click", () => take(one));
  redraw(one);
}
sheet.root.classList.add("hand");
find("undo").addEventListener("click", () => {
  sheet.strokes.pop();
  changed(sheet);
});
find("clear").addEventListener("click", () => changed(Object.assign(sheet, { back: null, strokes: [] })));
find("act").addEventListener("click", () => act(!drawing()));
find("card").addEventListener("click", async () => {
  const file = new File([await card()], "walk-the-bank.png", { type: "image/png" }), files = [file];
  const sent = touched.matches && navigator.canShare?.({ files }) && await navigator.share({ files }).then(() => true, ({ name }) => name === "AbortError");
  if (!sent) element("a", { href: URL.createObjectURL(file), download: file.name }).click();
});
showAt("verdict", ({ again }) => {
  if (!again || answered === settings()) return;
  answered = settings();
  answerSheets();
});
for (const id of ["sheets", "pens"]) find(id).hidden = Boolean(bank.encoder.why);
