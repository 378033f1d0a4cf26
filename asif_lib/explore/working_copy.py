"""A copy of a stored bank to edit: nothing reaches the bank itself until `WorkingCopy.save`."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import Pairs
from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.loading import load_encoder
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import BankError, ParameterError, PictureError
from asif_lib.files import cache_dir


@dataclass(frozen=True)
class Upload:
    """A picture that is not of the bank: its id, the name that it had, the file that holds it."""

    id: str
    name: str
    file: Path


@dataclass(frozen=True)
class Edit:
    """One edit of the working copy: the ids removed, or the upload added with a caption."""

    removed: tuple = ()
    added: Upload | None = None
    caption: str = ""


class WorkingCopy:
    """A copy of a stored bank, in a folder, that can be edited, undone and saved back.

    Parameters
    ----------
    name : str
        The stored bank's.
    folder : path
        Where the copy and the uploaded pictures go.
    device : str
        Of the encoders, which are loaded when they are first needed.

    Attributes
    ----------
    stored : AnchorBank
        The bank as it was when the copy was made.
    bank : AnchorBank
        The copy, with its edits.
    uploads : dict of str to Upload
    edits : list of Edit
        In force, the oldest first.

    Raises
    ------
    BankError
        If there is no such bank, or it is damaged.
    """

    def __init__(self, name, folder, *, device="auto"):
        self.name, self.folder, self.device = str(name), Path(folder), device
        self.uploads, self._encoders = {}, {}
        self._start_from(AnchorBank.load(name))

    def _start_from(self, stored):
        copy = self.folder / "bank"
        stored.save(copy)
        self.stored, self.bank, self.edits = stored, AnchorBank.load(copy), []

    def encoder(self, kind):
        """Return the bank's ``"image"`` or ``"text"`` encoder, loading it the first time."""
        if kind not in self._encoders:
            identity = getattr(self.stored, f"{kind}_encoder")
            self._encoders[kind] = load_encoder(kind, identity.locator, device=self.device)
        return self._encoders[kind]

    # -- pictures to ask about ---------------------------------------------------------------------------

    def upload(self, name, data) -> Upload:
        """Keep the bytes of a picture; the same bytes once more are the same upload.

        Raises
        ------
        PictureError
            If they are no picture that can be read; they are not kept then.
        """
        digest = hashlib.sha256(data).hexdigest()[:12]
        suffix = Path(name).suffix if Path(name).suffix[1:].isalnum() else ""
        file = self.folder / "uploads" / f"upload-{digest}{suffix.lower()}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        try:
            open_picture(file)
        except PictureError as error:
            file.unlink()
            raise PictureError(str(error).replace(str(file), name)) from None
        return self.uploads.setdefault(file.stem, Upload(file.stem, name, file))

    def embedding(self, picture) -> torch.Tensor:
        """Return the (1, d_image) embedding of a pair of the stored bank, by its id, or of an upload."""
        if picture in self.uploads:
            return embed(self.encoder("image"), [self.uploads[picture].file], progress=False)
        return self.stored.image[[self._row(picture)]]

    def file_of(self, picture) -> str:
        """Return the path of a pair's picture, or of an upload's."""
        if picture in self.uploads:
            return str(self.uploads[picture].file)
        return self.stored.pairs["picture"][self._row(picture)]

    def _row(self, picture):
        rows = (self.stored.pairs["id"] == picture).to_numpy().nonzero()[0]
        if not len(rows):
            raise ParameterError(f"{picture}: is no pair of bank {self.stored.name!r}, and no uploaded picture")
        return int(rows[0])

    # -- edits -------------------------------------------------------------------------------------------

    def remove(self, ids):
        """Remove pairs from the copy, by their ids.

        Raises
        ------
        BankError
            If there is none, or as `AnchorBank.remove`.
        """
        ids = tuple(ids)
        if not ids:
            raise BankError("no anchor is ticked: tick those to remove first")
        self.bank = self.bank.remove(list(ids))
        self.edits.append(Edit(removed=ids))

    def add(self, upload, caption):
        """Add an uploaded picture with a caption to the copy.

        Raises
        ------
        BankError
            If there is no such upload, the caption is empty, or the picture is an anchor already.
        """
        if upload not in self.uploads:
            raise BankError("there is no uploaded picture to add: upload one first")
        upload, caption = self.uploads[upload], caption.strip()
        if not caption:
            raise BankError(f"write a caption for {upload.name}: without one a picture is no anchor")
        pairs = Pairs("upload", [upload.file], [caption], [upload.id], [""], {})
        self.bank = self.bank.add(pairs, self.encoder("image"), self.encoder("text"), progress=False)
        self.edits.append(Edit(added=upload, caption=caption))

    def undo(self):
        """Take the last edit back.

        Raises
        ------
        BankError
            If there is none.
        """
        if not self.edits:
            raise BankError("nothing was edited in the working copy, so there is nothing to undo")
        self.bank = self.bank.undo()
        self.edits.pop()

    def history(self):
        """Return the versions of the copy, as `AnchorBank.history` does; the first says what it is a copy of."""
        table = self.bank.history()
        table["change"] = [
            f"copied from version {self.stored.version} of bank {self.stored.name}",
            *map(_words, self.edits),
        ]
        return table

    # -- back into the stored bank -----------------------------------------------------------------------

    def changes(self):
        """Return what `save` would change in the stored bank, as `AnchorBank.diff` does.

        Raises
        ------
        BankError
            If nothing was changed.
        """
        changes = self.stored.diff(self.bank)
        if not len(changes):
            raise BankError(f"the working copy is as bank {self.name!r} is: there is nothing to save")
        return changes

    def save(self):
        """Make the stored bank what the copy is, by removing and adding pairs; then start a new copy of it.

        These are edits of the stored bank as any other, and ``asif bank undo`` takes them back. Pictures that were
        added are kept in the cache, in ``uploads``.

        Raises
        ------
        BankError
            If nothing was changed, or somebody else changed the stored bank since it was copied; it is then as it was.
        """
        changes, stored = self.changes(), AnchorBank.load(self.name)
        if not stored.history().equals(self.stored.history()):
            raise BankError(
                f"bank {self.name!r} was changed by somebody else since this copy was made, and is left as it is; "
                f"export your work as a notebook, and load this page again"
            )
        gone = changes["id"][changes["change"] != "added"].tolist()
        new = self._kept(changes["id"][changes["change"] != "removed"])
        if gone:
            stored = stored.remove(gone)
        if len(new):
            try:
                stored = stored.add(new)
            except BaseException:
                if gone:
                    stored.undo()
                raise
        self._start_from(stored)

    def _kept(self, ids):
        """The copy's pairs of those ids, their pictures in a folder that outlives the copy."""
        new = self.bank.subset(self.bank.pairs["id"].isin(ids).to_numpy().nonzero()[0].tolist())
        folder = cache_dir() / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        new.pairs["picture"] = [shutil.copy2(file, folder.resolve()) for file in new.pairs["picture"]]
        return new


def _words(edit):
    if edit.added:
        return f"added {edit.added.name}: {edit.caption}"
    return f"removed {', '.join(edit.removed)}"
