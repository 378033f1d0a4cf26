"""How the tests open a page, and what they ask of it: no barrier that axe-core finds, and colours that stand out."""

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
LESS = dict.fromkeys(("selectors", "preload", "iframes"), False)
"""What axe-core need not do, a third of its time: name places by selectors, fetch films, look into frames."""
DESKTOP = {"width": 1280, "height": 900}


def opened(browser, page, viewport=DESKTOP, **options):
    """Open a page from disk, without network; `complaints` of the result must stay empty."""
    context = browser.new_context(viewport=viewport, **options)
    context.set_offline(True)
    tab = context.new_page()
    tab.complaints = []
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("request", lambda request: request.url.startswith(("file:", "data:")) or tab.complaints.append(request.url))
    tab.on("requestfailed", lambda request: tab.complaints.append(request.url))
    tab.goto(page.as_uri())
    return tab


def barriers(page):
    """Return what axe-core finds on a page of Playwright's, each with its first place."""
    from axe_playwright_python.sync_playwright import Axe

    response = Axe().run(page, options={"runOnly": WCAG, "resultTypes": ["violations"], **LESS}).response
    assert len(response["passes"]) > 5  # the rules did run
    return {found["id"]: found["nodes"][0]["html"] for found in response["violations"]}


def contrast(one, other):
    """Return the contrast of two colours, ``#RRGGBB`` or ``#RGB``, as WCAG 2.1 defines it."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour):
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
