"""Look into banks and join them: ``asif bank list``, ``verify``, ``audit``, ``recommend``, ``join``."""

import shlex
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

from typer import Argument, Option

from asif_lib.bank.record import bank_dir, bank_name, describe_bank, read_record
from asif_lib.defaults import AUDIT_K_WORDS, DEFAULT_P, TASKS
from asif_lib.errors import BankError
from asif_lib.files import cache_dir

from .banks import bank_app, check_replace, load
from .command import Device, Name, P, Replace, check_targets, command, say, write_csv

SHOWN = 10


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
        encoders = {side: identity.name for side, identity in record.encoders.items()}
        about = {"name": folder.name, "anchors": record.newest.count, "version": record.newest.version}
        rows.append({**about, **encoders, "folder": str(folder)})
        text = f"{folder.name:24} {record.newest.count:>9} anchors, version {record.newest.version}"
        lines.append(f"{text}, {' × '.join(encoders.values())}")
    return rows, "\n".join(lines) or f"there is no bank in {cache_dir() / 'banks'}; run: asif bank build stamps"


@command(bank_app, "verify", "asif bank verify stamps")
def _verify(name: Name):
    """Compare all files of a bank with their checksums."""
    files = load(name).verify()
    size = sum(file.stat().st_size for file in files)
    about = {"name": name, "files": len(files), "megabytes": round(size / 1e6, 1)}
    return about, f"bank {name!r}: {len(files)} files, {about['megabytes']} MB, all as they were written"


@command(bank_app, "audit", "asif bank audit birds", "asif bank audit birds --csv FILE")
def _audit(
    name: Name,
    k: Annotated[int | None, Option(metavar="K", help=f"entries kept; default: {AUDIT_K_WORDS}")] = None,
    p: P = DEFAULT_P,
    csv: Annotated[str | None, Option(metavar="FILE", help="for all pairs, the lowest excess first")] = None,
    device: Device = "auto",
):
    """Name the pairs that agree least, compared with their rivals: their captions may be wrong."""
    check_targets(csv=csv)
    from asif_lib.explain.audit import rank_pairs
    from asif_lib.machine import resolve_device

    table = rank_pairs(load(name), k, p, device=resolve_device(device))
    write_csv(csv, table)
    lowest = table.head(SHOWN)
    about = f"{len(lowest)} of {len(table)} pairs, the lowest excess of agreement first (0: no more than its rivals)"
    hint = f"a wrong caption: asif bank relabel {name} --id ID --caption TEXT, or asif bank remove {name} --id ID"
    lines = [about, *(f"{row.excess:+.3f}  {row.id}  {row.caption}" for row in lowest.itertuples()), hint]
    return lowest.to_dict("records"), "\n".join(lines)


@command(bank_app, "recommend", "asif bank recommend birds", 'asif bank recommend birds --task "another kind"')
def _recommend(
    name: Name,
    task: Annotated[
        StrEnum("Task", [(task, task) for task in TASKS]) | None,
        Option(help="the pictures that you will ask, compared with those of the bank; default: both, in turn"),
    ] = None,
):
    """Recommend k, p and corrections for a bank, by questions that its own pairs ask and answer."""
    from asif_lib.evaluation.recommending import recommend

    bank = load(name)
    advice = [recommend(bank, one) for one in ([task.value] if task else TASKS)]
    ready = [_ready(one, name) for one in advice]
    if bank.image_encoder.is_external or bank.text_encoder.is_external:  # the command loads encoders by their names
        ready = [{"python": lines["python"]} for lines in ready]
    found = list(zip(advice, ready, strict=True))
    text = "\n\n".join("\n".join([str(one), *lines.values()]) for one, lines in found)
    return [_about(one) | lines for one, lines in found], text


def _about(advice):
    """Return the advice for JSON."""
    about = vars(advice) | {measure: asdict(getattr(advice, measure)) for measure in ("gain", "start_gain")}
    return about | {"table": advice.table.to_dict("records")}


def _ready(advice, name):
    """Return the line for the command and the line for Python."""
    given = {key: value for key, value in advice.settings.items() if key != "center" and value}
    center = [] if advice.settings["center"] else ["--no-center"]
    options = [f"--bank {shlex.quote(name)}", *(f"--{key} {value}" for key, value in given.items()), *center]
    keywords = [f"AnchorBank.load({name!r})", *(f"{key}={value}" for key, value in given.items())]
    keywords += ["center=False"] if center else []
    return {"command": f"asif evaluate FOLDER {' '.join(options)}", "python": f"ASIF({', '.join(keywords)})"}


@command(bank_app, "join", "asif bank join both stamps birds")
def _join(name: Name, banks: Annotated[list[str], Argument(metavar="BANK")], replace: Replace = False):
    """Join banks of the same encoders into a new one; ids that collide are kept apart by the bank's name."""
    from asif_lib.bank.joining import concatenate

    check_replace(name, replace)
    if len({bank_dir(bank).resolve() for bank in banks}) < len(banks):
        raise BankError(f"one of the banks {', '.join(banks)} is given twice: name each bank once")
    concatenate([load(bank) for bank in banks], bank_name(name)).save(bank_dir(name))
    bank = load(name)
    text = f"bank {name!r}: {len(bank)} anchors of {len(banks)} banks\nits own settings: asif bank recommend {name}"
    return describe_bank(bank, bank_dir(name)), text
