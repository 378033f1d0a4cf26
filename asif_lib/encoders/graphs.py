"""Vision models that a CPU runs faster: as TorchScript's frozen graph, and as OpenVINO's."""

import sys
import threading
import warnings

import torch

from asif_lib.errors import EncoderError, first_line, import_extra
from asif_lib.machine import one_thread


def frozen_graph(model):
    """Return `model` as TorchScript's frozen graph: the same outputs, faster on a CPU.

    Freezing folds every batch norm into the convolution before it. The graph holds no Python, so threads do not wait
    for each other between the layers. It takes seconds to make. A trace records one run; the graph is then tried on
    a batch of another size. If tracing fails, or the graph does not agree with the model, the model is returned as
    it is.
    """
    pictures = _noise(model)
    with one_thread(), warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # that TorchScript is in maintenance, and which shapes were recorded
        try:
            graph = torch.jit.freeze(torch.jit.trace(model, pictures[:2], check_trace=False))
            agrees = _agree(model, graph, pictures)
        except RuntimeError:
            return model
    return graph if agrees else model


def openvino_graph(model, threads):
    """Return `model` compiled by OpenVINO in float32, to be called by several threads at once.

    The package's telemetry is never imported. In its place OpenVINO takes a stand-in of its own that sends nothing.

    Parameters
    ----------
    model : Module
        On the CPU.
    threads : int
        Number of threads that call it; each has one stream of computation.

    Raises `MissingExtraError` if OpenVINO is not installed, and `EncoderError` if it cannot convert the model, or gives
    other embeddings than the model.
    """
    sys.modules.setdefault("openvino_telemetry", None)
    openvino = import_extra("openvino", "openvino")
    pictures = _noise(model)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        try:
            sample, shape = pictures[:2].contiguous(), [-1, *pictures.shape[1:]]
            converted = openvino.convert_model(model, example_input=sample, input=shape)
            compiled = openvino.Core().compile_model(converted, "CPU", settings)
        except Exception as error:  # OpenVINO's front ends raise errors of many kinds
            fault = f"OpenVINO cannot compile this model ({first_line(error)})"
            raise EncoderError(f"{fault}; use another backend") from error
    own = threading.local()  # a request holds the tensors of one call

    def graph(batch):
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return torch.from_numpy(own.request.infer(batch.contiguous().numpy())[0].copy())

    with torch.inference_mode():
        if not _agree(model, graph, pictures):
            raise EncoderError("OpenVINO gives other embeddings than this model; use another backend")
    return graph


def _noise(model):
    """Three pictures of noise in the size that the model wants."""
    shape = (getattr(model, "pretrained_cfg", None) or {}).get("input_size", (3, 224, 224))
    pictures = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    return pictures.contiguous(memory_format=torch.channels_last)


def _agree(model, graph, pictures):
    plain, quick = model(pictures), graph(pictures)
    return torch.allclose(plain, quick, rtol=1e-3, atol=1e-3 * plain.abs().max().item())
