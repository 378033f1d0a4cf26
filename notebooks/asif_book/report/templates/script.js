"use strict"; // what a page can do beside being read: guesses, contents that fold on a phone, the search
const phone = matchMedia("(max-width: 44rem)");

// a browser may refuse storage to a page from disk; a choice then holds for this page
let storage = null;
try { storage = localStorage; } catch { }

document.addEventListener("DOMContentLoaded", () => {
  foldContents(document.querySelector(".contents details"));
  focusOnlyWhatScrolls(document.querySelectorAll("main [tabindex='0']"));
  for (const words of document.querySelectorAll(".asked > strong:first-child")) guessFirst(words);
  waysToRead(document.querySelector("header .ways"));
  addEventListener("hashchange", openTarget); openTarget();
  for (const code of document.querySelectorAll(".code .highlight")) clip(code, code.textContent.trim().split("\n").length);
  for (const table of document.querySelectorAll(".output table:not(.drawn)")) clip(table.parentElement, table.rows.length - 1, "rows", 14);
  markSection([...document.querySelectorAll(".contents [class^='level'] a")]);
  for (const form of document.querySelectorAll("#book-search")) searchBook(form, document.querySelector(".found"));
});

function foldContents(contents) {
  const wide = matchMedia("(min-width: 72.5rem)"), rare = document.querySelectorAll("header:has(.here) > :is(.book, .search)");
  const fold = () => { contents.open = wide.matches; };
  const move = () => (phone.matches ? contents.lastElementChild : document.querySelector("header")).prepend(...rare);
  wide.addEventListener("change", fold);
  phone.addEventListener("change", move); if (phone.matches) move(); // its bar has room for the chapter's name only
  contents.addEventListener("toggle", () => { for (const here of contents.querySelectorAll("[aria-current='page']")) here.closest("div").scrollTop = here.offsetTop; });
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });
  fold();
}

// a box that holds all its content needs no stop of the Tab key; any other fades where it goes on
function focusOnlyWhatScrolls(boxes) {
  const show = (box) => {
    const rest = box.scrollWidth - box.clientWidth;
    if (rest > 0) box.tabIndex = 0; else box.removeAttribute("tabindex");
    const left = box.scrollLeft > 1, right = box.scrollLeft < rest - 1;
    if (left || right) box.dataset.beyond = left && right ? "both" : left ? "left" : "right"; else delete box.dataset.beyond;
  };
  const look = new ResizeObserver((changes) => changes.forEach(({ target }) => show(target)));
  for (const box of boxes) {
    look.observe(box);
    box.addEventListener("scroll", () => show(box), { passive: true });
  }
}

// in the contents, the section that stands at the top of the window
function markSection(links) {
  const titles = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
  const look = () => {
    const atEnd = scrollY > 0 && scrollY + innerHeight > document.documentElement.scrollHeight - 2;
    const at = titles.findLastIndex((title) => title.checkVisibility() && title.getBoundingClientRect().top < (atEnd ? innerHeight : 150));
    for (const link of links) link.removeAttribute("aria-current");
    links[at]?.setAttribute("aria-current", "location");
    links[at]?.scrollIntoView({ block: "nearest" }); // within its list, which is in sight
  };
  addEventListener("scroll", look, { passive: true });
  look();
}

// two ways to read, guess first or show all; an address may choose: ?show=all. The switch stands where guesses are
function waysToRead(bar) {
  for (const text of document.querySelectorAll("main:has(.answer) .text:has(> #Summary)")) { // gives guesses away
    text.insertAdjacentHTML("beforebegin", "<details class='deeper told'><summary></summary></details>");
    text.previousElementSibling.append(text);
    text.previousElementSibling.append(text.firstElementChild);
  }
  const buttons = document.querySelectorAll(".ways button");
  const show = (way) => {
    document.documentElement.dataset.show = way;
    for (const button of buttons) button.setAttribute("aria-pressed", button.value === way);
    for (const answer of document.querySelectorAll(".answer, .told")) answer.open = way === "all";
    if (way === "all") for (const deeper of document.querySelectorAll(".deeper")) deeper.open = true;
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      show(button.value);
      storage?.setItem("asif-show", button.value);
    });
  }
  const wanted = new URLSearchParams(location.search).get("show");
  show([wanted, storage?.getItem("asif-show")].find((way) => ["guess", "all"].includes(way)) ?? "guess");
  if (bar) bar.hidden = !document.querySelector(".answer");
}

// "Before you look": a field for a guess, and what follows, up to "What you see", opens after it
function guessFirst(words) {
  if (!words.textContent.startsWith("Before you look")) return;
  const question = words.parentElement, asked = question.closest(".text"), hidden = [];
  let cell = asked.nextElementSibling;
  for (; cell?.matches(".code"); cell = cell.nextElementSibling) hidden.push(cell);
  const seen = cell?.querySelector(":scope > p:first-child > strong:first-child");
  if (!hidden.length) return;
  const form = document.createElement("form"), answer = document.createElement("details"), guessed = document.createElement("p");
  form.className = "guess";
  const number = asked.matches(".celltag_number") ? "type='number' step='any' inputmode='decimal'" : "";
  form.innerHTML = `<label>Your guess <input autocomplete='off' ${number}></label> <button>Show the result</button>`;
  answer.className = "answer";
  answer.innerHTML = "<summary>The result</summary>";
  answer.append(guessed, ...hidden);
  if (seen?.textContent.startsWith("What you see")) {
    const text = document.createElement("div");
    text.className = "text";
    const seenOf = [seen.parentElement]; // its words go on to a heading, but what asks the next question stays
    for (let next = seenOf[0].nextElementSibling; next && !next.matches("h2, h3, h4"); next = next.nextElementSibling) seenOf.push(next);
    text.append(...(seenOf.some((part) => part.textContent.startsWith("Before you")) ? seenOf.slice(0, 1) : seenOf));
    answer.append(text);
  }
  asked.after(form, answer);
  answer.addEventListener("toggle", () => {
    const guess = form.querySelector("input").value.trim();
    const drawn = number && guess && markGuess(answer, Number(guess));
    guessed.textContent = guess && `Your guess: ${guess}${drawn ? ", the dashed line with a ring" : ""}`;
    form.hidden = answer.open;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer.open = true;
    answer.querySelector("summary").focus();
  });
}

