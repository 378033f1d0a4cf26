"""On paper: what a bank of any size costs on any number of machines, from what one machine was measured to do."""

from dataclasses import dataclass

from .distributed import arriving

RESULT_BYTES = 12
"""Of one entry of a result: a float32 and an int64."""
TABLE_BYTES = 76
"""Of one pair beside its embeddings: the digest of its id, and its row of the table, compressed."""


@dataclass(frozen=True)
class Machine:
    """What one machine does, with all its cores; the defaults were measured on 2 cores (AVX-512), without a GPU.

    To measure yours: ``benchmarks/encoding.py --json`` gives `pictures` and `captions` (``per_second_median`` of its
    ways ``torch`` and ``float32``). ``benchmarks/cluster.py --machine`` gives `products` of one thread, to be
    multiplied by your cores, and `merged`, which is of one thread in any case.

    Attributes
    ----------
    pictures, captions : float
        Encoded in a second: EfficientNet-Lite0 with decoding, and all-MiniLM-L6-v2.
    products : float
        Multiply-adds in a second of the exact search: queries × anchors × dimensions.
    merged : float
        Entries in a second that `merge_top` takes.
    """

    pictures: float = 91
    captions: float = 427
    products: float = 9.5e10
    merged: float = 1.1e7


@dataclass(frozen=True)
class Costs:
    """What `plan` found: bytes, and seconds with all machines at work."""

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
    pairs, machines, *, network, queries=10_000, k=800, d_image=768, d_text=384, value_bytes=2, shard=262_144,
    machine=Machine(),
) -> Costs:  # fmt: skip
    """Compute what a bank of `pairs` costs: to store, to build, and to search for the images of `queries` once.

    Parameters
    ----------
    pairs, machines : int
    network : float
        Bytes in a second that the client receives; 1.25e9 for 10 Gbit/s.
    queries, k, d_image, d_text : int
    value_bytes : int
        Of a stored value: 2 for half precision.
    shard : int
        Rows of a search task.
    machine : Machine

    Returns
    -------
    Costs
        Queries go out once to each machine and block; of each block the client gets what `distributed.arriving` says,
        and merges it one by one. What workers send each other before that runs at the same time on all of them,
        and is left out of the seconds.

    Examples
    --------
    >>> print(estimate_costs(1_600_000, 1, network=1.25e9))
    bank 4 GB, 3.8 GB a machine, built in 5.9 hours; search 129 s, network 0.7 GB in 1 s, merging at the client 9 s
    """
    bank_bytes = pairs * ((d_image + d_text) * value_bytes + TABLE_BYTES)
    results = arriving(-(-pairs // shard))
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
