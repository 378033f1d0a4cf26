"""Texts whose embeddings you bring: a text encoder that is a table."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from asif_lib.errors import EncoderError
from asif_lib.relative import as_embeddings

from .identity import EncoderIdentity


class KnownTexts:
    """A text encoder that knows the embeddings of some texts, and refuses all others.

    It has what every encoder of your own needs: `identity`, and `encode` of a list, which may be empty.

    Raises `EncoderError` if the identity is no text encoder's, the shapes differ, or a text is empty or repeated.

    Parameters
    ----------
    identity : EncoderIdentity
        Of the encoder that made the embeddings, as in ``bank.text_encoder``.
    texts : sequence of str
    embeddings : Tensor or array of shape (len(texts), d)

    Examples
    --------
    >>> from asif_lib.encoders.identity import external_identity
    >>> known = KnownTexts(external_identity("text", "mine", 2), ["a cat", "a dog"], np.eye(2))
    >>> known.encode(["a dog"])
    tensor([[0., 1.]])
    """

    def __init__(self, identity, texts, embeddings):
        if not isinstance(identity, EncoderIdentity) or identity.kind != "text":
            raise EncoderError(f"{identity} is not the identity of a text encoder; pass bank.text_encoder")
        if np.ndim(texts) != 1 or not all(isinstance(text, str) and text.strip() for text in texts):
            raise EncoderError("the texts of known embeddings are a list of strings, none of them empty")
        texts, embeddings = list(texts), as_embeddings(embeddings)
        if embeddings.shape != (len(texts), identity.dim):
            fault = f"the embeddings of {len(texts)} texts have the shape {tuple(embeddings.shape)}"
            raise EncoderError(f"{fault}; the encoder {identity} needs ({len(texts)}, {identity.dim})")
        if len(set(texts)) < len(texts):
            raise EncoderError(f"the text {max(texts, key=texts.count)!r} is given twice")
        self.identity, self.rows, self.embeddings = identity, {text: i for i, text in enumerate(texts)}, embeddings

    def encode(self, texts) -> torch.Tensor:
        """Return the (t, d) float32 embeddings of known texts. Raises `EncoderError` for others."""
        for text in texts:
            if text not in self.rows:
                known = ", ".join(map(repr, list(self.rows)[:5]))
                raise EncoderError(f"the embedding of {text!r} is not known; {len(self.rows)} texts are: {known} …")
        return self.embeddings[[self.rows[text] for text in texts]].float()

    @classmethod
    def from_file(cls, path, identity) -> "KnownTexts":
        """Read a file that ``numpy.savez(path, labels=…, embeddings=…)`` wrote: n strings, and an (n, d) matrix.

        Raises `EncoderError` if it cannot be read, or labels or embeddings are not as `KnownTexts` takes them.
        """
        known = read_labels(path, lambda labels, embeddings: cls(identity, labels, embeddings))
        known.path = str(path)
        return known


def read_labels(path, make=lambda labels, embeddings: (labels, embeddings)):
    """Read the arrays of a file that ``numpy.savez(path, labels=…, embeddings=…)`` wrote, and return `make` of them.

    Raises `EncoderError` if the file cannot be read, or `make` raises an error.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no .npz file" if Path(path).exists() else "there is no such file")
        with np.load(path, allow_pickle=False) as arrays:
            if missing := {"labels", "embeddings"} - set(arrays):
                raise ValueError(f"no array {min(missing)!r}")
            return make(arrays["labels"].tolist(), arrays["embeddings"])
    except Exception as error:  # an archive can be damaged in ways that NumPy does not list
        raise EncoderError(
            f"{path}: cannot be read as labels ({error}); write it with numpy.savez(path, labels=…, embeddings=…)"
        ) from None


def known_labels(bank, labels_from) -> KnownTexts | None:
    """Return the labels in a file with their embeddings, or None without a file.

    Raises `EncoderError` if the file cannot be read, or is missing for a text encoder that cannot be loaded.
    """
    if labels_from:
        return KnownTexts.from_file(labels_from, bank.text_encoder)
    if bank.text_encoder.is_external:
        raise EncoderError(
            f"bank {bank.name!r} was made by the text encoder {bank.text_encoder.name!r}, which cannot be loaded by "
            f"its name: give labels with their embeddings, --labels-from FILE"
        )
    return None
