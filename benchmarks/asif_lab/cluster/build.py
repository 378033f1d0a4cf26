"""Build a bank with a cluster: each task builds the bank of one shard of the pairs, and the client joins the banks.

The banks of the shards lie in a folder beside the bank, ``NAME.building``. A shard is finished when its folder has a
``bank.json``. The folder's name is a digest of everything that affects the shard. So a lost worker or a killed build
loses only unfinished shards, and a shard whose pairs, pictures, encoders or library changed is built again. The lock
``NAME.building.lock`` stays. It lies outside, since a network file system deletes no folder with an open file.

The cache of embeddings is not used: its file has one writer at a time, and workers would wait for it.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from distributed import get_worker
from PIL import Image

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.building import cut_captions, table_of_pairs
from asif_lib.bank.checks import check_ids
from asif_lib.bank.joining import concatenate
from asif_lib.bank.writing import check_folder
from asif_lib.defaults import DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER
from asif_lib.encoders.loading import load_encoder
from asif_lib.encoders.pictures import PictureFile, picture_digest
from asif_lib.errors import BankError, BrokenPicturesError, IdentityError
from asif_lib.files import locked

from .workers import check_seen, check_workers, collect, library, working

SHARD, MOST_SHARDS = 1_024, 256
"""Pairs in a shard by default; and the most shards of a build, whose banks are all open when they are joined."""


def build_bank(
    client, pairs, folder, image_encoder=DEFAULT_IMAGE_ENCODER, text_encoder=DEFAULT_TEXT_ENCODER, *,
    name=None, shard=None, dtype=torch.float32, skip_broken=False, device="cpu", progress=True,
) -> AnchorBank:  # fmt: skip
    """Encode captioned pictures into a bank on disk with a cluster, and return the bank.

    The embeddings equal the embeddings of one thread that encodes the same shards in turn, up to the last bit for
    captions. The same call continues a build that was interrupted.

    Raises `BrokenPicturesError` if pictures cannot be read; it lists all of them. Raises `ClusterError` if workers have
    another version of the library, do not see the folder, or are lost again and again. Raises `IdentityError` if a
    worker loads another encoder under the same name. Raises `BankError` if an id, a caption or an embedding cannot be
    used, no pair is left, or the folder cannot be written.

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
        Pairs in a shard, which are lost with a worker. Default: `SHARD`, or more if there would be over `MOST_SHARDS`.
    dtype : torch.dtype
        Of the stored embeddings.
    skip_broken : bool
        Skip pairs whose picture cannot be read.
    device : str
        Of the workers' encoders.
    """
    folder = Path(folder).absolute()
    check_folder(folder)
    check_ids(pd.DataFrame({"id": pairs.ids}))  # no shard sees them all
    size = _shard(shard, len(pairs))
    pairs = replace(pairs, name=name or pairs.name, pictures=[_absolute(picture) for picture in pairs.pictures])
    names = ("image", image_encoder), ("text", text_encoder)
    encoders = [load_encoder(*name, device="cpu").identity for name in names]
    staging = folder.with_name(f"{folder.name}.building")
    how = encoders, dtype, skip_broken, device  # workers must load encoders of the same identity
    staging.parent.mkdir(parents=True, exist_ok=True)
    with locked(staging):
        staging.mkdir(exist_ok=True)
        check_workers(client)
        shards = [pairs.subset(range(i, min(i + size, len(pairs)))) for i in range(0, len(pairs), size)]
        folders = [staging / f"shard-{_key(shard, how)}" for shard in shards]
        broken = _build_shards(client, shards, folders, how, progress)
        if broken and not skip_broken:
            raise BrokenPicturesError(broken)
        banks = [AnchorBank.load(folder) for folder in folders if _is_finished(folder)]
        if not banks:
            raise BankError(f"{pairs.name}: has no pair to build a bank of")
        concatenate(banks, pairs.name).save(folder)
        _delete(staging)
    return AnchorBank.load(folder)


def _shard(shard, n):
    least = max(1, -(-n // MOST_SHARDS))
    shard = max(SHARD, least) if shard is None else shard
    if isinstance(shard, bool) or shard != int(shard) or shard < least:
        fault = f"shard = {shard}: must be a whole number of pairs, {least} or more"
        raise BankError(f"{fault}: a build of {n} pairs has at most {MOST_SHARDS} shards")
    return int(shard)


def _absolute(picture):
    """Return the picture with an absolute path, since workers run in another folder."""
    if isinstance(picture, PictureFile):
        return replace(picture, path=Path(picture.path).absolute())
    return picture if isinstance(picture, Image.Image) else Path(picture).absolute()


def _key(shard, how):
    """Return the digest of everything that affects a shard's bank."""
    pairs = [shard.ids, shard.captions, shard.groups, [_mark(picture) for picture in shard.pictures]]
    encoders, *others = how
    content = [library(), shard.name, shard.licence, [encoder.digest for encoder in encoders], str(others), pairs]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


