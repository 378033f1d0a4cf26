"""The workbook as a student meets it: the real JupyterLab in a real browser, with keyboard and files."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import namedtuple

import nbformat
import pytest
from playwright.sync_api import expect

from asif_book.checks.progress import VARIABLE, load_progress
from asif_book.checks.quiz import QUESTIONS
from asif_lib.files import ROOT, build_dir, cache_dir

SECONDS = 1000  # Playwright counts milliseconds
SETTINGS = {
    # all cells are in the page, not only those on the screen
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
CHAPTER = "00_start_here.ipynb"
WIDGETS = [
    """
from ipywidgets import IntSlider, VBox
from asif_lib import ASIF, AnchorBank
from asif_book.widgets import your_picture
from asif_book.widgets.parts import Answer

your_picture(ASIF(AnchorBank.load("stamps")), ["a red ball", "a sailing boat"])
""",
    """
knob, answer = IntSlider(1, 0, 1, description="Divisor"), Answer()
answer.follow(lambda divisor: f"one divided by it is {1 // divisor}", knob)
VBox([knob, answer])
""",
]
Lab = namedtuple("Lab", "url token folder")


# -- one JupyterLab, and a page on each notebook


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """A JupyterLab of the tests' own, with copies of the notebooks; `browser` comes first, to skip without one."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "notebooks"
    folder.mkdir()
    shutil.copy(ROOT / "notebooks" / CHAPTER, folder / CHAPTER)
    shutil.copytree(ROOT / "notebooks" / "drawings", folder / "drawings")  # as `make lab` copies them
    metadata = nbformat.read(folder / CHAPTER, as_version=4).metadata
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in WIDGETS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), folder / "widgets.ipynb")
    overrides = home / "config" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps(SETTINGS))
    environment = os.environ | {
        "ASIF_CACHE": str(cache_dir().resolve()),
        "ASIF_BUILD": str(home / "build"),
        "JUPYTER_CONFIG_PATH": str(ROOT / ".jupyter"),  # as make lab has it
        **{f"JUPYTER_{what}_DIR": str(home / what.lower()) for what in ("CONFIG", "DATA", "RUNTIME")},
    }
    environment.pop(VARIABLE, None)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.expose_app_in_browser=True"]
    log = home / "jupyterlab.log"
    with open(log, "w") as file:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        started = _wait_until_started(server, home / "runtime" / f"jpserver-{server.pid}.json", log)
        yield Lab(started["url"], started["token"], folder)
    finally:
        server.terminate()  # it shuts its kernels down before it ends
        server.wait(120)


def _wait_until_started(server, info, log):
    until = time.monotonic() + 180
    while time.monotonic() < until and server.poll() is None:
        try:
            return json.loads(info.read_text())
        except (OSError, ValueError):  # not there yet, or not whole
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


