"""Numbers of the method and texts of tensors on one of two roads, as JSON: ``python results.py stand-in``."""

import json
import sys

from road import take


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
    yield "scores", scores
    yield "answers", scores.argmax(dim=1)
    yield "vectors", model.images(z).to_dense()
    yield "method", method.asif(z, t, image[:300], text[:300], 30, 2)
    yield "hubs and whitening", ASIF(bank, hubs=0.5, whiten=0.8, device="cpu").similarity(z, t)
    yield (
        "contributions",
        torch.tensor(contributions(model.images(z[:1]), model.texts(t[:1]), bank.pairs).contribution.to_numpy()),
    )
    yield "without", without(model, z, t, [1, 2, 3]).scores
    yield "effects", removal_effects(model, z[:2], t[:2])
    names = [str(i) for i in range(120)]
    found = mean_with_interval(ranks(scores, same_text(names, names)) < 5, 0)
    yield "interval", torch.tensor([found.value, found.low, found.high])
    yield (
        "edited",
        ASIF(
            bank.add(bank.subset([0]).replace(pairs=bank.pairs[:1].assign(id="new"))).remove(["p7"]), device="cpu"
        ).similarity(z, t),
    )


def texts():
    """Yield tensors as they are printed, drawn numbers among them."""
    import torch

    random = torch.Generator().manual_seed(1)
    drawn = [torch.rand(3, generator=random), torch.randn(5, generator=random), torch.randn(50, generator=random)]
    drawn += [torch.randn(2, 9, 3, generator=random, dtype=torch.float64), torch.randperm(9, generator=random)]
    drawn += [torch.randint(3, 90, (2, 4), generator=random), torch.rand(2, 2, generator=random) < 0.5]
    torch.manual_seed(7)
    drawn += [torch.rand(2000), torch.randn(40, 40), torch.arange(7.0), torch.tensor([1e-5, 1.0]), torch.zeros(0, 3)]
    drawn += [torch.tensor([1.5, torch.nan, -torch.inf]), torch.tensor([1, 2]) / 2, torch.ones(2, dtype=torch.int32)]
    drawn += [torch.arange(6).reshape(2, 3).topk(2), torch.arange(3).shape, torch.float32, torch.ones(2).double() * 1e9]
    yield from map(repr, drawn)


if __name__ == "__main__":
    take(*sys.argv[1:])
    print(json.dumps({"numbers": {name: value.tolist() for name, value in numbers()}, "texts": [*texts()]}))
