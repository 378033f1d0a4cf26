"""The bank of anchors: the two embedding matrices of the same captioned pictures, in memory or on disk."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError
from asif_lib.search.rows import Rows

from . import editing
from .building import encode
from .disk import open_version
from .indexes import write_copies
from .layout import MODALITIES
from .memory import MemoryStore
from .record import bank_dir
from .selecting import selection
from .writing import check_dtype, check_folder, write_bank

_NO_FOLDER = "has no folder for indexes: save it, and load it"


def _kept(name):
    """An attribute that the bank's store keeps, and reads when it is first used."""

    def read(bank):
        return getattr(bank.store, name)

    def assign(bank, value):
        values = {key: getattr(bank, key) for key in (*MODALITIES, "pairs")}
        bank.store = MemoryStore(bank.name, **{**values, name: value})

    return property(read, assign)


@dataclass(repr=False, init=False)
class AnchorBank:
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

    def subset(self, rows) -> "AnchorBank":
        """Return the bank of those rows (a list or slice), in that order, in memory."""
        store = MemoryStore(self.name, self.image, self.text, self.pairs)
        return self._over(store.subset(torch.arange(len(self))[rows]))

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
    def version(self) -> int | None:
        """The number of the version on disk; None in memory."""
        return self.store.version

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
        check_dtype(dtype)
        matrices = {kind: getattr(self, kind).to(dtype) for kind in MODALITIES}
        editing.check_precision(self, matrices)
        return replace(self, **matrices)

    def check_encoder(self, identity):
        """Raise `IdentityError` unless `identity` is the bank's own encoder of that kind."""
        editing.check_identity(self, identity)

    # -- on disk -----------------------------------------------------------------------------------------

    def save(self, folder) -> Path:
        """Write the bank to `folder`, replacing a bank there in one step; return the folder.

        The folder then holds version 1 of a new bank, without the old history; `load` it to edit the bank on disk.

        Raises
        ------
        BankError
            If the folder holds other files, the disk is full, or the dtype is refused. The old content is unharmed.
        """
        folder = Path(folder)
        check_folder(folder)
        for kind in MODALITIES:
            check_dtype(self.rows(kind).dtype)
        write_bank(folder, self.store, self.name, self.licence, (self.image_encoder, self.text_encoder))
        return folder

    @classmethod
    def load(cls, name) -> "AnchorBank":
        """Open the bank called `name`, or in the folder `name`, at its newest version; nothing is read yet.

        Raises `BankError` if there is no such bank, or it is damaged or of another format.
        """
        return cls.__new__(cls)._over(open_version(bank_dir(name), name))

    def history(self) -> pd.DataFrame:
        """Return ``version``, ``time`` (UTC), ``change`` and ``count`` of each version since the build or `compact`.

        Raises `BankError` if the bank is in memory only.
        """
        return self.store.on_disk("has no history").history()

    def prepare(self, *, center=True, progress=True) -> "AnchorBank":
        """Keep a rounded copy of the embeddings beside the bank, which speeds up large searches; return the bank.

        The copy takes 2 bytes a number and belongs to this version: after an edit, prepare again. Raises `BankError` if
        the bank is in memory only, this version is no longer on disk, or the folder cannot be written.
        """
        write_copies(self.store.on_disk(_NO_FOLDER), center, progress)
        return self

    def searchable(self, kind, *, center=True):
        """Return the embeddings for `asif_lib.search.top_anchors`: a prepared copy if this version has one, else rows.

        Returns
        -------
        anchors : PreparedAnchors or Rows
        mean : Tensor of shape (d,), or None
            To be passed on; prepared anchors bring their own.
        """
        return self.store.searchable(kind, self.mean(kind) if center else None)

    @property
    def index_folder(self) -> Path:
        """The folder of search indexes of this version, deleted with it; `BankError` if the bank is in memory only."""
        return self.store.on_disk(_NO_FOLDER).index_folder

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
        for encoder in (image_encoder, text_encoder):
            self.check_encoder(encoder.identity)
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

    def compact(self) -> "AnchorBank":
        """Return the same pairs in one part; removed pairs and the history are gone from the bank's files.

        Older views stay as they are until they are closed. The pictures and the cache of embeddings, which knows a
        picture by its checksum, do not belong to the bank and stay.
        """
        return self._over(self.store.compact())

    def undo(self) -> "AnchorBank":
        """Make the version before this one the newest on disk, and return it; the files of the edit are deleted.

        Raises
        ------
        BankError
            If no version is before this one, as after a build or `compact`; if this is not the newest version; or if
            the bank is in memory, where the bank before the edit still exists.
        """
        store = self.store.on_disk("has no versions: the bank that you had before the edit is as it was")
        return self._over(store.undo())

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
