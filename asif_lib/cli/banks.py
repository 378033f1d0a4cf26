"""Look after data sets and banks: ``asif data`` and ``asif bank``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from asif_lib.bank.record import BankFormatError, bank_dir, bank_name, describe_bank, read_record
from asif_lib.datasets.providers import catalogue, dataset_dir, fetch
from asif_lib.defaults import DEFAULT_BANK, DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER, HUB
from asif_lib.encoders.weights import check_name
from asif_lib.errors import BankError, DataError, ParameterError

from .command import (
    EMBEDDINGS_KEPT,
    Device,
    Folder,
    Name,
    Replace,
    SkipBroken,
    app,
    command,
    existing_folder,
    group,
    say,
)

COLUMNS = "condition over the columns id, caption, picture and group, text in '…'"
OWN = "default: {}; with embeddings: the name of the model that made them"
OF_HUB = "of a data set of the hub:"
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


@command(
    bank_app, "build",
    "asif bank build stamps", "asif bank build birds --from FOLDER_WITH_METADATA_CSV",
    "asif bank build cc12m --from hub:pixparse/cc12m-wds --limit 1600000 --precision bfloat16",
    "asif bank build mine --image-embeddings a.npy --text-embeddings b.npy --captions c.csv --image-encoder dinov2",
    kept=EMBEDDINGS_KEPT,
)  # fmt: skip
def build_and_save(
    name: Name,
    source: Annotated[
        str | None,
        Option("--from", metavar="FOLDER", help="with a captions table, or hub:REPOSITORY; default: data set NAME"),
    ] = None,
    splits: Annotated[
        list[str] | None,
        Option("--split", metavar="NAME", help="may be repeated; default: all; of the hub: one, train"),
    ] = None,
    picture_column: Annotated[str | None, Option(metavar="NAME", help=f"{OF_HUB} the pictures")] = None,
    caption_column: Annotated[str | None, Option(metavar="NAME", help=f"{OF_HUB} the captions")] = None,
    limit: Annotated[int | None, Option(metavar="N", min=1, help=f"{OF_HUB} the first N rows")] = None,
    image_encoder: Annotated[str | None, Option(metavar="NAME", help=OWN.format(DEFAULT_IMAGE_ENCODER))] = None,
    text_encoder: Annotated[str | None, Option(metavar="NAME", help=OWN.format(DEFAULT_TEXT_ENCODER))] = None,
    precision: Precision = "float32",
    device: Device = "auto",
    skip_broken: SkipBroken = False,
    replace: Replace = False,
    image_embeddings: Annotated[str | None, Option(metavar="FILE", help="your own, .npy, (n, d)")] = None,
    text_embeddings: Annotated[str | None, Option(metavar="FILE", help="your own, .npy, (n, d)")] = None,
    captions: Annotated[
        str | None, Option(metavar="FILE", help="of your embeddings: a table with a column caption")
    ] = None,
    encoders_of: Annotated[str | None, Option(metavar="BANK", help="whose encoders made your embeddings")] = None,
):
    """Encode captioned pictures into a bank, or make one of embeddings of your own."""
    own = image_embeddings, text_embeddings, captions
    check_replace(name, replace, rebuild=not any(own))
    if encoders_of and (image_encoder or text_encoder or not any(own)):
        raise ParameterError("--encoders-of BANK goes with embeddings of your own, in place of names of encoders")
    if any(own):
        if not all(own):
            raise ParameterError("give all three: --image-embeddings, --text-embeddings and --captions")
        if source:
            raise ParameterError("a bank is built of pictures (--from) or of embeddings, not of both")
        if encoders_of:
            record = read_record(bank_dir(encoders_of), encoders_of)
            image_encoder, text_encoder = record.encoders.values()
        return _saved(_of_embeddings(name, *own, splits, image_encoder, text_encoder), name, precision)
    columns = {"picture": picture_column, "caption": caption_column}
    if not (source or "").startswith(HUB) and (limit or any(columns.values())):
        raise ParameterError(f"--limit and the options for columns go with --from {HUB}REPOSITORY")
    names = {"image": image_encoder or DEFAULT_IMAGE_ENCODER, "text": text_encoder or DEFAULT_TEXT_ENCODER}
    for kind, encoder in names.items():
        check_name(encoder, kind)
    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.datasets.pairs import load_pairs
    from asif_lib.encoders.loading import load_encoder

    if (source or "").startswith(HUB):
        if skip_broken:
            raise ParameterError(f"{HUB}: rows that cannot be used are always left out and listed; omit --skip-broken")
        check_replace(name, replace)
        return _streamed(name, source.removeprefix(HUB), splits, columns, limit, names, precision, device)
    pairs = load_pairs(source or name)
    if source or splits:
        pairs = _of_splits(pairs, splits, pairs.splits, source or name)
    encoders = [load_encoder(kind, encoder, device=device) for kind, encoder in names.items()]
    check_replace(name, replace, rebuild=_is_of(name, pairs, encoders))
    bank = AnchorBank.build(pairs, *encoders, skip_broken=skip_broken, name=bank_name(name))
    _say_about(pairs, bank)
    return _saved(bank, name, precision)


def _streamed(name, repository, splits, columns, limit, names, precision, device):
    import torch

    from asif_lib.bank.streaming import build_streamed
    from asif_lib.datasets.streams import stream_from_hub
    from asif_lib.encoders.loading import load_encoder

    if len(splits or ()) > 1:
        raise ParameterError(f"{HUB}{repository}: of a data set of the hub, name one --split")
    stream = stream_from_hub(repository, *(splits or ()), **columns)
    encoders = [load_encoder(kind, encoder, device=device) for kind, encoder in names.items()]
    how = {"name": bank_name(name), "limit": limit, "dtype": getattr(torch, precision)}
    bank = build_streamed(stream, bank_dir(name), *encoders, **how)
    return describe_bank(bank, bank_dir(name)), f"bank {bank.name!r}: {len(bank)} anchors, in {bank_dir(name)}"


def _of_splits(pairs, names, splits, source):
    """The part of `pairs`, or of a bank, in the splits of these names; without names all of it, and a remark."""
    for name in names or ():
        if name not in splits:
            raise DataError(f"{source}: has no split {name!r}; it has: {', '.join(splits) or 'none'}")
    if names:
        return pairs.subset([int(row) for name in dict.fromkeys(names) for row in splits[name]])
    if splits:
        say("uses all splits: " + ", ".join(f"{name} {len(rows)}" for name, rows in splits.items()))
    return pairs


def _is_of(name, pairs, encoders):
    """Whether the bank called `name`, if it can be opened, holds these pairs, made by these encoders."""
    try:
        bank = load(name)
    except BankError:
        return True
    same = all(bank.pairs[column].tolist() == getattr(pairs, f"{column}s") for column in ("id", "caption"))
    return same and [bank.image_encoder, bank.text_encoder] == [encoder.identity for encoder in encoders]


def _of_embeddings(name, image, text, captions, splits, image_encoder, text_encoder):
    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.datasets.captions import read_captions
    from asif_lib.datasets.pairs import TABLE_SUFFIXES

    matrices = [_matrix(file) for file in (image, text)]
    if Path(captions).suffix not in TABLE_SUFFIXES:
        raise DataError(f"{captions}: a captions table is a file with the ending {', '.join(TABLE_SUFFIXES)}")
    table, folder = read_captions(Path(captions), pictures=False), Path(captions).absolute().parent
    columns = {"groups": table["group"].tolist()} if "group" in table else {}
    if "file_name" in table:
        columns |= {"ids": table.file_name.tolist(), "pictures": [folder / file for file in table.file_name]}
    encoders = {"image_encoder": image_encoder, "text_encoder": text_encoder}
    bank = AnchorBank.from_embeddings(*matrices, table.caption.tolist(), **columns, **encoders, name=bank_name(name))
    rows = table.groupby("split").indices if "split" in table else {}
    return _of_splits(bank, splits, {split: rows[split] for split in rows if split}, captions)


def _matrix(file):
    """The matrix in a file of NumPy, mapped."""
    import numpy as np

    if not Path(file).exists():
        raise DataError(f"{file}: there is no such file")
    try:
        matrix = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: is not a matrix that numpy.save wrote ({error})") from None
    if not isinstance(matrix, np.ndarray):
        raise DataError(f"{file}: holds several arrays; save one matrix with numpy.save")
    return matrix


def _saved(bank, name, precision):
    import torch

    folder = bank.to(getattr(torch, precision)).save(bank_dir(name))
    return describe_bank(load(name), folder), f"bank {bank.name!r}: {len(bank)} anchors, in {folder}"


def _say_about(pairs, bank):
    """Name the pairs that are left out, and count captions that occur again."""
    if repeated := len(bank) - bank.pairs["caption"].nunique():
        say(f"{repeated} of {len(bank)} captions repeat an earlier one; all pairs are kept")
    built = set(bank.pairs["id"])
    for id in pairs.ids:
        if id not in built:
            say(f"left out: {id}")


def check_replace(name, replace, rebuild=False):
    """Raise `BankError` if a bank of that name would be lost; `replace` allows it, `rebuild` for one without edits."""
    try:
        newest = read_record(bank_dir(name), name).newest
    except BankFormatError:  # it may hold edits
        if replace:
            return
        raise
    except BankError:
        return
    if replace or (rebuild and newest.version == 1):
        return
    why = f"is there already, with {newest.count} pairs; to lose it"
    if newest.version > 1:
        why = f"was edited (it is at version {newest.version}: {newest.change}); to lose the edits"
    raise BankError(f"bank {name!r} {why}: --replace")


@command(bank_app, "info", "asif bank info stamps")
def _info(name: Name = DEFAULT_BANK):
    """Describe a bank."""
    about = describe_bank(load(name), bank_dir(name))
    return about, "\n".join(f"{key:36} {value}" for key, value in about.items())


@command(
    bank_app, "add",
    "asif bank add birds FOLDER_WITH_METADATA_CSV", "asif bank add birds FOLDER --skip-broken --json",
    kept=EMBEDDINGS_KEPT,
)  # fmt: skip
def _add(name: Name, folder: Folder, device: Device = "auto", skip_broken: SkipBroken = False):
    """Append the pictures of a folder with a captions table to a bank; only these are encoded."""
    path = existing_folder(folder)
    from asif_lib.datasets.pairs import load_pairs
    from asif_lib.encoders.loading import load_encoder_of

    bank, pairs = load(name), load_pairs(path)
    bank.check_ids_new(pairs.ids)
    identities = bank.image_encoder, bank.text_encoder
    encoders = [load_encoder_of(identity, device=device) for identity in identities]
    new = bank.embed(pairs, *encoders, skip_broken=skip_broken)
    _say_about(pairs, new)
    return edited(bank.add(new), name, f"added {len(new)} pairs")


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
        raise typer.BadParameter("say which pairs to remove by only one of the two: --where SQL, or --id ID")
    after = load(name).remove(ids or None, where=where)
    change = after.history()["change"].iloc[-1]
    return edited(after, name, change, f"; the bytes stay in its files until: asif bank compact {name}")


@command(bank_app, "relabel", 'asif bank relabel birds --id owl.png --caption "A barn owl."')
def _relabel(
    name: Name,
    id: Annotated[str, Option("--id", metavar="ID")],
    caption: Annotated[str, Option(metavar="TEXT", help="the new one")],
    device: Device = "auto",
):
    """Give a pair of a bank another caption; only this caption is encoded."""
    from asif_lib.encoders.loading import load_encoder_of

    bank = load(name)
    after = bank.relabel(id, caption, text_encoder=load_encoder_of(bank.text_encoder, device=device))
    return edited(after, name, after.history()["change"].iloc[-1])


@command(bank_app, "compact", "asif bank compact birds")
def _compact(name: Name):
    """Delete the removed pairs, and the history, from a bank's files."""
    bank = load(name)
    after = bank.compact()
    return edited(after, name, "compacted" if after.version > bank.version else "nothing to compact")


