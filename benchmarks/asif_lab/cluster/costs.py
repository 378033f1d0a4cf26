"""Estimate the costs of a bank of any size on any number of machines, from measurements of one machine."""

from asif_lib.defaults import LARGEST_DEFAULT_K

from .distributed import ROWS, arriving

TABLE_BYTES = 60  # bytes of one pair beside its embeddings: its compressed row of the table
RATES = {"pictures": 91, "captions": 427, "products": 9.5e10, "merged": 1.1e7}
"""What one machine does in a second, measured on 2 cores (AVX-512), without a GPU: pictures that EfficientNet-Lite0
decodes and encodes, captions that all-MiniLM-L6-v2 encodes, multiply-adds of the exact search (queries × anchors ×
dimensions), and entries that `merge_top` takes.

To measure your machine: ``benchmarks/encoding.py --json`` gives pictures and captions (``per_second_median`` of
``torch`` and ``float32``). ``benchmarks/cluster.py --machine`` gives products of one thread, to be multiplied by your
cores, and merged, which always uses one thread."""


def estimate_costs(
    pairs, machines, *, network, queries=10_000, k=LARGEST_DEFAULT_K, d_image=768, d_text=384, rates=RATES
) -> dict:
    """Estimate what it costs to store a bank of `pairs`, to encode it, and to search it once for `queries` images.

    Each machine receives each block of queries once. For each block the client receives `distributed.arriving` results
    and merges them one by one. The seconds do not count traffic between workers, which runs in parallel.

    Parameters
    ----------
    pairs, machines : int
    network : float
        Bytes in a second that the client receives; 1.25e9 for 10 Gbit/s.
    queries, k, d_image, d_text : int
    rates : dict
        Of one machine, as `RATES`.
    """
    gb = pairs * ((d_image + d_text) * 2 + TABLE_BYTES) / 1e9  # a value in half precision has 2 bytes
    results = arriving(-(-pairs // ROWS[1]))
    received = queries * (k * 12 * results + d_image * 4 * machines)  # bytes; an entry is a float32 and an int64
    return {
        "bank GB": gb,
        "GB a machine": gb / machines,
        "encoding h": pairs * (1 / rates["pictures"] + 1 / rates["captions"]) / machines / 3_600,
        "search s": queries * pairs * d_image / rates["products"] / machines,
        "network GB": received / 1e9,
        "network s": received / network,
        "merging s": queries * 2 * k * (results - 1) / rates["merged"],
    }
