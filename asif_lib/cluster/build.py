"""Build a bank with a cluster: each task encodes one shard of the pairs and writes it as one part.

The parts are collected in a folder beside the bank, ``NAME.building``. Each finished part leaves a record there. So a
lost worker or a killed build loses only unfinished shards. At the end, under its lock, the bank's folder changes once:
(1) the files of the parts get a second name there, (2) ``bank.json`` is replaced, (3) ``NAME.building`` is deleted. The
lock ``NAME.building.lock`` stays. It is outside the folder, because a network file system does not delete a folder with
an open file.

The cache of embeddings is not used: its file has one writer at a time, and workers would wait for it.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from distributed import get_worker
from PIL import Image

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.building import cut_captions
from asif_lib.bank.checks import IMAGE_TEXT, check_directions
from asif_lib.bank.disk import MAX_PARTS
from asif_lib.bank.record import BankRecord, PartRecord, Side
from asif_lib.bank.writing import (
    NO_ROWS,
    add_version,
    changing,
    check_folder,
    in_blocks,
    plain_table,
    sync,
    write_part,
)
from asif_lib.defaults import DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER
from asif_lib.encoders.identity import BFLOAT16, EncoderIdentity
from asif_lib.encoders.loading import load_encoder
from asif_lib.encoders.pictures import PictureFile, picture_digest
from asif_lib.errors import BankError, BrokenPicturesError, IdentityError, first_names
from asif_lib.files import locked, write_whole

from .workers import ClusterError, check_workers, collect, library, working

SHARD = 1_024
"""Pairs in a shard by default, if a bank's `MAX_PARTS` allow it."""


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


def build_bank(
    client, pairs, folder, image_encoder=DEFAULT_IMAGE_ENCODER, text_encoder=DEFAULT_TEXT_ENCODER, *,
    name=None, shard=None, dtype=torch.float32, skip_broken=False, device="cpu", progress=True,
) -> AnchorBank:  # fmt: skip
    """Encode captioned pictures into a bank on disk with a cluster, and return the bank.

    The embeddings equal the embeddings of one thread that encodes the same shards in turn, up to the last bit for
    captions. The same call continues a build that was interrupted.

    Parameters
    ----------
    client : distributed.Client
        As `connect` gives it. All its workers must see the pictures and the folder under the same paths.
    pairs : Pairs
    folder : str or Path
        Of the bank. An older bank there is replaced at the end.
    image_encoder, text_encoder : str
        Names, as for `load_image_encoder` and `load_text_encoder`. Every worker loads its own encoders.
    name : str, optional
        Default: the name of `pairs`.
    shard : int, optional
        Pairs in a shard, which are lost with a worker. Default: `SHARD`, or more if a bank would have too many parts.
    dtype : torch.dtype
        Of the stored embeddings.
    skip_broken : bool
        Skip pairs whose picture cannot be read.
    device : str
        Of the workers' encoders.

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
    check_folder(folder)
    _check_pairs(pairs)
    size = _shard(shard, len(pairs))
    staging = folder.with_name(f"{folder.name}.building")
    staging.parent.mkdir(parents=True, exist_ok=True)
    encoders = tuple(map(_place, (image_encoder, text_encoder)))
    weights = tuple(map(_folder_mark, encoders))
    order = Order(str(staging), name or pairs.name, pairs.licence, encoders, weights, dtype, skip_broken, device)
    with locked(staging):
        staging.mkdir(exist_ok=True)
        check_workers(client)
        _check_seen(client, staging)
        records = _encode_all(client, pairs, size, order, progress)
        broken = [error for record in records for error in record.get("broken", ())]
        if broken and not skip_broken:
            raise BrokenPicturesError(broken)
        for warning in dict.fromkeys(record["warning"] for record in records if record["warning"]):
            warnings.warn(warning, stacklevel=2)
        _commit(folder, order, [record for record in records if record["count"]])
        _delete(staging)
    return AnchorBank.load(folder)


def _check_pairs(pairs):
    """Check what a shard cannot see, or would see only after hours."""
    if not len(pairs):
        raise BankError(f"{pairs.name}: has no pair to build a bank of")
    ids = pd.Index(pairs.ids)
    if not ids.is_unique:
        twice = first_names(ids[ids.duplicated()].unique())
        raise BankError(f"{pairs.name}: pairs are known by their ids; these occur more than once: {twice}")
    empty = [id for id, caption in zip(pairs.ids, pairs.captions, strict=True) if not caption.strip()]
    if empty:
        raise BankError(f"{pairs.name}: without a caption a picture is no anchor; it is empty of: {first_names(empty)}")


def _place(encoder):
    """Return the absolute path of an encoder's folder, since workers run in another folder; names stay as they are."""
    folder = Path(str(encoder).removesuffix(BFLOAT16))
    return str(Path(encoder).absolute()) if folder.is_dir() else str(encoder)


