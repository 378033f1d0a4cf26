"""What the fuzzer damages: for each kind of input how a valid one is made, and the operations that read it.

An operation gets the folder with the input, and returns an answer. A folder that is called as the operation holds the
files that it reads.
"""

import contextlib
import io
import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import timm
import torch
from conftest import card_folder, draw, make_sentence_transformer, write_table
from hub_formats import png, write_parquet, write_webdataset
from made_banks import ids, make

from asif_book.classroom.overview import class_progress
from asif_book.widgets.upload import parse_labels, read_upload
from asif_lab import build_index, build_streamed, open_index, streaming
from asif_lab.benchmark import read_configuration, run_benchmark
from asif_lab.benchmark.configuration import check_configuration
from asif_lab.streams import stream_from_hub
from asif_lib import ASIF, AnchorBank, embed, load_image_encoder, load_pairs, load_text_encoder
from asif_lib.bank import concatenate, copies, disk
from asif_lib.cli import main
from asif_lib.datasets.captions import read_table
from asif_lib.datasets.labelled import load_labelled
from asif_lib.encoders.pictures import FORMATS
from asif_lib.errors import AsifError
from asif_lib.zeroshot import make_prompts

from .mutations import add_lookalike, forge, mutate_file


def equal(a, b):
    """Exactly, with NaN equal to NaN."""
    return repr(a) == repr(b)


def close(a, b):
    """Up to rounding: a batch of another size rounds differently."""
    return np.shape(a) == np.shape(b) and np.allclose(a, b, atol=1e-5)


def anything(a, b):
    """What has no checksum may be damaged into something else that is valid: any answer is right."""
    return True


def same_identity(a, b):
    """Encoders of the same identity give the same embeddings."""
    return all(one != other or close(z, w) for (one, z), (other, w) in zip(a, b, strict=True))


@dataclass(frozen=True)
class Target:
    """A kind of input: `make(folder)` writes a valid one, `reads` are the operations, `same` judges their answers."""

    make: Callable
    reads: dict
    same: Callable = equal
    damage: Callable = mutate_file


ENCODERS = {}


def load_encoders(folder):
    """Make and load the two tiny encoders, once for all targets."""
    torch.manual_seed(0)
    timm.models.save_for_hf(timm.create_model("test_vit", num_classes=10), folder / "vit", safe_serialization=True)
    make_sentence_transformer(folder / "bert")
    ENCODERS["image"] = load_image_encoder(folder / "vit", device="cpu")
    ENCODERS["text"] = load_text_encoder(folder / "bert", device="cpu")


# -- banks -----------------------------------------------------------------------------------------------

QUERIES = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


def make_bank(folder):
    """Two parts and removed rows, prepared and with an index; and another bank of the same encoders."""
    bank = AnchorBank.load(make(0, 60).save(folder / "toy")).add(make(60, 80)).remove(ids(3, 70))
    bank.prepare(progress=False)
    build_index(bank, "image", progress=False)
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
    "add the other": edit(lambda folder: toy(folder).add(AnchorBank.load(folder / "other"))),
    "remove": edit(lambda folder: toy(folder).remove(group="bird")),
    "relabel": edit(lambda folder: toy(folder).relabel("id-0007", "another", torch.ones(1, 4))),
    "compact": edit(lambda folder: toy(folder).compact()),
    "undo": edit(lambda folder: toy(folder).undo()),
    "join": copied(joined),
    "save": copied(toy),
    "subset": copied(lambda folder: toy(folder).subset(range(5, 50))),
    "to": copied(lambda folder: toy(folder).to(torch.float16)),
    "search": search,
    "index": lambda f: [z.tolist() for z in open_index(toy(f), "image").search(QUERIES, 5, 1)],
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
        os.environ["ASIF_CACHE"] = str(folder / "cache")
        items = [folder.parent / "drawings" / f"{colour}.png" for colour in ("red", "green", "blue")]
        texts = [f"a {item.stem} {kind}" for item in items for kind in ("square", "otter")]
        return embed(ENCODERS[kind], items if kind == "image" else texts, progress=False).tolist()

    return read


CONFIGURATION = """
title = "Cards"
methods = ["ASIF", "ridge"]
sizes = [10, "all"]
validation = "{0}"
image_encoders = ["colour histogram"]
text_encoders = ["bag of words"]
banks.cards = ["{0}"]
grids.ASIF = {{share = [0.3], p = [1]}}
grids.ridge = {{alpha = [1.0]}}
tasks.find = {{kind = "retrieval", pairs = "{0}"}}
"""


def make_parts(folder):
    cards = card_folder(folder / "cards", [f"#{i:02x}{255 - 6 * i:02x}40" for i in range(30)])
    table = pd.read_csv(cards / "metadata.csv")
    write_table(cards, table.assign(split=["train"] * 18 + ["validation"] * 6 + ["test"] * 6))
    (folder / "configuration").mkdir()
    (folder / "configuration" / "cards.toml").write_text(CONFIGURATION.format(cards))
    measure(folder)


