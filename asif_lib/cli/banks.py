"""Look after data sets and banks: ``asif data`` and ``asif bank``."""

import shlex
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from asif_lib import defaults
from asif_lib.bank.record import bank_dir, bank_name, read_record
from asif_lib.datasets.providers import catalogue, check_known, dataset_dir, fetch
from asif_lib.encoders.identity import MULTILINGUAL, is_outdated
from asif_lib.encoders.weights import check_name
from asif_lib.errors import BankError, DataError, ParameterError
from asif_lib.files import cache_dir, free_name, write_whole
from asif_lib.settings import Settings

from .command import (
    Device,
    Folder,
    Name,
    Replace,
    SkipBroken,
    app,
    check_targets,
    command,
    existing_folder,
    group,
    say,
    write_csv,
)

SHOWN, ENGLISH = 10, defaults.DEFAULT_TEXT_ENCODER
Splits = Annotated[list[str] | None, Option("--split", metavar="NAME", help="may be repeated; default: all")]
Encoder = Annotated[str, Option(metavar="NAME", help="a name, or a folder")]
TextEncoder = Annotated[str | None, Option(metavar="NAME", help=f"default: {ENGLISH}; with --language, {MULTILINGUAL}")]
Model = Annotated[str | None, Option(metavar="NAME", help="the model that made the embeddings")]
Matrix = Annotated[str | None, Option(metavar="FILE", help="an (n, d) matrix, .npy or .pt, or a folder of parts")]
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
    """List the data sets, or fetch the named ones and compare them with their checksums."""
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


# -- new banks -------------------------------------------------------------------------------------------


@command(
    bank_app, "build",
    "asif bank build stamps", "asif bank build birds --from FOLDER_WITH_METADATA_CSV --split train",
    "asif bank build stamps-de --from stamps --language de",
)  # fmt: skip
def _build(
    name: Name,
    source: Annotated[
        str | None, Option("--from", metavar="FOLDER", help="with a captions table; default: the data set NAME")
    ] = None,
    splits: Splits = None,
    language: Annotated[str | None, Option(metavar="CODE", help="of the captions: de, fr, …")] = None,
    image_encoder: Encoder = defaults.DEFAULT_IMAGE_ENCODER,
    text_encoder: TextEncoder = None,
    precision: Precision = "float32",
    device: Device = "auto",
    skip_broken: SkipBroken = False,
    replace: Replace = False,
):
    """Encode the captioned pictures of a folder, or of a data set, into a bank."""
    if language and not source:
        line = f"asif bank build {name}-{language} --from {name} --language {language}"
        raise ParameterError(f"a bank of captions in another language has a name of its own: {line}")
    text_encoder = text_encoder or (MULTILINGUAL if language else ENGLISH)
    check_replace(name, replace, rebuild=True)
    check_encoder_names(image_encoder, text_encoder)
    check_known(source or name, "pairs")
    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.datasets.pairs import load_pairs

    pairs = load_pairs(source or name, language=language)
    if source or splits:
        pairs = _of_splits(pairs, splits, source or name)
    encoders = load_encoders(image_encoder, text_encoder, device)
    check_replace(name, replace, rebuild=_is_of(name, pairs, encoders))
    bank = AnchorBank.build(pairs, *encoders, skip_broken=skip_broken, name=bank_name(name))
    _say_about(pairs, bank)
    return _saved(bank, name, precision)


def build_once(name, **options):
    """Build a bank as ``asif bank build`` does with these options, unless it is here already."""
    if must_be_built(name):
        there = (bank_dir(name) / "bank.json").exists()
        state = "was made when its pictures were prepared in another way" if there else "is not here yet"
        say(f"bank {name!r} {state}: building it, once")
        _build(name, replace=there, **options)


def must_be_built(name) -> bool:
    """Whether a bank is not here, or has no edits and settings and its pictures were padded by their data set."""
    if not (bank_dir(name) / "bank.json").exists():
        return True
    record = read_record(bank_dir(name), name)
    return record.newest.version == 1 and not record.settings and any(map(is_outdated, record.encoders.values()))


