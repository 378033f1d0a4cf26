// The reader's own picture: read, cropped as Pillow and timm do, and encoded by ONNX Runtime. It stays on the machine.
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

/** The pixels (3, size, size) of the centre, the shorter edge scaled to `side`, standardised. A picture is read in bands. */
function crop(bitmap, { side, size, mean, std }) {
  const { width, height } = bitmap, shorter = Math.min(width, height);
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
    pen.drawImage(bitmap, 0, y, width, high, 0, 0, width, high);
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

/** The encoder, loaded once from the file beside the page. */
let loading = null;
function encoder() {
  const blobOf = (parts, type) => URL.createObjectURL(new Blob(parts, { type }));
  const unpacked = (text) => new Response(new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  loading ??= (async () => {
    if (typeof WebAssembly === "undefined") throw new Error("WebAssembly is switched off in this browser");
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack it (it has no DecompressionStream)");
    await new Promise((done, failed) => {
      const script = element("script", { src: encodeURIComponent(bank.encoder.file) });
      script.addEventListener("load", done);
      script.addEventListener("error", () => failed(new Error(`the file ${bank.encoder.file} is not beside this page`)));
      document.head.append(script);
    });
    const { ort, parts } = globalThis.bankEncoder, [wasm, model] = await Promise.all([parts.wasm, parts.model].map(unpacked));
    Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: wasm, wasmPaths: { mjs: blobOf([parts.module], "text/javascript") } });
    const session = await ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] });
    return async (pixels) => {
      const { size } = bank.encoder, pictures = new ort.Tensor("float32", pixels, [1, 3, size, size]);
      return (await session.run({ [session.inputNames[0]]: pictures }))[session.outputNames[0]].data;
    };
  })();
  loading.catch(() => { loading = null; });
  return loading;
}

/** The orientation that the EXIF of a WebP states, 1 to 8, which is taken out of its bytes; 1 for another file. */
function takeOrientation(bytes) {
  const view = new DataView(bytes), word = (at) => (at + 4 <= view.byteLength ? view.getUint32(at) : 0);
  if (word(0) !== 0x52494646 || word(8) !== 0x57454250) return 1;  // RIFF, WEBP
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    if (word(at) === 0x45584946) {  // EXIF
      const start = at + (word(at + 8) === 0x45786966 ? 14 : 8), little = view.getUint16(start) === 0x4949;
      const table = start + view.getUint32(start + 4, little), count = view.getUint16(table, little);
      view.setUint32(at, 0x4a554e4b);  // JUNK
      for (let entry = table + 2; entry < table + 2 + 12 * count; entry += 12) {
        if (view.getUint16(entry, little) === 0x0112) return view.getUint16(entry + 8, little);
      }
    }
    at += 8 + size + (size % 2);
  }
  return 1;
}

/** A picture file, turned upright if it is a WebP: browsers turn other files by their EXIF, and WebP not all of them. */
async function upright(file) {
  const bytes = await file.arrayBuffer();
  let turn = 1;
  try {
    turn = takeOrientation(bytes);
  } catch { }  // an EXIF that cannot be read turns nothing
  if (!(turn > 1 && turn < 9)) return file;
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/webp" })), { width: w, height: h } = bitmap;
  const canvas = element("canvas", turn > 4 ? { width: h, height: w } : { width: w, height: h }), pen = canvas.getContext("2d");
  pen.setTransform(...[
    [-1, 0, 0, 1, w, 0], [-1, 0, 0, -1, w, h], [1, 0, 0, -1, 0, h], [0, 1, 1, 0, 0, 0],
    [0, 1, -1, 0, h, 0], [0, -1, -1, 0, h, w], [0, -1, 1, 0, 0, w],
  ][turn - 2]);
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new File([await new Promise((done) => canvas.toBlob(done))], file.name);
}

/** The embedding of an upright picture file, in the scale of the page. */
async function embed(file) {
  const how = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(file, how).catch(() => { throw new Error(`this browser cannot read ${quoted(file.name)}; save it as JPEG or PNG`); });
  const { width, height } = bitmap;
  if (Math.min(width, height) < 2 || width * height > bank.encoder.most || width > 16384) {
    throw new Error(`${quoted(file.name)} has ${width} × ${height} pixels; choose a smaller picture, of at least 2 × 2 pixels`);
  }
  const pixels = crop(bitmap, bank.encoder);
  bitmap.close();
  return (await (await encoder())(pixels)).map((value) => value * bank.scale);
}

/** Positions of all words, the best label of a picture first. */
function labels(picture) {
  const gone = new Set(), { scores } = decide(sides, picture, bank.words.map((_, i) => sentence(i)), gone, state.k, state.p);
  return [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
}

/** Ask a file, or say why not; the page goes on. */
async function ask(file) {
  const says = find("own-says");
  if (!file) return;
  try {
    if (bank.encoder.why) throw new Error(bank.encoder.why);
    says.textContent = loading ? "Looking …" : "Loading the image encoder. This takes some seconds the first time …";
    file = await upright(file).catch(() => file);  // what cannot be decoded, `embed` names
    const z = await embed(file);
    const best = labels(question(sides[0], z));
    trouble();
    update({ question: -1, own: { z, src: URL.createObjectURL(file) }, words: best.slice(0, 2), gone: new Set(), game: null }, { again: true });
    says.replaceChildren(sentenceOf(`Of all ${bank.words.length} words, ${quoted(bank.words[best[0]])} fits best. Now take its anchors out.`));
    scrollTo({ top: 0, behavior: calm.matches ? "instant" : "smooth" });
  } catch (error) {
    says.textContent = `No answer: ${error.message}.`;
  }
}

find("file").addEventListener("change", (event) => ask(event.target.files[0]));
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop") ask(event.dataTransfer.files[0]);
  });
}
if (bank.encoder.why) find("own-says").textContent = `Not here: ${bank.encoder.why}.`;
find("file").disabled = Boolean(bank.encoder.why);