// on each plot of the answer whose edges have a value; false where none can show the guess
function markGuess(answer, guess) {
  answer.querySelectorAll(".guessed").forEach((mark) => mark.remove());
  const plots = [...answer.querySelectorAll("svg[data-low]")].filter(({ dataset }) => guess >= dataset.low && guess <= dataset.high);
  for (const plot of plots) {
    const at = `${(100 * (guess - plot.dataset.low)) / (plot.dataset.high - plot.dataset.low)}%`;
    plot.insertAdjacentHTML("beforeend", `<g class="guessed"><line x1="${at}" x2="${at}" y2="100%"/><circle cx="${at}" cy="50%" r="5"/></g>`);
  }
  return plots.length > 0;
}

// a link into a folded section
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  let fold = target?.closest("details");
  if (!fold) return;
  for (; fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}

// six lines of longer code on a phone, and of long code in a fold anywhere, and ten rows of a table, until asked for all
function clip(code, lines, of = "lines", many = 7) {
  if (lines < (code.closest(".fold") ? 16 : phone.matches ? many : Infinity)) return;
  code.classList.add("clipped");
  code.insertAdjacentHTML("beforeend", `<button type="button">Show all ${lines} ${of}</button>`);
  code.lastElementChild.addEventListener("click", ({ target }) => { code.classList.remove("clipped"); target.remove(); });
}

// In the whole book: the page holds the text of every section.
function searchBook(form, list) {
  const input = form.querySelector("input"), status = form.querySelector("output"), most = 40;
  const sections = JSON.parse(document.querySelector("#sections").textContent).flatMap(([page, chapter, parts]) =>
    parts.map(([id, title, text]) => ({ page, chapter, id, title, text, lower: `${title} ${text}`.toLowerCase() })));
  const times = (text, word) => text.split(word).length - 1;

  function marked(section, phrase, words) {
    const lower = section.text.toLowerCase();
    const first = Math.max(0, lower.includes(phrase) ? lower.indexOf(phrase) : lower.indexOf(words[0]));
    const from = Math.max(0, first - 70), paragraph = document.createElement("p");
    const piece = section.text.slice(from, first + 170);
    const found = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
    paragraph.append(from ? "… " : "");
    piece.split(new RegExp(`(${found})`, "gi")).forEach((part, at) => {
      const mark = document.createElement("mark");
      mark.textContent = part;
      paragraph.append(at % 2 ? mark : part);
    });
    paragraph.append(" …");
    return paragraph;
  }

  function entry(section, phrase, words) {
    const item = document.createElement("li"), link = document.createElement("a"), chapter = document.createElement("span");
    const longest = words.reduce((a, b) => (b.length > a.length ? b : a));
    const find = section.text.toLowerCase().includes(phrase) ? phrase : longest;
    link.href = `${section.page}.html?show=all#${encodeURIComponent(section.id)}:~:text=${encodeURIComponent(find)}`;
    link.textContent = section.title || section.chapter;
    chapter.textContent = section.title === section.chapter ? "" : ` in ${section.chapter}`;
    item.append(link, chapter, marked(section, phrase, words));
    return item;
  }

  function update() {
    const phrase = input.value.trim().toLowerCase().replace(/\s+/g, " "), words = phrase.split(" ");
    const chaptersFirst = ({ page }) => /^\d\d_/.test(page) ? 0 : 1;
    const scored = phrase.length < 2 ? [] : sections.filter(({ lower }) => words.every((word) => lower.includes(word)))
      .map((section) => [words.reduce((sum, word) => sum + times(section.lower, word)
        + 20 * times(section.title.toLowerCase(), word), 50 * times(section.lower, phrase) * (words.length > 1)), section])
      .sort(([a, one], [b, other]) => chaptersFirst(one) - chaptersFirst(other) || b - a);
    const best = scored.slice(0, most);
    list.replaceChildren(...best.map(([, section]) => entry(section, phrase, words)));
    history.replaceState(null, "", `#${encodeURIComponent(input.value.trim())}`); // for the way back
    const count = `${scored.length} ${scored.length === 1 ? "section" : "sections"}`;
    status.textContent = phrase.length < 2 ? "" : count + (scored.length > best.length ? `, the best ${best.length} are shown` : "");
  }

  [form.hidden, input.value] = [false, decodeURIComponent(location.hash.slice(1))];
  input.addEventListener("input", update);
  form.addEventListener("submit", (event) => { event.preventDefault(); list.querySelector("a")?.focus(); });
  update();
  input.focus();
}
