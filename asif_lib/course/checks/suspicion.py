"""The open investigation of chapter 02: a score of the reader's own that finds wrong captions."""

import torch
from sklearn.metrics import roc_auc_score

from asif_lib.relative import unit_rows

from .judging import Verdict, call, exercise, form_problem, random_tensor, right, wrong

GOOD_AUC = 0.85
"""What a score of exercise 02.6 must reach, on average over the banks: most ways that look at near stamps do."""
SEEDS = 300, 400, 500
"""Of the banks; what is drawn for one uses the numbers from its seed on."""


@exercise("02.6", "Your own detective")
def check_suspicion(function) -> Verdict:
    """A score of the reader's own that finds planted wrong captions, judged by the area under the ROC curve."""
    areas, weak = [], set()
    for number, seed in enumerate(SEEDS, 1):
        image, text, planted = _with_planted_captions(seed)
        where = f"On bank {number}"
        scores, failed = call(function, (image, text), where)
        if problem := failed or _no_scores(scores, len(planted)):
            return problem
        scores = scores.double()
        if scores.max() - scores.min() <= 1e-6 * scores.abs().max().clamp_min(1):  # cosines are exact to about 1e-7
            return wrong(
                "Your score is the same for every pair. Entry (i, i) of a similarity compares stamp i with itself; "
                "look at its similarities to the others."
            )
        if problem := _blind_to_one_side(function, image, text, scores, where):
            return problem
        areas.append(roc_auc_score(planted.numpy(), scores.numpy()))
        weak.add(_weakness(scores, image, text))
    found = ", ".join(f"{area:.2f}" for area in areas)
    mean = sum(areas) / len(areas)
    if mean < 1 - GOOD_AUC:
        return wrong(
            f"AUC {found}: your score finds the wrong captions, the other way round. The larger, the more suspicious."
        )
    if mean < GOOD_AUC:
        hint = weak.pop() if len(weak) == 1 else ""
        return wrong(
            f"AUC {found} on three banks with planted wrong captions, {mean:.2f} on average; 0.5 is guessing, and "
            f"{GOOD_AUC} is wanted. {hint or WHICH_END}"
        )
    return right(f"Your score finds the planted wrong captions in three banks with AUC {found} (0.5 is guessing).")


WHICH_END = "Which of a stamp's similarities say most about it? Remember which end of the cloud was flat."
ALL_ALIKE = (
    "You take the difference of the two similarities to each other stamp, and all differences count alike. Nearly all "
    f"are of unrelated stamps, and their noise drowns the few near ones. {WHICH_END}"
)
TOO_COARSE = (
    "Your score takes only a few different values, so many pairs stand at the same place. Look at more neighbours, or "
    "at how similar they are."
)


def _weakness(scores, image, text):
    """What is weak in a score that may be too weak, in words; empty where it is none of the usual ideas."""
    difference = (image - text).double().abs()
    ranks = scores.argsort().argsort().double()
    for idea in (difference.sum(dim=1), difference.square().sum(dim=1)):
        if torch.corrcoef(torch.stack([ranks, idea.argsort().argsort().double()]))[0, 1] > 0.999:
            return ALL_ALIKE
    return TOO_COARSE if len(scores.unique()) <= 7 else ""


def _blind_to_one_side(function, image, text, scores, where):
    """The verdict on a score that does not change with other captions, or with other pictures, or None."""
    other = torch.randperm(len(scores), generator=torch.Generator().manual_seed(len(scores)))
    for side, arguments in {
        "captions": (image, text[other][:, other]),
        "pictures": (image[other][:, other], text),
    }.items():
        again, failed = call(function, arguments, where)
        if problem := failed or _no_scores(again, len(scores)):
            return problem
        if torch.equal(again.double(), scores):
            return wrong(
                f"With other {side} your score stays what it was. A caption is wrong for a picture, not by itself: "
                "compare the two matrices."
            )
    return None


def _no_scores(scores, n):
    """What is wrong with a vector of scores before anybody looks at its values, or None."""
    if problem := form_problem(scores, torch.zeros(n)):
        return wrong(problem)
    if scores.shape != (n,):
        return wrong(f"Your result has shape {tuple(scores.shape)}; one score for each pair, ({n},), is wanted.")
    if not torch.isfinite(scores).all():
        return wrong("Some of your scores are NaN or infinite; what became of the −inf on the diagonal?")
    return None


def _with_planted_captions(seed, n=300, kinds=40, d=60, wrong_ones=30):
    """Similarities of n pairs like the stamps, (n, n) each, and which pairs have got a wrong caption, (n,) bool.

    Each pair is of one of several kinds, and pairs of one kind are near on both sides. To that a side adds noise, more
    to some items than to others, and a style of four dimensions that the other side knows nothing of. So most pairs are
    unrelated, and the cosines of unrelated ones differ widely: only the near ones agree, as in the cloud of the stamps.
    """
    generator = torch.Generator().manual_seed(seed)
    hidden = random_tensor(kinds, d, seed=seed + 1)[torch.randint(kinds, (n,), generator=generator)]
    sides = []
    for start in (seed + 10, seed + 20):
        style = random_tensor(n, 4, seed=start) @ random_tensor(4, d, seed=start + 1)
        amount = (0.5 * random_tensor(n, 1, seed=start + 2)).exp()
        sides.append(hidden + amount * random_tensor(n, d, seed=start + 3) + 0.37 * style)
    order = torch.arange(n)
    places = torch.randperm(n, generator=generator)[:wrong_ones]
    order[places] = places.roll(1)
    u, v = (unit_rows(side, side.mean(0)) for side in sides)
    return u @ u.T, (v @ v.T)[order][:, order], order != torch.arange(n)
