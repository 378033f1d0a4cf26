"""Run the cells of a notebook under watch: with a time limit, and without waiting for a message that was lost.

A message between a kernel and its client can get lost (https://github.com/jupyter/nbclient/issues/312,
https://github.com/jupyter/nbconvert/issues/2029). The client then waits for good, beside an idle kernel. A second
client finds this out: a kernel answers its requests in order, so an answer to a later one proves that the cell ended.
"""

import contextlib
import tempfile
import threading
from queue import Empty

import zmq
from jupyter_client import BlockingKernelClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config

ENGINE = "watched"
PROBE_SECONDS = 10
"""Time between two questions to the kernel."""
PROBES = 3
"""Answers of an idle kernel until its client counts as stuck: a slow client has half a minute to read all output."""
START_SECONDS = 120


class LostMessageError(Exception):
    """The kernel ended a cell, and its client never heard of it. Its arguments are the cell's index and source."""


class CellLimitError(Exception):
    """A cell ran longer than it may. Its arguments are the cell's index and source."""


class _Client(PapermillNotebookClient):
    """Papermill's client. It also reads an answer that comes while the client sends a widget its output.

    The socket signals an answer once, and sending uses up the signal (http://api.zeromq.org/master:zmq-getsockopt,
    ``ZMQ_FD``). The client would then wait for good. Asking for the events makes pyzmq look for answers again.
    """

    def process_message(self, *arguments, **options):
        try:
            return super().process_message(*arguments, **options)
        finally:
            self.kc.shell_channel.socket.get(zmq.EVENTS)


class _Engine(NBClientEngine):
    """Papermill's engine with a watch over the kernel, in a folder and an environment of its own.

    Kernel and client meet at files. Ports that are free when Jupyter chooses them can be taken before a kernel has
    started: by a kernel of another process, whose messages the client would then receive.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, limit, folder, environment, **_):
        with tempfile.TemporaryDirectory() as sockets:
            files = {"transport": "ipc", "ip": f"{sockets}/kernel"}
            if not zmq.has("ipc") or len(f"{sockets}/kernel-5") > zmq.IPC_PATH_MAX_LEN:
                files = {}  # Windows has no such files, and elsewhere a path of theirs may be too long
            client = _Client(
                nb_man,
                kernel_name=kernel_name,
                timeout=limit,
                iopub_timeout=limit,  # the watch is sooner, and knows more
                startup_timeout=START_SECONDS,
                extra_arguments=["--log-level=ERROR"],
                config=Config(KernelManager=files),
            )
            with _Watch(client) as watch:
                try:
                    client.execute(cwd=str(folder), env=environment)
                except DeadKernelError:
                    if watch.stuck:
                        raise LostMessageError(*watch.last) from None
                    raise
                except CellTimeoutError:
                    raise CellLimitError(*watch.last) from None


papermill_engines.register(ENGINE, _Engine)

_watches: set["_Watch"] = set()


def stop_kernels() -> None:
    """Kill the kernels of all notebooks that run now, so that their threads end."""
    for watch in list(_watches):
        watch.kill()


class _Watch:
    """Asks the kernel of a client, while a cell runs, whether it is idle."""

    def __init__(self, client: PapermillNotebookClient):
        self.client = client
        self.cell = self.last = None  # what runs, and what ran last: index and source
        self.over = threading.Event()
        self.stuck = False
        self.thread = threading.Thread(target=self._probe, daemon=True)
        client.on_cell_execute, client.on_cell_executed = self._begins, self._ended

    def __enter__(self) -> "_Watch":
        _watches.add(self)
        self.thread.start()
        return self

    def __exit__(self, *_):
        _watches.discard(self)
        self.over.set()
        self.thread.join()

    def _begins(self, cell, cell_index):
        self.cell = self.last = (cell_index, cell.source)

    def _ended(self, **_):
        self.cell = None

    def _probe(self) -> None:
        answers, asked_about, kernel = 0, None, None
        try:
            while not self.over.wait(PROBE_SECONDS):
                if self.cell is None:
                    continue
                kernel = kernel or self._second_client()
                if self.cell is not asked_about:
                    answers, asked_about = 0, self.cell
                answers += self._answers(kernel)
                if answers == PROBES and self.cell is asked_about:
                    self.stuck = True
                    self.kill()
        finally:
            if kernel:
                kernel.stop_channels()

    def _second_client(self) -> BlockingKernelClient:
        kernel = BlockingKernelClient()
        kernel.load_connection_info(self.client.km.get_connection_info())
        kernel.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
        return kernel

    def _answers(self, kernel: BlockingKernelClient) -> bool:
        """Ask, and wait until the kernel is idle; False if the notebook ended first."""
        kernel.kernel_info()
        while not self.over.is_set():
            with contextlib.suppress(Empty):
                kernel.get_shell_msg(timeout=1)
                return True
        return False

    def kill(self) -> None:
        if self.client.km and self.client.km.has_kernel:
            self.client.km.provisioner.process.kill()