@command(
    bank_app, "import",
    "asif bank import mine --image-embeddings a.npy --text-embeddings b.npy --captions c.csv --image-encoder dinov2",
    "asif bank import mine --image-embeddings a.npy --text-embeddings b.npy --captions c.csv --encoders-of stamps",
    "asif bank import laion --image-embeddings img_emb --text-embeddings text_emb --captions metadata",
    "asif bank import mine taught.safetensors",
)  # fmt: skip
def _import(
    name: Name,
    taught: Annotated[str | None, Argument(metavar="FILE", help="that a page exported; it needs no options")] = None,
    image_embeddings: Matrix = None,
    text_embeddings: Matrix = None,
    captions: Annotated[str | None, Option(metavar="FILE", help="a table with a column caption, or its parts")] = None,
    image_encoder: Model = None,
    text_encoder: Model = None,
    encoders_of: Annotated[str | None, Option(metavar="BANK", help="whose encoders made the embeddings")] = None,
    precision: Precision = "float32",
    replace: Replace = False,
):
    """Make a bank of embeddings of your own, or of the pairs that you taught the page of a bank."""
    given = image_embeddings, text_embeddings, captions
    if any(given) if taught else not all(given):
        need = "either a FILE that a page exported, or --image-embeddings, --text-embeddings and --captions"
        raise typer.BadParameter(f"asif bank import takes {need}")
    check_replace(name, replace)
    if taught:
        from asif_lib.bank.joining import read_taught

        return _saved(read_taught(taught, bank_name(name)), name, precision)
    if encoders_of:
        if image_encoder or text_encoder:
            raise ParameterError("--encoders-of BANK goes in place of names of encoders")
        record = read_record(bank_dir(encoders_of), encoders_of)
        image_encoder, text_encoder = record.encoders.values()
    import pandas as pd

    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.datasets.captions import TABLE_SUFFIXES, read_captions
    from asif_lib.encoders.embeddings import numbered_parts, read_array

    matrices = [read_array(file) for file in (image_embeddings, text_embeddings)]
    files, folder = numbered_parts(captions), Path(captions).absolute().parent
    if files[0].suffix not in TABLE_SUFFIXES:
        raise DataError(f"{captions}: a captions table is a file with the ending {', '.join(TABLE_SUFFIXES)}")
    table = pd.concat([read_captions(file, pictures=False) for file in files], ignore_index=True)
    columns = {"groups": table["group"].tolist()} if "group" in table else {}
    if "file_name" in table:
        columns |= {"ids": table.file_name.tolist(), "pictures": [folder / file for file in table.file_name]}
    encoders = {"image_encoder": image_encoder, "text_encoder": text_encoder}
    bank = AnchorBank.from_embeddings(*matrices, table.caption.tolist(), **columns, **encoders, name=bank_name(name))
    return _saved(bank, name, precision)


@command(bank_app, "join", "asif bank join both stamps birds")
def _join(name: Name, banks: Annotated[list[str], Argument(metavar="BANK")], replace: Replace = False):
    """Join banks of the same encoders into a new one; ids that collide are kept apart by the bank's name."""
    check_replace(name, replace)
    if len({bank_dir(bank).resolve() for bank in banks}) < len(banks):
        raise BankError(f"one of the banks {', '.join(banks)} is given twice: name each bank once")
    banks = [_load(bank) for bank in banks]
    from asif_lib.bank.joining import concatenate

    concatenate(banks, bank_name(name)).save(bank_dir(name))
    about, text = made_bank(_load(name), name)
    return about, f"{text}\nits own settings: asif bank recommend {name}; its duplicates: asif bank review {name}"


def check_replace(name, replace, rebuild=False):
    """Raise `BankError` if a bank of that name would be lost; `replace` allows it, `rebuild` if nothing is lost.

    That is: edits, or kept settings. A bank that cannot be read, being damaged or of another format, may hold some.
    """
    if replace or not (bank_dir(name) / "bank.json").exists():
        return
    record = read_record(bank_dir(name), name)
    newest = record.newest
    if rebuild and newest.version == 1 and not record.settings:
        return
    why = f"is there already, with {newest.count} pairs{' and kept settings' * bool(record.settings)}; to lose it"
    if newest.version > 1:
        why = f"was edited (it is at version {newest.version}: {newest.change}); to lose the edits"
    raise BankError(f"bank {name!r} {why}: --replace")


