"""``asif check``: can this machine run the workbook, and if not, what to do."""

import importlib.metadata
import platform
import shutil

from packaging.requirements import Requirement

from asif_lib.datasets.providers import catalogue, dataset_dir, is_intact
from asif_lib.defaults import DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER
from asif_lib.errors import AsifError, version_of
from asif_lib.files import cache_dir, is_writable

from .command import app, command

PACKAGE = "asif-workbook"
FREE_GB = 2


@command(app, "check", "asif check")
def _check():
    """Say whether this machine can run the workbook, and what to do if not."""
    rows, lines = check_machine(), []
    for row in rows:
        lines.append(f"{'OK  ' if row['ok'] else 'FAIL'} {row['what']}: {row['found']}")
        if not row["ok"]:
            lines.append(f"     → {row['todo']}")
    return {"ok": all(row["ok"] for row in rows), "checks": rows}, "\n".join(lines)


def check_machine() -> list:
    """Return one dict for each thing that the main job needs: ``what``, ``ok``, ``found``, ``todo``."""
    return [
        _row("Python", platform.python_version),
        _row("packages", _packages),
        _row("image encoder", lambda: _encoder("image", DEFAULT_IMAGE_ENCODER)),
        _row("text encoder", lambda: _encoder("text", DEFAULT_TEXT_ENCODER)),
        *(_data_set(name) for name, entry in catalogue().items() if not entry.get("optional")),
        _row("device", _device),
        _row("disk", _disk, f"free {FREE_GB} GB, or set ASIF_CACHE to a larger disk"),
    ]


def _row(what, find, todo="run: pip install -e ."):
    """The outcome of one check: what `find` returns, or why it raises."""
    try:
        return {"what": what, "ok": True, "found": str(find()), "todo": todo}
    except (AsifError, OSError, ImportError) as error:
        return {"what": what, "ok": False, "found": str(error), "todo": todo}


def _packages():
    """Compare the packages that are required here with their versions; the extras are not looked at."""
    faults = []
    for required in map(Requirement, importlib.metadata.requires(PACKAGE) or []):
        version = version_of(required.name)
        if required.marker and not required.marker.evaluate({"extra": ""}):
            continue
        if version is None:
            faults.append(f"{required.name} is missing")
        elif not required.specifier.contains(version, prereleases=True):
            faults.append(f"{required.name} {version} is not {required.specifier}")
    if faults:
        raise AsifError("; ".join(faults))
    return "all as asked for"


def _encoder(kind, name):
    from asif_lib.encoders.identity import load_encoder  # here: a package that it needs may be missing

    return load_encoder(kind, name, device="cpu").identity


def _data_set(name):
    folder = dataset_dir(name)

    def verified():
        if not folder.exists():
            raise AsifError("not fetched")
        if not is_intact(name):
            raise AsifError(f"{folder} was changed")
        return f"verified, licence {catalogue()[name]['licence']}, in {folder}"

    return _row(f"data set {name}", verified, f"remove {folder} if it is there, and run: asif data {name}")


def _device():
    from asif_lib.machine import resolve_device

    return resolve_device("auto")


def _disk():
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < FREE_GB:
        raise AsifError(f"only {free:.1f} GB free at {folder}")
    if not is_writable(cache_dir()):
        return f"{folder} is read-only: it is shared, and new embeddings are not kept"
    return f"{free:.0f} GB free at {folder}"
