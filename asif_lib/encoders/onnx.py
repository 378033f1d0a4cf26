"""The encoders that ship as packages: their models in PyTorch, and their graphs for ONNX Runtime, for a CPU.

ONNX Runtime needs neither timm nor `transformers`, which take seconds to import, and computes faster than PyTorch. The
embeddings agree up to rounding. The graphs are written from the weights alone, and equal what PyTorch exports.

EfficientNet-Lite: Tan and Le, "EfficientNet", ICML 2019, without squeeze-and-excitation, and with ReLU6.
MiniLM: the layers of Devlin et al., "BERT", NAACL 2019, and the mean over the tokens.
"""

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper, parser
from safetensors.torch import load_file

from asif_lib.errors import EncoderError

from .identity import MINILM_PACKAGE, MINILM_SHA256, REGISTRY_IMAGE_ENCODERS
from .weights import package_file, verify

SMALL = 1_000
"""Bytes of a tensor that stands within the graph: ONNX Runtime looks at shapes before it has the weights."""
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the seven stages of EfficientNet-Lite: the step of the first convolution over space."""
EPSILON = 1e-3
"""Of its batch normalisation."""
BERT = """<ir_version: 10, opset_import: ["": 20, "bert": 1]>
sentences (int64[b, t] input_ids, int64[b, t] attention_mask) => (float[b, 384] embeddings) <float[b, t, 384] x0> {
    length = Shape <start = 1> (input_ids)
    places = Slice (embeddings_position_embeddings_weight, first, length)
    kind = Gather (embeddings_token_type_embeddings_weight, first)
    words = Gather (embeddings_word_embeddings_weight, input_ids)
    words_of_kind = Add (words, kind)
    sum = Add (words_of_kind, places)
    x0 = LayerNormalization <epsilon = 1e-12> (sum, embeddings_LayerNorm_weight, embeddings_LayerNorm_bias)
    of_pairs = Unsqueeze (attention_mask, middle) is_token = Cast <to = 9> (of_pairs)
    mask = Where (is_token, zero, never)
    LAYERS
    column = Unsqueeze (attention_mask, last) weights = Cast <to = 1> (column)
    tokens = Mul (x6, weights)
    total = ReduceSum <keepdims = 0> (tokens, second) count = ReduceSum <keepdims = 0> (weights, second)
    mean = Div (total, count) norm = ReduceL2 (mean, last)
    embeddings = Div (mean, norm)
}
<domain: "bert", opset_import: ["": 20]> Linear (x, w, b) => (y) { product = MatMul (x, w) y = Add (product, b) }
<domain: "bert", opset_import: ["": 20, "bert": 1]> Heads (x, w, b, shape) => (y) {
    row = bert.Linear (x, w, b) heads = Reshape (row, shape) y = Transpose <perm = [0, 2, 1, 3]> (heads) }
<domain: "bert", opset_import: ["": 20]> Attention (q, k, v, mask, root, shape) => (y) {
    q_small = Mul (q, root) k_turned = Transpose <perm = [0, 1, 3, 2]> (k) k_small = Mul (k_turned, root)
    product = MatMul (q_small, k_small) masked = Add (product, mask) share = Softmax (masked)
    heads = MatMul (share, v) rows = Transpose <perm = [0, 2, 1, 3]> (heads) y = Reshape (rows, shape) }"""
"""BERT in ONNX's own language, for b texts of t tokens."""
LAYER = """
    q# = bert.Heads (x#, @attention_self_query_weight, @attention_self_query_bias, heads)
    k# = bert.Heads (x#, @attention_self_key_weight, @attention_self_key_bias, heads)
    v# = bert.Heads (x#, @attention_self_value_weight, @attention_self_value_bias, heads)
    seen# = bert.Attention (q#, k#, v#, mask, root, row)
    own# = bert.Linear (seen#, @attention_output_dense_weight, @attention_output_dense_bias)
    both# = Add (own#, x#)
    y# = LayerNormalization <epsilon = 1e-12>
        (both#, @attention_output_LayerNorm_weight, @attention_output_LayerNorm_bias)
    wide# = bert.Linear (y#, @intermediate_dense_weight, @intermediate_dense_bias) bent# = Gelu (wide#)
    narrow# = bert.Linear (bent#, @output_dense_weight, @output_dense_bias) sum# = Add (narrow#, y#)
    x+ = LayerNormalization <epsilon = 1e-12> (sum#, @output_LayerNorm_weight, @output_LayerNorm_bias)"""
