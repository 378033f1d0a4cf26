"""Checks of chapter 07, editing a model."""

import functools
from functools import partial

import torch

from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, random_tensor, refuse
from asif_book.checks.proof import HeldOutTask, prove
from asif_lib.defaults import DEFAULT_K_SHARE
from asif_lib.evaluation import measures
from asif_lib.relative import unit_rows
from asif_lib.settings import Settings
from asif_lib.sparse import represent


def add(image, text, new_image, new_text, partner):
    image = torch.cat([image, new_image])
    text = torch.cat([text, new_text[partner]])
    return image, text, image.mean(dim=0), max(1, round(len(image) / 10))


def bank_and_new_pairs(n, m, seed, partner):
    sides = [random_tensor(rows, d, seed=seed + i) for i, (rows, d) in enumerate([(n, 6), (n, 4), (m, 6), (m, 4)])]
    sides[2] += 2.0  # the new pictures are of another kind, so the mean moves
    return *sides, torch.tensor(partner)


cases = [
    bank_and_new_pairs(40, 12, 73, [5, 2, 0, 7, 1, 3, 9, 4, 11, 6, 8, 10]),  # 5.2, so that rounding up shows
    bank_and_new_pairs(44, 14, 70, [3, 0, 4, 1, 8, 2, 5, 7, 6, 13, 9, 10, 12, 11]),
    bank_and_new_pairs(20, 30, 71, list(range(29, -1, -1))),
    bank_and_new_pairs(3, 1, 72, [0]),
]
OLD_MEAN = "image.mean(dim=0)", "image[: -len(new_image)].mean(dim=0)"

mistakes = {
    "Only one matrix grew. Row i of both is pair i: a picture without its caption is no anchor.": (
        but("torch.cat([text, new_text[partner]])", "text"),
        but("torch.cat([image, new_image])", "image"),
    ),
    "The new captions stand in the order in which they came, so that new pictures got each other's captions. `partner` "
    "says where the caption of each picture is.": but("[partner]", ""),
    "You used `partner` the wrong way round: entry i is the caption of new picture i.": but(
        "[partner]", "[partner.argsort()]"
    ),
    "You moved the new pictures to where `partner` points. Each caption has some picture now, and not its own: keep "
    "the pictures, and fetch the captions.": but("[partner]", "", "new_image]", "new_image[partner]]"),
    "Every new picture has its caption, but the pairs stand in the order of the captions. The new pictures keep their "
    "order: fetch the captions.": but("[partner]", "", "new_image]", "new_image[partner.argsort()]]"),
    "New rows before the old ones renumber the anchors; append them.": but(
        "[image, new_image]", "[new_image, image]", "[text, new_text[partner]]", "[new_text[partner], text]"
    ),
    "The mean is still that of the old bank. It is subtracted from every picture, so it must be the mean of all rows "
    "there now.": but(*OLD_MEAN),
    "You averaged the mean of the old rows and the mean of the new rows. The larger set weighs more: average over all "
    "rows.": but("image.mean(dim=0)", "(image[: -len(new_image)].mean(dim=0) + new_image.mean(dim=0)) / 2"),
    "k is a tenth of all pairs, not of the old ones.": but("len(image)", "(len(image) - len(new_image))"),
    "k is a tenth of the new pairs alone; take a tenth of all.": but("len(image)", "len(new_image)"),
    "You rounded up. A tenth of 52 is 5.2, and rounded 5.": but("round(len(image) / 10)", "-(-len(image) // 10)"),
    "Round the tenth, do not cut it off.": but("round", "int"),
    "Mean and k are those of the old bank.": but(*OLD_MEAN, "len(image) /", "(len(image) - len(new_image)) /"),
}
check_add = Exercise(
    "07.1", "Teach it something", add, cases, mistakes, parts=("image", "text", "the mean of image", "k")
)


def running_mean(mean, n, added, removed):
    return (n * mean + added.sum(dim=0) - removed.sum(dim=0)) / (n + len(added) - len(removed))


def edited_rows(n, m, r, seed):
    rows = random_tensor(n, 5, seed=seed) + 1.0
    return rows.mean(dim=0), n, random_tensor(m, 5, seed=seed + 10) - 2.0, rows[:r]


