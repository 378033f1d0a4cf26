// What the page says of the answer, and the puzzles: sizes are hidden, and anchors that turn the answer are searched.
function say() {
  const name = (i) => quoted(bank.words[state.words[i]]), says = find("says"), { game } = state, playing = blind();
  const out = [...state.gone].filter((a) => !game?.base.has(a)), turned = now.best !== (game ? game.start : first.best);
  const taken = out.length === 1 ? `Without ${quoted(bank.captions[out[0]])}` : `Without ${out.length} anchors`, least = game?.known ? ` ${game.known}` : "";
  let text;
  if (lacking()) text = lacking();
  else if (!now.left) text = "All anchors are out, so nobody is left to answer. Put some back.";
  else if (now.best < 0) text = "No anchor is kept by both sides, so nothing decides.";
  else if (!out.length) {
    const begin = `The model says ${name(now.best)}.`;
    const next = drawing() ? (taught.length ? "" : "Give it a name, and teach it.") : `${touched.matches ? "Tap" : "Click"} the largest slab: its anchor goes out.`;
    text = !game ? `${begin} ${next}` : game.least > 1 ? `${begin} Turn it with as few anchors as you can.${least}`
      : game.why ? `${begin} That is wrong. Why? Take out the one anchor that made it so.` : `${begin} One anchor alone turns it. Which? Take it out.`;
  } else if (turned) {
    const tries = game?.told ? "Here it is. " : !game ? "" : game.least > 1 ? `Turned!${least} ` : game.tries === 1 ? "Found at the first try! " : `Found in ${game.tries} tries! `;
    text = `${tries}${taken}, the answer turns to ${name(now.best)}.`;
  } else text = `${taken}, the answer stays ${name(now.best)}.${!playing ? "" : game.least > 1 ? " Go on." : " It goes back when you try another."}`;
  if (now.kept < state.k && now.left && !lacking()) text += ` Only ${now.left} anchors are left, so k is ${now.kept}.`;
  says.replaceChildren(sentenceOf(text));
  says.classList.toggle("turned", Boolean(out.length && turned && now.best >= 0));
  for (const id of ["hint", "stop"]) find(id).hidden = !playing;
  find("hunt-says").textContent = "";
}

/** A puzzle is done when the answer has turned. */
function judge() {
  const { game } = state;
  if (game && !game.done) game.done = now.best >= 0 && now.best !== game.start;
}

/** Pairs of words to ask: the picture's own and each of the six strongest others, or only of those that win (`wrong`). A word that
 *  is an anchor's caption is left out. */
function* pairs(base, wrong) {
  const { row, pair } = bank.questions[base.question] ?? {}, plain = (text) => text.toLowerCase().replace(/[.!]$/, "");
  const given = new Set(bank.captions.filter((_, a) => a !== row).map(plain)), free = [...bank.words.keys()].filter((word) => !given.has(plain(bank.words[word])));
  const { scores } = yield* answering({ ...base, words: free }), scoreOf = (word) => scores[free.indexOf(word)], order = [...free].sort((one, other) => scoreOf(other) - scoreOf(one));
  const own = pair ? pair[0] : order[0], rivals = order.filter((word) => word !== own && !(wrong && scoreOf(word) < scoreOf(own))), parts = (word) => bank.words[word].split(" ").filter((part) => !["a", "an", "the", "of"].includes(part));
  return free.includes(own) ? rivals.filter((word) => !parts(word).some((part) => parts(own).includes(part))).slice(0, 6).map((word) => [own, word]) : [];
}

/** What a search knows, in sentences: its greedy answer, and how far it is proven that no single anchor does as much. */
function known({ found, tried, all, pairs: count } = hunt) {
  if (!found) return `${count === 1 ? "1 pair of sentences is" : `${count} pairs of sentences are`} tried, and none makes a puzzle.`;
  return `A greedy search needs ${found.length}. ${tried < all ? `${tried} of ${all} anchors were tried alone, and none turns it.` : "No single anchor turns it."}`;
}

