"""Estimate the costs of a bank of any size on any number of machines, from measurements of one machine."""

from dataclasses import dataclass

from asif_lib.defaults import LARGEST_DEFAULT_K

from .distributed import ROWS, arriving

VALUE_BYTES = 2
"""Bytes of a stored value, in half precision."""
RESULT_BYTES = 12
"""Bytes of one entry of a result: a float32 and an int64."""
TABLE_BYTES = 60
"""Bytes of one pair beside its embeddings: its compressed row of the table."""


@dataclass(frozen=True)
class Machine:
    """The speed of one machine, with all its cores. The defaults were measured on 2 cores (AVX-512), without a GPU.

    To measure your machine: ``benchmarks/encoding.py --json`` gives `pictures` and `captions` (``per_second_median`` of
    ``torch`` and ``float32``). ``benchmarks/cluster.py --machine`` gives `products` of one thread, to be multiplied by
    your cores, and `merged`, which always uses one thread.
    """

    pictures: float = 91
    """Encoded in a second by EfficientNet-Lite0, with decoding."""
    captions: float = 427
    """Encoded in a second by all-MiniLM-L6-v2."""
    products: float = 9.5e10
    """Multiply-adds in a second of the exact search: queries × anchors × dimensions."""
    merged: float = 1.1e7
    """Entries in a second that `merge_top` takes."""


@dataclass(frozen=True)
class Costs:
    """Bytes, and seconds with all machines at work, from `estimate_costs`."""

    bank_bytes: float
    machine_bytes: float
    encode_seconds: float
    search_seconds: float
    network_bytes: float
    network_seconds: float
    merge_seconds: float

    def __str__(self):
        days, hours = self.encode_seconds / 86_400, self.encode_seconds / 3_600
        built = f"{days:,.1f} days" if days >= 1 else f"{hours:,.1f} hours"
        return (
            f"bank {self.bank_bytes / 1e9:,.0f} GB, {self.machine_bytes / 1e9:,.1f} GB a machine, built in {built}; "
            f"search {self.search_seconds:,.0f} s, network {self.network_bytes / 1e9:,.1f} GB in "
            f"{self.network_seconds:,.0f} s, merging at the client {self.merge_seconds:,.0f} s"
        )


def estimate_costs(
    pairs, machines, *, network, queries=10_000, k=LARGEST_DEFAULT_K, d_image=768, d_text=384, machine=Machine()
) -> Costs:
    """Estimate what it costs to store a bank of `pairs`, to build it, and to search it once for `queries` images.

    Each machine receives each block of queries once. For each block the client receives `distributed.arriving` results
    and merges them one by one. The seconds do not count traffic between workers, which runs in parallel.

    Parameters
    ----------
    pairs, machines : int
    network : float
        Bytes in a second that the client receives; 1.25e9 for 10 Gbit/s.
    queries, k, d_image, d_text : int
    machine : Machine

    Examples
    --------
    >>> print(estimate_costs(1_600_000, 1, network=1.25e9))
    bank 4 GB, 3.8 GB a machine, built in 5.9 hours; search 129 s, network 0.7 GB in 1 s, merging at the client 9 s
    """
    bank_bytes = pairs * ((d_image + d_text) * VALUE_BYTES + TABLE_BYTES)
    results = arriving(-(-pairs // ROWS[1]))
    network_bytes = queries * (k * RESULT_BYTES * results + d_image * 4 * machines)
    return Costs(
        bank_bytes=bank_bytes,
        machine_bytes=bank_bytes / machines,
        encode_seconds=pairs * (1 / machine.pictures + 1 / machine.captions) / machines,
        search_seconds=queries * pairs * d_image / machine.products / machines,
        network_bytes=network_bytes,
        network_seconds=network_bytes / network,
        merge_seconds=queries * 2 * k * (results - 1) / machine.merged,
    )
