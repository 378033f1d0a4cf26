"""Measure the pages of a report as readers meet them: where the first figure stands, and how small the words are."""

SCREENS = {"desktop": (1280, 720), "wide": (1920, 1080), "tablet": (820, 1180), "phone": (390, 844)}
WITHIN = {"desktop": 700, "phone": 800}
"""Pixels above the first figure of a chapter, at most."""
LEAST, IN_A_CHART = 12, 9
"""Pixels of the smallest words, and of the smallest in a chart."""
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
  const least = { words: [Infinity], chart: [Infinity] };
  const texts = (root, kind, scale) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const words = walker.currentNode, around = words.parentElement;
      if (!words.data.trim() || around.closest("script, style, noscript, title, desc, math")) continue;
      if (!scale && !shown(around)) continue;
      const drawn = !scale && around.closest("svg") ? around.getScreenCTM().a : 1;
      const size = parseFloat(getComputedStyle(around).fontSize) * (scale ?? drawn * around.currentCSSZoom);
      if (size < least[kind][0]) least[kind] = [Math.round(10 * size) / 10, words.data.trim().slice(0, 40)];
    }
  };
  texts(document.body, "words");
  for (const picture of [...document.querySelectorAll("main img")].filter(shown)) {
    const width = picture.offsetWidth * picture.currentCSSZoom;
    const data = picture.currentSrc.match(/^data:image\\/svg\\+xml(;base64)?,(.*)$/s);
    if (!data) continue;
    const drawn = data[1] ? new TextDecoder().decode(Uint8Array.from(atob(data[2]), (letter) => letter.charCodeAt()))
      : decodeURIComponent(data[2]);
    const box = document.createElement("div");
    box.attachShadow({ mode: "open" }).innerHTML = drawn;
    document.body.append(box);
    const kind = picture.matches(".output img") ? "chart" : "words";
    texts(box.shadowRoot, kind, width / box.shadowRoot.querySelector("svg").viewBox.baseVal.width);
    box.remove();
  }
  return { ...found, ...least };
}"""


def measured(page, path) -> dict:
    """Open a page of a report, all of it shown, and return its measures; `page` is Playwright's, of a screen's size."""
    page.goto(f"{path.as_uri()}?show=all")
    page.wait_for_function("document.fonts.ready.then(() => true)")
    return page.evaluate(MEASURE)
