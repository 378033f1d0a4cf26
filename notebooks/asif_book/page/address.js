// The address keeps the state, so that a reader can send what they see: of an own picture the embedding, never the photograph.
const SENT = 12, ROOM = 48_000;  // anchors of a reader that an address holds, and characters of their text, as some messengers cut longer ones
let parcel = { text: "", pairs: [] };  // those that the address holds now
const came = new Set();  // ids of those that came with an address, and go with the next one

/** Bytes as text for an address, and back. */
const lettersOf = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const bytesIn = (text) => bytesOf(text.replaceAll("-", "+").replaceAll("_", "/"));

/** An embedding as text: its largest number in 32 bits, then each number in 8 bits of it. */
function packed(z) {
  const largest = z.reduce((most, value) => Math.max(most, Math.abs(value)), 0), bytes = new Uint8Array(4 + z.length);
  new DataView(bytes.buffer).setFloat32(0, largest);
  z.forEach((value, i) => { bytes[4 + i] = Math.round(127 * value / largest); });
  return lettersOf(bytes);
}

/** The embedding of d numbers of such a text, or null. */
function unpacked(text, d) {
  if (!/^[\w-]+$/.test(text) || text.length !== Math.ceil((4 + d) * 4 / 3)) return null;
  const bytes = bytesIn(text), largest = new DataView(bytes.buffer).getFloat32(0);
  return usable(largest) ? Float32Array.from(new Int8Array(bytes.buffer, 4), (value) => value * largest / 127) : null;
}

