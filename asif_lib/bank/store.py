"""The store of a bank: all that `AnchorBank` needs to know about the place where its pairs are kept."""

from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from asif_lib.search.rows import Rows

from .sums import mean_of


class Store(Protocol):
    """The n pairs of a bank, in memory (`.memory.MemoryStore`) or as a version on disk (`.disk.DiskStore`).

    Like a bank, a store is a value: an edit returns another store.

    Attributes
    ----------
    name : str
        The bank's.
    image, text : Tensor of shape (n, d)
    pairs : DataFrame of n rows
    columns : list of str
        The names of the table's columns, known without reading it.
    version : int or None
        None in memory.
    where : str
        The place in words.
    description : dict
        The attributes of the bank that are kept with the pairs: on disk its name, licence and encoders.
    """

    def __len__(self) -> int: ...

    def rows(self, kind) -> Rows:
        """Return the embeddings of a modality as they are stored, without copies."""

    def total(self, kind) -> torch.Tensor:
        """Return the `exact_sum` of the embeddings of a modality."""

    def stored(self) -> dict:
        """Return the pairs as the arguments of `.writing.write_part`."""

    def find_ids(self, ids) -> tuple:
        """Return which of the distinct `ids` are in the bank, (m,) bools, and the sorted rows of their pairs."""

    def rows_of_condition(self, where) -> np.ndarray:
        """Return the sorted rows of the pairs that fit an SQL condition."""

    def rows_of_positions(self, positions, seen) -> np.ndarray:
        """Return the rows of sorted positions among the pairs of the store `seen`, which must be the newest."""

    def add(self, new) -> "Store":
        """Append the pairs of the bank `new`, which `.editing.check_new` has accepted."""

    def remove(self, select, what="") -> "Store":
        """Remove the rows that `select(newest store)` returns; `what` describes them in the history."""

    def exchange(self, select, new, change) -> "Store":
        """Replace the rows `select(newest store)` by the pairs of the bank `new(newest store)`, at the end."""

    def compact(self) -> "Store":
        """Return the same pairs without any trace of removed ones."""

    def searchable(self, kind, mean) -> tuple:
        """Return the anchors for a search, and the mean to pass to it: None if the anchors bring it."""

    def on_disk(self, why) -> "Store":
        """Return this store if it is on disk; otherwise raise `BankError`, with `why` this is needed."""

    @cached_property
    def image_mean(self) -> torch.Tensor:
        """The mean of the image embeddings, (d_image,) float32."""
        return mean_of(self.total("image"), len(self))

    @cached_property
    def text_mean(self) -> torch.Tensor:
        """The mean of the text embeddings, (d_text,) float32."""
        return mean_of(self.total("text"), len(self))
