"""Encode one shard of the pairs on a worker, and write it as one part of the bank."""

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from distributed import get_worker

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.building import cut_captions
from asif_lib.bank.editing import check_directions
from asif_lib.bank.layout import MODALITIES, plain_table
from asif_lib.bank.writing import in_blocks, write_part
from asif_lib.encoders.loading import load_encoder
from asif_lib.files import write_whole

from .workers import ClusterError, working


@dataclass(frozen=True)
class Order:
    """The settings of a build, which all its shards share."""

    staging: str
    name: str
    licence: str
    encoders: tuple
    weights: tuple
    """A digest of each encoder's folder: weights may change under the same path."""
    dtype: torch.dtype
    skip_broken: bool
    device: str


def unseen(address, staging):
    return f"worker {address} does not see {staging}; put the bank on a disk that all machines see under the same path"


def record_of(staging, key):
    """Return the record of a finished shard, or None."""
    try:
        record = json.loads((staging / f"shard-{key}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record if record["count"] == 0 or (staging / record["part"]["name"]).is_dir() else None


def encode_shard(key, pictures, table, order, expected):
    """Encode one shard and write its part; return its record, with the errors of pictures that cannot be read."""
    with working(expected):
        staging = Path(order.staging)
        if not staging.is_dir():
            raise ClusterError(unseen(get_worker().address, staging))
        found = record_of(staging, key)  # a lost worker may have finished it
        if found:
            return found
        named = zip(MODALITIES, order.encoders, order.weights, strict=True)
        encoders = [_encoder(*name, order.device) for name in named]
        record = {
            "worker": get_worker().address,
            "encoders": [asdict(encoder.identity) for encoder in encoders],
            "warnings": cut_captions(table["caption"].tolist(), table["id"].tolist(), encoders[1]),
            "count": 0,
        }
        image, kept, broken = _readable(encoders[0], pictures)
        if broken and not order.skip_broken:
            return {**record, "broken": broken}
        if kept:
            table = table.iloc[kept].reset_index(drop=True)
            text = encoders[1].encode(table["caption"].tolist(), progress=False)
            record.update(_write(order, table, image, text, encoders))
        write_whole(staging / f"shard-{key}.json", json.dumps(record).encode())
        return record


@functools.lru_cache(maxsize=2)
def _encoder(kind, name, weights, device):
    return load_encoder(kind, name, device=device)


def _readable(encoder, pictures):
    rows, kept, broken = torch.empty(len(pictures), encoder.identity.dim), [], []
    for positions, vectors, errors in encoder.stream(pictures, progress=False):
        rows[positions] = vectors
        kept.extend(positions)
        broken.extend(error for _, error in errors)
    return rows[kept], kept, broken


def _write(order, table, image, text, encoders):
    image, text = image.to(order.dtype), text.to(order.dtype)
    bank = AnchorBank(order.name, image, text, table, *(encoder.identity for encoder in encoders))
    check_directions(bank)
    table, like = plain_table(table), {"image": image, "text": text}
    part, sums = write_part(Path(order.staging), **in_blocks(like, table))
    return {"part": part.model_dump(), "count": len(table), "sums": {kind: sums[kind].tolist() for kind in MODALITIES}}
