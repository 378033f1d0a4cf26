"""The explorer as a researcher meets it: the command, Voilà's page in a real browser, keyboard, upload, download.

Most tests are steps of one visit, in this order; the last one closes the page.
"""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import namedtuple

import nbformat
import psutil
import pytest
from pages import barriers

from asif_book.figures.method import SILHOUETTE
from asif_book.report import run_notebook
from asif_lib import AnchorBank
from asif_lib.files import build_dir, cache_dir

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install -e .[dev]")

SECONDS = 1000  # Playwright counts milliseconds
DESKTOP, PHONE = {"width": 1280, "height": 3000}, {"width": 360, "height": 4000}
# In the order of the page, less the anchors and what is disabled.
CONTROLS = [
    "Words in the caption", "A frog", "Next pictures", "Your pictures", "Open the webcam",
    "Leave the picture's own pair", "Labels, commas between", "Prompt, {} for the label", "Entries kept, k",
    "Exponent, p", "Sorted by", "Untick all", "Remove the ticked anchors", "Undo the last edit", "Uploaded picture",
    "Its caption", "Add it as an anchor", "Export as notebook", "Save into bank",
]  # fmt: skip
Server = namedtuple("Server", "address bank process temporary")


HOSTILE = "<img src=x onerror='document.ran = 1'>"
"""A text of a bank from somebody else."""


