// What a page can do beside being read: a dark theme, contents that fold on a phone, and two searches.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");

function remembered() {
  try { return localStorage.getItem("asif-theme"); } catch { return null; }
}

function remember(theme) {
  // a browser may refuse storage to a page from disk; the choice then holds for this page
  try {
    if (theme) localStorage.setItem("asif-theme", theme); else localStorage.removeItem("asif-theme");
  } catch { }
}

function isDark() {
  return (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
}

setTheme(remembered()); // before anything is drawn

document.addEventListener("DOMContentLoaded", () => {
  themeButton(document.querySelector("#theme"));
  foldContents(document.querySelector(".contents details"));
  rowsAsCards(document.querySelectorAll("main .scroll > table:not(.drawn)"));
  focusOnlyWhatScrolls(document.querySelectorAll("main [tabindex='0']"));
  openToPrint();
  addEventListener("hashchange", openTarget);
  openTarget();
  for (const words of document.querySelectorAll(".text > p > strong:first-child")) guessFirst(words);
  const initial = new URLSearchParams(location.search).get("find");
  for (const form of document.querySelectorAll("#page-search")) search(form, document.querySelector("main"), initial);
  for (const form of document.querySelectorAll("#book-search")) searchBook(form, document.querySelector(".found"));
});

function themeButton(button) {
  const show = () => button.setAttribute("aria-pressed", isDark());
  button.hidden = false;
  button.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    // what the system wants anyway is not kept, so that the page goes on following it
    const choice = wanted === (dark.matches ? "dark" : "light") ? null : wanted;
    setTheme(choice);
    remember(choice);
    show();
  });
  dark.addEventListener("change", show);
  show();
}

function foldContents(contents) {
  const wide = matchMedia("(min-width: 64rem)");
  const fold = () => { contents.open = wide.matches; };
  wide.addEventListener("change", fold);
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });
  fold();
}

// on a phone, each row of a table that is too wide becomes a card; its cells bring the words above their columns
function rowsAsCards(tables) {
  const phone = matchMedia("(max-width: 44rem)");
  const look = () => {
    for (const table of tables) {
      table.classList.remove("cards");
      table.classList.toggle("cards", phone.matches && table.scrollWidth > table.parentElement.clientWidth);
    }
  };
  for (const table of tables) {
    const heads = [];
    for (const row of table.tHead?.rows ?? []) {
      const words = [...row.cells].flatMap((cell) => Array(cell.colSpan).fill(cell.textContent.trim()));
      words.forEach((word, at) => { heads[at] = `${heads[at] ?? ""} ${word}`.trim(); });
    }
    for (const row of table.tBodies[0]?.rows ?? []) {
      let at = heads.length - row.cells.length; // what spans rows stands on the left
      for (const cell of row.cells) cell.dataset.above = heads[at++] ?? "";
    }
  }
  document.addEventListener("toggle", look, true); // what was folded had no width
  phone.addEventListener("change", look);
  look();
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

// "Before you run …": a field for a guess, and what follows, up to "What you see", opens after it
function guessFirst(words) {
  if (!words.textContent.startsWith("Before you run")) return;
  const question = words.parentElement, asked = question.closest(".text"), hidden = [];
  let cell = asked.nextElementSibling;
  for (; cell?.matches(".code"); cell = cell.nextElementSibling) hidden.push(cell);
  const seen = cell?.querySelector(":scope > p:first-child > strong:first-child");
  if (!hidden.length) return;
  const form = document.createElement("form"), answer = document.createElement("details"), guessed = document.createElement("p");
  form.className = "guess";
  form.innerHTML = "<label>Your guess <input autocomplete='off'></label> <button>Show the result</button>";
  answer.className = "answer";
  answer.innerHTML = "<summary>The result</summary>";
  answer.append(guessed, ...hidden);
  if (seen?.textContent.startsWith("What you see")) {
    const text = document.createElement("div");
    text.className = "text";
    text.append(seen.parentElement);
    answer.append(text);
  }
  asked.after(form, answer);
  answer.addEventListener("toggle", () => {
    const guess = form.querySelector("input").value.trim();
    guessed.textContent = guess && `Your guess: ${guess}`;
    form.hidden = answer.open;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer.open = true;
    answer.querySelector("summary").focus();
  });
}

// a link into a folded section
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.closest("details")) return;
  openAround(target);
  target.scrollIntoView();
}

function openAround(element) {
  for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

function openToPrint() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open], .fold)")];
    opened.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));
}

// The text of all text nodes in a row, and where in it each of them starts.
function textOf(root) {
  const nodes = [], starts = [];
  let text = "";
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement.closest("style, script, .pager") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  while (walker.nextNode()) {
    nodes.push(walker.currentNode);
    starts.push(text.length);
    text += walker.currentNode.data;
  }
  return { nodes, starts, text };
}

