"""Let a student's function answer where it cannot hang, flood or change the notebook.

On Linux it runs in a process of its own (`student`), a fork of the notebook's, which ends with the check, and with it
all that the function has replaced. Elsewhere, or once a GPU is in use, it runs in the notebook. There a loop within one
call of C, such as ``sum(range(10**12))``, ends only when the user interrupts it.
"""

import builtins
import contextlib
import importlib.util
import math
import os
import random
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from asif_book.checks import student
from asif_book.checks.plain import MOST_NUMBERS, from_plain
from asif_book.checks.student import (
    Line,
    Printed,
    Raised,
    StandIn,
    Stopped,
    answer_calls,
    keep_apart,
    kernel_stays,
    landlock,
    named,
    peak_of,
)
from asif_lib.errors import AsifError

FORKS = sys.platform == "linux"
"""Whether a process can be a copy of the notebook's; elsewhere, libraries of the system do not survive that."""
TIME_LIMIT = 5
"""Seconds that one call of a student's function may compute."""
WAIT = 12
"""How many times as long it may take by the clock, where the machine is busy or the function waits."""
LOADS = 4
"""How many times as long the cells before it may take."""
MOST_BYTES = 32 << 20
"""Of a message from a student's process."""


class OutOfTime(Exception):
    """A function that computed or waited too long."""

    def __str__(self):
        return "were still running when their time was over."


class Lost(Exception):
    """A function whose process ended, or sent what cannot be read; the message continues “your function”."""


READABLE = [
    *site.getsitepackages(),
    *(f"{sys.base_prefix}/lib", "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/nix/store"),
    *("/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/proc/cpuinfo", "/sys/devices/system/cpu"),
]
"""What the process may read that judges a solution for marks: Python, packages, and what they ask of the system."""
VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
START = """\
import sys
packages = [folder for folder in sys.argv[3:] if folder.endswith("-packages")]
sys.path = [f"{sys.argv[2]}/library", *sys.path, *packages]
from asif_book.checks.student import main
main(*sys.argv[1:])"""
NO_PROCESS = "Nothing is judged, since no process for a solution starts here"


class SetupError(AsifError):
    """A process for a student's function that does not start: nothing was judged."""


class Interrupted(Stopped):
    """Raised inside a function where the user interrupts it."""


@contextlib.contextmanager
def answering(function):
    """Give a function that answers for a student's own, with plain data, in time and without a trace."""
    if not FORKS or torch.cuda.is_initialized():
        yield StandIn(Here(function), 0, *named(function))
        return
    ours, theirs = socket.socketpair()
    with warnings.catch_warnings():  # of other threads: none of their locks is needed
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        try:
            ours.close()
            keep_apart()
            answer_calls(Line(theirs), function)
        finally:
            os._exit(0)
    theirs.close()
    with contextlib.closing(Process(ours, pid)) as line:
        yield line.function()


@contextlib.contextmanager
def fresh(cells, name):
    """Give a function that answers for the one called `name` in cells of a notebook, run by a fresh interpreter.

    The interpreter finds a copy of the library in a temporary folder, and neither solutions nor checks. Where
    `hides_files`, it can open nothing else of this computer.

    Raises `SetupError` if no interpreter starts.
    """
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as stack:
        try:
            own = stack.enter_context(tempfile.TemporaryDirectory(prefix="asif-marks-", ignore_cleanup_errors=True))
            how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            how["env"] = {name: os.environ[name] for name in VARIABLES if name in os.environ}
            how["env"] |= {"HOME": own, "TMPDIR": own}
            command = [sys.executable, "-I", "-S", "-c", START, str(theirs.fileno()), own, *READABLE]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=_workplace(own), **how)
        except OSError as error:
            raise SetupError(f"{NO_PROCESS}: {error.filename}: {error.strerror}.") from None
        theirs.close()
        line = stack.enter_context(contextlib.closing(Process(ours, stack.enter_context(process).pid)))
        line.begin(WAIT)
        try:
            line.receive()
        except (EOFError, OutOfTime):
            line.close()
            why = process.stderr.read().decode(errors="replace").strip().splitlines() or ["it says nothing"]
            raise SetupError(f"{NO_PROCESS}: {why[-1]}.") from None
        line.begin(LOADS)
        with line.ends():
            line.send(cells, name)
            function = line.function()
        yield function


def hides_files() -> bool:
    """Say whether the process of `fresh` cannot read this computer's files: Linux has Landlock since version 5.13."""
    book = Path(__file__).resolve()
    return landlock() > 0 and not any(book.is_relative_to(Path(folder).resolve()) for folder in READABLE)


def _workplace(folder) -> str:
    """Copy the library, and what of the book a student's process needs, and return an empty folder beside them."""
    book, library = Path(student.__file__).parent, Path(folder, "library")
    for package in ("asif_lib", "asif_lab"):
        shutil.copytree(Path(importlib.util.find_spec(package).origin).parent, library / package)
    (library / book.parent.name / book.name).mkdir(parents=True)
    for package in (library / book.parent.name, library / book.parent.name / book.name):
        (package / "__init__.py").touch()
    for name in ("student.py", "plain.py"):
        shutil.copy2(book / name, library / book.parent.name / book.name)
    Path(folder, "empty").mkdir()
    return f"{folder}/empty"


class Asking(Line):
    """The check's end of a line."""

    caught, most = Exception, math.inf

    def __init__(self, connection=None):
        super().__init__(connection)
        self.printed = Printed()
        self.begin()

    def begin(self, patience=1):
        """Begin to count the time of a call."""
        self.seconds, self.changed = patience * TIME_LIMIT, False

    def outcome(self, kind, *rest):
        if kind == "raised":
            name, message, line, stub = rest
            raise Raised(name[:100], message[:300], line[:300], stub)
        self.changed |= rest[1]
        return from_plain(rest[0], self.stand_in)


