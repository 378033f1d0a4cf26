"""The command ``asif``: look after data and banks, classify, search, evaluate, follow a class.

answering        classify, search, evaluate
banks            data, bank build, bank import, bank stream, bank add …
machine_check    check
command          what they share: options, help, how results and errors are printed

Other packages register commands too: a module that an entry point of the group ``asif.commands`` names is imported.
"""

import contextlib
import signal
import threading
from importlib.metadata import entry_points

from asif_lib.errors import first_line

from . import answering, banks, machine_check  # noqa: F401, each registers its commands
from .command import app, say

__all__ = ["main"]


def main(argv=None) -> int:
    """Run the command; return the exit status: 0, 1 on bad input, 2 on wrong usage, 130 after Ctrl-C.

    It is 143 after SIGTERM, and 129 after SIGHUP, which comes when a terminal is closed.
    """
    for other in entry_points(group="asif.commands"):
        try:
            other.load()
        except Exception as error:  # the other commands go on, `asif check` among them
            say(f"asif: the commands of {other.value} cannot be loaded ({first_line(error)})")
    try:
        with _ended_tidily():
            app(argv, prog_name="asif")
    except SystemExit as end:
        return end.code
    except OSError as error:  # help goes to a full disk, or to nobody
        say(f"asif: {first_line(error)}")
        return 1


@contextlib.contextmanager
def _ended_tidily():
    """Let SIGTERM and SIGHUP, which nohup ignores, end the block as errors do: temporary folders are removed."""

    def end(number, _):
        signal.signal(number, signal.SIG_IGN)  # nothing interrupts what is removed now
        raise SystemExit(128 + number)

    numbers = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    is_main = threading.current_thread() is threading.main_thread()
    usual = [number for number in numbers if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in usual:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)
