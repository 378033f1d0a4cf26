"""The ONNX graphs of the shipped encoders, written from their weights alone, and equal to what PyTorch exports.

EfficientNet-Lite: Tan and Le, "EfficientNet", ICML 2019, without squeeze-and-excitation, and with ReLU6.
MiniLM: the layers of Devlin et al., "BERT", NAACL 2019, and the mean over the tokens.
"""

import numpy as np
from onnx import numpy_helper, parser

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