/** A puzzle of a kind about the picture of `base`, as a state; null where there is none. */
function* puzzle(kind, base, mine) {
  for (const words of yield* pairs(base, kind === "wrong")) {
    const asked = { ...base, words }, decision = yield* answering(asked), { best: start, scores } = decision, sure = 4e-3, found = [];
    mine.pairs += 1;
    if (start < 0 || Math.abs(scores[0] - scores[1]) < sure || (kind === "one" && start === 1)) continue;
    const without = (gone) => answering({ ...asked, gone: new Set([...base.gone, ...gone]) }), leadOf = ({ scores: sums }) => sums[start] - sums[1 - start];
    const loudest = ({ image, products }) => [...image.order].sort((a, b) => products[start][b] - products[1 - start][b] - products[start][a] + products[1 - start][a]);
    let after = decision;
    while (kind === "fewest" && leadOf(after) > 0 && found.length < 4 && after.left) {
      found.push(loudest(after)[0]);
      after = yield* without(found);
    }
    if (kind === "fewest" && (leadOf(after) > -sure || found.length < 2)) continue;
    const all = loudest(decision).filter((a) => kind === "fewest" || decision.products.some((each) => each[a] > 0));
    if (kind === "fewest") Object.assign(mine, { found, tried: 0, all: all.length });
    let single = null;
    for (const a of all) {
      if (mine.found && performance.now() - mine.since >= PATIENCE.wait) break;  // what is known makes the puzzle
      const lead = leadOf(yield* without([a]));
      if (lead <= (kind === "fewest" ? 0 : -sure)) { single = a; break; }
      mine.tried += 1;
    }
    const game = { start, base: base.gone, why: kind === "wrong", tries: 0, done: false, known: mine.found && known(mine) };
    mine.found = null;
    if (kind === "fewest" && single === null) return { ...asked, game: { ...game, found, least: found.length } };
    if (kind !== "fewest" && single !== null) return { ...asked, game: { ...game, found: [single], least: 1 } };
  }
  return null;
}
/** Search about the own picture, if one is asked; else about the next picture that has such a puzzle. Return the change that
 *  begins it, and for a wrong answer the pictures that are answered right; null without any. */
function* searching(kind, mine) {
  const { length } = bank.questions, numbers = state.question < 0 ? [-1] : Array.from({ length }, (_, i) => (state.question + 1 + i) % length);
  const baseOf = (number) => (number < 0 ? { ...state } : { ...state, ...fresh(number) });
  for (const number of kind === "wrong" && state.question < 0 ? [] : numbers) {
    const found = yield* puzzle(kind, baseOf(number), mine), right = [];
    if (!found) continue;
    const rest = kind === "wrong" ? bank.questions.keys() : [];
    for (const i of rest) if (i !== number && (yield* answering(baseOf(i))).best === 0) right.push([bank.questions[i].row, bank.questions[i].pair[0]]);
    return { begin: { question: number, words: found.words, gone: new Set(found.gone), game: found.game }, right };
  }
  return null;
}

/** Search for a puzzle in steps, which can be stopped, and begin it. */
async function play(kind) {
  const mine = hunt = { since: performance.now(), told: -1000, pairs: 0, tried: 0, all: 0, found: null };
  find("three").replaceChildren();
  [find("hint").hidden, find("stop").hidden] = [true, false];
  const result = await inSteps(searching(kind, mine), () => hunt === mine, () => {
    const time = performance.now(), late = time - mine.since >= PATIENCE.wait;
    if (time - mine.told < 1000) return;
    mine.told = time;
    find("hunt-says").textContent = `Looking for a puzzle … ${known()}${late ? " It may take long: “Stop” ends it." : ""}`;
  });
  if (hunt !== mine) return undefined;  // it was stopped, or the reader went on
  hunt = null;
  say();
  if (!result) return trouble(`No such puzzle was found about ${state.question < 0 ? "your picture. Choose one of the bank" : "these pictures"}.`);
  const { begin, right } = result, number = begin.question;
  if (kind !== "wrong") return update(begin, { again: true });
  const at = number % Math.max(right.length - 1, 1);
  const three = [...right.slice(at, at + 2), [bank.questions[number].row, begin.words[1]]].sort(([one], [other]) => (one * 31) % 17 - (other * 31) % 17);
  find("says").textContent = "Three pictures, and the model’s answers. Which one is wrong?";
  return find("three").replaceChildren(...three.map(([row, word]) => {
    const button = element("button", { type: "button" }, tile(row, 64), element("span", {}, quoted(bank.words[word])));
    button.addEventListener("click", () => {
      if (row !== bank.questions[number].row) return find("says").replaceChildren(sentenceOf(`No, ${quoted(bank.words[word])} is right. Look again.`));
      return update(begin, { again: true });
    });
    return button;
  }));
}

showAt("verdict", say);
showAt("verdict", ({ again }) => { if (again) find("three").replaceChildren(); });  // its answers are those of other anchors
for (const button of find("puzzles").children) button.addEventListener("click", () => play(button.dataset.puzzle));
find("stop").addEventListener("click", () => {
  if (!hunt) return update({ game: null, gone: new Set(state.game.base) });
  const so = known();
  hunt = null;
  say();
  return find("hunt-says").replaceChildren(`The search is stopped. ${so}`);
});
find("hint").addEventListener("click", () => {
  state.game.told = true;
  return update({ gone: new Set([...state.game.base, ...state.game.found]) });
});
