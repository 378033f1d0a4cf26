// The state, its one decision, and who shows it. The contract: every change goes through `update(change)`, which writes into
// `state`, decides (`now`), and calls the views in the order of STEPS. A section of the page adds its view by
// `showAt(step, view)`; a view reads `state`, `now`, `first` and writes only into its own elements. It gets `{ again }`,
// true where another question is asked and not only anchors went. Words and anchors may be added at the end of their lists:
// `addWord` does one, and `regrow`, with `bank.captions` and `thumbs.added`, the other. STEPS are shown one after the other when an
// anchor goes out; the verdict is the last.
const find = (id) => document.getElementById(id);
const bank = JSON.parse(find("bank").textContent);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const quoted = (text) => `“${text}”`;

/** What cannot be used gets a sentence on the page, and the page goes on. */
function trouble(...sentences) {
  const all = [...standing, ...sentences];
  find("trouble").replaceChildren(sentenceOf(all.join(" ")));
  find("trouble").hidden = !all.length;
}
let standing = [];  // what an address lacks is told until its sentences are asked

const STEPS = { out: 260, sum: 240, scale: 320, tilt: 300, verdict: 0 };  // how long each is shown after a removal, in ms
const views = Object.fromEntries(Object.keys(STEPS).map((step) => [step, []]));
const showAt = (step, view) => views[step].push(view);

const base = bank.captions.length;  // the bank's own anchors; those of a reader are base, base + 1, …
const sides = bank.embeddings.slice(0, 2).map((text, i) => Side.of(halves(text), bank.dimensions[i]));
const listed = halves(bank.embeddings[2]), depth = bank.dimensions[1], asked = new Map();
const prompts = bank.words.map((_, word) => listed.subarray(word * depth, word * depth + depth));
const question = (side, z) => [side.products(z), dot(z, z)];

/** A word's question to the captions: its inner products, and its product with itself. */
const sentence = (word) => asked.get(word) ?? asked.set(word, question(sides[1], prompts[word])).get(word);

/** Add a word with its embedding to the list, which the fields offer; return its position. */
function addWord(word, embedding) {
  find("words").append(element("option", { value: word }));
  prompts.push(embedding);
  return bank.words.push(word) - 1;
}

/** Let these pairs of embeddings, [image, text] each, be the anchors behind the bank's own. */
function regrow(pairs) {
  sides.forEach((side, i) => side.extend(pairs.map((pair) => pair[i])));
  asked.clear();
}

/** The decision of a state. A picture of the bank (`question` ≥ 0) is asked without its own pair; else `own.z` is asked.
 *  `alone`: without the bank's own anchors. */
function* answering({ question: number, own, words, gone, k, p, whiten, alone }) {
  const row = bank.questions[number]?.row, out = new Set([...gone, ...(alone ? Array(base).keys() : []), ...(number < 0 ? [] : [row])]);
  const picture = number < 0 ? question(sides[0], own.z) : [sides[0].column(row), sides[0].squares[row]];
  const sentences = [];
  for (const word of words) {
    sentences.push(sentence(word));
    yield;
  }
  return yield* deciding(sides, picture, sentences, out, k, p, whiten);
}

const answer = (asked) => drained(answering(asked));
const PATIENCE = { step: 40, wait: 10_000 };  // ms of work between which the page lives, and after which a search says what it knows

/** Do the work of a generator in steps, and `tell` between them, for as long as it is `wanted`; what it returns, or undefined. */
async function inSteps(work, wanted, tell) {
  for (let begun = performance.now(), step = work.next(); ; step = work.next()) {
    if (step.done) return step.value;
    if (performance.now() - begun < PATIENCE.step) continue;
    tell();
    await new Promise((done) => setTimeout(done));
    if (!wanted()) return undefined;
    begun = performance.now();
  }
}

const fresh = (number) => ({ question: number, words: [...bank.questions[number].pair], gone: new Set(), whiten: 1, alone: false });
const state = { ...fresh(0), own: null, k: bank.k, p: bank.p, game: null, send: false, left: 0 };  // own: { z, src, word } of the reader's picture; send: their anchors go with the address; left: so many the sender of the address kept back
let now = null, first = null, moving = null, hunt = null;  // the decision, the one with all anchors, the change that is being shown, the search for a puzzle

/** Decide after a change, and show it everywhere; `again`: a new question, and not only other anchors. An anchor that goes
 *  out is shown step by step; all else at once. A promise, kept when the verdict stands, or another change has come. */
async function update(change, { again = false } = {}) {
  const before = state.gone, mine = Symbol();
  Object.assign(state, change);
  [moving, hunt] = [mine, null];
  const wait = () => { find("says").textContent = "Computing …"; }, decided = await inSteps(answering(state), () => moving === mine, wait);
  const whole = again && state.gone.size ? await inSteps(answering({ ...state, gone: new Set() }), () => moving === mine, wait) : decided;
  if (moving !== mine) return;
  now = decided;
  if (again) first = whole;
  judge();
  const out = [...state.gone].filter((a) => a >= base).map((a) => taught[a - base].id);  // own anchors, which the address may lack
  history.replaceState({ send: state.send, left: state.left, out }, "", address());
  const slowly = !again && [...state.gone].some((a) => !before.has(a));
  for (const [step, time] of Object.entries(STEPS)) {
    for (const view of views[step]) view({ again, slowly });
    if (slowly && time) await new Promise((done) => setTimeout(done, time));
    if (moving !== mine) return;
  }
  moving = null;
}

/** Take an anchor out, or put it back. Where one anchor is searched, one is out at a time. */
function toggle(anchor, stays = state.gone.has(anchor)) {
  const { game } = state, gone = new Set(game?.least === 1 && !game.done ? game.base : state.gone);
  gone[stays ? "delete" : "add"](anchor);
  if (game && !game.done && !stays) game.tries += 1;
  return update({ gone });
}

/** A caption as an element, in its own direction. */
const named = (a, tag = "span") => element(tag, { dir: "auto" }, bank.captions[a]);