@command(bank_app, "history", "asif bank history birds")
def _history(name: Name):
    """List the versions of a bank since it was built or compacted."""
    rows = load(name).history().to_dict("records")
    lines = [f"{row['version']:>4}  {row['time']}  {row['count']:>9}  {row['change']}" for row in rows]
    return rows, "\n".join(lines)


@command(bank_app, "undo", "asif bank undo birds")
def _undo(name: Name):
    """Go back to the version of a bank before the last edit."""
    bank = load(name)
    return edited(bank.undo(), name, f"undone: {bank.history()['change'].iloc[-1]}")


@command(bank_app, "prepare", "asif bank prepare birds")
def _prepare(name: Name):
    """Keep a rounded copy beside a bank; large searches in it are faster."""
    bank = load(name).prepare()
    return edited(bank, name, f"prepared in {bank.index_folder.name}", "; after an edit, prepare it again")


def load(name):
    """Open a bank."""
    from asif_lib.bank.anchors import AnchorBank

    return AnchorBank.load(name)


def edited(bank, name, change, remark=""):
    """Return the answer of a command that changed a bank."""
    about = {
        "name": bank.name,
        "folder": str(bank_dir(name)),
        "version": bank.version,
        "anchors": len(bank),
        "change": change,
    }
    return about, f"bank {bank.name!r}: {change}; {len(bank)} anchors, version {bank.version}{remark}"
