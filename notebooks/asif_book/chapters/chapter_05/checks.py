"""Checks of chapter 05, zero-shot classification."""

import re

import torch
import torch.nn.functional as F

from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse, right
from asif_book.checks.proof import HeldOutTask, lowest, prove, refuse_unmeasured
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.relative import unit_rows


def recall(scores, relevant, k):
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    before = ((scores >= best) & ~relevant).sum(dim=1)
    return float((before < k).float().mean())


def hits(scores, relevant, k):
    return relevant.gather(1, scores.topk(k, dim=1).indices)


DRAW = torch.Generator().manual_seed(53)
SCORES = torch.rand(40, 12, generator=DRAW)
COARSE = (4 * SCORES).round() / 4  # many ties
ONE = F.one_hot(torch.randint(12, (40,), generator=DRAW), 12).bool()
SEVERAL = ONE | (torch.rand(40, 12, generator=DRAW) < 0.15)
SQUARE = torch.eye(12, dtype=torch.bool)

cases = [
    (SCORES, ONE, 1),
    (SCORES, SEVERAL, 3),
    (COARSE, ONE, 2),
    (COARSE, SEVERAL, 5),
    (torch.zeros(12, 12), SQUARE, 5),  # a model that says nothing finds nothing
    (SCORES[:12], SQUARE, 12),
    (SCORES - 1, SEVERAL, 2),  # all scores negative
]
mistakes = {
    "Where the right answer ties with others, you count it as found; a model that gives everything the same score "
    "would be perfect. Let a tie stand behind the others.": but(">=", ">"),
    "Where scores tie, the order that topk or sort happens to give decides. Let a right answer stand behind all wrong "
    "ones that it ties with.": lambda s, r, k: hits(s, r, k).any(dim=1).float().mean(),
    "A question counts as found when its best answer is.": (
        lambda s, r, k: (hits(s, r, k).sum(1) / r.sum(1)).mean(),
        lambda s, r, k: (((((s[:, None] >= s[..., None]) & ~r[:, None]).sum(2) < k) & r).sum(1) / r.sum(1)).mean(),
    ),
    "Count only wrong answers before the best right one.": but(" & ~relevant", "", "< k", "<= k"),
    "A question's best right answer counts, not its worst.": but("-torch.inf", "torch.inf", "amax", "amin"),
    "You divided by k; divide by the number of questions.": lambda s, r, k: (hits(s, r, k).sum(1) / k).mean(),
    "You put 0 in place of the wrong answers' scores and then took the largest. Where the scores of the right answers "
    "are negative, that 0 wins.": but("-torch.inf", "0"),
}
check_recall_with_ties = Exercise("05.1", "Recall with ties", recall, cases, mistakes)


@investigation("05.4", "Labels into templates")
def check_prompts(function) -> Verdict:
    """Compare the prompts with every label in every template, label by label."""
    cases = [
        (["cat", "dog"], ["a {}", "the {}", "{}"]),
        (["ankle boot", "bag", "coat"], ["a photo of a {}."]),
        (["T-shirt"], ["{}", "a {} on white"]),
        (["bat", "ball", "bat"], ["a {}", "the {}"]),
    ]
    for labels, templates in cases:
        prompts = ask(function, (labels, templates), f"With {labels} and {templates}", like=[""])
        refuse_other_prompts(prompts, labels, templates)
    return right(f"The prompts are right on {len(cases)} inputs, and in the order that the next exercise counts on.")


def refuse_other_prompts(result, labels, templates):
    if not isinstance(result, tuple | list):
        refuse(f"Your function returned {kind_of(result)}; a list of strings is wanted.")
    if any(isinstance(part, tuple | list) for part in result):
        refuse("Your function returned lists within a list; one flat list of prompts is wanted.")
    if not all(isinstance(part, str) for part in result):
        refuse("Not all that your function returned are strings.")
    result, wanted = list(result), [template.replace("{}", label) for label in labels for template in templates]
    if result == wanted:
        return
    if result == [template.replace("{}", label) for template in templates for label in labels]:
        refuse("You went template by template; go label by label: first all templates with the first label.")
    if result == [f"{template} {label}" for label in labels for template in templates]:
        refuse("You put the label behind the template; it belongs where {} stands.")
    if any("{" in prompt or "}" in prompt for prompt in result):
        refuse("Some prompts still have {} in them: put the label in its place.")
    if (n := len(wanted)) != len(result):
        refuse(f"{len(labels)} labels in {len(templates)} templates make {n} prompts; you return {len(result)}.")
    if sorted(result) == sorted(wanted):
        refuse("The prompts are right, but in another order: go label by label, each in the order of the templates.")
    first = next(i for i in range(n) if result[i] != wanted[i])
    refuse(f"Prompt {first + 1} of {n} is {result[first]!r}, which is not what label and template make.")


