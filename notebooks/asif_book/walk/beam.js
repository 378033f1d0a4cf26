// The two sentences and their sums.
/** Numbers roll to their new value. */
function roll(place, value) {
  const from = Number(place.dataset.value || 0), start = performance.now();
  place.dataset.value = value;
  const step = (time) => {
    const share = calm.matches ? 1 : Math.min(1, Math.max(0, (time - start) / 600)), eased = 1 - (1 - share) ** 3;
    if (place.dataset.value !== String(value)) return;
    place.textContent = (from + (value - from) * eased).toFixed(3);
    if (share < 1) requestAnimationFrame(step);
  };
  step(calm.matches ? Infinity : start);
}

function showSentences() {
  const widest = Math.max(...first.scores, ...now.scores, 1e-9);
  ["first", "second"].forEach((id, i) => {
    const card = find(id);
    card.classList.toggle("best", now.best === i);
    card.classList.remove("typing");
    find(`${id}-word`).value = bank.words[state.words[i]];
    roll(card.querySelector("b"), now.scores[i]);
    card.querySelector("i").style.width = `${100 * now.scores[i] / widest}%`;
  });
}

/** Another word for a sentence; with one that is not on the list, the sentence stays as it was. */
function choose(i, text) {
  const word = bank.words.findIndex((each) => each.toLowerCase() === text.trim().toLowerCase());
  if (word < 0) {
    const last = text.trim().toLowerCase().split(" ").at(-1), near = bank.words.filter((each) => last && each.toLowerCase().includes(last));
    trouble(`${quoted(text.slice(0, 60))} is not on the list of ${bank.words.length} words.`, near.length ? `On it is ${quoted(near[0])}.` : "Choose one of them.");
    showSentences();
  } else if (word === state.words[1 - i]) {
    trouble("Both sentences would be the same. Choose another word.");
    showSentences();
  } else {
    trouble();
    const words = [...state.words];
    words[i] = word;
    update({ words, game: null }, { again: true });
  }
}

showAt("verdict", showSentences);
