"""What is damaged and killed: how a valid input is made, the operations that read it, and a process to try one in.

An operation gets the folder with the input, and returns an answer. A folder with the name of an operation holds the
files that it reads.
"""

import os
import pickle
import random
import resource
import shutil
import signal
import uuid
from pathlib import Path

import pytest
import torch
from conftest import draw, write_table
from hub_formats import png, write_parquet, write_webdataset
from made_banks import ids, make

from asif_lab import build_streamed, streaming
from asif_lab.streams import stream_from_hub
from asif_lib import ASIF, AnchorBank, embed, load_pairs
from asif_lib.bank import concatenate, copies, disk
from asif_lib.encoders.pictures import FORMATS, open_picture
from asif_lib.errors import AsifError, first_line

SECONDS, MEMORY, FILE = 20, 2**31, 2**28
"""Limits of a case: seconds of computing (thrice on the clock), bytes on top of the parent's, bytes of a file."""
ENCODERS = {}
"""The two tiny encoders, by kind, once a test has set them."""


def in_child(function, *arguments, outcome):
    """Run a function in a fork, with `outcome` as the file of its answer. Return the answer and no words, or words."""
    outcome.unlink(missing_ok=True)
    process = os.fork()
    if not process:
        try:
            torch.set_num_threads(1)
            mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            limits = {resource.RLIMIT_AS: mapped + MEMORY, resource.RLIMIT_FSIZE: FILE, resource.RLIMIT_CPU: SECONDS}
            for what, limit in limits.items():
                resource.setrlimit(what, (limit, limit))
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends the process, whatever this does
            signal.alarm(3 * SECONDS)
            result = function(*arguments), None
        except AsifError as error:
            result = "refused", None if str(error).strip() else "an error without words"
        except BaseException as error:
            result = None, f"{type(error).__name__}: {first_line(error)}"
        outcome.write_bytes(pickle.dumps(result))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status == 0:
        return pickle.loads(outcome.read_bytes())
    return None, f"ends with status {status}"


def made(folder, make_input):
    """Write the valid input into ``folder/case``, under names that are the same in each run, and keep it aside."""
    case, rng = folder / "case", random.Random(0)
    case.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=rng.getrandbits(128)))
        make_input(case)
    return case.rename(folder / "valid")


def fresh(folder):
    """Put a copy of the valid input at the place where it was made."""
    shutil.rmtree(folder / "case", ignore_errors=True)
    return Path(shutil.copytree(folder / "valid", folder / "case"))


# -- banks -----------------------------------------------------------------------------------------------

QUERIES = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


def make_bank(folder):
    """Two parts and removed rows, prepared; and another bank of the same encoders."""
    bank = AnchorBank.load(make(0, 60).save(folder / "toy")).add(make(60, 80)).remove(ids(3, 70))
    bank.prepare(progress=False)
    make(100, 110).save(folder / "other")


def content(bank):
    """All that a bank says."""
    sides = [[bank.matrix(side).tolist(), bank.mean(side).tolist()] for side in bank.sides]
    return [bank.name, bank.licence, bank.encoders, sides, bank.pairs.to_dict("list")]


def toy(folder, **how):
    return AnchorBank.load(folder / "toy", **how)


def joined(folder):
    return concatenate([toy(folder), AnchorBank.load(folder / "other")])


def edit(change):
    """Edit the bank on disk: the answer is what it holds when it is opened again; a refusal changes no file."""

    def read(folder):
        regular = [f for f in folder.rglob("*") if f.is_file() and not f.is_symlink() and f.suffix != ".lock"]
        before = {file: file.read_bytes() for file in regular}
        try:
            change(folder)
        except AsifError:
            assert all(file.is_file() and file.read_bytes() == was for file, was in before.items()), "refused, changed"
            raise
        return content(toy(folder, verify=True))

    return read


def copied(choose):
    return lambda folder: content(AnchorBank.load(choose(folder).save(folder / "copy"), verify=True))


def search(folder):
    found = ASIF(toy(folder), 8, 2, device="cpu").images(QUERIES)
    return [found.indices.tolist(), found.values.tolist()]


BANK = {
    "verify": lambda folder: content(toy(folder, verify=True)),
    "add": edit(lambda folder: toy(folder).add(make(200, 205))),
    "remove": edit(lambda folder: toy(folder).remove(group="bird")),
    "relabel": edit(lambda folder: toy(folder).revise({"id-0007": "another"}, torch.ones(1, 4))),
    "compact": edit(lambda folder: toy(folder).compact()),
    "undo": edit(lambda folder: toy(folder).undo()),
    "join": copied(joined),
    "search": search,
}


def as_large(read):
    """The operation as on a bank of 64 MiB or more, whose files are not compared when it is opened."""

    def reading(folder):
        disk.SMALL = copies.SMALL = 0
        return read(folder)

    return reading


# -- caches, and work that was interrupted -----------------------------------------------------------------


def make_cache(folder):
    (folder.parent / "drawings").mkdir(exist_ok=True)
    for colour in ("red", "green", "blue"):
        draw("circle", colour).save(folder.parent / "drawings" / f"{colour}.png")
    cached("image")(folder), cached("text")(folder)


def cached(kind):
    def read(folder):
        items = [folder.parent / "drawings" / f"{colour}.png" for colour in ("red", "green", "blue")]
        texts = [f"a {item.stem} {kind}" for item in items for kind in ("square", "otter")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ASIF_CACHE", str(folder / "cache"))
            rows = embed(ENCODERS[kind], items if kind == "image" else texts, progress=False)
        return rows.double().round(decimals=4).tolist()  # a batch of another size rounds differently

    return read


def make_staging(folder):
    """The blocks of a build that was killed before the bank was written."""
    write_webdataset(folder.parent / "tars", 12)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(streaming, "write_bank", None)
        stream(folder)


def stream(folder):
    rows = stream_from_hub(folder.parent / "tars")
    return content(build_streamed(rows, folder / "bank", *ENCODERS.values(), block=4, progress=False))


# -- files of people -----------------------------------------------------------------------------------------


def make_files(folder):
    """A folder for each kind of file: pictures, tables, data sets of the hub."""
    for kind in (*FORMATS, *TABLES):
        (folder / kind).mkdir()
    for kind in FORMATS:
        draw("circle", "red").save(folder / kind / "picture", kind)
    rows = [{"file_name": f"{i}.png", "caption": f"caption {i}", "group": "food", "split": "test"} for i in range(5)]
    for kind in TABLES:
        write_table(folder / kind, rows, kind)
        for row in rows:
            (folder / kind / row["file_name"]).write_bytes(png(3))
    write_webdataset(folder / "webdataset", 8, shard=4), write_parquet(folder / "hub", 8, shard=4)


TABLES = ("csv", "jsonl", "parquet")
FILES = {kind: lambda folder, kind=kind: open_picture(folder / kind / "picture").size for kind in FORMATS}
FILES |= {kind: lambda f, kind=kind: len(load_pairs(f / kind)) for kind in TABLES}
FILES |= {kind: lambda f, kind=kind: len([*stream_from_hub(f / kind).blocks(4)]) for kind in ("webdataset", "hub")}
