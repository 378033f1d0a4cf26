// The page: its picture, its list, its settings, and the start.
function showPicture() {
  const { question, own } = state, known = bank.questions[question];
  if (known) {
    Object.assign(find("picture"), { src: bank.large[question], alt: "The picture that is asked" });
    find("hidden-caption").replaceChildren("The model never saw its caption: “", named(known.row, "bdi"), "”");
  } else {
    const sent = `Only the numbers of this picture were sent${own.word && `, and its word, ${quoted(own.word)}`}.`;
    Object.assign(find("picture"), { src: own.src ?? drawn(own.z), alt: own.src ? "Your own picture" : sent });
    find("hidden-caption").textContent = own.src ? "Your own picture. It stays on this machine." : sent;
  }
  for (const button of find("gallery").children) button.setAttribute("aria-pressed", button.dataset.question === String(question));
}

/** An embedding as a picture: a square for each number, the darker the larger. */
function drawn(z) {
  const columns = Math.ceil(Math.sqrt(z.length)), canvas = element("canvas", { width: columns, height: columns }), pen = canvas.getContext("2d"), most = Math.max(...z);
  pen.fillStyle = map.colours["is-picture"];
  z.forEach((value, i) => { pen.globalAlpha = Math.max(0, value / most); pen.fillRect(i % columns, Math.floor(i / columns), 1, 1); });
  return canvas.toDataURL();
}

function showSettings() {
  for (const name of ["k", "p"]) find(name).value = state[name];
  if (find("language")) find("language").value = state.language;
  find("k-is").textContent = now.kept;
  find("p-is").textContent = state.p;
  find("back").disabled = !state.gone.size;
  find("save").disabled = document.querySelector(".list").hidden = blind();  // both tell the sizes
}

const list = new Ledger(find("list"), named, tile, (a, stays) => toggle(a, stays));
showAt("verdict", showPicture);
showAt("verdict", showSettings);
showAt("verdict", ({ again }) => {
  if (again) list.clear();
  list.show(now, state.words.map((word) => bank.words[word]), state.gone);
});

function listen() {
  addEventListener("pointerdown", ({ pointerType }) => { beam.finger = pointerType === "touch"; }, true);
  addEventListener("keydown", () => { beam.finger = false; }, true);
  map.canvas.addEventListener("click", (event) => map.press(event));
  map.canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") map.tip(event); });
  map.canvas.addEventListener("pointerleave", () => map.tip());
  new ResizeObserver(() => { if (now && !moving) stackUp(); }).observe(find("scales"));
  ["first", "second"].forEach((id, i) => {
    find(`${id}-word`).addEventListener("change", (event) => choose(i, event.target.value));
    find(`${id}-word`).addEventListener("focus", (event) => event.target.select());
    find(`${id}-word`).addEventListener("input", () => find(id).classList.add("typing"));
    find(`up-${id}`).addEventListener("click", () => chooseAxis({ axis: i }));
  });
  for (const name of ["k", "p"]) find(name).addEventListener("input", (event) => update({ [name]: Number(event.target.value), game: null }, { again: true }));
  find("language")?.addEventListener("change", (event) => update({ language: event.target.value }, { again: true }));
  find("back").addEventListener("click", () => update({ gone: new Set(state.game?.base), game: null }));
  addEventListener("hashchange", () => { trouble(...readAddress()); update({ game: null }, { again: true }); });
}

async function start() {
  const sheet = Object.assign(new Image(), { src: bank.sheet });
  await sheet.decode();
  find("stage").hidden = false;
  document.body.style.setProperty("--sheet", `url(${bank.sheet})`);
  find("k").max = bank.captions.length - 1;
  find("language")?.append(...Object.keys(bank.translations).map((value) => {
    const lang = tagOf(value);
    return element("option", { value, lang }, new Intl.DisplayNames([lang], { type: "language" }).of(lang));
  }));
  find("words").append(...bank.words.map((word) => element("option", { value: word })));
  find("gallery").append(...bank.questions.map((question, i) => {
    const button = element("button", { type: "button", "data-question": i, "aria-label": `Picture ${i + 1}` }, tile(question.row, 48));
    button.addEventListener("click", () => update({ ...fresh(i), game: null }, { again: true }));
    return button;
  }));
  rove(find("gallery"));
  map.begin(sheet);
  listen();
  trouble(...readAddress());
  update({}, { again: true });
}

start().catch((error) => trouble(`This browser cannot show the page: ${error.message}.`));
