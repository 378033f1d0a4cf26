"""The old place of the chapters' helpers. An old copy of a chapter, with a student's work in it, learns the new one."""

import re
from pathlib import Path


def __getattr__(name):
    here = Path(__file__).parent
    places = [here / "opening.py", here / "classes.py", here / "measuring.py", *here.glob("chapters/*/lessons.py")]
    for place in places:
        if re.search(rf"^(def |class )?{name}\b", place.read_text(encoding="utf-8"), re.M):
            module = ".".join(place.relative_to(here.parent).with_suffix("").parts)
            raise ImportError(f"{name} has moved: from {module} import {name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
