// The address keeps the state, so that a reader can send what they see: of an own picture the embedding, never the photograph.
/** An embedding as text: its largest number in 32 bits, then each number in 8 bits of it. */
function packed(z) {
  const largest = z.reduce((most, value) => Math.max(most, Math.abs(value)), 0), bytes = new Uint8Array(4 + z.length);
  new DataView(bytes.buffer).setFloat32(0, largest);
  z.forEach((value, i) => { bytes[4 + i] = Math.round(127 * value / largest); });
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The embedding of such a text, or null. */
function unpacked(text) {
  if (!/^[\w-]+$/.test(text) || text.length !== Math.ceil((4 + bank.dimensions[0]) * 4 / 3)) return null;
  const bytes = bytesOf(text.replaceAll("-", "+").replaceAll("_", "/")), largest = new DataView(bytes.buffer).getFloat32(0);
  return largest > 0 && largest < 1e30 ? Float32Array.from(new Int8Array(bytes.buffer, 4), (value) => value * largest / 127) : null;
}

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
  read("own", (text) => {
    const z = unpacked(text);
    return z && Object.assign(state, { question: -1, own: { z, word: (given.get("word") ?? "").slice(0, 60) }, gone: new Set(), whiten: 1 });
  }, "picture’s embedding");
  read("k", (text) => whole(text, 1, bank.captions.length - 1) && (state.k = Number(text)), `whole number from 1 to ${bank.captions.length - 1}`);
  read("p", (text) => Number(text) >= 0.5 && Number(text) <= 64 && (state.p = Number(text)), "number from 0.5 to 64");
  read("whiten", (text) => Number(text) >= 0.01 && Number(text) <= 1 && (state.whiten = Number(text)), "number from 0.01 to 1");
  const texts = ["a", "b"].map((name, i) => given.get(name) ?? words[state.words[i]]), chosen = texts.map((text) => words.indexOf(text));
  if (texts[0] === texts[1]) wrong.push("The address names no two sentences.");
  else if (Math.min(...chosen) < 0) waiting = texts;
  else state.words = chosen;
  read("out", (text) => text.split(",").every((a) => whole(a, 0, bank.captions.length - 1) && Number(a) !== questions[state.question]?.row)
    && (state.gone = new Set(text.split(",").map(Number))), "list of anchors");
  return wrong.length ? [...wrong, "The page goes on without it."] : [];
}

/** The address of the state, to be sent. */
function address() {
  const { question: picture, own, gone, k, p, whiten } = state, theirs = [...gone].filter((a) => a < base), [a, b] = [0, 1].map(wordOf);
  const asked = picture < 0 ? { own: packed(own.z), word: own.word } : { picture };
  return `#${new URLSearchParams({ bank: bank.digest, ...asked, a, b, k, p, ...(whiten < 1 && { whiten }), ...(theirs.length && { out: theirs.join(",") }) })}`;
}