class NotebookPage:
    """A notebook, open in JupyterLab; `page` is Playwright's, `console` and `abroad` what must stay empty."""

    def __init__(self, browser, lab, name):
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        self.page = context.new_page()
        self.page.set_default_timeout(180 * SECONDS)
        self.console, self.abroad = [], []
        self.page.on("console", lambda message: message.type == "error" and self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        context.route(lambda url: not url.startswith((lab.url, "data:", "blob:")), self._refuse)
        self.page.goto(f"{lab.url}lab/tree/{name}?token={lab.token}&reset")
        self.cells = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")
        self.cells.first.wait_for()
        self.wait_for_kernel()

    def _refuse(self, route):
        self.abroad.append(route.request.url)
        route.abort()

    def menu(self, *items):
        for item in items:
            self.page.get_by_role("menuitem", name=item, exact=True).click()

    def wait_for_kernel(self):
        self.page.wait_for_function(
            "() => { const session = jupyterapp.shell.currentWidget?.sessionContext;"
            " return session?.isReady && session.session?.kernel?.status === 'idle'; }"
        )

    def run_all(self, seconds):
        """Run all cells, and wait until each has its number, or one has failed and stopped the rest."""
        self.menu("Run", "Run All Cells")
        self.page.wait_for_function(
            "() => { const cells = jupyterapp.shell.currentWidget.content.model.toJSON().cells"
            "          .filter(cell => cell.cell_type === 'code');"
            " return cells.every(cell => cell.execution_count !== null)"
            "   || cells.some(cell => cell.outputs.some(output => output.output_type === 'error')); }",
            timeout=seconds * SECONDS,
            polling=SECONDS / 4,  # not at each frame: a chapter has megabytes of pictures
        )

    def code_cells(self):
        notebook = self.page.evaluate("jupyterapp.shell.currentWidget.content.model.toJSON()")
        return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    def errors(self):
        outputs = [output for cell in self.code_cells() for output in cell["outputs"]]
        return [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]

    def cell(self, text):
        """The first code cell with `text`; by its place, since an editor off the screen does not show all its lines."""
        sources = ["".join(cell["source"]) for cell in self.code_cells()]
        return self.cells.nth(next(i for i, source in enumerate(sources) if text in source))

    def run(self, cell):
        for label in cell.locator(".jp-InputPlaceholder .jp-Placeholder-content").all():  # folded: this unfolds it
            label.click()
        cell.locator(".cm-line").first.click()
        self.page.keyboard.press("Control+Enter")

    def screenshot(self, name):
        folder = build_dir() / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")

    def close(self):
        self.page.context.close()


@pytest.fixture(scope="module")
def chapter(browser, lab):
    """Chapter 00, all its cells run."""
    notebook = NotebookPage(browser, lab, CHAPTER)
    notebook.run_all(seconds=300)
    yield notebook
    notebook.close()


@pytest.fixture(scope="module")
def widgets(browser, lab):
    """The widgets, as the last lines of cells."""
    notebook = NotebookPage(browser, lab, "widgets.ipynb")
    notebook.run_all(seconds=120)
    yield notebook
    notebook.close()


# -- a chapter


def test_chapter_runs_whole(chapter):
    assert chapter.errors() == []
    menus = chapter.page.locator(".lm-MenuBar-itemLabel").all_inner_texts()
    assert "File" in menus and "Nbgrader" not in menus
    chapter.page.locator(".jp-OutputArea img").last.scroll_into_view_if_needed()
    chapter.screenshot("chapter")
    chapter.page.wait_for_function(
        "() => { const images = [...document.querySelectorAll('.jp-OutputArea img')];"
        " return images.length >= 5 && images.every(image => image.complete); }"
    )
    alts = chapter.page.locator(".jp-OutputArea img").evaluate_all("images => images.map(i => i.naturalWidth && i.alt)")
    assert all(alts)
    assert (chapter.console, chapter.abroad) == ([], [])


def test_folded_cells_say_what_they_do(chapter):
    labels = chapter.page.locator(".jp-InputPlaceholder").all_text_contents()
    assert "# Draw one decision as a table. Its boxes work without Python." in labels and len(labels) >= 8
    assert all(label.startswith("# ") for label in labels)


def test_an_anchor_that_is_unticked_turns_the_answer(chapter):
    decision = chapter.page.locator(".asif-ledger")
    decision.get_by_role("status").filter(has_text="The answer is “sheep”.").wait_for()
    decision.get_by_label("Keep A baby sheep (a lamb).").uncheck()
    decision.get_by_role("status").filter(has_text="1 anchor is out. The answer is “kangaroo”.").wait_for()


def test_the_first_test_keeps_each_click_and_is_left_out_with_one(chapter, lab):
    quiz = chapter.page.locator(".asif-quiz")
    quiz.get_by_text("Eight questions, 8 minutes").click()
    quiz.get_by_label(QUESTIONS[0]["b"]).check()
    quiz.get_by_role("button", name="Hand in").click()
    expect(quiz.get_by_role("status")).to_contain_text("Open: question 2, 3, 4, 5, 6, 7, 8.")
    assert load_progress(lab.folder / "my_progress.json").tests["before"].answers == {"cosine": "b"}
    quiz.get_by_role("button", name="Leave the test out").click()
    expect(quiz).to_contain_text("You leave out the test before and after the core path.")


def test_exercise_is_solved_with_the_keyboard_and_remembered(chapter, lab):
    chapter.page.locator(".jp-showHiddenCellsButton").click()  # unfolds the section that goes deeper
    stub, check = chapter.cell("def cosine("), chapter.cell("check_cosine(cosine)")
    verdict = check.get_by_role("status")
    assert "not attempted" in verdict.inner_text()

    def answer(old, new):
        stub.locator(".cm-line", has_text=old).click()
        for key in ("End", "Shift+Home"):
            chapter.page.keyboard.press(key)
        chapter.page.keyboard.type(new)
        chapter.page.keyboard.press("Shift+Enter")  # runs the cell and goes on to the check
        chapter.page.keyboard.press("Shift+Enter")

    answer("raise NotImplementedError", "return a @ b")
    verdict.filter(has_text="wrong").wait_for()
    answer("return a @ b", "return a @ b / max(a.norm() * b.norm(), torch.tensor(1e-12))")
    verdict.filter(has_text="right").wait_for()
    chapter.screenshot("exercise")

    chapter.menu("Kernel", re.compile("Restart Kernel…"))  # its shortcut is a part of its name
    chapter.page.get_by_role("button", name="Confirm Kernel Restart").click()
    chapter.page.get_by_role("dialog").wait_for(state="detached")
    chapter.wait_for_kernel()
    entry = load_progress(lab.folder / "my_progress.json").exercises["00.1"]
    assert (entry.status, entry.tries, entry.wrong) == ("right", 2, 1)
    overview = chapter.cell('show_progress("00")')
    for cell in (chapter.cell("profile = "), chapter.cell("import show_progress"), overview):
        chapter.run(cell)
    overview.get_by_role("row").filter(has_text="00.1").filter(has_text="2 tries").wait_for()
    assert chapter.console == []


# -- the widgets


def test_exception_in_a_callback_is_seen(widgets):
    cell = widgets.cell("Divisor")
    cell.get_by_role("slider").focus()
    widgets.page.keyboard.press("ArrowLeft")
    cell.get_by_text("ZeroDivisionError").first.wait_for()
    cell.get_by_role("alert").filter(has_text="fault of the program").wait_for()
    widgets.screenshot("exception")
    widgets.page.keyboard.press("ArrowRight")
    cell.get_by_text("one divided by it is 1").wait_for()
    expect(cell.get_by_text("ZeroDivisionError")).to_have_count(0)


def test_uploaded_picture_is_answered_and_what_is_none_is_refused(widgets, red_ball):
    text = red_ball.with_name("notes.png")
    text.write_text("I am no picture.")
    cell = widgets.cell("your_picture(")
    cell.get_by_label("Your pictures").set_input_files([red_ball, text])
    answer = cell.get_by_role("article").filter(has_text="red ball.png")
    answer.get_by_text("Anchors that decided").wait_for()
    assert [x.split("\n")[0] for x in answer.locator(".named").all_inner_texts()] == ["a red ball", "a sailing boat"]
    said = cell.get_by_role("status").filter(has_text="✔ 1 picture").inner_text()
    assert "✘ notes.png: is not a picture" in said
    widgets.screenshot("upload")


def test_widgets_leave_no_error_and_ask_nobody_outside(widgets):
    """Comes last: what all of the tests above left."""
    assert widgets.errors() == []
    assert (widgets.console, widgets.abroad) == ([], [])
