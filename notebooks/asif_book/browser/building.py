"""Build the workbook for a browser: a folder of static files that any web server can serve.

JupyterLite shows the notebooks, and Pyodide runs their Python within the browser. Everything that the kernel loads is
a package of one lock, with its SHA-256: Pyodide's own, the workbook's code, pure packages of this environment, and the
stamps with their embeddings.

    python -m asif_book.browser.building build/browser [--distribution]
"""

import argparse
import gzip
import hashlib
import io
import json
import os
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

from asif_book.classes import without_article
from asif_book.editions import BROWSER_CHAPTERS, BROWSER_KERNEL, browser_edition, notebooks_in
from asif_book.figures.templates import TEMPLATES
from asif_book.in_browser import NAME
from asif_book.licences import licences_md
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import AsifError
from asif_lib.files import ROOT, sha256_of

from . import files

STARTED = ("sqlite3", "micropip", "ipython", "numpy", "pandas", "pillow", "matplotlib", "threadpoolctl")
"""What the kernel loads at its start, with what these need; other packages wait until a cell imports them."""
UNUSED = {"ipython": ["jedi"], "matplotlib": ["matplotlib-pyodide"]}
"""What a package can do without here."""
PURE = (
    "anywidget", "comm", "ipywidgets", "jinja2", "jupyterlab_widgets", "lazy_loader", "markupsafe",
    "psygnal", "tqdm", "typing_extensions",
)  # fmt: skip
"""Packages whose Python files are taken from this environment; each runs without its compiled part."""
EXTENSIONS = "@jupyterlite/pyodide-kernel-extension", "anywidget"
PIXELS = 160
"""Of the longer side of a thumbnail: figures show pictures at most that large."""
OWN = "my_notebooks"
FIRST_LINES = """import torch
from asif_book.opening import open_chapter
from asif_lib import ASIF

image_encoder, text_encoder, stamps, bank = open_chapter()
model = ASIF(bank, image_encoder=image_encoder, text_encoder=text_encoder)"""
"""The first cell of the reader's own notebook."""
PACKED = 50_000
"""Bytes from which a text, or WebAssembly, has a packed copy beside it."""


