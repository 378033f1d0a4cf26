"""Checks of exercises 07.3 and 07.5: that nothing changed elsewhere, and which anchor did the harm."""

import math

import torch

from asif_lib.relative import unit_rows

from ..catalogue import NEGATED, but, changed, result
from ..exercise import Exercise
from ..judging import ask
from ..verdict import refuse

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


def no_answer(answer):
    """Describe a wrong answer; return an empty string for one of the three."""
    return "" if answer in ANSWERS else f"Your function returned {str(answer)[:40]!r}; one of {ANSWERS} is wanted."


def answers_of_all_inputs(function):
    """Look at the answers of all inputs together: there are only three, so mistakes show in the whole list."""
    cases = check_unchanged.cases
    answers = [ask(function, case, f"On input {i}", like="", form=no_answer) for i, case in enumerate(cases, 1)]
    for message, mistake in check_unchanged.named:
        if answers == [mistake(*case) for case in cases]:
            refuse(message)
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True), 1):
        if answer != (right := unchanged(*case)):
            mean, half = mean_change(*case[:2])
            refuse(
                f"On input {number} the interval goes from {100 * (mean - half):+.1f} to {100 * (mean + half):+.1f} "
                f"points and the margin is 5 points: that is {right!r}; your function says {answer!r}."
            )


def questions(n, up, down, seed):
    """Of n questions, half of them right before, `up` are answered better after and `down` worse."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    before = (torch.arange(n) % 2).float()
    after = before.clone()
    after[before.eq(0).nonzero()[:up, 0]] = 1.0
    after[before.eq(1).nonzero()[:down, 0]] = 0.0
    return before[order], after[order], 0.05


check_unchanged = Exercise(
    "07.3",
    "Prove that nothing changed",
    unchanged,
    cases=[  # the interval is mean ± 1.96 · sd / sqrt(n), in points, beside a margin of 5:
        questions(400, 6, 10, 1),  # -1 ± 2.0: unchanged; unpaired, ± 6.9
        questions(40, 2, 2, 2),  # 0 ± 9.9: nothing is known, though 0 is in it
        questions(600, 15, 3, 3),  # +2 ± 1.4: a real gain, and a small one
        questions(200, 1, 40, 4),  # -19.5 ± 5.6: changed
        questions(200, 40, 1, 5),  # +19.5 ± 5.6: changed, for the better
        questions(400, 24, 14, 6),  # +2.5 ± 3.0: holds 0 and leaves the margin
        questions(300, 10, 28, 7),  # -6 ± 4.0: worse, but how much?
        questions(2_000, 63, 138, 8),  # -3.75 ± 1.38: leaves the margin, and at 90 %, ± 1.16, does not
    ],
    mistakes={
        "“Not significant” is not “unchanged”: with few questions no interval misses 0, whatever happened, and "
        "with many a tiny change is significant. Hold both ends against the margin.": but(
            decide=lambda mean, half, margin: "unchanged" if abs(mean) <= half else "changed"
        ),
        "“Changed” means that the whole interval lies beyond the margin, on either side. That it misses 0 is not "
        "enough.": but(
            decide=lambda mean, half, margin: by_margin(mean, half, margin if abs(mean) + half < margin else 0)
        ),
        "You looked at the mean difference alone. How sure it is stands in its interval.": but(
            interval=lambda before, after: (mean_change(before, after)[0], 0)
        ),
        "You looked at losses only. Here a gain beyond the margin is a change as well: the interval has two ends.": but(
            decide=lambda mean, half, margin: "unchanged" if mean - half > -margin else by_margin(mean, half, margin)
        ),
        "You took the difference of two separate intervals. The same questions were asked: pair them.": but(
            interval=unpaired
        ),
        "You took the sizes of the differences; gains and losses may cancel, so keep the sign.": but(
            interval=lambda before, after: mean_change(0, (after - before).abs())
        ),
        "That is the interval of the single differences, not of their mean.": but(interval=quantiles),
        "Your interval is that of the single differences, mean ± 1.96 standard deviations. The mean of n of them "
        "is surer: its standard error is the standard deviation divided by √n.": but(
            interval=lambda before, after: mean_change(before, after, z=1.96 * len(before) ** 0.5)
        ),
        "You looked at the answers after the edit only; the difference to those before is wanted.": changed(
            before=torch.zeros_like
        ),
        "Not every interval decides: one that crosses the margin gives 'cannot tell'.": result(
            lambda answer: "unchanged" if answer == "unchanged" else "changed"
        ),
        "Your interval is shorter than one of 95 %.": but(
            interval=lambda before, after: mean_change(before, after, z=1.645)
        ),
    },
    before=answers_of_all_inputs,
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


check_harm = Exercise(
    "07.5",
    "Who did the harm?",
    harm,
    cases=[labelled(40, 9, 4, 80), labelled(25, 30, 3, 81), labelled(12, 5, 5, 82)],
    mistakes={
        "You took the contributions to the label given. An anchor that helps everywhere looks guilty then; take "
        "off what it gives to the true label.": but(blame=lambda given, true: given),
        "You took the contributions to the true label: that is help, not harm.": but(blame=lambda given, true: true),
        "The sign is turned round: harm speaks for the label given and against the true one.": NEGATED,
        "You divided by the number of wrong answers; the mean over all pictures is wanted.": but(
            mean=lambda blame: blame[blame.any(dim=1)].mean(dim=0)
        ),
        "That is the sum over the pictures; the mean is wanted.": but(mean=lambda blame: blame.sum(dim=0)),
        "You took the mean over the anchors, one number for each picture; average over the pictures.": but(
            mean=lambda blame: blame.mean(dim=1)
        ),
        "You compared the prompts alone. What an anchor contributes is the picture's entry times the prompt's.": (
            lambda images, prompts, labels: (prompts[(images @ prompts.T).argmax(dim=1)] - prompts[labels]).mean(dim=0)
        ),
        "You averaged sizes without sign: what an anchor does for the true label counts as harm then.": but(
            mean=lambda blame: blame.abs().mean(dim=0)
        ),
        "You set what is below 0 to 0 before the mean. An anchor may do harm on one picture and help on another, "
        "and the mean must see both.": but(mean=lambda blame: blame.clamp_min(0).mean(dim=0)),
        "You set the mean to 0 where it is below. Keep it: on the whole such an anchor speaks for the true label.": (
            result(lambda r: r.clamp_min(0))
        ),
        "That is how much each anchor is in the pictures, whatever the labels.": (
            lambda images, prompts, labels: images.mean(dim=0)
        ),
        "You counted the pictures for which an anchor speaks for the wrong label; how strongly is wanted.": but(
            mean=lambda blame: (blame > 0).float().mean(dim=0)
        ),
    },
)
