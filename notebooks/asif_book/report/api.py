"""Write the pages of the API: the public names of each wing and of the laboratory, from their docstrings."""

import importlib
import re
from functools import partial
from itertools import groupby
from pathlib import Path

import griffe

import asif_lib
from asif_book.figures.templates import filled
from asif_lib.files import ROOT

PACKAGES = {"api": "asif_lib", "api_lab": "asif_lab"}
"""How the names of pages begin, and the packages that they describe."""


def api_pages() -> dict[str, str]:
    """Return the Markdown of each page by its name: ``api`` for the library, ``api_bank`` for the wing `bank`, …."""
    wings = {}
    for page, name in PACKAGES.items():
        wings[page] = package = griffe.load(name, docstring_parser="numpy", docstring_options={"warnings": False})
        parts = (part for name, part in sorted(package.modules.items()) if part.is_init_module and name != "cli")
        wings |= {f"{page}_{part.name}": part for part in parts}
    public = {page: _public(wing) for page, wing in wings.items()}
    places = {name: f"{page}.md#{name}" for page, names in public.items() for name in names}
    shown = {"wings": wings, "places": places, "exported": asif_lib.__all__, "together": _together, "file": _file}
    pages = {}
    for page, things in public.items():
        # a small letter may begin a method or a parameter, so only this page's functions are meant
        around = {name: at for name, at in places.items() if name[0].isupper()} | {name: f"#{name}" for name in things}
        words = partial(_words, around)
        pages[page] = filled("report/templates/api.md.j2", page=page, things=things, words=words, **shown)
    return pages


def _public(package: griffe.Module) -> dict[str, griffe.Object]:
    """Find the public names that a package defines and, after each class, its described members: ``Class.member``."""
    exported, shown = importlib.import_module(package.path).__all__, {}
    things = [thing for module in package.modules.values() for thing in module.members.values() if not thing.is_alias]
    for thing in sorted((thing for thing in things if thing.name in exported), key=lambda thing: thing.name):
        members = [one for one in thing.members.values() if one.docstring and one.name[0] != "_" and thing.is_class]
        shown |= {thing.name: thing} | {f"{thing.name}.{one.name}": one for one in members}
    return shown


def _file(thing: griffe.Object) -> str:
    """Return the path of a thing's file in the repository."""
    return Path(thing.filepath).relative_to(ROOT).as_posix()


def _words(places: dict[str, str], text: str) -> str:
    """Turn the words of a docstring into Markdown, with a link for each public name."""
    example, name = re.compile(r"^>>> .*(?:\n\S.*)*", flags=re.M), re.compile(r"(?<!`)`([\w.]+)`(?!`)")
    text = example.sub(lambda lines: "```python\n" + re.sub(" *# doctest: .*", "", lines[0]) + "\n```", text)
    return name.sub(lambda found: f"[{found[0]}]({places[found[1]]})" if found[1] in places else found[0], text)


def _together(items: list) -> groupby:
    """Put parameters with one type and one description together."""
    return groupby(items, key=lambda item: (str(item.annotation or ""), item.description))
