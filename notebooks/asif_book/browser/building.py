"""Build the workbook for a browser: a folder of static files that any web server can serve.

JupyterLite shows the notebooks, and Pyodide runs their Python within the browser. Everything that the kernel loads is
a package of one lock, with its SHA-256: Pyodide's own, the workbook's code, pure packages of this environment, and the
stamps with their embeddings.

    python -m asif_book.browser.building build/browser
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

import nbformat
import numpy as np
from jupyter_core.paths import jupyter_path
from nbformat.v4 import new_code_cell, new_notebook
from packaging.utils import canonicalize_name
from PIL import ImageOps

from asif_book.chapters.classes import without_article
from asif_book.chapters.in_browser import NAME
from asif_book.checks.progress import VARIABLE
from asif_book.editions.building import BROWSER_CHAPTERS, BROWSER_KERNEL, browser_edition, notebooks_in
from asif_book.editions.licences import licences_md
from asif_book.editions.outline import Chapter
from asif_book.figures.style import STYLE
from asif_book.figures.templates import TEMPLATES
from asif_book.report.book import entry, stage_of
from asif_book.report.page import BOOK, layout
from asif_book.report.running import run_notebook
from asif_lib.datasets.providers import fetch
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import AsifError, first_line
from asif_lib.files import ROOT, sha256_of

from . import files
from .packing import FIRST, PYTHON, SETTINGS, pack

STARTED = ("micropip", "ipython", "numpy", "pandas", "pillow", "matplotlib", "threadpoolctl")
"""What is taken of Pyodide's packages, with what these need."""
UNUSED = {"ipython": ["jedi"], "matplotlib": ["matplotlib-pyodide"]}
"""What a package can do without here."""
PURE = (
    "anywidget", "comm", "ipywidgets", "jinja2", "jupyterlab_widgets", "lazy_loader", "markupsafe",
    "psygnal", "tqdm", "typing_extensions",
)  # fmt: skip
"""Packages whose Python files are taken from this environment; each runs without its compiled part."""
NOT_HERE = (
    f"__pycache__|browser/|report/|page/(?!model.js|ledger.js)|chapter_(?!01|{'|'.join(BROWSER_CHAPTERS)})../checks.py"
)
"""Own files that no chapter here needs; those of chapter 01 are used by others."""
ASKED = "comm", "ipykernel", "ipython", "micropip", "piplite", "pyodide_kernel", "sqlite3", "ssl"
"""Packages that the kernel asks for by name; `packing` has put what is needed of them into one archive."""
STAND_IN = Path(__file__).parent / "stand_in"
EXTENSIONS = "@jupyterlite/pyodide-kernel-extension", "anywidget"
PIXELS = 160
"""Of the longer side of a thumbnail: figures show pictures at most that large."""
OWN = "my_notebooks"
FIRST_LINES = """import torch
from asif_book.chapters.opening import open_chapter
from asif_lib import ASIF

image_encoder, text_encoder, stamps, bank = open_chapter()
model = ASIF(bank, image_encoder=image_encoder, text_encoder=text_encoder)"""
"""The first cell of the reader's own notebook."""
SECONDS = 5
"""After which a changed notebook is saved."""
PACKED, LEAST = {".js", ".json", ".wasm", ".zip"}, 50_000
"""Endings of the files that have a packed copy beside them, and from how many bytes on."""


