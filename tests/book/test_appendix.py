"""The appendix shows every call of PyTorch that a reader of chapters 00 to 05 meets."""

import ast

import torch

from asif_book.editions.building import written_cells
from asif_book.editions.outline import FOLDED, tags_of
from asif_lib.files import ROOT

OTHERS = {"index", "split", "to_dense", "values"}
"""Methods of lists, texts, dicts and the library that a tensor has too."""


def calls(chapters):
    """Name the functions of torch and the methods of tensors in code that is not folded, solutions too."""
    for path in (ROOT / "notebooks" / "source").glob(f"{chapters}_*.py"):
        for cell in written_cells(path):
            if cell.cell_type == "code" and FOLDED not in tags_of(cell):
                yield from _calls(ast.parse(cell.source))


def _calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of, name = ast.unparse(node.func.value), node.func.attr
            if of.startswith("torch") or (of not in ("np", "pd") and hasattr(torch.Tensor, name)):
                yield name


def test_the_appendix_shows_each_call_of_the_first_chapters():
    assert set(_calls(ast.parse("v.roll(1)\ntorch.cat([v])\nnp.where(v)\nv.shape"))) == {"roll", "cat"}
    used, shown = set(calls("0[0-5]")), set(calls("90"))
    assert len(used) > 40
    assert used - shown <= OTHERS, "teach these calls in section 9 of the appendix"