def zero_shot(scores, c, m):
    return scores.reshape(len(scores), c, m).mean(dim=2).argmax(dim=1)


# Scores of 0 to 1 with a label that has the best single prompt, another the best mean.
OF_PROMPTS = torch.rand(40, 12, generator=torch.Generator().manual_seed(51))

cases = [
    (OF_PROMPTS, 3, 4),
    (OF_PROMPTS, 6, 2),
    (OF_PROMPTS, 12, 1),
    (OF_PROMPTS[:1], 2, 6),
    (OF_PROMPTS[:2, :4], 2, 2),
]
mistakes = {
    "You returned the best column, which is a prompt; average each label's prompts.": lambda s, c, m: s.argmax(dim=1),
    "You took the label of the best single prompt; average over the templates.": but("mean", "amax"),
    "You took the best single prompt, divided by c.": lambda s, c, m: s.argmax(dim=1) // c,
    "You used the first template only; average over all m.": but("mean(dim=2)", "select(2, 0)"),
    "Average, do not let templates vote.": but(".mean(dim=2).argmax(dim=1)", ".argmax(dim=1).mode(dim=1).values"),
    "You mixed up the order of the columns: the m templates of the first label come first, then those of the second. "
    "So the shape is (q, c, m).": but("c, m).mean(dim=2)", "m, c).mean(dim=1)"),
    "You averaged over a window that moves by one column; the m prompts of a label are one block.": lambda s, c, m: (
        s.unfold(1, m, 1).mean(dim=2).argmax(dim=1)
    ),
    "You used the same number of templates on every input; it is given as m.": but("c, m)", "-1, 4)"),
}
check_average_templates = Exercise("05.5", "Average over templates", zero_shot, cases, mistakes, word="positions")


TOLERANCE = 0.02
"""Right solutions draw other numbers: with 20,000 resamples, chance moves the ends by a fifth of this."""


def interval(items, resamples, seed):
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randint(len(items), (resamples, len(items)), generator=generator)
    means = items[draws].mean(dim=1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975]))
    return float(low), float(high)


def around_the_mean(errors, **how):
    """Return the mean of the items ± some of their standard errors; with none, ± standard deviations."""

    def ends(items, *_):
        half = errors * items.std(**how) / len(items) ** 0.5
        return float(items.mean() - half), float(items.mean() + half)

    return ends


def refuse_other_seeds(function, *items):
    first, again, other = (
        [float(end) for end in ask(function, (*items, 2_000, seed), "Called again,")] for seed in (3, 3, 4)
    )
    if first != again:
        refuse("Called twice with the same seed, your function gave two intervals: make a generator with the seed.")
    if first == other:
        refuse("Two seeds gave the same interval: your function ignores the seed.")


FIFTY = random_tensor(50, seed=52)
# A few large values among small ones: mean ± 1.96 standard errors lies 0.05 too low at the lower end.
SKEWED = torch.log((torch.arange(10) + 0.5) / 10).square()
SKEWED *= 0.12 * 10**0.5 / SKEWED.std(correction=0)

QUANTILES = "torch.quantile(means, torch.tensor([0.025, 0.975]))"

mistakes = {
    "Both ends are close to the mean: did you draw without replacement, or take means over the wrong axis? Each of the "
    "resamples has n of the n items, some of them twice, and one mean.": around_the_mean(0),
    "That interval goes from 5 to 95 % and holds 90 %; cut off 2.5 % at each end.": but("0.025, 0.975", "0.05, 0.95"),
    "That interval holds 99 % of the means; cut off 2.5 % at each end.": but("0.025, 0.975", "0.005, 0.995"),
    "That is the mean ± 1.96 standard deviations of the items; the interval of their mean is narrower.": but(
        QUANTILES, "items.mean() - 1.96 * items.std(), items.mean() + 1.96 * items.std()"
    ),
    "That is one standard error, which holds 68 %; 95 % is about twice as wide.": around_the_mean(1),
    "Return the two ends, not mean and deviation.": but(QUANTILES, "items.mean(), means.std()"),
    "That is where the items lie: take the mean of each resample.": but("items[draws].mean(dim=1)", "items"),
    "You took the smallest and the largest mean; cut off 2.5 %.": but("0.025, 0.975", "0.0, 1.0"),
    "That is 1.96 standard errors, always symmetric; take percentiles of the means.": around_the_mean(1.96),
}
cases = [(FIFTY, 20_000, 0), (1 + FIFTY[:30] / 2, 20_000, 7), (SKEWED, 20_000, 1), (torch.ones(20), 1_000, 0)]
check_bootstrap = Exercise(
    "05.2", "How sure are we?", interval, cases, mistakes,
    atol=TOLERANCE, also=lambda f: refuse_other_seeds(f, FIFTY), parts=("low", "high"),
)  # fmt: skip


