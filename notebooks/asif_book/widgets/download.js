// A button that asks the kernel for a file, {name, type} with its bytes, and saves it.
function render({ model, el }) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.textContent = model.get("label");
  button.addEventListener("click", () => model.send({ kind: "wanted" }));
  el.classList.add("asif-controls");
  el.append(button);

  function save({ name, type }, buffers) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(buffers, { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  model.on("msg:custom", save);
  return () => model.off("msg:custom", save);
}

export default { render };
