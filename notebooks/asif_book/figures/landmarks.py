"""Relative representations, drawn: landmarks on two maps that give one star, and a matrix of cosines."""

import numpy as np
import torch
from IPython.display import HTML

from asif_lib.relative import relative_representation, unit_rows

from .style import image_tag
from .templates import self_contained

LARGEST = 2
"""The largest entries of each drawn picture decide which entries are drawn: this number of each."""


def star_of_angles(point, anchors, names, degrees) -> HTML:
    """Draw landmarks and a point on two maps, and the star of angles that both maps give.

    The star has the point's direction at the top, and a ray for each landmark at its angle to it. The rays of the
    first map are broad lines. The rays of the second map are dashed lines upon them.

    Parameters
    ----------
    point : Tensor of shape (1, 2)
    anchors : Tensor of shape (n, 2)
    names : sequence of n
        Of the landmarks.
    degrees : float
        The turn of the second map, anticlockwise.
    """
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float32)
    maps = [_map(point, anchors, names), _map(point @ turn, anchors @ turn, names)]
    reach = float(torch.cat([point, anchors]).norm(dim=1).max())
    return self_contained("star", maps=maps, degrees=degrees, reach=reach)


def _map(point, anchors, names):
    """Describe a map: places (x, y), and for each landmark its cosine, its angle, and the end of its ray in a star."""
    x, y = (point[0] / point.norm()).tolist()
    rays = anchors / anchors.norm(dim=1, keepdim=True) @ torch.tensor([[y, x], [-x, y]])  # the point's is (0, 1)
    cosines = relative_representation(point, anchors)[0]
    numbers = zip(names, anchors.tolist(), rays.tolist(), cosines.tolist(), strict=True)
    landmarks = [
        {"name": name, "at": at, "ray": ray, "cosine": cosine, "angle": float(np.degrees(np.arccos(cosine)))}
        for name, at, ray, cosine in numbers
    ]
    return {"point": point[0].tolist(), "landmarks": landmarks}


def relative_matrix(new, anchors, items, i, j) -> HTML:
    """Draw how two matrices of embeddings become one of cosines, with row i and column j marked.

    The drawn rows are some new pictures. The drawn columns are their nearest anchors, in the same order.

    Parameters
    ----------
    new, anchors : AnchorBank
        With q and n pairs.
    items : sequence of int
        Rows of `new`; four fit on a screen.
    i, j : int
        The marked row and column, positions among `items`.
    """
    z, a = unit_rows(new.image[items]), unit_rows(anchors.image)  # (items, d), (n, d)
    columns = (z @ a.T).argmax(dim=1).tolist()
    cosines = z @ a[columns].T
    entries = z.abs().topk(LARGEST, dim=1).indices.unique()
    sides = [_side(new, items, z[:, entries]), _side(anchors, columns, a[columns][:, entries])]
    return self_contained(
        "cosines", rows=sides[0], columns=sides[1], cosines=cosines.tolist(), i=i, j=j,
        low=min(0, float(cosines.min())),
        largest=max(abs(value) for side in sides for one in side for value in one["entries"]),
        q=len(new), n=len(anchors), d=new.image.shape[1], d_text=new.text.shape[1],
    )  # fmt: skip


def _side(bank, chosen, entries):
    pairs = bank.pairs.iloc[chosen]
    return [
        {"row": row, "tag": image_tag(picture, caption, 72), "caption": caption.rstrip("."), "entries": values}
        for row, picture, caption, values in zip(chosen, pairs.picture, pairs.caption, entries.tolist(), strict=True)
    ]
