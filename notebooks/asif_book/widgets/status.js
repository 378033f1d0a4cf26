// Words that a screen reader announces when they change: the region stays, only its text is another.
function render({ model, el }) {
  const status = document.createElement("p");
  el.classList.add("asif-controls");
  status.setAttribute("role", "status");
  el.append(status);
  const say = () => {
    status.classList.toggle("asif-alarm", model.get("alarm"));
    const quotes = model.get("words").split(/“([^”]*)”/); // each has a direction of its own, as Arabic within English
    const isolated = (text) => Object.assign(document.createElement("bdi"), { textContent: text });
    status.replaceChildren(...quotes.flatMap((part, i) => (i % 2 ? ["“", isolated(part), "”"] : [part])));
  };
  model.on("change", say);
  say();
  return () => model.off("change", say);
}

export default { render };
