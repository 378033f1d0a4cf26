"""Pack the packages of a browser's Python: compiled, and in two parts: what a chapter's first cell needs, and the rest.

Pyodide itself compiles every module and runs the first cell, by node. The modules that were imported then go into one
archive, which the kernel loads at its start. The rest of each package is an archive of its own, and
``stand_in/sitecustomize.py`` fetches an archive when a cell imports one of its modules.
"""

import json
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path, PurePosixPath

from asif_lib.errors import AsifError

DROPPED = {".a", ".c", ".h", ".pxd", ".pyi", ".pyx", ".afm"}
"""Endings of files that no notebook needs: headers, stubs and fonts of printers."""
DROPPED_FOLDERS = {"tests", "sample_data", "pdfcorefonts", "pydoc_data"}
WHOLE = {"anywidget", "asif_workbook"}
"""Parts whose data the first cell needs; of others the data of a package that it imports, but for pytz's time zones."""
LATER = "pytz"
FIRST, PYTHON = "asif_first", "python_stdlib"
"""The archives of what the first cell needs: of packages, and of Python itself."""
SETTINGS = "matplotlib/cache"
"""Where matplotlib finds its settings and its list of fonts."""


def pack(core: Path, parts: Path, cell: str) -> dict[str, dict[str, Path]]:
    """Compile the files, and return the archives: name → path → file. Raises `AsifError` without node.

    Parameters
    ----------
    core : Path
        The folder with Pyodide.
    parts : Path
        A folder with one folder of files for each package; the one called ``python`` is Python's own.
    cell : str
        The code of the first cell.
    """
    for path in sorted(parts.rglob("*"), reverse=True):
        if path.suffix in DROPPED or path.name in DROPPED_FOLDERS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    needed = {"sitecustomize", *_asked_for(core, parts, cell)}
    packages = {module.partition(".")[0] for module in needed}
    found, later = defaultdict(dict), defaultdict(set)  # later: archive → modules
    for file in sorted(path for path in parts.rglob("*") if path.is_file()):
        part, path = file.relative_to(parts).parts[0], PurePosixPath(*file.relative_to(parts).parts[1:])
        if file.suffix in (".py", ".pyc", ".so"):
            first = _module(path) in needed
            later[part] |= set() if first else {_module(path)}
        else:
            first = part in WHOLE or (path.parts[0] in packages and LATER not in path.parts)
        found[part if not first else PYTHON if part == "python" else FIRST][str(path)] = file
    index = parts.with_name("parts.json")
    index.write_text(json.dumps({part: sorted(modules) for part, modules in sorted(later.items())}))
    return found | {FIRST: found[FIRST] | {index.name: index}}


def _module(path) -> str:
    names = [*(part for part in path.parts[:-1] if part != "__pycache__"), path.name.partition(".")[0]]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _asked_for(core, parts, cell) -> list[str]:
    code = parts.with_name("first_cell.py")
    code.write_text(cell, encoding="utf-8")
    command = ["node", str(Path(__file__).with_name("packing.mjs")), str(core), str(parts), str(code), SETTINGS]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise AsifError("The browser's edition needs Node.js, which compiles its Python files: install it.") from None
    except subprocess.CalledProcessError as error:
        raise AsifError(f"Pyodide could not run the first cell: {error.stderr.strip()[-300:]}") from None
    return json.loads(done.stdout.splitlines()[-1])
