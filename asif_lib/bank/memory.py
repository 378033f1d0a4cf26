"""A bank's pairs in memory: two matrices and a table."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from asif_lib.errors import BankError
from asif_lib.search.rows import BLOCK, as_rows

from .editing import check_ids, check_ids_free, check_left
from .layout import MODALITIES, plain_table
from .selecting import rows_that_fit
from .store import Store
from .sums import exact_sum
from .writing import in_blocks


@dataclass(frozen=True, eq=False)
class MemoryStore(Store):
    """The pairs of a bank in memory; the attributes are those of `Store`."""

    name: str
    image: torch.Tensor
    text: torch.Tensor
    pairs: pd.DataFrame

    version, where, description = None, "in memory", {}

    def __len__(self):
        return len(self.image)

    @property
    def columns(self) -> list:
        return list(self.pairs)

    def rows(self, kind):
        return as_rows(getattr(self, kind))

    def total(self, kind):
        return sum(exact_sum(block) for _, block in self.rows(kind).blocks(BLOCK))

    def stored(self):
        check_ids(self.pairs)
        return in_blocks({kind: getattr(self, kind) for kind in MODALITIES}, plain_table(self.pairs))

    def find_ids(self, ids):
        return pd.Index(ids).isin(self.pairs["id"]), np.flatnonzero(self.pairs["id"].isin(ids))

    def rows_of_condition(self, where):
        def batches(columns):
            start = 0
            for batch in plain_table(self.pairs[columns]).to_batches(BLOCK):
                yield start, batch
                start += len(batch)

        return rows_that_fit(batches, self.columns, where)

    def rows_of_positions(self, positions, seen):
        return positions

    def add(self, new):
        check_ids_free(self, new.pairs["id"])
        table = pd.concat([self.pairs, new.pairs[self.columns]], ignore_index=True)
        matrices = {kind: torch.cat([getattr(self, kind), getattr(new, kind)]) for kind in MODALITIES}
        return replace(self, **matrices, pairs=table)

    def remove(self, select, what=""):
        rows = select(self)
        check_left(self, rows)
        return self.subset(torch.from_numpy(np.delete(np.arange(len(self)), rows)))

    def exchange(self, select, new, change):
        rows = select(self)
        return self.subset(torch.from_numpy(np.delete(np.arange(len(self)), rows))).add(new(self))

    def subset(self, rows) -> "MemoryStore":
        """Return the pairs of those rows, an int64 Tensor, in that order."""
        table = self.pairs.iloc[rows.tolist()].reset_index(drop=True)
        return replace(self, image=self.image[rows], text=self.text[rows], pairs=table)

    def compact(self):
        return self

    def searchable(self, kind, mean):
        return self.rows(kind), mean

    def on_disk(self, why):
        raise BankError(f"bank {self.name!r} is in memory only, and {why}")
