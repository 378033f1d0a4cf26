"""The open investigation of chapter 07: which pairs to teach, if there may be only a few."""

from functools import partial

import torch

from asif_lib.defaults import DEFAULT_K_SHARE
from asif_lib.settings import Settings
from asif_lib.sparse import represent

from ..exercise import investigation
from ..judging import Verdict, ask, random_tensor, refuse
from ..proof import HeldOutTask, prove

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
        return frozenset(lesson.tolist())

    def _to_beat(self, split):
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
    given, form = (*task.pool, task.per_class), partial(lesson_problem, task)
    lesson, again = (
        ask(function, given, where, like=task.random[0], form=form) for where in ("On the pool", "At the second call")
    )
    if not torch.equal(again, lesson):
        refuse("Called twice, your function chose two lessons. A choice has a reason; chance is what it must beat.")
    mine, chance = task.open_test(lesson.long())
    return prove(
        (mine.double() - chance.double()).numpy(),
        task.looks,
        f"Held out, {len(mine)} pictures: {mine.float().mean():.1%} with your lesson, {chance.mean():.1%} with "
        f"{RANDOM_LESSONS} random ones",
        above="your choice teaches more.",
        below="chance teaches more than your choice.",
        between="your choice cannot be told from chance.",
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
        within = " Did you take positions within a class for positions in the pool?"
        problem = f"Of class {worst} your lesson has {int(counts[worst])}; {m} of each class are wanted."
        return problem + within * bool(lesson.max() < len(labels) / c)
    return ""


FOR_NOTEBOOKS = [LessonTask]
