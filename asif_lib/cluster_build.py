"""A bank built by a cluster: each task encodes one shard of the pairs and writes it as one part.

The parts come together in a folder beside the bank's, ``NAME.building``, and each that is finished leaves a record of
itself there, so that neither a lost worker nor a killed build costs more than the shards that were under way. The
bank's folder is touched once, at the end and under its lock: the parts are moved in, and ``bank.json`` is replaced.

The cache of embeddings is not used: its file takes one writer at a time, and workers would queue for it.
"""

import functools
import hashlib
import json
import os
import shutil
import threading
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from distributed import get_worker
from PIL import Image

from .anchors import AnchorBank, _warn_of_long_captions
from .bank_files import FORMAT_VERSION, MODALITIES, OURS, plain_table
from .bank_writing import add_version, changing, write_part
from .cluster import ClusterError, check_workers, collect, library, working
from .editing import MAX_PARTS, check_new, slices
from .encoders import EncoderIdentity, load_encoder
from .errors import BankError, BrokenPicturesError, IdentityError
from .files import locked, write_whole
from .pictures import PictureFile, picture_digest
from .selecting import some

SHARD = 1_024
"""Pairs in a shard where the caller does not say, as far as a bank's `MAX_PARTS` allow it."""
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Order:
    """What every shard of a build has in common."""

    staging: str
    name: str
    licence: str
    encoders: tuple
    dtype: torch.dtype
    skip_broken: bool
    device: str


def build_bank(
    client, pairs, folder, image_encoder="efficientnet_lite0", text_encoder="all-MiniLM-L6-v2", *,
    name=None, shard=None, dtype=torch.float32, skip_broken=False, device="cpu", progress=True,
) -> AnchorBank:  # fmt: skip
    """Encode captioned pictures into a bank on disk, by a cluster, and return it.

    The embeddings are those of the same shards encoded one after the other by one thread of one machine, up to the last
    bit of a caption's. A build that was interrupted goes on where it stopped if it is called again with the same
    arguments.

    Parameters
    ----------
    client : distributed.Client
        As `connect` gives it. All its workers must see the pictures and the folder under the same paths.
    pairs : Pairs
    folder : str or Path
        Of the bank; one that is there is replaced at the end.
    image_encoder, text_encoder : str
        Names, as `load_image_encoder` and `load_text_encoder` take them; every worker loads its own.
    name : str, optional
        Default: the name of `pairs`.
    shard : int, optional
        Pairs in a shard, and so what a lost worker costs. Default: `SHARD`, more where a bank would have too many.
    dtype : torch.dtype
        At which the embeddings are stored.
    skip_broken : bool
        Leave out pairs whose picture cannot be read, instead of raising.
    device : str
        On which a worker encodes.

    Raises
    ------
    BrokenPicturesError
        If pictures cannot be read; it lists all of them.
    ClusterError
        If workers have another version of the library, do not see the folder, or are lost again and again.
    IdentityError
        If workers loaded different encoders under the same name.
    BankError
        If an id, a caption or an embedding cannot be used, no pair is left, or the folder cannot be written.
    """
    folder = Path(folder).absolute()
    _check_folder(folder)
    _check_pairs(pairs)
    size = _shard(shard, len(pairs))
    staging = folder.with_name(f"{folder.name}.building")
    staging.mkdir(parents=True, exist_ok=True)
    encoders = tuple(str(Path(e).absolute()) if Path(e).is_dir() else str(e) for e in (image_encoder, text_encoder))
    order = Order(str(staging), name or pairs.name, pairs.licence, encoders, dtype, skip_broken, device)
    with locked(staging / "build"):
        check_workers(client)
        _check_seen(client, staging)
        records = _encode_all(client, pairs, size, order, progress)
        broken = [error for record in records for error in record.get("broken", ())]
        if broken and not skip_broken:
            raise BrokenPicturesError(broken)
        for said in dict.fromkeys(said for record in records for said in record["warnings"]):
            warnings.warn(said, stacklevel=2)
        _commit(folder, order, [record for record in records if record["count"]])
        shutil.rmtree(staging)
    return AnchorBank.load(folder)


# -- on the client ---------------------------------------------------------------------------------------


def _check_folder(folder):
    if folder.exists() and not folder.is_dir():
        raise BankError(f"{folder}: is a file; choose another name")
    others = (f.name for f in folder.glob("*") if not OURS.fullmatch(f.name) and f.name != "bank.json.lock")
    if not (folder / "bank.json").exists() and any(others):
        raise BankError(f"{folder}: holds files that are no bank; choose another name")


def _check_pairs(pairs):
    """What no shard sees by itself, or would see after hours."""
    if not len(pairs):
        raise BankError(f"{pairs.name}: has no pair to build a bank of")
    twice = [id for id, count in Counter(pairs.ids).items() if count > 1]
    if twice:
        raise BankError(f"{pairs.name}: pairs are known by their ids; there more than once are: {some(twice)}")
    empty = [id for id, caption in zip(pairs.ids, pairs.captions, strict=True) if not caption.strip()]
    if empty:
        raise BankError(f"{pairs.name}: without a caption a picture is no anchor; it is empty of: {some(empty)}")