mistakes = {
    "The mean of no rows is 0/0, so NaN; the sum of no rows is 0.": but(
        "added.sum(dim=0)", "len(added) * added.mean(dim=0)", "removed.sum(dim=0)", "len(removed) * removed.mean(dim=0)"
    ),
    "You averaged the two means as if both stood for equally many rows. Turn a mean into a sum first: the sum of n "
    "rows is n times their mean.": lambda mean, n, added, removed: (mean + added.mean(dim=0)) / 2,
    "Add the new rows, subtract the removed ones.": but("mean + added", "mean - added", "- removed", "+ removed"),
    "You added and subtracted means. Means do not add up; sums do.": lambda m, n, a, r: m + a.mean(0) - r.mean(0),
    "You divide by the old number of rows; there are n + m - r now.": but(" + len(added) - len(removed)", ""),
    "The rows that go count in your divisor; there are n + m - r now.": but(" - len(removed)", ""),
    "That is the sum; divide by the number of rows.": but(" / (n + len(added) - len(removed))", ""),
}
cases = [edited_rows(40, 8, 4, 73), edited_rows(7, 20, 5, 74), edited_rows(30, 0, 4, 75), edited_rows(30, 6, 0, 76)]
check_running_mean = Exercise("07.2", "A mean without a second look", running_mean, cases, mistakes, atol=1e-4)


def found(members, others, alarm):
    allowed = int(alarm * len(others))
    limit = others.sort(descending=True).values[allowed]
    return float((members > limit).float().mean())


def visits(m, o, seed, digits=None):
    """Cosines of m pictures that are anchors and of o others, with ties if rounded to some `digits`."""
    members, others = random_tensor(m, seed=seed) / 4 + 0.4, random_tensor(o, seed=seed + 1) / 4 + 0.2
    return (members, others) if digits is None else (members.round(decimals=digits), others.round(decimals=digits))


mistakes = {
    "Your limit counts false alarms among the members. Take it from the others: a false alarm is another picture that "
    "is called an anchor.": but("others.sort", "members.sort", "len(others)", "len(members)"),
    "You count a picture at the limit, too. At least one other picture lies there, which is one false alarm too "
    "many.": but("members > limit", "members >= limit"),
    "You counted the others above the limit. These are the false alarms: count the members.": but(
        "(members > limit)", "(others > limit)"
    ),
    "You set the limit from below: the others with the largest cosines are the alarms.": but("descending=True", ""),
    "You rounded the number of alarms. 1.5 alarms allow 1: a second one would be more than the share.": but(
        "int(alarm * len(others))", "round(alarm * len(others))"
    ),
    "One alarm less than allowed: position 0 of the sorted cosines is the largest, so the limit stands at position "
    "`allowed`.": but("values[allowed]", "values[max(0, allowed - 1)]"),
    "You interpolated between two cosines of the others, so that members between them are missed. The limit is the "
    "cosine of a picture.": but("others.sort(descending=True).values[allowed]", "torch.quantile(others, 1 - alarm)"),
    "`alarm` is a share of the others, not a cosine to compare with.": but("members > limit", "members > alarm"),
    "You returned the limit; the share of the members above the limit is wanted.": but(
        "float((members > limit).float().mean())", "float(limit)"
    ),
    "You returned how many members are found; divide by the number of members.": but(".mean()", ".sum()"),
    "That is the AUC of exercise 06.5, over all limits. Here one limit is wanted.": lambda m, o, _: (
        (m[:, None] > o).float() + (m[:, None] == o) / 2
    ).mean(),
}
cases = [(*visits(40, 40, 71), 0.05), (*visits(80, 30, 82), 0.05), (*visits(30, 50, 75, 1), 0.1)]
cases += [(*visits(12, 20, 77), 0.25), (*visits(40, 10, 79), 0.05), (torch.full((6,), 0.9), torch.full((9,), 0.9), 0.2)]
check_found = Exercise("07.4", "Does the bank remember you?", found, cases, mistakes)


ANSWERS = ("unchanged", "changed", "cannot tell")
measured = functools.cache(lambda *lists: measures.paired_difference(*map(torch.tensor, lists)))


def paired_difference(one, other):
    """Measure a difference once: the reference and most mistakes ask for the same ones."""
    return measured(tuple(one.tolist()), tuple(other.tolist()))


def unchanged(before, after, margin):
    gap = paired_difference(after, before)
    if -margin < gap.low and gap.high < margin:
        return "unchanged"
    return "changed" if gap.low > margin or gap.high < -margin else "cannot tell"


def of_interval(half):
    """Decide by the mean difference ± `half` of it, which is made of the differences and of both results."""

    def decide(before, after, margin):
        mean, width = float((after - before).mean()), half(after - before, before, after)
        if abs(mean) + width < margin:
            return "unchanged"
        return "changed" if abs(mean) - width > margin else "cannot tell"

    return decide


def no_answer(answer, *case):
    return "" if answer in ANSWERS else f"Your function returned {str(answer)[:40]!r}; one of {ANSWERS} is wanted."


