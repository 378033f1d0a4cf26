"""A bank as two matrices that share their row numbers, beside the same rows with the captions shuffled."""

from IPython.display import HTML

from .style import image_tag, self_contained

ENTRIES = 7
"""Entries of an embedding that are drawn."""


def two_matrices(bank, rows, order) -> HTML:
    """Draw some pairs of a bank as rows of its two matrices, then with the captions in another order.

    Parameters
    ----------
    bank : AnchorBank
    rows : sequence of int
        The drawn pairs; five fit on a screen.
    order : sequence of int
        A permutation of the positions 0 … len(rows) − 1. In the second drawing, the picture at position i stands
        beside the caption of the pair at position order[i].
    """
    rows, order = [int(row) for row in rows], [int(position) for position in order]
    pairs = bank.pairs.iloc[rows]
    image, text = bank.image[rows, :ENTRIES].double(), bank.text[rows, :ENTRIES].double()
    pictures = [
        {"row": row, "tag": image_tag(picture, caption, 72), "entries": entries}
        for row, picture, caption, entries in zip(rows, pairs.picture, pairs.caption, image.tolist(), strict=True)
    ]
    captions = [{"caption": c, "entries": entries} for c, entries in zip(pairs.caption, text.tolist(), strict=True)]
    beside = "; ".join(f"{pairs.caption.iloc[i]} beside “{pairs.caption.iloc[j]}”" for i, j in enumerate(order))
    told = f"Crossing lines. The pictures now stand beside other captions: {beside}"
    return self_contained(
        "pairing", pictures=pictures, captions=captions, order=order, told=told,
        n=len(bank), d_image=bank.image.shape[1], d_text=bank.text.shape[1],
        largest_image=float(image.abs().max()), largest_text=float(text.abs().max()),
    )  # fmt: skip
