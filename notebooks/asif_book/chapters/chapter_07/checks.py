"""Checks of chapter 07, editing a model."""

import math
from functools import partial

import torch

from asif_book.checks.catalogue import NEGATED, but, changed, part, result
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, random_tensor, refuse
from asif_book.checks.proof import HeldOutTask, prove
from asif_lib.defaults import DEFAULT_K_SHARE
from asif_lib.relative import unit_rows
from asif_lib.settings import Settings
from asif_lib.sparse import represent


def add(
    image, text, new_image, new_text, partner,
    *,
    pictures=lambda new, partner: new,
    captions=lambda new, partner: new[partner],
    join=lambda old, new: torch.cat([old, new]),
    mean=lambda old, new: torch.cat([old, new]).mean(dim=0),
    size=lambda n, m: n + m,
    whole=lambda tenth: max(1, round(tenth)),
):  # fmt: skip
    sides = join(image, pictures(new_image, partner)), join(text, captions(new_text, partner))  # (n + m, d) each
    return *sides, mean(image, new_image), whole(size(len(image), len(new_image)) / 10)


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
mistakes = {
    "Only the pictures' matrix grew. Row i of both matrices is pair i: a picture without its caption is no "
    "anchor.": but(captions=lambda new, _: new[:0]),
    "Only the captions' matrix grew. Row i of both matrices is pair i: a caption without its picture is no "
    "anchor.": changed(new_image=lambda new: new[:0]),
    "The new captions stand in the order in which they came, so that new pictures got each other's captions. `partner` "
    "says where the caption of each picture is.": but(captions=lambda new, partner: new),
    "You used `partner` the wrong way round: entry i is the caption of new picture i.": changed(partner=torch.argsort),
    "You moved the new pictures to where `partner` points. Each caption has some picture now, and not its own: keep "
    "the pictures, and fetch the captions.": but(pictures=lambda new, p: new[p], captions=lambda new, p: new),
    "Every new picture has its caption, but the pairs stand in the order of the captions. The new pictures keep their "
    "order: fetch the captions.": but(pictures=lambda new, p: new[p.argsort()], captions=lambda new, p: new),
    "New rows before the old ones renumber the anchors; append them.": but(join=lambda old, new: torch.cat([new, old])),
    "The mean is still that of the old bank. It is subtracted from every picture, so it must be the mean of all rows "
    "there now.": but(mean=lambda a, b: a.mean(0)),
    "You averaged the mean of the old rows and the mean of the new rows. The larger set weighs more: average over all "
    "rows.": but(mean=lambda a, b: (a.mean(0) + b.mean(0)) / 2),
    "The mean is that of the new rows alone; take it over all rows.": but(mean=lambda a, b: b.mean(0)),
    "k is still a tenth of the old bank. The bank has grown, and k is a share of it.": but(size=lambda n, m: n),
    "k is a tenth of the new pairs alone; take a tenth of all.": but(size=lambda n, m: m),
    "You rounded up. A tenth of 52 is 5.2, and rounded 5.": but(whole=math.ceil),
    "You cut the tenth off instead of rounding it, or forgot that k is at least 1.": but(whole=int),
    "Both the mean and k are still those of the old bank.": but(mean=lambda a, b: a.mean(0), size=lambda n, m: n),
}
check_add = Exercise(
    "07.1", "Teach it something", add, cases, mistakes, parts=("image", "text", "the mean of image", "k")
)


def running_mean(mean, n, added, removed, *, total=lambda rows: rows.sum(0), count=lambda n, m, r: n + m - r):
    return (n * mean + total(added) - total(removed)) / count(n, len(added), len(removed))  # (d,)


def mean_of_two_means(mean, n, added, removed):
    left = (mean * n - removed.sum(dim=0)) / (n - len(removed))
    return (left + added.mean(dim=0)) / 2 if len(added) else left


def edited_rows(n, m, r, seed):
    rows = random_tensor(n, 5, seed=seed) + 1.0
    return rows.mean(dim=0), n, random_tensor(m, 5, seed=seed + 10) - 2.0, rows[:r]


