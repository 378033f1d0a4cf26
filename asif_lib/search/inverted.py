"""An inverted index: for each anchor, the sparse vectors with an entry there. Search engines look words up this way.

The cosine of two sparse vectors is a sum over anchors that both keep. For each of a picture's k anchors, the index adds
a product for each caption with an entry there. Anchors that no caption keeps cost nothing; no matrix has a side of n.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numba import njit
from scipy.sparse import csr_array

from asif_lib.errors import ParameterError
from asif_lib.settings import check_reduce

QUERIES = 64
"""Vectors that a thread takes at a time."""


def indexed_scores(vectors, others, templates=1, reduce="mean") -> torch.Tensor:
    """Return the float32 scores of q and t SparseVectors of the same anchors, (q, t / templates), by an index.

    Parameters and errors are those of `SparseVectors.similarity`. A score is a sum, so the mean over templates is the
    score with the label's mean vector: the index holds this vector instead of the prompts, and is faster.

    >>> from asif_lib.sparse import sparsify
    >>> captions = sparsify(torch.tensor([[0.0, 3.0, 4.0], [5.0, 0.0, 0.0]]), k=2, p=1)
    >>> indexed_scores(sparsify(torch.tensor([[0.0, 1.0, 0.0]]), k=1, p=1), captions)
    tensor([[0.6000, 0.0000]])
    """
    check_reduce(reduce, t := len(others), templates)
    if vectors.n != others.n:
        raise ParameterError(f"vectors over {vectors.n} and over {others.n} anchors cannot be compared")
    matrix, each = others.to_csr(), templates if reduce == "max" else 1  # (t, n)
    if each < templates:
        shares, bounds = np.full(t, 1 / templates, np.float32), np.arange(0, t + 1, templates)
        matrix = csr_array((shares, np.arange(t), bounds), shape=(t // templates, t)) @ matrix
    index = matrix.tocsc()  # anchor i has the entries from indptr[i] up to indptr[i + 1]
    indices, values = vectors.indices.numpy(), vectors.values.numpy()
    scores = np.zeros((len(vectors), t // templates), np.float32)

    def run(first):
        part = slice(first, first + QUERIES)
        of_rows = np.zeros((len(scores[part]), matrix.shape[0]), np.float32)
        _add(indices[part], values[part], index.indptr, index.indices, index.data, of_rows)
        scores[part] = of_rows.reshape(len(of_rows), -1, each).max(axis=2)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(run, range(0, len(vectors), QUERIES)))  # raises the error of a thread
    return torch.from_numpy(scores)


@njit(nogil=True, cache=True)
def _add(anchors, factors, starts, rows, values, scores):
    """Add the products of each vector's entries with those of the index to its `scores`."""
    for i in range(len(anchors)):
        for anchor, factor in zip(anchors[i], factors[i]):  # noqa: B905 (numba knows no strict)
            if factor > 0:
                for j in range(starts[anchor], starts[anchor + 1]):
                    scores[i, rows[j]] += factor * values[j]