def check_encoder_names(image_encoder, text_encoder):
    """Raise `EncoderError` if a name is of an encoder of the other kind; without PyTorch."""
    check_name(image_encoder, "image")
    check_name(text_encoder, "text")


def load_encoders(image_encoder, text_encoder, device):
    """Load the image encoder and the text encoder of these names."""
    from asif_lib.encoders.identity import load_encoder

    return [load_encoder("image", image_encoder, device=device), load_encoder("text", text_encoder, device=device)]


def _is_of(name, pairs, encoders):
    """Whether the bank called `name`, if it can be opened, holds these pairs, made by these encoders."""
    try:
        bank = _load(name)
    except BankError:
        return True
    same = all(bank.pairs[column].tolist() == getattr(pairs, f"{column}s") for column in ("id", "caption"))
    return same and [bank.image_encoder, bank.text_encoder] == [encoder.identity for encoder in encoders]


def _of_splits(pairs, names, source):
    """The part of `pairs` in the splits of these names; without names all of it, and a remark."""
    for name in names or ():
        if name not in pairs.splits:
            raise DataError(f"{source}: has no split {name!r}; it has: {', '.join(pairs.splits) or 'none'}")
    if names:
        return pairs.subset([row for name in dict.fromkeys(names) for row in pairs.splits[name]])
    if pairs.splits:
        say("uses all splits: " + ", ".join(f"{name} {len(rows)}" for name, rows in pairs.splits.items()))
    return pairs


def _say_about(pairs, bank):
    """Name the pairs that are left out, and count captions that occur again."""
    if repeated := len(bank) - bank.pairs["caption"].nunique():
        say(f"{repeated} of {len(bank)} captions repeat an earlier one; all pairs are kept")
    built = set(bank.pairs["id"])
    for id in pairs.ids:
        if id not in built:
            say(f"left out: {id}")


def _saved(bank, name, precision):
    import torch

    bank.to(getattr(torch, precision)).save(bank_dir(name))
    return made_bank(_load(name), name)


def made_bank(bank, name):
    """The answer of a command that made a bank: what ``bank info`` says, and a line."""
    return _about(bank, name), f"bank {bank.name!r}: {len(bank)} anchors, in {bank_dir(name)}"


# -- what a bank holds -----------------------------------------------------------------------------------


@command(bank_app, "list", "asif bank list")
def _list():
    """List the banks in the cache."""
    rows, lines = [], []
    for folder in sorted(file.parent for file in (cache_dir() / "banks").glob("*/bank.json")):
        try:
            record = read_record(folder, folder.name)
        except BankError as error:
            say(f"asif: {error}")
            continue
        about = {"name": folder.name, "anchors": record.newest.count, "version": record.newest.version}
        encoders = {side: identity.name for side, identity in record.encoders.items()}
        rows.append({**about, **encoders, "folder": str(folder)})
        text = f"{folder.name:24} {record.newest.count:>9} anchors, version {record.newest.version}"
        lines.append(f"{text}, {' × '.join(encoders.values())}")
    return rows, lines or f"there is no bank in {cache_dir() / 'banks'}; run: asif bank build stamps"


@command(bank_app, "info", "asif bank info stamps")
def _info(name: Name = defaults.DEFAULT_BANK):
    """Describe a bank."""
    about = _about(_load(name), name)
    return about, [f"{key:36} {value}" for key, value in about.items()]


def _about(bank, name) -> dict:
    """What ``bank info`` says of a bank: its counts, its encoders, its size, its licence."""
    return {
        "name": bank.name,
        "folder": str(bank_dir(name)),
        "version": bank.version,
        "anchors": len(bank),
        "groups": int(bank.pairs["group"].nunique()),
        "captions_that_repeat_an_earlier_one": int(bank.pairs["caption"].duplicated().sum()),
        **{f"{side}_encoder": str(identity) for side, identity in bank.encoders.items()},
        "dtype": str(bank.dtype).removeprefix("torch."),
        "megabytes": round(bank.megabytes, 1),
        "licence": bank.licence,
        "settings": bank.settings and asdict(bank.settings),
    }


