"""The encoders that ship as packages: their models in PyTorch, and their graphs for ONNX Runtime, for a CPU.

ONNX Runtime needs neither timm nor `transformers`, which take seconds to import, and computes faster than PyTorch. The
embeddings agree up to rounding.
"""

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper
from safetensors.torch import load_file

from asif_lib.errors import EncoderError

from .graphs import as_proto, efficientnet_lite, minilm
from .registry import MINILM_PACKAGE, MINILM_SHA256, REGISTRY_IMAGE_ENCODERS
from .weights import package_file, verify

SMALL = 1_000
"""Bytes of a tensor that stands within the graph: ONNX Runtime looks at shapes before it has the weights."""


class OnnxModel:
    """A model that ONNX Runtime computes, one thread for each call; several threads may call it at once.

    The `graph` is in ONNX's own language, and `tensors` are its arrays by name, which are used where they are.
    """

    def __init__(self, graph, tensors):
        onnxruntime.disable_telemetry_events()  # on Windows it would report to its makers
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        large = {name: np.ascontiguousarray(each) for name, each in tensors.items() if each.nbytes > SMALL}
        proto = as_proto(graph, {name: each for name, each in tensors.items() if name not in large})
        for name, each in large.items():
            kind = {"data_type": helper.np_dtype_to_tensor_dtype(each.dtype), "data_location": TensorProto.EXTERNAL}
            proto.graph.initializer.add(name=name, dims=each.shape, **kind).external_data.add(key="location", value="-")
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(each) for each in large.values()]  # stay alive
        options.add_external_initializers(list(large), self._weights)
        content = proto.SerializeToString()
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.names = [each.name for each in self.session.get_inputs()]
        self.dim = self.session.get_outputs()[0].shape[-1]

    def __call__(self, *inputs) -> torch.Tensor:
        """Return the (b, dim) float32 embeddings of a batch: (b, 3, h, w) pixels, or (b, t) token ids and mask."""
        feed = {name: tensor.contiguous().numpy() for name, tensor in zip(self.names, inputs, strict=True)}
        return torch.from_numpy(self.session.run(None, feed)[0])


def shipped_graph(name) -> tuple[str, dict]:
    """Return graph and arrays of an encoder that ships, as `OnnxModel` takes them.

    An image encoder maps ``pictures`` (b, 3, h, w) to ``embeddings`` (b, dim), and all-MiniLM-L6-v2 maps ``input_ids``
    and ``attention_mask`` (b, t) to ``embeddings`` of unit length. Raises `EncoderError` if no such encoder ships, or
    its package is not installed or not as published.
    """
    entry = REGISTRY_IMAGE_ENCODERS.get(name)
    if entry and entry.lite_config:
        return efficientnet_lite(each.numpy() for each in _weights(entry).values())
    if name != "all-MiniLM-L6-v2":
        known = ", ".join(REGISTRY_IMAGE_ENCODERS)
        raise EncoderError(f"{name}: has no graph; {known} and all-MiniLM-L6-v2 have one")
    path = package_file(MINILM_PACKAGE, "model.safetensors")
    verify(path, MINILM_SHA256)
    return minilm({key: each.numpy() for key, each in load_file(path).items()})


def _weights(entry) -> dict:
    """Read the tensors of a packaged image encoder, by name."""
    path = package_file(entry.package, entry.pattern)
    verify(path, entry.sha256)
    safe = path.suffix == ".safetensors"
    return load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)


def packaged_model(name):
    """Return timm's model with the weights of a package, without its classifier: weights matched by name, or by order.

    Raises `EncoderError` if the package is not installed, or its weights are not as published or do not fit the model.
    """
    import timm  # seconds

    entry = REGISTRY_IMAGE_ENCODERS[name]
    weights = _weights(entry)
    model = timm.create_model(entry.architecture)
    ours = model.state_dict()
    if weights.keys() == ours.keys():
        weights = {key: weights[key] for key in ours}
    if [tensor.shape for tensor in weights.values()] != [tensor.shape for tensor in ours.values()]:
        raise EncoderError(f"{name}: {entry.package} does not fit timm's {entry.architecture}; take another version")
    model.load_state_dict(dict(zip(ours, weights.values(), strict=True)), assign=True)
    model.reset_classifier(0)
    return model.eval().requires_grad_(False)
