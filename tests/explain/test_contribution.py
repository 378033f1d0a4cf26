"""An explanation adds up to the score that it explains."""

import pandas as pd
import pytest
import torch

from asif_lib.errors import ParameterError
from asif_lib.explain.contribution import contrast, contributions
from asif_lib.settings import Settings
from asif_lib.sparse import represent


def sparse(q, k, seed, n=60, p=2):
    random = torch.Generator().manual_seed(seed)
    z, anchors = torch.randn(q, 5, generator=random), torch.randn(n, 5, generator=random)
    return represent(z, anchors, Settings(k, p, center=False))


def test_the_table_of_another_bank_is_refused_and_its_index_does_not_count():
    image, text = sparse(1, 20, 1), sparse(1, 20, 2)
    pairs = pd.DataFrame({"caption": [f"caption {i}" for i in range(60)]}, index=range(60, 0, -1))
    explain = {
        "contributions": lambda pairs: contributions(image, text, pairs),
        "contrast": lambda pairs: contrast(image, text, sparse(1, 20, 3), pairs),
    }
    for table_with in explain.values():
        table = table_with(pairs)
        assert len(table) and table.caption.tolist() == [f"caption {i}" for i in table.anchor]
        with pytest.raises(ParameterError, match="the table has 59 pairs for vectors over 60 anchors"):
            table_with(pairs[:59])


def test_a_contrast_is_sorted_and_turns_its_sign_with_the_texts():
    image, texts = sparse(1, 20, 1), sparse(2, 20, 2)
    table = contrast(image, texts[[0]], texts[[1]])
    assert table.difference.is_monotonic_decreasing and table.difference.iloc[0] > 0 > table.difference.iloc[-1]
    swapped = contrast(image, texts[[1]], texts[[0]]).set_index("anchor").difference
    assert (table.set_index("anchor").difference + swapped).abs().max() == 0


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: contributions(sparse(2, 10, 1), sparse(1, 10, 2)), "one picture and one text"),
        (lambda: contributions(sparse(1, 10, 1), sparse(2, 10, 2)), "say reduce='mean' or 'max'"),
        (lambda: contributions(sparse(1, 10, 1), sparse(2, 10, 2), reduce="median"), "'median'"),
        (lambda: contributions(sparse(1, 10, 1), sparse(1, 10, 2, 61)), "share no anchors"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, words):
    with pytest.raises(ParameterError, match=words):
        call()


def test_what_would_be_a_wrong_table_is_refused_in_one_sentence():
    image, text = sparse(1, 60, 0), sparse(1, 60, 100)
    pairs = pd.DataFrame({"group": ["x"] * 60})
    own = contributions(image, text, pairs, sides=("english", "german"))
    assert {"english", "german"} <= {*own.columns}
    for call, words in (
        (lambda: contributions(image, text, pairs.assign(text="x")), "has a column 'text', as the answer has"),
        (lambda: contributions(image.to_dense().numpy(), text, pairs), "and not of ndarray"),
    ):
        with pytest.raises(ParameterError, match=words):
            call()
