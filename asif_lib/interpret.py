"""Which anchors decided: the cosine of two sparse vectors is a sum over the anchors that they share."""

import numpy as np
import pandas as pd

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
    """
    shared, at_image, at_text = np.intersect1d(image.indices[0], text.indices[0], return_indices=True)
    table = pd.DataFrame(
        {"anchor": shared, "image": image.values[0][at_image], "text": text.values[0][at_text]}
    )
    table["contribution"] = table.image * table.text
    table = table[table.contribution > 0].sort_values("contribution", ascending=False, ignore_index=True)
    return table if pairs is None else table.join(pairs, on="anchor")
