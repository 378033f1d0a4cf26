"""A run that cannot hang: time limits of cells, and kernels whose messages get lost."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
import zmq
from interpreter import PYTHON
from jupyter_client.connect import LocalPortCache
from nbclient.output_widget import OutputWidget
from nbformat.v4 import new_code_cell, new_notebook

from asif_book.chapters.results import RUN_VARIABLE
from asif_book.report import NotebookError, book, build_report, kernels, run_notebook, running, schedule
from asif_book.report.running import was_repeated

SEEN = "open('runs.txt', 'a').write('x')"


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Write a chapter with these cells; its kernel loses messages about a cell with the word "lose"."""
    spec = tmp_path / "jupyter" / "kernels" / "lossy"
    spec.mkdir(parents=True)
    kernel = str(Path(__file__).with_name("lossy_kernel.py"))
    argv = [*PYTHON, kernel, "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "lossy", "language": "python"}))
    for name, folder in (("JUPYTER_PATH", "jupyter"), ("LOSSES", "losses"), ("ASIF_BUILD", "build")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("LOST", "execute_reply status")
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    (tmp_path / "losses").write_text("")

    def write(*sources, name="01_encoders", **settings):
        cells = [new_code_cell(source) for source in sources]
        spec = {"display_name": "lossy", "language": "python", "name": "lossy"}
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec, "asif": settings}), path)
        return path

    return write


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(running, "PROBE_SECONDS", 0.3)


@pytest.fixture
def run(tmp_path):
    """Runs a notebook, and returns the executed one."""

    def run(path):
        run_notebook(path, tmp_path / "out.ipynb", {})
        return nbformat.read(tmp_path / "out.ipynb", as_version=4)

    return run


@pytest.mark.parametrize("lost", ["execute_reply", "status"])  # both: in the report below
def test_a_chapter_whose_message_is_lost_runs_once_more(chapter, impatient, run, tmp_path, monkeypatch, lost):
    monkeypatch.setenv("LOST", lost)
    (tmp_path / "losses").write_text("1")
    path = chapter(SEEN, "print('lose me')", "print('last')")
    executed = run(path)
    assert (path.parent / "runs.txt").read_text() == "xx"
    assert executed.cells[-1].outputs[0].text == "last\n"
    assert was_repeated(executed)


def test_a_message_lost_twice_is_one_sentence(chapter, impatient, run, tmp_path):
    (tmp_path / "losses").write_text("11")
    lost = "the kernel ended the cell and its message was lost, twice in a row; run the chapter again, alone."
    with pytest.raises(NotebookError, match=re.escape(f"01_encoders.ipynb, cell 2 (`print('lose me')`): {lost}") + "$"):
        run(chapter("1", "print('lose me')"))


def test_an_answer_that_comes_while_a_widget_is_sent_its_output_is_read(chapter, run, monkeypatch):
    wait = "while not os.path.exists('seen'):\n        time.sleep(0.05)"
    opening = "import os, time\nfrom ipywidgets import Output\nout = Output()"
    path = chapter(opening, f"with out:\n    print('said', flush=True)\n    {wait}")
    sync = OutputWidget.sync_state

    def slow(widget):
        (path.parent / "seen").touch()  # now the cell ends
        shell = widget.kernel_client.shell_channel.socket
        assert zmq.Socket.shadow(shell.underlying).poll(60_000)  # the cell's answer is there, and its signal used up
        sync(widget)

    monkeypatch.setattr(OutputWidget, "sync_state", slow)
    assert not was_repeated(run(path))


