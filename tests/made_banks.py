"""Made-up banks: numbered pairs with random embeddings, things of some classes, and what makes two banks the same."""

import numpy as np
import pandas as pd
import torch

from asif_lib import AnchorBank
from asif_lib.encoders.identity import external_identity
from asif_lib.files import sealed, unsealed
from asif_lib.search.exact import top_anchors

SIDES = {"image": ("image", 6), "text": ("text", 4)}


def make(first, last, dtype=torch.float32, sides=SIDES, name="toy"):
    """Pairs number `first` to `last` of one endless bank: the same number is the same pair."""
    numbers = range(first, last)
    return AnchorBank.from_embeddings(
        *(torch.randn(2_200, d, generator=torch.Generator().manual_seed(d))[first:last].to(dtype)
          for _, d in sides.values()),
        [f"caption number {i} of many" for i in numbers], ids=ids(*numbers), name=name, licence="CC0",
        groups=[("food", "tool", "bird")[i % 3] for i in numbers], sides=tuple(sides),
        encoders=[external_identity(kind, f"encoder of {side}", d) for side, (kind, d) in sides.items()],
    )  # fmt: skip


class Dictionary:
    """An encoder of one's own that knows the embeddings of some texts."""

    def __init__(self, identity, texts, rows):
        self.identity, self.texts, self.rows = identity, list(texts), rows

    def encode(self, texts):
        return self.rows[[self.texts.index(text) for text in texts]]


def ids(*numbers):
    """The ids of these pairs."""
    return [f"id-{i:04}" for i in numbers]


def assert_same(a, b):
    """Bit for bit."""
    for side in a.sides:
        assert torch.equal(a.matrix(side), b.matrix(side)) and torch.equal(a.mean(side), b.mean(side)), side
        assert a.matrix(side).dtype == b.matrix(side).dtype
        assert a.encoders[side].source == b.encoders[side].source
    pd.testing.assert_frame_equal(a.pairs, b.pairs)
    assert len(a) == len(b) == len(a.pairs)
    assert (a.sides, a.name, a.licence, a.encoders) == (b.sides, b.name, b.licence, b.encoders)


CLASSES, D_IMAGE, D_TEXT = 20, 24, 16


def draw_things(rows, seed, spread=0.9):
    """Embeddings of things as two encoders see them, their classes, and a prompt for each class."""
    shared = np.random.default_rng(0)
    centres = shared.standard_normal((CLASSES, 10))
    eye, ear = shared.standard_normal((10, D_IMAGE)), shared.standard_normal((10, D_TEXT))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, rows)
    latent = centres[labels] + spread * rng.standard_normal((rows, 10))
    image, text = (torch.from_numpy(latent @ see + 1).float() for see in (eye, ear))
    return image, text, labels, torch.from_numpy(centres @ ear + 1).float()


def bank_of_things(n, seed=1, encoder="eye"):
    """A bank of `n` things in half precision."""
    image, text, _, _ = draw_things(n, seed)
    return AnchorBank.from_embeddings(
        image.half(), text.half(), [f"caption {i}" for i in range(n)], ids=[f"{seed}-{i}" for i in range(n)],
        encoders=(encoder, "ear"),
    )  # fmt: skip


def without(bank, rows):
    """The bank without the pairs at these positions."""
    return bank.remove(bank.pairs.id.iloc[list(rows)].tolist())


def stored_things(folder):
    """900 things on disk, in three parts and with removed rows."""
    bank = AnchorBank.load(bank_of_things(500).save(folder / "made"))
    bank = bank.add(bank_of_things(300, seed=2)).add(bank_of_things(130, seed=3))
    return without(bank, range(480, 510))


def exact(bank, queries, k, side="image"):
    """The exact answer to compare with."""
    return top_anchors(queries, bank.rows(side), k, mean=bank.mean(side))


def seal_again(file, change):
    """Change the content of a sealed JSON file, and seal it."""
    content = unsealed(file.read_bytes(), dict)
    change(content)
    file.write_bytes(sealed(content))