mistakes = {
    "Where nothing is added, or nothing removed, your result is NaN: the mean of no rows is 0/0. The sum of no rows is "
    "0.": but(total=lambda rows: len(rows) * rows.mean(dim=0)),
    "You averaged the two means as if both stood for equally many rows. Turn a mean into a sum first: the sum of n "
    "rows is n times their mean.": (
        lambda mean, n, added, removed: (mean + added.mean(dim=0)) / 2,
        mean_of_two_means,
        lambda mean, n, added, removed: mean + (added.mean(0) - mean) / 2 if len(added) else mean,
    ),
    "The signs are turned round: add the new rows, and take the removed ones off.": lambda mean, n, added, removed: (
        (n * mean - added.sum(dim=0) + removed.sum(dim=0)) / (n + len(added) - len(removed))
    ),
    "You counted the removed rows as new ones; take them off the sum, and off the number of rows.": (
        lambda mean, n, added, removed: running_mean(mean, n, torch.cat([added, removed]), removed[:0])
    ),
    "`sum()` without dim=0 adds up all entries, to one number; the sum of rows is a row.": but(
        total=lambda rows: rows.sum()
    ),
    "You added and subtracted means. Means do not add up; sums do.": lambda m, n, a, r: m + a.mean(0) - r.mean(0),
    "You divided one of the sums by the old number of rows; divide both by n + m - r.": (
        lambda mean, n, a, r: (mean * n + a.sum(0)) / (n + len(a)) - r.sum(0) / n,
        lambda mean, n, a, r: (mean * n - r.sum(0)) / (n - len(r)) + a.sum(0) / n,
    ),
    "You divide by the old number of rows; there are n + m - r now.": but(count=lambda n, m, r: n),
    "The rows that were removed still count.": changed(removed=lambda rows: rows[:0]),
    "The sum is right, the number of rows is not: removed ones are no longer there.": but(count=lambda n, m, r: n + m),
    "The new rows do not count.": changed(added=lambda rows: rows[:0]),
    "You forgot to multiply the old mean by n: without the factor n, it counts like a single "
    "row.": lambda mean, n, *edits: running_mean(mean / n, n, *edits),
    "That is the new sum, not the new mean; divide by the number of rows there now.": but(count=lambda n, m, r: 1),
}
cases = [edited_rows(40, 8, 4, 73), edited_rows(7, 20, 5, 74), edited_rows(30, 0, 4, 75), edited_rows(30, 6, 0, 76)]
check_running_mean = Exercise("07.2", "A mean without a second look", running_mean, cases, mistakes, atol=1e-4)


def inside(name, group):
    return f"{name}/".startswith(f"{group}/")


def forget(
    image, text, groups, group, *, belongs=inside, left=lambda g: (~g).nonzero()[:, 0], third=lambda g, rows: rows
):
    goes = torch.tensor([belongs(name, group) for name in groups])  # (n,) bool
    rows = left(goes)
    return image[rows], text[rows], third(goes, rows)


def zeroed(image, text, groups, group):
    stays = torch.tensor([[not inside(name, group)] for name in groups])
    return image * stays, text * stays, torch.arange(len(groups))


def last_into_the_hole(goes):
    rows = list(range(len(goes)))
    for i in reversed(goes.nonzero()[:, 0].tolist()):
        rows[i] = rows[-1]
        rows.pop()
    return torch.tensor(rows)


def removed_while_counting(goes):
    """Delete row after row by positions of the whole bank, while each deletion moves all later rows."""
    rows, gone = torch.arange(len(goes)), goes.nonzero()[:, 0]
    return rows[~torch.isin(rows, gone + torch.arange(len(gone)))]


SIDES = random_tensor(9, 5, seed=77), random_tensor(9, 3, seed=78)
NAMES = ["sea/food", "food", "animals", "food/fruit", "foodstuff", "tools", "food", "plants/food", "animals/birds"]
NESTED = ["food", "food/fruit", "food/fruit/apples", "tools", "food/food", "fruit", "food/fruit/food"]
LETTERS = ["b", "a", "b", "a/x", "b", "c", "a", "ab", "c"]

mistakes = {
    "You kept the group and forgot everything else; turn the mask round.": but(belongs=lambda *of: not inside(*of)),
    "Rows were removed from the pictures only. From the first of these rows on, every picture has a wrong "
    "caption.": part(1, lambda _, image, text, *rest: text),
    "Rows were removed from the captions only. From the first of these rows on, every caption has a wrong "
    "picture.": part(0, lambda kept, image, *_: image),
    "You set the rows to zero, and they are still there: they count in the mean and in n. Leave them out.": zeroed,
    "The subgroups are still there: to forget a group, forget what stands below it, too.": but(belongs=str.__eq__),
    "You compared the first part of the path only; a group may itself be a path, such as animals/birds.": but(
        belongs=lambda name, group: name.split("/")[0] == group
    ),
    "The subgroups are gone, and the group itself is still there: `food` does not begin with `food/`. Test for it, "
    "too.": but(belongs=lambda name, group: name.startswith(f"{group}/")),
    "You also forgot a group that begins with the same letters. A slash must follow.": but(belongs=str.startswith),
    "You also forgot groups that hold the name somewhere else; it must begin the path.": but(belongs=str.__contains__),
    "You also forgot a group of that name further down in another branch. Compare the names from the beginning of the "
    "path.": but(belongs=lambda name, group: group in name.split("/")),
    "The last rows were moved into the holes, which changes the order. Keep the order.": but(left=last_into_the_hole),
    "You deleted row by row, which moves all later rows; apply one mask to all rows.": but(left=removed_while_counting),
    "The matrices are right, and the third result counts 0, 1, 2, and so on. It should say which row of the old bank "
    "each row was, for that is how other tables follow.": but(third=lambda goes, rows: torch.arange(len(rows))),
    "The third result lists the rows that went, not those left.": but(third=lambda goes, rows: goes.nonzero()[:, 0]),
}
cases = [(*SIDES, *of) for of in [(NAMES, "food"), (LETTERS, "a"), (NAMES, "animals/birds"), (LETTERS, "none")]]
cases += [(SIDES[0][:7], SIDES[1][:7], NESTED, group) for group in ("food", "food/fruit")]  # groups inside groups
check_forget = Exercise("07.4", "Forget a group", forget, cases, mistakes, parts=("image", "text", "positions"))


