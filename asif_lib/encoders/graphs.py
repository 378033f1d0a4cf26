"""Vision models that a CPU runs faster: with folded batch norms, as TorchScript's frozen graph, and as OpenVINO's."""

import contextlib
import copy
import functools
import sys
import threading
import warnings

import torch
from torch.nn.utils.fusion import fuse_conv_bn_weights

from asif_lib.errors import EncoderError, first_line, import_extra
from asif_lib.machine import one_thread


def fold_norms(model):
    """Return `model` with every batch norm folded into the convolution before it; the activations stay.

    The weights, and so the embeddings, are the same bits as those of `frozen_graph`. Folding takes a tenth of a
    second. One run on noise finds out which batch norm follows which convolution, and a second one checks the
    result. If it does not agree with the model, or there is no batch norm, the model is returned as it is.
    """
    if not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules()):
        return model
    with one_thread(), torch.inference_mode():
        folded, noise = copy.deepcopy(model), _noise(model)[:1]
        pairs = _convolutions_and_norms(folded, noise)
        for convolution, name in pairs:
            _fold(folded, convolution, name)
        return folded if pairs and _agree(model, folded, noise) else model


def _convolutions_and_norms(model, pictures):
    """Pairs of a convolution and the name of the batch norm that takes its output next, in one run of the model."""
    from timm.layers import BatchNormAct2d, Conv2dSame  # seconds, which a model without batch norms does not need

    latest, pairs = {}, []

    def remember(convolution, _, output):
        latest.update(convolution=convolution, output=output)

    def find(norm, inputs, name):
        if latest.get("output") is inputs[0]:
            pairs.append((latest["convolution"], name))

    with contextlib.ExitStack() as hooks:
        for name, module in model.named_modules():
            if type(module) in (torch.nn.Conv2d, Conv2dSame):
                hooks.callback(module.register_forward_hook(remember).remove)
            elif type(module) in (torch.nn.BatchNorm2d, BatchNormAct2d):
                hooks.callback(module.register_forward_pre_hook(functools.partial(find, name=name)).remove)
        model(pictures)
    return pairs


def _fold(model, convolution, name):
    norm = model.get_submodule(name)
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    model.set_submodule(name, norm.act if hasattr(norm, "act") else torch.nn.Identity())


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

    Raises
    ------
    MissingExtraError
        If OpenVINO is not installed.
    EncoderError
        If OpenVINO cannot convert the model, or gives other embeddings than the model.
    """
    sys.modules.setdefault("openvino_telemetry", None)
    openvino = import_extra("openvino", "openvino")
    pictures = _noise(model)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        try:
            converted = openvino.convert_model(
                model, example_input=pictures[:2].contiguous(), input=[-1, *pictures.shape[1:]]
            )
            compiled = openvino.Core().compile_model(converted, "CPU", settings)
        except Exception as error:  # OpenVINO's front ends raise errors of many kinds
            raise EncoderError(
                f"OpenVINO cannot compile this model ({first_line(error)}); use another backend"
            ) from error
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
