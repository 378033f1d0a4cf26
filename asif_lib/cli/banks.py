"""Look after data sets and banks: ``asif data`` and ``asif bank``."""

from enum import StrEnum
from typing import Annotated

import typer
from typer import Argument, Option

from asif_lib.bank.record import bank_dir, describe_bank
from asif_lib.datasets.providers import catalogue, dataset_dir, fetch
from asif_lib.defaults import DEFAULT_BANK, DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER
from asif_lib.errors import BankError

from .command import Device, Folder, Name, SkipBroken, app, command, existing_folder, group, say

COLUMNS = "condition over the columns id, caption, picture and group, text in '…'"
Precision = Annotated[
    StrEnum("Precision", "float32 float16 bfloat16"),
    Option(help="of the stored embeddings; 16 bits take half the disk and memory"),
]

bank_app = group(
    "Build a bank of anchors, describe or edit one.",
    "asif bank build stamps",
    "asif bank info stamps",
    "asif bank add birds FOLDER_WITH_METADATA_CSV",
)
app.add_typer(bank_app, name="bank")


@command(app, "data", "asif data", "asif data stamps fashion_mnist")
def _data(names: Annotated[list[str] | None, Argument(metavar="NAME", show_default=False)] = None):
    """List the data sets, or fetch and verify the named ones."""
    for name in names or ():
        there = dataset_dir(name).exists()
        fetch(name)
        if there:
            say(f"{name}: already here, verified")
    rows = []
    for name, entry in catalogue().items():
        if not names or name in names:
            keys = ("kind", "title", "licence", "size_mb", "homepage")
            folder = str(dataset_dir(name)) if dataset_dir(name).exists() else None
            rows.append({"name": name, **{key: entry[key] for key in keys}, "folder": folder})
    text = "\n".join(
        f"{row['name']}  ({row['kind']}, licence {row['licence']}, {row['size_mb']} MB)\n  {row['title']}\n  "
        + (f"in {row['folder']}" if row["folder"] else f"not fetched; run: asif data {row['name']}")
        for row in rows
    )
    return rows, text


@command(bank_app, "build", "asif bank build stamps", "asif bank build birds --from FOLDER_WITH_METADATA_CSV")
def build_and_save(
    name: Name,
    source: Annotated[
        str | None, Option("--from", metavar="FOLDER", help="with a captions table; default: data set NAME")
    ] = None,
    image_encoder: Annotated[str, Option(metavar="NAME")] = DEFAULT_IMAGE_ENCODER,
    text_encoder: Annotated[str, Option(metavar="NAME")] = DEFAULT_TEXT_ENCODER,
    precision: Precision = "float32",
    device: Device = "auto",
    skip_broken: SkipBroken = False,
):
    """Encode captioned pictures into a bank."""
    import torch

    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.datasets.pairs import load_pairs
    from asif_lib.encoders.image import load_image_encoder
    from asif_lib.encoders.text import load_text_encoder

    pairs = load_pairs(source or name)
    encoders = load_image_encoder(image_encoder, device=device), load_text_encoder(text_encoder, device=device)
    bank = AnchorBank.build(pairs, *encoders, skip_broken=skip_broken, name=name)
    _say_left_out(pairs, bank)
    folder = bank_dir(name)
    _say_replaced(folder)
    bank.to(getattr(torch, precision)).save(folder)
    return describe_bank(AnchorBank.load(folder), folder), f"bank {bank.name!r}: {len(bank)} anchors, in {folder}"


def _say_left_out(pairs, bank):
    built = set(bank.pairs["id"])
    for id in pairs.ids:
        if id not in built:
            say(f"left out: {id}")


def _say_replaced(folder):
    try:
        old = _load(folder)
    except BankError:
        return
    if old.version > 1:
        say(f"replacing bank {old.name!r}, which was edited: it was at version {old.version}")


@command(bank_app, "info", "asif bank info stamps")
def _info(name: Name = DEFAULT_BANK):
    """Describe a bank."""
    about = describe_bank(_load(name), bank_dir(name))
    return about, "\n".join(f"{key:36} {value}" for key, value in about.items())


@command(
    bank_app, "add",
    "asif bank add birds FOLDER_WITH_METADATA_CSV", "asif bank add birds FOLDER --skip-broken --json",
)  # fmt: skip
def _add(name: Name, folder: Folder, device: Device = "auto", skip_broken: SkipBroken = False):
    """Append the pictures of a folder with a captions table to a bank; only these are encoded."""
    path = existing_folder(folder)
    from asif_lib.datasets.pairs import load_pairs
    from asif_lib.encoders.loading import load_encoder

    bank, pairs = _load(name), load_pairs(path)
    bank.check_ids_new(pairs.ids)
    identities = bank.image_encoder, bank.text_encoder
    encoders = [load_encoder(identity.kind, identity.locator, device=device) for identity in identities]
    new = bank.embed(pairs, *encoders, skip_broken=skip_broken)
    _say_left_out(pairs, new)
    return _edited(bank.add(new), name, f"added {len(new)} pairs")


@command(
    bank_app, "remove",
    """asif bank remove birds --where "group = 'food'\"""",
    """asif bank remove birds --where "caption like '%cat%' and length(caption) < 20\"""",
    "asif bank remove birds --id owl.png --id crow.png",
)  # fmt: skip
def _remove(
    name: Name,
    where: Annotated[str | None, Option(metavar="SQL", help=COLUMNS)] = None,
    ids: Annotated[list[str] | None, Option("--id", metavar="ID", help="may be repeated")] = None,
):
    """Remove pairs from a bank, by a condition or by id."""
    if (where is None) == (not ids):
        raise typer.BadParameter("say which pairs to remove: by --where SQL, or by --id ID")
    after = _load(name).remove(ids or None, where=where)
    change = after.history()["change"].iloc[-1]
    return _edited(after, name, change, f"; the bytes stay in its files until: asif bank compact {name}")


@command(bank_app, "compact", "asif bank compact birds")
def _compact(name: Name):
    """Delete the removed pairs, and the history, from a bank's files."""
    bank = _load(name)
    after = bank.compact()
    return _edited(after, name, "compacted" if after.version > bank.version else "nothing to compact")


@command(bank_app, "history", "asif bank history birds")
def _history(name: Name):
    """List the versions of a bank since it was built or compacted."""
    rows = _load(name).history().to_dict("records")
    lines = [f"{row['version']:>4}  {row['time']}  {row['count']:>9}  {row['change']}" for row in rows]
    return rows, "\n".join(lines)


@command(bank_app, "undo", "asif bank undo birds")
def _undo(name: Name):
    """Go back to the version of a bank before the last edit."""
    bank = _load(name)
    return _edited(bank.undo(), name, f"undone: {bank.history()['change'].iloc[-1]}")


@command(bank_app, "prepare", "asif bank prepare birds")
def _prepare(name: Name):
    """Keep a rounded copy beside a bank; large searches in it are faster."""
    bank = _load(name).prepare()
    return _edited(bank, name, f"prepared in {bank.index_folder.name}", "; after an edit, prepare it again")


def _load(name):
    from asif_lib.bank.anchors import AnchorBank

    return AnchorBank.load(name)


def _edited(bank, name, change, remark=""):
    about = {
        "name": bank.name,
        "folder": str(bank_dir(name)),
        "version": bank.version,
        "anchors": len(bank),
        "change": change,
    }
    return about, f"bank {bank.name!r}: {change}; {len(bank)} anchors, version {bank.version}{remark}"
