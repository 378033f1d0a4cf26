"""An explanation adds up to the score that it explains."""

import pandas as pd
import pytest
import torch

from asif_lib.interpret import contributions
from asif_lib.sparse import sparse_relative_representation


def sparse(q, k, seed, n=60, p=2):
    random = torch.Generator().manual_seed(seed)
    z, anchors = torch.randn(q, 5, generator=random), torch.randn(n, 5, generator=random)
    return sparse_relative_representation(z, anchors, k, p)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 10, 60])
def test_contributions_add_up_to_the_score_and_are_sorted(seed, k):
    images, texts = sparse(6, k, seed), sparse(6, k, seed + 100)
    scores = images.similarity(texts)
    for i in range(6):
        for j in range(6):
            table = contributions(images[i : i + 1], texts[j : j + 1])
            assert table.contribution.sum() == pytest.approx(scores[i, j].item(), abs=1e-6)
            assert table.contribution.is_monotonic_decreasing
            assert (table.contribution > 0).all()
            assert table.anchor.is_unique


def test_a_contribution_is_image_times_text_at_the_anchor_it_names():
    image, text = sparse(1, 20, 1), sparse(1, 20, 2)
    table = contributions(image, text)
    assert len(table) > 3
    for row in table.itertuples():
        assert row.image == pytest.approx(image.to_dense()[0, row.anchor].item())
        assert row.text == pytest.approx(text.to_dense()[0, row.anchor].item())
        assert row.contribution == pytest.approx(row.image * row.text)
    assert [dtype.kind for dtype in table.dtypes] == ["i", "f", "f", "f"]


def test_the_banks_columns_are_added_at_the_right_rows():
    image, text = sparse(1, 20, 1), sparse(1, 20, 2)
    pairs = pd.DataFrame({"id": [f"anchor {i}" for i in range(60)], "caption": ["c"] * 60})
    table = contributions(image, text, pairs)
    assert table.id.tolist() == [f"anchor {i}" for i in table.anchor]


def test_where_nothing_is_shared_the_table_is_empty():
    anchors = torch.eye(4)
    image = sparse_relative_representation(anchors[:1], anchors, 2, 2)
    text = sparse_relative_representation(anchors[2:3], anchors, 2, 2)
    assert image.similarity(text).item() == 0
    table = contributions(image, text, pd.DataFrame({"caption": list("abcd")}))
    assert table.empty
    assert {"anchor", "contribution", "image", "text", "caption"} <= set(table)


def test_one_picture_and_one_text_at_a_time():
    with pytest.raises(ValueError, match="one"):
        contributions(sparse(2, 10, 1), sparse(1, 10, 2))


def test_vectors_over_other_anchors_are_refused():
    with pytest.raises(ValueError, match="anchors"):
        contributions(sparse(1, 10, 1), sparse(1, 10, 2, n=61))
