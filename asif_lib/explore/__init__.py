"""The explorer for research: ask one picture, see which anchors decided, edit a copy of the bank, export all of it.

    WorkingCopy(name, folder)            a copy of a stored bank to edit, and the pictures that were uploaded
    Question, explain                    one picture against labels, and the anchors that decided
    to_notebook(copy, question, ticked)  a notebook that recomputes what the page shows
    serve(name)                          the page, by Voilà, for this machine only

The page itself is `asif_lib.explore.explorer`.
"""

from .export import to_notebook
from .question import Explanation, Question, counterfactual, explain
from .server import serve, session_copy
from .working_copy import WorkingCopy

__all__ = [
    "Explanation",
    "Question",
    "WorkingCopy",
    "counterfactual",
    "explain",
    "serve",
    "session_copy",
    "to_notebook",
]
