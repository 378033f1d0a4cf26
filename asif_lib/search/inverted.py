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


class InvertedIndex:
    """t sparse vectors, sorted by anchor; built once, compared with many.

    Raises `ParameterError` if t is not a multiple of `templates`, or `reduce` is neither.

    Parameters
    ----------
    vectors : SparseVectors
        t of them, in n dimensions.
    templates : int
        This many in a row belong to one label: the label in each prompt template.
    reduce : {"mean", "max"}
        A label's score is the mean, or the largest, of the scores of its prompts. A score is a sum, so the mean is
        the score with the label's mean vector. The index holds this vector instead of the prompts, and is faster.

    Attributes
    ----------
    starts : ndarray of shape (n + 1,)
        Anchor i has the entries from ``starts[i]`` up to ``starts[i + 1]``.
    rows, values : ndarrays of int32 and float32
        The vector of each entry (for means: the label), and the entry; sorted by row in each anchor.

    Examples
    --------
    >>> from asif_lib.sparse import sparsify
    >>> captions = sparsify(torch.tensor([[0.0, 3.0, 4.0], [5.0, 0.0, 0.0]]), k=2, p=1)
    >>> InvertedIndex(captions).scores(sparsify(torch.tensor([[0.0, 1.0, 0.0]]), k=1, p=1))
    tensor([[0.6000, 0.0000]])
    """

    def __init__(self, vectors, templates=1, reduce="mean"):
        check_reduce(reduce, len(vectors), templates)
        self.n, self.t, self.templates = vectors.n, len(vectors), templates
        self.is_max = reduce == "max" and templates > 1
        matrix = vectors.to_csr()  # (t, n)
        if templates > 1 and not self.is_max:
            shares, bounds = np.full(self.t, 1 / templates, np.float32), np.arange(0, self.t + 1, templates)
            matrix = csr_array((shares, np.arange(self.t), bounds), shape=(len(bounds) - 1, self.t)) @ matrix
        matrix = matrix.tocsc()
        self.starts, self.rows, self.values = matrix.indptr, matrix.indices, matrix.data

    def scores(self, vectors) -> torch.Tensor:
        """Return the float32 scores of q SparseVectors of the same anchors: (q, t), or (q, t / templates) if reduced.

        Raises `ParameterError` if the numbers of anchors differ.
        """
        if self.n != vectors.n:
            raise ParameterError(f"vectors over {vectors.n} and over {self.n} anchors cannot be compared")
        indices, values = vectors.indices.numpy(), vectors.values.numpy()
        scores = np.zeros((len(vectors), self.t // self.templates), np.float32)

        def run(first):
            part = slice(first, first + QUERIES)
            of_rows = np.zeros((len(scores[part]), self.t), np.float32) if self.is_max else scores[part]
            _add(indices[part], values[part], self.starts, self.rows, self.values, of_rows)
            if self.is_max:
                scores[part] = of_rows.reshape(len(of_rows), -1, self.templates).max(axis=2)

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
