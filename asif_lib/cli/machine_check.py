"""``asif check``: can this machine run the workbook, and if not, what to do."""

import importlib.metadata
import platform
import shutil

from packaging.requirements import Requirement

from asif_lib.datasets.providers import catalogue, dataset_dir, folder_digest
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
        _row("extras", _extras),
        _row("image encoder", lambda: _encoder("image")),
        _row("text encoder", lambda: _encoder("text")),
        *(_row(f"data set {name}", lambda name=name: _data_set(name), _remedy(name)) for name in catalogue()),
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
    requirements = _requirements("")
    wrong = [fault for requirement in requirements for fault in _faults(requirement)]
    if wrong:
        raise AsifError("; ".join(wrong))
    return f"all {len(requirements)} as asked for"


def _extras():
    """Which extras are installed; none of them is needed, so nothing fails."""
    extras = importlib.metadata.metadata(PACKAGE).get_all("Provides-Extra", [])
    missing = [extra for extra in extras if any(map(_faults, _requirements(extra)))]
    here = ", ".join(extra for extra in extras if extra not in missing) or "none installed"
    return f"{here}; not installed: {', '.join(missing)} (pip install '{PACKAGE}[NAME]')" if missing else here


def _requirements(extra):
    """What the package itself requires, or what an extra adds, the extras that it names included."""
    found = []
    for requirement in map(Requirement, importlib.metadata.requires(PACKAGE) or []):
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name == PACKAGE:
            found += [one for name in requirement.extras for one in _requirements(name)]
        elif requirement.marker or not extra:
            found.append(requirement)
    return found


def _faults(requirement):
    """A list of what is wrong with a required package: a sentence, or empty."""
    version = version_of(requirement.name)
    if version is None:
        return [f"{requirement.name} is missing"]
    fits = requirement.specifier.contains(version, prereleases=True)
    return [] if fits else [f"{requirement.name} {version} is not {requirement.specifier}"]


def _encoder(kind):
    module = importlib.import_module(f"asif_lib.encoders.{kind}")  # here: a package that it needs may be missing
    return getattr(module, f"load_{kind}_encoder")(device="cpu").identity


def _data_set(name):
    folder, entry = dataset_dir(name), catalogue()[name]
    if not folder.exists():
        raise AsifError("not fetched")
    if folder_digest(folder) not in entry["sha256"]:
        raise AsifError(f"{folder} was changed")
    return f"verified, licence {entry['licence']}, in {folder}"


def _remedy(name):
    return f"remove {dataset_dir(name)} if it is there, and run: asif data {name}"


def _device():
    from asif_lib.machine import resolve_device

    device = resolve_device("auto")
    if device.type != "cuda":
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name()})"


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
