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
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

from jupyter_client.provisioning import LocalProvisioner

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables that say how many threads the libraries of a kernel use."""
LOADED = [
    *("torch", "pandas", "numba", "sklearn.linear_model", "scipy.stats", "matplotlib.figure", "ipykernel.kernelapp"),
    *("asif_book.figures", "asif_book.checks", "asif_book.opening", "asif_book.widgets"),
]
BARS = "tqdm.auto", "tqdm.autonotebook"
"""They choose between the bars of a terminal and of a notebook when they are imported."""
ONE_THREAD = dict.fromkeys(THREADS, "1")
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
        arguments = cmd[cmd.index(LAUNCHER) + 1 :]
        with self.lock:
            print(json.dumps([arguments, options["cwd"], options["env"]]), file=self.server.stdin, flush=True)
            self.process = _Fork(int(self.server.stdout.readline()))
        self.pid = self.pgid = self.process.pid
        return self.connection_info


@contextlib.contextmanager
def forks(of_use: bool) -> Iterator[None]:
    """Let kernels of one thread be forks inside the block, if that is `of_use` and the system can do it."""
    if not of_use or sys.platform != "linux":
        yield
        return
    variables = os.environ | ONE_THREAD | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen([sys.executable, "-m", __name__], env=variables, text=True, **pipes) as server:
        ForkedKernel.server = server
        try:
            yield
        finally:  # the server ends with its input, and with it the kernels that still run
            ForkedKernel.server = None


class _Fork:
    """A process that another one started, with what `subprocess.Popen` has."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int):
        self.pid, self.end = pid, os.pidfd_open(pid)

    def poll(self, timeout: float | None = 0) -> int | None:
        return 1 if select.select([self.end], [], [], timeout)[0] else None

    def wait(self) -> int:
        self.poll(None)
        os.close(self.end)
        return 1

    def send_signal(self, number: int) -> None:
        signal.pidfd_send_signal(self.end, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def serve() -> None:
    """Fork for each line of the standard input, and answer with the number of the process; end with the input."""
    sys.path.pop(0)  # the folder of the report
    for name in LOADED:
        with contextlib.suppress(ImportError):
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
