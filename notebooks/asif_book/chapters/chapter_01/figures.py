"""Figures of chapter 01, encoders."""

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure
from PIL import Image

from asif_book.figures.pictures import cell, rows_of_pictures
from asif_book.figures.style import alt, subplots


def what_the_encoder_sees(rows) -> Figure:
    """Draw pictures as they are on disk, on a white square, and as they enter the encoder.

    A row is (picture as stored, the same on a white square, array, array). The arrays are of shape (h, w, 3) in [0, 1]:
    the encoder's input, and its input without padding to a square.
    """
    heads = ["file\n(grey: transparent)", "on a white square", "what the encoder sees", "if not padded"]
    figure, axes = subplots(len(rows), 4, figsize=(9, 2.5 * len(rows)), squeeze=False)
    for place, (line, (file, *others)) in enumerate(zip(axes, rows, strict=True)):
        rgba = file.convert("RGBA")
        grey = Image.new("RGBA", rgba.size, (200, 200, 200, 255))
        grey.alpha_composite(rgba)
        for axis, head, image in zip(line, heads, (grey.convert("RGB"), *others), strict=True):
            axis.imshow(image)
            axis.set_title(head if place == 0 else "", fontsize=10.5)
            height, width = np.asarray(image).shape[:2]
            axis.set_xlabel(f"width: {width} pixels", fontsize=9)
            axis.set_ylabel(f"height: {height} pixels", fontsize=9)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(True)
    return alt(
        figure,
        f"{len(rows)} pictures in four columns: the file, grey where it is transparent; the same on a white square; "
        "the small square that enters the encoder, without a narrow rim; and that square if the picture is not padded, "
        "where the ends of long things are missing.",
    )


def neighbour_rows(pictures, captions, queries, neighbours, cosines) -> HTML:
    """Draw one row for each query: the picture, then its nearest neighbours with their cosines.

    `queries` are q positions in `pictures` and `captions`. `neighbours`, the nearest first, and `cosines` are (q, m).
    """
    rows = []
    for query, near, values in zip(queries, np.asarray(neighbours).tolist(), np.asarray(cosines).tolist(), strict=True):
        others = [cell(pictures[i], captions[i], f"{value:.2f}") for i, value in zip(near, values, strict=True)]
        rows.append([cell(pictures[query], captions[query], kind="query"), *others])
    return rows_of_pictures(rows, columns=len(rows[0]))
