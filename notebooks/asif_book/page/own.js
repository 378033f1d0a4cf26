// The reader's own picture: read, padded and cropped as Pillow and timm do, and encoded by ONNX Runtime. It stays on the machine.
/** Pillow's bicubic filter along one axis, for the outputs `first` … `first + count` of `size` pixels scaled to `scaled`. */
function weights(size, scaled, first, count) {
  const scale = size / scaled, wide = Math.max(scale, 1), reach = 2 * wide;
  const bicubic = (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0);
  return Array.from({ length: count }, (_, i) => {
    const centre = (first + i + 0.5) * scale, low = Math.max(0, Math.trunc(centre - reach + 0.5));
    const high = Math.min(size, Math.trunc(centre + reach + 0.5));
    const taps = Array.from({ length: high - low }, (_, t) => bicubic(Math.abs((low + t - centre + 0.5) / wide)));
    const sum = taps.reduce((total, tap) => total + tap, 0);
    return { low, taps: taps.map((tap) => tap / sum) };
  });
}

/** The pixels (3, size, size) of the centre, standardised: of the picture in a white square if the bank's encoder pads, the
 *  shorter edge scaled to `side`. It is read in bands. */
function crop(bitmap, { side, size, mean, std, square }) {
  const longer = Math.max(bitmap.width, bitmap.height), [width, height] = square ? [longer, longer] : [bitmap.width, bitmap.height];
  const shorter = Math.min(width, height), [right, below] = [width - bitmap.width, height - bitmap.height].map((room) => room >> 1);
  const scaled = [width, height].map((edge) => Math.floor(side * edge / shorter));
  const rounded = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));  // as Python does
  const [left, top] = scaled.map((edge) => rounded((edge - size) / 2));
  const across = weights(width, scaled[0], left, size), down = weights(height, scaled[1], top, size);
  const first = down[0].low, last = down.at(-1).low + down.at(-1).taps.length, band = 256;
  const rows = new Uint8ClampedArray((last - first) * size * 3);  // scaled along x, as Pillow does first
  const pen = element("canvas", { width, height: band }).getContext("2d", { willReadFrequently: true });
  for (let y = first; y < last; y += band) {
    const high = Math.min(band, last - y);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, band);
    pen.drawImage(bitmap, right, below - y);
    const { data } = pen.getImageData(0, 0, width, high);
    for (let r = 0; r < high; r++) for (let x = 0; x < size; x++) for (let c = 0; c < 3; c++) {
      const { low, taps } = across[x];
      let sum = 0;
      for (let t = 0; t < taps.length; t++) sum += taps[t] * data[4 * (r * width + low + t) + c];
      rows[((y - first + r) * size + x) * 3 + c] = sum;
    }
  }
  const column = new Uint8ClampedArray(1), pixels = new Float32Array(3 * size * size);
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) for (let c = 0; c < 3; c++) {
    const { low, taps } = down[y];
    let sum = 0;
    for (let t = 0; t < taps.length; t++) sum += taps[t] * rows[((low - first + t) * size + x) * 3 + c];
    column[0] = sum;
    pixels[(c * size + y) * size + x] = (column[0] / 255 - mean[c]) / std[c];
  }
  return pixels;
}

/** The bank's image encoder, out of the file beside the page: from pixels to an embedding. */
const imageEncoder = once(async () => {
  const { model } = await script(bank.encoder.file, "bankEncoder"), run = await computing(model), { size } = bank.encoder;
  return (pixels) => run(["float32", pixels, [1, 3, size, size]]);
});

/** Throw why a file cannot be asked, before its pixels are read; true for an animation, of which the first picture counts. */
async function checkFile(file) {
  const name = quoted(file.name);
  if (!file.size) throw new Error(`the file ${name} is empty; choose another one`);
  const start = new TextDecoder("latin1").decode(await file.slice(0, 2 ** 20).arrayBuffer());
  if (file.type === "image/svg+xml" || /<svg[\s>]/i.test(start.slice(0, 4096))) throw new Error(`${name} is a drawing in SVG, which may hold a program; save it as PNG`);
  const picture = new Image(), src = URL.createObjectURL(file);
  await new Promise((done, failed) => Object.assign(picture, { src, onload: done, onerror: failed }))
    .catch(() => { throw new Error(`this browser cannot read ${name}; save it as JPEG or PNG`); }).finally(() => URL.revokeObjectURL(src));
  const { naturalWidth: width, naturalHeight: height } = picture;
  const has = `${name} has ${width} × ${height} pixels`, { most } = bank.encoder;
  if (Math.min(width, height) < 2) throw new Error(`${has}; choose a picture of at least 2 × 2`);
  if (width * height > most || Math.max(width, height) > 16384) throw new Error(`${has}; choose one of at most ${Math.floor(most / 1e6)} million, and 16,384 on a side`);
  return /^GIF8[^]*NETSCAPE2|^GIF8[^]*!ù\x04[^]*!ù\x04|ANMF|acTL/.test(start);  // two pictures of a GIF; an animated WebP, or PNG
}