def comparison(a, b, resamples, seed):
    difference = a - b
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randint(len(a), (resamples, len(a)), generator=generator)
    means = difference[draws].mean(dim=1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975]))
    return float(difference.mean()), float(low), float(high)


def ends_of_both(combined):
    return lambda a, b, *how: (float((a - b).mean()), *combined(interval(a, *how), interval(b, *how)))


def refuse_another_mean(function):
    """Refuse a mean of the differences that depends on the draw."""
    a, b = WIDE[0].exp(), WIDE[1]
    first, mean = float(ask(function, (a, b, 2_000, 2), "Called again,")[0]), float((a - b).mean())
    if abs(first - mean) >= 1e-4:
        refuse(
            f"The ends are right, but the first number is {first:.5f}, and the mean of a - b is {mean:.5f}: return "
            "this mean itself, not the middle of the interval or the mean of the resamples."
        )
    refuse_other_seeds(function, *WIDE)


# Two methods that find the same questions hard: unpaired, the interval is far too wide.
DRAW = torch.Generator().manual_seed(54)
A = (torch.rand(60, generator=DRAW) < 0.5).float()
FLIPS = torch.rand(60, generator=DRAW) < 0.12
B = torch.where(FLIPS, 1 - A, A) * (torch.rand(60, generator=DRAW) < 0.9)
C = random_tensor(40, seed=55) / 2
D = C - 0.15 + random_tensor(40, seed=56) / 10
WIDE = random_tensor(2, 50, seed=57)  # a middle 90 % and a middle 95 % differ by more than the tolerance

mistakes = {
    "You drew the questions of a and those of b separately. Both methods answered the same questions: one draw decides "
    "for both.": but("difference[draws].mean(dim=1)", "a[draws].mean(dim=1) - b[draws.roll(1, 0)].mean(dim=1)"),
    "The sign is turned round: above 0 must mean that a is better.": lambda a, b, *how: comparison(b, a, *how),
    "The interval has the wrong sign; take a - b in both.": but("difference[draws]", "-difference[draws]"),
    "You made an interval for each method. Whether two intervals overlap does not tell whether the difference holds 0. "
    "Take the difference of each question first.": ends_of_both(lambda one, two: (one[0] - two[1], one[1] - two[0])),
    "Your interval has no width: draw n of n questions with replacement.": lambda a, b, *how: (
        (float((a - b).mean()),) * 3
    ),
    "Wrong axis: each resample has n items.": but("(resamples, len(a))", "(len(a), resamples)"),
    "You subtracted the ends of two intervals; the interval of a difference is another. Take the difference of each "
    "question first, then resample.": ends_of_both(lambda one, two: (one[0] - two[0], one[1] - two[1])),
    "You took the sizes of the differences, without their sign.": but("a - b", "(a - b).abs()"),
    "You left out the questions on which both methods agree; their difference of 0 counts, too.": but(
        "a - b", "(a - b)[a != b] if (a != b).any() else a * 0", "len(a)", "len(difference)"
    ),
    "Your interval holds the middle 90 % of the means; cut off 2.5 % at each end.": but("0.025, 0.975", "0.05, 0.95"),
    "Take each resample's mean of the differences.": but("difference[draws].mean(dim=1)", "difference"),
}
cases = [(A, B, 20_000, 0), (B, A, 20_000, 3), (C, D, 20_000, 1), (*WIDE, 20_000, 2), (A, A, 500, 0)]
check_paired_difference = Exercise(
    "05.3", "Is a better than b?", comparison, cases, mistakes,
    atol=TOLERANCE, also=refuse_another_mean, parts=("difference", "low", "high"),
)  # fmt: skip


# 05.6, the open investigation: a wording of the prompts that beats another, with proof


