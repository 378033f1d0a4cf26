"""Verdicts, numbers and texts on one of two roads, as JSON: ``python road.py torch`` or ``python road.py stand-in``.

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
    for number, check in sorted(discover(modules).items()):
        if reference := getattr(check, "reference", None):
            yield check, "reference", lambda *case, way=reference: way(*case)
        for i, (_, way) in enumerate(getattr(check, "named", ())):
            yield check, f"mistake {i}", lambda *case, way=way: way(*case)
        for module in told:
            name = module.__name__.rpartition(".")[2]
            yield from ((check, f"{name}, right {i}", way) for i, way in enumerate(module.RIGHT.get(number, ())))
            yield from ((check, f"{name}, wrong {i}", way) for i, (way, _) in enumerate(module.WRONG.get(number, ())))


def numbers():
    """Scores, vectors, removals and intervals of a model over 300 pairs that are drawn at random."""
    import torch

    from asif_lib import ASIF, AnchorBank, contributions, method
    from asif_lib.evaluation import mean_with_interval, ranks, same_text
    from asif_lib.explain import removal_effects, without

    random = torch.Generator().manual_seed(3)
    hidden = torch.randn(420, 6, generator=random)
    image, text = (
        hidden @ torch.randn(6, d, generator=random) + 0.4 * torch.randn(420, d, generator=random) for d in (40, 30)
    )
    captions = [f"thing {i % 250}" for i in range(300)]
    bank = AnchorBank.from_embeddings(image[:300], text[:300], captions, ids=[f"p{i}" for i in range(300)])
    model = ASIF(bank, device="cpu")
    z, t = image[300:], text[300:]
    scores = model.similarity(z, t)
    yield from ((f"drawn {i}", tensor) for i, tensor in enumerate(drawn()))
    yield "scores", scores
    yield "answers", scores.argmax(dim=1)
    yield "vectors", model.images(z).to_dense()
    yield "method", method.asif(z, t, image[:300], text[:300], 30, 2)
    yield "hubs and whitening", ASIF(bank, hubs=0.5, whiten=0.8, device="cpu").similarity(z, t)
    table = contributions(model.images(z[:1]), model.texts(t[:1]), bank.pairs)
    yield "contributions", torch.tensor(table.contribution.to_numpy())
    yield "without", without(model, z, t, [1, 2, 3]).scores
    yield "effects", removal_effects(model, z[:2], t[:2])
    names = [str(i) for i in range(120)]
    found = mean_with_interval(ranks(scores, same_text(names, names)) < 5, 0)
    yield "interval", torch.tensor([found.value, found.low, found.high])
    edited = bank.add(bank.subset([0]).replace(pairs=bank.pairs[:1].assign(id="new"))).remove(["p7"])
    yield "edited", ASIF(edited, device="cpu").similarity(z, t)


def drawn():
    """Yield tensors that are drawn at random, and some that are computed."""
    import torch
    from sklearn.metrics import average_precision_score

    random = torch.Generator().manual_seed(1)
    yield from (torch.rand(3, generator=random), torch.randn(5, generator=random), torch.randn(50, generator=random))
    yield from (torch.randn(2, 9, 3, generator=random, dtype=torch.float64), torch.randperm(9, generator=random))
    yield from (torch.randint(3, 90, (2, 4), generator=random), torch.rand(2, 2, generator=random) < 0.5)
    torch.manual_seed(7)
    yield from (torch.rand(2000), torch.randn(40, 40), torch.tensor([1.5, torch.nan, -torch.inf]), torch.zeros(0, 3))
    yield from (torch.arange(6).reshape(2, 3).topk(2).indices, torch.tensor([1, 2]) / 2, torch.zeros(2).fill_(3))
    yield torch.linalg.det(torch.tensor([[0.0, 2.0], [3.0, 0.0]]))
    yield torch.corrcoef(torch.tensor([[1.0, 2.0, 4.0], [1.0, 3.0, 2.0]]))
    yield torch.tensor(average_precision_score([False, True, True], [0.1, 0.4, 0.05]))


def texts():
    """Yield tensors as they are printed, and the words of calls that are refused."""
    import torch

    yield from map(repr, [torch.arange(7.0), torch.ones(2, dtype=torch.int32), torch.arange(3).shape, torch.float32])
    t = torch.arange(6.0).reshape(2, 3)
    refused = [lambda: t.sum(5), lambda: t[0, 0] @ t]
    for call in [*refused, lambda: t.index_fill(1, 1, 0.0)]:
        try:
            call()
        except (IndexError, RuntimeError, TypeError) as error:
            yield f"{type(error).__name__}: {error}".splitlines()[0]


def main(road):
    take(road)
    import torch

    verdicts = {}
    for check, name, solution in solutions():
        torch.manual_seed(0)
        verdict = check(solution)
        verdicts[f"{check.number}, {name}"] = [verdict.status, verdict.message]
    found = {name: value.tolist() for name, value in numbers()}
    print(json.dumps({"verdicts": verdicts, "numbers": found, "texts": [*texts()]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