@command(bank_app, "history", "asif bank history birds")
def _history(name: Name):
    """List the versions of a bank since it was built or compacted."""
    rows = _load(name).history().to_dict("records")
    return rows, [f"{row['version']:>4}  {row['time']}  {row['count']:>9}  {row['change']}" for row in rows]


@command(bank_app, "verify", "asif bank verify stamps")
def _verify(name: Name):
    """Compare all files of a bank with their checksums."""
    files = _load(name).verify()
    size = sum(file.stat().st_size for file in files)
    about = {"name": name, "files": len(files), "megabytes": round(size / 1e6, 1)}
    return about, f"bank {name!r}: {len(files)} files, {about['megabytes']} MB, all as they were written"


@command(bank_app, "review", "asif bank review birds --csv review.csv")
def _review(
    name: Name,
    csv: Annotated[str | None, Option(metavar="FILE", help="the table, for your decisions")] = None,
    device: Device = "auto",
):
    """List near-duplicates, doubtful groups and doubtful captions of a bank in one table.

    Decisions in a CSV of an earlier review are carried over.
    """
    check_targets(bank_dir(name), csv=csv, carries=True)
    bank = _load(name)
    from asif_lib.explain.review import carry_decisions, read_review, review_bank
    from asif_lib.machine import resolve_device

    earlier = read_review(csv) if csv and Path(csv).is_file() and Path(csv).stat().st_size else None
    table = review_bank(bank, device=resolve_device(device))
    if earlier is not None:
        table, left = carry_decisions(table, earlier)
        if decided := int((table.decision != "").sum()):
            say(f"{decided} decisions of {csv} are carried over")
        if left:
            kept = free_name(csv, "earlier")
            write_whole(kept, Path(csv).read_bytes())
            say(f"{left} decisions are on rows that this review no longer has; they stay in {kept}")
    write_csv(csv, table)
    rows = table.groupby("issue", sort=False).head(SHOWN).itertuples()
    lines = [f"{row.issue:9} {row.score:+.3f}  {row.id}  {row.caption}  {row.other}" for row in rows]
    hint = "look before you decide: where 5% of the captions were wrong, two of three that it doubted were right; "
    hint += f"write drop, relabel (with a caption_new) or keep into the CSV, and run: asif bank apply {name} FILE"
    return table.to_dict("records"), [f"{len(lines)} of {len(table)} rows", *lines, hint]


@command(bank_app, "recommend", "asif bank recommend birds")
def _recommend(
    name: Name,
    task: Annotated[
        StrEnum("Task", [(task, task) for task in defaults.TASKS]) | None,
        Option(help="the pictures that you will ask, compared with those of the bank; default: both, in turn"),
    ] = None,
    keep: Annotated[bool, Option("--keep", help="keep the settings with the bank; with --task")] = False,
):
    """Recommend k, p and corrections for a bank, by questions that its own pairs ask and answer."""
    if keep and not task:
        raise ParameterError("--keep keeps the settings for one task; name it by --task 'same kind' or 'another kind'")
    bank = _load(name)
    from asif_lib.bank.checks import IMAGE_TEXT
    from asif_lib.evaluation.recommending import recommend

    is_loadable = bank.sides == IMAGE_TEXT and not any(one.is_external for one in bank.encoders.values())
    rows, texts = [], []
    for one in [task.value] if task else defaults.TASKS:
        advice = recommend(bank, one)
        lines = _ready(advice.settings, bank, name)
        if not is_loadable:  # the command loads encoders by their names
            del lines["command"]
        rows.append(asdict(advice) | {"table": advice.table.to_dict("records")} | lines)
        texts.append("\n".join([str(advice), *lines.values()]))
    if keep:
        bank.keep_settings(**advice.settings)
    end = "kept with the bank" if keep else "to keep one of them with the bank, name its --task, and --keep"
    return rows, "\n\n".join([*texts, end])


def _ready(settings, bank, name):
    """Return the line for the command and the line for Python: k, p, and what differs from what the bank keeps."""
    own = asdict(bank.settings or Settings())
    values = {key: value for key, value in settings.items() if key in ("k", "p") or value != own[key]}
    words = {("center", True): "--center", ("center", False): "--no-center", ("whiten", None): "--whiten 1"}
    options = [f"--bank {shlex.quote(name)}", *(words.get(one, "--{} {}".format(*one)) for one in values.items())]
    keywords = [f"AnchorBank.load({name!r})", *(f"{key}={value}" for key, value in values.items())]
    return {"command": f"asif evaluate FOLDER {' '.join(options)}", "python": f"ASIF({', '.join(keywords)})"}


