// Thumbnails to choose one from, as radio buttons: the arrow keys of the keyboard go from one to the next.
let groups = 0; // radio buttons belong together by their name

function render({ model, el }) {
  const name = `asif-gallery-${++groups}`;
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  el.classList.add("asif-controls", "asif-gallery");
  el.dataset.lmSuppressShortcuts = "true";
  el.append(group);

  function tile({ id, title, picture }) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name, value: id });
    radio.addEventListener("change", () => {
      model.set("value", id);
      model.save_changes();
    });
    label.title = title;
    label.append(radio);
    label.insertAdjacentHTML("beforeend", picture); // made by the library, escaped there
    return label;
  }

  function draw() {
    legend.textContent = model.get("name");
    group.replaceChildren(legend, ...model.get("tiles").map(tile));
    check();
  }

  function check() {
    for (const radio of group.querySelectorAll("input")) radio.checked = radio.value === model.get("value");
  }

  model.on("change:tiles", draw);
  model.on("change:value", check);
  draw();
  return () => {
    model.off("change:tiles", draw);
    model.off("change:value", check);
  };
}

export default { render };
