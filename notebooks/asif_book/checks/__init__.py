"""Checks of the exercises: the modules of all chapters are found, and their checks handed on by name.

`exercise` says how a chapter is written. ``EXERCISES`` has every check by the number
of its exercise: ``"04.2"`` → ``check_sparsify``.
"""

import sys

from .exercise import chapter_modules, discover
from .judging import Verdict

_chapters = chapter_modules(sys.modules[__name__])
EXERCISES = discover(_chapters)
_more = {thing.__name__: thing for module in _chapters for thing in getattr(module, "FOR_NOTEBOOKS", ())}
globals().update({check.__name__: check for check in EXERCISES.values()} | _more)

__all__ = ["EXERCISES", "Verdict", *(check.__name__ for check in EXERCISES.values()), *_more]