def configured(folder):
    configuration = read_configuration(folder / "configuration" / "cards.toml")
    check_configuration(configuration)
    return configuration


def measure(folder):
    os.environ["ASIF_CACHE"] = str(folder / "cache")
    outcome = run_benchmark(configured(folder), folder, device="cpu", progress=False)
    for what, why in outcome.failures:  # the command says them
        raise AsifError(f"{what}: {why}")
    return outcome.table.to_csv()


def make_staging(folder):
    """The blocks of a build that was killed before the bank was written."""
    write_webdataset(folder.parent / "tars", 12)
    streaming.write_bank = None
    with contextlib.suppress(TypeError):
        stream(folder)


def stream(folder):
    rows = stream_from_hub(folder.parent / "tars")
    return content(build_streamed(rows, folder / "bank", *ENCODERS.values(), block=4, progress=False))


# -- files of people -----------------------------------------------------------------------------------------


def make_files(folder):
    """A folder for each kind of file: pictures, tables, data sets of the hub, progress, embeddings."""
    for kind in (*FORMATS, "csv", "jsonl", "parquet", "import"):
        (folder / kind).mkdir()
    for kind in FORMATS:
        draw("circle", "red").save(folder / kind / "picture", kind)
    rows = [{"file_name": f"{i}.png", "caption": f"caption {i}", "group": "food", "split": "test"} for i in range(5)]
    for kind in ("csv", "jsonl", "parquet"):
        write_table(folder / kind, rows, kind)
        for row in rows:
            (folder / kind / row["file_name"]).write_bytes(png(3))
    write_webdataset(folder / "webdataset", 8, shard=4), write_parquet(folder / "hub", 8, shard=4)
    entry = {"status": "wrong", "tries": 2, "wrong": 1, "first_right": None, "last": "2026-03-01T14:05:00Z"}
    progress = {"exercises": {"04.1": entry | {"message": "no"}}, "format": "asif-progress", "version": 5}
    for student in ("ada", "eve"):
        (folder / "class" / student).mkdir(parents=True)
        (folder / "class" / student / "my_progress.json").write_text(json.dumps(progress))
    (folder / "class" / ".roster.csv").write_text("ada\neve\nzoë\n", encoding="utf-8")
    for side, d in (("image", 6), ("text", 4)):
        np.save(folder / "import" / f"{side}.npy", np.random.default_rng(d).normal(size=(5, d)))
    write_table(folder / "import", [{"caption": row["caption"]} for row in rows], name="captions")


def bring(folder):
    options = {"image-embeddings": "image.npy", "text-embeddings": "text.npy", "captions": "captions.csv"}
    command("bank", "import", folder / "new", **{name: folder / "import" / file for name, file in options.items()})


def command(*words, **options):
    """Run `asif`: its refusal is an `AsifError` again."""
    arguments = [*words, *(word for name, file in options.items() for word in (f"--{name}", file))]
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        status = main([*map(str, arguments)])
    if status == 1:
        raise AsifError(said.getvalue())
    assert status == 0, said.getvalue()


def upload(kind):
    return lambda folder: read_upload("sent.png", (folder / kind / "picture").read_bytes()).size


FILES = {kind: upload(kind) for kind in FORMATS}
FILES |= {kind: lambda f, kind=kind: len(load_pairs(f / kind)) for kind in ("csv", "jsonl", "parquet")}
FILES |= {kind: lambda f, kind=kind: len([*stream_from_hub(f / kind).blocks(4)]) for kind in ("webdataset", "hub")}
FILES |= {"class": lambda f: len(class_progress(f / "class", roster=f / "class" / ".roster.csv")[1]), "import": bring}


# -- files that commands read and write -----------------------------------------------------------------------


def make_written(folder):
    """A bank, and a review with decisions."""
    make(0, 60).save(folder / "toy")
    (folder / "review").mkdir()
    WRITTEN["review"](folder)
    review = pd.read_csv(folder / "review" / "file.csv", dtype=str, keep_default_na=False)
    review.assign(decision="keep").to_csv(folder / "review" / "file.csv", index=False)


def over(name, run):
    """Write over a damaged file: a refusal leaves it as it was; else it is whole, and all decisions are somewhere."""

    def decided(file):
        try:
            return int((read_table(file)["decision"].str.strip() != "").sum())
        except (AsifError, KeyError):
            return 0

    def write(folder):
        file = folder / name / "file.csv"
        before = file.read_bytes() if file.is_file() else None
        decisions = decided(file) if before else 0
        try:
            run(folder, csv=file)
        except AsifError:
            assert before == (file.read_bytes() if file.is_file() else None), "refused, changed"
            raise
        assert not file.is_file() or len(read_table(file)), "not whole"
        assert not [*file.parent.glob(".*")], "half a file is left"
        earlier = file.with_name("file.earlier-1.csv")
        assert decided(file) >= decisions if not earlier.exists() else earlier.read_bytes() == before, "decisions lost"

    return write


