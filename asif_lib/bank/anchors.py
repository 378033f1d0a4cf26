"""The bank of anchors: the two embedding matrices of the same captioned pictures, in memory or on disk."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.identity import EncoderIdentity, checked_identity
from asif_lib.errors import BankError
from asif_lib.relative import as_embeddings
from asif_lib.search.rows import Rows

from . import editing
from .building import encode
from .external import given, identity_of
from .layout import MODALITIES, plain_table
from .memory import MemoryStore
from .selecting import selection
from .stored import StoredBank


def _kept(name):
    """An attribute that the bank's store keeps, and reads when it is first used."""

    def read(bank):
        return getattr(bank.store, name)

    def assign(bank, value):
        values = {key: getattr(bank, key) for key in (*MODALITIES, "pairs")}
        bank.store = MemoryStore(bank.name, **{**values, name: value})

    return property(read, assign)


@dataclass(repr=False, init=False)
class AnchorBank(StoredBank):
    """Captioned pictures under two encoders; row i of `image`, `text` and `pairs` is pair i.

    A bank is a value: an edit returns another bank. A bank that was opened with `load` is a view of one version on
    disk. Its edits are committed there, and older views stay as they were. Embeddings and table are read when they are
    first used. Embeddings in one part without removed rows are memory-mapped; others are gathered into memory.

    Attributes
    ----------
    name : str
    image : Tensor of shape (n, d_image)
    text : Tensor of shape (n, d_text)
    pairs : DataFrame of n rows
        Columns ``id``, ``caption``, ``picture`` (path on this machine), ``group``.
    image_encoder, text_encoder : EncoderIdentity
        The encoders that made the embeddings.
    licence : str
        Of the pictures and captions.
    store : Store
        The pairs themselves, in memory or on disk.
    """

    name: str
    image: torch.Tensor
    text: torch.Tensor
    pairs: pd.DataFrame
    image_encoder: EncoderIdentity
    text_encoder: EncoderIdentity
    licence: str

    def __init__(self, name, image, text, pairs, image_encoder, text_encoder, licence="unknown"):
        self.name, self.image_encoder, self.text_encoder, self.licence = name, image_encoder, text_encoder, licence
        self.store = MemoryStore(name, image, text, pairs)
        editing.check_pairs(self)

    def _over(self, store) -> "AnchorBank":
        """Return the bank of the pairs in another store."""
        bank = type(self).__new__(type(self))
        vars(bank).update(vars(self) | {"store": store} | store.description)
        return bank

    def __repr__(self):
        return f"AnchorBank({self.name!r}, {len(self)} pairs, {self.store.where})"

    def __len__(self):
        return len(self.store)

    @classmethod
    def build(cls, pairs, image_encoder, text_encoder, *, name=None, skip_broken=False, progress=True):
        """Encode captioned pictures into a bank.

        A build that was killed continues where it stopped, from the cache of embeddings. A warning names the captions
        that the text encoder cuts off.

        Parameters
        ----------
        pairs : Pairs
        image_encoder : ImageEncoder
        text_encoder : TextEncoder
        name : str, optional
            Default: the name of `pairs`.
        skip_broken : bool
            Skip pairs whose picture cannot be read.

        Raises
        ------
        BrokenPicturesError, BankError
            If pictures cannot be read, which the error lists; if no pair is left.
        """
        values = encode(pairs, image_encoder, text_encoder, skip_broken, progress)
        return cls(name or pairs.name, *values, image_encoder.identity, text_encoder.identity, pairs.licence)

    @classmethod
    def from_embeddings(
        cls, image, text, captions, *, ids=None, pictures=None, groups=None, image_encoder=None, text_encoder=None,
        name="mine", licence="unknown",
    ) -> "AnchorBank":  # fmt: skip
        """Make a bank of embeddings that you bring, in memory; `save` keeps it.

        Parameters
        ----------
        image : Tensor or array of shape (n, d_image)
            Floats, in memory or mapped: ``numpy.load(path, mmap_mode="r")``.
        text : Tensor or array of shape (n, d_text)
        captions : sequence of n str
        ids : sequence of n str, optional
            Default: the numbers of the rows, from ``"0"``.
        pictures : sequence of n paths, optional
            Shown beside the captions. A relative path starts at the current folder; ``""`` is no picture.
        groups : sequence of n str, optional
        image_encoder, text_encoder : str, encoder or EncoderIdentity, optional
            The encoder that made the embeddings. A name marks it as external: see
            `asif_lib.encoders.external_identity`. Without one, the encoder is known by these embeddings alone, so that
            no others can be added.

        Raises
        ------
        BankError
            If counts or dimensions differ, an embedding is zero or not finite, a caption is missing, or an id occurs
            twice.
        ParameterError
            If the embeddings are not floats.

        Examples
        --------
        >>> import numpy as np
        >>> image, text = np.random.default_rng(0).normal(size=(2, 3, 8))
        >>> AnchorBank.from_embeddings(image, text, ["a cat", "a dog", "an owl"], image_encoder="mine, 2026-10")
        AnchorBank('mine', 3 pairs, in memory)
        """
        image, text, pairs = given(image, text, captions, ids, pictures, groups)
        identities = identity_of("image", image_encoder, image), identity_of("text", text_encoder, text)
        bank = cls(name, image, text, pairs, *identities, licence)
        editing.check_directions(bank)
        return bank

    def subset(self, rows) -> "AnchorBank":
        """Return the bank of those rows (a list or slice), in that order, in memory."""
        rows = torch.arange(len(self))[rows].tolist()
        matrices = {kind: self.rows(kind).take(rows) for kind in MODALITIES}
        return self._over(MemoryStore(self.name, **matrices, pairs=self.pairs.iloc[rows].reset_index(drop=True)))

    def view(self, rows) -> "AnchorBank":
        """Return the bank of those rows (int64, ascending) without copies of their embeddings, which are `Rows`."""
        matrices = {kind: self.rows(kind).keep(rows) for kind in MODALITIES}
        return self._over(MemoryStore(self.name, **matrices, pairs=self.pairs.iloc[rows.tolist()]))

    @property
    def sides(self) -> tuple:
        """The names of the two sides, in order."""
        return MODALITIES

    @property
    def encoders(self) -> dict:
        """The identity of each side's encoder, by the side's name."""
        return {"image": self.image_encoder, "text": self.text_encoder}

    def matrix(self, side) -> torch.Tensor:
        """Return the embeddings of a side, (n, d)."""
        return getattr(self, side)

    @property
    def image_mean(self) -> torch.Tensor:
        """Mean of the image embeddings, (d_image,) float32; the same bit for bit after any sequence of edits."""
        return self.store.image_mean

    @property
    def text_mean(self) -> torch.Tensor:
        """Mean of the text embeddings, (d_text,) float32; the same bit for bit after any sequence of edits."""
        return self.store.text_mean

    def mean(self, kind) -> torch.Tensor:
        """Return `image_mean` or `text_mean`."""
        return self.image_mean if kind == "image" else self.text_mean

    def rows(self, kind) -> Rows:
        """Return the ``"image"`` or ``"text"`` embeddings as they are stored, without copies."""
        return self.store.rows(kind)

    @property
    def dtype(self) -> torch.dtype:
        """Of the image embeddings."""
        return self.rows("image").dtype

    @property
    def megabytes(self) -> float:
        """Size of the embeddings, in 10**6 bytes."""
        rows = [self.rows(kind) for kind in MODALITIES]
        return len(self) * sum(matrix.shape[1] * matrix.dtype.itemsize for matrix in rows) / 1e6

    def to(self, dtype) -> "AnchorBank":
        """Return the bank with its embeddings in another floating `dtype`, in memory; chapter 08 measures the cost.

        Raises
        ------
        BankError
            If it is not float16, bfloat16, float32 or float64, or an embedding is not finite in it, or becomes zero.
        """
        editing.check_dtype(dtype)
        matrices = {kind: getattr(self, kind).to(dtype) for kind in MODALITIES}
        editing.check_precision(self, matrices)
        return replace(self, **matrices)

    def check_encoder(self, identity, side=None):
        """Raise `IdentityError` unless `identity` is the bank's own encoder of that kind."""
        editing.check_identity(self, identity)

    def add(self, new, image_encoder=None, text_encoder=None, *, skip_broken=False, progress=True) -> "AnchorBank":
        """Append pairs; the result equals a bank that was built with them.

        On disk they are appended to the newest version, also from an older view, at the cost of the new pairs alone.
        Two pairs with the same picture or caption are both kept, as in a build.

        Parameters
        ----------
        new : Pairs or AnchorBank
            Captioned pictures, or a bank of the same encoders; stored at this bank's precision.
        image_encoder, text_encoder : optional
            The bank's own encoders; needed to embed `Pairs`.
        skip_broken : bool
            Skip pairs whose picture cannot be read.

        Raises
        ------
        IdentityError
            If other encoders made the new embeddings.
        BrokenPicturesError
            If pictures cannot be read.
        BankError
            If an id exists already, or an embedding, a caption or the table cannot be used; nothing is added.

        Examples
        --------
        >>> bank = bank.add(pairs, image_encoder, text_encoder)        # doctest: +SKIP
        """
        if not isinstance(new, AnchorBank):
            self.check_ids_new(new.ids)
            new = self.embed(new, image_encoder, text_encoder, skip_broken=skip_broken, progress=progress)
        self.check_encoder(new.image_encoder)
        self.check_encoder(new.text_encoder)
        new = replace(new, **{kind: getattr(new, kind).to(self.rows(kind).dtype) for kind in MODALITIES})
        editing.check_columns(new, self.store.columns)
        editing.check_new(self, new)
        return self._over(self.store.add(new))

    def check_ids_new(self, ids):
        """Raise `BankError` if the bank has pairs with some of these ids: `add` would, after slow work."""
        editing.check_ids_free(self.store, pd.Index(ids).unique())

    def embed(self, pairs, image_encoder, text_encoder, *, skip_broken=False, progress=True) -> "AnchorBank":
        """Return `Pairs` as a bank of their own, embedded by this bank's encoders: the bank that `add` appends.

        The parameters and errors are those of `build`; other encoders raise `IdentityError` before any slow work.
        """
        if image_encoder is None or text_encoder is None:
            raise BankError("to embed captioned pictures, pass the bank's image encoder and text encoder too")
        for kind, encoder in zip(MODALITIES, (image_encoder, text_encoder), strict=True):
            self.check_encoder(checked_identity(kind, encoder))
        return AnchorBank.build(pairs, image_encoder, text_encoder, skip_broken=skip_broken, progress=progress)

    def remove(self, ids=None, *, where=None, rows=None) -> "AnchorBank":
        """Remove pairs; the result equals a bank that was built without them.

        On disk the pairs are only marked: their embeddings, captions and ids stay in the files until `compact`. From
        an older view, ids and conditions apply to the newest version; positions are refused.

        Parameters
        ----------
        ids : list of str, optional
        where : str, optional
            An SQL condition over the columns of `pairs`, as SQLite reads it: ``"group = 'food'"``,
            ``"caption like '%cat%' and length(caption) < 20"``. It can read nothing else.
        rows : list of int or array of bool, optional
            Positions, or a mask.

        Raises
        ------
        BankError
            If not exactly one of the three is given, a pair does not exist or is named twice, no pair or every pair
            fits, or the condition cannot be used; nothing is removed.

        Examples
        --------
        >>> bank = bank.remove(where="group = 'food'")                 # doctest: +SKIP
        """
        select = selection(self.store, ids, where, rows)
        return self._over(self.store.remove(select, f" where {where}" if where is not None else ""))

    def relabel(self, id, caption, text=None, *, text_encoder=None) -> "AnchorBank":
        """Give a pair another caption, in one version; the pair moves to the end, as in a bank built that way.

        Parameters
        ----------
        id : str
        caption : str
        text : Tensor or array of shape (1, d_text), optional
            The embedding of the caption; else `text_encoder`, the bank's own, computes it.

        Raises
        ------
        IdentityError, BankError
            If the encoder is another one; if there is no such pair, or neither an embedding nor an encoder is given.

        Examples
        --------
        >>> bank = bank.relabel("owl.png", "A barn owl.", text_encoder=text_encoder)      # doctest: +SKIP
        """
        select = selection(self.store, [id])
        plain_table(pd.DataFrame({"caption": [caption]}, dtype=object))  # raises if it cannot be stored
        if text is None:
            if text_encoder is None:
                raise BankError("to relabel a pair, pass the embedding of its new caption, or the bank's text encoder")
            self.check_encoder(checked_identity("text", text_encoder))
            text = embed(text_encoder, [caption], progress=False)

        def relabelled(store):  # the newest one: the pair may have changed since this view was opened
            bank = self._over(store)
            pair = bank.subset(np.flatnonzero(bank.pairs["id"] == id))
            new = replace(pair, text=as_embeddings(text).to(pair.text.dtype), pairs=pair.pairs.assign(caption=caption))
            editing.check_new(bank, new)
            return new

        return self._over(self.store.exchange(select, relabelled, f"relabelled {id}"))

    def diff(self, other) -> pd.DataFrame:
        """Compare this bank with `other`, pair by pair; a pair is known by its id.

        Returns
        -------
        DataFrame
            Columns ``change``, ``id``, ``caption``: the pairs ``removed`` (in this bank's order), then the pairs
            ``added`` and ``changed`` (in their embeddings or in a column of the table), in the order of `other`.

        Raises
        ------
        IdentityError
            If other encoders made the other bank.
        BankError
            If an id occurs twice in one of them, or their tables have other columns.
        """
        self.check_encoder(other.image_encoder)
        self.check_encoder(other.text_encoder)
        return editing.difference(self, other)


for _name in (*MODALITIES, "pairs"):
    setattr(AnchorBank, _name, _kept(_name))
