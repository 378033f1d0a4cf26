"""The bank of anchors: two embedding matrices of the same pairs, in memory or on disk.

An edit is chosen here, and `disk` commits it. `disk` tells the lock, the order of the writes and what a kill leaves.
"""

import contextlib
import copy
from dataclasses import replace
from pathlib import Path
from typing import Self
from uuid import uuid4

import numpy as np
import pandas as pd
import torch

from asif_lib.encoders.identity import EncoderIdentity, checked_identity, other_way
from asif_lib.errors import BankError, IdentityError
from asif_lib.relative import as_embeddings
from asif_lib.search.rows import BLOCK, Rows, as_rows
from asif_lib.settings import Settings

from . import checks
from .checks import IMAGE_TEXT, checked_ids, in_words, positions_of, positions_with
from .matrices import NO_ROWS, exact_sum, mean_of


class AnchorBank:
    """Pairs under two encoders, one for each side; row i of both matrices and of the table is pair i.

    The sides of most banks are ``"image"`` and ``"text"``: captioned pictures. Any two encoders that can each say
    "these are alike" make a bank, such as those of two languages.

    A bank that was opened with `load` is a view of one version on disk. Its edits are committed there, and older views
    stay as they were. Embeddings and table are read when they are first used. Embeddings in one part without removed
    rows are memory-mapped; others are gathered into memory. The attribute `settings` is what `keep_settings` keeps.

    Parameters
    ----------
    name, licence : str
    first, second : Tensor of shape (n, d_first) and (n, d_second)
        The embeddings of the two sides.
    pairs : DataFrame of n rows
        Columns ``id``, ``caption``, ``picture`` (path on this machine), ``group``.
    first_encoder, second_encoder, sides : as for `from_embeddings`
        The attribute `encoders` holds the identities by the sides' names.
    disk : DiskVersion, optional
        The version that `load` opened: it holds the pairs, which were checked when they were written. None in memory.
    """

    def __init__(
        self, name, first, second, pairs, first_encoder, second_encoder, licence="unknown", *, sides=IMAGE_TEXT,
        disk=None,
    ):  # fmt: skip
        matrices, encoders = (first, second), (first_encoder, second_encoder)
        if disk is None:
            checks.check_sides(sides)
            for side, matrix in zip(sides, matrices, strict=True):
                checks.check_matrix(side, matrix)
        self.name, self.licence, self.sides, self.disk = name, licence, tuple(sides), disk
        self.encoders = {s: checks.identity_of(s, *made) for s, *made in zip(sides, encoders, matrices, strict=True)}
        self._rows, self._pairs = dict(zip(sides, map(as_rows, matrices), strict=True)), pairs
        self._sums, self._means, self.settings = {}, {}, disk.record.settings if disk else None
        if disk is None:
            checks.check_content(self)

    @classmethod
    def _of(cls, disk) -> Self:
        """Return the view of a version on disk."""
        record, sides = disk.record, tuple(disk.record.encoders)
        encoders, matrices = record.encoders.values(), map(disk.mapped, sides)
        return cls(record.name, *matrices, None, *encoders, record.licence, sides=sides, disk=disk)

    def with_rows(self, rows, pairs) -> Self:
        """Return a bank in memory of these matrices or `Rows` by side, and this table, which fit together."""
        bank = copy.copy(self)
        bank._rows = {side: as_rows(matrix) for side, matrix in rows.items()}
        bank._pairs, bank._sums, bank._means, bank.disk, bank.settings = pairs, {}, {}, None, None
        return bank

    def replace(self, **changes) -> Self:
        """Return the bank in memory with another name, licence or table of pairs, or other values of a side.

        The embeddings of a side are called as the side, its encoder ``SIDE_encoder``: ``text=z, text_encoder=own``.
        """
        values = {"name": self.name, "pairs": self.pairs, "licence": self.licence}
        values |= {side: self.matrix(side) for side in self.sides if side not in changes}
        values |= {f"{side}_encoder": identity for side, identity in self.encoders.items()}
        if unknown := sorted(changes.keys() - values.keys() - set(self.sides)):
            raise BankError(f"bank {self.name!r} of {' and '.join(self.sides)} has no {unknown[0]!r} to replace")
        values |= changes
        matrices, encoders = zip(*((values[side], values[f"{side}_encoder"]) for side in self.sides), strict=True)
        return type(self)(values["name"], *matrices, values["pairs"], *encoders, values["licence"], sides=self.sides)

    def __repr__(self):
        where = f"version {self.version} in {self.disk.folder}" if self.disk else "in memory"
        return f"{type(self).__name__}({self.name!r}, {len(self)} pairs, {where})"

    def __len__(self):
        return len(self._rows[self.sides[0]])

    # -- made --------------------------------------------------------------------------------------------

    @classmethod
    def build(cls, pairs, image_encoder, text_encoder, *, name=None, skip_broken=False, progress=True) -> Self:
        """Encode captioned pictures into a bank.

        A killed build continues from the cache of embeddings. A warning names captions that the text encoder cuts off.
        Raises `BrokenPicturesError` if pictures cannot be read, and `BankError` if no pair is left.

        Parameters
        ----------
        pairs, image_encoder, text_encoder : Pairs, ImageEncoder, TextEncoder
        name : str, optional
            Default: the name of `pairs`.
        skip_broken : bool
            Skip pairs whose picture cannot be read.
        """
        from .building import encode  # a bank that is only read needs none of it

        values = encode(pairs, image_encoder, text_encoder, skip_broken, progress)
        return cls(name or pairs.name, *values, image_encoder.identity, text_encoder.identity, pairs.licence)

    @classmethod
    def from_embeddings(
        cls, first, second, captions, *, sides=IMAGE_TEXT, ids=None, pictures=None, groups=None, encoders=None,
        image_encoder=None, text_encoder=None, name="mine", licence="unknown",
    ) -> Self:  # fmt: skip
        """Make a bank of embeddings that you bring, in memory; `save` keeps it.

        Raises `BankError` or `ParameterError` if counts or dimensions differ, an embedding is zero or no finite float,
        a caption is missing, or an id occurs twice.

        Parameters
        ----------
        first, second : Tensors or arrays of shape (n, d_first) and (n, d_second)
            Floats, in memory or mapped: ``numpy.load(path, mmap_mode="r")``. Of pictures and texts, or of `sides`.
        captions, groups : sequences of n str
        sides : tuple of two str
            The names of the sides: small letters, digits and ``_``.
        ids : sequence of n str, optional
            Default: the numbers of the rows, from ``"0"``.
        pictures : sequence of n paths, optional
            Shown beside the captions. A relative path starts at the current folder; ``""`` is no picture.
        encoders : tuple of two, each a str, encoder, EncoderIdentity or None, optional
            The encoders that made the embeddings, in the order of the sides. A name marks an encoder as external: see
            `asif_lib.encoders.external_identity`. Without one, the encoder is known by these embeddings alone, so that
            no others can be added.
        image_encoder, text_encoder : optional
            The same for the sides ``"image"`` and ``"text"``, in place of `encoders`.

        Examples
        --------
        >>> import numpy as np
        >>> image, text = np.random.default_rng(0).normal(size=(2, 3, 8))
        >>> AnchorBank.from_embeddings(image, text, ["a cat", "a dog", "an owl"], image_encoder="mine, 2026-10")
        AnchorBank('mine', 3 pairs, in memory)
        """
        from .building import pairs_table  # as for `build`

        checks.check_sides(sides)
        pairs = pairs_table(captions, ids, pictures, groups)
        matrices = [as_embeddings(z).detach().cpu() for z in (first, second)]
        if encoders is None:
            encoders = [{"image": image_encoder, "text": text_encoder}.get(side) for side in sides]
        elif image_encoder or text_encoder or len(encoders) != 2:
            raise BankError("pass encoders=(first, second), or image_encoder and text_encoder")
        return cls(name, *matrices, pairs, *encoders, licence, sides=sides)

    def subset(self, rows) -> Self:
        """Return the bank of those rows (a list or slice), in that order, in memory."""
        rows = torch.arange(len(self))[rows].tolist()
        taken = {side: self.rows(side).take(rows) for side in self.sides}
        return self.with_rows(taken, self.pairs.iloc[rows].reset_index(drop=True))

    def view(self, rows) -> Self:
        """Return the bank of those rows (int64, ascending) without copies of their embeddings, which are `Rows`."""
        kept = {side: self.rows(side).keep(rows) for side in self.sides}
        view, gone = self.with_rows(kept, self.pairs.iloc[rows.tolist()]), np.delete(np.arange(len(self)), rows)
        if len(gone) < len(rows):  # their sum is found sooner
            view._sums = {side: self._sum(side) - exact_sum(self.rows(side).take(gone)) for side in self.sides}
        return view

    def to(self, dtype) -> Self:
        """Return the bank with its embeddings in another floating `dtype`, in memory; chapter 08 measures the cost.

        Raises `BankError` if it is no float of 16, 32 or 64 bits, or an embedding becomes zero or not finite.
        """
        checks.check_dtype(dtype)
        bank = self.with_rows({side: self.matrix(side).to(dtype) for side in self.sides}, self.pairs)
        checks.check_embeddings(bank)
        return bank

    # -- read --------------------------------------------------------------------------------------------

    def rows(self, side, part=None) -> Rows:
        """Return the embeddings of a side as they are stored, (n, d), without copies; or of a range of pairs, `part`.

        On disk, the files that hold them are compared with their checksums, once for each opened bank. Raises
        `BankError` if one is damaged, or the bank has no such side.
        """
        rows, (first, stop) = self.unread(side), (part.start, part.stop) if part else (0, len(self))
        if self.disk:
            holding = np.searchsorted(rows.starts, first, side="right") - 1, np.searchsorted(rows.starts, stop)
            self.disk.compare(f"{side}.safetensors", slice(*holding))
        return rows.part(first, stop) if part else rows

    def unread(self, side) -> Rows:
        """Return what `rows` does, without comparing any file: only the shape and the dtype are to be used."""
        if side not in self._rows:
            fault = f"bank {self.name!r} has the sides {' and '.join(self.sides)}, and no side {side!r}"
            raise BankError(f"{fault}; name one of them, as in model.represent({self.sides[0]!r}, items)")
        return self._rows[side]

    def matrix(self, side) -> torch.Tensor:
        """Return the embeddings of a side as one matrix (n, d); what lies in several pieces is gathered once."""
        self._rows[side] = as_rows(self.rows(side).gathered())
        return self._rows[side].pieces[0]

    def mean(self, side) -> torch.Tensor:
        """Return the mean of a side's embeddings, (d,) float32; the same bit for bit after any sequence of edits."""
        if side not in self._means:
            self._means[side] = mean_of(self._sum(side), len(self))
        return self._means[side]

    def _sum(self, side):
        if side not in self._sums:
            sums = self.disk.sums if self.disk else {side: sum(exact_sum(b) for _, b in self.rows(side).blocks(BLOCK))}
            self._sums[side] = sums[side]
        return self._sums[side]

    @property
    def pairs(self) -> pd.DataFrame:
        """The table of n rows; see the parameters of the class."""
        if self._pairs is None:
            self._pairs = self.disk.pairs()
        return self._pairs

    def pairs_at(self, rows) -> pd.DataFrame:
        """Return the table's rows at positions (m,), in that order; on disk, the rest of the table is not read."""
        if self._pairs is not None:
            return self._pairs.iloc[rows]
        positions, order = np.unique(rows, return_inverse=True)
        return self.disk.pairs(positions=positions).iloc[order]

    @property
    def columns(self) -> list:
        """The names of the table's columns, known without reading it."""
        return list(self.pairs) if self.disk is None else self.disk.schema.names

    image = property(lambda bank: bank.matrix("image"), doc="The embeddings of the side `image`, (n, d_image).")
    text = property(lambda bank: bank.matrix("text"), doc="The embeddings of the side `text`, (n, d_text).")
    image_mean = property(lambda bank: bank.mean("image"), doc="Their mean, (d_image,) float32.")
    text_mean = property(lambda bank: bank.mean("text"), doc="Their mean, (d_text,) float32.")
    image_encoder = property(lambda bank: bank.encoder_of("image"), doc="The encoder that made the image embeddings.")
    text_encoder = property(lambda bank: bank.encoder_of("text"), doc="The encoder that made the text embeddings.")

    def encoder_of(self, side) -> EncoderIdentity:
        """Return the identity of a side's encoder; `BankError` if the bank has no such side."""
        self.unread(side)  # refuses a side that the bank does not have
        return self.encoders[side]

    dtype = property(lambda bank: bank.dtypes[bank.sides[0]], doc="Of the first side's embeddings.")

    @property
    def dtypes(self) -> dict:
        """Of the embeddings, by side."""
        return {side: rows.dtype for side, rows in self._rows.items()}

    @property
    def megabytes(self) -> float:
        """Size of the embeddings, in 10**6 bytes."""
        return len(self) * sum(rows.shape[1] * rows.dtype.itemsize for rows in self._rows.values()) / 1e6

    def check_encoder(self, identity, side):
        """Raise `IdentityError` unless `identity` is the encoder of that side."""
        if identity != (own := self.encoder_of(side)):
            way = other_way(identity, own) if str(identity) == str(own) else ""
            fault = f"bank {self.name!r} was made by {own}, not by {'this one' if way else identity}{way}"
            advice = "load the bank's own encoder, or build a bank with this one"
            raise IdentityError(f"{fault}: their embeddings cannot be compared; {advice}")

    def find(self, column, values):
        """Return which of m distinct `values` a column of the table has, (m,) bools, and their positions, ascending.

        A value is compared with an entry as both are written: 1991 and "1991" are the same. No value finds an empty
        entry. Raises `BankError` if there is no such column. On disk, only this column is read.
        """
        if column not in self.columns:
            columns = ", ".join(self.columns)
            raise BankError(f"bank {self.name!r} has no column {column!r}; its columns are {columns}")
        entries = (self.disk.pairs([column]) if self._pairs is None else self._pairs)[column]  # (n,)
        number = {str(value): i for i, value in enumerate(values) if value is not None}
        found = np.fromiter((number.get(str(entry), -1) for entry in entries.tolist()), np.int64, len(entries))
        found[entries.isna()] = -1
        return np.isin(np.arange(len(values)), found), np.flatnonzero(found >= 0)

    # -- edited ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _newest(self, *, seen=False):
        """Give the bank that an edit changes: in memory this one, on disk the newest version, under its lock.

        With `seen`, raise `BankError` unless it is this version: `undo` would hit something else.
        """
        if self.disk is None:
            yield self
            return
        with self.disk.newest() as disk:
            newest = disk.record.newest
            if seen and newest != self.disk.record.newest:
                versions = f"version {self.version} was opened, {newest.version} of {newest.time} is there now"
                raise BankError(f"bank {self.name!r} was changed meanwhile ({versions}): load it again")
            yield self._of(disk)

    def _edited(self, change, gone=NO_ROWS, new=None) -> Self:
        """Return this bank without the pairs at the positions `gone`, and with those of the bank `new` at the end."""
        if len(gone) == len(self) and new is None:
            raise BankError(f"that would remove all {len(self)} pairs of bank {self.name!r}; delete the bank instead")
        if self.disk:
            return self._of(self.disk.commit(change, gone, new))
        bank = self.subset(np.delete(np.arange(len(self)), gone)) if len(gone) else self
        if new is not None:
            matrices = {side: torch.cat([bank.matrix(side), new.matrix(side)]) for side in bank.sides}
            pairs = pd.concat([bank.pairs, new.pairs[bank.columns]], ignore_index=True)
            bank = bank.with_rows(matrices, pairs)
        bank.settings = self.settings
        return bank

    def add(self, new, caption=None, *, image_encoder=None, text_encoder=None, progress=True) -> Self:
        """Append pairs; the result equals a bank that was built with them.

        On disk they are appended to the newest version, also from an older view, at the cost of the new pairs alone.
        Two pairs with the same picture or caption are both kept, as in a build.
        Raises `IdentityError` if other encoders made the new embeddings, `BrokenPicturesError` if pictures cannot be
        read, and `BankError` if an id exists already, or an embedding or the table cannot be used. Raises
        `EncoderError` if the encoder for one picture cannot be loaded by its name. Nothing is added.

        Parameters
        ----------
        new : Pairs, AnchorBank, or one picture
            Captioned pictures, a bank of the same encoders, or a path or PIL image; stored at this bank's precision.
        caption : str, optional
            Of one picture, which gets an id of its own.
        image_encoder, text_encoder : optional
            The bank's own encoders; needed to embed `Pairs`. For one picture they are loaded by name if not given.
        """
        if caption is not None:
            from asif_lib.datasets.pairs import Pairs
            from asif_lib.encoders.identity import load_encoder_of

            new = Pairs(self.name, [new], [caption], [f"added/{uuid4().hex}"], [""], {})
            image_encoder = image_encoder or load_encoder_of(self.image_encoder)
            text_encoder = text_encoder or load_encoder_of(self.text_encoder)
        if not isinstance(new, AnchorBank):
            if not hasattr(new, "ids"):
                raise BankError(
                    f"{type(new).__name__} is no set of pairs; for one picture, say bank.add(picture, caption)"
                )
            checks.check_ids_free(self, new.ids)  # now, rather than after slow work
            new = self.embed(new, image_encoder, text_encoder, progress=progress)
        checks.check_encoders(self, new)
        if not len(new):
            raise BankError("there is no pair to add")
        new = new.replace(**{side: new.matrix(side).to(self.dtypes[side]) for side in self.sides})
        with self._newest() as bank:
            checks.check_fits(bank, new)
            return bank._edited(f"added {_counted(new)}", new=new)

    def embed(self, pairs, image_encoder, text_encoder, *, skip_broken=False, progress=True) -> Self:
        """Return `Pairs` as a bank of their own, embedded by this bank's encoders: the bank that `add` appends.

        Raises as `build`, and `IdentityError` for other encoders before any slow work.

        Parameters
        ----------
        pairs, image_encoder, text_encoder, skip_broken, progress : as for `build`
        """
        for side, encoder in zip(IMAGE_TEXT, (image_encoder, text_encoder), strict=True):
            own = self.encoder_of(side)
            if encoder is None:
                raise BankError(f"to embed captioned pictures, pass the bank's two encoders too: {own}")
            self.check_encoder(checked_identity(side, encoder), side)
        return AnchorBank.build(pairs, image_encoder, text_encoder, skip_broken=skip_broken, progress=progress)

    def remove(self, ids=None, **columns) -> Self:
        """Return the bank without some pairs, as if it was built without them; this view keeps them.

        On disk the pairs are only marked: their embeddings, captions and ids stay in the files until `compact`. Also
        from an older view, they are chosen in the newest version.
        Raises `BankError` if not either ids or columns are given, a pair does not exist or is named twice, a column
        does not exist or no pair has its value, or no pair would be left; nothing is removed.

        Parameters
        ----------
        ids : list of str, optional
            Also what pandas chooses: ``bank.pairs.id[bank.pairs.caption.str.contains("cat")]``.
        columns : optional
            Values by column of `pairs`: the pairs written so are removed, as in ``remove(group="food")``.
        """
        if (ids is None) == (not columns):
            raise BankError("say which pairs to remove in one way: by ids, or by values of columns as group='food'")
        ids = None if ids is None else checked_ids(ids)
        with self._newest() as bank:
            gone = positions_with(bank, columns) if columns else positions_of(bank, ids)
            return bank._edited(f"removed {_counted(gone)}{f' where {in_words(columns)}' if columns else ''}", gone)

    def revise(self, captions, text=None, gone=(), *, side="text") -> Self:
        """Give pairs other captions, and remove others, in one version; the pairs move to the end, as in a new build.

        Raises `BankError` without such a pair, without embeddings that the bank can hold, or if the bank on disk was
        changed since this view was opened. Nothing is changed then.

        Parameters
        ----------
        captions, gone : dict of m str, list of str
            New captions by id, and ids of pairs to remove.
        text : Tensor or array of shape (m, d_text), optional
            The embeddings of the captions on `side`; none without captions.
        """
        ids, new = checked_ids([*captions, *gone]), None
        with self._newest(seen=True) as bank:
            rows = positions_of(bank, ids)
            if captions:
                pairs = bank.subset(rows[pd.Index(bank.pairs["id"].iloc[rows]).get_indexer(list(captions))])
                table = pairs.pairs.assign(caption=list(captions.values()))
                new = pairs.replace(**{side: as_embeddings(text).to(bank.dtypes[side]), "pairs": table})
            named = next(iter(captions)) if len(captions) == 1 else _counted(captions)
            done = [f"relabelled {named}"] * bool(captions) + [f"removed {_counted(gone)}"] * bool(gone)
            return bank._edited(", ".join(done), rows, new)

    def keep_settings(self, **settings) -> Self:
        """Return the bank with settings of its own, which `ASIF` and the command use unless they are told others.

        On disk, `bank.json` keeps them. Edits keep them too: a few pairs more or fewer change little in what is best. A
        bank that is made of this one, by `subset`, `replace` or `concatenate`, has none: they were not chosen for it.
        The settings are keywords of `ASIF`, such as ``**recommend(bank).settings``; without any, the bank forgets its
        own, and without k the default k follows the size. Raises `ParameterError` if one is out of range for this bank.
        """
        kept = Settings(**settings).checked(len(self)) if settings else None
        if settings.get("k") is None and kept:
            kept = replace(kept, k=None)
        with self._newest() as bank:
            bank = self._of(bank.disk.keep_settings(kept)) if bank.disk else copy.copy(bank)
        bank.settings = kept
        return bank

    # -- on disk -----------------------------------------------------------------------------------------

    @classmethod
    def load(cls, name, *, verify=False) -> Self:
        """Open the bank called `name`, or in the folder `name`, at its newest version.

        ``bank.json``, the removed rows and the sums are compared with their checksums, and so are all files of a bank
        of less than 64 MiB. The table and the embeddings of a larger bank are compared when they are first read.
        Raises `BankError` if there is no such bank, or it is damaged or of another format.
        """
        from .disk import open_version
        from .record import bank_dir

        bank = cls._of(open_version(bank_dir(name).absolute(), name))
        if verify:
            bank.verify(progress=False)
        return bank

    def save(self, folder) -> Path:
        """Write the bank to `folder`, replacing a bank there in one step; return the folder.

        The folder then holds version 1 of a new bank, without the old history; `load` it to edit the bank on disk.
        Raises `BankError` if the folder holds other files, or the disk is full. The old content is unharmed.
        """
        from .disk import check_folder, in_blocks, plain_table, write_bank
        from .record import BankRecord, Side

        folder = Path(folder).absolute()  # a later change of the current folder moves no bank
        check_folder(folder)
        if self.disk:
            schema, blocks = self.disk.schema, self.disk.blocks()
        else:
            checks.check_ids(self.pairs)
            table = plain_table(self.pairs)
            schema, blocks = table.schema, in_blocks(self._rows, table)
        dtypes = {side: str(dtype).removeprefix("torch.") for side, dtype in self.dtypes.items()}
        sides = [Side(name=side, dtype=dtypes[side], encoder=self.encoders[side]) for side in self.sides]
        record = BankRecord(name=self.name, licence=self.licence, sides=sides, settings=self.settings)
        write_bank(folder, record, len(self), schema, blocks)
        return folder

    def on_disk(self, why="has no folder for indexes: save it, and load it"):
        """Return the version on disk; in memory raise `BankError`, with `why` the folder is needed."""
        if self.disk is None:
            raise BankError(f"bank {self.name!r} is in memory only, and {why}")
        return self.disk

    @property
    def version(self) -> int | None:
        """The number of the version on disk; None in memory."""
        return self.disk.record.newest.version if self.disk else None

    def history(self) -> pd.DataFrame:
        """Return ``version``, ``time`` (UTC), ``change``, ``count`` of each version; `BankError` for one in memory."""
        history = self.on_disk("has no history").record.history
        return pd.DataFrame([vars(version) for version in history])[["version", "time", "change", "count"]]

    def undo(self) -> Self:
        """Make the version before this one the newest on disk, and return it; the files of the edit are deleted.

        Raises `BankError` if no version is before this one, as after a build or `compact`; if this is not the newest
        version; or if the bank is in memory, where the bank before the edit still exists.
        """
        self.on_disk("has no versions: the bank that you had before the edit is as it was")
        with self._newest(seen=True) as bank:
            return self._of(bank.disk.undo())

    def compact(self) -> Self:
        """Return the same pairs in one part; removed pairs and the history are gone from the bank's files.

        Older views stay as they are until they are closed. The pictures and the cache of embeddings, which knows a
        picture by its checksum, do not belong to the bank and stay.
        """
        if self.disk is None:
            return self
        with self._newest() as bank:
            return self._of(bank.disk.compact())

    def verify(self, *, progress=True) -> list:
        """Compare all files of the bank and its prepared copies with their checksums; return their paths.

        Raises `BankError` if files are missing or not as they were written, or the bank is in memory only.
        """
        from .copies import verify_files  # most banks have no copies

        return verify_files(self.on_disk("has no files to verify"), progress)

    def prepare(self, *, progress=True) -> Self:
        """Keep a rounded, centred copy of the embeddings beside the bank, for fast searches in bfloat16; return it.

        The copy takes 2 bytes a number and belongs to this version: after an edit, prepare again. Raises `BankError` if
        the bank is in memory only, this version is no longer on disk, or the folder cannot be written.
        """
        from .copies import write_prepared  # as for `verify`

        write_prepared(self.on_disk(), {side: self.mean(side) for side in self.sides}, progress)
        return self

    def searchable(self, side, *, center=True, part=None):
        """Return a side's embeddings for `asif_lib.search.top_anchors`: a prepared copy of this version, else rows.

        Parameters
        ----------
        side, part : as for `rows`
        center : bool

        Returns
        -------
        anchors, mean : Rows or PreparedAnchors, and Tensor of shape (d,) or None
            The mean is None without `center`, and with prepared anchors, which bring it.
        """
        rows, mean, prepared = self.rows(side, part), self.mean(side) if center else None, None
        if center and self.disk and self.index_folder.exists():
            from .copies import read_prepared  # as for `verify`

            prepared = read_prepared(self.disk, side, mean)
        return (prepared.part(part), None) if prepared else (rows, mean)

    @property
    def index_folder(self) -> Path:
        """The folder of search indexes of this version, deleted with it; `BankError` if the bank is in memory only."""
        return self.on_disk().index_folder


def _counted(pairs):
    return "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
