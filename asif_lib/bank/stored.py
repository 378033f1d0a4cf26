"""The bank on disk: saved and opened, verified, made ready for search, and its versions."""

from pathlib import Path
from typing import Self

import pandas as pd

from .record import bank_dir
from .versions import open_version
from .writing import check_folder, write_bank

_NO_FOLDER = "has no folder for indexes: save it, and load it"


class StoredBank:
    """The methods of an `AnchorBank` for its folder; it has a `store`, and is made over another one by `_over`."""

    @property
    def version(self) -> int | None:
        """The number of the version on disk; None in memory."""
        return self.store.version

    def save(self, folder) -> Path:
        """Write the bank to `folder`, replacing a bank there in one step; return the folder.

        The folder then holds version 1 of a new bank, without the old history; `load` it to edit the bank on disk.

        Raises
        ------
        BankError
            If the folder holds other files, the disk is full. The old content is unharmed.
        """
        folder = Path(folder).absolute()  # a later change of the current folder moves no bank
        check_folder(folder)
        write_bank(folder, self.store, self.name, self.licence, (self.image_encoder, self.text_encoder))
        return folder

    @classmethod
    def load(cls, name, *, verify=False) -> Self:
        """Open the bank called `name`, or in the folder `name`, at its newest version.

        ``bank.json``, the removed rows and the sums are compared with their checksums, and so are all files of a bank
        of less than 64 MiB. The table and the ids of a larger bank are compared when they are first read, its
        embeddings by `verify`.

        Parameters
        ----------
        verify : bool
            Compare every file now.

        Raises
        ------
        BankError
            If there is no such bank, or it is damaged or of another format.
        """
        bank = cls.__new__(cls)._over(open_version(bank_dir(name).absolute(), name))
        if verify:
            bank.verify(progress=False)
        return bank

    def verify(self, *, progress=True) -> list:
        """Compare all files of the bank, of its prepared copies and of its indexes with their checksums.

        Returns
        -------
        list of Path
            The files that were compared.

        Raises
        ------
        BankError
            If files are missing or not as they were written, which the error lists; if the bank has no checksums
            (format 2) or is in memory only.
        """
        return self.store.on_disk("has no files to verify").verify(progress)

    def convert(self) -> Self:
        """Give a bank of format 2 its checksums, in one step that loses nothing; the first edit does the same.

        Raises `BankError` if the bank is in memory only, or the folder cannot be written.
        """
        return self._over(self.store.on_disk("has no format").convert())

    def history(self) -> pd.DataFrame:
        """Return ``version``, ``time`` (UTC), ``change`` and ``count`` of each version since the build or `compact`.

        Raises `BankError` if the bank is in memory only.
        """
        return self.store.on_disk("has no history").history()

    def prepare(self, *, center=True, progress=True) -> Self:
        """Keep a rounded copy of the embeddings beside the bank, which speeds up large searches; return the bank.

        The copy takes 2 bytes a number and belongs to this version: after an edit, prepare again. Raises `BankError` if
        the bank is in memory only, this version is no longer on disk, or the folder cannot be written.
        """
        self.store.on_disk(_NO_FOLDER).prepare(center, progress)
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

    def compact(self) -> Self:
        """Return the same pairs in one part; removed pairs and the history are gone from the bank's files.

        Older views stay as they are until they are closed. The pictures and the cache of embeddings, which knows a
        picture by its checksum, do not belong to the bank and stay.
        """
        return self._over(self.store.compact())

    def undo(self) -> Self:
        """Make the version before this one the newest on disk, and return it; the files of the edit are deleted.

        Raises
        ------
        BankError
            If no version is before this one, as after a build or `compact`; if this is not the newest version; or if
            the bank is in memory, where the bank before the edit still exists.
        """
        store = self.store.on_disk("has no versions: the bank that you had before the edit is as it was")
        return self._over(store.undo())
