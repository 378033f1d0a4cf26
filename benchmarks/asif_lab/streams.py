"""Captioned pictures of the hub, read in their order and block by block, so that any number needs little memory."""

import hashlib
import json
import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

from asif_lib.datasets.hub import check_files, configured, own_places, picture_in_cell, tars_of, text_beside, unloadable
from asif_lib.errors import UNREACHABLE, DataError, hub_fault, import_extra

CAPTIONS = ("caption", "text", "txt")  # the names of a column of captions that need not be named
WAITS = (5, 30, 120)  # seconds to wait before a block is read again after the connection was lost


@dataclass(frozen=True)
class PairStream:
    """Captioned pictures of a data set of the hub, of which no more than a block is in memory."""

    name: str
    digest: str  # changes with the files, the configuration, the split and the columns
    rows: Any  # datasets.IterableDataset
    picture: str  # a column, as is the caption
    caption: str
    is_list: bool = False  # whether a caption in one string holds one caption a line
    own: tuple = ()  # where pictures may lie that are not in the rows themselves: see own_places

    def blocks(self, size, *, first=0, state=None, stop=None):
        """Yield (number of the first row, list of (picture, caption), state after the block).

        A picture is a `PictureBytes` or a path, or None for an empty cell. A caption is a string, the first of a list.
        A block whose connection is lost is read again, after `WAITS`. Raises `DataError` if the rows break off.

        Parameters
        ----------
        size : int
            Rows of a block.
        first, state : int, dict, optional
            The next row, and the state after the block before it. Reading goes on there, also in another process.
        stop : int, optional
            The row before which reading ends.
        """
        rows, waits = self._rows_after(state), iter(WAITS)
        while stop is None or first < stop:
            try:
                count = size if stop is None else min(size, stop - first)
                block = [self._pair(first + i, row) for i, row in enumerate(islice(rows, count))]
            except Exception as error:  # the library raises errors of many kinds
                if hub_fault(error) == UNREACHABLE and (wait := next(waits, None)) is not None:
                    time.sleep(wait)
                    rows = self._rows_after(state)
                    continue
                stop_before = f", or stop before it with --limit {first}" if first else ""
                raise DataError(
                    f"{self.name}: the rows break off between {first} and {first + size} ({hub_fault(error)}); what "
                    f"was encoded before is kept, and the same call goes on there, unless a file is damaged: mend "
                    f"it{stop_before}"
                ) from None
            if not block:
                return
            state, waits = self.rows.state_dict(), iter(WAITS)
            yield first, block, state
            first += len(block)

    def _rows_after(self, state):
        if state is not None:
            self.rows.load_state_dict(state)
        return iter(self.rows)

    def _pair(self, number, row):
        picture, caption = row[self.picture], row[self.caption]
        if picture is not None:
            picture = picture_in_cell(f"row {number}", picture, self.own)
        if self.is_list:
            caption = (caption or "").splitlines()
        if isinstance(caption, list):
            caption = next(iter(caption), "")
        return picture, "" if caption is None else str(caption).strip()


def stream_from_hub(repository, split="train", *, picture=None, caption=None) -> PairStream:
    """Open captioned pictures of the hub, or a folder in its format: parquet, webdataset, imagefolder.

    In the CLIP benchmark's layout, ``dataset_type.txt`` says "retrieval": each line is a caption, and the first counts.

    Raises `DataError` or `MissingExtraError` as `labelled_from_hub`, without such columns, or if a file is cut off.

    Parameters
    ----------
    repository : str or Path
        Such as ``"pixparse/cc12m-wds"``; with one of several configurations, ``"OWNER/NAME#CONFIGURATION"``.
    split : str
    picture, caption : str, optional
        The columns. Default: the only column of pictures; ``caption``, ``text`` or ``txt``.
    """
    datasets = import_extra("datasets", "hub")
    repository, configuration = configured(repository)
    check_files(repository)
    # its own second try finds the file at its end, and between two pictures, the rest of a tar is lost in silence
    datasets.config.STREAMING_READ_MAX_RETRIES = 1
    try:
        is_list = text_beside(repository, "dataset_type.txt") == ["retrieval"]
        files = tars_of(split) if is_list else None
        builder = datasets.load_dataset_builder(str(repository), configuration, data_files=files)
        rows = builder.as_streaming_dataset(split=split)
    except Exception as error:  # the library raises errors of many kinds
        raise unloadable(f"{repository}, split {split}", error) from None
    features = rows.features or {}
    pictures = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    others = [name for name, feature in features.items() if _is_text(feature)]
    asked = {"picture": (picture, pictures, pictures), "caption": (caption, others, sorted({*others} & {*CAPTIONS}))}
    chosen = {}
    for what, (name, possible, usual) in asked.items():
        if name not in possible and (name is not None or len(usual) != 1):
            fault = f"{name!r} is no column of {what}s" if name else f"it is not clear which column holds the {what}s"
            has = f"columns of pictures: {', '.join(pictures) or 'none'}; of text: {', '.join(others) or 'none'}"
            raise DataError(f"{repository}: {fault}; name one with --{what}-column ({what}=…); {has}")
        chosen[what] = name or usual[0]
    rows = rows.select_columns(list(chosen.values())).cast_column(chosen["picture"], datasets.Image(decode=False))
    digest = hashlib.sha256(json.dumps([builder.hash, configuration, split, *chosen.values()]).encode()).hexdigest()
    name, own = str(repository).rstrip("/").rpartition("/")[2], tuple(own_places(repository))
    return PairStream(name, digest, rows, **chosen, is_list=is_list, own=own)


def _is_text(feature):
    """Whether a column holds strings, or lists of strings."""
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    return getattr(inner, "dtype", None) in ("string", "large_string")
