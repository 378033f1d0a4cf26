"""The open investigation of chapter 02: a score of the reader's own that finds wrong captions."""

import torch
from sklearn.metrics import roc_auc_score

from ..relative import unit_rows
from .core import Verdict, call, exercise, form_problem, random_tensor, right, wrong

GOOD_AUC = 0.85
"""What a score of exercise 02.6 must reach; most ways that look at pictures and captions together do."""


@exercise("02.6", "Your own detective")
def check_suspicion(function) -> Verdict:
    """A score of the reader's own that finds planted wrong captions, judged by the area under the ROC curve."""
    areas = []
    for number, seed in enumerate((30, 31, 32), 1):
        image, text, planted = _with_planted_captions(seed)
        where = f"On bank {number}"
        scores, failed = call(function, (image, text), where)
        if problem := failed or _no_scores(scores, len(planted)):
            return problem
        scores = scores.double()
        if scores.max() - scores.min() <= 1e-6 * scores.abs().max():
            return wrong(
                "Your score is the same for every pair. Entry (i, i) of a similarity compares stamp i with itself; "
                "look at its similarities to the others."
            )
        other = torch.randperm(len(planted), generator=torch.Generator().manual_seed(seed))
        for side, arguments in {
            "captions": (image, text[other][:, other]),
            "pictures": (image[other][:, other], text),
        }.items():
            again, failed = call(function, arguments, where)
            if problem := failed or _no_scores(again, len(planted)):
                return problem
            if torch.equal(again.double(), scores):
                return wrong(
                    f"With other {side} your score stays what it was. A caption is wrong for a picture, not by itself: "
                    "compare the two matrices."
                )
        areas.append(roc_auc_score(planted.numpy(), scores.numpy()))
    found = ", ".join(f"{area:.2f}" for area in areas)
    mean = sum(areas) / len(areas)
    if mean < 1 - GOOD_AUC:
        return wrong(
            f"AUC {found}: your score finds the wrong captions, the other way round. The larger, the more suspicious."
        )
    if mean < GOOD_AUC:
        return wrong(
            f"AUC {found} on three banks with planted wrong captions; 0.5 is guessing, and {GOOD_AUC} is wanted. Which "
            "of a stamp's similarities say most about it? Remember which end of the cloud was flat."
        )
    return right(f"Your score finds the planted wrong captions in three banks with AUC {found} (0.5 is guessing).")


def _no_scores(scores, n):
    """What is wrong with a vector of scores before anybody looks at its values, or None."""
    if problem := form_problem(scores, torch.zeros(n)):
        return wrong(problem)
    if scores.shape != (n,):
        return wrong(f"Your result has shape {tuple(scores.shape)}; one score for each pair, ({n},), is wanted.")
    if not torch.isfinite(scores).all():
        return wrong("Some of your scores are NaN or infinite; what became of the −inf on the diagonal?")
    return None


def _with_planted_captions(seed, n=150, wrong_ones=15):
    """Similarities of n pairs whose sides share hidden coordinates, and which pairs have got a wrong caption."""
    hidden = random_tensor(n, 8, seed=seed)
    sides = [
        hidden @ random_tensor(8, 40, seed=seed + s) + 2 * random_tensor(n, 40, seed=seed + s + 1) for s in (50, 60)
    ]
    order = torch.arange(n)
    places = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:wrong_ones]
    order[places] = places.roll(1)
    u, v = (unit_rows(side, side.mean(0)) for side in sides)
    return u @ u.T, (v @ v.T)[order][:, order], order != torch.arange(n)
