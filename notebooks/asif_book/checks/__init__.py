"""Checks of the exercises: the modules of all chapters are found, and their checks handed on by name.

`exercise` says how a chapter is written; a verdict is noted as progress. ``EXERCISES`` has every check by the number
of its exercise: ``"04.2"`` → ``check_sparsify``.
"""

import sys

from ..progress import note
from .exercise import LISTENERS, chapter_modules, discover
from .verdict import Verdict

_chapters = chapter_modules(sys.modules[__name__])
EXERCISES = discover(_chapters)
_more = {thing.__name__: thing for module in _chapters for thing in getattr(module, "FOR_NOTEBOOKS", ())}
globals().update({check.__name__: check for check in EXERCISES.values()} | _more)
LISTENERS.append(note)

__all__ = [
    "EXERCISES",
    "Verdict",
    *(check.__name__ for check in EXERCISES.values()),
    *_more,
]
