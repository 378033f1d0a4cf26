"""The command ``asif``: look after data and banks, classify, search, evaluate, follow a class.

answering        classify, search, evaluate
banks            data, bank build, bank import, bank stream, bank add …
machine_check    check
command          what they share: options, help, how results and errors are printed

Other packages register commands too: a module that an entry point of the group ``asif.commands`` names is imported.
"""

from importlib.metadata import entry_points

from asif_lib.errors import first_line

from . import answering, banks, machine_check  # noqa: F401, each registers its commands
from .command import app, say

__all__ = ["main"]


def main(argv=None) -> int:
    """Run the command; return the exit status: 0, 1 on bad input, 2 on wrong usage, 130 after Ctrl-C."""
    for other in entry_points(group="asif.commands"):
        try:
            other.load()
        except Exception as error:  # the other commands go on, `asif check` among them
            say(f"asif: the commands of {other.value} cannot be loaded ({first_line(error)})")
    try:
        app(argv, prog_name="asif")
    except SystemExit as end:
        return end.code
    except OSError as error:  # help goes to a full disk, or to nobody
        say(f"asif: {first_line(error)}")
        return 1