def explained(answer, before, after, margin):
    gap = paired_difference(after, before)
    return (
        f"the interval goes from {100 * gap.low:+.1f} to {100 * gap.high:+.1f} points and the margin is "
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
WITHIN, BEYOND = "-margin < gap.low and gap.high < margin", "gap.low > margin or gap.high < -margin"
HOLDS_0 = "gap.low < 0 < gap.high"

mistakes = {
    "“Not significant” is not “unchanged”: few questions prove nothing, and many make a tiny change significant. Hold "
    "both ends to the margin.": (
        but(WITHIN, HOLDS_0, f'"changed" if {BEYOND} else "cannot tell"', '"changed"'),
        but(WITHIN, f"{HOLDS_0} or {WITHIN}"),
        but(WITHIN, HOLDS_0),
    ),
    "“Changed” means that the whole interval lies beyond the margin. That it misses 0 is not enough.": (
        but(BEYOND, f"not {HOLDS_0}"),
        but(WITHIN, f"{HOLDS_0} and {WITHIN}", BEYOND, f"not {HOLDS_0}"),
    ),
    "You used the mean difference alone; look at its interval.": of_interval(lambda gaps, *both: 0),
    "A gain beyond the margin is a change as well.": but(" and gap.high < margin", ""),
    "The same questions were asked: pair them.": of_interval(
        lambda gaps, before, after: 1.96 * float((before.var() + after.var()).sqrt()) / len(gaps) ** 0.5
    ),
    "Keep the signs: gains may cancel losses.": but("after, before)", "(after - before).abs(), 0 * before)"),
    "Take the interval of the mean, not of single ones.": of_interval(lambda gaps, *both: 1.96 * float(gaps.std())),
    "You looked at the answers after the edit only; subtract those before.": but("before)", "0 * before)"),
    "Not every interval decides. Where an end of the margin lies within the interval, the answer is 'cannot "
    "tell'.": but('"cannot tell"', '"changed"'),
}
check_unchanged = Exercise(
    "07.3", "Prove that nothing changed", unchanged, cases, mistakes, form=no_answer, explain=explained
)


def harm(images, prompts, labels):
    given = (images @ prompts.T).argmax(dim=1)
    return (images * (prompts[given] - prompts[labels])).mean(dim=0)


def labelled(q, n, c, seed):
    """Make q pictures and c prompts over n anchors, sparse, so that some pictures get a wrong label."""
    generator = torch.Generator().manual_seed(seed)

    def sparse(rows):
        return torch.rand(rows, n, generator=generator) * (torch.rand(rows, n, generator=generator) < 0.6)

    prompts, labels = sparse(c), torch.arange(q) % c
    return unit_rows(sparse(q) + 0.5 * prompts[labels]), unit_rows(prompts), labels


mistakes = {
    "You took the contributions to the label given. An anchor that helps everywhere looks guilty then; subtract what "
    "it gives to the true label.": but(" - prompts[labels]", ""),
    "You took the contributions to the true label: that is help, not harm.": but("prompts[given] - ", ""),
    "Take all pictures, not the wrong ones.": but("mean(dim=0)", "sum(dim=0) / (given != labels).sum()"),
    "A contribution is the picture's entry times the prompt's.": but("(images * (", "(("),
    "You averaged sizes without sign; help for the true label counts as harm.": but("mean(", "abs().mean("),
    "You set what is below 0 to 0 before the mean. An anchor may harm one picture and help another, and the mean must "
    "see both.": but("mean(", "clamp_min(0).mean("),
    "That is how much each anchor is in the pictures, whatever the labels.": lambda images, *_: images.mean(dim=0),
    "You counted the pictures for which an anchor speaks for the wrong label. Return how strongly it speaks for this "
    "label.": but("mean(", "gt(0).float().mean("),
}
cases = [labelled(40, 9, 4, 80), labelled(25, 30, 3, 81), labelled(12, 5, 5, 82)]
check_harm = Exercise("07.5", "Who did the harm?", harm, cases, mistakes)


# 07.6, the open investigation: which pairs to teach, if there may be only a few

RANDOM_LESSONS = 10
"""How many random lessons a choice is compared with."""
P = 8
"""The exponent, as the card of exercise 07.6 says."""


class LessonTask(HeldOutTask):
    """A pool of captioned pictures, of which a few may be taught to a model, and two splits to measure on.

    A lesson holds positions in the pool, (c · per_class,) int64.

    Parameters
    ----------
    anchors : (Tensor of shape (n, d_image), Tensor of shape (n, d_text))
        The bank before the lesson.
    pool : (Tensor of shape (m, d_image), Tensor of shape (m,), int64)
        Pictures to choose from, and their classes.
    captions : Tensor of shape (c, d_text)
        Embeddings of the caption of each class, which is its prompt, too.
    validation, test : (Tensor of shape (q, d_image), Tensor of shape (q,))
    per_class : int
        Pairs of each class that a lesson has.
    seed : int
        Of the random lessons.
    """

    def __init__(self, anchors, pool, captions, validation, test, *, per_class=2, seed=0):
        super().__init__(validation, test)
        self.anchors, self.pool, self.captions, self.per_class = anchors, pool, captions, per_class
        generator = torch.Generator().manual_seed(seed)
        self.random = [self._drawn(generator) for _ in range(RANDOM_LESSONS)]
        """Lessons drawn at random, to compare a choice with."""

    @classmethod
    def made_up(cls):
        """Make four classes; a third of the pool, and the whole end of it, looks like pictures of another class."""
        centres, words = 3 * torch.eye(4, 12), random_tensor(4, 8, seed=90)

        def split(n, seed, odd=0.0):
            labels = torch.arange(n) % 4
            astray = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < odd
            seen = torch.where(astray, (labels + 1) % 4, labels)
            return centres[seen] + 0.9 * random_tensor(n, 12, seed=seed + 1), labels

        anchors = random_tensor(60, 12, seed=91), random_tensor(60, 8, seed=92)
        return cls(anchors, split(120, 93, odd=0.35), words, split(100, 95), split(200, 97))

    def _drawn(self, generator):
        rows = [(self.pool[1] == c).nonzero()[:, 0] for c in range(len(self.captions))]
        return torch.cat([r[torch.randperm(len(r), generator=generator)[: self.per_class]] for r in rows])

    def _key(self, lesson):
        return frozenset(torch.as_tensor(lesson).tolist())

    def _to_beat(self, choice, split):
        return torch.stack([self._right(other, split) for other in self.random]).float().mean(dim=0)

    def _right(self, lesson, split):
        z, labels = self._splits[split]
        new_text = self.captions[self.pool[1][lesson]]
        image, text = (torch.cat(both) for both in zip(self.anchors, (self.pool[0][lesson], new_text), strict=True))
        settings = Settings(max(1, round(DEFAULT_K_SHARE * len(image))), P)
        pictures, prompts = represent(z, image, settings), represent(self.captions, text, settings)
        return pictures.similarity(prompts).argmax(dim=1) == labels


@investigation("07.6", "Ten pictures, well chosen", LessonTask)
def check_lesson(function, task) -> Verdict:
    """Choose the pairs to teach, and prove that the choice is better than chance."""
    form = {"like": task.random[0], "form": partial(lesson_problem, task)}
    asked = partial(ask, function, (*task.pool, task.per_class), **form)
    lesson, again = asked("On the pool"), asked("At the second call")
    if not torch.equal(again, lesson):
        refuse("Called twice, your function chose two lessons. A choice has a reason; chance is what it must beat.")
    mine, chance = task.open_test(lesson.long())
    return prove(
        (mine.double() - chance.double()).numpy(),
        task.looks,
        f"Held out, {len(mine)} pictures: {mine.float().mean():.1%} with your lesson, {chance.mean():.1%} with "
        f"{RANDOM_LESSONS} random ones",
        above="your choice teaches more.",
        below="random choices teach more than yours.",
        between="your choice cannot be told from random ones.",
        resamples=4_000,
    )


def lesson_problem(task, lesson):
    """Describe a wrong form of a lesson, or return an empty string."""
    labels, c, m = task.pool[1], len(task.captions), task.per_class
    if lesson.dtype == torch.bool:
        return "Your result is a mask; the positions in the pool are wanted, as with .nonzero()."
    if lesson.is_floating_point():
        return f"Your result holds {lesson.dtype} numbers; positions are int64."
    if lesson.shape != (c * m,):
        return f"Your lesson has shape {tuple(lesson.shape)}; {m} of each of {c} classes make ({c * m},)."
    if lesson.min() < 0 or lesson.max() >= len(labels):
        return f"A position is not in the pool, whose {len(labels)} pictures count from 0."
    if len(lesson.unique()) < len(lesson):
        return "A picture is in your lesson twice. The second time it teaches nothing new."
    counts = torch.bincount(labels[lesson], minlength=c)
    if (counts != m).any():
        worst = int((counts - m).abs().argmax())
        within = lesson.max() < len(labels) / c
        why = " Did you take positions within a class for positions in the pool?" if within else ""
        return f"Of class {worst} your lesson has {int(counts[worst])}; {m} of each class are wanted.{why}"
    return ""


FOR_NOTEBOOKS = [LessonTask]
