import pytest
import torch

from asif_lib.errors import ParameterError
from asif_lib.search.inverted import indexed_scores
from asif_lib.sparse import SparseVectors, sparsify


def vectors(seed, rows, n=200, k=20):
    return sparsify(torch.randn(rows, n, generator=torch.Generator().manual_seed(seed)), k, 3)


def dense_scores(images, texts):
    return images.to_dense().double() @ texts.to_dense().double().T


@pytest.mark.parametrize("reduce", ["mean", "max"])
@pytest.mark.parametrize("rows, templates", [(0, 1), (1, 1), (150, 1), (70, 3), (70, 12)])
def test_scores_are_those_of_the_dense_vectors_and_templates_are_reduced_on_the_way(reduce, rows, templates):
    images, texts = vectors(1, rows), vectors(2, 12)
    scores = indexed_scores(images, texts, templates, reduce)
    prompts = dense_scores(images, texts).unflatten(1, (12 // templates, templates))
    expected = prompts.mean(dim=2) if reduce == "mean" else prompts.amax(dim=2)
    torch.testing.assert_close(scores.double(), expected, atol=1e-6, rtol=1e-5)


def test_no_anchor_in_common_is_a_score_of_zero():
    one = SparseVectors(torch.tensor([[0, 1]], dtype=torch.int32), torch.tensor([[0.6, 0.8]]), 4)
    other = SparseVectors(torch.tensor([[2, 3]], dtype=torch.int32), torch.tensor([[1.0, 0.0]]), 4)
    assert indexed_scores(one, other).tolist() == [[0]]
    assert indexed_scores(one, one).tolist() == [[pytest.approx(1)]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ParameterError, match="vectors over 100 and over 200 anchors"):
        indexed_scores(vectors(1, 3, n=100), vectors(1, 3))
    with pytest.raises(ParameterError, match="12 prompts are not a whole number of labels in 5 templates"):
        indexed_scores(vectors(1, 2), vectors(1, 12), templates=5)
    with pytest.raises(ParameterError, match="reduce = 'median'"):
        indexed_scores(vectors(1, 2), vectors(1, 12), templates=3, reduce="median")
