"""The model: two frozen encoders, a bank of anchors, and two numbers, k and p (chapter 05)."""

from dataclasses import dataclass

import numpy as np
import torch

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import EncoderError, ParameterError
from asif_lib.relative import as_embeddings
from asif_lib.settings import check_reduce, settings_of
from asif_lib.sparse import SideAnchors, SparseVectors


def check_bank(bank):
    """Raise `ParameterError` unless `bank` is a bank, for example if it is a bank's name."""
    if not hasattr(bank, "searchable"):
        raise ParameterError(f"the bank is a {type(bank).__name__}; pass an AnchorBank: AnchorBank.load('stamps')")


@dataclass(frozen=True, repr=False)
class Classification:
    """The scores of q pictures and c labels.

    Attributes
    ----------
    labels : list of str
    scores : Tensor of shape (q, c), float32
        From 0 (no shared anchor) to 1.
    """

    labels: list
    scores: torch.Tensor

    @property
    def predicted(self) -> torch.Tensor:
        """Position of the best label, (q,) int64; -1 if all scores are 0, so that nothing decides."""
        best, where = self.scores.max(dim=1)
        return torch.where(best > 0, where, -1)

    @property
    def best(self) -> list:
        """The best label of each picture; None if nothing decides."""
        return [self.labels[i] if i >= 0 else None for i in self.predicted.tolist()]

    def __repr__(self):
        return f"Classification({len(self.scores)} pictures, {len(self.labels)} labels)"