class WordingTask(HeldOutTask):
    """Pictures of a validation and a test split, to be classified by prompts.

    Parameters
    ----------
    model
        Has ``images(z)``, ``texts(prompts)`` and scores of the two, as `ASIF` does.
    classes : list of str
    validation, test : (Tensor of shape (n, d_image), array of shape (n,))
        Embeddings of the pictures, and their classes as positions in `classes`.
    template : str
        The wording to beat.
    """

    def __init__(self, model, classes, validation, test, template=DEFAULT_TEMPLATE):
        super().__init__(*((model.images(z), torch.as_tensor(labels)) for z, labels in (validation, test)))
        self.model, self.classes, self.template = model, list(classes), template

    @property
    def baseline(self):
        """The prompts to beat, one for each class."""
        return [[self.template.replace("{}", name)] for name in self.classes]

    def _key(self, prompts):
        return str(plain(prompts))

    def _to_beat(self, choice, split):
        return self._right(self.baseline, split)

    def _right(self, prompts, split):
        if problem := prompts_problem(prompts, self.classes):
            raise ValueError(problem)
        images, labels = self._splits[split]
        scores = images.similarity(self.model.texts([text for texts in prompts for text in texts]))
        means = [part.mean(dim=1) for part in scores.split([len(texts) for texts in prompts], dim=1)]
        return torch.stack(means, dim=1).argmax(dim=1) == labels

    @classmethod
    def made_up(cls):
        """Make 300 "pictures" of three classes that show a part of the thing more clearly than its name."""
        words = ["a", "photo", "of", "grey", "white", "on", "cat", "dog", "hat", "tail", "nose", "brim"]
        seen = {"cat": "tail", "dog": "nose", "hat": "brim"}
        generator = torch.Generator().manual_seed(57)

        def split(n):
            labels = torch.arange(n) % len(seen)
            z = torch.rand(n, len(words), generator=generator)
            for i, (name, part) in enumerate(seen.items()):
                z[labels == i, words.index(part)] += 0.6
                z[labels == i, words.index(name)] += 0.1
            return z, labels

        return cls(WordModel(words), list(seen), split(100), split(200))


class WordModel:
    """A made-up model: texts and pictures are counts of words, compared by cosine."""

    def __init__(self, words):
        self.words = words

    def images(self, z):
        return Counts(z)

    def texts(self, prompts):
        rows = [[re.findall(r"[a-z]+", text.lower()).count(word) for word in self.words] for text in prompts]
        return Counts(torch.tensor(rows))


class Counts:
    def __init__(self, rows):
        self.rows = unit_rows(rows)

    def similarity(self, other):
        return self.rows @ other.rows.T


TOO_MANY = "Each wording is measured on all pictures: do you measure too many? If not, does every loop come to an end?"


@investigation("05.6", "A wording that helps", WordingTask)
def check_wording(function, task) -> Verdict:
    """Compare the best of the student's wordings with the task's on the validation split, then on the test split."""
    task.measured.clear()
    form = {"like": [""], "form": lambda prompts: prompts_problem(prompts, task.classes)}
    prompts = plain(ask(function, (list(task.classes), task.measure), "In your investigation", advice=TOO_MANY, **form))
    refuse_unmeasured(str(prompts), task.measured, "wording", "validation split")
    chosen, best = task.measured[str(prompts)], max(task.measured.values())
    if chosen < best:
        refuse(
            f"You return a wording with {chosen:.1%} on the validation split; another has {best:.1%}: return the best."
            f"{lowest(str(prompts), task.measured)}"
        )
    if prompts == task.baseline:
        refuse(f"You return {task.template!r}, the wording to beat, and measured none that is better; try others.")
    better, before = (float(task.measure(wording).float().mean()) for wording in (prompts, task.baseline))
    if better <= before:
        refuse(
            f"On the validation split your wording reaches {better:.1%}, and {task.template!r} {before:.1%}. The test "
            "split stays closed: go on trying on the validation split."
        )
    hits, baseline = (found.double() for found in task.open_test(prompts))
    return prove(
        (hits - baseline).numpy(),
        task.looks,
        f"Validation: {100 * (better - before):+.1f} points. Test, {len(hits)} pictures: {baseline.mean():.1%} with "
        f"{task.template!r}, {hits.mean():.1%} with yours",
        above="your wording helps.",
        below="your gain on validation is a loss here.",
        between="the gain may be luck. For a proof, look for a larger gain on the validation split.",
    )


def plain(prompts):
    return [list(texts) for texts in prompts]


def prompts_problem(prompts, classes):
    """Return what is wrong with the form of the prompts, or an empty string.

    >>> prompts_problem([["a cat"], "a dog"], ["cat", "dog"])
    "The prompts of 'dog' are a str; a list of strings is wanted for each class."
    """
    if not isinstance(prompts, tuple | list):
        return f"The prompts are {kind_of(prompts)}; a list with one list of strings for each class is wanted."
    if len(prompts) != len(classes):
        return f"You give {len(prompts)} lists and there are {len(classes)} classes; give one list for each class."
    for name, texts in zip(classes, prompts, strict=True):
        if not isinstance(texts, tuple | list):
            return f"The prompts of {name!r} are {kind_of(texts)}; a list of strings is wanted for each class."
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            return f"The prompts of {name!r} are empty, or not all are strings."
        if any("{}" in text for text in texts):
            return f"A prompt of {name!r} still has {{}} in it: put the name of the class there."
    return ""


FOR_NOTEBOOKS = [WordingTask]
