"""An interpreter that has loaded PyTorch already: ``[*PYTHON, "-m", "asif_lib.cli", …]`` in place of `sys.executable`.

A server has loaded what many processes load, and forks itself for each of them. This file is both the server
(``python interpreter.py --serve SOCKET``) and the process that stands for a fork: it hands over its arguments, folder,
variables and files, passes on signals, and ends as the fork does. A kill of it kills the fork. The packages of this
project are not loaded in the server: a process imports them as any interpreter does.

Without a server, or with other settings of the libraries, an interpreter of its own starts.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys

SOCKET = "ASIF_TESTS_INTERPRETER"
"""The variable that names the server's socket."""
PYTHON = [sys.executable, "-S", "-E", os.path.abspath(__file__)]
LOADED = [
    *("torch", "torch._dynamo", "pandas", "scipy.stats", "sklearn.linear_model", "sklearn.model_selection", "numba"),
    *("PIL.Image", "matplotlib.figure", "matplotlib.backends.backend_agg", "tokenizers", "pydantic", "pooch", "bs4"),
    *("ipykernel.kernelapp", "papermill", "nbconvert", "jupyter_server.serverapp", "distributed"),
]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
OTHERS = ("MKL_CBWR", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "PYTHONHASHSEED", "MPLBACKEND")
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def settings(variables):
    """Return the variables that the interpreter and its libraries read once, when they start."""
    threads = variables.get("OMP_NUM_THREADS")
    return [variables.get(name, threads) for name in THREADS] + [variables.get(name) for name in OTHERS]


# -- the process that stands for a fork


def stand_for_a_fork(arguments):
    """Run Python's arguments in a fork of the server, and end as it ends."""
    ignored = [number for number in FORWARDED if signal.getsignal(number) is signal.SIG_IGN]
    asked = {"arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ), "ignored": ignored}
    fork = 0
    try:
        line = socket.socket(socket.AF_UNIX)
        line.connect(os.environ[SOCKET])
        socket.send_fds(line, [json.dumps(asked).encode() + b"\n"], [0, 1, 2])
        fork = int.from_bytes(line.recv(4))
    except (KeyError, OSError):
        pass
    if not fork:
        os.execv(sys.executable, [sys.executable, *arguments])
    for number in set(FORWARDED) - set(ignored):
        signal.signal(number, lambda number, _: os.kill(fork, number))
    parent = os.getppid() if "JPY_PARENT_PID" in os.environ else None  # a kernel ends with who started it
    while not select.select([line], [], [], 1)[0]:
        if parent not in (None, os.getppid()):
            os._exit(1)
    status = int.from_bytes(line.recv(4), signed=True)
    if status < 0:  # a signal ended it
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


# -- the server


def start_server(path, variables):
    """Start a server with these variables, which ends with this process; from now on `PYTHON` finds it."""
    os.environ[SOCKET] = path
    command, files = [sys.executable, os.path.abspath(__file__), "--serve", path], {"stdout": subprocess.DEVNULL}
    return subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, start_new_session=True, **files)


def serve(path):
    """Fork for each request; return, in the fork, what it was asked for."""
    sys.path.pop(0)  # the folder of this file
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    own, loaded = settings(os.environ), False
    while True:
        ready = select.select([listener, sys.stdin], [], [])[0]
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # so that their seconds count as this process's
                pass
        if sys.stdin in ready:  # the process that started this ends
            os._exit(0)
        line, _ = listener.accept()
        text, files, *_ = socket.recv_fds(line, 2**20, 3)
        while text and not text.endswith(b"\n"):
            text += line.recv(2**20)
        if text and settings((asked := json.loads(text))["variables"]) == own:
            if not loaded:
                load()
                loaded = True
            if not os.fork():
                listener.close()
                if watch(line):
                    return asked, files
        for file in files:
            os.close(file)
        line.close()


def load():
    """Import what most processes import; an extra may be missing."""
    import gc
    import importlib

    os.environ["JPY_PARENT_PID"] = "1"  # no kernel watches its parent: the process that stands for it does
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in ("tqdm.auto", "tqdm.autonotebook"):  # they choose their bars when they are imported
        sys.modules.pop(name, None)
    gc.freeze()  # no fork looks through all that again


def watch(line):
    """Fork once more. True in the fork; here, tell how it ends, and kill it when nobody stands for it any more."""
    fork = os.fork()
    if not fork:
        return True
    line.send(fork.to_bytes(4))
    end = os.pidfd_open(fork)
    if end not in select.select([line, end], [], [])[0]:
        os.kill(fork, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    try:
        line.send(status.to_bytes(4, signed=True))
    finally:
        os._exit(0)


def become(asked, files):
    """Make this process what an interpreter with these arguments would be; return what runs."""
    import random
    import runpy
    import types

    import numpy as np

    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    lines = 1 if "-u" in asked["arguments"] else -1
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", lines, closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    for number in FORWARDED:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in asked["ignored"] else usual)
    os.chdir(asked["folder"])
    before, after = (e.get("PYTHONPATH", "").split(os.pathsep) for e in (os.environ, asked["variables"]))
    sys.path[:] = [*filter(None, after), *(path for path in sys.path if path not in before)]
    os.environ.clear()
    os.environ.update(asked["variables"])
    if "ipykernel_launcher" not in asked["arguments"]:  # only a kernel has loaded one
        for name in [name for name in sys.modules if name.partition(".")[0] == "ipykernel"]:
            del sys.modules[name]
    random.seed()
    np.random.seed()
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    kind, *arguments = (one for one in asked["arguments"] if one != "-u")
    sys.argv = arguments if kind in ("-m", "-c") else [kind, *arguments]
    if kind == "-m":
        sys.path.insert(0, os.getcwd())
        return lambda: runpy._run_module_as_main(arguments[0])
    if kind == "-c":
        sys.argv[0], code = "-c", arguments[0]
        sys.path.insert(0, "")
        return lambda: exec(compile(code, "<string>", "exec"), vars(main))
    sys.path.insert(0, os.path.dirname(os.path.abspath(kind)))
    return lambda: runpy.run_path(kind, run_name="__main__")


def end_with(run):
    """Run, and end as an interpreter does, without taking apart all that was loaded."""
    import atexit
    import threading

    status = 0
    try:
        run()
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if status == 1 and stop.code != 1:
            print(stop.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    if status < 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        end_with(become(*serve(sys.argv[2])))
    else:
        stand_for_a_fork(sys.argv[1:])
