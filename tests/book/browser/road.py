"""The verdicts of the checks on one of two roads, as JSON: ``python road.py torch`` or ``python road.py stand-in``.

On the second, NumPy computes under PyTorch's names, and what no browser has is blocked.
"""

import importlib
import json
import os
import sys
import types
from pathlib import Path

ROOT = Path(__file__).parents[3]
CHAPTERS = ("00", "03", "04", "06", "07", "90")
BLOCKED = (
    "datasets", "jsonschema", "llvmlite", "nbformat", "onnxruntime", "papermill", "psutil", "pyarrow", "pydantic_core",
    "safetensors", "timm", "tokenizers", "torchgen", "torchvision", "transformers", "yaml",
)  # fmt: skip


class Block:
    """Refuses packages that have no build for a browser."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def take(road):
    """Prepare this process for a road."""
    os.environ["ASIF_PROGRESS"] = ""
    sys.path[:0] = [str(ROOT / "notebooks"), str(ROOT / "benchmarks"), str(ROOT)]
    if road == "stand-in":
        sys.meta_path.insert(0, Block)
        sys.path.insert(0, str(ROOT / "notebooks/asif_book/browser/stand_in"))


def solutions():
    """Yield check, name and solution: references, the named mistakes, and the right and wrong ones of the tests."""
    from asif_book.checks.exercise import chapter_modules, discover

    sys.modules["exercises"] = package = types.ModuleType("exercises")
    package.__path__ = [str(ROOT / "tests/book/exercises")]  # those of other chapters need more
    modules = [importlib.import_module(f"asif_book.chapters.chapter_{number}.checks") for number in CHAPTERS]
    assert {*modules} <= {*chapter_modules(importlib.import_module("asif_book.chapters"))}
    told = [importlib.import_module(f"exercises.chapter_{number}") for number in CHAPTERS]
    told.append(importlib.import_module("blind"))
    for number, check in sorted(discover(modules).items()):
        if reference := getattr(check, "reference", None):
            yield check, "reference", lambda *case, way=reference: way(*case)
        for i, (_, way) in enumerate(getattr(check, "named", ())):
            yield check, f"mistake {i}", lambda *case, way=way: way(*case)
        for module in told:
            name = module.__name__.rpartition(".")[2]
            yield from ((check, f"{name}, right {i}", way) for i, way in enumerate(module.RIGHT.get(number, ())))
            yield from ((check, f"{name}, wrong {i}", way) for i, (way, _) in enumerate(module.WRONG.get(number, ())))


def main(road):
    take(road)
    import torch

    from asif_book.checks import sandbox

    sandbox.FORKS, verdicts = False, {}
    for check, name, solution in solutions():
        torch.manual_seed(0)
        verdict = check(solution)
        verdicts[f"{check.number}, {name}"] = [verdict.status, verdict.message]
    print(json.dumps({"version": torch.__version__, "verdicts": verdicts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
