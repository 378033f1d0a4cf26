"""Frozen vision models: pictures in, one float32 row vector each out."""

import contextlib
import functools
import hashlib
import json
import math
import threading

import torch
from PIL import Image
from safetensors.torch import load_file

from asif_lib.defaults import DEFAULT_IMAGE_ENCODER
from asif_lib.errors import EncoderError, PictureError, encoder_errors
from asif_lib.machine import resolve_device

from .efficientnet import EfficientNetLite
from .encoder import Encoder
from .graphs import frozen_graph, openvino_graph
from .identity import EncoderIdentity
from .pictures import MAX_PIXELS, open_picture, picture_digest, too_large
from .registry import REGISTRY_IMAGE_ENCODERS
from .transforms import centre_crop, only_the_crop
from .weights import check_expected, configuration, folder_checksum, model_folder, package_file, short_name, verify

BACKENDS = ("torch", "plain", "openvino")
WORTH_FREEZING = 256
"""Pictures of one call from which the frozen graph saves more time than the seconds that it takes to make."""


class PictureEncoder(Encoder):
    """A frozen encoder of pictures.

    A subclass has ``prepare(image)``, from an RGB PIL image to a tensor, and ``_embed(batch)``, from b tensors to the
    (b, dim) embeddings.
    """

    unit = "picture"

    def cache_keys(self, pictures):
        """Return the digest of each picture, and the error of each that cannot be read; both by position."""
        keys, errors = {}, {}
        for i, picture in enumerate(pictures):
            try:
                keys[i] = picture_digest(picture)
            except PictureError as error:
                errors[i] = error
        return keys, errors

    def _run(self, pictures, chunk):
        positions, tensors, errors = [], [], []
        for i in chunk:
            try:
                tensors.append(self.prepare(open_picture(pictures[i])))
                positions.append(i)
            except PictureError as error:
                errors.append((i, error))
            except MemoryError:
                errors.append((i, too_large(pictures[i])))
        vectors = self._embed(torch.stack(tensors)) if tensors else torch.empty(0, self.identity.dim)
        return positions, vectors, errors


class ImageEncoder(PictureEncoder):
    """A frozen vision model.

    The default batch is 2 pictures on a CPU (page faults slow down larger ones), 64 elsewhere, and 8 for the plain
    backend. On a CPU, the first call with `WORTH_FREEZING` pictures or more makes a frozen graph of the model. For a
    shipped encoder, the embeddings are the same bits either way.

    Attributes
    ----------
    model : callable
        From a (b, 3, h, w) float32 tensor to the (b, dim) embeddings.
    identity : EncoderIdentity
    device : torch.device
    backend : str
        The way to compute: see `load_image_encoder`.
    """

    def __init__(self, model, config, identity, device, backend="torch"):
        super().__init__(identity, device, 8 if backend == "plain" else 2 if device.type == "cpu" else 64)
        model = model.eval().requires_grad_(False).to(device)
        self.backend, self._config = backend, config
        self.in_threads = backend != "plain"  # the plain backend decodes and computes by turns
        if isinstance(model, EfficientNetLite):
            self.prepare = centre_crop(config)
        else:
            self.prepare = self.transform if backend == "plain" else only_the_crop(self.transform)
        # an accelerator computes one batch at a time, while the other threads decode
        self._turn = contextlib.nullcontext() if device.type == "cpu" else threading.Lock()
        self._freezes = backend == "torch" and device.type == "cpu"
        if backend == "openvino":
            model = openvino_graph(model, torch.get_num_threads())
        elif backend == "torch":
            model = model.to(memory_format=torch.channels_last)
        self.model = model

    @functools.cached_property
    def transform(self):
        """From an RGB PIL image to a (3, h, w) float32 tensor: timm's own evaluation transform of the model."""
        return _timm().data.create_transform(**self._config, is_training=False)

    def _order(self, pictures):
        """The order as it comes; where the pictures are worth it, the frozen graph is made before the first batch."""
        if len(pictures) >= WORTH_FREEZING:
            self.freeze()
        return super()._order(pictures)

    def freeze(self):
        """Make the frozen graph now; without one, or with one already, nothing changes."""
        if self._freezes:
            self.model, self._freezes = frozen_graph(self.model), False

    def _embed(self, batch):
        if self.backend == "torch":
            batch = batch.contiguous(memory_format=torch.channels_last)
        with self._turn, torch.inference_mode():
            vectors = self.model(batch.to(self.device)).float().cpu()
        return vectors.clone()

    def __repr__(self):
        return f"ImageEncoder({self.identity}, device={self.device}, backend={self.backend})"