def build_folder(target: Path) -> None:
    """Write the folder `target`. Raises `AsifError` with one sentence if a file or a package cannot be had."""
    try:
        core = fetch("pyodide")
    except AsifError as error:
        raise AsifError(f"The browser's edition needs Pyodide: {first_line(error)}.") from None
    tools = files.jupyterlite()
    extensions = [_extension(name, tools) for name in EXTENSIONS]
    lock = json.loads((core / "pyodide-lock.json").read_text(encoding="utf-8"))
    names = _with_dependencies(lock, STARTED)
    packages = files.packages(lock, names)
    left_out = "their tests, stubs, headers and samples are left out, IPython's shell for terminals is one line, "
    left_out += "and Pyodide compiles the rest"
    print(f"{len(names)} packages have the checksums of npm's lock; {left_out}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="asif-browser-") as scratch:
        lite = Path(scratch)
        entries = _write_notebooks(lite / "files")
        pyodide = lite / "static" / "pyodide"
        shutil.copytree(core, pyodide)
        parts = lite / "parts"
        _unpack(core / "python_stdlib.zip", parts / "python")
        shutil.copyfile(STAND_IN / "sitecustomize.py", parts / "python" / "sitecustomize.py")
        for name in names:
            _unpack(packages / lock["packages"][name]["file_name"], parts / name)
        _write(parts / "ipython", [("IPython/terminal/embed.py", b"embed = None  # a browser has no terminal\n")])
        for wheel in sorted((extensions[0] / "static" / "pypi").glob("*.whl")):
            if not wheel.name.startswith("widgetsnbextension-3"):
                _unpack(wheel, parts / wheel.name.split("-")[0])
        for name in PURE:
            _write(parts / name, _pure_files(name))
        _write(parts / "asif_workbook", _own_files())
        _write(parts / NAME, _stamps())
        style = "".join(f"{name}: {value}\n" for name, value in STYLE.items())
        _write(parts / "matplotlib", [(f"{SETTINGS}/matplotlibrc", style.encode())])
        lock["packages"] = {}
        archives = pack(core, parts, _first_cell(lite / "files"))
        for name, found in ({name: {} for name in ASKED} | {FIRST: archives.pop(FIRST)}).items():
            _enter(lock, _archive(pyodide / f"{name}.zip", found))
        _archive(pyodide / f"{PYTHON}.zip", archives.pop(PYTHON))
        (lite / "rest").mkdir()
        for name, found in archives.items():
            _archive(lite / "rest" / f"{name}.zip", found)
        (pyodide / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        _configure(lite, extensions, [*ASKED, FIRST])
        _run_jupyterlite(lite, tools)
        shutil.move(lite / "rest", lite / "out" / "static" / "parts")
        _finish(lite / "out", entries, _stage(lite / "00.ipynb"))
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(lite / "out", target)


def _unpack(archive, folder):
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


def _write(folder, entries):
    for path, content in entries:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _first_cell(folder) -> str:
    """Return the code of the first cell of the first chapter."""
    notebook = nbformat.read(min(folder.glob("*.ipynb")), as_version=4)
    return next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def _with_dependencies(lock, names) -> list:
    """Return the names of packages with those that they need, and leave out what is `UNUSED`."""
    found = {}
    for name in map(canonicalize_name, names):
        package = lock["packages"][name]
        package["depends"] = [other for other in package["depends"] if other not in UNUSED.get(name, ())]
        found |= dict.fromkeys([*_with_dependencies(lock, package["depends"]), name])
    return list(found)


def _extension(name, tools) -> Path:
    folders = [str(tools / "share" / "jupyter" / "labextensions"), *jupyter_path("labextensions")]
    return next(Path(folder) / name for folder in folders if (Path(folder) / name / "package.json").exists())


def _enter(lock, file):
    """Enter an archive into the lock."""
    lock["packages"][canonicalize_name(file.stem)] = {
        "name": file.stem, "version": "1", "file_name": file.name, "install_dir": "site", "sha256": sha256_of(file),
        "package_type": "package", "imports": [], "depends": [], "unvendored_tests": False,
    }  # fmt: skip


def _archive(target, found) -> Path:
    """Write files by their paths, stored as they are, since `_finish` packs the whole; the same make the same bytes."""
    with zipfile.ZipFile(target, "w") as archive:
        for path, file in sorted(found.items()):
            archive.writestr(zipfile.ZipInfo(path), file.read_bytes())
    return target


def _pure_files(name):
    """The Python files of a distribution that is installed here, with its licences."""
    for file in metadata.distribution(name).files:
        kept = ".dist-info/" in str(file) or file.suffix in (".py", ".js", ".css", ".json")
        if kept and ".." not in file.parts and not {"tests", "static"}.intersection(file.parts):
            yield file.as_posix(), file.locate().read_bytes()


def _own_files():
    """The code of the three wings, with the stand-in for PyTorch before everything else."""
    for top in (ROOT / "asif_lib", ROOT / "benchmarks" / "asif_lab", ROOT / "notebooks" / "asif_book", STAND_IN):
        for file in sorted(top.rglob("*")):
            path = file.relative_to(top if top == STAND_IN else top.parent).as_posix()
            if file.is_file() and not re.search(NOT_HERE, path):
                yield path, file.read_bytes()
    yield "data/catalogue.toml", (ROOT / "data" / "catalogue.toml").read_bytes()


def _stamps():
    """The stamps: thumbnails, captions, splits, embeddings, and the embeddings of the sentences of the chapters."""
    from asif_book.chapters.opening import open_chapter
    from asif_lib.encoders import embed, open_picture

    image_encoder, text_encoder, pairs, bank = open_chapter()
    nouns = [without_article(caption) for caption in pairs.captions]
    asked = " ".join(_beside("words.txt").split()).split(", ")
    sentences = sorted({DEFAULT_TEMPLATE.format(noun) for noun in nouns + asked} | {*nouns, *asked})
    mirrored = [ImageOps.mirror(open_picture(pairs.pictures[i])) for i in pairs.splits["test"]]
    more = {"mirrored": embed(image_encoder, mirrored), "sentences": embed(text_encoder, sentences)}
    for package, arrays in {NAME: {"image": bank.image, "text": bank.text}, f"{NAME}_more": more}.items():
        content = io.BytesIO()
        np.savez(content, **{name: array.numpy().astype("<f4") for name, array in arrays.items()})
        yield f"{package}/embeddings.npz", content.getvalue()
        yield f"{package}/__init__.py", b'"""Stamps of Tux Paint as thumbnails, with captions and embeddings."""\n'
    table = {name: getattr(pairs, name) for name in ("name", "captions", "ids", "groups", "splits", "licence")}
    identities = {side: vars(identity) for side, identity in bank.encoders.items()}
    about = table | {"sentences": sentences, "encoders": identities}
    yield f"{NAME}/stamps.json", json.dumps(about, ensure_ascii=False).encode()
    yield f"{NAME}/LICENCES.md", licences_md().encode()
    for number, picture in enumerate(pairs.pictures):
        image = open_picture(picture)
        image.thumbnail((PIXELS, PIXELS))
        content = io.BytesIO()
        image.save(content, "WEBP", quality=62, method=6)
        yield f"{NAME}/{number}.webp", content.getvalue()


def _write_notebooks(folder) -> list:
    """Write the chapters, and return what the index shows of each."""
    (folder / OWN).mkdir(parents=True)
    shutil.copytree(ROOT / "notebooks" / "drawings", folder / "drawings")
    chapters = [path for path in notebooks_in(ROOT / "notebooks") if path.name[:2] in BROWSER_CHAPTERS]
    chapters, entries = {path.stem: path for path in chapters if path.parent.name == "notebooks"}, []
    for path in chapters.values():
        notebook = browser_edition(nbformat.read(path, as_version=4), chapters)
        nbformat.write(notebook, folder / path.name)
        entries.append(entry(Chapter.read(path), folder / path.name, path.parent))
    first = new_notebook(metadata={"kernelspec": BROWSER_KERNEL}, cells=[new_code_cell(FIRST_LINES)])
    nbformat.write(first, folder / OWN / "my_first.ipynb")
    return entries


def _stage(path):
    """Run chapter 00 as far as its table with boxes, at `path`, and return the table."""
    notebook = nbformat.read(next((ROOT / "notebooks").glob("00_*.ipynb")), as_version=4)
    with_boxes = next(i for i, cell in enumerate(notebook.cells) if "draw.score_ledger(" in cell.source)
    del notebook.cells[with_boxes + 1 :]
    nbformat.write(notebook, path)
    run_notebook(path, path, {}, {VARIABLE: ""})
    return stage_of(path)


def _configure(lite, extensions, packages):
    options = {"packages": packages, "env": {"MPLCONFIGDIR": f"/lib/python3.12/site-packages/{SETTINGS}"}}
    kernel = {"loadPyodideOptions": options, "disablePyPIFallback": True}
    settings = {"@jupyterlite/pyodide-kernel-extension:kernel": kernel}
    kept = {
        "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": SECONDS},
        "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},  # dark where the device is
    }
    page = {
        "appName": "ASIF", "litePluginSettings": settings, "settingsOverrides": kept, "exposeAppInBrowser": True,
    }  # fmt: skip
    for name, content in {
        "jupyter-lite.json": {"jupyter-lite-schema-version": 0, "jupyter-config-data": page},
        "jupyter_lite_config.json": {
            "LiteBuildConfig": {
                "apps": ["notebooks", "tree", "lab"], "contents": ["files"], "no_sourcemaps": True,
                "no_unused_shared_packages": True, "ignore_sys_prefix": ["federated_extensions"],
                "federated_extensions": [str(path) for path in (*extensions, files.widgets())],
            }
        },
    }.items():  # fmt: skip
        (lite / name).write_text(json.dumps(content), encoding="utf-8")


def _run_jupyterlite(lite, tools):
    command = [sys.executable, "-m", "jupyterlite_core", "build", "--output-dir", "out"]
    paths = os.pathsep.join([str(tools), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, cwd=lite, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
    if done.returncode:
        raise AsifError(f"JupyterLite could not build the edition: {done.stderr.strip().splitlines()[-1:]}")


def _finish(target, entries, stage):
    """Pack large files, and write the page that a reader opens first, and the service worker that keeps the files."""
    more = _beside("head.html")
    for page in target.glob("*/index.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("</head>", f"{more}</head>", 1), encoding="utf-8")
    for script in (target / "extensions").rglob("*.js"):
        if "var __webpack_modules__" in (text := script.read_text(encoding="utf-8")):  # a worker, not a part of a page
            text = re.sub(r"EINVAL(?=\);return JSON\.parse)", "EIO", text)  # of a file that the browser does not keep
            script.write_text(_beside("kernel.js") + text, encoding="utf-8")
    for file in sorted(target.rglob("*")):
        if file.suffix in PACKED and file.stat().st_size > LEAST:
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    start = {f"static/pyodide/{file.name}": file.stat().st_size for file in (target / "static" / "pyodide").iterdir()}
    start = {path: size for path, size in sorted(start.items()) if not path.endswith((".gz", ".mjs"))}
    later = [file.relative_to(target).as_posix() for file in sorted(target.glob("static/parts/*.zip"))]
    sizes = [_transferred(target / path) for path in start]
    page = layout(
        "browser/start.html.j2", title=BOOK, entries=entries, chapters=[each["chapter"] for each in entries], more=[],
        current="index", previous=None, next=None, walk=None, stage=stage, search=False,
        link="notebooks/index.html?path={}.ipynb", own=OWN, start=start, later=later,
        megabytes=round(sum(sizes) / 1e6),
        app_version=json.loads((target / "jupyter-lite.json").read_text())["jupyter-config-data"]["appVersion"],
    )  # fmt: skip
    (target / "index.html").write_text(page, encoding="utf-8")
    worker = target / "service-worker.js"
    kept = [file for file in sorted(target.rglob("*")) if file.is_file() and file != worker and file.suffix != ".gz"]
    digests = {
        file.relative_to(target).as_posix(): (sha256_of(file), _transferred(file) < file.stat().st_size)
        for file in kept
    }
    version = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]
    offline = TEMPLATES.from_string(_beside("offline.js")).render(files=digests, version=version)
    worker.write_text(offline + worker.read_text(encoding="utf-8"), encoding="utf-8")


def _beside(name) -> str:
    """Read a file of this package."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _transferred(file) -> int:
    """Bytes that a browser fetches for a file."""
    packed = file.with_name(f"{file.name}.gz")
    return packed.stat().st_size if packed.exists() else file.stat().st_size


def main(arguments=None) -> int:
    """``python -m asif_book.browser.building FOLDER``: exit status 1, and one sentence, if something is missing."""
    parser = argparse.ArgumentParser(prog="python -m asif_book.browser.building")
    parser.add_argument("target", type=Path)
    try:
        build_folder(parser.parse_args(arguments).target)
    except AsifError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
