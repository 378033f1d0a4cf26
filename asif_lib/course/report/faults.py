"""Why a report cannot be made."""

from asif_lib.errors import AsifError


class ReportError(AsifError):
    """The report cannot be made."""


class NotebookError(ReportError):
    """A cell of a notebook raised an exception, or its kernel died.

    Attributes
    ----------
    traceback : str
        The cell's own stack trace, without colours; empty if the kernel died.
    """

    def __init__(self, message: str, traceback: str = ""):
        super().__init__(message)
        self.traceback = traceback


class HiddenError(NotebookError):
    """An exception that papermill lets pass: in a widget's callback, or a cell that exits early."""
