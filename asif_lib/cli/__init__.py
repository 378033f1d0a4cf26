"""The command ``asif``: look after data and banks, classify, search, evaluate, follow a class.

answering        classify, search, evaluate, explore
banks            data, bank build, bank import, bank stream, bank add …
machine_check    check
benchmarking     benchmark
class_commands   class FOLDER, class export
command          what they share: options, help, how results and errors are printed
"""

from . import answering, banks, benchmarking, class_commands, machine_check  # noqa: F401, each registers its commands
from .command import app

__all__ = ["main"]


def main(argv=None) -> int:
    """Run the command; return the exit status: 0, 1 on bad input, 2 on wrong usage, 130 after Ctrl-C."""
    try:
        app(argv, prog_name="asif")
    except SystemExit as end:
        return end.code