ANSWERS = ("unchanged", "changed", "cannot tell")


def mean_change(before, after, z=1.96):
    """Return the mean of paired differences and half the length of its interval."""
    items = after - before
    return float(items.mean()), z * float(items.std()) / len(items) ** 0.5


def by_margin(mean, half, margin):
    if abs(mean) + half < margin:
        return "unchanged"
    return beyond(mean, half, margin)


def beyond(mean, half, margin):
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
    "both ends to the margin.": (
        but(decide=lambda mean, half, _: "unchanged" if abs(mean) <= half else "changed"),
        but(decide=lambda mean, half, margin: "unchanged" if abs(mean) <= half else by_margin(mean, half, margin)),
        but(decide=lambda mean, half, margin: "unchanged" if abs(mean) <= half else beyond(mean, half, margin)),
    ),
    "“Changed” means that the whole interval lies beyond the margin. That it misses 0 is not enough.": (
        but(decide=lambda mean, half, margin: by_margin(mean, half, margin if abs(mean) + half < margin else 0)),
        but(decide=lambda mean, half, margin: "changed" if abs(mean) > half else by_margin(mean, half, margin)),
    ),
    "You used the mean difference alone; look at its interval.": but(interval=lambda a, b: (mean_change(a, b)[0], 0)),
    "You looked at losses only. Here a gain beyond the margin is a change as well.": but(
        decide=lambda mean, half, margin: "unchanged" if mean - half > -margin else by_margin(mean, half, margin)
    ),
    "You took the difference of two intervals. The same questions were asked: pair them.": but(interval=unpaired),
    "You took sizes; keep the sign: gains may cancel losses.": but(interval=lambda a, b: mean_change(0, (b - a).abs())),
    "That is the interval of the single differences, not of their mean.": but(interval=quantiles),
    "Your interval is that of the single differences, mean ± 1.96 standard deviations. For the mean of n, the "
    "deviation is divided by √n.": but(interval=lambda a, b: mean_change(a, b, z=1.96 * len(a) ** 0.5)),
    "You looked at the answers after the edit only; subtract those before.": changed(before=torch.zeros_like),
    "Not every interval decides. Where an end of the margin lies within the interval, the answer is 'cannot "
    "tell'.": result(lambda a: a if a == "unchanged" else "changed"),
    "Your interval is shorter than one of 95 %.": but(interval=lambda a, b: mean_change(a, b, z=1.645)),
}
check_unchanged = Exercise(
    "07.3", "Prove that nothing changed", unchanged, cases, mistakes, form=no_answer, explain=explained
)


def harm(images, prompts, labels, *, blame=torch.sub, mean=lambda blame: blame.mean(dim=0)):
    """Return how much each anchor speaks for the label given and against the true one, (n,)."""
    answers = (images @ prompts.T).argmax(dim=1)  # (q,)
    return mean(blame(images * prompts[answers], images * prompts[labels]))  # both (q, n)


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
    "You took the contribution to the given label only; subtract the contribution to the true label.": but(
        blame=lambda given, true: given * (given != true).any(dim=1, keepdim=True)
    ),
    "You compared the prompts alone. What an anchor contributes is the picture's entry times the prompt's.": (
        lambda images, prompts, labels: (prompts[(images @ prompts.T).argmax(dim=1)] - prompts[labels]).mean(dim=0)
    ),
    "You averaged sizes without sign; help for the true label counts as harm.": but(mean=lambda b: b.abs().mean(dim=0)),
    "You set what is below 0 to 0 before the mean. An anchor may harm one picture and help another, and the mean must "
    "see both.": but(mean=lambda b: b.clamp_min(0).mean(dim=0)),
    "You set the mean to 0 where it is below. Keep it: below 0, an anchor helps.": result(lambda r: r.clamp_min(0)),
    "That is how much each anchor is in the pictures, whatever the labels.": lambda images, *_: images.mean(dim=0),
    "You counted the pictures for which an anchor speaks for the wrong label. Return how strongly it speaks for this "
    "label.": but(mean=lambda b: (b > 0).float().mean(dim=0)),
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
    asked = partial(
        ask, function, (*task.pool, task.per_class), like=task.random[0], form=partial(lesson_problem, task)
    )
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
        problem = f"Of class {worst} your lesson has {int(counts[worst])}; {m} of each class are wanted."
        if lesson.max() < len(labels) / c:
            problem += " Did you take positions within a class for positions in the pool?"
        return problem
    return ""


FOR_NOTEBOOKS = [LessonTask]
