"""Right and wrong solutions of every exercise, a module for each chapter.

``RIGHT`` and ``WRONG`` are dictionaries by exercise number. ``RIGHT["04.1"]`` lists functions that solve it in
ways that differ from the reference of the check. ``WRONG["04.1"]`` lists pairs of a wrong function and a part of the
message that it must get; the mistakes that the check names itself are held to their messages beside these.
"""

import importlib
import pkgutil

RIGHT, WRONG = {}, {}
for _module in pkgutil.iter_modules(__path__):
    _chapter = importlib.import_module(f"{__name__}.{_module.name}")
    RIGHT |= _chapter.RIGHT
    WRONG |= _chapter.WRONG
