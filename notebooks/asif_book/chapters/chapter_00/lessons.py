"""Helpers of chapter 00: its set-up, its first task, the rivals of a caption, and a failure."""

import torch

from asif_book.chapters.classes import without_article
from asif_book.chapters.opening import STRANGER, open_chapter
from asif_book.figures.style import use_style
from asif_lib import ASIF, contributions

STAMP_NOUNS = {"animals": "kangaroo", "clothes": "cowboy hat", "food": "green pepper", "hobbies": "drum"}
STAMP_NOUNS |= {"household": "mallet", "people": "man in a suit", "plants": "desert rose", "vehicles": "sailboat"}
"""Noun in the caption of the first test picture of each of eight groups of stamps."""


def set_up(profile, device, pairs) -> tuple:
    """Open the chapter: its encoders by argument, the pairs, the bank of all, that of the test pictures, the model."""
    use_style()
    *encoders, pairs, everything = open_chapter(profile, device, pairs)
    encoders = dict(zip(("image_encoder", "text_encoder"), encoders, strict=True))
    bank = everything.subset(pairs.splits["train"] + pairs.splits["validation"])
    return encoders, pairs, everything, everything.subset(pairs.splits["test"]), ASIF(bank, **encoders, device=device)


def first_task(pairs) -> tuple[list[int], list[str]]:
    """Return the positions of eight test pictures and a label for each: for the stamps, those of `STAMP_NOUNS`.

    Of other pairs it takes the first test pictures, at most eight with different captions, which are the labels.
    """
    test, first = pairs.splits["test"], {}
    if STRANGER in pairs.ids:
        first = {noun: next(i for i in test if pairs.groups[i].split("/")[0] == g) for g, noun in STAMP_NOUNS.items()}
    else:
        for i in test:
            first.setdefault(without_article(pairs.captions[i]), i)
    return [*first.values()][:8], [*first][:8]


def draw_rivals(captions, count, rng) -> torch.Tensor:
    """Draw for each of q `captions` the rows of `count` others that differ from it, or of all others, (q, m) int64."""
    rows = range(len(captions))
    shuffled = ((own, rng.permutation(len(captions)).tolist()) for own in rows)
    count = min(count, len({*captions}) - 1)
    drawn = [[j for j in order if captions[j] != captions[own]][:count] for own, order in shuffled]
    return torch.tensor(drawn, dtype=torch.int64)


def own_caption_wins(model, asked, rivals) -> torch.Tensor:
    """Return for each of q pairs whether the picture's own caption scores above its m `rivals`, (q,) bool.

    model : ASIF; asked : AnchorBank of the q pairs; rivals : (q, m) int64, rows of `asked`
    """
    scores = model.similarity(asked.image, asked.text)  # (q, q)
    return (scores.diag()[:, None] > scores.gather(1, rivals)).all(dim=1)


def won_and_lost(model, asked, rivals, row) -> list:
    """Return a failure as `figures.deciding_anchors` draws it: the rival that won, and the own caption."""
    image = model.images(asked.image[[row]])
    scores = image.similarity(model.texts(asked.text))[0]  # (q,)
    decisions = []
    for title, i in (
        ("wrong, but it won", rivals[row, scores[rivals[row]].argmax()].item()),
        ("right, but it lost", row),
    ):
        reasons = contributions(image, model.texts(asked.text[[i]]), model.bank.pairs)
        heading = f"{title}: {asked.pairs.caption[i]} The score is {scores[i]:.2f}."
        decisions.append((asked.pairs.picture[row], heading, reasons))
    return decisions
