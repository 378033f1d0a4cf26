// The decision as one picture, to keep or to send.
function save() {
  const canvas = element("canvas", { width: 1200, height: 630 }), pen = canvas.getContext("2d"), { colours } = map, floor = 560, unit = 360 / Math.max(...now.scores, 1e-9);
  const box = (colour, ...place) => { pen.fillStyle = colours[colour]; pen.fillRect(...place); };
  const write = (text, x, y, size, colour = "ink", most = 340) => {
    Object.assign(pen, { font: `600 ${size}px system-ui, sans-serif`, fillStyle: colours[colour] });
    pen.fillText(text, x, y, most);
  };
  box("back", 0, 0, 1200, 630);
  write(`${find("says").textContent.split(". ")[0].replace(/\.$/, "")}.`, 40, 66, 34, "ink", 1120);
  pen.drawImage(find("picture"), 40, 240, 320, 320);
  write(`Walk the bank: ${bank.captions.length} pictures with captions, and nothing was trained. A slab is as high as its product.`, 40, 608, 20, "ink", 1120);
  now.scores.forEach((score, i) => {
    const x = 420 + 380 * i;
    write(wordOf(i), x, 120, 28, now.best === i ? "is-sentence" : "ink");
    write(score.toFixed(3), x, 160, 34, "is-anchor");
    box("faint", x, floor, 340, 6);
    speakers(i).reduce((top, a) => {
      const high = now.products[i][a] * unit, side = Math.min(high - 6, 64);
      box("is-anchor", x, top - high, 340, Math.max(high - 1, 0.3));
      if (side > 16) {
        pen.drawImage(...thumb(a), bank.tile, bank.tile, x + 6, top - (high + side) / 2, side, side);
        write(caption(a, 40), x + side + 16, top - high / 2 + 6, 18, "back", 300 - side);
      }
      return top - high;
    }, floor);
  });
  element("a", { href: canvas.toDataURL(), download: "walk-the-bank.png" }).click();
}

find("save").addEventListener("click", save);
