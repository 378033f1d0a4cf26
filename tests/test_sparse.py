"""Sparsification: k largest, clamp, power, normalise; without the dense matrix as with it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from asif_lib.errors import ParameterError
from asif_lib.relative import relative_representation
from asif_lib.sparse import SparseVectors, sparse_relative_representation, sparsify


def random_matrix(rows, columns, seed):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def reference(relative, k, p):
    """The definition, row by row, in float64."""
    dense = np.zeros(relative.shape)
    for row, cosines in enumerate(relative.double().numpy()):
        for i in np.argsort(-cosines, kind="stable")[:k]:
            dense[row, i] = max(cosines[i], 0.0) ** p
        norm = np.linalg.norm(dense[row])
        if norm > 0:
            dense[row] /= norm
    return torch.from_numpy(dense).float()


@pytest.mark.parametrize("k, p", [(1, 1), (3, 2), (10, 8), (40, 8), (40, 0.5), (7, 2.5)])
@pytest.mark.parametrize("seed", range(3))
def test_sparsify_is_the_definition(k, p, seed):
    relative = relative_representation(random_matrix(9, 6, seed), random_matrix(40, 6, seed + 100))
    vectors = sparsify(relative, k, p)
    assert vectors.indices.shape == vectors.values.shape == (9, k)
    assert vectors.indices.dtype == torch.int32
    assert vectors.values.dtype == torch.float32
    assert vectors.n == 40
    torch.testing.assert_close(vectors.to_dense(), reference(relative, k, p), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(vectors.values.norm(dim=1), torch.ones(9))
    assert (vectors.values.diff(dim=1) <= 0).all()  # the largest first


@pytest.mark.parametrize("p", [1, 2, 4, 8])
def test_negative_cosines_are_forgotten_before_an_even_power_hides_their_sign(p):
    dense = sparsify(torch.tensor([[0.5, -0.9, 0.4, -0.1]]), k=4, p=p).to_dense()
    assert (dense[0, [1, 3]] == 0).all()
    assert (dense[0, [0, 2]] > 0).all()


def test_a_row_without_a_positive_cosine_is_zero_and_not_nan():
    vectors = sparsify(torch.tensor([[-0.5, -0.9, -0.1], [0.0, 0.0, 0.0]]), k=2, p=2)
    assert (vectors.values == 0).all()
    assert (vectors.similarity(vectors) == 0).all()


def test_the_power_sharpens():
    relative = torch.tensor([[0.9, 0.8, 0.1]])
    shares = [sparsify(relative, 3, p).values[0] for p in (1, 8)]
    assert shares[1][0] > shares[0][0]
    assert shares[1][2] < shares[0][2]


@pytest.mark.parametrize("p", [1e3, 1e6, 1e30])
def test_a_huge_p_is_the_nearest_anchor(p):
    z, anchors = random_matrix(5, 6, 1) * 0.01, random_matrix(30, 6, 2)
    vectors = sparse_relative_representation(z, anchors, 10, p)
    nearest = relative_representation(z, anchors).argmax(dim=1)
    assert vectors.indices[:, 0].tolist() == nearest.tolist()
    assert (vectors.values[:, 0] > 0.9).all()


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("method", ["faiss", "bf16", "torch"])
def test_without_the_dense_matrix_it_is_the_same(k, centred, method):
    z, anchors = random_matrix(9, 6, 1), random_matrix(40, 6, 2) + 0.5
    mean = anchors.mean(dim=0) if centred else None
    dense = sparsify(relative_representation(z, anchors, mean=mean), k, 3)
    sparse = sparse_relative_representation(z, anchors, k, 3, mean=mean, method=method)
    assert sparse.indices.shape == (9, k)
    torch.testing.assert_close(sparse.to_dense(), dense.to_dense(), atol=1e-6, rtol=1e-5)
    assert all(len(set(row)) == k for row in sparse.indices.tolist())


def test_no_queries_give_no_vectors():
    vectors = sparse_relative_representation(torch.empty(0, 6), random_matrix(40, 6, 2), 5, 2)
    assert vectors.indices.shape == (0, 5)
    assert vectors.similarity(vectors).shape == (0, 0)


@pytest.mark.parametrize("k", [0, -1, 41, 2.5, float("nan"), float("inf"), True])
def test_k_must_be_a_whole_number_of_anchors(k):
    z, anchors = random_matrix(2, 6, 1), random_matrix(40, 6, 2)
    with pytest.raises(ParameterError, match=f"k = {k}"):
        sparse_relative_representation(z, anchors, k, 2)
    with pytest.raises(ParameterError, match=f"k = {k}"):
        sparsify(relative_representation(z, anchors), k, 2)


@pytest.mark.parametrize("p", [0, -1, float("nan"), float("inf")])
def test_p_must_be_positive_and_finite(p):
    z, anchors = random_matrix(2, 6, 1), random_matrix(40, 6, 2)
    with pytest.raises(ParameterError, match=f"p = {p}"):
        sparse_relative_representation(z, anchors, 3, p)


@pytest.mark.parametrize("k", [3.0, np.int64(3), torch.tensor(3)])
def test_k_may_come_from_a_computation(k):
    assert sparsify(torch.rand(2, 5), k, 2).indices.shape == (2, 3)


def test_other_dimensions_and_nan_are_refused():
    anchors = random_matrix(40, 6, 2)
    with pytest.raises(ParameterError, match="not of one space"):
        sparse_relative_representation(torch.ones(2, 5), anchors, 3, 2)
    anchors[33, 1] = float("nan")
    with pytest.raises(ParameterError, match="NaN"):
        sparse_relative_representation(torch.ones(2, 6), anchors, 3, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_anchors_of_half_precision_are_compared_in_float32(dtype):
    z, anchors = random_matrix(9, 6, 1), random_matrix(40, 6, 2).to(dtype)
    half = sparse_relative_representation(z, anchors, 5, 2)
    assert half.values.dtype == torch.float32
    whole = sparse_relative_representation(z, anchors.float(), 5, 2)
    torch.testing.assert_close(half.to_dense(), whole.to_dense())


def test_similarity_is_the_cosine_of_the_dense_vectors():
    a = sparse_relative_representation(random_matrix(9, 6, 1), random_matrix(40, 6, 2), 7, 2)
    b = sparse_relative_representation(random_matrix(4, 8, 3), random_matrix(40, 8, 4), 5, 2)
    similarity = a.similarity(b)
    assert similarity.shape == (9, 4)
    assert similarity.dtype == torch.float32
    torch.testing.assert_close(similarity, a.to_dense() @ b.to_dense().T, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(a.similarity(a).diagonal(), torch.ones(9))


def test_vectors_over_other_anchors_are_refused():
    a = sparsify(torch.rand(2, 40), 3, 2)
    b = sparsify(torch.rand(2, 41), 3, 2)
    with pytest.raises(ParameterError, match="40 and over 41 anchors"):
        a.similarity(b)


def test_rows_are_picked_by_slice_list_and_mask():
    vectors = sparsify(torch.rand(4, 40), 3, 2)
    for rows in (slice(1, 3), [1, 2], torch.tensor([False, True, True, False])):
        picked = vectors[rows]
        assert isinstance(picked, SparseVectors)
        assert len(picked) == 2
        torch.testing.assert_close(picked.to_dense(), vectors.to_dense()[1:3])


def test_nbytes_is_eight_for_each_entry_kept():
    assert sparsify(torch.rand(4, 1000), 3, 2).nbytes == 8 * 4 * 3


LOADED = """
import json, sys
import asif_lib.sparse
own = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "asif_lib"]
print(json.dumps([sum(len(open(file, encoding="utf-8").readlines()) for file in own), sorted(sys.modules)]))
"""


def test_the_import_brings_the_method_and_little_else():
    """The compiler, FAISS, tables and file formats are for those who search or open a bank."""
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    lines, modules = json.loads(run.stdout)
    assert 138 < lines <= 1_700
    assert not {"numba", "faiss", "pandas", "pydantic", "scipy.sparse", "sentence_transformers"} & set(modules)
