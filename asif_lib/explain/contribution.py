"""Split a score into contributions of anchors: the cosine of two sparse vectors is a sum over shared anchors."""

import numpy as np
import pandas as pd

from asif_lib.bank.checks import IMAGE_TEXT
from asif_lib.errors import ParameterError
from asif_lib.settings import check_reduce
from asif_lib.sparse import SparseVectors


def contributions(
    image: SparseVectors, text: SparseVectors, pairs=None, *, reduce=None, sides=IMAGE_TEXT
) -> pd.DataFrame:
    """Split the score of one picture and one text, or one label, into the exact contributions of anchors.

    Raises `ParameterError` if either is no SparseVectors or has several rows (a text without `reduce`), anchors or rows
    of `pairs` differ, or a column of `pairs` is called as one of this table.

    Parameters
    ----------
    image, text : SparseVectors with one row each
        With `reduce` ("mean" or "max", as in `ASIF.classify`), the text is the prompts of one label, one a row.
    pairs : DataFrame, optional
        The bank's table, whose columns are added.
    sides : pair of str
        The names of the columns with the entries: ``bank.sides``, for a bank of two sides of your own.

    Returns
    -------
    DataFrame
        Columns ``anchor``, ``contribution`` (float64: image entry times text entry), ``image``, ``text`` (the entries;
        over several prompts, their mean); the largest contribution first. The contributions add up to the score.
    """
    _check_same_anchors(image, text)
    if len(image) != 1 or len(text) == 0 or (len(text) > 1 and reduce is None):
        fault = f"one picture and one text at a time; these are {len(image)} and {len(text)}"
        raise ParameterError(f"{fault} (several prompts of one label: say reduce='mean' or 'max')")
    check_reduce(reduce or "mean")
    if reduce == "max":
        text = text[[int(image.similarity(text)[0].argmax())]]
    # the mean of the products with the prompts is the product with their mean vector
    anchors, column = np.unique(text.indices, return_inverse=True)
    mean = np.bincount(column.ravel(), text.values.ravel()) / len(text)
    shared, at_image, at_text = np.intersect1d(image.indices[0], anchors, return_indices=True)
    table = pd.DataFrame({"anchor": shared, "image": image.values[0][at_image], "text": mean[at_text]})
    table["contribution"] = table.image.astype("float64") * table.text
    table = table[table.contribution > 0].sort_values("contribution", ascending=False, ignore_index=True)
    return with_columns(table.rename(columns=dict(zip(IMAGE_TEXT, sides, strict=True))), pairs, image.n)


def contrast(image: SparseVectors, text: SparseVectors, other: SparseVectors, pairs=None, *, reduce=None):
    """Compare the contributions of anchors to two texts for the same picture.

    Parameters
    ----------
    image, text, other, pairs, reduce : as for `contributions`, which raises the same

    Returns
    -------
    DataFrame
        Columns ``anchor``, ``difference`` (``text`` - ``other``), ``text``, ``other`` (the contributions to the two
        scores). The first anchor supports `text` most, the last `other`. The differences add up to that of the scores.
    """
    one, two = (contributions(image, v, reduce=reduce).set_index("anchor").contribution for v in (text, other))
    table = pd.DataFrame({"text": one, "other": two}).fillna(0.0)
    table.insert(0, "difference", table.text - table.other)
    table = table.sort_values("difference", ascending=False, kind="stable").reset_index(names="anchor")
    return with_columns(table, pairs, image.n)


def with_columns(table, pairs, n):
    """Add the columns of `pairs`, the table of a bank of n anchors, to a table with the column ``anchor``."""
    if pairs is not None and (both := table.columns.intersection(pairs.columns).tolist()):
        fault = f"the bank's table has a column {both[0]!r}, as the answer has"
        raise ParameterError(f"{fault}; rename it: pairs.rename(columns={{{both[0]!r}: 'own_{both[0]}'}})")
    if pairs is not None and len(pairs) != n:
        raise ParameterError(f"the table has {len(pairs)} pairs for vectors over {n} anchors; pass their bank's table")
    return table if pairs is None else table.join(pairs.reset_index(drop=True), on="anchor")


def _check_same_anchors(image, text):
    for each in (image, text):
        if not isinstance(each, SparseVectors):
            fault = "contributions are of SparseVectors, as model.represent(side, items) returns them"
            raise ParameterError(f"{fault}, and not of {type(each).__name__}")
    if image.n != text.n:
        raise ParameterError(f"vectors over {image.n} and over {text.n} anchors share no anchors")
