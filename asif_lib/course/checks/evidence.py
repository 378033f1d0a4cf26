"""Checks of chapter 07 on evidence: that nothing changed elsewhere, and which anchor did the harm."""

import torch

from .judging import Verdict, call, compare, exercise, form_problem, right, wrong

ANSWERS = ("unchanged", "changed", "cannot tell")


@exercise("07.3", "Prove that nothing changed")
def check_unchanged(function) -> Verdict:
    """Equivalence within a margin: unchanged, changed, or cannot tell."""

    def ends(items, z=1.96):
        half = z * float(items.std()) / len(items) ** 0.5
        return float(items.mean()) - half, float(items.mean()) + half

    def verdict(low, high, margin):
        if -margin < low and high < margin:
            return "unchanged"
        return "changed" if low > margin or high < -margin else "cannot tell"

    def reference(before, after, margin):
        return verdict(*ends(after - before), margin)

    def unpaired(before, after, margin):
        one, two = ends(before), ends(after)
        half = ((one[1] - one[0]) ** 2 / 4 + (two[1] - two[0]) ** 2 / 4) ** 0.5
        gap = float((after - before).mean())
        return verdict(gap - half, gap + half, margin)

    def not_significant(before, after, margin):
        low, high = ends(after - before)
        return "unchanged" if low <= 0 <= high else "changed"

    def zero_for_changed(before, after, margin):
        low, high = ends(after - before)
        return "unchanged" if -margin < low and high < margin else "cannot tell" if low <= 0 <= high else "changed"

    def point(before, after, margin):
        return "unchanged" if abs(float((after - before).mean())) < margin else "changed"

    def one_sided(before, after, margin):
        low, high = ends(after - before)
        return "unchanged" if low > -margin else "changed" if high < -margin else "cannot tell"

    def absolute(before, after, margin):
        return verdict(*ends((after - before).abs()), margin)

    def of_items(before, after, margin):
        items = after - before
        return verdict(float(items.quantile(0.025)), float(items.quantile(0.975)), margin)

    def spread(before, after, margin):
        items = after - before
        mean, half = float(items.mean()), 1.96 * float(items.std())
        return verdict(mean - half, mean + half, margin)

    def ninety(before, after, margin):
        return verdict(*ends(after - before, 1.645), margin)

    def of_after(before, after, margin):
        return verdict(*ends(after), margin)

    def always_two(before, after, margin):
        return "unchanged" if reference(before, after, margin) == "unchanged" else "changed"

    def case(n, up, down, seed):
        """Of n questions, half of them right before, `up` are answered better after and `down` worse."""
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        before = (torch.arange(n) % 2).float()
        after = before.clone()
        after[before.eq(0).nonzero()[:up, 0]] = 1.0
        after[before.eq(1).nonzero()[:down, 0]] = 0.0
        return before[order], after[order], 0.05

    # The interval is mean ± 1.96 · sd / sqrt(n), in points, beside a margin of 5:
    cases = [
        case(400, 6, 10, 1),  # -1 ± 2.0: unchanged; unpaired, ± 6.9
        case(40, 2, 2, 2),  # 0 ± 9.9: nothing is known, though 0 is in it
        case(600, 15, 3, 3),  # +2 ± 1.4: a real gain, and a small one
        case(200, 1, 40, 4),  # -19.5 ± 5.6: changed
        case(200, 40, 1, 5),  # +19.5 ± 5.6: changed, for the better
        case(400, 24, 14, 6),  # +2.5 ± 3.0: holds 0 and leaves the margin
        case(300, 10, 28, 7),  # -6 ± 4.0: worse, but how much?
    ]
    mistakes = [
        (
            "“Not significant” is not “unchanged”: with few questions no interval misses 0, whatever happened, and "
            "with many a tiny change is significant. Hold both ends against the margin.",
            not_significant,
        ),
        (
            "“Changed” means that the whole interval lies beyond the margin, on either side. That it misses 0 is not "
            "enough.",
            zero_for_changed,
        ),
        (
            "You looked at the mean difference alone. How sure it is stands in its interval.",
            point,
        ),
        (
            "You looked at losses only. Here a gain beyond the margin is a change as well: the interval has two ends.",
            one_sided,
        ),
        ("You took the difference of two separate intervals. The same questions were asked: pair them.", unpaired),
        ("You took the sizes of the differences; gains and losses may cancel, so keep the sign.", absolute),
        ("That is the interval of the single differences, not of their mean.", of_items),
        (
            "Your interval is that of the single differences, mean ± 1.96 standard deviations. The mean of n of them "
            "is surer: its standard error is the standard deviation divided by √n.",
            spread,
        ),
        ("You looked at the answers after the edit only; the difference to those before is wanted.", of_after),
        (
            "Not every interval decides: one that crosses the margin gives 'cannot tell'.",
            always_two,
        ),
        ("Your interval is shorter than one of 95 %.", ninety),
    ]
    answers, wanted = [], [reference(*case) for case in cases]
    for number, case in enumerate(cases, 1):
        answer, failed = call(function, case, f"On input {number}")
        if failed:
            return failed
        if problem := form_problem(answer, ""):
            return wrong(problem)
        if answer not in ANSWERS:
            return wrong(f"On input {number} your function returned {str(answer)[:40]!r}; one of {ANSWERS} is wanted.")
        answers.append(answer)
    if answers == wanted:
        return right(f"Your function tells {' from '.join(ANSWERS)} on {len(cases)} inputs.")
    for message, mistake in mistakes:
        if answers == [mistake(*case) for case in cases]:
            return wrong(message)
    number = next(i for i, (a, w) in enumerate(zip(answers, wanted, strict=True)) if a != w)
    low, high = (100 * end for end in ends(cases[number][1] - cases[number][0]))
    return wrong(
        f"On input {number + 1} the interval goes from {low:+.1f} to {high:+.1f} points and the margin is 5 points: "
        f"that is {wanted[number]!r}; your function says {answers[number]!r}."
    )


