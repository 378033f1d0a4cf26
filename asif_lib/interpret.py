"""Which anchors decided: the cosine of two sparse vectors is a sum over the anchors that they share."""

import numpy as np
import pandas as pd

from .errors import ParameterError
from .sparse import SparseVectors


def contributions(image: SparseVectors, text: SparseVectors, pairs=None) -> pd.DataFrame:
    """Take the score of one picture and one text apart, anchor by anchor; exact, not an approximation.

    Parameters
    ----------
    image, text : SparseVectors with one row each
    pairs : DataFrame, optional
        The bank's table, whose columns are added.

    Returns
    -------
    DataFrame
        Columns ``anchor``, ``contribution`` (image entry times text entry), ``image``, ``text``; the
        largest contribution first. The contributions add up to ``image.similarity(text)``.

    Raises
    ------
    ParameterError
        If either has more than one row, or they are over different anchors.
    """
    if len(image) != 1 or len(text) != 1:
        raise ParameterError(f"one picture and one text at a time; these are {len(image)} and {len(text)}")
    if image.n != text.n:
        raise ParameterError(f"vectors over {image.n} and over {text.n} anchors share no anchors")
    shared, at_image, at_text = np.intersect1d(image.indices[0], text.indices[0], return_indices=True)
    table = pd.DataFrame({"anchor": shared, "image": image.values[0][at_image], "text": text.values[0][at_text]})
    table["contribution"] = table.image * table.text
    table = table[table.contribution > 0].sort_values("contribution", ascending=False, ignore_index=True)
    return table if pairs is None else table.join(pairs, on="anchor")
