// A form that Python writes as HTML: each answer and each press of a button becomes a message.
function render({ model, el }) {
  const page = document.createElement("div");
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  el.classList.add("asif-controls", "asif-quiz");
  el.dataset.lmSuppressShortcuts = "true"; // letters and arrows belong to the form
  el.append(page, status);

  const show = () => (page.innerHTML = model.get("page"));
  const say = () => (status.textContent = model.get("words"));
  page.addEventListener("submit", (event) => event.preventDefault());
  page.addEventListener("change", ({ target }) => model.send({ answer: { [target.name]: target.value } }));
  page.addEventListener("click", ({ target }) => target.tagName === "BUTTON" && model.send({ press: target.value }));
  model.on("change:page", show);
  model.on("change:words", say);
  show();
  say();
  return () => {
    model.off("change:page", show);
    model.off("change:words", say);
  };
}

export default { render };
