"""Frozen sentence encoders: strings in, one float32 row vector each out."""

import functools
import hashlib
import sys

import torch

from asif_lib.defaults import DEFAULT_TEXT_ENCODER
from asif_lib.errors import EncoderError, import_extra, version_of
from asif_lib.files import read_json
from asif_lib.machine import one_thread, resolve_device

from .encoder import Encoder, check_backend, encoder_errors
from .identity import (
    E5_PACKAGE,
    MINILM_PACKAGE,
    MINILM_SHA256,
    MPNET_PACKAGES,
    MPNET_SHA256,
    MULTILINGUAL,
    EncoderIdentity,
)
from .multilingual import PackagedE5, prompt_of
from .onnx import OnnxModel, shipped_graph
from .weights import check_expected, configuration, folder_checksum, model_folder, package_file, short_name, unzip_mpnet


class TextEncoder(Encoder):
    """A frozen sentence encoder.

    The default batch is 16 texts on a CPU (page faults slow down larger ones), and 64 elsewhere.

    Attributes
    ----------
    model : MeanOfTokens, OnnxSentences, PackagedE5 or sentence_transformers.SentenceTransformer
    identity : EncoderIdentity
    device : torch.device
    prompt : str
        Words that are put before each text.
    """

    unit = "text"

    def __init__(self, model, encode, identity, device, prompt=""):
        super().__init__(identity, device, 16 if device.type == "cpu" else 64)
        self.model, self._encode, self.prompt = model, encode, prompt
        self.in_threads = device.type == "cpu"  # beside a GPU one thread is enough to cut texts into tokens

    def cache_keys(self, texts):
        """Return the SHA-256 of each text by position, and no errors. Raises `EncoderError` unless all are strings."""
        check_strings(texts)
        return {i: hashlib.sha256(text.encode()).hexdigest() for i, text in enumerate(texts)}, {}

    def _order(self, texts):
        """Short texts first: then the texts of a batch need little padding."""
        check_strings(texts)
        key = getattr(self.model, "order", len)
        return sorted(range(len(texts)), key=lambda i: key(texts[i]))

    def _run(self, texts, positions):
        """The embeddings of one batch."""
        return positions, self._encode([self.prompt + texts[i] for i in positions]).float().cpu().clone(), []


def check_strings(texts):
    """Raise `EncoderError` unless `texts` is a sequence of strings, and not itself a string."""
    if isinstance(texts, str):
        raise EncoderError("a single string was given; pass a list of strings")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise EncoderError(f"text {i} is a {type(text).__name__}, not a string; pass a list of strings")
        if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
            raise EncoderError(f"text {i} is not valid Unicode; save or type it as UTF-8")


def load_text_encoder(name=DEFAULT_TEXT_ENCODER, *, device="auto", backend="auto", expected=None) -> TextEncoder:
    """Load a frozen text encoder.

    Raises `EncoderError` or `IdentityError` as for `load_image_encoder`. Raises `MissingExtraError` if the model has
    other layers than a mean over tokens, and sentence-transformers is not installed.

    Parameters
    ----------
    name : str or Path
        ``all-MiniLM-L6-v2``, ``all-mpnet-base-v2`` or ``multilingual-e5-small`` (from the Python package registry;
        the second needs the extra ``scale``, the third ``languages``), the name of a sentence-transformers model (from
        the hub, as ``intfloat/multilingual-e5-small``), or its folder.
    device : {"auto", "cpu", "cuda", "mps"}
        The packaged ``multilingual-e5-small`` computes on the CPU in any case.
    backend : {"auto", "torch"}
        As for `load_image_encoder`: on a CPU, ``"auto"`` is ONNX Runtime for all-MiniLM-L6-v2.
    expected : EncoderIdentity, optional
        As for `load_image_encoder`.
    """
    check_backend(backend)
    device = resolve_device(device)
    name = str(name)
    if name == MULTILINGUAL:
        return _packaged_e5(expected)
    published = None
    if name == "all-MiniLM-L6-v2":
        folder = package_file(MINILM_PACKAGE, "model.safetensors").parent
        source, published = f"package {MINILM_PACKAGE}", MINILM_SHA256
    elif name == "all-mpnet-base-v2" and version_of(MPNET_PACKAGES[0]):
        folder = unzip_mpnet()
        source, published = f"packages {MPNET_PACKAGES[0]} to -005", MPNET_SHA256
    else:
        folder, source = model_folder(name, "text", expected)
    checksum, settings = folder_checksum(folder, published), configuration(folder)
    check_expected(expected, checksum, settings)
    quick = published == MINILM_SHA256 and (backend, device.type) == ("auto", "cpu")
    computed = OnnxModel(*shipped_graph(name)) if quick else None
    model, encode = _load(name, folder, device, computed)
    layers = " > ".join(layer["type"].rpartition(".")[2] for layer in read_json(folder / "modules.json", list[dict]))
    preprocessing = f"{layers}, max_seq_length={model.max_seq_length}, {settings}"
    prompt = prompt_of(name)
    preprocessing += f", prompt {prompt!r}" if prompt else ""
    with one_thread(), encoder_errors(name, "torch"):
        dim = encode(["dimension"]).shape[1]
    identity = EncoderIdentity("text", short_name(name), source, checksum, preprocessing, dim)
    return TextEncoder(model, encode, identity, device, prompt)


def _packaged_e5(expected):
    model = PackagedE5()
    check_expected(expected, model.checksum, model.settings)
    source = f"package {E5_PACKAGE}"
    identity = EncoderIdentity("text", MULTILINGUAL, source, model.checksum, model.settings, model.dim)
    return TextEncoder(model, model.encode, identity, torch.device("cpu"))


def _load(name, folder, device, computed=None):
    """The model in `folder`, and a function from a list of strings to their embeddings, computed as one batch."""
    from .sentence import MeanOfTokens, OnnxSentences, is_mean_of_tokens, quiet_transformers

    if computed:
        return (model := OnnxSentences(computed, folder)), model.encode
    plain = is_mean_of_tokens(folder)
    library = "transformers" if plain else "sentence-transformers"
    load = MeanOfTokens if plain else _sentence_transformers().SentenceTransformer
    how = {} if plain else {"device": str(device), "model_kwargs": {"use_safetensors": True}}
    with quiet_transformers(), encoder_errors(name, library):
        model = load(str(folder), **how).to(device).eval().requires_grad_(False)
    whole = {} if plain else {"batch_size": sys.maxsize, "convert_to_tensor": True, "show_progress_bar": False}
    return model, functools.partial(model.encode, **whole)


def _sentence_transformers():
    """The package, in a version that does not import code out of a model's folder."""
    package = import_extra("sentence_transformers", "hub")
    if int(package.__version__.partition(".")[0]) < 6:
        fault = f"sentence-transformers {package.__version__} runs code out of a model's folder"
        raise EncoderError(f"{fault}; run: pip install 'asif-workbook[hub]'")
    return package
