"""Frozen vision models: pictures in, one float32 row vector each out."""

import contextlib
import functools
import hashlib
import json
import math
import threading

import numpy as np
import torch
from PIL import Image

from asif_lib.defaults import DEFAULT_IMAGE_ENCODER
from asif_lib.errors import EncoderError, PictureError
from asif_lib.machine import resolve_device

from .encoder import Encoder, check_backend, encoder_errors
from .identity import PADDED, REGISTRY_IMAGE_ENCODERS, EncoderIdentity, is_padded
from .onnx import OnnxModel, efficientnet_lite, packaged_model, shipped_graph
from .pictures import MAX_PIXELS, open_picture, picture_digest, too_large, white_square
from .weights import check_expected, configuration, folder_checksum, model_folder, short_name

MOST_ELONGATED = 16
"""The longest proportion of the sides up to which a picture is scaled as a whole."""


def middle(image):
    """Return the middle of a more elongated picture, as long as `MOST_ELONGATED` allows, or else the picture itself.

    timm scales a picture until its shorter side fits, and then discards all but the centre. Scaled as a whole, a
    picture of 20,000 × 2 pixels would take 2.6 GB.
    """
    left, top = (max(0, edge - MOST_ELONGATED * min(image.size)) // 2 for edge in image.size)
    return image.crop((left, top, image.width - left, image.height - top)) if left or top else image


def centre_crop(config):
    """Return the transform of a timm data config that scales by ``crop_pct`` and crops the centre, the same bits.

    It maps an RGB PIL image to a (3, height, width) float32 tensor, as what ``timm.data.create_transform`` makes.
    """
    (height, width), resample = config["input_size"][1:], Image.Resampling[config["interpolation"].upper()]
    side = math.floor(height / config["crop_pct"])
    mean, std = (torch.tensor(config[name], dtype=torch.float32).view(3, 1, 1) for name in ("mean", "std"))

    def transform(image):
        scaled = [side * edge // min(image.size) for edge in image.size]  # as torchvision's Resize and CenterCrop round
        left, top = (round((new - kept) / 2) for new, kept in zip(scaled, (width, height), strict=True))
        image = image.resize(scaled, resample).crop((left, top, left + width, top + height))
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div_(255).sub_(mean).div_(std)

    return transform


class PictureEncoder(Encoder):
    """A frozen encoder of pictures.

    A subclass has ``prepare(image)``, from RGB PIL image to tensor, and ``_embed(batch)``, from b tensors to (b, dim).
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

    The default batch is 2 pictures on a CPU (page faults slow down larger ones), and 64 elsewhere.

    Attributes
    ----------
    model : Module or OnnxModel
        From a (b, 3, h, w) float32 tensor to the (b, dim) embeddings.
    identity : EncoderIdentity
    device : torch.device
    """

    def __init__(self, model, config, identity, device):
        super().__init__(identity, device, 2 if device.type == "cpu" else 64)
        self.model, self._config, self._square = model, config, is_padded(identity)
        if isinstance(model, OnnxModel):
            self._transform = centre_crop(config)
        else:
            self._transform = self.transform
            model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        # an accelerator computes one batch at a time, while the other threads decode
        self._turn = contextlib.nullcontext() if device.type == "cpu" else threading.Lock()

    @functools.cached_property
    def transform(self):
        """From an RGB PIL image to a (3, h, w) float32 tensor: timm's own evaluation transform of the model."""
        return _timm().data.create_transform(**self._config, is_training=False)

    def prepare(self, image) -> torch.Tensor:
        """Return an RGB PIL image, in a white square or as it is, as `transform` makes it.

        Of an elongated picture without a square, whose centre is kept, only the `middle` is scaled.
        """
        if self._square:
            image = white_square(image)
        return self._transform(middle(image) if self._config["crop_mode"] == "center" else image)

    def _embed(self, batch):
        with self._turn, torch.inference_mode():
            vectors = self.model(batch.to(self.device)).float().cpu()
        return vectors.clone()


def load_image_encoder(
    name=DEFAULT_IMAGE_ENCODER, *, device="auto", square=None, random_seed=None, backend="auto", expected=None
) -> ImageEncoder:
    """Load a frozen image encoder.

    Raises `EncoderError` or `MissingExtraError` if the encoder is not found, its weights do not have the expected
    checksum, only pickled weights are there, or `square` or the backend is unknown.
    Raises `IdentityError` if the encoder is not the expected one.

    Parameters
    ----------
    name : str or Path
        A name of `REGISTRY_IMAGE_ENCODERS` (from the Python package registry), the name of a timm model (from the
        hub), or a folder with a timm ``config.json`` and ``model.safetensors``.
    device : {"auto", "cpu", "cuda", "mps"}
    square : bool, optional
        Lay each picture on a white square, so that no crop cuts off its ends. This is part of the identity. Default:
        as `expected` says; else True for `REGISTRY_IMAGE_ENCODERS`, and False for others, as timm evaluates them.
    random_seed : int, optional
        Leave the weights untrained and draw them with this seed: a control for experiments.
    backend : {"auto", "torch"}
        ``"auto"``: ONNX Runtime for `REGISTRY_IMAGE_ENCODERS` on a CPU (see `asif_lib.encoders.onnx`), else PyTorch.
        ``"torch"``: timm's model in PyTorch. The embeddings agree up to rounding, so this is not part of the identity.
    expected : EncoderIdentity, optional
        The identity by which a bank names the encoder; weights and settings are compared before they are loaded.
    """
    check_backend(backend)
    device = resolve_device(device)
    if square is None and expected is not None:
        square = is_padded(expected)
    if square is None:
        square = str(name) in REGISTRY_IMAGE_ENCODERS
    if square not in (True, False):
        raise EncoderError(f"square = {square!r}: pictures are laid on a white square, True, or not, False")
    if random_seed is not None:
        return _random_image_encoder(name, random_seed, device, backend, square)
    if str(name) in REGISTRY_IMAGE_ENCODERS:
        entry = REGISTRY_IMAGE_ENCODERS[str(name)]
        check_expected(expected, entry.sha256)
        on_cpu = backend == "auto" and device.type == "cpu" and entry.lite_config
        model = OnnxModel(*shipped_graph(str(name))) if on_cpu else packaged_model(str(name))
        source = f"package {entry.package}"
        return _image_encoder(model, str(name), source, entry.sha256, device, square, entry.lite_config)
    folder, source = model_folder(name, "image", expected)
    checksum, settings = folder_checksum(folder, subfolders=False), configuration(folder)
    check_expected(expected, checksum, settings)
    with encoder_errors(name, "timm"):
        model = _timm().create_model(f"local-dir:{folder}", pretrained=True)  # without its head timm lets weights lack
        model.reset_classifier(0)
        encoder = _image_encoder(model, short_name(name), source, checksum, device, square, settings=settings)
        if math.prod(encoder._config["input_size"]) > MAX_PIXELS:
            raise ValueError(f"it wants pictures of over {MAX_PIXELS:,} pixels")
        encoder._embed(encoder.prepare(Image.new("RGB", (64, 64)))[None])  # settings that cannot work are refused now
    return encoder


def _timm():
    """The package takes seconds to import, and the shipped encoders do without it on a CPU."""
    import timm

    return timm


def _image_encoder(model, name, source, checksum, device, square, config=None, settings=""):
    config = config or _timm().data.resolve_data_config({}, model=model)
    steps = json.dumps({key: config[key] for key in sorted(config)})
    preprocessing = f"RGB, upright, transparency over white, {PADDED[square]}; timm {steps} {settings}".strip()
    dim = model.dim if isinstance(model, OnnxModel) else model.head_hidden_size
    return ImageEncoder(model, config, EncoderIdentity("image", name, source, checksum, preprocessing, dim), device)


def _random_image_encoder(name, seed, device, backend, square):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        entry = REGISTRY_IMAGE_ENCODERS.get(name)
        model = _timm().create_model(entry.architecture if entry else name, num_classes=0)
    digest, weights = hashlib.sha256(), {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    for key, array in weights.items():
        digest.update(key.encode() + array.tobytes())
    config = entry and entry.lite_config
    if config and (backend, device.type) == ("auto", "cpu"):
        model = OnnxModel(*efficientnet_lite(weights.values()))
    name, source = f"{name} with random weights", f"seed {seed}"
    return _image_encoder(model, name, source, digest.hexdigest(), device, square, config)
