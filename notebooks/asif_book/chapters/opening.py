"""Open a chapter: its encoders, its captioned pictures, and the bank of all pairs."""

from typing import NamedTuple

from asif_book.chapters import in_browser, results
from asif_book.chapters.classes import class_names
from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import Pairs, load_pairs
from asif_lib.defaults import DEFAULT_BANK, PROFILES
from asif_lib.encoders.encoder import Encoder
from asif_lib.encoders.identity import load_encoder
from asif_lib.errors import ParameterError

FEWEST = 19
"""Pairs outside the test split: with fewer, chapter 06 can promise no false-alarm rate of 5 %."""


class Opening(NamedTuple):
    """Everything that a chapter starts from; row i of `bank` is pair i of `pairs`."""

    image_encoder: Encoder
    text_encoder: Encoder
    pairs: Pairs
    bank: AnchorBank


def open_chapter(profile="offline", device="auto", pairs=DEFAULT_BANK) -> Opening:
    """Load the encoders of a profile and captioned pictures, and build the bank of all pairs.

    With other pairs than the default ones, `record` records nothing from here on. Raises `ParameterError` if there is
    no such profile, or the pairs are too few to hold some out.

    Parameters
    ----------
    profile, device : str
    pairs : str or Path
        As for `load_pairs`: a name, or a folder of pictures with captions, at least 23 pairs.
    """
    if profile not in PROFILES:
        raise ParameterError(f"profile = {profile!r}: the profiles are {', '.join(PROFILES)}")
    if in_browser.is_here():
        results.of_the_book = False
        return Opening(*in_browser.opened(pairs))
    found = load_pairs(pairs)
    missing = {"train", "validation", "test"}.difference(found.splits)
    if missing or len(found) - len(found.splits["test"]) < FEWEST:
        lacks = f"has {len(found)} pairs" + (f", and no split {' or '.join(sorted(missing))}" if missing else "")
        needs = f"23 pairs, or all three splits named and {FEWEST} pairs outside the test split"
        raise ParameterError(f"pairs = {str(pairs)!r} {lacks}; a chapter needs {needs}")
    results.of_the_book = str(pairs) == DEFAULT_BANK
    names = {"image": PROFILES[profile].image_encoder, "text": PROFILES[profile].text_encoder}
    encoders = [load_encoder(kind, name, device=device) for kind, name in names.items()]
    return Opening(*encoders, found, AnchorBank.build(found, *encoders))


STRANGER = "animals/marsupials/kangaroo.png"
"""The held-out stamp that the model calls a deer: the story of chapters 00, 06, 07 and 08."""
SILHOUETTE = "animals/marsupials/cartoon/kangaroo-silo.png"
"""The black shape of a kangaroo that one anchor makes a sheep."""


def first_held_out(pairs, id=STRANGER) -> int:
    """Return the position of a pair, or of the first test pair where the pairs lack this one."""
    return pairs.ids.index(id) if id in pairs.ids else pairs.splits["test"][0]


def three_labels(model, pairs, row) -> list:
    """Return the right label of a held-out picture first, then two wrong ones: those of chapter 00 for its stamp.

    Of other pictures, the wrong ones are the best two of the names of all pairs that are not for the test.
    """
    if pairs.ids[row] == STRANGER:
        return ["kangaroo", "dog", "deer"]
    names = class_names(pairs)
    own, *others = dict.fromkeys(names[i] for i in [row, *pairs.splits["train"], *pairs.splits["validation"]])
    best = model.classify([pairs.pictures[row]], others).scores[0].topk(2).indices.tolist()
    labels = [own, *(others[i] for i in best)]
    print(f"your pictures: for “kangaroo” read “{own}”, for “deer” “{labels[1]}”")
    return labels
