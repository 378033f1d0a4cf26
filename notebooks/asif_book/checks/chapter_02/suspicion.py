"""The open investigation of chapter 02: a score of the student that finds wrong captions."""

import torch

from asif_lib.relative import unit_rows

from ..exercise import investigation
from ..judging import Verdict, ask, random_tensor, refuse, right

GOOD_AUC = 0.85
"""What a score must reach, on average over the banks: most ways that look at near stamps do."""
SEEDS = 300, 400, 500
"""Of the banks; the numbers from a seed on draw one bank."""
WHICH_END = "Which of a stamp's similarities say most about it? Remember which end of the cloud was flat."
ALL_ALIKE = f"You let all differences count alike. Unrelated stamps drown the few near ones. {WHICH_END}"
HOW_NEAR = (
    "It stays the same if each row of the captions is sorted: it compares how near the neighbours are, and not which "
    "stamps they are. Compare the entries of the same stamp."
)
TOO_COARSE = "Your score takes only a few different values. Look at more neighbours, or at how similar they are."


@investigation("02.6", "Your own detective")
def check_suspicion(function) -> Verdict:
    """Judge a score that should find planted wrong captions by the area under its ROC curve."""
    from sklearn.metrics import roc_auc_score  # takes half a second

    areas, weak = [], set()
    for number, seed in enumerate(SEEDS, 1):
        image, text, planted = with_planted_captions(seed)
        where = f"On bank {number}"
        scores = scores_of(function, image, text, where)
        if scores.max() - scores.min() <= 1e-6 * scores.abs().max().clamp_min(1):  # cosines are exact to about 1e-7
            refuse("Your score is the same for every pair. Entry (i, i) compares stamp i with itself; use the others.")
        refuse_if_blind_to_one_side(function, image, text, scores, where)
        areas.append(roc_auc_score(planted.numpy(), scores.numpy()))
        weak.add(weakness(scores, image, text) or blindness(function, image, text, scores, where))
    found, mean = ", ".join(f"{area:.2f}" for area in areas), sum(areas) / len(areas)
    if mean < 1 - GOOD_AUC:
        refuse(f"AUC {found}: your score is the other way round. Give suspicious pairs the larger scores.")
    if mean < GOOD_AUC:
        hint = (weak.pop() if len(weak) == 1 else "") or WHICH_END
        told = f"AUC {found} on three banks with planted wrong captions, {mean:.2f} on average"
        refuse(f"{told}; 0.5 is guessing, and {GOOD_AUC} is wanted. {hint}")
    return right(f"Your score finds the planted wrong captions in three banks with AUC {found} (0.5 is guessing).")


def weakness(scores, image, text):
    """Name a usual weakness of a score, or return an empty string."""
    difference = (image - text).double().abs()
    ranks = scores.argsort().argsort().double()
    for idea in (difference.sum(dim=1), difference.square().sum(dim=1)):
        if torch.corrcoef(torch.stack([ranks, idea.argsort().argsort().double()]))[0, 1] > 0.999:
            return ALL_ALIKE
    return TOO_COARSE if len(scores.unique()) <= 7 else ""


def refuse_if_blind_to_one_side(function, image, text, scores, where):
    other = torch.randperm(len(scores), generator=torch.Generator().manual_seed(len(scores)))
    image_moved, text_moved = (side[other][:, other] for side in (image, text))
    for side, arguments in {"captions": (image, text_moved), "pictures": (image_moved, text)}.items():
        if torch.equal(scores_of(function, *arguments, where), scores):
            refuse(f"With other {side} your score stays the same. Compare both: a caption is wrong for a picture.")


def blindness(function, image, text, scores, where):
    """Name a score that does not change if each row of one side is sorted: it compares how near, and not who."""
    same = torch.allclose(scores_of(function, image, text.sort(dim=1).values, where), scores, atol=1e-6)
    return HOW_NEAR if same else ""


def scores_of(function, image, text, where):
    """Ask for the scores of n pairs, (n,) float64."""
    scores = ask(function, (image, text), where, like=torch.zeros(len(image)))
    if scores.shape != (len(image),):
        refuse(f"Your result has shape {tuple(scores.shape)}; one score for each pair, ({len(image)},), is wanted.")
    if not torch.isfinite(scores).all():
        refuse("Some of your scores are NaN or infinite; what became of the −inf on the diagonal?")
    return scores.double()


def with_planted_captions(seed, n=300, kinds=40, d=60, wrong_ones=30):
    """Make similarities of n pairs like the stamps, (n, n) each, and tell which have a wrong caption, (n,) bool.

    Pairs of one kind are near on both sides. A side adds noise, more to some items than to others, and a style of four
    dimensions that the other side lacks. So only near pairs agree, as in the cloud of the stamps.
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
