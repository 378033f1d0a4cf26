// A ledger of one decision: rows are struck out, and the sums follow. Each fragment on the page is started once.
"use strict";
(() => {
  function start(root) {
    const rows = [...root.querySelectorAll("tbody tr")];
    const [rival, rivalScore] = JSON.parse(root.dataset.rival);
    const score = root.querySelector("tfoot data");
    const whole = score.textContent;

    function draw() {
      let sum = 0, struck = 0;
      for (const row of rows) {
        const counted = row.querySelector("input").checked, product = +row.dataset.product;
        const [before, bar] = row.querySelectorAll("rect");
        before.setAttribute("width", sum);
        bar.setAttribute("x", sum);
        bar.setAttribute("class", counted ? "product anchors" : "product ghost");
        row.classList.toggle("struck", !counted);
        if (counted) sum += product; else struck += 1;
        write(row.querySelector("data"), sum);
      }
      write(score, sum);
      root.querySelector("tfoot th").textContent = struck
        ? `the sum of the ticked products; the score was ${whole}` : "the sum of all products is the score";
      root.querySelector("[role=status]").textContent = sentence(sum, struck);
    }

    function write(place, value) {
      place.value = value;
      place.textContent = value.toFixed(3);
    }

    function sentence(sum, struck) {
      const compared = rival === undefined ? ""
        : ` The score of \u201c${rival}\u201d is ${sum < rivalScore ? "larger" : "smaller"}: ${rivalScore.toFixed(3)}.`;
      const rowsOut = struck === 1 ? "1 row is" : `${struck} rows are`;
      return struck ? `${rowsOut} struck out. The sum for \u201c${root.dataset.label}\u201d is now ${sum.toFixed(3)}.${compared}`
        : `The products add up to ${sum.toFixed(3)}, the score of \u201c${root.dataset.label}\u201d.${compared}`;
    }

    for (const row of rows) row.querySelector("input").addEventListener("change", draw);
    for (const place of root.querySelectorAll(".choice")) place.hidden = false;
    draw();
  }

  for (const root of document.querySelectorAll(".asif-ledger:not([data-live])")) {
    root.dataset.live = "";
    start(root);
  }
})();
