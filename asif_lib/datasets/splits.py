"""Fixed splits: the same pictures are held out on every machine."""

from collections import Counter

import numpy as np

from asif_lib.errors import DataError


class WithSplits:
    """What captioned and labelled pictures share: a name, a list of pictures, and splits of their positions."""

    def __len__(self):
        return len(self.pictures)

    def __repr__(self):
        splits = "".join(f", {name} {len(positions):,}" for name, positions in self.splits.items())
        return f"{type(self).__name__}({self.name!r}, {self._summary()}{splits})"

    def split(self, *names):
        """Return the pictures of these splits, in this order. Raises `DataError` if there is no such split."""
        for name in names:
            if name not in self.splits:
                has = ", ".join(self.splits) or f"none: {len(self)} pictures are too few to split, or a part of others"
                raise DataError(f"{self.name} has no split {name!r}; it has: {has}")
        return self.subset(i for name in names for i in self.splits[name])


def fixed_splits(strata, test=150, validation=150, seed=0) -> dict:
    """Split n items into train, validation and test, in the same way on every machine.

    Parameters
    ----------
    strata : sequence of str
        One for each item; each split gets its share of every stratum that has at least four items.
    test, validation : int or float
        A number of items, or a fraction: of all items for `test`, of the rest for `validation`.
    seed : int
        Another one draws other splits.
    """
    counts = Counter(strata)
    strata = np.array([s if counts[s] >= 4 else "" for s in strata])
    if Counter(strata.tolist()).get("", 4) < 4:  # the small strata together are still too small
        strata[strata == ""] = max(counts, key=counts.get)
    rest, tested = _draw(np.arange(len(strata)), test, strata, seed)
    train, validated = _draw(rest, validation, strata[rest], seed)
    return {"train": train.tolist(), "validation": validated.tolist(), "test": tested.tolist()}


def _draw(items, size, strata, seed):
    """scikit-learn's split, stratified where both sides have a place for every stratum."""
    from sklearn.model_selection import train_test_split  # takes a second to import

    held_out = size if isinstance(size, int) else int(np.ceil(size * len(items)))
    counts = Counter(strata.tolist())
    fits = len(counts) <= min(held_out, len(items) - held_out) and min(counts.values()) >= 2
    return train_test_split(items, test_size=size, stratify=strata if fits else None, random_state=seed)
