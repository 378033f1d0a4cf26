"""Frozen sentence encoders: strings in, one float32 row vector each out."""

import contextlib
import logging

import torch
from safetensors import SafetensorError
from tqdm.auto import tqdm

from asif_lib.errors import EncoderError, first_line
from asif_lib.machine import chunks_of, has_fast_bfloat16, one_thread_per_core, resolve_device

from .identity import BFLOAT16, EncoderIdentity
from .weights import (
    MINILM_PACKAGE,
    MINILM_SHA256,
    MPNET_PACKAGES,
    MPNET_SHA256,
    configuration,
    folder_checksum,
    is_installed,
    model_folder,
    package_file,
    short_name,
    unzip_mpnet,
)

PRECISIONS = ("float32", "bfloat16")


class TextEncoder:
    """A frozen sentence encoder, a thin layer over `sentence_transformers.SentenceTransformer`.

    Attributes
    ----------
    identity : EncoderIdentity
    device : torch.device
    precision : {"float32", "bfloat16"}
        What the linear layers compute in; the embeddings are float32.
    """

    def __init__(self, model, identity, device, precision="float32"):
        self.model, self.identity, self.device = model.eval().requires_grad_(False), identity, device
        self.precision = precision
        if precision == "bfloat16":
            for module in model.modules():
                if isinstance(module, torch.nn.Linear):  # once, rather than in each batch
                    module.to(torch.bfloat16)

    def encode(self, texts, *, batch_size=None, progress=True) -> torch.Tensor:
        """Return the (n, dim) float32 embeddings of n strings, on the CPU.

        Parameters
        ----------
        texts : sequence of str
        batch_size : int, optional
            Default: 16 on a CPU (larger batches are bound by page faults), 64 elsewhere.

        Raises
        ------
        EncoderError
            If an item is not a string.
        ParameterError
            If the batch size is not a whole number, 1 or more.
        """
        rows = torch.empty(len(texts), self.identity.dim)
        for positions, vectors, _ in self.stream(texts, batch_size=batch_size, progress=progress):
            rows[positions] = vectors
        return rows

    def stream(self, texts, *, batch_size=None, progress=True):
        """Yield ``(positions, (b, dim) float32 embeddings, [])`` batch by batch, as `ImageEncoder.stream`."""
        check_strings(texts)
        if batch_size is None:
            batch_size = 16 if self.device.type == "cpu" else 64
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # little padding in a batch
        chunks = chunks_of(by_length, batch_size)
        bar = tqdm(total=len(texts), desc=f"encoding with {self.identity.name}", unit="text",
                   disable=not progress, leave=False)  # fmt: skip
        # beside a GPU one thread: tokens take less time than the model
        mapping = one_thread_per_core(self.device) if self.device.type == "cpu" else contextlib.nullcontext(map)
        with bar, mapping as mapped:
            for positions, vectors in zip(
                chunks, mapped(lambda c: self._run([texts[i] for i in c]), chunks), strict=True
            ):
                yield positions, vectors, []
                bar.update(len(positions))

    def _run(self, texts):
        """The embeddings of one batch.

        In bfloat16 the sums along the layers, their norms and the pooling stay in float32 (`torch.autocast`): where
        all is rounded to bfloat16, the cosine with the float32 embedding falls to 0.9998 for a short caption.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            vectors = self.model.encode(texts, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False)
        return vectors.float().cpu().clone()

    def __repr__(self):
        return f"TextEncoder({self.identity}, device={self.device})"


def check_strings(texts):
    """Raise `EncoderError` unless `texts` is a sequence of strings, and not itself a string."""
    if isinstance(texts, str):
        raise EncoderError("a single string was given; pass a list of strings")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise EncoderError(f"text {i} is a {type(text).__name__}, not a string; pass a list of strings")
        if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
            raise EncoderError(f"text {i} is not valid Unicode; save or type it as UTF-8")


def load_text_encoder(name="all-MiniLM-L6-v2", *, device="auto", precision="float32") -> TextEncoder:
    """Load a frozen text encoder.

    Parameters
    ----------
    name : str or Path
        ``all-MiniLM-L6-v2`` or ``all-mpnet-base-v2`` (from the Python package registry; the second needs the
        extra ``scale``), the name of a sentence-transformers model (from the hub), or its folder. A name that ends
        in ``:bfloat16`` asks for that precision, as the identity of such an encoder does.
    device : {"auto", "cpu", "cuda", "mps"}
    precision : {"float32", "bfloat16"}
        What the linear layers compute in. In bfloat16 a processor with instructions for it takes about half the
        time; the embeddings are those of another encoder, with another identity (cosine 0.9999 and above with
        float32 for all-MiniLM-L6-v2).

    Raises
    ------
    EncoderError
        As for `load_image_encoder`, or if the device has no instructions for bfloat16.
    """
    from sentence_transformers import SentenceTransformer

    device = resolve_device(device)
    name, precision = _name_and_precision(str(name), precision, device)
    expected = None
    if name == "all-MiniLM-L6-v2":
        folder = package_file(MINILM_PACKAGE, "model.safetensors").parent
        source, expected = f"package {MINILM_PACKAGE}", MINILM_SHA256
    elif name == "all-mpnet-base-v2" and is_installed(MPNET_PACKAGES[0]):
        folder = unzip_mpnet()
        source, expected = f"packages {MPNET_PACKAGES[0]} to -005", MPNET_SHA256
    else:
        folder, source = model_folder(name, kind="text")
    checksum = folder_checksum(folder, expected)
    with _quiet_transformers():
        try:
            model = SentenceTransformer(str(folder), device=str(device), model_kwargs={"use_safetensors": True})
        except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
            message = f"{name}: sentence-transformers cannot load this model ({first_line(error)})"
            raise EncoderError(message) from error
    layers = " > ".join(type(module).__name__ for module in model)
    preprocessing = f"{layers}, max_seq_length={model.max_seq_length}, {configuration(folder)}"
    called = short_name(name)
    if precision == "bfloat16":
        preprocessing, called = f"{preprocessing}, linear layers in bfloat16", called + BFLOAT16
    dim = len(model.encode("dimension", show_progress_bar=False))
    return TextEncoder(model, EncoderIdentity("text", called, source, checksum, preprocessing, dim), device, precision)


def _name_and_precision(name, precision, device):
    if name.endswith(BFLOAT16):
        name, precision = name.removesuffix(BFLOAT16), "bfloat16"
    if precision not in PRECISIONS:
        raise EncoderError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
    if precision == "bfloat16" and not has_bfloat16(device):
        raise EncoderError(
            f"{name}: this {device.type} has no instructions for bfloat16, which would be slower than float32; leave "
            f"precision='float32'"
        )
    return name, precision


def has_bfloat16(device) -> bool:
    """Whether the device multiplies matrices in bfloat16 without a detour."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return has_fast_bfloat16()
    return True


@contextlib.contextmanager
def _quiet_transformers():
    """Loading prints a bar and a table of tensor names, which say nothing to a reader of a notebook."""
    from transformers.utils import logging as hf_logging

    level = hf_logging.get_verbosity()
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if shown:
            hf_logging.enable_progress_bar()