class ASIF:
    """Compare pictures and texts, or the items of any two sides, as sparse vectors over the same anchors.

    The order of the bank's rows decides ties: of anchors with equal cosines, such as those of equal captions, the first
    are kept. Another order of the same pairs may change a few labels.

    The method is from Norelli et al., NeurIPS 2023. `images` and `texts` are for a bank of pictures and texts; for any
    two sides there is `represent`. What is said of pictures and texts holds for the first and the second side.

    Raises `ParameterError` if a setting is out of range, or the bank is not an AnchorBank or has no such side. Raises
    `EncoderError` if an encoder is a name, has no identity, or is of the other kind. Raises `IdentityError` if an
    encoder is not the one that made the bank.

    Parameters
    ----------
    bank : AnchorBank
    k, p, center, hubs, whiten : optional
        As for `Settings`: entries kept, exponent, and the corrections of the cosines. Each one that is not given is
        the bank's (`AnchorBank.keep_settings`), or else the default. With `hubs`, the first question costs one search
        of all anchors in the bank. With `whiten`, the whitened anchors are a second copy in memory.
    device : {"auto", "cpu", "cuda", "mps"}
    image_encoder, text_encoder : optional
        The bank's encoders, if they are already loaded. By default they are loaded by name at their first use.
    encoders : dict, optional
        The same for sides of any name: side → encoder.

    Attributes
    ----------
    settings : Settings
        With the k that is used.
    """

    def __init__(
        self, bank, k=..., p=..., *, center=..., hubs=..., whiten=..., device="auto",
        image_encoder=None, text_encoder=None, encoders=None,
    ):  # fmt: skip
        from asif_lib.machine import resolve_device

        check_bank(bank)
        self.bank = bank
        self.settings = settings_of(len(bank), bank.settings, k=k, p=p, center=center, hubs=hubs, whiten=whiten)
        self.device = resolve_device(device)
        self._anchors, self._encoders = {}, {}
        for side, encoder in {"image": image_encoder, "text": text_encoder, **(encoders or {})}.items():
            if encoder is not None:
                from asif_lib.encoders.identity import checked_identity

                bank.check_encoder(checked_identity(side, encoder), side)
                self._encoders[side] = encoder

    k = property(lambda model: model.settings.k, doc="Entries kept.")
    p = property(lambda model: model.settings.p, doc="Exponent.")

    def encoder(self, side):
        """Return the bank's encoder of a side, such as ``"image"``; load it at the first call."""
        if side not in self._encoders:
            identity = self.bank.encoder_of(side)
            if identity.is_external:
                option = f"{side}_encoder=…" if side in ("image", "text") else f"encoders={{{side!r}: …}}"
                raise EncoderError(
                    f"bank {self.bank.name!r} was made by the {side} encoder {identity.name!r}, which cannot be loaded "
                    f"by its name: pass embeddings, or ASIF(bank, {option}), an object with `identity` and `encode`"
                )
            from asif_lib.encoders.identity import load_encoder_of  # timm and transformers take seconds

            encoder = load_encoder_of(identity, device=self.device)
            self.bank.check_encoder(encoder.identity, side)
            self._encoders[side] = encoder
        return self._encoders[side]

    def embeddings(self, side, items, *, progress=False) -> torch.Tensor:
        """Return the embeddings (q, d) of items of a side; a Tensor or array already holds embeddings.

        Parameters
        ----------
        side, items, progress : as for `represent`, but SparseVectors, which raise `ParameterError`
        """
        if isinstance(items, SparseVectors):
            raise ParameterError("SparseVectors do not hold the embeddings that are needed here; pass the embeddings")
        if not isinstance(items, torch.Tensor | np.ndarray):
            from asif_lib.encoders.embeddings import embed
            from asif_lib.encoders.encoder import check_list

            check_list(items)  # before the encoder is loaded
            items = embed(self.encoder(side), items, progress=progress)
        return as_embeddings(items)

    def anchors(self, side) -> SideAnchors:
        """Return the anchors of a side, ready for its vectors: centred and whitened as the settings say."""
        if side not in self._anchors:
            anchors = SideAnchors(*self.bank.searchable(side, center=self.settings.center), self.device)
            anchors.check_offset(f"the {side} embeddings of bank {self.bank.name!r}")
            if self.settings.whiten and side == self.bank.sides[0]:
                anchors = anchors.whitened(self.settings.whiten)
            self._anchors[side] = anchors
        return self._anchors[side]

    def represent(self, side, items, *, progress=False) -> SparseVectors:
        """Return the sparse vectors of items of a side, or of their (q, d) embeddings; SparseVectors stay as they are.

        Raises `ParameterError` if the bank has no such side, the dimensions differ, or an embedding holds NaN.

        Parameters
        ----------
        side : str, such as ``"image"``
        items : list of q items, Tensor or array of shape (q, d), or SparseVectors
        """
        if isinstance(items, SparseVectors):
            return items
        z = self.embeddings(side, items, progress=progress)
        return self.anchors(side).vectors(z, self.settings, progress=progress)

    def images(self, pictures, *, progress=False) -> SparseVectors:
        """Return the sparse vectors of pictures, or of their (q, d_image) embeddings."""
        return self.represent("image", pictures, progress=progress)

    def texts(self, texts, *, progress=False) -> SparseVectors:
        """Return the sparse vectors of strings, or of their (t, d_text) embeddings."""
        return self.represent("text", texts, progress=progress)

    def similarity(self, items, others) -> torch.Tensor:
        """Return the (q, t) float32 scores of q items of the first side (such as pictures) and t of the second."""
        first, second = self.bank.sides
        return self.represent(first, items).similarity(self.represent(second, others))

    def classify(self, items, labels, *, templates=(DEFAULT_TEMPLATE,), prompts=None, reduce="mean") -> Classification:
        """Classify items of the first side zero-shot: the prompts of the best label are most similar to the item.

        Raises `ParameterError` as `make_prompts`; if `reduce` is unknown; if the prompts do not fit the labels, or are
        missing and the second side is not of texts. Raises `BrokenPicturesError` if pictures cannot be read,
        `EncoderError` if an encoder cannot be loaded.

        Parameters
        ----------
        items : sequence of pictures, Tensor or array of shape (q, d_image), or SparseVectors
        labels : list of str
        templates : sequence of str
            Prompt templates, each with one ``{}`` for the label.
        prompts : Tensor or array of shape (c, d_text) or (c, t, d_text), optional
            The embeddings of one or t prompts for each of the c labels, in place of templates; no encoder is needed.
        reduce : {"mean", "max"}
            A label's score is the mean, or the largest, of the scores of its prompts.
        """
        first, second = self.bank.sides
        z = self.prompts(labels, templates, prompts)
        vectors, each = self.represent(second, z), len(z) // len(labels)  # prompts a label
        check_reduce(reduce, len(z), each)  # before the pictures are encoded
        return Classification(list(labels), self.represent(first, items).similarity(vectors, each, reduce))

    def prompts(self, labels, templates=(DEFAULT_TEMPLATE,), prompts=None) -> torch.Tensor:
        """Return the (c · t, d_text) embeddings of t prompts for each of c labels, label by label.

        A warning names two labels whose prompts have the same embeddings: "café" and "cafe" for many encoders.

        Parameters
        ----------
        labels, templates, prompts : as for `classify`
        """
        from asif_lib.texts import told_apart

        texts, second = make_prompts(labels, templates), self.bank.sides[1]
        if prompts is not None:
            prompts = as_embeddings(prompts)
            if prompts.ndim not in (2, 3) or len(prompts) != len(labels):
                need = f"{len(labels)} labels need ({len(labels)}, d), or ({len(labels)}, t, d) for t prompts each"
                raise ParameterError(f"the prompts have the shape {tuple(prompts.shape)}; {need}")
            return told_apart(labels, prompts.reshape(-1, prompts.shape[-1]))
        if (kind := self.bank.encoders[second].kind) != "text":
            fault = f"prompts are texts, and side {second!r} of bank {self.bank.name!r} has an encoder of kind {kind!r}"
            raise ParameterError(f"{fault}; pass the embeddings of the prompts")
        return told_apart(labels, self.embeddings(second, texts))

    def search_pictures(self, text, pictures=None, *, top=5):
        """Return the positions and the scores of the `top` pictures (items of the first side) for a text.

        Parameters
        ----------
        text : str or another item of the second side, or Tensor or array of shape (d_text,)
        pictures : as for `represent`, optional
            Default: the bank's own.
        top : int
        """
        first, second = self.bank.sides
        own = self.bank.matrix(first) if pictures is None else pictures
        return _best(self.represent(first, own).similarity(self.represent(second, _one(text)))[:, 0], top)

    def search_captions(self, picture, captions=None, *, top=5):
        """Return the positions and the scores of the `top` captions for a picture; the reverse of `search_pictures`.

        Parameters
        ----------
        picture, captions, top : as for `search_pictures`, with pictures and texts exchanged
        """
        first, second = self.bank.sides
        own = self.bank.matrix(second) if captions is None else captions
        return _best(self.represent(first, _one(picture)).similarity(self.represent(second, own))[0], top)

    def __repr__(self):
        center, hubs, whiten = self.settings.center, self.settings.hubs, self.settings.whiten
        more = (f", hubs={hubs:g}" if hubs else "") + (f", whiten={whiten:g}" if whiten else "")
        return f"ASIF({self.bank.name!r}, {len(self.bank)} anchors, k={self.k}, p={self.p}, center={center}{more})"


