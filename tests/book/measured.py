"""Measure the pages of a report as readers meet them: where the first figure stands, and how small the words are.

python tests/book/measured.py build/report
"""

import sys
from pathlib import Path

SCREENS = {"desktop": (1280, 720), "wide": (1920, 1080), "tablet": (820, 1180), "phone": (390, 844)}
WITHIN = {"desktop": 700, "phone": 800}
"""Pixels above the first figure of a chapter, at most."""
LEAST = 12
"""Pixels of the smallest words."""
MEASURE = """() => {
  const shown = (place) => place.checkVisibility({ contentVisibilityAuto: true }) && place.getClientRects().length;
  const top = (places) => {
    const first = [...document.querySelectorAll(places)].find(shown);
    return first ? Math.round(first.getBoundingClientRect().top + scrollY) : null;
  };
  const found = {
    figure: top("main .output :is(img, svg, .asif-drawn)"),
    live: top("main :is(.guess, .output input, .output button)"),
    sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
  document.querySelectorAll("main details").forEach((fold) => { fold.open = true; });
  let least = Infinity, where = "";
  const note = (size, words) => { if (size < least) [least, where] = [size, words.trim().slice(0, 40)]; };
  const texts = (root, scale) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const words = walker.currentNode, around = words.parentElement;
      if (!words.data.trim() || around.closest("script, style, noscript, title, desc, math")) continue;
      if (!scale && !shown(around)) continue;
      const drawn = !scale && around.closest("svg") ? around.getScreenCTM().a : 1;
      note(parseFloat(getComputedStyle(around).fontSize) * (scale ?? drawn * around.currentCSSZoom), words.data);
    }
  };
  texts(document.body);
  for (const picture of [...document.querySelectorAll("main img")].filter(shown)) {
    const width = picture.offsetWidth * picture.currentCSSZoom;
    // the smallest words of a chart are 8 points at 110 dpi
    if (picture.matches(".output .figure img[width]")) note(width * 8 * 110 / 72 / picture.naturalWidth, picture.alt);
    const [kind, data] = picture.currentSrc.split(";base64,");
    if (kind !== "data:image/svg+xml") continue;
    const box = document.createElement("div");
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt());
    box.attachShadow({ mode: "open" }).innerHTML = new TextDecoder().decode(bytes);
    document.body.append(box);
    texts(box.shadowRoot, width / box.shadowRoot.querySelector("svg").viewBox.baseVal.width);
    box.remove();
  }
  return { ...found, least: Math.round(10 * least) / 10, where };
}"""


def measured(page, path, show="all") -> dict:
    """Open a page of a report and return its measures; `page` is Playwright's, with the size of a screen."""
    page.goto(f"{Path(path).resolve().as_uri()}?show={show}")
    page.wait_for_function("document.fonts.ready.then(() => true)")
    return page.evaluate(MEASURE)


def main(folder: Path) -> None:
    """Print a table: pages, and for each screen first figure, first control, sideways, least words, barriers."""
    from chromium import find_chromium
    from pages import barriers
    from playwright.sync_api import sync_playwright

    print("| page | " + " | ".join(SCREENS) + " | in the dark |", "|---" * (len(SCREENS) + 2) + "|", sep="\n")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for path in sorted(folder.glob("[0-9]*.html")):
            cells, dark = [], []
            for width, height in SCREENS.values():
                page = browser.new_page(viewport={"width": width, "height": height})
                found, asked = measured(page, path), measured(page, path, "guess")
                values = found["figure"], asked["live"], found["sideways"], found["least"], len(barriers(page))
                cells.append(" · ".join(map(str, values)))
                page.emulate_media(color_scheme="dark")
                dark.append(str(len(barriers(page))))
                page.close()
            print(f"| {path.stem} | " + " | ".join([*cells, " ".join(dark)]) + " |", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main(Path(sys.argv[1]))
