"""The bank of anchors: the two embedding matrices of the same captioned pictures, in memory or on disk."""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from asif_lib.encoders.embeddings import embed, embed_readable
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import BankError, BrokenPicturesError, IdentityError, first_line
from asif_lib.files import cache_dir
from asif_lib.search.prepared import read_prepared, write_prepared
from asif_lib.search.rows import BLOCK, Rows, as_rows

from . import editing, selecting
from .layout import MODALITIES, OURS, identities, open_version, plain_table, read_about
from .sums import exact_sum, mean_of
from .writing import changing, check_dtype, write_bank


def bank_dir(name) -> Path:
    """Return the folder of the bank called `name`; a path to a bank's folder stays what it is."""
    path = Path(name)
    return path if (path / "bank.json").exists() else cache_dir() / "banks" / path


@dataclass(repr=False)
class AnchorBank:
    """Captioned pictures under two encoders; row i of `image`, of `text` and of `pairs` is pair i.

    A bank is a value: `add`, `remove`, `compact` and `undo` return another one. A bank that was opened with `load`
    is a view of one version on disk; its edits are committed there, and the view that you had stays as it was. Its
    embeddings and its table are read when they are first used. Embeddings of one part of which nothing was removed
    are memory-mapped; after an edit they are gathered into memory when they are used, until `compact`.

    Attributes
    ----------
    name : str
    image : Tensor of shape (n, d_image)
    text : Tensor of shape (n, d_text)
    pairs : DataFrame of n rows
        Columns ``id``, ``caption``, ``picture`` (path on this machine), ``group``.
    image_encoder, text_encoder : EncoderIdentity
        Who made the embeddings.
    licence : str
        Of the pictures and captions.
    """

    name: str
    image: torch.Tensor
    text: torch.Tensor
    pairs: pd.DataFrame
    image_encoder: EncoderIdentity
    text_encoder: EncoderIdentity
    licence: str = "unknown"

    _on_disk = None  # the BankVersion, of a bank that was opened

    def __getattr__(self, name):
        """Read the matrices and the table of an opened bank when they are first asked for."""
        if name not in (*MODALITIES, "pairs") or self._on_disk is None:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        try:
            value = self._on_disk.table() if name == "pairs" else self._on_disk.matrix(name)
        except (OSError, pa.ArrowException) as error:
            folder = self._on_disk.folder
            raise BankError(f"{folder}: the bank is damaged ({first_line(error)}); build it again") from None
        setattr(self, name, value)
        return value

    def __repr__(self):
        where = "in memory" if self._on_disk is None else f"version {self.version} in {self._on_disk.folder}"
        return f"AnchorBank({self.name!r}, {len(self)} pairs, {where})"

    def __len__(self):
        return len(self.image) if self._on_disk is None else len(self._on_disk)

    @classmethod
    def build(cls, pairs, image_encoder, text_encoder, *, name=None, skip_broken=False, progress=True):
        """Encode captioned pictures into a bank.

        Embeddings go through the cache, so that a build that was killed goes on where it stopped. Captions that
        are longer than what the text encoder reads are named in a warning.

        Parameters
        ----------
        pairs : Pairs
        image_encoder : ImageEncoder
        text_encoder : TextEncoder
        name : str, optional
            Default: the name of `pairs`.
        skip_broken : bool
            Leave out pairs whose picture cannot be read, instead of raising.

        Raises
        ------
        BrokenPicturesError
            If pictures cannot be read; it lists all of them.
        BankError
            If no pair is left.
        """
        image, kept, errors = embed_readable(image_encoder, pairs.pictures, progress=progress)
        if errors and not skip_broken:
            raise BrokenPicturesError(errors)
        if not kept:
            raise BankError(f"{pairs.name}: has no pair to build a bank of")
        pairs = pairs.subset(kept)
        for said in cut_captions(pairs.captions, pairs.ids, text_encoder):
            warnings.warn(said, stacklevel=2)
        text = embed(text_encoder, pairs.captions, progress=progress)
        columns = {
            "id": pairs.ids,
            "caption": pairs.captions,
            "picture": [str(p) if hasattr(p, "path") or isinstance(p, str | Path) else "" for p in pairs.pictures],
            "group": pairs.groups,
        }
        table = pd.DataFrame(columns)
        return cls(name or pairs.name, image, text, table, image_encoder.identity, text_encoder.identity, pairs.licence)

    def subset(self, rows) -> "AnchorBank":
        """Return the bank of those rows (a list or slice), in that order, in memory."""
        rows = torch.arange(len(self))[rows]
        table = self.pairs.iloc[rows.tolist()].reset_index(drop=True)
        return replace(self, image=self.image[rows], text=self.text[rows], pairs=table)

    @cached_property
    def image_mean(self) -> torch.Tensor:
        """Mean of the image embeddings, (d_image,) float32; the same bit for bit however the bank came about."""
        return self._mean("image")

    @cached_property
    def text_mean(self) -> torch.Tensor:
        """Mean of the text embeddings, (d_text,) float32; the same bit for bit however the bank came about."""
        return self._mean("text")

    def mean(self, kind) -> torch.Tensor:
        """`image_mean` or `text_mean`."""
        return self.image_mean if kind == "image" else self.text_mean

    def _mean(self, kind):
        if self._on_disk is not None:
            return mean_of(self._on_disk.sums[kind], len(self))
        return mean_of(sum(exact_sum(block) for _, block in self.rows(kind).blocks(BLOCK)), len(self))

    def check_encoder(self, identity):
        """Raise `IdentityError` unless `identity` is the bank's own encoder of that kind."""
        own = self.image_encoder if identity.kind == "image" else self.text_encoder
        if identity != own:
            raise IdentityError(
                f"bank {self.name!r} was made by {own}, not by {identity}: their embeddings cannot be "
                f"compared; load the bank's own encoder, or build a bank with this one"
            )

    # -- on disk -----------------------------------------------------------------------------------------

    def save(self, folder) -> Path:
        """Write the bank to `folder`, replacing a bank that is there in one step; return the folder.

        What is written is version 1 of a new bank; the history of a bank that was there is deleted with it. This
        object stays in memory: `load` the folder to edit what is on disk.

        Raises
        ------
        BankError
            If the folder holds something else, the disk is full, or the embeddings are not floating numbers that a
            bank keeps; what was there before is unharmed.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise BankError(f"{folder}: is a file; choose another name")
        others = (f.name for f in folder.glob("*") if not OURS.fullmatch(f.name) and f.name != "bank.json.lock")
        if not (folder / "bank.json").exists() and any(others):
            raise BankError(f"{folder}: holds files that are no bank; choose another name")
        like = {kind: self._like(kind) for kind in MODALITIES}
        for matrix in like.values():
            check_dtype(matrix.dtype)
        if self._on_disk is None:
            table = plain_table(self.pairs)
            chunks, schema = editing.slices(like, table), table.schema
        else:
            chunks, schema = self._on_disk.chunks(), self._on_disk.schema
        with changing(folder):
            write_bank(
                folder, self.name, self.licence, (self.image_encoder, self.text_encoder), chunks,
                count=len(self), like=like, schema=schema,
            )  # fmt: skip
        return folder

    @classmethod
    def load(cls, name) -> "AnchorBank":
        """Open the bank called `name`, or in the folder `name`, at its newest version; nothing is read yet.

        Raises
        ------
        BankError
            If there is no such bank, or it is damaged or of another format.
        """
        return cls._view(open_version(bank_dir(name), name))

    @classmethod
    def _view(cls, version):
        bank = cls.__new__(cls)
        bank._on_disk = version
        bank.name, bank.licence = version.about["name"], version.about["licence"]
        bank.image_encoder, bank.text_encoder = identities(version.about)
        return bank

    @property
    def version(self) -> int | None:
        """The number of the version that this is a view of; None for a bank in memory."""
        return None if self._on_disk is None else self._on_disk.entry["version"]

    @property
    def dtype(self) -> torch.dtype:
        """Of the image embeddings."""
        return self._like("image").dtype

    @property
    def megabytes(self) -> float:
        """Size of the embeddings, in 10**6 bytes."""
        widths = [self._like(kind).shape[1] * self._like(kind).element_size() for kind in MODALITIES]
        return len(self) * sum(widths) / 1e6

    def rows(self, kind) -> Rows:
        """Return the ``"image"`` or ``"text"`` embeddings as they lie in the bank's parts, none of them gathered."""
        return as_rows(getattr(self, kind)) if self._on_disk is None else self._on_disk.matrix_in_pieces(kind)

    def to(self, dtype) -> "AnchorBank":
        """Return the bank with its embeddings in another floating `dtype`, in memory; half precision halves a file.

        What half precision costs in accuracy is measured in chapter 08.

        Raises
        ------
        BankError
            If it is not float16, bfloat16, float32 or float64, or an embedding is not finite in it, or becomes zero.
        """
        check_dtype(dtype)
        matrices = {kind: getattr(self, kind).to(dtype) for kind in MODALITIES}
        for kind, matrix in matrices.items():
            lost = getattr(self, kind).any(dim=1) & ~matrix.any(dim=1)
            bad = lost | ~torch.isfinite(matrix).all(dim=1)
            if bad.any():
                which = selecting.some(self.pairs["id"][bad.numpy()])
                raise BankError(f"in {dtype} the {kind} embedding is not finite, or becomes zero, of: {which}")
        return replace(self, **matrices)

    # -- made ready for search ---------------------------------------------------------------------------

    def prepare(self, *, center=True, progress=True) -> "AnchorBank":
        """Keep a rounded copy of the embeddings beside the bank, from which large searches are faster; return itself.

        It takes 2 bytes a number and belongs to this version: after an edit, prepare again.

        Raises
        ------
        BankError
            If the bank is in memory only, this version is no longer on disk, or the folder cannot be written.
        """
        folder, state = self.index_folder, self._on_disk.entry["state"]
        read_about(folder.parent, self.name)  # refuses what was deleted before a folder is made for the lock
        with changing(folder.parent):
            if all(entry["state"] != state for entry in read_about(folder.parent, self.name)["history"]):
                raise BankError(
                    f"bank {self.name!r}: version {self.version}, which was opened, is no longer on disk; load the "
                    f"bank anew, and prepare that"
                )
            for kind in MODALITIES:
                mean = self.mean(kind) if center else None
                write_prepared(folder, kind, self.rows(kind), mean, self._owner(kind), progress=progress)
        return self

    def searchable(self, kind, *, center=True):
        """Return the embeddings for `search.top_anchors`: prepared, if this version was prepared that way, else rows.

        Returns
        -------
        anchors : PreparedAnchors or Rows
        mean : Tensor of shape (d,), or None
            To be passed on; prepared anchors bring their own.
        """
        mean = self.mean(kind) if center else None
        if self._on_disk is None:
            return self.rows(kind), mean
        prepared = read_prepared(self.index_folder, kind, self.rows(kind), mean, self._owner(kind))
        return (prepared, None) if prepared else (self.rows(kind), mean)

    def _owner(self, kind):
        """Whose a prepared copy is: this version's, under the encoder that made the embeddings."""
        encoder = self.image_encoder if kind == "image" else self.text_encoder
        return {"state": self.index_folder.name.removeprefix("index-"), "encoder": encoder.digest}

    @property
    def index_folder(self) -> Path:
        """Where what is derived from this version lies, as search indexes; it is deleted with the version.

        Raises
        ------
        BankError
            If the bank is in memory only.
        """
        return self._stored("has no folder for indexes: save it, and load it").index_folder

    def _like(self, kind):
        """A matrix of the type and width of the embeddings, without gathering these."""
        return getattr(self if self._on_disk is None else self._on_disk.parts[0], kind)

    @property
    def _columns(self):
        """The names of the table's columns, without reading it."""
        return list(self.pairs) if self._on_disk is None else self._on_disk.schema.names

    def history(self) -> pd.DataFrame:
        """Return the versions up to this one: ``version``, ``time`` (UTC), ``change``, ``count`` of pairs.

        It begins when the bank was built, or last compacted.

        Raises
        ------
        BankError
            If the bank is in memory only.
        """
        entries = self._stored("has no history").about["history"]
        return pd.DataFrame(entries)[["version", "time", "change", "count"]]

    # -- edits -------------------------------------------------------------------------------------------

    def add(self, new, image_encoder=None, text_encoder=None, *, skip_broken=False, progress=True) -> "AnchorBank":
        """Return the bank with more pairs at its end, as it would be if it had been built with them.

        On disk they are appended as a part to the newest version, whichever this view shows, and the cost depends
        on the new pairs alone. Two pairs of the same picture or caption are both kept, as in a build.

        Parameters
        ----------
        new : Pairs or AnchorBank
            Captioned pictures, or a bank of them that is embedded already, by the same encoders. Its embeddings
            are stored at this bank's precision.
        image_encoder, text_encoder : optional
            The bank's own encoders; needed to embed `Pairs`.
        skip_broken : bool
            Leave out pairs whose picture cannot be read.

        Raises
        ------
        IdentityError
            If other encoders made the new embeddings.
        BrokenPicturesError
            If pictures cannot be read.
        BankError
            If ids are there already, or an embedding, a caption or the table cannot be used; nothing is added.

        Examples
        --------
        >>> bank = AnchorBank.load("stamps")                           # doctest: +SKIP
        >>> bank = bank.add(pairs, image_encoder, text_encoder)        # doctest: +SKIP
        """
        if not isinstance(new, AnchorBank):
            self.check_ids_new(new.ids)
            new = self.embed(new, image_encoder, text_encoder, skip_broken=skip_broken, progress=progress)
        self.check_encoder(new.image_encoder)
        self.check_encoder(new.text_encoder)
        new = replace(new, **{kind: getattr(new, kind).to(self._like(kind).dtype) for kind in MODALITIES})
        editing.check_columns(new, self._columns)
        editing.check_new(self, new)
        if self._on_disk is not None:
            return self._view(editing.add(self._on_disk.folder, self.name, new))
        self.check_ids_new(new.pairs["id"])
        table = pd.concat([self.pairs, new.pairs[list(self.pairs)]], ignore_index=True)
        matrices = {kind: torch.cat([getattr(self, kind), getattr(new, kind)]) for kind in MODALITIES}
        return replace(self, **matrices, pairs=table)

    def check_ids_new(self, ids):
        """Raise `BankError` if the bank has pairs of some of these ids already: `add` would, after slow work."""
        ids = pd.Index(ids).unique()
        there = ids.isin(self.pairs["id"]) if self._on_disk is None else selecting.find_ids(self._on_disk, ids)[0]
        if there.any():
            editing.raise_ids_there(self.name, ids[there])

    def embed(self, pairs, image_encoder, text_encoder, *, skip_broken=False, progress=True) -> "AnchorBank":
        """Return `Pairs` as a bank of their own, embedded by this bank's encoders: what `add` appends.

        The parameters and errors are those of `build`; other encoders raise `IdentityError` before any slow work.
        """
        if image_encoder is None or text_encoder is None:
            raise BankError("to embed captioned pictures, pass the bank's image encoder and text encoder too")
        for encoder in (image_encoder, text_encoder):
            self.check_encoder(encoder.identity)
        return AnchorBank.build(pairs, image_encoder, text_encoder, skip_broken=skip_broken, progress=progress)

    def remove(self, ids=None, *, where=None, rows=None) -> "AnchorBank":
        """Return the bank without some of its pairs, as it would be if it had been built without them.

        On disk the pairs are only marked: their embeddings, captions and ids stay in the files until `compact`.
        By id and by condition the newest version is edited, whichever this view shows; positions are those of this
        view, so it must be the newest.

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
            If not exactly one of the three is given, it names what is not there, names something twice, fits no
            pair or all of them, or the condition cannot be used; nothing is removed.

        Examples
        --------
        >>> bank = bank.remove(where="group = 'food'")                 # doctest: +SKIP
        """
        if sum(choice is not None for choice in (ids, where, rows)) != 1:
            raise BankError("say which pairs to remove in one way: by ids, where or rows")
        if rows is not None:
            rows = selecting.check_positions(rows, len(self))
        if ids is not None:
            ids = selecting.check_ids(ids)
        if self._on_disk is not None:
            return self._remove_on_disk(ids, where, rows)
        if ids is not None:
            missing = set(ids) - set(self.pairs["id"])
            if missing:
                selecting.raise_ids_missing(self.name, sorted(missing))
            rows = np.flatnonzero(self.pairs["id"].isin(ids))
        elif where is not None:
            rows = selecting.positions_of_condition(self.pairs, where)
        if len(rows) == len(self):
            editing.raise_all_removed(self.name, len(self))
        return self.subset(np.delete(np.arange(len(self)), rows).tolist())

    def _remove_on_disk(self, ids, where, rows):
        seen, what = self._on_disk.entry, ""

        def select(bank):
            if ids is not None:
                return selecting.rows_of_ids(bank, self.name, ids)
            if where is not None:
                return selecting.rows_of_condition(bank, where)
            return selecting.rows_of_positions(bank, self.name, rows, seen)

        if where is not None:
            what = f" where {where}"
        return self._view(editing.remove(self._on_disk.folder, self.name, select, what))

    def compact(self) -> "AnchorBank":
        """Return the same pairs in one part: what was removed is gone from the bank's files, and so is the history.

        Views that were opened before stay as they are until they are closed. A bank in memory is compact already.
        The pictures themselves, and the cache of embeddings, which knows a picture by its checksum, are not the
        bank's and stay.
        """
        if self._on_disk is None:
            return self
        return self._view(editing.compact(self._on_disk.folder, self.name))

    def undo(self) -> "AnchorBank":
        """Return the version before this one, after making it the newest on disk; what the edit added is deleted.

        Raises
        ------
        BankError
            If nothing is before this version, as after a build or `compact`; if this is not the newest version; or
            if the bank is in memory: there the bank that you had before the edit is still as it was.
        """
        version = self._stored("has no versions: the bank that you had before the edit is as it was")
        return self._view(editing.undo(version.folder, self.name, version.entry))

    def _stored(self, why):
        if self._on_disk is None:
            raise BankError(f"bank {self.name!r} is in memory only, and {why}")
        return self._on_disk

    def diff(self, other) -> pd.DataFrame:
        """Return what changes from this bank to `other`, pairs being known by their ids.

        Returns
        -------
        DataFrame
            Columns ``change``, ``id``, ``caption``: the pairs ``removed`` (of this bank's order), then those
            ``added`` and ``changed`` (in their embeddings or in a column of the table), in the order of `other`.

        Raises
        ------
        IdentityError
            If other encoders made the other bank.
        BankError
            If an id is there twice in one of them, or their tables have other columns.
        """
        self.check_encoder(other.image_encoder)
        self.check_encoder(other.text_encoder)
        return editing.difference(self, other)


def cut_captions(captions, ids, text_encoder) -> list:
    """Return a sentence about those that are cut, or none: sentence-transformers reads up to a number of tokens."""
    limit = text_encoder.model.max_seq_length
    if limit is None:
        return []
    # A token is a byte of the text or more (a Hangul syllable is taken apart, into no more letters than bytes), or
    # one of the two marks around it, or a space that some tokenizers put before it.
    sizes = [len(caption.encode(errors="replace")) for caption in captions]
    candidates = [i for i, size in enumerate(sizes) if size + 3 > limit]
    if not candidates:
        return []
    tokens = text_encoder.model.tokenizer([captions[i] for i in candidates], truncation=False, verbose=False)
    long = [ids[i] for i, found in zip(candidates, tokens["input_ids"], strict=True) if len(found) > limit]
    if not long:
        return []
    return [
        f"captions of which {text_encoder.identity.name} reads only the first {limit} tokens: {selecting.some(long)}; "
        f"the rest of them does not count"
    ]
