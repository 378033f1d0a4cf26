"""A copy of a stored bank to edit; the bank itself changes only by `WorkingCopy.save`."""

import atexit
import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from asif_book.widgets.upload import read_upload
from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import Pairs
from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.known import known_labels
from asif_lib.encoders.loading import load_encoder_of
from asif_lib.errors import BankError, EncoderError, ParameterError
from asif_lib.explain.contribution import own_coverage
from asif_lib.files import cache_dir
from asif_lib.zeroshot import ASIF

VARIABLE = "ASIF_EXPLORE"
"""Environment variable that tells the kernel of a page its bank and its folder, as JSON."""


@dataclass(frozen=True)
class Upload:
    """An uploaded picture: its id, its original name, its file."""

    id: str
    name: str
    file: Path


@dataclass(frozen=True)
class Edit:
    """One edit of the working copy: the removed ids, or the added upload with its caption."""

    removed: tuple = ()
    added: Upload | None = None
    caption: str = ""

    def __str__(self):
        if self.added:
            return f"added {self.added.name}: {self.caption}"
        return f"removed {', '.join(self.removed)}"


class WorkingCopy:
    """A copy of a stored bank, in a folder, with edits, undo and a way back into the bank.

    Raises `BankError` if there is no such bank, or it is damaged.

    Parameters
    ----------
    name : str
        Name or folder of the stored bank.
    folder : path
        Folder for the copy and the uploaded pictures.
    device : str
        Device of the encoders. They are loaded when they are first needed.
    labels_from : path, optional
        A file of labels with their embeddings, in place of the text encoder; see `KnownTexts.from_file`.

    Attributes
    ----------
    stored : AnchorBank
        The stored bank at the moment of the copy.
    known : KnownTexts or None
        The labels of `labels_from`.
    bank : AnchorBank
        The copy, with its edits.
    uploads : dict of str to Upload
    edits : list of Edit
        The edits in force, the oldest first.
    coverage : Coverage or None
        How similar the stored bank's own pictures are to its other pictures, by the rule of chapter 06. None if it has
        too few pictures for this.
    """

    def __init__(self, name, folder, *, device="auto", labels_from=None):
        self.name, self.folder, self.device = str(name), Path(folder), device
        self.uploads, self._encoders = {}, {}
        stored = AnchorBank.load(name)
        self.known = known_labels(stored, labels_from)  # refuses bad labels before the copy is made
        self._start_from(stored)
        if self.known:
            self._encoders["text"] = self.known

    def _start_from(self, stored):
        copy = self.folder / "bank"
        stored.save(copy)
        self.stored, self.bank, self.edits = stored, AnchorBank.load(copy), []
        self._ids, self.coverage = pd.Index(stored.pairs["id"]), None
        with contextlib.suppress(ParameterError):  # too few pictures
            self.coverage, _ = own_coverage(ASIF(stored, 1, device=self.device), stored.image[:0])

    def encoder(self, kind):
        """Return the bank's ``"image"`` or ``"text"`` encoder, loading it the first time."""
        if kind not in self._encoders:
            identity = getattr(self.stored, f"{kind}_encoder")
            if identity.is_external:
                raise EncoderError(
                    f"the {kind} encoder {identity.name!r} of bank {self.name!r} cannot be loaded here: choose a "
                    f"picture of the bank"
                )
            encoder = load_encoder_of(identity, device=self.device)
            self.stored.check_encoder(encoder.identity)
            self._encoders[kind] = encoder
        return self._encoders[kind]

    # -- pictures to ask about ---------------------------------------------------------------------------

    def upload(self, name, data) -> Upload:
        """Keep the bytes of a picture; equal bytes are one upload.

        Raises `PictureError` if the bytes are not a picture that can be read, and `EncoderError` if the image encoder
        cannot be loaded. They are not kept then.
        """
        read_upload(name, data)
        self.encoder("image")
        suffix = re.search(r"(\.\w{1,5})?$", name, re.ASCII)[0]
        id = f"upload-{hashlib.sha256(data).hexdigest()[:12]}"
        if id not in self.uploads:
            file = self.folder / "uploads" / f"{id}{suffix.lower()}"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
            self.uploads[id] = Upload(id, name, file)
        return self.uploads[id]

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

    def name_of(self, picture) -> str:
        """Return the caption of a pair, or the name of an upload."""
        if picture in self.uploads:
            return self.uploads[picture].name
        return self.stored.pairs["caption"][self._row(picture)]

    def _row(self, picture):
        (row,) = self._ids.get_indexer([picture])
        if row < 0:
            raise ParameterError(f"{picture}: is neither a pair of bank {self.stored.name!r} nor an uploaded picture")
        return int(row)

    # -- edits -------------------------------------------------------------------------------------------

    def remove(self, ids):
        """Remove pairs from the copy, by their ids.

        Raises `BankError` if there are no ids, or as `AnchorBank.remove`.
        """
        ids = tuple(ids)
        if not ids:
            raise BankError("no anchor is ticked: tick the anchors to remove first")
        self.bank = self.bank.remove(list(ids))
        self.edits.append(Edit(removed=ids))

    def add(self, upload, caption):
        """Add an uploaded picture with a caption to the copy.

        Raises `BankError` if there is no such upload, the caption is empty, or the picture is an anchor already.
        """
        if upload not in self.uploads:
            raise BankError("there is no uploaded picture to add: upload one first")
        upload, caption = self.uploads[upload], caption.strip()
        if not caption:
            raise BankError(f"write a caption for {upload.name}: an anchor is a picture with a caption")
        pairs = Pairs("upload", [upload.file], [caption], [upload.id], [""], {})
        self.bank = self.bank.add(pairs, self.encoder("image"), self.encoder("text"), progress=False)
        self.edits.append(Edit(added=upload, caption=caption))

    def undo(self):
        """Take back the last edit.

        Raises `BankError` if there are no edits.
        """
        if not self.edits:
            raise BankError("nothing was edited in the working copy, so there is nothing to undo")
        self.bank = self.bank.undo()
        self.edits.pop()

    def history(self):
        """Return the versions of the copy, as `AnchorBank.history` does; the first one names the stored bank."""
        source = f"copied from version {self.stored.version} of bank {self.stored.name}"
        return self.bank.history().assign(change=[source, *map(str, self.edits)])

    # -- back into the stored bank -----------------------------------------------------------------------

    def changes(self):
        """Return the changes that `save` would make in the stored bank, as `AnchorBank.diff` does.

        Raises `BankError` if the copy equals the stored bank.
        """
        changes = self.stored.diff(self.bank)
        if not len(changes):
            raise BankError(f"the working copy equals bank {self.name!r}: there is nothing to save")
        return changes

    def save(self):
        """Make the stored bank equal to the copy, by removing and adding pairs; then start a new copy.

        ``asif bank undo`` takes back these edits, as any other. The added pictures are kept in the cache, in
        ``uploads``.

        Raises `BankError` if the copy equals the stored bank, or the stored bank changed since the copy. It then stays
        as it is.
        """
        changes, stored = self.changes(), AnchorBank.load(self.name)
        if not stored.history().equals(self.stored.history()):
            raise BankError(
                f"bank {self.name!r} was changed by somebody else since this copy was made; it stays as it is. "
                f"Export your work as a notebook, and load this page again"
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
        """The pairs of those ids, with their pictures in a folder that outlives the copy."""
        new = self.bank.subset(self.bank.pairs["id"].isin(ids).to_numpy().nonzero()[0].tolist())
        folder = cache_dir() / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        new.pairs["picture"] = [shutil.copy2(file, folder.resolve()) for file in new.pairs["picture"]]
        return new


def session_copy() -> WorkingCopy:
    """Return a new `WorkingCopy` for the page that this kernel serves; it is deleted when the kernel ends."""
    about = json.loads(os.environ[VARIABLE])
    folder = tempfile.mkdtemp(dir=about["folder"])
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return WorkingCopy(about["bank"], folder, device=about["device"], labels_from=about["labels"])
