"""The model: two frozen encoders, a bank of anchors, and two numbers, k and p (chapter 05)."""

from dataclasses import dataclass

import numpy as np
import torch

from asif_lib.defaults import (
    DEFAULT_K_SHARE,
    DEFAULT_P,
    DEFAULT_TEMPLATE,
    LARGEST_DEFAULT_K,
    check_hubs_whiten,
    check_k_p,
)
from asif_lib.encoders.encoder import as_embeddings, check_list
from asif_lib.encoders.identity import checked_identity
from asif_lib.errors import EncoderError, ParameterError
from asif_lib.machine import resolve_device
from asif_lib.relative import check_dimensions, unit_rows, whitening
from asif_lib.search.inverted import InvertedIndex
from asif_lib.sparse import SparseVectors, anchor_offsets, sparse_relative_representation


def check_bank(bank):
    """Raise `ParameterError` unless `bank` is a bank, for example if it is a bank's name."""
    if not hasattr(bank, "searchable"):
        raise ParameterError(f"the bank is a {type(bank).__name__}; pass an AnchorBank: AnchorBank.load('stamps')")


def default_k(n, share=DEFAULT_K_SHARE) -> int:
    """Return the default k for n anchors: the `share` of them, at least 1, at most `LARGEST_DEFAULT_K`."""
    return min(max(1, round(share * n)), LARGEST_DEFAULT_K)


@dataclass(frozen=True, repr=False)
class Classification:
    """The scores of q pictures and c labels.

    Attributes
    ----------
    labels : list of str
    scores : Tensor of shape (q, c), float32
        From 0 (no shared anchor) to 1.
    transductive : str, optional
        The correction over all q pictures together, if there is one (`correct_batch`). The tables name it.
    """

    labels: list
    scores: torch.Tensor
    transductive: str | None = None

    @property
    def predicted(self) -> torch.Tensor:
        """Position of the best label, (q,) int64; -1 if all scores are 0, so that nothing decides."""
        best, where = self.scores.max(dim=1)
        return torch.where(best > 0, where, -1)

    @property
    def best(self) -> list:
        """The best label of each picture; None if nothing decides."""
        return [self.labels[i] if i >= 0 else None for i in self.predicted.tolist()]

    def to_frame(self):
        """Return a DataFrame of q rows: ``predicted`` (None if nothing decides), and ``score LABEL`` of each label.

        A last column, ``transductive``, names the correction over all pictures, if there is one.
        """
        import pandas as pd  # which the command needs only for its answer

        table = pd.DataFrame(self.scores.numpy(), columns=[f"score {label}" for label in self.labels])
        table.insert(0, "predicted", pd.Series(self.best, dtype=object))
        return table if self.transductive is None else table.assign(transductive=self.transductive)

    def __repr__(self):
        more = f", transductive: {self.transductive}" if self.transductive else ""
        return f"Classification({len(self.scores)} pictures, {len(self.labels)} labels{more})"


