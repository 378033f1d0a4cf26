"""Work in threads comes back in order, no more of it is begun than is asked for, and a log gets little of it."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from threadpoolctl import threadpool_info

from asif_lib.errors import ParameterError
from asif_lib.machine import IN_A_LOG, chunks_of, map_in_order, one_thread_per_core, progress_bar


def test_chunks_cover_all_items_once():
    assert [list(chunk) for chunk in chunks_of(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert chunks_of([], 2) == []
    for size in (0, -1, 1.5, 2.0, True, "2"):
        with pytest.raises(ParameterError, match=f"batch_size = {size}: must be a whole number, 1 or more"):
            chunks_of(range(5), size)


def test_results_come_in_order_though_the_first_is_the_slowest():
    finished, another = [], threading.Event()

    def work(i):
        if i == 0:
            another.wait(60)
        finished.append(i)
        another.set()
        return i * i

    with ThreadPoolExecutor(3) as pool:
        assert list(map_in_order(pool, work, range(20), 6)) == [i * i for i in range(20)]
    assert finished[0] != 0


def test_an_error_comes_in_its_place_and_only_a_few_results_wait_to_be_taken():
    begun, taken = [], []

    def work(i):
        begun.append(i)
        if i == 3:
            raise ValueError("three")
        return i

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="three"):
        for i in map_in_order(pool, work, range(1_000), 5):
            taken.append(i)
            assert len(begun) <= len(taken) + 5
    assert taken == [0, 1, 2] and len(begun) <= 8


def test_pytorch_has_one_thread_meanwhile_and_all_of_them_after():
    before = torch.get_num_threads()
    with one_thread_per_core(torch.device("cpu")) as mapped:
        assert torch.get_num_threads() == 1
        names = set(mapped(lambda _: time.sleep(0.001) or threading.current_thread().name, range(50)))
    assert torch.get_num_threads() == before
    assert 1 <= len(names) <= before
    with pytest.raises(RuntimeError, match="stop"), one_thread_per_core(torch.device("cpu")):
        raise RuntimeError("stop")
    assert torch.get_num_threads() == before


def test_libraries_under_pytorch_have_one_thread_in_each_of_them_too():
    def allowed(_):  # as oneDNN asks, before PyTorch ran a loop in this thread
        libraries = [library for library in threadpool_info() if library["user_api"] == "openmp"]
        return [library["num_threads"] for library in libraries if "/torch/lib/" in library["filepath"]]

    with one_thread_per_core(torch.device("cpu")) as mapped:
        for found in mapped(allowed, range(4)):
            assert found and set(found) == {1}


def test_streams_of_two_threads_leave_all_threads_behind_in_each(set_threads):
    inside, done, found = threading.Event(), threading.Event(), []

    def other():
        with one_thread_per_core(torch.device("cpu")):
            inside.set()
            done.wait()
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    try:
        set_threads(3)
        with one_thread_per_core(torch.device("cpu")):
            thread.start()
            inside.wait()
        assert torch.get_num_threads() == 3
        done.set()
        thread.join()
        assert found == [3]
        with ThreadPoolExecutor(1) as pool:  # a thread that begins after all
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        done.set()


BARS = """
import time
from asif_lib.machine import progress_bar

with progress_bar(total=11, desc="long", unit="picture") as bar:
    for _ in range(11):
        time.sleep(0.1)
        bar.update(1)
for _ in progress_bar(range(3), desc="short", leave=True):
    pass
for _ in progress_bar(range(11), desc="off", progress=False):
    time.sleep(0.1)
"""


def test_a_log_gets_the_state_of_long_work_alone(capfd, monkeypatch):
    exec(BARS, {})
    assert not capfd.readouterr().err
    monkeypatch.setattr("asif_lib.machine.IN_A_LOG", IN_A_LOG | {"mininterval": 0.1, "delay": 0.1})
    with progress_bar(total=100, desc="hubs") as bar:
        time.sleep(0.2)
        bar.update(25)
        assert re.match(r"\rhubs: +25% 25/100 \[00:00<00:00", capfd.readouterr().err)
        bar.update(1)  # at once: nothing
        assert not capfd.readouterr().err


def test_a_terminal_shows_every_bar_as_it_moves():
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 100))
    command = subprocess.Popen([sys.executable, "-c", BARS], stderr=writer)
    os.close(writer)
    shown = ""
    with contextlib.suppress(OSError):  # the system's way to say that the terminal is closed
        while piece := os.read(reader, 4096):
            shown += piece.decode()
    os.close(reader)
    assert command.wait() == 0
    assert shown.count("\rlong:") > 5 and "short: 100%" in shown and "off" not in shown


def test_a_notebook_shows_a_widget():
    code = """
import sys, types
import IPython, tqdm.notebook
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
from asif_lib.machine import progress_bar
assert isinstance(progress_bar(range(3)), tqdm.notebook.tqdm)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