function escaped(words) {
  return words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

// In this page; `initial` are words to begin with, behind the section of the address.
function search(form, root, initial) {
  if (!("highlights" in CSS)) return; // an older browser: its own search will do
  const input = form.querySelector("input"), status = form.querySelector("output"), book = form.querySelector("a");
  const all = new Highlight(), one = new Highlight();
  one.priority = 1;
  CSS.highlights.set("found", all);
  CSS.highlights.set("current", one);
  let matches = [], current = -1, sought = "";

  function find(words) {
    const { nodes, starts, text } = textOf(root);
    const pattern = escaped(words).replace(/\s+/g, "\\s+");
    let node = 0;
    const place = (offset) => { // offsets come in order
      while (node + 1 < starts.length && starts[node + 1] <= offset) node++;
      return [nodes[node], offset - starts[node]];
    };
    return [...text.matchAll(new RegExp(pattern, "giu"))].map((match) => {
      const range = new Range();
      range.setStart(...place(match.index));
      const [last, offset] = place(match.index + match[0].length - 1);
      range.setEnd(last, offset + 1);
      return range;
    });
  }

  function go(to) {
    current = (to + matches.length) % matches.length;
    const range = matches[current];
    one.clear();
    one.add(range);
    const element = range.startContainer.parentElement;
    openAround(element);
    element.scrollIntoView({ block: "center", inline: "nearest" });
    const box = range.getBoundingClientRect(); // a long listing: the element's middle may be far from the match
    if (box.top < 80 || box.bottom > innerHeight) scrollBy(0, box.top - innerHeight / 3);
    status.textContent = `${current + 1} of ${matches.length}`;
  }

  function update() {
    sought = input.value.trim();
    matches = sought.length > 1 ? find(sought) : []; // one letter is everywhere
    all.clear();
    one.clear();
    matches.forEach((range) => all.add(range));
    current = -1;
    status.textContent = sought.length < 2 ? "" : matches.length ? `${matches.length} found` : "none found";
    if (book) book.href = `search.html#${encodeURIComponent(sought)}`;
  }

  function step(by) {
    if (input.value.trim() !== sought) update();
    if (matches.length) go(current < 0 && by < 0 ? -1 : current + by);
  }

  form.hidden = false;
  input.addEventListener("input", update);
  form.addEventListener("submit", (event) => { event.preventDefault(); step(1); });
  form.querySelector(".back").addEventListener("click", () => step(-1));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); step(-1); }
    if (event.key === "Escape") { input.value = ""; update(); input.focus(); }
  });
  if (initial) {
    input.value = initial;
    update();
    const section = document.getElementById(decodeURIComponent(location.hash.slice(1))) ?? root;
    const behind = (range) => section.compareDocumentPosition(range.startContainer) & Node.DOCUMENT_POSITION_FOLLOWING;
    if (matches.length) go(Math.max(matches.findIndex(behind), 0));
  }
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
    paragraph.append(from ? "… " : "");
    piece.split(new RegExp(`(${words.map(escaped).join("|")})`, "gi")).forEach((part, at) => {
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
    link.href = `${section.page}.html?find=${encodeURIComponent(find)}#${encodeURIComponent(section.id)}`;
    link.textContent = section.title || section.chapter;
    chapter.textContent = section.title === section.chapter ? "" : ` in ${section.chapter}`;
    item.append(link, chapter, marked(section, phrase, words));
    return item;
  }

  function update() {
    const phrase = input.value.trim().toLowerCase().replace(/\s+/g, " "), words = phrase.split(" ");
    const scored = phrase.length < 2 ? [] : sections.filter(({ lower }) => words.every((word) => lower.includes(word)))
      .map((section) => [words.reduce((sum, word) => sum + times(section.lower, word)
        + 20 * times(section.title.toLowerCase(), word), 50 * times(section.lower, phrase) * (words.length > 1)), section])
      .sort(([a], [b]) => b - a);
    list.replaceChildren(...scored.slice(0, most).map(([, section]) => entry(section, phrase, words)));
    history.replaceState(null, "", `#${encodeURIComponent(input.value.trim())}`); // for the way back
    const count = `${scored.length} ${scored.length === 1 ? "section" : "sections"}`;
    status.textContent = phrase.length < 2 ? "" : count + (scored.length > most ? `, the best ${most} are shown` : "");
  }

  form.hidden = false;
  input.value = decodeURIComponent(location.hash.slice(1));
  input.addEventListener("input", update);
  form.addEventListener("submit", (event) => { event.preventDefault(); list.querySelector("a")?.focus(); });
  update();
  input.focus();
}
