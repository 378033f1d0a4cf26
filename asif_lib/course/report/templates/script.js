// What a page can do beside being read: a dark theme, contents that fold on a phone, and search.
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
  focusOnlyWhatScrolls(document.querySelectorAll("main [tabindex='0']"));
  openToPrint();
  search(document.querySelector("form[role=search]"), document.querySelector("main"));
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

// a box that holds all its content needs no stop of the Tab key
function focusOnlyWhatScrolls(boxes) {
  const look = new ResizeObserver((changes) => {
    for (const { target } of changes) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0; else target.removeAttribute("tabindex");
    }
  });
  boxes.forEach((box) => look.observe(box));
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

function search(form, root) {
  if (!("highlights" in CSS)) return; // an older browser: its own search will do
  const input = form.querySelector("input"), said = form.querySelector("output");
  const all = new Highlight(), one = new Highlight();
  one.priority = 1;
  CSS.highlights.set("found", all);
  CSS.highlights.set("current", one);
  let matches = [], current = -1, sought = "";

  function find(words) {
    const { nodes, starts, text } = textOf(root);
    const pattern = words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+");
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
    for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    element.scrollIntoView({ block: "center", inline: "nearest" });
    const box = range.getBoundingClientRect(); // a long listing: the element's middle may be far from the match
    if (box.top < 80 || box.bottom > innerHeight) scrollBy(0, box.top - innerHeight / 3);
    said.textContent = `${current + 1} of ${matches.length}`;
  }

  function update() {
    sought = input.value.trim();
    matches = sought.length > 1 ? find(sought) : []; // one letter is everywhere
    all.clear();
    one.clear();
    matches.forEach((range) => all.add(range));
    current = -1;
    said.textContent = sought.length < 2 ? "" : matches.length ? `${matches.length} found` : "none found";
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
}
