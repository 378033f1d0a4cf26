"""The bank of anchors: the two embedding matrices of the same captioned pictures.

On disk a bank is a folder: ``bank.json`` and, in a subfolder that it names, one safetensors shard per
modality and ``pairs.parquet``. Replacing ``bank.json`` is the last step of writing, and atomic: a build that is
killed leaves the old bank. One process writes a bank at a time.
"""

import json
import os
import shutil
import uuid
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .embeddings import embed, embed_readable
from .encoders import EncoderIdentity
from .errors import BankError, BrokenPicturesError, IdentityError
from .paths import cache_dir

FORMAT_VERSION = 1
MODALITIES = ("image", "text")


def bank_dir(name) -> Path:
    """Return the folder of the bank called `name`; a path to a bank's folder stays what it is."""
    path = Path(name)
    return path if (path / "bank.json").exists() else cache_dir() / "banks" / path


@dataclass
class AnchorBank:
    """Captioned pictures under two encoders; row i of `image`, of `text` and of `pairs` is pair i.

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

    def __len__(self):
        return len(self.image)

    @classmethod
    def build(cls, pairs, image_encoder, text_encoder, *, name=None, skip_broken=False, progress=True):
        """Encode captioned pictures into a bank.

        Embeddings go through the cache, so that a build that was killed goes on where it stopped.

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
        text = embed(text_encoder, pairs.captions, progress=progress)
        columns = {
            "id": pairs.ids,
            "caption": pairs.captions,
            "picture": [str(p) if hasattr(p, "path") or isinstance(p, str | Path) else "" for p in pairs.pictures],
            "group": pairs.groups,
        }
        table = pd.DataFrame(columns)
        identities = image_encoder.identity, text_encoder.identity
        return cls(name or pairs.name, image, text, table, *identities, pairs.licence)

    def subset(self, rows) -> "AnchorBank":
        """Return the bank of those rows (a list or slice), in that order."""
        rows = torch.arange(len(self))[rows]
        table = self.pairs.iloc[rows.tolist()].reset_index(drop=True)
        identities = self.image_encoder, self.text_encoder
        return AnchorBank(self.name, self.image[rows], self.text[rows], table, *identities, self.licence)

    @cached_property
    def image_mean(self) -> torch.Tensor:
        """Mean of the image embeddings, (d_image,) float32."""
        return _mean(self.image)

    @cached_property
    def text_mean(self) -> torch.Tensor:
        """Mean of the text embeddings, (d_text,) float32."""
        return _mean(self.text)

    def check_encoder(self, identity):
        """Raise `IdentityError` unless `identity` is the bank's own encoder of that kind."""
        own = self.image_encoder if identity.kind == "image" else self.text_encoder
        if identity != own:
            raise IdentityError(
                f"bank {self.name!r} was made by {own}, not by {identity}: their embeddings cannot be "
                f"compared; load the bank's own encoder, or build a bank with this one"
            )

    def save(self, folder) -> Path:
        """Write the bank to `folder`, replacing a bank that is there in one step; return the folder.

        Raises
        ------
        BankError
            If the folder holds something else, or the disk is full; what was there before is unharmed.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise BankError(f"{folder}: is a file; choose another name")
        others = [file for file in folder.glob("*") if not file.name.startswith("part-")]
        if others and not (folder / "bank.json").exists():
            raise BankError(f"{folder}: holds files that are no bank; choose another name")
        part = f"part-{uuid.uuid4().hex[:8]}"
        try:
            (folder / part).mkdir(parents=True)
            for kind in MODALITIES:
                matrix = {"embeddings": getattr(self, kind).contiguous()}
                save_file(matrix, folder / part / f"{kind}-00001-of-00001.safetensors")
            self.pairs.to_parquet(folder / part / "pairs.parquet", index=False)
            description = json.dumps(self._description(part), indent=2, ensure_ascii=False)
            temporary = folder / f"{part}.json"
            temporary.write_text(description, encoding="utf-8")
            os.replace(temporary, folder / "bank.json")
        except (OSError, SafetensorError) as error:
            shutil.rmtree(folder / part, ignore_errors=True)
            (folder / f"{part}.json").unlink(missing_ok=True)
            raise BankError(f"{folder}: the bank could not be written ({error}); make room and repeat") from None
        for old in folder.glob("part-*"):  # of the bank before, or of a build that was killed
            if old.name != part:
                shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
        return folder

    def _description(self, part):
        return {
            "format": FORMAT_VERSION,
            "name": self.name,
            "count": len(self),
            "dtype": str(self.image.dtype).removeprefix("torch."),
            "licence": self.licence,
            "image_encoder": asdict(self.image_encoder),
            "text_encoder": asdict(self.text_encoder),
            "files": part,
        }

    @classmethod
    def load(cls, name) -> "AnchorBank":
        """Open the bank called `name`, or in the folder `name`; the embeddings are memory-mapped.

        Raises
        ------
        BankError
            If there is no such bank, or it is damaged or of another format.
        """
        folder = bank_dir(name)
        try:
            about = json.loads((folder / "bank.json").read_text(encoding="utf-8"))
            found = about["format"]
        except (FileNotFoundError, NotADirectoryError):
            raise BankError(f"there is no bank {str(name)!r} in {folder}; run: asif bank build {name}") from None
        except (OSError, ValueError, KeyError, TypeError):
            raise BankError(f"{folder / 'bank.json'} is damaged; build the bank again") from None
        if found != FORMAT_VERSION:
            raise BankError(f"{folder}: has bank format {found}, not {FORMAT_VERSION}; build the bank again")
        try:
            identities = [EncoderIdentity(**about[f"{kind}_encoder"]) for kind in MODALITIES]
            part = folder / about["files"]
            matrices = [_map(part / f"{kind}-00001-of-00001.safetensors") for kind in MODALITIES]
            pairs = pd.read_parquet(part / "pairs.parquet")
            count, licence = about["count"], about["licence"]
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise BankError(f"{folder}: the bank is damaged ({error}); build it again") from None
        if {len(matrices[0]), len(matrices[1]), len(pairs)} != {count}:
            raise BankError(f"{folder}: the bank's files do not hold {count} pairs each; build it again")
        return cls(about["name"], *matrices, pairs, *identities, licence)


def _map(file):
    """safetensors maps the file: rows come from disk when they are first touched."""
    with safe_open(file, framework="pt") as tensors:
        return tensors.get_tensor("embeddings")


def _mean(matrix, block=65_536):
    total = torch.zeros(matrix.shape[1], dtype=torch.float64)
    for start in range(0, len(matrix), block):
        total += matrix[start : start + block].double().sum(dim=0)
    return (total / len(matrix)).float()
