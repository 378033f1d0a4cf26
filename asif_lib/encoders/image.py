"""Frozen vision models: pictures in, one float32 row vector each out."""

import contextlib
import hashlib
import json
import threading

import timm
import torch
from safetensors import SafetensorError
from tqdm.auto import tqdm

from asif_lib.errors import BrokenPicturesError, EncoderError, PictureError, first_line
from asif_lib.machine import chunks_of, one_thread_per_core, resolve_device

from .graphs import frozen_graph, openvino_graph
from .identity import EncoderIdentity
from .pictures import open_picture
from .transforms import only_the_crop
from .weights import (
    REGISTRY_IMAGE_ENCODERS,
    configuration,
    folder_checksum,
    model_folder,
    package_file,
    short_name,
    verify,
)

BACKENDS = ("torch", "plain", "openvino")


class ImageEncoder:
    """A frozen vision model.

    Attributes
    ----------
    identity : EncoderIdentity
    device : torch.device
    backend : str
        What computes: see `load_image_encoder`.
    transform : callable
        From an RGB PIL image to a (3, h, w) float32 tensor: timm's own evaluation transform of the model.
    """

    def __init__(self, model, transform, identity, device, backend="torch"):
        model = model.eval().requires_grad_(False).to(device)
        self.identity, self.device, self.backend = identity, device, backend
        self.transform, self.prepare = transform, only_the_crop(transform)
        self.batch_size = 2 if device.type == "cpu" else 64
        if backend == "plain":
            self.model, self.prepare, self.batch_size = model, transform, 8
        elif backend == "openvino":
            self.model = openvino_graph(model, torch.get_num_threads())
        else:
            model = model.to(memory_format=torch.channels_last)
            self.model = frozen_graph(model) if device.type == "cpu" else model

    def encode(self, pictures, *, batch_size=None, progress=True) -> torch.Tensor:
        """Return the (n, dim) float32 embeddings of n `pictures`, on the CPU.

        Parameters
        ----------
        pictures : sequence of str, Path, PictureFile or PIL.Image.Image
        batch_size : int, optional
            Default: 2 on a CPU (larger batches are bound by page faults), 64 elsewhere, 8 of the plain backend.

        Raises
        ------
        ParameterError
            If the batch size is not a whole number, 1 or more.
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
        chunks = chunks_of(range(len(pictures)), self.batch_size if batch_size is None else batch_size)
        # an accelerator computes one batch at a time, while the other threads decode
        turn = contextlib.nullcontext() if self.device.type == "cpu" else threading.Lock()

        def run(chunk):
            positions, tensors, errors = [], [], []
            for i in chunk:
                try:
                    tensors.append(self.prepare(open_picture(pictures[i])))
                    positions.append(i)
                except PictureError as error:
                    errors.append((i, error))
            if not tensors:
                return positions, torch.empty(0, self.identity.dim), errors
            with turn, torch.inference_mode():
                vectors = self.model(self._batch(tensors)).float().cpu()
            return positions, vectors.clone(), errors

        bar = tqdm(total=len(pictures), desc=f"encoding with {self.identity.name}", unit="picture",
                   disable=not progress, leave=False)  # fmt: skip
        # the plain backend decodes and computes by turns
        mapping = contextlib.nullcontext(map) if self.backend == "plain" else one_thread_per_core(self.device)
        with bar, mapping as mapped:
            for chunk, result in zip(chunks, mapped(run, chunks), strict=True):
                yield result
                bar.update(len(chunk))

    def _batch(self, tensors):
        batch = torch.stack(tensors)
        if self.backend == "torch":
            batch = batch.contiguous(memory_format=torch.channels_last)
        return batch.to(self.device)

    def __repr__(self):
        return f"ImageEncoder({self.identity}, device={self.device}, backend={self.backend})"


def load_image_encoder(name="efficientnet_lite0", *, device="auto", random_seed=None, backend="torch") -> ImageEncoder:
    """Load a frozen image encoder.

    Parameters
    ----------
    name : str or Path
        ``efficientnet_lite0``, ``1`` or ``2`` (from the Python package registry), the name of a timm model
        (from the hub), or a folder with a timm ``config.json`` and ``model.safetensors``.
    device : {"auto", "cpu", "cuda", "mps"}
    random_seed : int, optional
        Leave the weights untrained and draw them with this seed: a control for experiments.
    backend : {"torch", "plain", "openvino"}
        What computes. The embeddings agree but for rounding, so it is not part of the identity.
        ``"torch"``: on a CPU a frozen graph, batches of 2, one thread for each core, and only the centre crop is
        resampled. ``"plain"``: timm's model and transform as they come, in batches of 8, one after the other: what
        the others are compared with. ``"openvino"``: as ``"torch"``, compiled by OpenVINO (on a CPU only; needs the
        extra ``openvino``).

    Raises
    ------
    EncoderError
        If the encoder is not found, its weights are not those of the checksum, they are pickled only, or the
        backend is not there.
    """
    if backend not in BACKENDS:
        raise EncoderError(f"backend {backend!r} is unknown; use one of {', '.join(BACKENDS)}")
    device = resolve_device("cpu" if backend == "openvino" and device == "auto" else device)
    if backend == "openvino" and device.type != "cpu":
        raise EncoderError(f"backend 'openvino' computes on a CPU, not on {device.type}; use device='cpu'")
    if random_seed is not None:
        return _random_image_encoder(name, random_seed, device, backend)
    if str(name) in REGISTRY_IMAGE_ENCODERS:
        model, source, checksum = _efficientnet_lite(name)
        return _image_encoder(model, str(name), source, checksum, device, backend)
    folder, source = model_folder(name, kind="image")
    checksum = folder_checksum(folder, subfolders=False)
    try:
        model = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0)
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
        raise EncoderError(f"{name}: timm cannot load this model ({first_line(error)})") from error
    return _image_encoder(model, short_name(name), source, checksum, device, backend, configuration(folder))


def _image_encoder(model, name, source, checksum, device, backend, settings=""):
    config = timm.data.resolve_data_config({}, model=model)
    transform = timm.data.create_transform(**config, is_training=False)
    steps = json.dumps({key: config[key] for key in sorted(config)})
    preprocessing = f"RGB, upright, transparency over white; timm {steps} {settings}".strip()
    identity = EncoderIdentity("image", name, source, checksum, preprocessing, model.head_hidden_size)
    return ImageEncoder(model, transform, identity, device, backend)


def _efficientnet_lite(name):
    """The package's weights in timm's architecture: other key names, the same tensors in the same order."""
    package, checksum = REGISTRY_IMAGE_ENCODERS[name]
    path = package_file(package, "*.pth")
    verify(path, checksum)
    weights = torch.load(path, map_location="cpu", weights_only=True)
    model = timm.create_model(f"tf_{name}", num_classes=1000)
    ours = model.state_dict()
    shapes = [tensor.shape for tensor in ours.values()]
    if [tensor.shape for tensor in weights.values()] != shapes:
        raise EncoderError(f"{name}: the tensors of {package} do not fit timm's tf_{name}; use another timm version")
    model.load_state_dict(dict(zip(ours, weights.values(), strict=True)))
    model.reset_classifier(0)
    return model, f"package {package}", checksum


def _random_image_encoder(name, seed, device, backend):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model(f"tf_{name}" if name in REGISTRY_IMAGE_ENCODERS else name, num_classes=0)
    digest = hashlib.sha256()
    for key, tensor in model.state_dict().items():
        digest.update(key.encode() + tensor.numpy().tobytes())
    return _image_encoder(model, f"{name} with random weights", f"seed {seed}", digest.hexdigest(), device, backend)
