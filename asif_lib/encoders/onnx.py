"""The encoders that ship as packages: their models in PyTorch, and an ONNX file of each for a CPU.

ONNX Runtime needs neither timm nor `transformers`, which take seconds to import, and computes faster than PyTorch. The
embeddings agree up to rounding. PyTorch makes the file when an encoder is used for the first time.
"""

import hashlib
import sys
import warnings
from pathlib import Path

import onnxruntime
import torch
from safetensors.torch import load_file

from asif_lib.errors import AsifError, EncoderError, first_line
from asif_lib.files import cache_dir, is_writable, sha256_of, write_whole

from .registry import MINILM_PACKAGE, MINILM_SHA256, REGISTRY_IMAGE_ENCODERS
from .weights import package_file, verify

FORM = 1
"""Of the file. Count it up with every change of what is exported, or how."""
TOLERANCE = 1e-5
"""Largest difference between ONNX Runtime's embedding and PyTorch's, as a share of its length."""


class OnnxModel:
    """A model that ONNX Runtime computes, one thread for each call; several threads may call it at once."""

    def __init__(self, file):
        onnxruntime.disable_telemetry_events()  # on Windows it would report to its makers
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.names = [each.name for each in self.session.get_inputs()]
        self.dim = self.session.get_outputs()[0].shape[1]

    def __call__(self, *inputs) -> torch.Tensor:
        """Return the (b, dim) float32 embeddings of a batch: (b, 3, h, w) pixels, or (b, t) token ids and mask."""
        feed = {name: tensor.contiguous().numpy() for name, tensor in zip(self.names, inputs, strict=True)}
        return torch.from_numpy(self.session.run(None, feed)[0])


def onnx_model(name) -> OnnxModel | None:
    """Return the model of `onnx_file`, or None with a warning if the file can be neither made nor kept."""
    try:
        return OnnxModel(onnx_file(name))
    except AsifError:
        raise
    except Exception as error:  # the exporter raises errors of many kinds
        fault = f"its ONNX file cannot be made ({first_line(error)})"
        warnings.warn(f"{name}: {fault}; PyTorch computes the same embeddings in more time", stacklevel=4)
        return None


def onnx_file(name) -> Path:
    """Return the ONNX file of an encoder that ships, verified; the first call makes it, in a few seconds.

    An image encoder maps ``pictures`` (b, 3, h, w) to ``embeddings`` (b, dim), and all-MiniLM-L6-v2 maps ``input_ids``
    and ``attention_mask`` (b, t) to ``embeddings`` of unit length. The name ends in the SHA-256 of the file. A damaged
    file is made again, with a warning.

    Raises `EncoderError` if no such encoder ships, or its package is not installed or not as published, `OSError` if
    the cache cannot be written, and other errors if PyTorch cannot export the model.
    """
    if name in REGISTRY_IMAGE_ENCODERS:
        weights, parts = REGISTRY_IMAGE_ENCODERS[name].sha256, _pictures
    elif name == "all-MiniLM-L6-v2":
        weights, parts = MINILM_SHA256, _texts
    else:
        raise EncoderError(f"{name}: has no ONNX file; {', '.join([*REGISTRY_IMAGE_ENCODERS, 'all-MiniLM-L6-v2'])} do")
    folder, stem = cache_dir() / "encoders", f"{name}-{FORM}-{weights[:12]}-"
    for file in sorted(folder.glob(f"{stem}*.onnx")):
        if sha256_of(file) == file.stem.removeprefix(stem):
            return file
        warnings.warn(f"{file}: is damaged, and made again", stacklevel=2)
        file.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    if not is_writable(folder):
        raise PermissionError(f"{folder} is read-only")
    if sys.stderr.isatty():
        print(f"preparing {name} for ONNX Runtime, once …", file=sys.stderr, flush=True)
    content = _exported(*parts(name))
    path = folder / f"{stem}{hashlib.sha256(content).hexdigest()}.onnx"
    write_whole(path, content)
    return path


def _exported(model, inputs, axes) -> bytes:
    """Return a model as the bytes of an ONNX file; the `axes` of its inputs, int to str, may have any length.

    The `inputs`, str to Tensor, have three rows. Two are exported, all three compared, of texts with more tokens.
    """
    sample, names = tuple(each[:2, :9] for each in inputs.values()), list(inputs)  # pictures have 3 channels
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        how = {"dynamo": True, "verbose": False, "dynamic_shapes": (axes,) * len(names)}
        program = torch.onnx.export(model, sample, input_names=names, output_names=["embeddings"], **how)
        content = program.model_proto.SerializeToString()
        ours, theirs = OnnxModel(content)(*inputs.values()), model(*inputs.values())
    if not ((ours - theirs).norm(dim=1) <= TOLERANCE * theirs.norm(dim=1)).all():
        raise RuntimeError("its embeddings are not PyTorch's")
    return content


def _pictures(name):
    model = packaged_model(name)
    noise = torch.rand(3, *model.pretrained_cfg["input_size"], generator=torch.Generator().manual_seed(0))
    return model, {"pictures": 2 * noise - 1}, {0: "batch"}


def _texts(name):
    from .sentence import MeanOfTokens, quiet_transformers

    path = package_file(MINILM_PACKAGE, "model.safetensors")
    verify(path, MINILM_SHA256)
    with quiet_transformers():
        model = MeanOfTokens(path.parent).eval().requires_grad_(False)
    tokens = model.features(["a cat", "a photo of a capybara", "a photo of a very sleepy capybara by the river"])
    return model, {name: tokens[name] for name in ("input_ids", "attention_mask")}, {0: "batch", 1: "token"}


def packaged_model(name):
    """Return timm's model with the weights of a package, without its classifier: weights matched by name, or by order.

    Raises `EncoderError` if the package is not installed, or its weights are not as published or do not fit the model.
    """
    import timm  # seconds

    entry = REGISTRY_IMAGE_ENCODERS[name]
    path = package_file(entry.package, entry.pattern)
    verify(path, entry.sha256)
    safe = path.suffix == ".safetensors"
    weights = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    model = timm.create_model(entry.architecture)
    ours = model.state_dict()
    if weights.keys() == ours.keys():
        weights = {key: weights[key] for key in ours}
    if [tensor.shape for tensor in weights.values()] != [tensor.shape for tensor in ours.values()]:
        raise EncoderError(f"{name}: {entry.package} does not fit timm's {entry.architecture}; take another version")
    model.load_state_dict(dict(zip(ours, weights.values(), strict=True)), assign=True)
    model.reset_classifier(0)
    return model.eval().requires_grad_(False)
