"""Who sees what: train, validation and test as lanes."""

from IPython.display import HTML

from .style import image_tag, self_contained

SHOWN = 3
"""Pictures that stand for a split."""


def who_sees_what(pairs) -> HTML:
    """Draw the splits of captioned pictures as lanes, first for the choice of k and p, then for the test.

    `pairs` are a `Pairs` with the splits train, validation and test.
    """
    lanes = [
        {
            "name": name,
            "count": len(pairs.splits[name]),
            "tags": [image_tag(pairs.pictures[i], pairs.captions[i], 72) for i in pairs.splits[name][:SHOWN]],
        }
        for name in ("train", "validation", "test")
    ]
    train, validation, _ = (lane["count"] for lane in lanes)
    return self_contained(
        "lanes", lanes=lanes, largest=max(lane["count"] for lane in lanes), anchors=train + validation
    )
