"""Files beside a page, which a reader's browser loads on demand: ONNX Runtime, the image encoder, the text encoder."""

import base64
import gzip
import json
import math
import re
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from asif_lib.datasets.providers import fetch
from asif_lib.datasets.selecting import ONNXRUNTIME_FILES, TOKENIZERS_FILE
from asif_lib.defaults import BARE_TEMPLATE
from asif_lib.encoders.identity import MINILM_PACKAGE, MINILM_SHA256, REGISTRY_IMAGE_ENCODERS, is_padded
from asif_lib.encoders.onnx import as_proto, shipped_graph
from asif_lib.encoders.pictures import MAX_PIXELS
from asif_lib.encoders.weights import package_file
from asif_lib.errors import AsifError, BankError
from asif_lib.files import read_json, write_whole

OURS = b"\nglobalThis.bank"
"""Stands in each file beside a page, before the name of what the file holds."""
BLOCK = 32
"""Rows of a matrix that share their scales: with one scale a column, the error is three times as large."""


def files_beside(bank, page) -> list:
    """Write a bank's image and text encoder beside its page; return what the page needs of each, or ``why`` it is not.

    ``NAME-runtime.js`` (5 MB) holds ONNX Runtime, ``NAME-encoder.js`` (17 MB) the image encoder, and ``NAME-words.js``
    (29 MB) the text encoder with its tokenizer.
    """
    makers = {"encoder": _image_encoder, "words": _text_encoder}
    files = {kind: page.with_name(f"{page.stem}-{kind}.js") for kind in ("runtime", *makers)}
    for file in files.values():
        if file.exists() and OURS not in file.read_bytes():
            raise BankError(f"{file}: is no encoder of a page, and would be replaced; give the page another name")
    about = {kind: make(bank) for kind, make in makers.items()}
    parts = {kind: each.pop("parts") for kind, each in about.items() if "parts" in each}
    if not parts:
        return list(about.values())
    try:
        script, module, wasm = ((fetch("onnxruntime_web") / name).read_bytes() for name in ONNXRUNTIME_FILES)
    except (AsifError, OSError) as error:
        return [_missing(error, "ONNX Runtime for browsers", "onnxruntime_web")] * 2
    mb = {}
    for kind, part in {"runtime": {"module": module.decode(), "wasm": _packed(wasm)}, **parts}.items():
        program = script if kind == "runtime" else b""
        write_whole(files[kind], program + OURS + f"{kind.title()} = {json.dumps(part)};\n".encode())
        mb[files[kind].name] = round(files[kind].stat().st_size / 1e6, 1)
        about.setdefault(kind, {}).update(file=files[kind].name, runtime=files["runtime"].name, mb=mb)
    return [about[kind] for kind in makers]


def _missing(error, program, name) -> dict:
    print(f"the page goes on without {program}: {error}", file=sys.stderr)
    return {"why": f"{program} was not there when this page was made (asif data {name})"}


def _image_encoder(bank) -> dict:
    identity = bank.encoder_of("image")
    entry = REGISTRY_IMAGE_ENCODERS.get(identity.name)
    if not (entry and entry.lite_config and entry.sha256 == identity.checksum):
        return {"why": f"the image encoder of this bank, {identity.name}, is not one that runs in a browser"}
    steps = json.loads(re.search(r"timm (\{.*?\})", identity.preprocessing)[1])
    size, parts = steps["input_size"][1], {"model": _packed_model(identity.name)}
    sizes = {"side": math.floor(size / steps["crop_pct"]), "size": size, "most": MAX_PIXELS}
    return steps | sizes | {"square": bool(is_padded(identity)), "parts": parts}


def _text_encoder(bank) -> dict:
    identity = bank.encoder_of("text")
    if identity.checksum != MINILM_SHA256:
        return {"why": f"the text encoder of this bank, {identity.name}, is not one that runs in a browser"}
    try:
        program = (fetch("tokenizers_web") / TOKENIZERS_FILE).read_text(encoding="utf-8")
    except (AsifError, OSError) as error:
        return _missing(error, "the tokenizer for browsers", "tokenizers_web")
    folder = package_file(MINILM_PACKAGE, "model.safetensors").parent
    read = {name: read_json(folder / f"{name}.json", dict) for name in ("tokenizer", "tokenizer_config")}
    limit = read_json(folder / "sentence_bert_config.json", dict)["max_seq_length"]
    parts = {"model": _packed_model(identity.name, int8_blocks), "program": program, **read}
    return {"template": BARE_TEMPLATE, "limit": limit, "parts": parts}


def _packed(content) -> str:
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode()


def _packed_model(name, change=lambda model: None) -> str:
    change(model := as_proto(*shipped_graph(name)))
    return _packed(model.SerializeToString())


def int8_blocks(model):
    """Make the float32 matrices of a model int8, each column of `BLOCK` rows times its own scale.

    ONNX Runtime multiplies once, when it loads the model; the rest is computed in float32 as before.
    """
    graph, unpack = model.graph, []
    for tensor in [each for each in graph.initializer if each.data_type == TensorProto.FLOAT and len(each.dims) == 2]:
        matrix, name = numpy_helper.to_array(tensor), tensor.name  # (rows, columns)
        blocks = matrix.reshape(-1, len(matrix) if len(matrix) % BLOCK else BLOCK, matrix.shape[1])  # (b, r, columns)
        scale = np.maximum(np.abs(blocks).max(axis=1, keepdims=True), 1e-12) / 127  # (b, 1, columns)
        parts = {"int8": np.rint(blocks / scale).astype(np.int8), "scale": scale, "shape": np.array(matrix.shape)}
        graph.initializer.remove(tensor)
        graph.initializer.extend(numpy_helper.from_array(part, f"{name}.{key}") for key, part in parts.items())
        unpack.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.cast"], to=TensorProto.FLOAT))
        unpack.append(helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [f"{name}.blocks"]))
        unpack.append(helper.make_node("Reshape", [f"{name}.blocks", f"{name}.shape"], [name]))
    for node in reversed(unpack):
        graph.node.insert(0, node)
