"""A task of a build by a cluster: a worker encodes one shard of the pairs, and writes it as one part of the bank."""

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from distributed import get_worker

from asif_lib.bank.anchors import AnchorBank, cut_captions
from asif_lib.bank.editing import check_new, slices
from asif_lib.bank.layout import MODALITIES, plain_table
from asif_lib.bank.writing import write_part
from asif_lib.encoders.loading import load_encoder
from asif_lib.files import write_whole

from .workers import ClusterError, working


@dataclass(frozen=True)
class Order:
    """What every shard of a build has in common."""

    staging: str
    name: str
    licence: str
    encoders: tuple
    weights: tuple
    """A mark of each encoder's folder, for weights may change under the same path."""
    dtype: torch.dtype
    skip_broken: bool
    device: str


def unseen(address, staging):
    return f"worker {address} does not see {staging}; put the bank on a disk that all machines see under the same path"


def record_of(staging, key):
    """The record of a shard that is finished, if there is one."""
    try:
        record = json.loads((staging / f"shard-{key}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record if record["count"] == 0 or (staging / record["part"]).is_dir() else None


def encode_shard(key, pictures, table, order, expected):
    """Encode one shard and write its part; return its record, which has the errors of what cannot be read."""
    with working(expected):
        staging = Path(order.staging)
        if not staging.is_dir():
            raise ClusterError(unseen(get_worker().address, staging))
        found = record_of(staging, key)  # a worker that is lost may have finished it
        if found:
            return found
        image_encoder, text_encoder = (
            _encoder(*what, order.device) for what in zip(MODALITIES, order.encoders, order.weights, strict=True)
        )
        record = {
            "worker": get_worker().address,
            "encoders": [asdict(encoder.identity) for encoder in (image_encoder, text_encoder)],
            "warnings": cut_captions(table["caption"].tolist(), table["id"].tolist(), text_encoder),
            "count": 0,
        }
        image, kept, broken = _readable(image_encoder, pictures)
        if broken and not order.skip_broken:
            return {**record, "broken": broken}
        if kept:
            table = table.iloc[kept].reset_index(drop=True)
            text = text_encoder.encode(table["caption"].tolist(), progress=False)
            record.update(_write(staging, table, image, text, order, image_encoder, text_encoder))
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


def _write(staging, table, image, text, order, image_encoder, text_encoder):
    like = {"image": image.to(order.dtype), "text": text.to(order.dtype)}
    bank = AnchorBank(order.name, like["image"], like["text"], table, image_encoder.identity, text_encoder.identity)
    check_new(bank, bank)
    table = plain_table(table)
    part, sums = write_part(staging, slices(like, table), count=len(table), like=like, schema=table.schema)
    return {"part": part, "count": len(table), "sums": {kind: sums[kind].tolist() for kind in MODALITIES}}
