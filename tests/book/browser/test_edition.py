"""The folder for a browser: built, served below a path, read in Chromium without another host, and damaged."""

import contextlib
import functools
import hashlib
import io
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pages import barriers

from asif_book.browser import building, files
from asif_lib.errors import AsifError, DataError

pytestmark = [pytest.mark.once, pytest.mark.complete]
CHAPTERS = ("00", "03", "04", "06", "07")
OUTPUTS = """() => Array.from(jupyterapp.shell.currentWidget.content.model.cells)
    .map(cell => cell.toJSON()).filter(cell => cell.cell_type === "code")
    .map(cell => [cell.execution_count, cell.outputs])"""
IDLE = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
SHOW = """() => {  // a cell beyond the screen is not drawn
    const {content} = jupyterapp.shell.currentWidget, wanted = ".asif-ledger, .asif-steps";
    return content.scrollToItem(content.widgets.findIndex(cell => cell.node.querySelector(wanted)));
}"""
HIDDEN = """() => {
  let saved = 0;
  const context = jupyterapp.shell.currentWidget.context, save = context.save.bind(context);
  context.save = () => (saved++, save());
  document.dispatchEvent(new Event("visibilitychange"));
  return saved;
}"""
NOTES = "jupyterapp.shell.currentWidget.content.model.cells.get(0).sharedModel"
ASK = """async code => {
    const asked = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});
    let printed = "";
    asked.onIOPub = ({header, content}) => {
        printed += header.msg_type === "stream" ? content.text : header.msg_type === "error" ? content.evalue : "";
    };
    await asked.done;
    return printed;
}"""
VERDICTS = """
import json
import torch
from asif_book.checks import EXERCISES
told = {}
for number, check in EXERCISES.items():
    if number[:2] in CHAPTERS and hasattr(check, "reference"):
        for what, way in [("right", check.reference), *(("wrong", way) for _, way in check.named[:1])]:
            torch.manual_seed(0)
            verdict = check(lambda *case, way=way: way(*case))
            told[f"{number} {what}"] = [verdict.status, verdict.message]
print(json.dumps(told))
"""
STUCK = """() => {  // an answer that never comes, as of a kernel that was restarted
    const {contents} = jupyterapp.serviceManager, get = contents.get.bind(contents);
    contents.get = (path, options) => path === "stuck" ? new Promise(() => {}) : get(path, options);
    void fetch("../api/drive", {method: "POST", body: JSON.stringify({method: "get", path: "stuck"})});
}"""
REFUSED = """
try:
    open("/drive/mine.txt", "w").write("x")
except OSError as error:
    print(error)
"""
WRITES = """
from pathlib import Path
file, lost = Path("/drive/try.txt"), []
for text in map(str, range(30)):
    file.write_text(text)
    lost += [text] if file.read_text() != text else []
file.unlink()
print(lost)
"""


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """The built folder, within the folder that is served; the tests are skipped where a file cannot be had."""
    target = tmp_path_factory.mktemp("served") / "school" / "asif"
    try:
        building.build_folder(target)
    except AsifError as error:
        pytest.skip(f"the browser's edition is not tested: {error}")
    return target


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def address(edition):
    with served(edition.parents[1]) as url:
        yield f"{url}/school/asif/"


@pytest.fixture(scope="module")
def reader(browser, address):
    """A page that has chapter 00 open, and the addresses that it asked."""
    context = browser.new_context(viewport={"width": 820, "height": 1180})
    page, asked = context.new_page(), []
    context.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_function("state.textContent.startsWith('Ready, and kept')", timeout=60_000)
    page.get_by_role("link", name="00 · Start here").click()
    page.wait_for_function(IDLE, timeout=180_000)
    yield page, asked
    context.close()


def test_the_folder_is_small_enough_for_a_class(edition):
    sizes = {file: building._transferred(file) for file in edition.rglob("*.*") if file.suffix != ".gz"}
    start = sum(size for file, size in sizes.items() if file.parent.name == "pyodide")
    assert start < 22e6 and sum(sizes.values()) < 60e6  # JupyterLite has 3 MB: 25 MB until the first cell has run
    notebooks = sorted(path.name[:2] for path in (edition / "files").glob("*.ipynb"))
    assert notebooks == sorted((*CHAPTERS, "90")) and (edition / "files" / building.OWN).is_dir()
    texts = [path.read_text() for path in (edition / "files").glob("*.ipynb")]
    assert all("NumPy computes under PyTorch's names" in text for text in texts)
    assert "GPL-2" in (edition / "index.html").read_text()