class Process(Asking):
    """A line to a process. It believes nothing that comes from there, and ends the process with the check."""

    def __init__(self, connection, pid):
        import psutil  # takes a tenth of a second

        self.process, self.missing, self.size = psutil.Process(pid), psutil.NoSuchProcess, 0
        super().__init__(connection)

    def close(self):
        """End the process, and what it has started."""
        self.connection.close()
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.process.pid, 0)

    def begin(self, patience=1):
        super().begin(patience)
        self.began, self.computed = time.monotonic(), 0.0
        self.computed = -self._seconds()

    def _seconds(self):
        """Seconds that the function has computed, and the check for it."""
        with contextlib.suppress(self.missing):
            return self.computed + sum(self.process.cpu_times()[:2])
        return 0.0

    def function(self):
        """Wait for the function, and return what stands in for it."""
        return StandIn(self, 0, *self.receive()[1:])

    def send(self, *message):
        self.connection.settimeout(WAIT * self.seconds)
        super().send(*message)

    def receive(self):
        while True:
            self.size = 0
            message = super().receive()
            if message[0] != "print":
                return message
            self.printed.become(*message[1:])

    def read(self):
        self.connection.settimeout(0.05)
        while self.size <= MOST_BYTES:
            if self._seconds() > self.seconds or time.monotonic() - self.began > WAIT * self.seconds:
                raise OutOfTime
            try:
                part = super().read()
            except TimeoutError:
                if self.process.status() == "zombie":  # another process may still hold its end of the line
                    raise EOFError from None
                continue
            self.size += len(part)
            return part
        raise Lost("gives far too much.")

    def answer(self, place, coded):
        began = time.thread_time()
        with alarm(sys._getframe(), self.seconds):
            reply = super().answer(place, coded)
        self.computed += time.thread_time() - began
        return reply

    def call(self, place, arguments, keywords):
        with self.ends():
            return super().call(place, arguments, keywords)

    @contextlib.contextmanager
    def ends(self):
        """What runs inside raises `OutOfTime` or `Lost` where the process fails, and the process is ended then."""
        try:
            yield
        except Raised:
            raise
        except Exception as error:
            self.close()
            if isinstance(error, OutOfTime | Lost):
                raise
            gone = isinstance(error, EOFError | OSError)
            raise Lost("ended the process." if gone else "gave an answer that cannot be read.") from None


class Here(Asking):
    """No line, where there can be no process: a function that runs here, and whose results become plain data here."""

    caught, most = BaseException, MOST_NUMBERS

    def __init__(self, function):
        super().__init__()
        self.lent += [function, peak_of(function)]

    def borrowed(self, place):
        return self.lent[place]

    def call(self, place, arguments, keywords):
        coded = self.coded(arguments, keywords)
        printing = contextlib.redirect_stdout(self.printed), contextlib.redirect_stderr(self.printed)
        with printing[0], printing[1], as_imported(), kernel_stays(), alarm(sys._getframe(), self.seconds):
            reply = self.answer(place, coded)
        return self.outcome(*reply)


_MODULES = builtins, math, np, torch, torch.linalg, torch.Tensor, F
_ORIGINAL = [dict(vars(module)) for module in _MODULES]


def _put(contents):
    for module, names in zip(_MODULES, contents, strict=True):
        now = vars(module)
        for name in [name for name, thing in names.items() if now.get(name) is not thing]:
            setattr(module, name, names[name])
        if isinstance(module, type):  # a new name hides what is inherited
            for name in vars(module).keys() - names.keys():
                delattr(module, name)


@contextlib.contextmanager
def as_imported():
    """What runs inside finds PyTorch, NumPy and Python as they were imported; afterwards they are as before."""
    before, dtype, grad = [dict(vars(m)) for m in _MODULES], torch.get_default_dtype(), torch.is_grad_enabled()
    _put(_ORIGINAL)
    try:
        torch.set_default_dtype(torch.float32)
        with torch.enable_grad(), np.errstate():
            yield
    finally:
        _put(before)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)


@contextlib.contextmanager
def pristine():
    """Do the same, and put back the states of random numbers."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([]), as_imported():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextlib.contextmanager
def alarm(owner, seconds):
    """Raise `OutOfTime` after some seconds of computing, or many of waiting, in the main thread, where cells run.

    What the frame `owner` calls gets `Stopped`, also where it catches all with a bare except (not one within another).
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_, event, __):
        if event == "line":
            raise Stopped
        return stop

    def ring(_, frame):
        if time.thread_time() - computed < seconds and time.monotonic() - began < WAIT * seconds:
            return
        # A bare except swallows what is raised here. So the next line of each frame that is running raises another:
        # that line stands in the handler, where the same except cannot catch it.
        while frame is not None and frame is not owner:
            frame.f_trace = stop
            frame = frame.f_back
        sys.settrace(lambda *_: None)
        raise Stopped

    def interrupt(*_):
        raise Interrupted

    computed, began, trace = time.thread_time(), time.monotonic(), sys.gettrace()
    handlers = {signal.SIGALRM: ring, signal.SIGINT: interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    signal.setitimer(signal.ITIMER_REAL, min(seconds, 0.2), 0.2)  # again and again: one may fall into a handler
    try:
        yield
    except Interrupted:
        raise KeyboardInterrupt from None
    except Stopped:
        raise OutOfTime from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(trace)
        for number, handler in before.items():
            signal.signal(number, handler)
