"""Measure the pages of a report as readers meet them: where the first figure stands, and how small the words are."""

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
    // matplotlib draws letters as outlines of 100 points, made smaller
    const chart = picture.matches(".output .figure img[width]") ? decodeURIComponent(picture.currentSrc) : "";
    for (const [, points] of chart.matchAll(/scale\\(([\\d.]+) -/g)) {
      note(width * points * 100 * 96 / 72 / picture.naturalWidth, picture.alt);
    }
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


def measured(page, path) -> dict:
    """Open a page of a report, all of it shown, and return its measures; `page` is Playwright's, of a screen's size."""
    page.goto(f"{path.as_uri()}?show=all")
    page.wait_for_function("document.fonts.ready.then(() => true)")
    return page.evaluate(MEASURE)
