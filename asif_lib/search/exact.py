"""Exact search: the k anchors with the largest cosines, for any number of anchors, within a stated memory.

Three methods give the same answer, bit for bit (`.passes` has the algorithm):

- ``faiss``: `faiss.knn`, an exact search in float32; the default on a CPU.
- ``bf16``: `asif_lib.search.certified`, twice as fast on processors with bfloat16 arithmetic.
- ``torch``: tiles of PyTorch's matrix product and ``topk``, on any device; the method for a GPU.
"""

import torch

from asif_lib.errors import ParameterError
from asif_lib.machine import progress_bar
from asif_lib.relative import check_dimensions, unit_rows
from asif_lib.settings import check_k

from .planning import PART, plan_search
from .prepared import PreparedAnchors
from .rows import as_rows


def top_anchors(queries, anchors, k, *, mean=None, method="auto", device="cpu", memory=None, progress=False):
    """Return the k largest cosines of each query with the anchors, and the positions of these anchors.

    Parameters
    ----------
    queries : Tensor of shape (q, d)
        Any floating dtype; float64 is rounded to float32, in which embeddings come.
    anchors : Tensor, Rows or PreparedAnchors, of shape (n, d)
        Any floating dtype, in memory or memory-mapped; copied if there are gaps between the numbers of a row. Prepared
        ones bring their mean.
    k : int
        1 ≤ k ≤ n.
    mean : Tensor of shape (d,), optional
        Subtracted from queries and anchors.
    method : {"auto", "faiss", "bf16", "torch"}
        The answer is the same.
    device : str or torch.device
        Of the fast pass.
    memory : int, optional
        Bytes that the search may take beyond its result; default `MEMORY`.

    Returns
    -------
    values : Tensor of shape (q, k), float32
        Cosines computed in double precision and rounded to float32, the largest first, ties by the smaller index.
    indices : Tensor of shape (q, k), int64

    Raises
    ------
    ParameterError
        If k is out of range, the dimensions differ, a vector holds NaN or infinity before or after the mean is
        subtracted, or by `plan_search`.

    See Also
    --------
    sklearn.neighbors.NearestNeighbors : The same for small matrices, without centring and without a bound on memory.

    Examples
    --------
    >>> anchors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    >>> top_anchors(torch.tensor([[5.0, 5.0]]), anchors, 2)
    (tensor([[0.7071, 0.7071]]), tensor([[0, 1]]))
    """
    from .passes import Passes  # brings FAISS and the compiler, which only a search needs

    prepared = anchors if isinstance(anchors, PreparedAnchors) else None
    if prepared is not None and mean is not None:
        raise ParameterError("these anchors are prepared with a mean of their own; prepare them with the other mean")
    anchors, mean = (prepared.rows, prepared.mean) if prepared else (as_rows(anchors), mean)
    check_dimensions(queries, anchors)
    check_k(k, len(anchors))
    queries, k = queries.detach(), int(k)
    mean = None if mean is None else mean.detach().float().cpu()
    _check_queries(queries, mean)
    chosen = plan_search(
        len(queries), *anchors.shape, k, method=method, device=device, memory=memory, prepared=prepared is not None
    )
    search = Passes(anchors, mean, k, chosen, prepared if chosen.method == "bf16" else None)
    values = torch.empty(len(queries), k, dtype=torch.float32)
    indices = torch.empty(len(queries), k, dtype=torch.int64)
    steps, title = -(-len(queries) // chosen.queries) * len(anchors), f"searching ({chosen})"
    with progress_bar(total=steps, desc=title, unit="anchor", disable=not progress, leave=False) as bar:
        for first in range(0, len(queries), chosen.queries):
            rows = slice(first, first + chosen.queries)
            values[rows], indices[rows] = search(queries[rows], bar.update)
    return values, indices


def _check_queries(queries, mean):
    """Check all queries before the first search, so that an error names the row by its own number."""
    if not queries.is_floating_point():
        raise ParameterError(f"queries are {queries.dtype}: embeddings are floating-point numbers")
    for first in range(0, len(queries), PART):
        try:
            unit_rows(queries[first : first + PART], mean, first)
        except ParameterError as error:
            raise ParameterError(f"queries: {error}") from None
