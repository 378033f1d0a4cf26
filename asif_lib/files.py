"""The workbook's files: its folders, checksums, JSON, whole writes, and locks against lost changes."""

import contextlib
import hashlib
import itertools
import math
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from asif_lib.errors import AsifError, DataError

try:
    import fcntl
except ImportError:  # Windows, a browser
    fcntl = None

ROOT = Path(__file__).resolve().parent.parent
"""The checkout, when the package is installed from one (``pip install -e .``)."""

IGNORED = {"thumbs.db", "desktop.ini"}
"""Files of Windows' own."""
LOCK_SECONDS = 10
SMALL = 2**26
"""Bytes. Smaller files are verified whenever they are opened; larger ones wait for ``asif bank verify``."""


def sha256_of(path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal. Raises `OSError` if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_files(files, folder) -> str:
    """Return the SHA-256 over the bytes of these files and their names in `folder`, whatever order they come in."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


def is_writable(path) -> bool:
    """Say whether this user may write a file, or make it where it is missing."""
    path = Path(path)
    while not path.exists() and path != path.parent:
        path = path.parent
    return os.access(path, os.W_OK) and (path.is_dir() or os.access(path.parent, os.W_OK))


def size_of_file(path) -> int:
    """Return the bytes of a regular file. Raises `ValueError` for a link, pipe, device or folder, `OSError` without it.

    A pipe would be waited for, a device has no end, and what a link stands for belongs to something else.
    """
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "a pipe, device or folder"
        raise ValueError(f"{Path(path).name} is {kind}, and only a regular file is read; put a copy in its place")
    return found.st_size


def read_file(path, most=None) -> bytes:
    """Return the content of a regular file; errors as of `size_of_file`, and `ValueError` beyond `most` bytes."""
    if size_of_file(path) > (most or math.inf):
        raise ValueError(f"{Path(path).name} has more than {most >> 20} MB")
    return Path(path).read_bytes()


def check_sha256(path, expected) -> None:
    """Raise `ValueError` unless the path is a regular file with this checksum."""
    size_of_file(path)
    if sha256_of(path) != expected:
        raise ValueError(f"{path.name} is not as it was written: its checksum differs")


def write_whole(path, content: bytes) -> None:
    """Write a file whole or not at all: under another name in its folder, onto the disk, and then renamed.

    The file keeps the rights of the one that it replaces; a link is followed. Raises `OSError` if this fails, and the
    old file is then as it was. Only a regular file is replaced, and no device, pipe or folder.
    """
    mode = os.stat(path).st_mode if os.path.exists(path) else None
    if mode is not None and not stat.S_ISREG(mode):
        raise OSError(f"{path}: is no regular file; name another")
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex[:12]}.part")
    try:
        with open(part, "xb") as file:
            if mode is not None:
                with contextlib.suppress(OSError):  # only root may give a file away
                    shutil.chown(part, *os.stat(path)[4:6])
                part.chmod(stat.S_IMODE(mode))  # before there is anything to read
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def put_aside(path) -> Path:
    """Rename a damaged file to ``NAME.damaged-1.json`` (or -2, …) beside it, and return its new path."""
    kept = free_name(path, "damaged")
    os.replace(path, kept)
    return kept


def free_name(path, word) -> Path:
    """Return ``NAME.word-1.json`` beside a file, or the first number that is free."""
    path = Path(path)
    numbered = (path.with_suffix(f".{word}-{i}{path.suffix}") for i in itertools.count(1))
    return next(candidate for candidate in numbered if not candidate.exists())


def read_json(path, kind):
    """Read a JSON file, as `parse_json`. Raises `OSError` if the file cannot be read."""
    return parse_json(Path(path).read_bytes(), kind)


def parse_json(content: bytes, kind):
    """Return the JSON in `content` as `kind`: a dataclass, a pydantic model, or a type such as ``dict[str, int]``.

    Types are checked strictly: a number in quotes is a string, and 1.0 is no count. Raises `ValueError` if it is not
    JSON of that kind: one line that names the key and the mistake.
    """
    try:
        return TypeAdapter(kind).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))) from None


def write_json(path, value) -> None:
    """Write `value` (a dataclass, a pydantic model, or plain lists and dictionaries) as JSON, in one step."""
    write_whole(path, TypeAdapter(type(value)).dump_json(value, indent=2) + b"\n")


_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n}\n\Z')


def sealed(value) -> bytes:
    """Return a dataclass or pydantic model as JSON. Its last key, ``sha256``, is the checksum of all bytes before."""
    body = TypeAdapter(type(value)).dump_json(value, indent=2).removesuffix(b"\n}")
    return body + f',\n  "sha256": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def write_sealed(path, value) -> None:
    """Write a value as `sealed` JSON, in one step. What no reader takes, a link or a device, is replaced."""
    if not os.path.isfile(path) or os.path.islink(path):
        Path(path).unlink(missing_ok=True)
    write_whole(path, sealed(value))


def read_sealed(path, kind):
    """Read a file that `write_sealed` wrote, as `kind`; errors as of `read_file` and `unsealed`."""
    return unsealed(read_file(path), kind)


def unsealed(content: bytes, kind):
    """Return the JSON in `content` as `kind`; `ValueError` if it is not, or its checksum is missing, or another."""
    seal = _SEAL.search(content)
    if not seal:
        raise ValueError("its checksum is missing, as in a file that is cut off")
    body = content[: seal.start()]
    if hashlib.sha256(body).hexdigest().encode() != seal[1]:
        raise ValueError("it is not as it was written: its checksum differs")
    return parse_json(body + b"\n}", kind)


@contextlib.contextmanager
def locked(path) -> Iterator[None]:
    """Hold the lock of a file, ``NAME.lock`` beside it.

    It excludes other threads too, and ends with its process. Raises `AsifError` if another process keeps the lock for
    `LOCK_SECONDS` seconds, or at once if the file system refuses locks, and `OSError` if the folder is read-only.
    """
    from filelock import FileLock, Timeout  # an answer changes no file

    path = Path(path)
    lock = FileLock(path.with_name(path.name + ".lock"), timeout=LOCK_SECONDS)
    _check_locks(lock.lock_file)
    try:
        held = lock.acquire()
    except Timeout:
        raise AsifError(f"{lock.lock_file} is held by another process; let it end, and repeat.") from None
    with held:
        yield


def _check_locks(file):
    """Raise `AsifError` if the file system refuses a lock: filelock takes this for the lock of another process."""
    if not hasattr(fcntl, "flock"):  # Windows, a browser
        return
    Path(file).parent.mkdir(parents=True, exist_ok=True)  # as filelock does
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process that is forked now inherits no lock
    except BlockingIOError:  # another process holds it, and may release it
        pass
    except OSError as error:
        fault = f"the file system does not lock files ({error.strerror}); put the folder on another disk"
        raise AsifError(f"{file}: {fault}") from None
    finally:
        os.close(descriptor)


def _in_checkout() -> bool:
    return (ROOT / "data" / "catalogue.toml").exists()


def _folder(variable):
    try:
        return Path(os.environ[variable]).expanduser()
    except RuntimeError:  # of ~name
        raise AsifError(f"{variable} = {os.environ[variable]}: there is no such home; write the whole path") from None


def cache_dir() -> Path:
    """Folder of data sets, embeddings and banks: ``$ASIF_CACHE``, else ``data/cache`` of the checkout.

    Outside a checkout it is the user's cache folder, as platformdirs names it.
    """
    if "ASIF_CACHE" in os.environ:
        return _folder("ASIF_CACHE")
    if _in_checkout():
        return ROOT / "data" / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("asif")


def build_dir() -> Path:
    """Folder of what a run of the workbook writes: ``$ASIF_BUILD``, else ``build`` of the checkout."""
    if "ASIF_BUILD" in os.environ:
        return _folder("ASIF_BUILD")
    return (ROOT if _in_checkout() else Path.cwd()) / "build"


# -- folders of your own: every file that is not hidden counts as a picture


def picture_files(folder) -> list:
    """Return the `visible_files` of a folder. Raises `DataError` if there is no such folder, or no file in it."""
    files = visible_files(Path(folder))
    if not files:
        raise DataError(f"{folder}: {'has no pictures' if Path(folder).is_dir() else 'there is no such folder'}")
    return files


def visible_files(folder) -> list:
    """Return the files in `folder` and its subfolders, sorted, without hidden ones; the list may be empty.

    Pipes and broken links are among them, so that a reader of pictures refuses them by name.
    """
    return sorted(f for f in folder.rglob("*") if not f.is_dir() and not is_hidden(f.relative_to(folder)))


def is_hidden(path) -> bool:
    """Whether a part of the relative path starts with a dot, or is a file of Windows' own."""
    return any(part.startswith(".") or part.lower() in IGNORED for part in path.parts)
