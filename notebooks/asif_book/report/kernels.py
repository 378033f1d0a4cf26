"""Kernels that hold PyTorch, pandas and Matplotlib when they start: forks of a server that has loaded them.

A fork copies one thread of a process. So the server only imports, and its libraries have one thread each; a kernel
that may use more is an interpreter of its own, and so is each kernel where the system is not Linux.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
from jupyter_client.provisioning import LocalProvisioner

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables that say how many threads the libraries of a kernel use."""
LOADED = [
    *("torch", "pandas", "numba", "sklearn.linear_model", "scipy.stats", "matplotlib.figure", "ipykernel.kernelapp"),
    "torchvision.datasets",
    *("asif_book.figures", "asif_book.checks", "asif_book.chapters.opening", "asif_book.widgets"),
]
BARS = "tqdm.auto", "tqdm.autonotebook"
"""They choose between the bars of a terminal and of a notebook when they are imported."""
ONE_THREAD = dict.fromkeys(THREADS, "1")
MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "268435456"}
"""The C library keeps up to 256 MB that is free: to return the memory of each tensor and ask again takes half the time
of many small products."""
LAUNCHER = "ipykernel_launcher"


class ForkedKernel(LocalProvisioner):
    """Starts a kernel as a fork of the server that `forks` started."""

    server, lock = None, threading.Lock()

    @classmethod
    def suits(cls, command: list[str], environment: dict[str, str]) -> bool:
        """Tell whether a fork can stand for this command, and a server runs."""
        ours = command[0] == sys.executable and LAUNCHER in command
        return cls.server is not None and ours and ONE_THREAD.items() <= environment.items()

    async def launch_kernel(self, cmd: list[str], **options) -> dict:
        asked = json.dumps([cmd[cmd.index(LAUNCHER) + 1 :], options["cwd"], options["env"]])
        with self.lock, contextlib.suppress(BrokenPipeError):
            print(asked, file=self.server.stdin, flush=True)
            self.pid = self.pgid = int(self.server.stdout.readline() or 0)
        if not self.pid:
            raise RuntimeError("the process that loads packages for all kernels has ended; its error stands above")
        self.process = _Fork(self.pid)
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """Send a signal, but no interrupt: Jupyter sends one before each end, and a kernel may print it as an error."""
        if signum != signal.SIGINT:
            await super().send_signal(signum)


@contextlib.contextmanager
def forks(of_use: bool) -> Iterator[None]:
    """Let kernels of one thread be forks inside the block, if that is `of_use` and the system can do it."""
    if not of_use or sys.platform != "linux":
        yield
        return
    variables = os.environ | ONE_THREAD | MEMORY | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen([sys.executable, "-m", __name__], env=variables, text=True, **pipes) as server:
        ForkedKernel.server = server
        try:
            yield
        finally:  # the server ends with its input, and with it the kernels that still run
            ForkedKernel.server = None


class _Fork(psutil.Process):
    """A process that another one started, with what Jupyter asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            return None if self.is_running() and self.status() != psutil.STATUS_ZOMBIE else 1
        return 1

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            super().send_signal(number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def serve() -> None:
    """Fork for each line of the standard input, and answer with the number of the process; end with the input."""
    sys.path.pop(0)  # the folder of the report
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # no fork looks through all that again
    signal.signal(signal.SIGCHLD, _count)
    for line in sys.stdin:
        if fork := os.fork():
            print(fork, flush=True)
        else:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            return become_kernel(*json.loads(line))
    return None


def _count(*_) -> None:
    """Wait for the forks that ended, so that their seconds count as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def become_kernel(arguments: list[str], folder: str, variables: dict[str, str]) -> None:
    """Run a kernel in this process, which leads a group from now on, as each kernel of Jupyter does."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [LAUNCHER, *arguments]
    for name in BARS:
        sys.modules.pop(name, None)
    IPKernelApp.launch_instance(arguments, parent_handle=os.getppid())  # it ends with its parent
    atexit._run_exitfuncs()
    os._exit(0)  # without taking apart what was loaded


if __name__ == "__main__":
    serve()