/** The embedding of a picture file, in the scale of the page. */
async function embed(file) {
  const how = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(file, how).catch(() => { throw new Error(`${quoted(file.name)} is broken, or too large for this browser; save it again as JPEG or PNG`); });
  const pen = element("canvas", { width: 64, height: 64 }).getContext("2d");
  pen.drawImage(bitmap, 0, 0, 64, 64);
  if (pen.getImageData(0, 0, 64, 64).data.every((value, i) => i % 4 < 3 || !value)) throw new Error(`${quoted(file.name)} is wholly transparent; choose a picture that shows something`);
  const pixels = crop(bitmap, bank.encoder);
  bitmap.close();
  return (await (await imageEncoder())(pixels)).map((value) => value * bank.scale);
}

/** A warning for a picture unlike the bank’s. */
function unfamiliar(picture) {
  if (!bank.coverage) return "";
  const { cosines } = sides[0].represent(...picture, drained(sides[0].without(new Set())), 1, 1);
  return Math.max(...cosines) >= bank.coverage.threshold ? "" : " Never seen anything like it: a guess.";
}

/** The words that the reader taught. */
const learned = () => [...new Set(taught.map(({ caption }) => wordIn(caption)))];

/** What a model without the bank's own anchors lacks, in a sentence: of one thing alone, all anchors are their own mean. */
function lacking() {
  const [word, second] = learned();
  if (!state.alone || second) return "";
  return word ? `The model knows only ${quoted(word)}: teach it a second thing.` : "The model knows nothing yet: teach it two things.";
}

const listedWords = bank.words.length;

/** The words that a picture may be: the page's and the reader's, { word, score }, the best first; of the reader's alone where only their
 *  anchors are in. None once it is not `wanted`. */
async function ranked(question, wanted, wait = () => {}) {
  const own = learned().map(placeOf), words = question.words ?? (state.alone && own.length > 1 ? own : [...new Set([...Array(listedWords).keys(), ...own])]);
  const decided = await inSteps(answering({ ...state, ...question, words }), wanted, wait);
  return wanted() ? words.map((word, i) => ({ word, score: decided.scores[i] })).sort((one, other) => other.score - one.score) : [];
}

/** The positions of these words; none once another change has come. */
async function labels(question) {
  const mine = moving = Symbol();
  return (await ranked(question, () => moving === mine, () => { find("says").textContent = "Computing …"; })).map(({ word }) => word);
}

/** Ask a picture of the reader's own, { z, src }, with its two best labels, and tell `more` of it; return the positions of words,
 *  the best first. */
async function askOwn(own, more = "") {
  const asked = { question: -1, own, gone: new Set(), whiten: state.alone ? 1 : WHITEN, game: null }, best = await labels(asked);
  if (!best.length) return best;
  own.word = lacking() ? "" : bank.words[best[0]];
  await update({ ...asked, words: lacking() ? state.words : best.slice(0, 2) }, { again: true });
  find("own-says").replaceChildren(lacking() ? "" : sentenceOf(`Of all ${best.length} words, ${quoted(own.word)} fits best.${more}`));
  return best;
}

/** Ask a file, or say why not; the page goes on. */
async function ask(file) {
  const says = find("own-says");
  if (!file) return;
  stage(true);
  try {
    if (bank.encoder.why) throw new Error(bank.encoder.why);
    const looking = imageEncoder.ready ? "Looking …" : "Loading the image encoder. This takes some seconds the first time …";
    says.textContent = looking;
    const moves = await checkFile(file);
    const z = await embed(file), picture = question(sides[0], z);
    trouble();
    const own = { z, src: URL.createObjectURL(new Blob([await file.arrayBuffer()], { type: file.type })) };
    await lay(own);
    const found = await askOwn(own, `${unfamiliar(picture)}${moves ? " Of an animation the first picture is asked." : ""}`);
    if (!found.length && says.textContent === looking) says.textContent = "";  // another picture came meanwhile
    await answerSheets([sheet]);
    scrollTo({ top: 0, behavior: calm.matches ? "instant" : "smooth" });
  } catch (error) {
    says.textContent = `No answer: ${error.message}.`;
  }
}

find("file").addEventListener("change", (event) => ask(event.target.files[0]));
document.addEventListener("paste", (event) => ask(event.clipboardData.files[0]));
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop") ask(event.dataTransfer.files[0]);
  });
}
if (bank.encoder.why) find("own-says").textContent = `Not here: ${bank.encoder.why}.`;
find("file").disabled = Boolean(bank.encoder.why);
