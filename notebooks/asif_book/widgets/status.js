// Words that a screen reader announces when they change: the region stays, only its text is another.
function render({ model, el }) {
  const status = document.createElement("p");
  el.classList.add("asif-controls");
  status.setAttribute("role", "status");
  el.append(status);
  const say = () => {
    status.classList.toggle("asif-alarm", model.get("alarm"));
    status.textContent = model.get("words");
  };
  model.on("change", say);
  say();
  return () => model.off("change", say);
}

export default { render };
