"""Checks of the exercises: those of all chapters are found in their folders, and handed on by name.

`exercise` says how a check is written. ``EXERCISES`` has every check by the number of its exercise:
``"04.2"`` → ``check_sparsify``.
"""

import functools
import importlib

from .exercise import chapter_modules, discover
from .judging import Verdict


@functools.cache
def _found() -> dict:
    modules = chapter_modules(importlib.import_module("asif_book.chapters"))
    exercises = discover(modules)
    more = {thing.__name__: thing for module in modules for thing in getattr(module, "FOR_NOTEBOOKS", ())}
    found = {"EXERCISES": exercises, "Verdict": Verdict} | {c.__name__: c for c in exercises.values()} | more
    return found | {"__all__": list(found)}


def __getattr__(name):
    """Find the checks when the first one is asked for, since the modules of the chapters import this package."""
    if name in _found():
        return _found()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