"""Layer # of BERT, from the tokens x# (b, t, 384) to those of the next layer."""
CONSTANTS = {"zero": np.float32(0), "never": np.finfo(np.float32).min, "root": np.float32(32**-0.25)}
CONSTANTS |= {"first": [0], "second": [1], "middle": [1, 2], "last": [-1], "heads": [0, 0, 12, 32], "row": [0, 0, 384]}


def minilm(weights) -> tuple[str, dict]:
    """Return all-MiniLM-L6-v2 from ids and mask of tokens, (b, t) int64, to ``embeddings`` of unit length (b, 384).

    The `weights` are arrays by their names in the package, with matrices as PyTorch has them, (out, in).
    """
    layers = (LAYER.replace("#", str(i)).replace("+", str(i + 1)).replace("@", f"encoder_layer_{i}_") for i in range(6))
    used = {name: np.asarray(each) for name, each in CONSTANTS.items()}
    for name, array in weights.items():
        if name.endswith((".weight", ".bias")) and "pooler" not in name:
            used[name.replace(".", "_")] = array.T if "embeddings" not in name else array
    return BERT.replace("LAYERS", "".join(layers)), used


def efficientnet_lite(weights) -> tuple[str, dict]:
    """Return an EfficientNet-Lite from ``pictures`` (b, 3, h, w) to ``embeddings`` (b, dim), float32.

    The `weights` are arrays in the order of the layers: of each convolution the filters (out, in / groups, size, size),
    then gain, shift, mean, variance and count of its batch normalisation, which becomes a part of the filters. Behind
    them may stand weights and bias of a classifier, which has no part here.
    """
    weights, strides, lines, parts = list(weights), iter(STRIDES), [], {}
    layers = [weights[i : i + 6] for i in range(0, len(weights) // 6 * 6, 6)]

    def node(operator, *inputs):
        lines.append(f"x{len(lines)} = {operator} ({', '.join(inputs)})")
        return f"x{len(lines) - 1}"

    def convolve(x, stride=1):
        i = len(parts) // 2
        filters, gain, shift, mean, variance, _ = layers[i]
        scale = gain / np.sqrt(variance + EPSILON)
        parts[f"w{i}"], parts[f"b{i}"] = filters * scale[:, None, None, None], shift - mean * scale
        groups = len(filters) if filters.shape[1] == 1 else 1
        how = f'auto_pad = "SAME_UPPER", strides = [{stride}, {stride}], group = {groups}'
        return node(f"Conv <{how}>", x, f"w{i}", f"b{i}")

    def relu6(x):
        return node("Clip", x, "zero", "six")

    x, width = relu6(convolve("pictures", 2)), len(layers[0][0])
    while (i := len(parts) // 2) < len(layers) - 1:
        widens = layers[i][0].shape[1] > 1  # the first block does not
        out = len(layers[i + widens + 1][0])
        y = relu6(convolve(x)) if widens else x
        y = relu6(convolve(y, 1 if out == width else next(strides)))
        y = convolve(y)
        x, width = (node("Add", y, x) if out == width else y), out
    x = relu6(convolve(x))
    embeddings = f"embeddings = ReduceMean <keepdims = 0> ({x}, space)"
    sides = f"(float[b, 3, h, w] pictures) => (float[b, {len(layers[-1][0])}] embeddings)"
    text = f"""<ir_version: 10, opset_import: ["": 20]> lite {sides} {{ {" ".join([*lines, embeddings])} }}"""
    return text, parts | {"zero": np.float32(0), "six": np.float32(6), "space": np.array([-1, -2])}


def as_proto(graph, tensors):
    """Return a graph in ONNX's language as `onnx.ModelProto`, with arrays by name within it."""
    model = parser.parse_model(graph)
    model.graph.initializer.extend(numpy_helper.from_array(tensor, name) for name, tensor in tensors.items())
    return model


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