def _folder_mark(encoder):
    """Return a digest of the files of an encoder's folder; for an encoder known by name it is constant."""
    files = sorted(file for file in Path(encoder.removesuffix(BFLOAT16)).rglob("*") if file.is_file())
    return hashlib.sha256("\n".join(map(_mark, files)).encode()).hexdigest()


def _shard(shard, n):
    least = -(-n // MAX_PARTS)
    shard = max(SHARD, least) if shard is None else shard
    if isinstance(shard, bool) or shard != int(shard) or shard < least:
        raise BankError(
            f"shard = {shard}: must be a whole number of pairs, {least} or more: a bank of {n} pairs has at most "
            f"{MAX_PARTS} parts"
        )
    return int(shard)


def _check_seen(client, staging):
    blind = [address for address, seen in client.run(os.path.isdir, str(staging)).items() if not seen]
    if blind:
        raise _unseen(", ".join(blind), staging)


def _unseen(address, staging):
    return ClusterError(
        f"worker {address} does not see {staging}; put the bank on a disk that all machines see under the same path"
    )


def _encode_all(client, pairs, size, order, progress):
    """Return the records of all shards in their order: those of an earlier build, and the new ones."""
    records, todo = [], {}
    for first in range(0, len(pairs), size):
        shard = pairs.subset(range(first, min(first + size, len(pairs))))
        pictures = [_absolute(picture) for picture in shard.pictures]
        key = _key(shard, pictures, order)
        record = _record_of(Path(order.staging), key)
        if record is None:
            shown = ["" if isinstance(picture, Image.Image) else str(picture) for picture in shard.pictures]
            table = {"id": shard.ids, "caption": shard.captions, "picture": shown, "group": shard.groups}
            todo[len(records)] = (key, pictures, pd.DataFrame(table))
        records.append(record)
    futures = [client.submit(_encode_shard, *task, order, library(), pure=False) for task in todo.values()]
    sizes, numbers = [len(pictures) for _, pictures, _ in todo.values()], list(todo)
    for i, record in collect(client, futures, sizes=sizes, progress=progress, total=len(pairs),
                             initial=len(pairs) - sum(sizes), unit="pair",
                             desc=f"encoding on {len(client.nthreads())} workers"):  # fmt: skip
        records[numbers[i]] = record
    return records


def _absolute(picture):
    """Return the picture with an absolute path, since workers run in another folder."""
    if isinstance(picture, PictureFile):
        return replace(picture, path=Path(picture.path).absolute())
    return picture if isinstance(picture, Image.Image) else Path(picture).absolute()


def _key(shard, pictures, order):
    """Return the key of a shard's record, which changes with everything that affects the shard."""
    how = [order.encoders, order.weights, str(order.dtype), order.skip_broken, order.device]
    pairs = [shard.ids, shard.captions, shard.groups, [_mark(picture) for picture in pictures]]
    return hashlib.sha256(json.dumps([library(), order.name, how, pairs]).encode()).hexdigest()[:24]


def _mark(picture):
    if isinstance(picture, Image.Image):
        return picture_digest(picture)
    try:
        found = os.stat(getattr(picture, "path", picture))
    except OSError:
        return repr(picture)  # the worker reports the error
    return f"{picture!r} {found.st_size} {found.st_mtime_ns}"


def _commit(folder, order, records):
    if not records:
        raise BankError(f"{order.name}: has no pair to build a bank of")
    for i, kind in enumerate(IMAGE_TEXT):
        makers = {EncoderIdentity(**record["encoders"][i]): record["worker"] for record in records}
        if len(makers) > 1:
            which = "; ".join(f"{made.checksum[:8]} on worker {worker}" for made, worker in makers.items())
            raise IdentityError(
                f"{order.encoders[i]}: workers loaded different {kind} encoders under this name ({which}); give all "
                f"the same weights, delete {order.staging}, and repeat"
            )
    sums = {kind: torch.tensor([record["sums"][kind] for record in records]).sum(dim=0) for kind in IMAGE_TEXT}
    count = sum(record["count"] for record in records)
    sides = _sides([EncoderIdentity(**identity) for identity in records[0]["encoders"]], order.dtype)
    parts = [PartRecord(**record["part"]) for record in records]
    about = BankRecord(name=order.name, licence=order.licence, sides=sides, parts=parts)
    with changing(folder):
        for part in about.parts:
            _link(Path(order.staging) / part.name, folder / part.name)
        add_version(folder, about, f"built of {count} pairs", NO_ROWS, count, sums)


def _sides(identities, dtype):
    dtype = str(dtype).removeprefix("torch.")
    return [Side(name=name, dtype=dtype, encoder=made) for name, made in zip(IMAGE_TEXT, identities, strict=True)]


def _link(part, target):
    """Give the files of a part a second name in the bank's folder. The first name must stay until the commit."""
    if target.is_dir():  # linked by a build that was killed before it deleted its folder
        return
    target.mkdir()
    for file in part.iterdir():
        try:
            os.link(file, target / file.name)
        except OSError:  # a disk without links
            shutil.copyfile(file, target / file.name)
            sync(target / file.name)
    sync(target)


def _delete(staging):
    """Delete the records and then the parts, so that no build continues from parts that are half deleted."""
    with contextlib.suppress(OSError):  # the bank is complete, and remaining files do no harm
        for record in staging.glob("shard-*.json"):
            record.unlink()
        shutil.rmtree(staging)


def _record_of(staging, key):
    """Return the record of a finished shard, or None."""
    try:
        record = json.loads((staging / f"shard-{key}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record if record["count"] == 0 or (staging / record["part"]["name"]).is_dir() else None


# The rest runs on the workers.


def _encode_shard(key, pictures, table, order, expected):
    """Encode one shard and write its part; return its record, with the errors of pictures that cannot be read."""
    with working(expected):
        staging = Path(order.staging)
        if not staging.is_dir():
            raise _unseen(get_worker().address, staging)
        if found := _record_of(staging, key):  # a lost worker may have finished it
            return found
        named = zip(IMAGE_TEXT, order.encoders, order.weights, strict=True)
        encoders = [_encoder(*name, order.device) for name in named]
        record = {
            "worker": get_worker().address,
            "encoders": [asdict(encoder.identity) for encoder in encoders],
            "warning": cut_captions(table["caption"].tolist(), table["id"].tolist(), encoders[1]),
            "count": 0,
        }
        image, kept, broken = encoders[0].encode_readable(pictures)
        if broken and not order.skip_broken:
            return {**record, "broken": [error for _, error in broken]}
        if kept:
            table = table.iloc[kept].reset_index(drop=True)
            text = encoders[1].encode(table["caption"].tolist(), progress=False)
            record.update(_write(order, table, image, text, encoders))
        write_whole(staging / f"shard-{key}.json", json.dumps(record).encode())
        return record


@functools.lru_cache(maxsize=2)
def _encoder(kind, name, weights, device):
    return load_encoder(kind, name, device=device)


def _write(order, table, image, text, encoders):
    image, text = image.to(order.dtype), text.to(order.dtype)
    bank = AnchorBank(order.name, image, text, table, *(encoder.identity for encoder in encoders))
    check_directions(bank)
    table, sides = plain_table(table), _sides(bank.encoders.values(), order.dtype)
    blocks = in_blocks({side: bank.rows(side) for side in bank.sides}, table)
    part, sums = write_part(Path(order.staging), sides, len(table), table.schema, blocks)
    return {"part": part.model_dump(), "count": len(table), "sums": {kind: sums[kind].tolist() for kind in IMAGE_TEXT}}