WRITTEN = {"review": over("review", lambda folder, csv: command("bank", "review", folder / "toy", csv=csv))}


def make_encoders(folder):
    shutil.copytree(folder.parents[1] / "encoders", folder, dirs_exist_ok=True)


def encoded(kind):
    """The identity of each encoder, and embeddings."""

    def read(folder):
        encoder = {"vit": load_image_encoder, "bert": load_text_encoder}[kind](folder / kind, device="cpu")
        items = {"image": [draw("circle", "red")], "text": ["a red cat"]}
        return encoder.identity.digest, encoder.encode(items[encoder.identity.kind]).tolist()

    return read


# -- texts of people: a file with one text ---------------------------------------------------------------------

CHOICE = {"value": "food"}
QUESTION = {"labels": 'otter, sea lion, "salt, pepper"', "template": "{}"}


def make_texts(folder):
    for name, text in {**CHOICE, **QUESTION}.items():
        (folder / name).mkdir(), (folder / name / "text.txt").write_text(text)
    make(0, 40).save(folder / "toy")
    cards = load_pairs(card_folder(folder / "cards", [f"#{i:02x}{255 - 6 * i:02x}40" for i in range(10)]))
    AnchorBank.build(cards, *ENCODERS.values(), progress=False).save(folder / "asked")


def written(folder, name):
    return (folder / name / "text.txt").read_bytes().decode(errors="surrogateescape")


REMOVALS = {"value": lambda folder: len(toy(folder).remove(group=written(folder, "value")))}


def ask(folder):
    """Ask as the widgets do."""
    bank = AnchorBank.load(folder / "asked")
    labels, template = parse_labels(written(folder, "labels")), written(folder, "template")
    return ASIF(bank, 5, device="cpu").classify(bank.image[[3]], labels, templates=[template]).scores


LABELS = "otter, Straße, café, sea lion, Ærø, ﬁsh, 2 m², Ελλάς, İstanbul, ぱん"


def make_labels(folder):
    for name in LABEL_LISTS:
        (folder / name).mkdir(), (folder / name / "text.txt").write_text(LABELS, encoding="utf-8")


def in_folders(folder, words):
    for word in words:
        with contextlib.suppress(OSError, ValueError):  # no name of a folder
            (folder / "classes" / word).mkdir()
            (folder / "classes" / word / "1.png").write_bytes(png(3))
    return load_labelled(folder / "classes").classes


def in_a_table(folder, words):
    """Ask a picture that is each label's prompt: every label must win once."""
    bank = make(0, len(words) + 2)
    answer = ASIF(bank, 1, 1, center=False, device="cpu").classify(bank.image, words, prompts=bank.text[: len(words)])
    assert set(answer.predicted.tolist()) >= {*range(len(words))}, "a label that cannot win"
    return words


def told_apart(name, labels_of):
    """Read labels: of those that are taken, no two read the same."""

    def read(folder):
        words = parse_labels(written(folder, name))
        labels = labels_of(folder, words)
        read = [unicodedata.normalize("NFKC", label).casefold() for label in labels]
        read = ["".join(c for c in label if unicodedata.category(c) not in ("Cf", "Zs")) for label in read]
        assert len({unicodedata.normalize("NFKD", label) for label in read}) == len(labels), "labels that read the same"
        return labels

    return read


LABEL_LISTS = {
    "line": told_apart("line", lambda _, words: make_prompts(words, ["{}"])),
    "classes": told_apart("classes", in_folders),
    "table": told_apart("table", in_a_table),
}

TARGETS = {
    "bank": Target(make_bank, BANK | {"open": lambda folder: content(toy(folder))}),
    "large bank": Target(make_bank, {name: as_large(read) for name, read in BANK.items()}),
    "forged bank": Target(make_bank, BANK, anything, forge),
    "cache": Target(make_cache, {kind: cached(kind) for kind in ("image", "text")}, close),
    "parts": Target(make_parts, {"parts": measure}),
    "configuration": Target(make_parts, {"configuration": configured}, anything),
    "unfinished build": Target(make_staging, {"bank.building": stream}),
    "files": Target(make_files, FILES, anything),
    "written files": Target(make_written, WRITTEN, anything),
    "encoder": Target(make_encoders, {kind: encoded(kind) for kind in ("vit", "bert")}, same_identity),
    "removal": Target(make_texts, REMOVALS, anything),
    "labels": Target(make_labels, LABEL_LISTS, anything, add_lookalike),
    "question": Target(make_texts, dict.fromkeys(QUESTION, ask), anything),
}