# -- edits -----------------------------------------------------------------------------------------------


@command(
    bank_app, "add",
    "asif bank add birds FOLDER_WITH_METADATA_CSV", "asif bank add birds FOLDER --skip-broken --json",
)  # fmt: skip
def _add(name: Name, folder: Folder, device: Device = "auto", skip_broken: SkipBroken = False):
    """Append the pictures of a folder with a captions table to a bank; only these are encoded."""
    folder, bank = existing_folder(folder), _load(name)
    from asif_lib.bank.checks import check_ids_free
    from asif_lib.datasets.pairs import load_pairs
    from asif_lib.encoders.identity import load_encoder_of

    pairs = load_pairs(folder)
    check_ids_free(bank, pairs.ids)  # before the encoders are loaded
    encoders = [load_encoder_of(identity, device=device) for identity in (bank.image_encoder, bank.text_encoder)]
    new = bank.embed(pairs, *encoders, skip_broken=skip_broken)
    _say_about(pairs, new)
    return _edited(bank.add(new), name, f"added {len(new)} pairs")


@command(
    bank_app, "remove",
    "asif bank remove birds --where group=gulls", "asif bank remove birds --id owl.png --id crow.png",
)  # fmt: skip
def _remove(
    name: Name,
    where: Annotated[list[str] | None, Option(metavar="COLUMN=VALUE", help="may be repeated: all must hold")] = None,
    ids: Annotated[list[str] | None, Option("--id", metavar="ID", help="may be repeated")] = None,
):
    """Remove pairs from a bank, by id or by the values of columns."""
    if bool(where) == bool(ids):
        raise typer.BadParameter("say which pairs to remove in one way: --where COLUMN=VALUE, or --id ID")
    remark = f"; the bytes stay in its files until: asif bank compact {name}"
    return _edited(_load(name).remove(ids or None, **_values_of(where or ())), name, remark=remark)


def _values_of(where) -> dict:
    """Read ``COLUMN=VALUE`` texts."""
    values = {}
    for text in where:
        column, equals, value = text.partition("=")
        if not equals or column in values:
            fault = f"names {column} twice" if equals else "is not COLUMN=VALUE"
            raise ParameterError(f"--where {text}: {fault}; write a column and its value once, as in group=gulls")
        values[column] = value
    return values


@command(bank_app, "apply", "asif bank apply birds review.csv")
def _apply(
    name: Name,
    file: Annotated[str, Argument(metavar="FILE", help="the CSV of asif bank review")],
    text_embeddings: Annotated[str | None, Option(metavar="FILE", help="of the new captions, .npy")] = None,
    device: Device = "auto",
):
    """Apply the decisions of a review in one edit, which undo takes back."""
    bank = _load(name)
    from asif_lib.encoders.embeddings import read_array
    from asif_lib.explain.review import apply_review

    after = apply_review(bank, file, read_array(text_embeddings) if text_embeddings else None, device=device)
    return _edited(after, name, None if after.version > bank.version else "no decision to apply")


@command(bank_app, "compact", "asif bank compact birds")
def _compact(name: Name):
    """Delete the removed pairs, and the history, from a bank's files."""
    bank = _load(name)
    after = bank.compact()
    return _edited(after, name, "compacted" if after.version > bank.version else "nothing to compact")


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
    read_record(bank_dir(name), name)  # refuses a name before PyTorch is imported, which takes seconds
    from asif_lib.bank.anchors import AnchorBank

    return AnchorBank.load(name)


def _edited(bank, name, change=None, remark=""):
    """The answer of a command that changed a bank; by default, the change is the last one of its history."""
    change = change or bank.history()["change"].iloc[-1]
    about = {"name": bank.name, "folder": str(bank_dir(name))}
    about |= {"version": bank.version, "anchors": len(bank), "change": change}
    return about, f"bank {bank.name!r}: {change}; {len(bank)} anchors, version {bank.version}{remark}"
