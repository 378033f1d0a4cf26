// The four steps of sparsification, computed in the page. Each fragment on the page is started once.
"use strict";
(() => {
  function written(value) {
    if (value === 0) return "0";
    return 0 < value && value < 0.0005 ? "<0.001" : value.toFixed(3).replace("-", "\u2212");
  }

  // The cosines, and what is left of them after each step; the largest cosine comes first.
  function steps(cosines, k, p) {
    const kept = cosines.map((cosine, i) => (i < k ? cosine : 0));
    const clamped = kept.map((cosine) => Math.max(cosine, 0));
    const powered = clamped.map((cosine) => cosine ** p);
    const shares = clamped.map((cosine) => (cosine / (clamped[0] || 1)) ** p); // a large p underflows to no zeros
    const length = Math.hypot(...shares) || 1;
    return [cosines, kept, clamped, powered, shares.map((share) => share / length)];
  }

  function start(root) {
    const cosines = JSON.parse(root.dataset.cosines);
    const rows = [...root.querySelectorAll("tbody tr")];
    const { k, p } = Object.fromEntries([...root.querySelectorAll("input")].map((input) => [input.name, input]));

    function draw() {
      const columns = steps(cosines, +k.value, +p.value);
      rows.forEach((row, i) => {
        row.classList.toggle("last-kept", i + 1 === +k.value);
        row.querySelectorAll("td").forEach((cell, step) => {
          const value = columns[step][i];
          const forgotten = (step > 0 && i >= +k.value) || (step > 1 && cosines[i] <= 0);
          const drawn = forgotten ? cosines[i] : value;
          const bar = cell.querySelector("rect");
          bar.setAttribute("class", forgotten ? "ghost" : "picture");
          bar.setAttribute("x", Math.min(drawn, 0));
          bar.setAttribute("width", Math.abs(drawn));
          cell.querySelector("data").value = value;
          cell.querySelector("data").textContent = written(value);
        });
      });
      for (const input of [k, p]) input.parentElement.querySelector(".value").textContent = input.value;
      const entries = columns.at(-1);
      root.querySelector("[role=status]").textContent =
        `k = ${k.value}, p = ${p.value}: ${entries.filter((entry) => entry > 0).length} of ${cosines.length} entries ` +
        `are above 0. The largest is ${written(entries[0])}. It holds ${Math.round(100 * entries[0] ** 2)}\u00a0% of the ` +
        `sum of squares.`;
    }

    for (const input of [k, p]) input.addEventListener("input", draw);
    root.querySelector(".controls").hidden = false;
    draw();
  }

  for (const root of document.querySelectorAll(".asif-steps:not([data-live])")) {
    root.dataset.live = "";
    start(root);
  }
})();
