// An origin that the reader drags, or moves by two sliders. Each fragment on the page is started once.
"use strict";
(() => {
  const written = (value, digits = 2) => value.toFixed(digits).replace("-", "\u2212");

  function start(root) {
    const [point, ...anchors] = JSON.parse(root.dataset.points), mean = JSON.parse(root.dataset.mean);
    const inputs = [...root.querySelectorAll("input")], svg = root.querySelector("figure svg");
    const handle = svg.querySelector(".handle"), rays = [...svg.querySelectorAll(".ray")];

    function draw() {
      const origin = inputs.map((input) => +input.value), [x, y] = origin;
      const from = ([a, b]) => [a - x, b - y], z = from(point);
      handle.setAttribute("transform", `translate(${40 * x} ${-40 * y})`);
      for (const ray of rays) {
        ray.setAttribute("x1", 40 * x);
        ray.setAttribute("y1", -40 * y);
      }
      const cosines = anchors.map(from).map((a) => {
        const lengths = Math.hypot(...a) * Math.hypot(...z);
        return lengths ? (a[0] * z[0] + a[1] * z[1]) / lengths : 0;
      });
      root.querySelectorAll("td.live").forEach((cell, i) => {
        cell.querySelector("data").value = cosines[i];
        cell.querySelector("data").textContent = written(cosines[i]);
        cell.querySelector("rect").setAttribute("x", Math.min(cosines[i], 0));
        cell.querySelector("rect").setAttribute("width", Math.abs(cosines[i]));
      });
      for (const input of inputs) input.parentElement.querySelector(".value").textContent = written(+input.value, 1);
      const place = `(${written(x, 1)}, ${written(y, 1)})`;
      root.querySelector(".place").textContent = place;
      root.querySelector("[role=status]").textContent =
        `Seen from ${place}, the cosines are ${cosines.map((one) => written(one)).join(", ")}. No distance has changed.`;
    }

    function put(place) {
      inputs.forEach((input, i) => { input.value = place[i]; });
      draw();
    }
    function follow(event) {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      put([x / 40, -y / 40]);
    }
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      handle.onpointermove = follow;
    });
    handle.addEventListener("lostpointercapture", () => { handle.onpointermove = null; });
    for (const input of inputs) input.addEventListener("input", draw);
    root.querySelector("button").addEventListener("click", () => put(mean));
    root.querySelector(".controls").hidden = false;
    draw();
  }

  for (const root of document.querySelectorAll(".asif-origin:not([data-live])")) {
    root.dataset.live = "";
    start(root);
  }
})();
