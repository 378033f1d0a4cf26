"""Real kernels: a notebook runs in its folder, what goes wrong is one sentence, and nothing waits for good."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import nbformat
import psutil
import pytest
import zmq
from nbclient.output_widget import OutputWidget
from nbformat.v4 import new_code_cell
from test_report import PARAMETERS_CELL, write

from asif_book.chapters.results import RUN_VARIABLE
from asif_book.editions.outline import Chapter
from asif_book.report import NotebookError, render, run_notebook, running

ZERO = "ZeroDivisionError: division by zero"
SLEEP = "import time\ntime.sleep(600)"
HIDDEN = (
    "from ipywidgets import Output, interact",
    "@interact(k=(1, 5))\ndef show(k=3):\n    raise KeyError('hidden')",
    "out = Output()\nwith out:\n    1 / 0",
    "import sys\nsys.exit(0)",
)


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path / "build"))
    monkeypatch.delenv(RUN_VARIABLE, raising=False)


def test_a_chapter_runs_in_its_folder_with_its_parameters_and_a_note_stands_for_a_widget(tmp_path):
    (tmp_path / "here.txt").write_text("found")
    bar = "from tqdm.auto import tqdm\nfor i in tqdm(range(3), leave=False):\n    pass\nprint('done')"
    control = "from ipywidgets import interact\ninteract(lambda k=3: print('k', k), k=(1, 5));"
    shown = "import os\nprint(open('here.txt').read(), device, fast, os.environ['MARK'])"
    path = write(tmp_path / "a.ipynb", PARAMETERS_CELL, shown, control, bar)
    output = tmp_path / "out" / "a.ipynb"
    assert 0 < run_notebook(path, output, {"device": "cpu", "fast": True}, {"MARK": "seen"}) < 600
    executed = nbformat.read(output, as_version=4)
    assert executed.cells[1].outputs[0].text == "found cpu True seen\n"
    states = json.dumps(executed.metadata["widgets"])
    assert "OutputModel" in states and "FloatProgressModel" in states  # the scan for errors had something to scan
    page = render(output)
    assert page.count('class="widget-note"') == 1 and "a control that you can move stands here.</p>" in page
    assert "done" in page


@pytest.mark.parametrize(
    ("cells", "seconds", "message"),
    [
        ([new_code_cell("# a comment\nfor x in [0]:\n    1 / x")], 600, f"1 (`for x in [0]:`): {ZERO}"),
        (["1", SLEEP], 2, "2 (`import time`): the cell did not end within 2 s, the limit for a cell of this chapter."),
        (["import os\nos._exit(1)"], 600, "the kernel died; perhaps the machine has too little memory."),
        (HIDDEN, 600, "a widget of cell 2 (`@interact(k=(1, 5))`): KeyError: 'hidden'"),
    ],
)
def test_what_goes_wrong_is_one_sentence_that_names_the_cell(tmp_path, cells, seconds, message):
    path = write(tmp_path / "03_relative.ipynb", *cells)
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["asif"] = {"cell_seconds": seconds}
    nbformat.write(notebook, path)
    with pytest.raises(NotebookError, match=re.escape(message) + "$") as error:
        run_notebook(path, tmp_path / "out.ipynb", {})
    assert str(error.value).startswith("03_relative.ipynb") and "\x1b" not in error.value.traceback
    if cells is HIDDEN:
        executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
        found = {(where.split(" (")[0], error["ename"]) for where, error in running._hidden_errors(executed)}
        unseen = "a widget", "ZeroDivisionError"  # no cell shows it
        assert found == {("a widget of cell 2", "KeyError"), unseen, ("cell 4", "SystemExit")}


def test_an_answer_that_comes_while_a_widget_is_sent_its_output_is_read(tmp_path, monkeypatch):
    wait = "while not os.path.exists('seen'):\n        time.sleep(0.05)"
    opening = "import os, time\nfrom ipywidgets import Output\nout = Output()"
    path = write(tmp_path / "a.ipynb", opening, f"with out:\n    print('said', flush=True)\n    {wait}")
    sync = OutputWidget.sync_state

    def slow(widget):
        (tmp_path / "seen").touch()  # now the cell ends
        shell = widget.kernel_client.shell_channel.socket
        assert zmq.Socket.shadow(shell.underlying).poll(60_000)  # the cell's answer is there, and its signal used up
        sync(widget)

    monkeypatch.setattr(OutputWidget, "sync_state", slow)
    assert run_notebook(path, tmp_path / "out.ipynb", {}) < 60


def test_an_interrupted_run_ends_at_once_and_leaves_no_kernel(tmp_path):
    pid = tmp_path / "pid.txt"
    write(tmp_path / "01_a.ipynb", new_code_cell("open('pid.txt', 'w').write(str(__import__('os').getpid()))"), SLEEP)
    command = [sys.executable, "-m", "asif_book.report", "--notebooks", str(tmp_path)]
    heard = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731 (a background job ignores it)
    with subprocess.Popen(command, text=True, preexec_fn=heard, stderr=subprocess.PIPE) as run:
        deadline = time.monotonic() + 120
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        assert "the chapters that ended are kept" in run.communicate(timeout=60)[1] and run.returncode == 130
    kernel = int(pid.read_text())
    while psutil.pid_exists(kernel) and time.monotonic() < deadline:  # it was killed, and dies in its time
        time.sleep(0.1)
    assert not psutil.pid_exists(kernel)


def test_as_many_chapters_run_at_a_time_as_there_are_cores_and_one_that_measures_runs_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "cores", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    events, both = [], threading.Barrier(3, timeout=60)  # two chapters and the page of the bank wait for each other

    def run(path, output, parameters, environment):
        events.append(f"{path.stem} {environment['OMP_NUM_THREADS']}")
        if path.stem in ("04_d", "03_c"):
            both.wait()
        events.append("end")
        return 1.0

    monkeypatch.setattr(running, "run_notebook", run)
    names = ("01_a", "02_alone", "03_c", "04_d")
    paths = {
        write(tmp_path / f"{name}.ipynb", "1"): Chapter(name, "", "", "", [], alone="one" in name) for name in names
    }
    run = partial(running.run_chapter, runs=tmp_path / "runs", parameters={}, reuse=False)
    running.run_chapters(paths, run, then=lambda path: None, beside=both.wait)
    assert {*events[:2]} == {"04_d 1", "03_c 1"}  # the last ones first, and no third before one has ended
    assert events[-2:] == ["02_alone 2", "end"] and events.index("01_a 1") > events.index("end")


@pytest.mark.parametrize(("memory", "at_a_time"), [(2 * running.KERNEL_BYTES + 1, 2), (0, 1), (1e12, 16)])
def test_a_run_on_little_memory_is_one_after_the_other(monkeypatch, memory, at_a_time):
    monkeypatch.setattr(running, "cores", lambda: 16)
    monkeypatch.setattr(running.psutil, "virtual_memory", lambda: type("Memory", (), {"available": memory}))
    assert running.jobs() == at_a_time