def _mark(picture):
    if isinstance(picture, Image.Image):
        return picture_digest(picture)
    try:
        found = os.stat(getattr(picture, "path", picture))
    except OSError:
        return repr(picture)  # the worker reports the error
    return f"{picture!r} {found.st_size} {found.st_mtime_ns}"


def _build_shards(client, shards, folders, how, progress):
    """Build the shards that are not finished; return the errors of pictures that cannot be read."""
    todo = [i for i, folder in enumerate(folders) if not _is_finished(folder)]
    futures = [client.submit(_build_shard, shards[i], folders[i], how, library(), pure=False) for i in todo]
    sizes, total = [len(shards[i]) for i in todo], sum(map(len, shards))
    broken = {}
    for i, (cut, errors) in collect(
        client, futures, sizes=sizes, progress=progress, total=total, initial=total - sum(sizes), unit="pair",
        desc=f"encoding on {len(client.nthreads())} workers",
    ):  # fmt: skip
        broken[i] = errors
        if cut:
            warnings.warn(cut, stacklevel=3)
    return [error for i in sorted(broken) for error in broken[i]]


def _is_finished(folder):
    return (folder / "bank.json").exists()


def _delete(staging):
    """Delete each ``bank.json`` first, so that no build continues from a shard that is half deleted."""
    with contextlib.suppress(OSError):  # the bank is complete, and remaining files do no harm
        for record in staging.glob("shard-*/bank.json"):
            record.unlink()
        shutil.rmtree(staging)


# The rest runs on the workers.


def _build_shard(pairs, folder, how, expected):
    """Save the bank of a shard; return a warning of long captions, and the errors of pictures that cannot be read."""
    with working(expected):
        check_seen(folder.parent)
        if _is_finished(folder):  # by a worker that was lost before it could say so
            return None, []
        identities, dtype, skip_broken, device = how
        image_encoder, text_encoder = (_encoder(identity, device) for identity in identities)
        cut = cut_captions(pairs.captions, pairs.ids, text_encoder)
        image, kept, broken = image_encoder.encode_readable(pairs.pictures)  # (m, d_image)
        if kept and (skip_broken or not broken):
            pairs = pairs.subset(kept)
            text = text_encoder.encode(pairs.captions, progress=False)  # (m, d_text)
            encoders = image_encoder, text_encoder
            bank = AnchorBank(pairs.name, image, text, table_of_pairs(pairs), *encoders, pairs.licence)
            bank.to(dtype).save(folder)
        return cut, [error for _, error in broken]


@functools.lru_cache(maxsize=2)
def _encoder(identity, device):
    encoder = load_encoder(identity.kind, identity.locator, device=device)
    if encoder.identity != identity:
        fault = f"worker {get_worker().address} loaded {encoder.identity}, the client {identity}"
        raise IdentityError(f"{fault}: give all the same weights, and repeat")
    return encoder
