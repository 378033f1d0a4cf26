// What the page says of the answer, and the puzzles: sizes are hidden, and anchors that turn the answer are searched.
function say() {
  const name = (i) => quoted(bank.words[state.words[i]]), says = find("says"), { game } = state, playing = blind();
  const out = [...state.gone].filter((a) => !game?.base.has(a)), turned = now.best !== (game ? game.start : first.best);
  const taken = out.length === 1 ? `Without ${quoted(bank.captions[out[0]])}` : `Without ${out.length} anchors`, least = game && (game.least === 1 ? "" : ` A greedy search needs ${game.least}.`);
  let text;
  if (lacking()) text = lacking();
  else if (!now.left) text = "All anchors are out, so nobody is left to answer. Put some back.";
  else if (now.best < 0) text = "No anchor is kept by both sides, so nothing decides.";
  else if (!out.length) {
    const begin = `The model says ${name(now.best)}.`;
    text = !game ? `${begin} ${touched.matches ? "Tap" : "Click"} the largest slab: its anchor goes out.` : game.least > 1 ? `${begin} Turn it with as few anchors as you can.${least}`
      : game.why ? `${begin} That is wrong. Why? Take out the one anchor that made it so.` : `${begin} One anchor alone turns it. Which? Take it out.`;
  } else if (turned) {
    const tries = game?.told ? "Here it is. " : !game ? "" : game.least > 1 ? `Turned!${least} ` : game.tries === 1 ? "Found at the first try! " : `Found in ${game.tries} tries! `;
    text = `${tries}${taken}, the answer turns to ${name(now.best)}.`;
  } else text = `${taken}, the answer stays ${name(now.best)}.${!playing ? "" : game.least > 1 ? " Go on." : " It goes back when you try another."}`;
  if (now.kept < state.k && now.left && !lacking()) text += ` Only ${now.left} anchors are left, so k is ${now.kept}.`;
  says.replaceChildren(sentenceOf(text));
  says.classList.toggle("turned", Boolean(out.length && turned && now.best >= 0));
  for (const id of ["hint", "stop"]) find(id).hidden = !playing;
}

/** A puzzle is done when the answer has turned. */
function judge() {
  const { game } = state;
  if (game && !game.done) game.done = now.best >= 0 && now.best !== game.start;
}

/** Anchors that speak, by the lead which the answer keeps without each: the smallest first, below 0 where it turns. */
function weakest(base, best) {
  const speak = [0, 1].flatMap((i) => speakers(i, answer(base)));
  const lead = (a) => { const { scores } = answer({ ...base, gone: new Set([...base.gone, a]) }); return scores[best] - scores[1 - best]; };
  return [...new Set(speak)].map((a) => [lead(a), a]).sort(([one], [other]) => one - other);
}

/** Pairs of words to ask: the picture's own and each of the six strongest others, or only of those that win (`wrong`). A word that
 *  is an anchor's caption is left out. */
function pairs(base, wrong) {
  const { row, pair } = bank.questions[base.question] ?? {}, plain = (text) => text.toLowerCase().replace(/[.!]$/, "");
  const given = new Set(bank.captions.filter((_, a) => a !== row).map(plain)), free = [...bank.words.keys()].filter((word) => !given.has(plain(bank.words[word])));
  const { scores } = answer({ ...base, words: free }), scoreOf = (word) => scores[free.indexOf(word)], order = [...free].sort((one, other) => scoreOf(other) - scoreOf(one));
  const own = pair ? pair[0] : order[0], rivals = order.filter((word) => word !== own && !(wrong && scoreOf(word) < scoreOf(own))), parts = (word) => bank.words[word].split(" ").filter((part) => !["a", "an", "the", "of"].includes(part));
  return free.includes(own) ? rivals.filter((word) => !parts(word).some((part) => parts(own).includes(part))).slice(0, 6).map((word) => [own, word]) : [];
}

/** A puzzle of a kind about the picture of `base`, as a state; null where there is none. */
async function puzzle(kind, base) {
  for (const words of pairs(base, kind === "wrong")) {
    await new Promise((done) => setTimeout(done));
    const asked = { ...base, words }, { best: start, scores } = answer(asked), sure = 4e-3, found = [];
    if (start < 0 || Math.abs(scores[0] - scores[1]) < sure || (kind === "one" && start === 1)) continue;
    let lead = 1;
    while (lead > -sure && found.length < (kind === "fewest" ? 4 : 1)) {
      const [least] = weakest({ ...asked, gone: new Set([...base.gone, ...found]) }, start);
      if (!least) break;
      lead = least[0];
      found.push(least[1]);
    }
    if (lead <= -sure && (found.length > 1) === (kind === "fewest")) return { ...asked, game: { start, found, least: found.length, base: base.gone, why: kind === "wrong", tries: 0, done: false } };
  }
  return null;
}

/** Begin a puzzle about the own picture, if one is asked; else about the next picture that has one. */
async function play(kind) {
  const { length } = bank.questions, numbers = state.question < 0 ? [-1] : Array.from({ length }, (_, i) => (state.question + 1 + i) % length);
  const baseOf = (number) => (number < 0 ? { ...state } : { ...state, ...fresh(number) });
  find("three").replaceChildren();
  find("says").textContent = "Looking for a puzzle …";
  for (const number of kind === "wrong" && state.question < 0 ? [] : numbers) {
    const found = await puzzle(kind, baseOf(number));
    if (!found) continue;
    if (kind !== "wrong") return update({ question: number, words: found.words, gone: new Set(found.gone), game: found.game }, { again: true });
    const right = bank.questions.filter((_, i) => i !== number && answer(baseOf(i)).best === 0).map((each) => [each.row, each.pair[0]]);
    const at = number % Math.max(right.length - 1, 1);
    const three = [...right.slice(at, at + 2), [bank.questions[number].row, found.words[1]]].sort(([one], [other]) => (one * 31) % 17 - (other * 31) % 17);
    find("says").textContent = "Three pictures, and the model’s answers. Which one is wrong?";
    return find("three").replaceChildren(...three.map(([row, word]) => {
      const button = element("button", { type: "button" }, tile(row, 64), element("span", {}, quoted(bank.words[word])));
      button.addEventListener("click", () => {
        if (row !== bank.questions[number].row) return find("says").replaceChildren(sentenceOf(`No, ${quoted(bank.words[word])} is right. Look again.`));
        return update({ question: number, words: found.words, gone: new Set(), game: found.game }, { again: true });
      });
      return button;
    }));
  }
  say();
  return trouble(`No such puzzle was found about ${state.question < 0 ? "your picture. Choose one of the bank" : "these pictures"}.`);
}

showAt("verdict", say);
showAt("verdict", ({ again }) => { if (again) find("three").replaceChildren(); });  // its answers are those of other anchors
for (const button of find("puzzles").children) button.addEventListener("click", () => play(button.dataset.puzzle));
find("stop").addEventListener("click", () => update({ game: null, gone: new Set(state.game.base) }));
find("hint").addEventListener("click", () => {
  state.game.told = true;
  return update({ gone: new Set([...state.game.base, ...state.game.found]) });
});