@pytest.fixture(scope="module")
def server(browser, stamps_bank, tmp_path_factory):
    """`asif explore` over a stored bank of the tests' own; `browser` comes first, to skip without one."""
    home = tmp_path_factory.mktemp("explore")
    bank = stamps_bank.subset(range(151))
    bank = bank.subset([i for i, id in enumerate(bank.pairs["id"]) if id != SILHOUETTE])  # so it starts with a frog
    pairs = bank.pairs.assign(caption=[f"{caption} {HOSTILE}" for caption in bank.pairs["caption"]])
    bank = bank.replace(name=f"stored {HOSTILE}", pairs=pairs, licence=HOSTILE).save(home / "stored")
    temporary, log = home / "temporary", home / "log"
    temporary.mkdir()
    environment = os.environ | {"ASIF_CACHE": str(cache_dir().resolve()), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "asif_lib.cli", "explore", "--bank", bank, "--no-browser", "--device", "cpu"]
    with open(log, "w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield Server(_address(process, log), bank, process, temporary)
    finally:
        process.send_signal(signal.SIGINT)
        ended = process.wait(120)
    assert (ended, list(temporary.glob("asif-explore-*"))) == (0, [])


def _address(process, log):
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+\n", log.read_text())
        if found:
            return found[0].strip()
        time.sleep(0.1)
    pytest.fail(f"the explorer did not start:\n{log.read_text()}")


class Explored:
    """The page; `console` and `abroad` must stay empty."""

    def __init__(self, browser, address):
        context = browser.new_context(viewport=DESKTOP)
        self.page = context.new_page()
        self.page.set_default_timeout(180 * SECONDS)
        self.console, self.abroad = [], []
        self.page.on("console", lambda message: message.type == "error" and self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        here = address.split("?")[0]
        context.route(lambda url: not url.startswith((here, "data:", "blob:")), self._refuse)
        self.page.goto(address, wait_until="commit")
        step = self.page.locator("#loading_text").filter(has_text="Loading, step")  # a script writes it a moment later
        self.loading = step.inner_text(), barriers(self.page)
        for role in ("radio", "rowheader"):  # each widget draws itself when its own script has come
            self.page.get_by_role(role).first.wait_for()
        for name in ("Open the webcam", "Export as notebook", "Save into bank"):
            self.page.get_by_role("button", name=name).wait_for()

    def _refuse(self, route):
        self.abroad.append(route.request.url)
        route.abort()

    def said(self, words):
        """The announcement with these words, once it is there."""
        found = self.page.get_by_role("status").filter(has_text=words)
        found.wait_for()
        return found.inner_text()

    def ranking(self, words="is first with"):
        return self.said(words).strip()

    def type(self, name, text):
        field = self.page.get_by_label(name, exact=True)
        field.fill(text)
        field.press("Enter")

    def press(self, name):
        self.page.get_by_role("button", name=name).press("Enter")

    def screenshot(self, name):
        folder = build_dir() / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")


@pytest.fixture(scope="module")
def explored(browser, server):
    page = Explored(browser, server.address)
    yield page
    page.page.context.close()


def test_without_the_token_there_is_no_page(server):
    try:
        with urllib.request.urlopen(server.address.split("?")[0]) as answer:
            text = answer.read().decode()
            assert "/login" in answer.url
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        assert error.code in (401, 403)
    assert "Explore bank" not in text and "kernelId" not in text


def test_no_text_of_a_bank_runs_a_script(explored):
    explored.page.get_by_text(HOSTILE).first.wait_for()
    assert explored.page.evaluate("document.ran ?? 0") == 0


def test_tab_reaches_every_control_in_order_and_shows_where_it_is(explored):
    page, seen = explored.page, []
    page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "() => { const one = document.activeElement; const label = one.labels?.[0] ?? one;"
            " return [label.innerText.trim() || label.title, getComputedStyle(one).outlineStyle]; }"
        )
        if seen and name.startswith(CONTROLS[0]):
            break
        assert outline != "none", name
        seen.append(name)
        if name.startswith(CONTROLS[-1]):
            break
    found = [control for name in seen for control in CONTROLS if name.startswith(control)]
    assert found == CONTROLS
    anchors = page.get_by_role("table").filter(has_text="Contributions").get_by_role("rowheader").all_inner_texts()
    assert seen[seen.index("Sorted by") + 1 : seen.index("Untick all")] == [anchor.strip() for anchor in anchors]


def test_label_anchor_edit_and_undo_by_keyboard(explored, server):
    page = explored.page
    explored.type("Labels, commas between", "a frog, a bird, a fish")
    before = explored.ranking("“a frog” is first with")
    table = page.get_by_role("table").filter(has_text="Contributions to the scores")
    sync_api.expect(table.get_by_role("columnheader").nth(1)).to_have_text("to “a frog”")  # it comes after the words
    first = table.get_by_role("rowheader").first.inner_text()
    table.get_by_role("checkbox").first.press("Space")
    without = explored.said("Without the ticked anchor (1)")
    page.get_by_text("New in the top k of the picture: 1").wait_for()
    explored.screenshot("explorer")

    explored.press("Remove the ticked anchors (1)")
    explored.said("Removed ")
    after = explored.ranking()
    assert after != before
    assert re.search(r"“a \w+” .*?(\d\.\d{3})", without)[1] == re.search(r"first with (\d\.\d{3})", after)[1]
    assert first not in table.get_by_role("rowheader").all_inner_texts()

    explored.press("Undo the last edit")
    explored.said("Undone: ")
    assert explored.ranking("“a frog” is first with") == before
    assert AnchorBank.load(server.bank).version == 1


def test_the_answer_stays_in_view_beside_the_anchors(explored):
    page = explored.page
    page.set_viewport_size({"width": 1280, "height": 800})
    answer = page.locator(".asif-ranking table")
    for place in (page.get_by_role("heading", name="1 Picture"), page.get_by_text("to “a frog”").last,
                  page.get_by_role("table").filter(has_text="Contributions").get_by_role("checkbox").last):  # fmt: skip
        place.scroll_into_view_if_needed()
        sync_api.expect(answer).to_be_in_viewport(ratio=1)
        sync_api.expect(place).to_be_in_viewport()
    page.set_viewport_size(DESKTOP)


def test_labels_in_arabic_run_from_right_to_left(explored):
    explored.type("Labels, commas between", "كلب, a frog")
    words = explored.page.get_by_role("status").filter(has_text="is first with").locator("bdi").filter(has_text="كلب")
    for place in (words, explored.page.get_by_role("rowheader", name="كلب")):
        sync_api.expect(place).to_have_css("direction", "rtl")
    explored.type("Labels, commas between", "a frog, a bird, a fish")
    explored.ranking("“a frog” is first with")


def test_bad_input_is_one_sentence(explored):
    explored.type("Entries kept, k", "0")
    alert = explored.page.get_by_role("alert").filter(has_text="k = 0")
    alert.wait_for()
    assert explored.page.get_by_role("alert").count() == 1
    explored.type("Entries kept, k", "15")
    alert.wait_for(state="detached")


def test_upload_becomes_an_anchor_and_the_export_recomputes_all_of_it(explored, red_ball, tmp_path):
    page = explored.page
    page.get_by_label("Your pictures").set_input_files(red_ball)
    explored.said("✔ red ball.png is here")
    explored.type("Labels, commas between", "a red ball, a bird, a fish")
    explored.type("Its caption", "A red ball.")
    explored.press("Add it as an anchor")
    explored.said("Added red ball.png: A red ball")
    page.get_by_label("Leave the picture's own pair").press("Space")  # now it is its own anchor
    explored.said("Of 151 anchors")
    ranking = explored.ranking("“a red ball” is first with")
    table = page.get_by_role("table").filter(has_text="Contributions to the scores")
    table.get_by_role("rowheader").filter(has_text="A red ball.").wait_for()
    table.get_by_role("checkbox").first.press("Space")
    explored.said("Without the ticked anchor (1)")
    counterfactual = page.get_by_role("table").filter(has_text="without").get_by_role("row").all_inner_texts()
    explored.screenshot("explorer_upload")

    with page.expect_download() as download:
        page.get_by_role("button", name="Export as notebook").press("Enter")
    explored.said("Saved as asif-explorer-")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    probe = "print(scores.round(3).to_dict())\nprint(counterfactual.scores[0].tolist())"
    notebook.cells.append(nbformat.v4.new_code_cell(probe))
    nbformat.write(notebook, file)
    run_notebook(file, file, {})
    ran = nbformat.read(file, as_version=4)
    compared, printed = ("".join(o.get("text", "") for o in cell.outputs) for cell in ran.cells[-2:])
    assert float(compared.split()[-1]) < 1e-6
    scores, without = (eval(line) for line in printed.splitlines())
    (first, best), (second, other) = list(scores.items())[:2]
    assert ranking.startswith(f"“{first}” is first with {best:.3f}, “{second}” is second with {other:.3f}.")
    assert all(any(f"{score:.3f}" in row for row in counterfactual) for score in without)


def test_saving_asks_first(explored, server):
    explored.press("Save into bank")
    page = explored.page
    page.get_by_text("This changes the stored bank").wait_for()
    explored.press("No, leave it as it is")
    page.get_by_text("This changes the stored bank").wait_for(state="detached")
    assert AnchorBank.load(server.bank).version == 1


def test_while_it_loads_the_page_shows_the_method_and_its_step(explored):
    words, found = explored.loading
    assert re.fullmatch(r"Loading, step [123] of 3: .+", words) and found == {}


def test_a_thumbnail_is_chosen_by_an_arrow_key(explored):
    page = explored.page
    shown = page.get_by_role("radio")
    chosen = [radio.is_checked() for radio in shown.all()].index(True)
    for place in (chosen, chosen + 1):
        shown.nth(place).press("ArrowRight")
    name = shown.nth(chosen + 2).locator("xpath=..").get_by_role("img").get_attribute("alt").rstrip(".")
    page.get_by_text(f"Chosen: {name}").wait_for()
    page.locator(".asif-ranking").get_by_role("img", name=name).wait_for()
    assert shown.nth(chosen + 2).is_checked()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_is_in_the_way_of_a_reader(explored, size, theme):
    page = explored.page
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size(size)
    explored.screenshot(f"explorer_{size['width']}_{theme}")
    assert barriers(page) == {}
    colours = "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
    text, ground = (sum(map(int, re.findall(r"\d+", one)[:3])) for one in page.evaluate(colours))
    assert (text > ground) == (theme == "dark")
    wide = "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > innerWidth)"
    assert page.evaluate(f"{wide}.map(one => one.outerHTML.slice(0, 120))") == []


def kernels(server):
    """Process numbers of the kernels, and the folders of the working copies."""
    copies = [copy.parent for copy in server.temporary.glob("asif-explore-*/*/bank")]
    return {child.pid for child in psutil.Process(server.process.pid).children() if runs(child)}, copies


def runs(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition):
    until = time.monotonic() + 120
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def test_a_page_that_is_left_ends_its_kernel_and_deletes_its_copy(browser, server):
    before, copies = kernels(server)
    other = Explored(browser, server.address)
    (kernel,) = kernels(server)[0] - before
    assert len(kernels(server)[1]) == len(copies) + 1
    other.page.context.unroute_all()  # Playwright loses the last request of a page whose requests it examines
    other.page.reload()
    assert wait_until(lambda: kernel not in kernels(server)[0])
    other.page.get_by_role("rowheader").first.wait_for()
    assert len(kernels(server)[0]) == len(before) + 1
    other.page.goto("about:blank")
    assert wait_until(lambda: kernels(server) == (before, copies))
    assert other.console == []
    other.page.context.close()


def test_the_page_leaves_no_error_asks_nobody_outside_and_ends_when_it_is_closed(explored, server):
    """Comes last: what all of the tests above left."""
    assert explored.page.get_by_text("Traceback").count() == 0
    assert (explored.console, explored.abroad) == ([], [])
    explored.page.context.unroute_all()
    explored.page.close(run_before_unload=True)
    assert wait_until(lambda: kernels(server) == (set(), []))
