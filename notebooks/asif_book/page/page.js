// The page: its picture, its settings, and the start.
const NUMBERS = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><text x='1' y='6' font-size='4'>0.3…</text></svg>";

function showPicture() {
  const { question, own } = state, known = bank.questions[question];
  if (known) {
    Object.assign(find("picture"), { src: bank.large[question], alt: "The picture that is asked" });
    find("hidden-caption").replaceChildren("The model never saw its caption: “", named(known.row, "bdi"), "”");
  } else {
    const sent = `Only the numbers of this picture were sent${own.word && `, and its word, ${quoted(own.word)}`}.`;
    Object.assign(find("picture"), { src: own.src ?? NUMBERS, alt: own.src ? "Your own picture" : sent });
    find("hidden-caption").textContent = own.src ? "Your own picture. It stays on this machine." : sent;
  }
  document.body.classList.toggle("own", question < 0);
  for (const radio of find("gallery").querySelectorAll("input")) radio.checked = radio.value === String(question);
}

function showSettings() {
  for (const name of ["k", "p"]) find(name).value = state[name];
  find("k-is").textContent = now.kept || state.k;
  find("p-is").textContent = state.p;
  find("back").disabled = !state.gone.size;
}

showAt("verdict", showPicture);
showAt("verdict", showSettings);

function listen() {
  addEventListener("pointerdown", ({ pointerType }) => { beam.finger = pointerType === "touch"; }, true);
  addEventListener("keydown", () => { beam.finger = false; }, true);
  map.canvas.addEventListener("click", (event) => map.press(event));
  map.canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") map.hover(event); });
  new ResizeObserver(() => { if (now && !moving) stackUp(false); }).observe(find("scales"));
  ["first", "second"].forEach((id, i) => {
    find(`${id}-word`).addEventListener("change", (event) => choose(i, event.target.value));
    find(`${id}-word`).addEventListener("focus", (event) => event.target.select());
    find(`${id}-word`).addEventListener("input", () => find(id).classList.add("typing"));
  });
  for (const id of ["file", "import"]) find(id).addEventListener("click", ({ target }) => { target.value = ""; });  // the same file again is a choice, too
  for (const name of ["k", "p"]) find(name).addEventListener("input", (event) => update({ [name]: Number(event.target.value), game: null }, { again: true }));
  find("back").addEventListener("click", () => update({ gone: new Set(state.game?.base), game: blind() ? state.game : null }));
  addEventListener("hashchange", () => arrive());
}

/** Show what the address says. */
async function arrive(...notes) {
  const given = new URLSearchParams(location.hash.slice(1)), [sent, lacks] = await receive(given), wrong = readAddress(given, sent);
  standing = [...notes, ...lacks, ...wrong];
  trouble();
  await update({ game: null }, { again: true });
  if (!wrong.length) await chooseWaiting();
  standing = [];
}

async function start() {
  const sheet = Object.assign(new Image(), { src: bank.sheet });
  await sheet.decode();
  find("stage").hidden = false;
  document.body.style.setProperty("--sheet", `url(${bank.sheet})`);
  find("k").max = bank.captions.length - 1;
  find("words").append(...bank.words.map((word) => element("option", { value: word })));
  find("gallery").append(...bank.questions.map((question, i) => {
    const radio = element("input", { type: "radio", name: "picture", value: i, "aria-label": `Picture ${i + 1}` });
    radio.addEventListener("change", () => update({ ...fresh(i), game: null }, { again: true }));
    return element("label", {}, radio, tile(question.row, 48));
  }));
  const set = await restore();
  map.begin(sheet);
  listen();
  await arrive(...(set ? [set] : []));
}

start().catch((error) => trouble(`This browser cannot show the page: ${error.message}.`));