def load_image_encoder(
    name=DEFAULT_IMAGE_ENCODER, *, device="auto", random_seed=None, backend="torch", expected=None
) -> ImageEncoder:
    """Load a frozen image encoder.

    Raises `EncoderError` or `MissingExtraError` if the encoder is not found, its weights do not have the expected
    checksum, only pickled weights are there, or the backend is unknown, is not installed or cannot compute this model.
    Raises `IdentityError` if the encoder is not the expected one.

    Parameters
    ----------
    name : str or Path
        A name of `REGISTRY_IMAGE_ENCODERS` (from the Python package registry), the name of a timm model (from the
        hub), or a folder with a timm ``config.json`` and ``model.safetensors``.
    device : {"auto", "cpu", "cuda", "mps"}
    random_seed : int, optional
        Leave the weights untrained and draw them with this seed: a control for experiments.
    backend : {"torch", "plain", "openvino"}
        The way to compute. The embeddings agree up to rounding, so it is not part of the identity.
        ``"torch"``: on a CPU one thread for each core, and for many pictures a frozen graph. ``"plain"``: timm's model
        and transform as they come, one batch after the other; the other backends are compared with it.
        ``"openvino"``: as ``"torch"``, compiled by OpenVINO (on a CPU only; needs the extra ``openvino``).
    expected : EncoderIdentity, optional
        The identity by which a bank names the encoder; weights and settings are compared before they are loaded.
    """
    if backend not in BACKENDS:
        raise EncoderError(f"backend {backend!r} is unknown; use one of {', '.join(BACKENDS)}")
    device = resolve_device("cpu" if backend == "openvino" and device == "auto" else device)
    if backend == "openvino" and device.type != "cpu":
        raise EncoderError(f"backend 'openvino' computes on a CPU, not on {device.type}; use device='cpu'")
    if random_seed is not None:
        return _random_image_encoder(name, random_seed, device, backend)
    if str(name) in REGISTRY_IMAGE_ENCODERS:
        entry = REGISTRY_IMAGE_ENCODERS[str(name)]
        check_expected(expected, entry.sha256)
        alone = backend == "torch" and device.type == "cpu" and entry.lite_config
        model = _packaged_model(str(name), entry, alone)
        return _image_encoder(model, str(name), f"package {entry.package}", entry.sha256, device, backend)
    folder, source = model_folder(name, "image", expected)
    checksum, settings = folder_checksum(folder, subfolders=False), configuration(folder)
    check_expected(expected, checksum, settings)
    with encoder_errors(name, "timm"):
        model = _timm().create_model(f"local-dir:{folder}", pretrained=True)  # without its head timm lets weights lack
        model.reset_classifier(0)
        encoder = _image_encoder(model, short_name(name), source, checksum, device, backend, settings)
        if math.prod(encoder._config["input_size"]) > MAX_PIXELS:
            raise ValueError(f"it wants pictures of over {MAX_PIXELS:,} pixels")
        encoder._embed(encoder.prepare(Image.new("RGB", (64, 64)))[None])  # settings that cannot work are refused now
    return encoder


def _timm():
    """The package takes seconds to import, and the shipped encoders do without it on a CPU."""
    import timm

    return timm


def _image_encoder(model, name, source, checksum, device, backend, settings=""):
    alone = isinstance(model, EfficientNetLite)
    config = model.pretrained_cfg if alone else _timm().data.resolve_data_config({}, model=model)
    steps = json.dumps({key: config[key] for key in sorted(config)})
    preprocessing = f"RGB, upright, transparency over white; timm {steps} {settings}".strip()
    identity = EncoderIdentity("image", name, source, checksum, preprocessing, model.head_hidden_size)
    return ImageEncoder(model, config, identity, device, backend)


def _packaged_model(name, entry, alone):
    """The package's weights, alone or in timm's architecture: matched by name, or by order where they differ."""
    path = package_file(entry.package, entry.pattern)
    verify(path, entry.sha256)
    safe = path.suffix == ".safetensors"
    weights = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    if alone:
        return EfficientNetLite(weights, entry.lite_config)
    model = _timm().create_model(entry.architecture)
    ours = model.state_dict()
    if weights.keys() == ours.keys():
        weights = {key: weights[key] for key in ours}
    if [tensor.shape for tensor in weights.values()] != [tensor.shape for tensor in ours.values()]:
        raise EncoderError(f"{name}: {entry.package} does not fit timm's {entry.architecture}; take another version")
    model.load_state_dict(dict(zip(ours, weights.values(), strict=True)), assign=True)
    model.reset_classifier(0)
    return model


def _random_image_encoder(name, seed, device, backend):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        entry = REGISTRY_IMAGE_ENCODERS.get(name)
        model = _timm().create_model(entry.architecture if entry else name, num_classes=0)
    digest = hashlib.sha256()
    for key, tensor in model.state_dict().items():
        digest.update(key.encode() + tensor.numpy().tobytes())
    return _image_encoder(model, f"{name} with random weights", f"seed {seed}", digest.hexdigest(), device, backend)
