"""``asif check``: can this machine run the workbook, and if not, what to do."""

import importlib.metadata
import shutil
import sys

from packaging.requirements import Requirement

from asif_lib.errors import AsifError
from asif_lib.files import cache_dir

FREE_GB = 2


def check_machine() -> list:
    """Return one dict for each thing that the main job needs: ``what``, ``ok``, ``found``, ``todo``."""
    return [_python(), _packages(), *_encoders(), *_data(), _device(), _disk()]


def _row(what, ok, found, todo=""):
    return {"what": what, "ok": bool(ok), "found": str(found), "todo": todo}


def _python():
    found = ".".join(map(str, sys.version_info[:3]))
    return _row(
        "Python",
        sys.version_info >= (3, 11),
        found,
        "install Python 3.11 or newer, remove .venv, run make again",
    )


def _packages():
    try:
        requirements = [Requirement(text) for text in importlib.metadata.requires("asif-workbook") or []]
    except importlib.metadata.PackageNotFoundError:
        return _row("packages", False, "the workbook itself is not installed", "run: pip install -e .")
    wrong, count = [], 0
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    return _row("packages", not wrong, "; ".join(wrong) or f"all {count} as asked for", "run: pip install -e .")


def _encoders():
    rows = []
    for kind in ("image", "text"):
        try:
            from asif_lib import encoders  # inside: a package that it needs may be what is missing

            load = getattr(encoders, f"load_{kind}_encoder")
            rows.append(_row(f"{kind} encoder", True, load(device="cpu").identity))
        except (AsifError, OSError, ImportError) as error:
            rows.append(_row(f"{kind} encoder", False, error, "run: pip install -e ."))
    return rows


def _data():
    from asif_lib.datasets.providers import catalogue, dataset_dir, folder_digest

    rows = []
    for name, entry in catalogue().items():
        folder = dataset_dir(name)
        if not folder.exists():
            found, ok = "not fetched", False
        else:
            ok = folder_digest(folder) in entry["sha256"]
            found = f"verified, licence {entry['licence']}, in {folder}" if ok else f"{folder} was changed"
        rows.append(_row(f"data set {name}", ok, found, f"remove {folder} if it is there, and run: asif data {name}"))
    return rows


def _device():
    try:
        from asif_lib.machine import resolve_device
    except ImportError as error:
        return _row("device", False, error, "run: pip install -e .")
    device = resolve_device("auto")
    name = ""
    if device.type == "cuda":
        import torch

        name = f" ({torch.cuda.get_device_name()})"
    return _row("device", True, f"{device}{name}")


def _disk():
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    return _row(
        "disk",
        free >= FREE_GB,
        f"{free:.0f} GB free at {folder}",
        f"free {FREE_GB} GB, or set ASIF_CACHE to a larger disk",
    )