/** Those of the pairs that go with the address: what came with one, and all if the reader agrees. None if they do not fit. */
async function parcelOf(pairs) {
  const going = pairs.filter(({ id }) => state.send || came.has(id)), none = { text: "", pairs: [], full: going.length > 0 };
  if (!going.length || going.length > SENT || !globalThis.CompressionStream) return none;
  const small = going.map(({ id, caption, image, text }) => {
    const canvas = element("canvas", { width: 32, height: 32 });
    canvas.getContext("2d").drawImage(discs.get(id), 0, 0, 32, 32);
    return { id, caption, thumbnail: canvas.toDataURL("image/webp", 0.5), image: packed(image), text: packed(text) };
  });
  const stream = new Blob([JSON.stringify(small)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return bytes.length * 4 / 3 > ROOM ? none : { text: lettersOf(bytes), pairs: going };
}

/** The pairs of an address. Throws if they are damaged. */
async function unparcelled(text) {
  const stream = new Blob([bytesIn(text)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const pairs = JSON.parse(await new Response(stream).text()).map((pair) => ({ ...pair, ...Object.fromEntries(SIDES.map((side, i) => [side, unpacked(pair[side], bank.dimensions[i])])) }));
  if (pairs.length > SENT || !pairs.every(sound)) throw new Error("they are damaged");
  return pairs;
}

/** Learn the anchors that the address brings; return them, and sentences of what it lacks. One that this tab wrote itself lacks nothing. */
async function receive(given) {
  const notes = [], others = history.state === null && given.get("bank") === bank.digest;
  let pairs = [];
  state.send = Boolean(history.state?.send);
  if (given.has("taught") && given.get("bank") === bank.digest) await inTurn(async () => {
    const brought = await unparcelled(given.get("taught")), more = brought.filter(({ id }) => !taught.some((pair) => pair.id === id));
    if (taught.length + more.length > MOST) throw new Error("there is no room");
    for (const { id } of more) came.add(id);
    Object.assign(state, await learn(more));
    pairs = brought;
  }).catch(() => { notes.push("The anchors that come with this address cannot be read, so the answer may differ."); });
  state.left = history.state?.left ?? (others && /^\d{1,3}$/.test(given.get("left")) ? Number(given.get("left")) : 0);
  const { left } = state, own = others ? taught.filter(({ id }) => !came.has(id) && !pairs.some((pair) => pair.id === id)).length : 0;
  if (left) notes.push(`This address is without ${left === 1 ? "an anchor" : `${left} anchors`} that its sender taught, so the answer may differ.`);
  if (own) notes.push(`The ${own === 1 ? "anchor" : `${own} anchors`} that you taught here ${own === 1 ? "answers" : "answer"}, too.`);
  if (others && pairs.length) tell(`${pairs.length} anchors came with this address. This browser does not keep them: save them as a file.`);
  return [pairs, notes];
}

/** Read the address, of which `sent` are the anchors that it brings, into the state; return a sentence for each part that cannot be used. */
function readAddress(given, sent) {
  const wrong = given.has("bank") && given.get("end") !== "1" ? ["This address is cut off, so the answer may differ."] : [], place = (a) => (a < base ? Number(a) : base + taught.findIndex(({ id }) => id === sent[a - base].id)), { questions, words, digest } = bank;
  if (given.has("bank") && given.get("bank") !== digest) {
    Object.assign(state, fresh(0));
    return ["This address belongs to another bank. Here is the first picture of this one."];
  }
  const read = (name, use, rule) => {
    const text = given.get(name);
    if (text !== null && !use(text)) wrong.push(`The address says ${name} = ${quoted(text.slice(0, 40))}, which is no ${rule}.`);
  };
  const whole = (text, low, high) => /^\d{1,5}$/.test(text) && text >= low && text <= high;
  read("picture", (text) => whole(text, 0, questions.length - 1) && Object.assign(state, fresh(Number(text))), "picture here");
  read("own", (text) => {
    const z = unpacked(text, bank.dimensions[0]);
    return z && Object.assign(state, { question: -1, own: { z, word: (given.get("word") ?? "").slice(0, 60) }, gone: new Set(), whiten: 1, alone: false });
  }, "picture’s embedding");
  read("k", (text) => whole(text, 1, bank.captions.length - 1) && (state.k = Number(text)), `whole number from 1 to ${bank.captions.length - 1}`);
  read("p", (text) => Number(text) >= 0.5 && Number(text) <= 64 && (state.p = Number(text)), "number from 0.5 to 64");
  read("whiten", (text) => Number(text) >= 0.01 && Number(text) <= 1 && (state.whiten = Number(text)), "number from 0.01 to 1");
  read("alone", (text) => text === "1" && (state.alone = true), "1");
  const texts = ["a", "b"].map((name, i) => given.get(name) ?? words[state.words[i]]), chosen = texts.map((text) => words.indexOf(text));
  if (texts[0] === texts[1]) wrong.push("The address names no two sentences.");
  else if (Math.min(...chosen) < 0) waiting = texts;
  else state.words = chosen;
  read("out", (text) => text.split(",").every((a) => whole(a, 0, base + sent.length - 1) && Number(a) !== questions[state.question]?.row)
    && (state.gone = new Set(text.split(",").map(place))), "list of anchors");
  taught.forEach(({ id }, i) => history.state?.out?.includes(id) && state.gone.add(base + i));
  return wrong.length ? [...wrong, "The page goes on without it."] : [];
}

/** The address of the state, to be sent. */
function address() {
  const { question: picture, own, gone, k, p, whiten, alone } = state, [a, b] = [0, 1].map(wordOf), left = state.left + taught.length - parcel.pairs.length;
  const out = [...gone].map((each) => (each < base ? each : base + parcel.pairs.indexOf(taught[each - base]))).filter((each) => each !== base - 1);
  const asked = picture < 0 ? { own: packed(own.z), word: own.word } : { picture };
  return `#${new URLSearchParams({ bank: bank.digest, ...asked, a, b, k, p, ...(whiten < 1 && { whiten }), ...(alone && { alone: 1 }), ...(out.length && { out: out.join(",") }), ...(left && { left }), ...(parcel.text && { taught: parcel.text }), end: 1 })}`;
}