def _shard(shard, n):
    least = -(-n // MAX_PARTS)
    if shard is None:
        return max(SHARD, least)
    if isinstance(shard, bool) or shard != int(shard) or shard < least:
        raise BankError(
            f"shard = {shard}: must be a whole number of pairs, {least} or more: a bank of {n} pairs has at most "
            f"{MAX_PARTS} parts"
        )
    return int(shard)


def _check_seen(client, staging):
    blind = [address for address, seen in client.run(os.path.isdir, str(staging)).items() if not seen]
    if blind:
        raise ClusterError(_unseen(", ".join(blind), staging))


def _unseen(address, staging):
    return f"worker {address} does not see {staging}; put the bank on a disk that all machines see under the same path"


def _encode_all(client, pairs, size, order, progress):
    """The records of all shards, in their order: those that an earlier build left, and the new ones."""
    records, todo = {}, {}
    for first in range(0, len(pairs), size):
        shard = pairs.subset(range(first, min(first + size, len(pairs))))
        pictures = [_absolute(picture) for picture in shard.pictures]
        key = _key(shard, pictures, order)
        found = _record(Path(order.staging), key)
        if found:
            records[first] = found
        else:
            shown = ["" if isinstance(picture, Image.Image) else str(picture) for picture in shard.pictures]
            table = {"id": shard.ids, "caption": shard.captions, "picture": shown, "group": shard.groups}
            todo[first] = (key, pictures, pd.DataFrame(table))
    futures = [client.submit(_encode_shard, *task, order, library(), pure=False) for task in todo.values()]
    sizes = [len(pictures) for _, pictures, _ in todo.values()]
    starts = list(todo)
    for i, record in collect(client, futures, sizes=sizes, progress=progress, total=len(pairs),
                             initial=len(pairs) - sum(sizes), unit="pair",
                             desc=f"encoding on {len(client.nthreads())} workers"):  # fmt: skip
        records[starts[i]] = record
    return [records[first] for first in sorted(records)]


def _absolute(picture):
    """A worker's working directory is another."""
    if isinstance(picture, PictureFile):
        return replace(picture, path=Path(picture.path).absolute())
    return picture if isinstance(picture, Image.Image) else Path(picture).absolute()


def _key(shard, pictures, order):
    """What a record is found by: it changes with everything that a shard is made of."""
    common = [library(), order.name, order.encoders, str(order.dtype), order.skip_broken, order.device]
    pairs = [shard.ids, shard.captions, shard.groups, [_mark(picture) for picture in pictures]]
    return hashlib.sha256(json.dumps([common, pairs]).encode()).hexdigest()[:24]


def _mark(picture):
    if isinstance(picture, Image.Image):
        return picture_digest(picture)
    try:
        found = os.stat(getattr(picture, "path", picture))
    except OSError:
        return repr(picture)  # the worker says what is wrong with it
    return f"{picture!r} {found.st_size} {found.st_mtime_ns}"


def _record(staging, key):
    """The record of a shard that is finished, if there is one."""
    try:
        record = json.loads((staging / f"shard-{key}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record if record["count"] == 0 or (staging / record["part"]).is_dir() else None


def _commit(folder, order, records):
    if not records:
        raise BankError(f"{order.name}: has no pair to build a bank of")
    for i, kind in enumerate(MODALITIES):
        makers = {record["encoders"][i]["checksum"]: record for record in records}
        if len({EncoderIdentity(**record["encoders"][i]) for record in records}) > 1:
            who = "; ".join(f"{checksum[:8]} on worker {record['worker']}" for checksum, record in makers.items())
            raise IdentityError(
                f"{order.encoders[i]}: workers loaded different {kind} encoders under this name ({who}); give all the "
                f"same weights, delete {order.staging}, and repeat"
            )
    sums = {kind: torch.tensor([record["sums"][kind] for record in records]).sum(dim=0) for kind in MODALITIES}
    count = sum(record["count"] for record in records)
    about = {
        "format": FORMAT_VERSION,
        "name": order.name,
        "licence": order.licence,
        "dtype": str(order.dtype).removeprefix("torch."),
        **{f"{kind}_encoder": records[0]["encoders"][i] for i, kind in enumerate(MODALITIES)},
        "parts": [record["part"] for record in records],
        "history": [],
    }
    with changing(folder):
        for part in about["parts"]:
            os.rename(Path(order.staging) / part, folder / part)
        add_version(folder, about, f"built of {count} pairs", count, np.empty(0, np.int64), sums)


# -- on the workers --------------------------------------------------------------------------------------


def _encode_shard(key, pictures, table, order, expected):
    """Encode one shard and write its part; return its record, which has the errors of what cannot be read."""
    with working(expected):
        staging = Path(order.staging)
        if not staging.is_dir():
            raise ClusterError(_unseen(get_worker().address, staging))
        found = _record(staging, key)  # a worker that is lost may have finished it
        if found:
            return found
        image_encoder, text_encoder = (
            _encoder(kind, name, order.device) for kind, name in zip(MODALITIES, order.encoders, strict=True)
        )
        record = {
            "worker": get_worker().address,
            "encoders": [asdict(encoder.identity) for encoder in (image_encoder, text_encoder)],
            "warnings": _long_captions(table, text_encoder),
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
def _encoder(kind, name, device):
    return load_encoder(kind, name, device=device)


def _long_captions(table, text_encoder):
    """The warnings of captions that are cut: here nobody reads them."""

    class Captions:
        captions, ids = table["caption"].tolist(), table["id"].tolist()

    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _warn_of_long_captions(Captions, text_encoder)
    return [str(warning.message) for warning in caught]


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
