"""An inverted index: for each anchor, the sparse vectors with an entry there. Search engines look words up this way.

The cosine of two sparse vectors is a sum over anchors that both keep. For each of a picture's k anchors, the index adds
a product for each caption with an entry there. Anchors that no caption keeps cost nothing; no matrix has a side of n.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numba import njit

from asif_lib.errors import ParameterError

QUERIES = 64
"""Vectors that a thread takes at a time."""


def check_reduce(reduce):
    """Raise `ParameterError` unless scores over templates can be reduced this way."""
    if reduce not in ("mean", "max"):
        raise ParameterError(f"reduce = {reduce!r}: scores over templates are reduced by 'mean' or 'max'")


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
    starts : ndarray of shape (n + 1,), int64
        Anchor i has the entries from ``starts[i]`` up to ``starts[i + 1]``.
    entries : ndarray of pairs of an int32 ``row`` and a float32 ``value``
        The vector (for means: the label) and its entry; sorted by row in each anchor.

    Examples
    --------
    >>> from asif_lib.sparse import sparsify
    >>> captions = sparsify(torch.tensor([[0.0, 3.0, 4.0], [5.0, 0.0, 0.0]]), k=2, p=1)
    >>> InvertedIndex(captions).scores(sparsify(torch.tensor([[0.0, 1.0, 0.0]]), k=1, p=1))
    tensor([[0.6000, 0.0000]])
    """

    def __init__(self, vectors, templates=1, reduce="mean"):
        check_reduce(reduce)
        if templates < 1 or len(vectors) % templates:
            raise ParameterError(f"{len(vectors)} prompts are not a whole number of labels in {templates} templates")
        self.n, self.t, self.templates = vectors.n, len(vectors), templates
        self.is_max = reduce == "max" and templates > 1
        rows_of = 1 if self.is_max else templates  # prompts that share a row of the index
        indices, values = vectors.indices.numpy(), vectors.values.numpy()
        self.starts = np.zeros(self.n + 1, np.int64)
        entries = np.empty(values.size, [("row", np.int32), ("value", np.float32)])
        kept = _build(indices, values, rows_of, self.starts, entries)
        self.entries = entries[:kept].copy() if kept < len(entries) else entries

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
            if self.is_max:
                _scores_max(indices[part], values[part], self.starts, self.entries, self.templates, scores[part])
            else:
                _scores(indices[part], values[part], self.starts, self.entries, scores[part])

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(run, range(0, len(vectors), QUERIES)))  # raises the error of a thread
        return torch.from_numpy(scores)


@njit(nogil=True, cache=True)
def _build(indices, values, rows_of, starts, entries):
    """Sort the entries by anchor, and sum the entries of one row (prompts of one label); return their number."""
    for row in indices:
        for anchor in row:
            starts[anchor + 1] += 1
    for i in range(len(starts) - 1):
        starts[i + 1] += starts[i]
    fill = starts[:-1].copy()
    for r in range(len(indices)):
        for anchor, value in zip(indices[r], values[r]):  # noqa: B905 (numba knows no strict)
            entries[fill[anchor]].row = r // rows_of
            entries[fill[anchor]].value = value / np.float32(rows_of)
            fill[anchor] += 1
    if rows_of == 1:
        return len(entries)
    kept = first = 0
    for i in range(len(starts) - 1):
        last, begin = starts[i + 1], kept
        for j in range(first, last):
            if kept > begin and entries[kept - 1].row == entries[j].row:
                entries[kept - 1].value += entries[j].value
            else:
                entries[kept].row = entries[j].row
                entries[kept].value = entries[j].value
                kept += 1
        first = last
        starts[i + 1] = kept
    return kept


@njit(nogil=True, cache=True)
def _scores(indices, values, starts, entries, scores):
    for r in range(len(indices)):
        _add(indices[r], values[r], starts, entries, scores[r])


@njit(nogil=True, cache=True)
def _scores_max(indices, values, starts, entries, templates, scores):
    of_prompts = np.empty(scores.shape[1] * templates, np.float32)
    for r in range(len(indices)):
        of_prompts[:] = 0
        _add(indices[r], values[r], starts, entries, of_prompts)
        for label in range(scores.shape[1]):
            scores[r, label] = of_prompts[label * templates : (label + 1) * templates].max()


@njit(nogil=True, cache=True)
def _add(anchors, values, starts, entries, scores):
    for anchor, value in zip(anchors, values):  # noqa: B905
        if value > 0:
            for j in range(starts[anchor], starts[anchor + 1]):
                scores[entries[j].row] += value * entries[j].value