def test_exercises_get_the_words_of_jupyterlab_and_progress_is_kept(reader):
    page, _ = reader
    code = f"CHAPTERS = {CHAPTERS}\n{VERDICTS}"
    told = json.loads(page.evaluate(ASK, code))
    with contextlib.redirect_stdout(io.StringIO()) as here:
        exec(code, {})
    expected = json.loads(here.getvalue())
    assert len(expected) > 35 and told.keys() == expected.keys()
    assert {name: told[name] for name in told if told[name] != expected[name]} == {}
    kept = json.loads(page.evaluate(ASK, "print(open('/drive/my_progress.json').read())"))
    assert kept["format"] == "asif-progress" and kept["exercises"]["00.1"]["status"] == "right"


def test_nothing_else_is_asked_and_a_second_visit_needs_no_network(reader, address):
    page, asked = reader
    page.evaluate(f"{NOTES}.setSource('mine'); Object.defineProperty(document, 'hidden', {{value: true}})")
    assert page.evaluate(HIDDEN) == 1  # what closes a tablet's tab
    page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
    page.context.set_offline(True)
    page.reload()
    page.wait_for_function(IDLE, timeout=180_000)
    assert page.evaluate(f"{NOTES}.getSource()") == "mine"
    assert page.evaluate(ASK, "import os; print(os.path.exists('/drive/my_progress.json'))").strip() == "True"
    told = page.evaluate(ASK, "import fontTools.ttLib")  # no cell has asked for it
    assert told == "fonttools did not arrive: connect to the network, and run the cell again"
    page.context.set_offline(False)
    assert {url for url in asked if not url.startswith((address.split("school")[0], "blob:", "data:", "ws:"))} == set()


def test_two_tabs_do_not_mix_up_their_files(reader, address):
    page, _ = reader
    processor = page.context.new_cdp_session(page)
    processor.send("Emulation.setCPUThrottlingRate", {"rate": 4})  # its answers are late
    other = page.context.new_page()
    other.goto(f"{address}notebooks/index.html?path=04_sparsification.ipynb")
    other.wait_for_function(IDLE, timeout=90_000)
    assert other.evaluate(ASK, WRITES).strip() == "[]"
    other.close()
    processor.send("Emulation.setCPUThrottlingRate", {"rate": 1})


def test_a_file_that_the_browser_does_not_keep_is_an_error(reader):
    page, _ = reader
    page.evaluate("void (jupyterapp.serviceManager.contents.newUntitled = async () => { throw new Error('full'); })")
    assert page.evaluate(ASK, REFUSED).strip() == "[Errno 29] I/O error: '/drive/mine.txt'"
    assert "its storage is full or closed" in page.locator(".asif-told").inner_text()
    page.evaluate("delete jupyterapp.serviceManager.contents.newUntitled")


def test_an_answer_that_never_comes_keeps_no_other_back(reader):
    page, _ = reader
    page.evaluate(STUCK)
    page.wait_for_timeout(300)
    page.evaluate(f"void ({ASK})('import os; print(os.listdir())').then(names => {{ window.names = names; }})")
    page.wait_for_function("window.names?.includes('00_start_here.ipynb')", timeout=20_000)


@pytest.mark.parametrize("lost", ["asm.wasm", "build/notebooks/bundle"])
def test_a_page_whose_start_failed_starts_again(browser, address, lost):
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.wait_for_function("state.textContent.startsWith('Ready')", timeout=60_000)
    (worker,) = context.service_workers
    worker.evaluate(
        """lost => {
            const right = verified;
            verified = (path, ...more) => {
                if (!path.includes(lost)) return right(path, ...more);
                verified = right;
                return Promise.reject(new Error("lost"));
            };
        }""",
        lost,
    )
    page.get_by_role("link", name="00 · Start here").click()
    page.wait_for_function(IDLE, timeout=90_000)
    context.close()


