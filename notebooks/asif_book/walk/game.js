// What the page says of the answer, and the game: which anchor turns it?
function say() {
  const name = (i) => quoted(bank.words[state.words[i]]);
  const out = state.gone.size, turned = first.best !== now.best, says = find("says"), game = state.game?.done ? null : state.game;
  const taken = out === 1 ? `Without ${quoted(caption([...state.gone][0]))}` : `Without ${out} anchors`;
  let text;
  if (!now.left) text = "All anchors are out, so nobody is left to answer. Put some back.";
  else if (now.best < 0) text = "No anchor is kept by both sides, so nothing decides.";
  else if (game && out && turned) {
    game.done = true;
    const tries = state.game.tries === 1 ? "Found at the first try!" : `Found in ${state.game.tries} tries!`;
    text = `${state.game.told ? "It was this one." : tries} ${taken}, the answer is ${name(now.best)}.`;
  } else if (game) {
    text = out ? `${taken}, the answer stays ${name(now.best)}. Try another one: this one then goes back.`
      : `The answer is ${name(now.best)}. One anchor alone turns it. Which? Take it out.`;
  } else if (!out) text = `The model says ${name(now.best)}. Click the largest disc: that takes the anchor out.`;
  else if (turned) text = `${taken}, the answer turns to ${name(now.best)}.`;
  else text = `${taken}, the answer stays ${name(now.best)}.`;
  if (now.kept < state.k && now.left) text += ` Only ${now.left} anchors are left, so k is ${now.kept}.`;
  says.replaceChildren(sentenceOf(text));
  says.classList.toggle("turned", Boolean(out && turned && now.best >= 0));
  find("hint").hidden = !state.game || state.game.done;
  find("game").textContent = state.game?.done ? "Next one" : "Find the one that turns it";
}

function play() {
  const ready = bank.questions.map((_, i) => i).filter((i) => bank.questions[i].turns.length && i !== state.question);
  if (!ready.length) return trouble("No single anchor turns an answer here.");
  const question = ready.find((i) => i > state.question) ?? ready[0];
  update({ ...fresh(question), k: bank.k, p: bank.p, game: { tries: 0, done: false } }, { again: true });
}

showAt("verdict", say);
find("game").addEventListener("click", play);
find("hint").addEventListener("click", () => {
  state.game.told = true;
  toggle(bank.questions[state.question].turns[0], false);
});
