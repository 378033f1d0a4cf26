"""Pages of the report with drawn explanations, as a reader opens them from disk, and the drawings of the notebooks."""

from bs4 import BeautifulSoup
from nbformat import write
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pages import DESKTOP, barriers, opened

from asif_book.report import render

PHONE = {"width": 400, "height": 800}


def parsed(drawing):
    return BeautifulSoup(drawing.data, "html.parser")


def report_page(folder, *drawn):
    """Make the page of an executed chapter whose cells showed `drawn`; return its path."""
    outputs = [new_output("display_data", {"text/html": one.data, "text/plain": "HTML"}) for one in drawn]
    cells = [new_markdown_cell("# 04 · A chapter\n\n> **Question.** Does it answer?")]
    cells += [new_code_cell("draw.it()", outputs=[output]) for output in outputs]
    write(new_notebook(cells=cells), folder / "04_chapter.ipynb")
    page = folder / "04_chapter.html"
    page.write_text(render(folder / "04_chapter.ipynb"), encoding="utf-8")
    return page


def opened_page(browser, file, viewport=DESKTOP, ending="", **options):
    """Open the page of a bank, and wait until it has decided."""
    tab = opened(browser, file, viewport, reduced_motion="reduce", **options)
    if ending:
        tab.goto("about:blank")  # another ending is no new page, and what was shown before would be read
        tab.goto(file.as_uri() + ending)
    if options.get("java_script_enabled", True):
        tab.wait_for_function("typeof now !== 'undefined' && now !== null", polling=20)
    return tab


def check_views(browser, page, root):
    """No window and no scheme of colours brings a barrier, more than the width, or letters below 12 pixels."""
    for viewport, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        tab = opened(browser, page, viewport, color_scheme=scheme)
        assert barriers(tab) == {}
        assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        right = "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
        assert tab.eval_on_selector_all(f"{root} *", right) <= viewport["width"]
        smallest = "all => Math.min(...all.map(one => parseFloat(getComputedStyle(one).fontSize)))"
        assert tab.eval_on_selector_all(f"{root} *", smallest) >= 12
        cut = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
        assert tab.eval_on_selector_all(f"{root} :is(th, td)", cut) == []
        assert tab.complaints == []
        tab.context.close()
