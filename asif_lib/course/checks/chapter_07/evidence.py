"""Checks of exercises 07.3 and 07.5: that nothing changed elsewhere, and which anchor did the harm."""

import math

import torch

from asif_lib.relative import unit_rows

from ..catalogue import NEGATED, but, changed, result
from ..exercise import Exercise

ANSWERS = ("unchanged", "changed", "cannot tell")


def mean_change(before, after, z=1.96):
    """Return the mean of paired differences and half the length of its interval."""
    items = after - before
    return float(items.mean()), z * float(items.std()) / len(items) ** 0.5


def by_margin(mean, half, margin):
    if abs(mean) + half < margin:
        return "unchanged"
    return "changed" if abs(mean) - half > margin else "cannot tell"


def unchanged(before, after, margin, *, interval=mean_change, decide=by_margin):
    """Tell by the interval of a mean change whether it is within a margin: equivalence, not significance."""
    return decide(*interval(before, after), margin)


def unpaired(before, after):
    return mean_change(before, after)[0], math.hypot(mean_change(0, before)[1], mean_change(0, after)[1])


def quantiles(before, after):
    low, high = (after - before).quantile(torch.tensor([0.025, 0.975])).tolist()
    return (low + high) / 2, (high - low) / 2


def no_answer(answer, *case):
    return "" if answer in ANSWERS else f"Your function returned {str(answer)[:40]!r}; one of {ANSWERS} is wanted."


def explained(answer, before, after, margin):
    mean, half = mean_change(before, after)
    return (
        f"the interval goes from {100 * (mean - half):+.1f} to {100 * (mean + half):+.1f} points and the margin is "
        f"{100 * margin:.0f} points: that is {unchanged(before, after, margin)!r}; your function says {answer!r}."
    )


def questions(n, up, down, seed):
    """Of n questions, half of them right before, `up` are answered better after and `down` worse."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    before = (torch.arange(n) % 2).float()
    after = before.clone()
    after[before.eq(0).nonzero()[:up, 0]] = 1.0
    after[before.eq(1).nonzero()[:down, 0]] = 0.0
    return before[order], after[order], 0.05


cases = [  # the interval is mean ± 1.96 · sd / sqrt(n), in points, beside a margin of 5:
    questions(400, 6, 10, 1),  # -1 ± 2.0: unchanged; unpaired, ± 6.9
    questions(40, 2, 2, 2),  # 0 ± 9.9: nothing is known, though 0 is in it
    questions(600, 15, 3, 3),  # +2 ± 1.4: a real gain, and a small one
    questions(200, 1, 40, 4),  # -19.5 ± 5.6: changed
    questions(200, 40, 1, 5),  # +19.5 ± 5.6: changed, for the better
    questions(400, 24, 14, 6),  # +2.5 ± 3.0: holds 0 and leaves the margin
    questions(300, 10, 28, 7),  # -6 ± 4.0: worse, but how much?
    questions(2_000, 63, 138, 8),  # -3.75 ± 1.38: leaves the margin, and at 90 %, ± 1.16, does not
]
mistakes = {
    "“Not significant” is not “unchanged”: few questions prove nothing, and many make a tiny change significant. Hold "
    "both ends to the margin.": but(decide=lambda mean, half, _: "unchanged" if abs(mean) <= half else "changed"),
    "“Changed” means that the whole interval lies beyond the margin. That it misses 0 is not enough.": but(
        decide=lambda mean, half, margin: by_margin(mean, half, margin if abs(mean) + half < margin else 0)
    ),
    "You used the mean difference alone; look at its interval.": but(interval=lambda a, b: (mean_change(a, b)[0], 0)),
    "You looked at losses only. Here a gain beyond the margin is a change as well.": but(
        decide=lambda mean, half, margin: "unchanged" if mean - half > -margin else by_margin(mean, half, margin)
    ),
    "You took the difference of two intervals. The same questions were asked: pair them.": but(interval=unpaired),
    "You took sizes; keep the sign, for gains cancel losses.": but(interval=lambda a, b: mean_change(0, (b - a).abs())),
    "That is the interval of the single differences, not of their mean.": but(interval=quantiles),
    "Your interval is that of the single differences, mean ± 1.96 standard deviations. For the mean of n, the "
    "deviation is divided by √n.": but(interval=lambda a, b: mean_change(a, b, z=1.96 * len(a) ** 0.5)),
    "You looked at the answers after the edit only; subtract those before.": changed(before=torch.zeros_like),
    "Not every interval decides: some give 'cannot tell'.": result(lambda a: a if a == "unchanged" else "changed"),
    "Your interval is shorter than one of 95 %.": but(interval=lambda a, b: mean_change(a, b, z=1.645)),
}
check_unchanged = Exercise(
    "07.3", "Prove that nothing changed", unchanged, cases, mistakes, form=no_answer, explain=explained
)


def harm(
    images, prompts, labels,
    *,
    blame=lambda given, true: given - true,
    mean=lambda blame: blame.mean(dim=0),
):  # fmt: skip
    """Return how much each anchor speaks for the label given and against the true one, (n,)."""
    given = (images @ prompts.T).argmax(dim=1)
    return mean(blame(images * prompts[given], images * prompts[labels]))


def labelled(q, n, c, seed):
    """Make q pictures and c prompts over n anchors, sparse, so that some pictures get a wrong label."""
    generator = torch.Generator().manual_seed(seed)

    def sparse(rows):
        return torch.rand(rows, n, generator=generator) * (torch.rand(rows, n, generator=generator) < 0.6)

    prompts, labels = sparse(c), torch.arange(q) % c
    return unit_rows(sparse(q) + 0.5 * prompts[labels]), unit_rows(prompts), labels


mistakes = {
    "You took the contributions to the label given. An anchor that helps everywhere looks guilty then; subtract what "
    "it gives to the true label.": but(blame=lambda given, true: given),
    "You took the contributions to the true label: that is help, not harm.": but(blame=lambda given, true: true),
    "The sign is turned round: harm speaks for the label given and against the true one.": NEGATED,
    "You divided by the number of wrong answers; take all pictures.": but(mean=lambda b: b[b.any(dim=1)].mean(dim=0)),
    "That is the sum over the pictures; the mean is wanted.": but(mean=lambda b: b.sum(dim=0)),
    "You took the mean over the anchors; average over the pictures.": but(mean=lambda b: b.mean(dim=1)),
    "You compared the prompts alone. What an anchor contributes is the picture's entry times the prompt's.": (
        lambda images, prompts, labels: (prompts[(images @ prompts.T).argmax(dim=1)] - prompts[labels]).mean(dim=0)
    ),
    "You averaged sizes without sign; help for the true label counts as harm.": but(mean=lambda b: b.abs().mean(dim=0)),
    "You set what is below 0 to 0 before the mean. An anchor may harm one picture and help another, and the mean must "
    "see both.": but(mean=lambda b: b.clamp_min(0).mean(dim=0)),
    "You set the mean to 0 where it is below. Keep it: the anchor helps on the whole.": (
        result(lambda r: r.clamp_min(0))
    ),
    "That is how much each anchor is in the pictures, whatever the labels.": lambda images, *_: images.mean(dim=0),
    "You counted the pictures that an anchor harms; how strongly?": but(mean=lambda b: (b > 0).float().mean(dim=0)),
}
cases = [labelled(40, 9, 4, 80), labelled(25, 30, 3, 81), labelled(12, 5, 5, 82)]
check_harm = Exercise("07.5", "Who did the harm?", harm, cases, mistakes)