def make_prompts(labels, templates) -> list:
    """Return every label in every template, label by label.

    Raises `ParameterError` if there is no label or template, a label is empty, two labels read the same (`as_read`), or
    a template has not one ``{}``.

    >>> make_prompts(["cat", "owl"], ["the {}", "a photo of a {}"])
    ['the cat', 'a photo of a cat', 'the owl', 'a photo of a owl']
    """
    from asif_lib.texts import as_read, repeated

    if isinstance(labels, str) or isinstance(templates, str):
        raise ParameterError("labels and templates are lists of strings; put a single one into a list")
    labels = list(labels)
    if not labels or not templates:
        raise ParameterError("there must be at least one label and one template")
    for i, label in enumerate(labels):
        if not isinstance(label, str) or not as_read(label):
            raise ParameterError(f"label {i + 1} of {len(labels)} is empty; give every label a name")
    if fault := repeated(labels):
        raise ParameterError(f"{fault}; the second could never win")
    for template in templates:
        if template.count("{}") != 1:
            raise ParameterError(f"the template {template!r} needs one {{}} where the label goes")
    return [template.replace("{}", label) for label in labels for template in templates]


def _one(item):
    """Return one item as a list, one embedding as a matrix."""
    return as_embeddings(item).reshape(1, -1) if isinstance(item, torch.Tensor | np.ndarray) else [item]


def _best(scores, top):
    if isinstance(top, bool) or not hasattr(top, "__index__") or top < 1:
        raise ParameterError(f"top = {top!r}: how many to return is a whole number, 1 or more")
    values, positions = scores.topk(min(top, len(scores)))
    return positions.tolist(), values.tolist()
