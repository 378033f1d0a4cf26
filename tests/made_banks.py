"""Made-up banks: numbered pairs with random embeddings, and what makes two banks the same."""

import pandas as pd
import torch

from asif_lib import AnchorBank
from asif_lib.encoders.identity import external_identity
from asif_lib.files import sealed, unsealed

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


def without(bank, rows):
    """The bank without the pairs at these positions."""
    return bank.remove(bank.pairs.id.iloc[list(rows)].tolist())


def seal_again(file, change):
    """Change the content of a sealed JSON file, and seal it."""
    content = unsealed(file.read_bytes(), dict)
    change(content)
    file.write_bytes(sealed(content))
