"""A bank built by a cluster: each task encodes one shard of the pairs and writes it as one part.

The parts come together in a folder beside the bank's, ``NAME.building``, and each that is finished leaves a record of
itself there, so that neither a lost worker nor a killed build costs more than the shards that were under way. The
bank's folder is touched once, at the end and under its lock: the files of the parts get a second name there, and
``bank.json`` is replaced. Only then is the folder beside it deleted. Its lock, ``NAME.building.lock``, stays: it is
outside the folder, which a network's file system does not delete while a file in it is open.

The cache of embeddings is not used: its file takes one writer at a time, and workers would queue for it.
"""

import contextlib
import hashlib
import json
import os
import shutil
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.editing import MAX_PARTS
from asif_lib.bank.layout import FORMAT_VERSION, MODALITIES, OURS
from asif_lib.bank.selecting import some
from asif_lib.bank.writing import add_version, changing, sync
from asif_lib.encoders.identity import BFLOAT16, EncoderIdentity
from asif_lib.encoders.pictures import PictureFile, picture_digest
from asif_lib.errors import BankError, BrokenPicturesError, IdentityError
from asif_lib.files import locked

from .shard import Order, encode_shard, record_of, unseen
from .workers import ClusterError, check_workers, collect, library

SHARD = 1_024
"""Pairs in a shard where the caller does not say, as far as a bank's `MAX_PARTS` allow it."""


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
        for said in dict.fromkeys(said for record in records for said in record["warnings"]):
            warnings.warn(said, stacklevel=2)
        _commit(folder, order, [record for record in records if record["count"]])
        _delete(staging)
    return AnchorBank.load(folder)


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


def _place(encoder):
    """The absolute path of an encoder's folder, for a worker's working directory is another; names stay as they are."""
    folder = Path(str(encoder).removesuffix(BFLOAT16))
    return str(Path(encoder).absolute()) if folder.is_dir() else str(encoder)


def _folder_mark(encoder):
    """What changes with the files of an encoder's folder; the same for all that are known by name."""
    files = sorted(file for file in Path(encoder.removesuffix(BFLOAT16)).rglob("*") if file.is_file())
    return hashlib.sha256("\n".join(map(_mark, files)).encode()).hexdigest()


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
        raise ClusterError(unseen(", ".join(blind), staging))


def _encode_all(client, pairs, size, order, progress):
    """The records of all shards, in their order: those that an earlier build left, and the new ones."""
    records, todo = {}, {}
    for first in range(0, len(pairs), size):
        shard = pairs.subset(range(first, min(first + size, len(pairs))))
        pictures = [_absolute(picture) for picture in shard.pictures]
        key = _key(shard, pictures, order)
        found = record_of(Path(order.staging), key)
        if found:
            records[first] = found
        else:
            shown = ["" if isinstance(picture, Image.Image) else str(picture) for picture in shard.pictures]
            table = {"id": shard.ids, "caption": shard.captions, "picture": shown, "group": shard.groups}
            todo[first] = (key, pictures, pd.DataFrame(table))
    futures = [client.submit(encode_shard, *task, order, library(), pure=False) for task in todo.values()]
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
    how = [order.encoders, order.weights, str(order.dtype), order.skip_broken, order.device]
    pairs = [shard.ids, shard.captions, shard.groups, [_mark(picture) for picture in pictures]]
    return hashlib.sha256(json.dumps([library(), order.name, how, pairs]).encode()).hexdigest()[:24]


def _mark(picture):
    if isinstance(picture, Image.Image):
        return picture_digest(picture)
    try:
        found = os.stat(getattr(picture, "path", picture))
    except OSError:
        return repr(picture)  # the worker says what is wrong with it
    return f"{picture!r} {found.st_size} {found.st_mtime_ns}"


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
            _link(Path(order.staging) / part, folder / part)
        add_version(folder, about, f"built of {count} pairs", count, np.empty(0, np.int64), sums)


def _link(part, target):
    """Give the files of a part a second name in the bank's folder: until the commit is made the first must stay."""
    if target.is_dir():  # the bank's already, from a build that was killed before it deleted its folder
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
    """Delete what is the bank's now; the records first, so that no build goes on from parts that are half deleted."""
    with contextlib.suppress(OSError):  # the bank is there, and what stays does no harm
        for record in staging.glob("shard-*.json"):
            record.unlink()
        shutil.rmtree(staging)