class ASIF:
    """Compare pictures and texts as sparse vectors over the same anchors (Norelli et al., NeurIPS 2023).

    Parameters
    ----------
    bank : AnchorBank
    k : int, optional
        Entries kept; default `default_k(n)`.
    p : float
        Exponent.
    center : bool
        Subtract the bank's mean from both modalities before the cosine. The paper does not. It helps if the vectors of
        an encoder share a large common part (chapter 03).
    hubs : float, 0 to 1
        An anchor in a dense region is near to many questions and says little about each. So this share of the anchor's
        mean cosine with its `NEAREST` own nearest anchors is subtracted from the k cosines that are kept, before
        the power. The mean counts from its average over the bank. With 0.5 this is the idea of CSLS (Lample et al.,
        Word translation without parallel data, ICLR 2018, section 2.3). A score is still a sum over anchors. With
        pictures of another kind than the bank's it can harm. The first question costs one search of all anchors in the
        bank.
    whiten : float, above 0 and at most 1, optional
        Whiten the pictures before the cosine: divide them along the main directions of the bank's pictures by the
        standard deviation there, whose square is shrunk by this share towards its mean. 0.8 is a good start, and 1
        changes no cosine. It helps with pictures of another kind than the bank's. By default nothing is
        whitened. The whitened anchors are a second copy in memory.
    device : {"auto", "cpu", "cuda", "mps"}
    image_encoder, text_encoder : optional
        The bank's encoders, if they are already loaded. By default they are loaded by name at their first use.

    Raises
    ------
    ParameterError
        If k, p, `hubs` or `whiten` is out of range, the bank has too few anchors to find hubs, it is not an AnchorBank,
        or pictures are whitened and not centred.
    EncoderError
        If an encoder is a name, has no identity, or is of the other kind.
    IdentityError
        If an encoder is not the one that made the bank.
    """

    def __init__(
        self,
        bank,
        k=None,
        p=DEFAULT_P,
        *,
        center=True,
        hubs=0.0,
        whiten=None,
        device="auto",
        image_encoder=None,
        text_encoder=None,
    ):
        check_bank(bank)
        self.bank, self.p = bank, p
        self.k = default_k(len(bank)) if k is None else k
        check_k_p(self.k, self.p, len(bank))
        check_hubs_whiten(hubs, whiten, center, len(bank))
        self.hubs, self._offsets = hubs, {}
        self.whiten, self._whitened = whiten, None
        self.center, self.device = center, resolve_device(device)
        self._encoders = {"image": image_encoder, "text": text_encoder}
        for kind, encoder in self._encoders.items():
            if encoder is not None:
                bank.check_encoder(checked_identity(kind, encoder))

    def encoder(self, kind):
        """Return the bank's ``"image"`` or ``"text"`` encoder; load it at the first call."""
        if self._encoders[kind] is None:
            identity = getattr(self.bank, f"{kind}_encoder")
            if identity.is_external:
                raise EncoderError(
                    f"bank {self.bank.name!r} was made by the {kind} encoder {identity.name!r}, which cannot be loaded "
                    f"by its name: pass embeddings, or ASIF(bank, {kind}_encoder=…), an object with `identity` "
                    f"and `encode`"
                )
            from asif_lib.encoders.loading import load_encoder_of  # timm and transformers take seconds

            encoder = load_encoder_of(identity, device=self.device)
            self.bank.check_encoder(encoder.identity)
            self._encoders[kind] = encoder
        return self._encoders[kind]

    def images(self, pictures, *, progress=False) -> SparseVectors:
        """Return the sparse vectors of pictures, or of their (q, d_image) embeddings."""
        return self._represent("image", pictures, progress)

    def texts(self, texts, *, progress=False) -> SparseVectors:
        """Return the sparse vectors of strings, or of their (t, d_text) embeddings."""
        return self._represent("text", texts, progress)

    def _represent(self, kind, items, progress):
        if isinstance(items, SparseVectors):
            return items
        z = self.embeddings(kind, items, progress=progress)
        anchors, mean = self.bank.searchable(kind, center=self.center)
        if kind == "image" and self.whiten:
            z, anchors, mean = self._white(z), self._whitened[1], None
        if self.hubs and kind not in self._offsets:
            self._offsets[kind] = anchor_offsets(anchors, self.hubs, mean=mean, device=self.device)
        offsets = self._offsets.get(kind)
        return sparse_relative_representation(
            z, anchors, self.k, self.p, mean=mean, offsets=offsets, device=self.device, progress=progress
        )

    def _white(self, z):
        """Return whitened pictures; at the first call whiten the anchors too, and keep them with the matrix."""
        rows, mean = self.bank.rows("image"), self.bank.image_mean
        check_dimensions(z, rows)
        if self._whitened is None:
            unit = unit_rows(rows.gathered(), mean)
            matrix = whitening(unit, self.whiten)
            self._whitened = matrix, unit @ matrix
        return unit_rows(z, mean) @ self._whitened[0]

    def embeddings(self, kind, items, *, progress=False) -> torch.Tensor:
        """Return the embeddings of ``"image"`` or ``"text"`` items; a Tensor or array already holds embeddings.

        Raises
        ------
        ParameterError
            If the items are SparseVectors, which do not hold their embeddings; if they are one item or a table.
        """
        if isinstance(items, SparseVectors):
            raise ParameterError("SparseVectors do not hold the embeddings that are needed here; pass the embeddings")
        if not isinstance(items, torch.Tensor | np.ndarray):
            check_list(items)  # before the encoder is loaded
            from asif_lib.encoders.embeddings import embed

            items = embed(self.encoder(kind), items, progress=progress)
        return as_embeddings(items)

    def similarity(self, pictures, texts) -> torch.Tensor:
        """Return the (q, t) float32 scores of q pictures and t texts (items, embeddings or SparseVectors)."""
        return self.images(pictures).similarity(self.texts(texts))

    def classify(
        self, pictures, labels, *, templates=(DEFAULT_TEMPLATE,), prompts=None, reduce="mean"
    ) -> Classification:
        """Classify pictures zero-shot: the best label's prompts are most similar to the picture.

        Parameters
        ----------
        pictures : sequence of pictures, Tensor or array of shape (q, d_image), or SparseVectors
        labels : list of str
        templates : sequence of str
            Prompt templates, each with one ``{}`` for the label.
        prompts : Tensor or array of shape (c, d_text) or (c, t, d_text), optional
            The embeddings of one or t prompts for each of the c labels, in place of the templates. No encoder is
            needed then.
        reduce : {"mean", "max"}
            A label's score is the mean, or the largest, of the scores of its prompts.

        Raises
        ------
        ParameterError
            As `make_prompts`; if `reduce` is unknown; if the prompts do not fit the labels.
        """
        texts = self.prompts(labels, templates, prompts)
        index = InvertedIndex(self.texts(texts), len(texts) // len(labels), reduce)
        return Classification(list(labels), index.scores(self.images(pictures)))

    def prompts(self, labels, templates=(DEFAULT_TEMPLATE,), prompts=None) -> torch.Tensor:
        """Return the (c · t, d_text) embeddings of t prompts for each of c labels, label by label.

        The parameters and errors are those of `classify`.
        """
        texts = make_prompts(labels, templates)
        return self.embeddings("text", texts) if prompts is None else _as_prompts(prompts, len(labels))

    def search_pictures(self, text, pictures=None, *, top=5):
        """Return the positions and scores of the `top` pictures for one text, or its embedding (d_text,).

        Default: the bank's own pictures.
        """
        return _best(self.similarity(self.bank.image if pictures is None else pictures, _one(text))[:, 0], top)

    def search_captions(self, picture, captions=None, *, top=5):
        """Return the positions and scores of the `top` captions for one picture, or its embedding (d_image,).

        Default: the bank's own captions.
        """
        return _best(self.similarity(_one(picture), self.bank.text if captions is None else captions)[0], top)

    def __repr__(self):
        more = f", hubs={self.hubs:g}" if self.hubs else ""
        more += f", whiten={self.whiten:g}" if self.whiten else ""
        return f"ASIF({self.bank.name!r}, {len(self.bank)} anchors, k={self.k}, p={self.p}, center={self.center}{more})"


def make_prompts(labels, templates) -> list:
    """Return every label in every template, label by label.

    Raises
    ------
    ParameterError
        If there is no label or template, a label is empty or repeated, or a template has no ``{}``.

    Examples
    --------
    >>> make_prompts(["cat", "dog"], ["a {}", "the {}"])
    ['a cat', 'the cat', 'a dog', 'the dog']
    """
    if isinstance(labels, str) or isinstance(templates, str):
        raise ParameterError("labels and templates are lists of strings; put a single one into a list")
    labels = list(labels)
    if not labels or not templates:
        raise ParameterError("there must be at least one label and one template")
    for i, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip():
            raise ParameterError(f"label {i + 1} of {len(labels)} is empty; give every label a name")
        if label in labels[:i]:
            raise ParameterError(f"the label {label!r} is given twice; the second could never win")
    for template in templates:
        if template.count("{}") != 1:
            raise ParameterError(f"the template {template!r} needs one {{}} where the label goes")
    return [template.replace("{}", label) for label in labels for template in templates]


def _as_prompts(prompts, labels):
    """Return the (c · t, d) embeddings of prompts, label by label."""
    prompts = as_embeddings(prompts)
    if prompts.ndim not in (2, 3) or len(prompts) != labels:
        raise ParameterError(
            f"the prompts have the shape {tuple(prompts.shape)}; {labels} labels need ({labels}, d), or "
            f"({labels}, t, d) for t prompts each"
        )
    return prompts.reshape(-1, prompts.shape[-1])


def _one(item):
    """Return one item as a list, one embedding as a matrix."""
    return as_embeddings(item).reshape(1, -1) if isinstance(item, torch.Tensor | np.ndarray) else [item]


def _best(scores, top):
    values, positions = scores.topk(min(top, len(scores)))
    return positions.tolist(), values.tolist()