@exercise("07.5", "Who did the harm?")
def check_harm(function) -> Verdict:
    """How much each anchor speaks for the label given and against the true one, over a set of pictures."""

    def parts(images, prompts, labels):
        given = (images @ prompts.T).argmax(dim=1)
        return given, images * prompts[given], images * prompts[labels]

    def reference(images, prompts, labels):
        _, for_given, for_true = parts(images, prompts, labels)
        return (for_given - for_true).mean(dim=0)

    def case(q, n, c, seed):
        generator = torch.Generator().manual_seed(seed)
        prompts = torch.rand(c, n, generator=generator) * (torch.rand(c, n, generator=generator) < 0.6)
        labels = torch.arange(q) % c
        images = torch.rand(q, n, generator=generator) * (torch.rand(q, n, generator=generator) < 0.6)
        images = images + 0.5 * prompts[labels]
        return (*(torch.nn.functional.normalize(x, dim=1) for x in (images, prompts)), labels)

    def of_wrong(images, prompts, labels):
        given, for_given, for_true = parts(images, prompts, labels)
        return (for_given - for_true)[given != labels].mean(dim=0)

    cases = [case(40, 9, 4, 80), case(25, 30, 3, 81), case(12, 5, 5, 82)]
    mistakes = [
        (
            "You took the contributions to the label given. An anchor that helps everywhere looks guilty then; take "
            "off what it gives to the true label.",
            lambda i, p, y: parts(i, p, y)[1].mean(dim=0),
        ),
        (
            "You took the contributions to the true label: that is help, not harm.",
            lambda i, p, y: parts(i, p, y)[2].mean(dim=0),
        ),
        (
            "The sign is turned round: harm speaks for the label given and against the true one.",
            lambda i, p, y: -reference(i, p, y),
        ),
        ("You divided by the number of wrong answers; the mean over all pictures is wanted.", of_wrong),
        ("That is the sum over the pictures; the mean is wanted.", lambda i, p, y: reference(i, p, y) * len(i)),
        (
            "You took the mean over the anchors, one number for each picture; average over the pictures.",
            lambda i, p, y: (parts(i, p, y)[1] - parts(i, p, y)[2]).mean(dim=1),
        ),
        (
            "You compared the prompts alone. What an anchor contributes is the picture's entry times the prompt's.",
            lambda i, p, y: (p[parts(i, p, y)[0]] - p[y]).mean(dim=0),
        ),
        (
            "You averaged sizes without sign: what an anchor does for the true label counts as harm then.",
            lambda i, p, y: (parts(i, p, y)[1] - parts(i, p, y)[2]).abs().mean(dim=0),
        ),
        (
            "You set what is below 0 to 0 before the mean. An anchor may do harm on one picture and help on another, "
            "and the mean must see both.",
            lambda i, p, y: (parts(i, p, y)[1] - parts(i, p, y)[2]).clamp_min(0).mean(dim=0),
        ),
        (
            "You set the mean to 0 where it is below. Keep it: on the whole such an anchor speaks for the true label.",
            lambda i, p, y: reference(i, p, y).clamp_min(0),
        ),
        (
            "That is how much each anchor is in the pictures, whatever the labels.",
            lambda i, p, y: i.mean(dim=0),
        ),
        (
            "You counted the pictures for which an anchor speaks for the wrong label; how strongly is wanted.",
            lambda i, p, y: ((parts(i, p, y)[1] - parts(i, p, y)[2]) > 0).float().mean(dim=0),
        ),
    ]  # fmt: skip
    return compare(function, reference, cases, mistakes)
