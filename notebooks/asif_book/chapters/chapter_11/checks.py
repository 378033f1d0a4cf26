"""Checks of chapter 11, your forty pictures."""

import torch

from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise
from asif_book.checks.judging import random_tensor


def taught(image, text, like):
    unit = torch.nn.functional.normalize
    before = unit(image, dim=0) @ unit(text, dim=0)
    image = torch.cat([image, torch.tensor([like])])
    text = torch.cat([text, torch.tensor([1.0])])
    after = unit(image, dim=0) @ unit(text, dim=0)
    return torch.stack([before, after])


def lists(n, seed):
    """Return the entries of a picture and of a word, some of which are 0."""
    return random_tensor(n, seed=seed).clamp_min(0), random_tensor(n, seed=seed + 1).clamp_min(0)


cases = [
    (torch.tensor([0.3, 0.4, 0.0]), torch.tensor([0.0, 0.4, 0.3]), 0.0),
    (torch.tensor([0.3, 0.4, 0.0]), torch.tensor([0.0, 0.4, 0.3]), 0.9),
    (*lists(12, 1), 0.0),
    (*lists(30, 3), 0.2),
    (torch.tensor([0.5, 0.2]), torch.zeros(2), 0.6),
]
AFTER = "    after = unit(image, dim=0) @ unit(text, dim=0)"
mistakes = {
    "You kept the old lengths after the new entry. Each list is scaled to length 1 again, with the new entry in "
    "it.": but(AFTER, "    after = image @ text / (image[:-1].norm() * text[:-1].norm()).clamp_min(1e-12)"),
    "The lists come unscaled; divide each by its length, before and after.": but(
        "unit(image, dim=0)", "image", "unit(text, dim=0)", "text"
    ),
    "You scaled the word's list again, and not the picture's, which has a new entry, too.": but(
        AFTER, "    after = image @ unit(text, dim=0) / image[:-1].norm()"
    ),
    "You scaled the picture's list again, and not the word's: its new entry, 1, makes it longer.": but(
        AFTER, "    after = unit(image, dim=0) @ text / text[:-1].norm().clamp_min(1e-12)"
    ),
    "The word's new entry is 1, because the new caption is the word's own prompt; `like` is the picture's.": but(
        "torch.tensor([1.0])", "torch.tensor([like])"
    ),
    "The picture's new entry is `like`; only the word's is 1.": but("torch.tensor([like])", "torch.tensor([1.0])"),
    "Return the score before first, and the score after it.": but("[before, after]", "[after, before]"),
}
check_taught = Exercise("11.1", "Why a house became less of a house", taught, cases, mistakes)
