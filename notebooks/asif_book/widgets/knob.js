// A range input over the steps in `options`; `value` follows when the handle is let go or a key is pressed.
function render({ model, el }) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  const slider = document.createElement("input");
  const output = document.createElement("output");
  el.classList.add("asif-controls");
  // On the focused element itself: one further up would not keep JupyterLab from taking its arrow keys.
  slider.dataset.lmSuppressShortcuts = "true";
  slider.type = "range";
  slider.min = 0;
  slider.step = 1;
  label.append(name, slider);
  el.append(label, output);

  function say() {
    const value = String(model.get("options")[slider.value]);
    output.textContent = value;
    slider.setAttribute("aria-valuetext", value);
  }

  function draw() {
    name.textContent = model.get("name");
    slider.max = model.get("options").length - 1;
    slider.value = model.get("options").indexOf(model.get("value"));
    say();
  }

  slider.addEventListener("input", say);
  slider.addEventListener("change", () => {
    model.set("value", model.get("options")[slider.value]);
    model.save_changes();
  });
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