@pytest.mark.parametrize("number", [*CHAPTERS, "90"])
def test_a_chapter_runs_to_its_last_cell_and_its_boxes_and_sliders_work(reader, address, edition, number):
    page, _ = reader
    name = next((edition / "files").glob(f"{number}_*.ipynb")).name
    page.goto(f"{address}notebooks/index.html?path={name}")
    page.wait_for_function(IDLE, timeout=180_000)
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"({OUTPUTS})().every(([count]) => count)", timeout=500_000)
    outputs = [output for _, cell in page.evaluate(OUTPUTS) for output in cell]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert number != "00" or "own caption wins among 8 for 79.3% [72.7%, 85.3%]" in printed
    ledgers, steps = page.locator(".asif-ledger"), page.locator(".asif-steps")
    assert (ledgers.count(), steps.count()) == (number in ("00", "06"), number == "04")
    if number in ("00", "04", "06"):
        page.evaluate(SHOW)
    for ledger in ledgers.all():
        sums = ledger.locator("tfoot tr").last.locator("td")
        before = sums.all_inner_texts()
        ledger.get_by_role("checkbox").first.uncheck()
        ledger.get_by_role("status").filter(has_text="1 anchor is out.").wait_for()
        assert all(one != other for one, other in zip(sums.all_inner_texts(), before, strict=True))
    for sliders in steps.all():
        sliders.get_by_role("slider", name="k, entries kept").fill("2")
        sliders.get_by_role("status").filter(has_text="k = 2, p = 2: 2 of").wait_for()


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, {"width": 390, "height": 844}])
def test_the_first_page_is_the_index_with_its_live_table(browser, address, viewport):
    page, complaints = browser.new_page(viewport=viewport), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.wait_for_function("state.textContent.startsWith('Ready, and kept')", timeout=60_000)
    page.get_by_label("Keep A baby sheep (a lamb).").uncheck()
    page.get_by_role("status").filter(has_text="1 anchor is out. The answer is “kangaroo”.").wait_for()
    assert barriers(page) == {} and page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    doors = page.locator("main :is(.chapters, .doors) a").evaluate_all("all => all.map((door) => door.href)")
    assert [door.rpartition("=")[2][:2] for door in doors] == ["00", *CHAPTERS, "90"] and complaints == []
    page.close()


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ("delete globalThis.WebAssembly", "runs no WebAssembly"),
        ("WebAssembly.validate = () => false", "or an old one"),
        ("indexedDB.open = () => { throw new Error(); }", "your work is lost when the tab is closed"),
        ("indexedDB.open = () => ({})", "or the disk is full"),
        ("navigator.serviceWorker.register = async () => { throw new Error(); }", "progress is not kept in a file"),
    ],
)
def test_what_a_browser_lacks_is_said_in_one_sentence(browser, address, lacks, words):
    page = browser.new_page()
    page.add_init_script(lacks)
    page.goto(address)
    page.wait_for_selector(".warning")
    assert words in " ".join(page.locator(".warning").inner_text().split())
    page.close()


def test_a_file_that_was_cut_on_its_way_is_named(browser, address, edition):
    file = next((edition / "static" / "pyodide").glob("asif_first.zip.gz"))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    try:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".warning", timeout=60_000)
        assert f"The file static/pyodide/{file.stem} did not arrive whole" in page.locator(".warning").inner_text()
        page.close()
    finally:
        file.write_bytes(content)


def test_a_file_that_cannot_be_had_stops_the_build_with_one_sentence(monkeypatch, tmp_path, capsys):

    def refuse(name):
        raise DataError(f"{name} could not be fetched by any provider\n  npm registry: offline")

    monkeypatch.setattr(building, "fetch", refuse)
    assert building.main([str(tmp_path / "browser")]) == 1
    told = capsys.readouterr().err
    assert told == "The browser's edition needs Pyodide: pyodide could not be fetched by any provider.\n"
    assert not Path(tmp_path / "browser").exists()


def test_the_server_of_pyodide_is_asked_then_its_copy_and_both_are_compared_with_the_lock(monkeypatch, tmp_path):
    (tmp_path / "full").mkdir()
    for name in ("right", "wrong"):
        (tmp_path / "full" / f"{name}.whl").write_text(name)
    digest = hashlib.sha256(b"right").hexdigest()
    named = {name: {"file_name": f"{name}.whl", "sha256": digest} for name in ("right", "wrong", "lost")}
    lock, asked = {"info": {"version": "0"}, "packages": named}, []
    monkeypatch.setattr(files, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(files, "_from_mirror", lambda names, folder: asked.extend(names))
    with served(tmp_path / "full") as url:
        monkeypatch.setattr(files, "DISTRIBUTION", url)
        assert (files.packages(lock, ["right"]) / "right.whl").read_text() == "right" and not asked
        with pytest.raises(AsifError, match=r"wrong.whl could not be had with the checksum"):
            files.packages(lock, ["right", "wrong"])
        with pytest.raises(AsifError, match=r"lost.whl could not be had"):
            files.packages(lock, ["lost"])
        assert asked == ["lost.whl"]
