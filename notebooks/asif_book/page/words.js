// Free words: any sentence is asked, once the bank's text encoder is loaded; without it, the list of words.
const LONGEST = 1000;
let waiting = null;  // two sentences of the address, of which some are on no list
const letters = (text, script) => (text.match(script) ?? []).length;

/** The bank's text encoder, out of the file beside the page: from a text to its tokens, and from tokens to an embedding. */
const textEncoder = once(async () => {
  const parts = await script(bank.textEncoder.file, "bankWords"), run = await computing(parts.model), library = { exports: {} };
  new Function("module", "exports", parts.program)(library, library.exports);
  const cutter = new library.exports.Tokenizer(parts.tokenizer, parts.tokenizer_config);
  return { run, tokens: (text) => cutter.encode(text).ids, unknown: cutter.encode("\u{1F63A}").ids[1] };
});

/** Throw in words why a text says nothing to the encoder, as far as this is seen before it is cut into tokens. */
function checkText(text) {
  if (!text.trim()) throw new Error("it is empty; write some words, such as “a sleeping cat”");
  if (text.length > LONGEST) throw new Error(`it has ${text.length.toLocaleString("en")} characters, and the encoder reads about ${LONGEST}; write a shorter one`);
  if (letters(text, /\p{L}/gu) > 2 * letters(text, /\p{Script=Latin}/gu)) throw new Error("the encoder learned English and does not read its script; write it in English");
}

/** The embedding of a text that `checkText` lets pass, or of it in the bank's template, in the scale of the page. */
async function textEmbedding(text, { template = "{}" } = {}) {
  const { run, tokens, unknown } = await textEncoder(), { limit, scale } = bank.textEncoder;
  if (tokens(text).slice(1, -1).every((id) => id === unknown)) throw new Error("the encoder knows none of its signs; write words");
  const all = tokens(template.replace("{}", () => text)), ids = all.length > limit ? [...all.slice(0, limit - 1), all.at(-1)] : all;
  const tensor = (numbers) => ["int64", BigInt64Array.from(numbers, BigInt), [1, ids.length]];
  return (await run(tensor(ids), tensor(ids.map(() => 1)))).map((value) => value * scale);
}

const placeOf = (text) => bank.words.findIndex((each) => each.toLowerCase() === text.toLowerCase());

/** The position of a word. One that is not on the list needs the text encoder: null without it, and `go` goes on once it is loaded. */
async function wordFor(text, go) {
  const label = text.trim().replace(/\s+/g, " "), said = quoted(label.length > 60 ? `${label.slice(0, 60)}…` : label);
  let word = placeOf(label);
  if (word >= 0) return word;
  const last = label.toLowerCase().split(" ").at(-1), near = last && bank.words.find((each) => each.toLowerCase().includes(last));
  const beside = near ? [`On the list is ${quoted(near)}.`] : [];
  try {
    if (bank.textEncoder.why) throw new Error(`it is not on the list of ${bank.words.length} words, and other sentences cannot be read here: ${bank.textEncoder.why}`);
    checkText(label);
    if (!textEncoder.ready && !fetching) {
      offer(`${said} is not on the list of ${bank.words.length} words.`, ...beside, go);
      return null;
    }
    const z = await textEmbedding(label, bank.textEncoder);
    word = placeOf(label);
    return word < 0 ? addWord(label, z) : word;
  } catch (error) {
    trouble(`${said} cannot be asked: ${error.message}.`, ...beside);
    return null;
  }
}

/** Another word for a sentence, which stays till there is one, and `then` more. */
async function choose(i, text, then) {
  showVerdict({});  // the field shows what was asked until there is another answer
  const word = await wordFor(text, () => choose(i, text, then));
  if (word === null) return;
  if (word === state.words[1 - i]) return trouble("Both sentences would be the same. Choose another word.");
  trouble();
  update({ words: state.words.with(i, word), game: null }, { again: true });
  await then?.();
}

/** Ask the sentences of an address that are on no list. */
async function chooseWaiting() {
  const texts = waiting, free = Number(placeOf(texts?.[0] ?? "") >= 0);
  waiting = null;
  if (texts) await choose(free, texts[free], () => choose(1 - free, texts[1 - free]));
}

/** Say a sentence, with a button that loads the text encoder; then `go` on. */
function offer(...rest) {
  const go = rest.pop(), button = element("button", { type: "button" }, "Load the text encoder (29 MB), and go on");
  const field = document.activeElement;  // which has the focus again when the button has gone
  trouble(...rest);
  find("trouble").append(" ", button);
  button.focus({ preventScroll: true });  // the notice stays in view
  button.addEventListener("click", async () => {
    Object.assign(button, { disabled: true, textContent: "Loading the text encoder …" });
    field.focus();
    await textEncoder().then(() => { trouble(); return go(); }, (error) => trouble(`The text encoder is not loaded: ${error.message}.`, "The page goes on with its list."));
  });
}