def build_folder(target: Path, *, distribution=False) -> None:
    """Write the folder `target`. Raises `AsifError` with one sentence if a file or a package cannot be had."""
    core = files.core()
    tools = files.jupyterlite()
    extensions = [_extension(name, tools) for name in EXTENSIONS]
    lock = files.load_lock(core)
    names = _with_dependencies(lock, STARTED)
    packages = files.packages(lock, names, distribution=distribution)
    with tempfile.TemporaryDirectory(prefix="asif-browser-") as scratch:
        lite = Path(scratch)
        pyodide = lite / "static" / "pyodide"
        shutil.copytree(core, pyodide)
        for name in names:
            shutil.copyfile(
                packages / lock["packages"][name]["file_name"], pyodide / lock["packages"][name]["file_name"]
            )
        lock["packages"] = {name: lock["packages"][name] for name in names}
        for wheel in sorted((extensions[0] / "static" / "pypi").glob("*.whl")):
            if not wheel.name.startswith("widgetsnbextension-3"):
                shutil.copyfile(wheel, pyodide / wheel.name)
                _enter(lock, pyodide / wheel.name)
        _enter(lock, _own_wheel(pyodide, "ssl", ()))  # the kernel asks for it; nothing here needs its 2 MB
        for name in PURE:
            _enter(lock, _pure_wheel(pyodide, name))
        _enter(lock, _own_wheel(pyodide, "asif_workbook", _own_files()), [*STARTED, *PURE])
        _enter(lock, _own_wheel(pyodide, NAME, _stamps()))
        (pyodide / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        chapters = _write_notebooks(lite / "files")
        _configure(lite, extensions, sorted(package["name"] for package in lock["packages"].values()))
        _run_jupyterlite(lite, tools)
        _finish(lite / "out", chapters)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(lite / "out", target)


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


def _enter(lock, wheel, depends=()):
    """Enter a wheel into the lock, after its name and its top-level modules."""
    name, version = wheel.name.split("-")[:2]
    with zipfile.ZipFile(wheel) as archive:
        modules = {entry.split("/")[0].removesuffix(".py") for entry in archive.namelist() if ".dist-info" not in entry}
    lock["packages"][canonicalize_name(name)] = {
        "name": name, "version": version, "file_name": wheel.name, "install_dir": "site", "sha256": sha256_of(wheel),
        "package_type": "package", "imports": sorted(modules), "depends": sorted(depends), "unvendored_tests": False,
    }  # fmt: skip


def _own_wheel(folder, name, entries) -> Path:
    """Write a wheel of pairs (path, bytes)."""
    about = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", "RECORD": ""}
    about["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    entries = [*entries, *((f"{name}-1.dist-info/{file}", text.encode()) for file, text in about.items())]
    return _written(folder / f"{name}-1-py3-none-any.whl", entries)


def _pure_wheel(folder, name) -> Path:
    """Write a wheel of the Python files of a distribution that is installed here, with its licences."""
    found = metadata.distribution(name)
    paths = [
        file for file in found.files if ".dist-info/" in str(file) or file.suffix in (".py", ".js", ".css", ".json")
    ]
    kept = [file for file in paths if ".." not in file.parts and not {"tests", "static"}.intersection(file.parts)]
    wheel = folder / f"{name}-{found.version}-py3-none-any.whl"
    return _written(wheel, [(file.as_posix(), file.locate().read_bytes()) for file in kept])


def _written(wheel, entries) -> Path:
    """Write a wheel; the same entries make the same bytes."""
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(entries):
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return wheel


def _own_files():
    """The code of the three wings, with the stand-in for PyTorch before everything else."""
    stand_in = Path(__file__).parent / "stand_in"
    for top in (ROOT / "asif_lib", ROOT / "benchmarks" / "asif_lab", ROOT / "notebooks" / "asif_book", stand_in):
        for file in sorted(top.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and (top == stand_in or stand_in not in file.parents):
                yield file.relative_to(top if top == stand_in else top.parent).as_posix(), file.read_bytes()
    yield "data/catalogue.toml", (ROOT / "data" / "catalogue.toml").read_bytes()


def _stamps():
    """The stamps: thumbnails, captions, splits, embeddings, and the embeddings of the sentences of the chapters."""
    from asif_book.opening import open_chapter
    from asif_lib.encoders import embed, open_picture

    image_encoder, text_encoder, pairs, bank = open_chapter()
    nouns = [without_article(caption) for caption in pairs.captions]
    asked = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines()
    sentences = sorted({DEFAULT_TEMPLATE.format(noun) for noun in nouns + asked} | {*nouns, *asked})
    mirrored = [ImageOps.mirror(open_picture(pairs.pictures[i])) for i in pairs.splits["test"]]
    arrays = {"image": bank.image, "text": bank.text, "mirrored": embed(image_encoder, mirrored)}
    arrays["sentences"] = embed(text_encoder, sentences)
    content = io.BytesIO()
    np.savez(content, **{name: array.numpy().astype("<f4") for name, array in arrays.items()})
    yield f"{NAME}/embeddings.npz", content.getvalue()
    table = {name: getattr(pairs, name) for name in ("name", "captions", "ids", "groups", "splits", "licence")}
    identities = {side: vars(identity) for side, identity in bank.encoders.items()}
    about = table | {"sentences": sentences, "encoders": identities}
    yield f"{NAME}/stamps.json", json.dumps(about, ensure_ascii=False).encode()
    yield f"{NAME}/__init__.py", b'"""Stamps of Tux Paint as thumbnails, with captions and embeddings."""\n'
    yield f"{NAME}/LICENCES.md", licences_md().encode()
    for number, picture in enumerate(pairs.pictures):
        image = open_picture(picture)
        image.thumbnail((PIXELS, PIXELS))
        content = io.BytesIO()
        image.save(content, "WEBP", quality=80, method=6)
        yield f"{NAME}/{number}.webp", content.getvalue()


def _write_notebooks(folder) -> dict:
    """Write the chapters, and return their titles by their names."""
    (folder / OWN).mkdir(parents=True)
    chapters = [path for path in notebooks_in(ROOT / "notebooks") if path.name[:2] in BROWSER_CHAPTERS]
    chapters = {path.stem: path for path in chapters if path.parent.name == "notebooks"}
    for name, path in chapters.items():
        notebook = browser_edition(nbformat.read(path, as_version=4), chapters)
        nbformat.write(notebook, folder / f"{name}.ipynb")
        chapters[name] = notebook.metadata.title
    first = new_notebook(metadata={"kernelspec": BROWSER_KERNEL}, cells=[new_code_cell(FIRST_LINES)])
    nbformat.write(first, folder / OWN / "my_first.ipynb")
    return chapters


def _configure(lite, extensions, packages):
    kernel = {"loadPyodideOptions": {"packages": packages}, "disablePyPIFallback": True}
    settings = {"@jupyterlite/pyodide-kernel-extension:kernel": kernel}
    page = {"appName": "ASIF", "litePluginSettings": settings, "exposeAppInBrowser": True}
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


def _finish(target, chapters):
    """Pack large files, and write the page that a reader opens first, and the service worker that keeps the files."""
    for file in [*target.rglob("*.js"), *target.rglob("*.wasm"), *target.rglob("*.json")]:
        if file.stat().st_size > PACKED:
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    start = {f"static/pyodide/{file.name}": file.stat().st_size for file in (target / "static" / "pyodide").iterdir()}
    start = {path: size for path, size in sorted(start.items()) if not path.endswith((".gz", ".mjs"))}
    sizes = [_transferred(target / path) for path in start]
    page = TEMPLATES.get_template("browser/start.html.j2").render(
        chapters=chapters, own=OWN, start=start, megabytes=round(sum(sizes) / 1e6), licences=licences_md(),
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
    offline = TEMPLATES.from_string((Path(__file__).parent / "offline.js").read_text(encoding="utf-8"))
    worker.write_text(
        offline.render(files=digests, version=version) + worker.read_text(encoding="utf-8"), encoding="utf-8"
    )


def _transferred(file) -> int:
    """Bytes that a browser fetches for a file."""
    packed = file.with_name(f"{file.name}.gz")
    return packed.stat().st_size if packed.exists() else file.stat().st_size


def main(arguments=None) -> int:
    """``python -m asif_book.browser.building FOLDER``: exit status 1, and one sentence, if something is missing."""
    parser = argparse.ArgumentParser(prog="python -m asif_book.browser.building")
    parser.add_argument("target", type=Path)
    parser.add_argument("--distribution", action="store_true", help="fetch from Pyodide's own distribution")
    options = parser.parse_args(arguments)
    try:
        build_folder(options.target, distribution=options.distribution)
    except AsifError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
