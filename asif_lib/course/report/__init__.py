"""Run all chapters and make a small book that opens from disk: a page for each, and an index.

    python -m asif_lib.course.report --device cpu --profile offline

The pages need no network and are complete without scripts: figures are embedded, formulas are MathML, and
for a widget stands the static figure beside it. A script of the page's own adds search and a dark theme.
"""

from .book import build_report
from .chapter import question
from .faults import HiddenError, NotebookError, ReportError
from .page import loads_from_elsewhere
from .rendering import render
from .running import run_notebook

__all__ = [
    "HiddenError",
    "NotebookError",
    "ReportError",
    "build_report",
    "loads_from_elsewhere",
    "question",
    "render",
    "run_notebook",
]