def test_a_kernel_starts_where_another_program_takes_the_ports_that_were_free(chapter, run, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(LocalPortCache, "find_available_port", lambda *_: other.getsockname()[1])
        assert run(chapter("print('started')")).cells[0].outputs[0].text == "started\n"


def test_a_kernel_that_works_or_waits_is_left_in_peace(chapter, impatient, run):
    path = chapter(SEEN, "import time\ntime.sleep(2)", "import asyncio\nawait asyncio.sleep(2)")
    assert not was_repeated(run(path))
    assert (path.parent / "runs.txt").read_text() == "x"


def test_a_cell_has_a_time_limit(chapter, run):
    path = chapter(SEEN, "import time\ntime.sleep(600)", cell_seconds=3)  # the first takes less
    start, limit = time.monotonic(), "the cell did not end within 3 s, the limit for a cell of this chapter."
    with pytest.raises(NotebookError, match=re.escape(f"01_encoders.ipynb, cell 2 (`import time`): {limit}") + "$"):
        run(path)
    assert time.monotonic() - start < 300
    assert (path.parent / "runs.txt").read_text() == "x"


def test_the_report_says_that_a_chapter_ran_twice(chapter, impatient, tmp_path, capsys):
    (tmp_path / "losses").write_text("1")
    chapter("print('lose me')")
    chapter("print('calm')", name="02_anchors")
    build_report({"device": "cpu"}, notebooks=tmp_path / "notebooks")
    lines = capsys.readouterr().out.splitlines()
    (said,) = [line for line in lines if line.startswith("01_encoders")]
    assert said.endswith("s, run again, since a message of its kernel was lost")


def test_as_many_chapters_run_at_a_time_as_there_are_cores_but_one_that_measures_runs_alone(
    chapter, tmp_path, monkeypatch
):
    monkeypatch.setattr(schedule, "cores", lambda: 2)
    log = "import os, time\ndef say(what):\n    open('log.txt', 'a').write(f'{what} ')\n"
    # the first two wait for each other, and then so long that a third would begin
    both = "until = time.time() + 60\n"
    both += "while open('log.txt').read().count('+') < 2 and time.time() < until:\n    time.sleep(0.1)\n"
    for name in ("01_a", "02_b", "04_d"):
        chapter(log + f"say('+{name[:2]}')\n{both}time.sleep(2)\nsay('-{name[:2]}')", name=name)
    chapter(log + "say('+03')\ntime.sleep(1)\nsay(f\"-03 {os.environ['OMP_NUM_THREADS']}\")", name="03_c", alone=True)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(book, "walk_the_bank", lambda page: exec(f"{log}{both}say('walk')", {}))
    monkeypatch.setattr(book, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path / "notebooks")
    Path("log.txt").touch()
    build_report({"device": "cpu"})
    events = (tmp_path / "notebooks" / "log.txt").read_text().split()
    assert events[-3:] == ["+03", "-03", "2"]
    assert {*events[:2]} == {"+02", "+01"}  # the longest first, and no third before one has ended
    assert 1 < events.index("walk") < events.index("+03")  # the page of the bank, beside the others
    assert events.index("+04") > min(events.index("-02"), events.index("-01"))


def test_a_run_on_little_memory_is_one_after_the_other(monkeypatch):
    monkeypatch.setattr(schedule, "cores", lambda: 16)
    memory = type("Memory", (), {"available": 2 * schedule.KERNEL_BYTES + 1})
    monkeypatch.setattr(schedule.psutil, "virtual_memory", lambda: memory)
    assert schedule.jobs_for(9) == 2
    memory.available = 0
    assert schedule.jobs_for(9) == 1


LOADED_BEFORE = """import os, sys
assert "numba" in sys.modules, "no fork"
import torch
from asif_lib.machine import progress_bar
open(f"pid_{os.getpid()}", "w").close()
of_notebook = any(base.__module__ == "tqdm.notebook" for base in type(progress_bar([1])).__mro__)
print(of_notebook, torch.get_num_threads(), os.environ["MARK"])"""


def test_kernels_of_one_thread_are_forks_that_behave_as_kernels_do(tmp_path, monkeypatch):
    path, marked = tmp_path / "01.ipynb", kernels.ONE_THREAD | {"MARK": "seen"}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(new_notebook(cells=[new_code_cell(LOADED_BEFORE), new_code_cell("1 / 0")], metadata=kernel), path)
    monkeypatch.delenv("MARK", raising=False)
    with kernels.forks(True):
        for _ in range(2):
            with pytest.raises(NotebookError, match=r"cell 2 \(`1 / 0`\): ZeroDivisionError: division by zero"):
                run_notebook(path, tmp_path / "out.ipynb", {}, marked)
        command = [sys.executable, "-m", kernels.LAUNCHER]
        assert kernels.ForkedKernel.suits(command, marked)
        assert not kernels.ForkedKernel.suits(command, marked | {"OMP_NUM_THREADS": "2"})
    assert not kernels.ForkedKernel.suits(command, marked)
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    first = next(cell for cell in executed.cells if cell.source == LOADED_BEFORE)  # papermill adds cells of the error
    assert first.outputs[-1].text == "True 1 seen\n"
    pids = [int(file.name[4:]) for file in tmp_path.glob("pid_*")]
    assert len(pids) == 2 and not any(map(psutil.pid_exists, pids))


def test_an_interrupted_run_ends_at_once(chapter, tmp_path):
    path = chapter("open('pid.txt', 'w').write(str(__import__('os').getpid()))", "import time\ntime.sleep(600)")
    command = [*PYTHON, "-m", "asif_book.report", "--notebooks", str(path.parent)]
    heard = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 (a background job ignores Ctrl-C)
    files = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen(command, text=True, preexec_fn=heard, **files)
    pid = path.parent / "pid.txt"
    deadline = time.monotonic() + 120
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode not in (0, None)
    pid = int(pid.read_text())
    while psutil.pid_exists(pid) and time.monotonic() < deadline:  # it was killed, and dies in its time
        time.sleep(0.1)
    assert not psutil.pid_exists(pid)


def test_a_chapter_that_needs_a_package_which_is_not_there_is_left_out_in_one_sentence(chapter, tmp_path):
    missing = "from asif_lib.encoders import multilingual\nmultilingual.version_of = lambda package: None\n"
    opening = f"{missing}from asif_book.chapters.chapter_10.lessons import load_multilingual\ne5 = load_multilingual()"
    path = chapter(opening, "raise RuntimeError('what needs the encoder')", name="10_any_two_strangers")
    assert "<b>Left out</b>" in build_report(notebooks=path.parent).read_text()
    page = (tmp_path / "build" / "report" / "10_any_two_strangers.html").read_text()
    assert page.count("pip install 'asif-workbook[languages]'") == 1
