"""The peers of the engine: other ways to the same answers, each in its intended fastest use.

`author_*` is a new implementation of the algorithm that the method's authors published with their paper:

- Anchors pass in chunks of 100,000. One `einsum` multiplies the queries with a chunk, as many queries at a time as fit
  their products into 8 GiB. `topk` of each row gives the k best of the chunk. A second `topk` merges them with the k
  best so far.
- The kept values are raised to the power, put into a sparse COO tensor of n columns, and divided by the row's length.
- Pictures in six chunks are multiplied with the transposed captions by `torch.sparse.mm`, and made dense.

The input is what the algorithm expects: unit rows in float32 in memory. One thing differs from the original. There, the
first chunk is merged with zeros, so a negative cosine is lost; here it is not.
"""

import warnings
from concurrent.futures.process import BrokenProcessPool

import faiss
import threadpoolctl
import torch

from timing import in_child, seconds_of

KERNELS = ("", "Haswell", "Zen", "SkylakeX", "Cooperlake")
"""Kernels of the OpenBLAS in FAISS's wheel, by `OPENBLAS_CORETYPE`; "" is the one that OpenBLAS chooses by itself."""


def author_top(queries, anchors, k, *, chunk=100_000, budget=8 * 2**30):
    """Return the k largest products of unit queries (q, d) and anchors (n, d), float32: values, indices (q, k)."""
    values, indices = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64)
    for first in range(0, len(anchors), chunk):
        block = anchors[first : first + chunk]
        found, where = _author_top_of_chunk(queries, block, min(k, len(block)), budget)
        values, indices = torch.cat([values, found], dim=1), torch.cat([indices, where + first], dim=1)
        values, order = values.topk(min(k, values.shape[1]), dim=1)
        indices = indices.gather(1, order)
    return values, indices


def _author_top_of_chunk(queries, block, k, budget):
    at_a_time = max(1, int(budget / 4 / len(block)))
    found = [torch.einsum("ik,jk->ij", part, block).topk(k, dim=1) for part in queries.split(at_a_time)]
    return (torch.cat(parts) for parts in zip(*found, strict=True))


def author_sparse(values, indices, n):
    """Return the kept values after the power, (q, k), as a sparse COO tensor (q, n) with rows of unit length."""
    q, k = values.shape
    positions = torch.stack([torch.arange(q).repeat_interleave(k), indices.long().flatten()])
    vectors = torch.sparse_coo_tensor(positions, values.flatten(), (q, n), check_invariants=False)
    norms = torch.sparse.sum(vectors * vectors, dim=1).to_dense().sqrt()
    return torch.sparse_coo_tensor(positions, (values / norms[:, None]).flatten(), (q, n), check_invariants=False)


def author_similarity(pictures, captions, *, chunks=6):
    """Return the dense (q, t) products of q and t SparseVectors."""
    others = author_sparse(captions.values, captions.indices, captions.n).t()
    scores = torch.empty(len(pictures), len(captions))
    for rows in torch.arange(len(pictures)).tensor_split(chunks):
        part = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0)
        some = author_sparse(pictures.values[part], pictures.indices[part], pictures.n)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # "in beta state", about sparse tensors
            scores[part] = torch.sparse.mm(some, others).to_dense()
    return scores


def faiss_top(queries, anchors, k):
    """Search by `faiss.knn`: exact, without an index."""
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss.knn(queries.numpy(), anchors.numpy(), k, metric=faiss.METRIC_INNER_PRODUCT)


def fastest_kernel():
    """Return the variables of a process in which `faiss.knn` is fastest on this processor.

    OpenBLAS knows the processors of its time, and takes its oldest kernel for a newer one. So each kernel is tried, in
    a process of its own. One that the processor cannot run is left out.
    """
    seconds = {}
    for name in KERNELS:
        variables = {"OPENBLAS_CORETYPE": name} if name else {}
        try:
            seconds[name] = in_child(_seconds_of_faiss, environment=variables), variables
        except BrokenProcessPool:
            continue
    return min(seconds.values(), key=lambda tried: tried[0])[1]


def _seconds_of_faiss():
    anchors = torch.randn(20_000, 768, generator=torch.Generator().manual_seed(0))
    return min(seconds_of(lambda: faiss_top(anchors[:256], anchors, 10)) for _ in range(4))


def faiss_kernel():
    """Return the kernel of OpenBLAS that FAISS runs in this process, such as SkylakeX; unknown with other libraries."""
    found = [each.get("architecture") for each in threadpoolctl.threadpool_info() if "faiss" in each["filepath"]]
    return next(filter(None, found), "unknown")


def products_alone(queries, anchors, tile=(1_024, 4_096)):
    """Compute all products, in the precision of the rows, and nothing else, tile over tile."""
    for part in queries.split(tile[0]):
        out = torch.empty(len(part), tile[1], dtype=queries.dtype)
        for block in anchors.split(tile[1]):
            products = torch.mm(part, block.T, out=out[:, : len(block)] if len(block) < tile[1] else out)
    return products


def scipy_similarity(pictures, captions):
    """Return the dense (q, t) products of two scipy CSR arrays over the same n."""
    return (pictures @ captions.T).toarray()


def torch_similarity(pictures, captions):
    """Return the dense (q, t) products of two torch CSR tensors, the second already transposed."""
    return torch.sparse.mm(pictures, captions).to_dense()
