"""The open investigation of chapter 07: which pairs to teach, if there may be only a few."""

import numpy as np
import torch

from asif_lib.sparse import sparse_relative_representation

from .judging import Verdict, call, exercise, form_problem, no_longer, random_tensor, right, wrong
from .wording import WordingTask

RANDOM_LESSONS = 10
"""Lessons drawn at random that a choice is held against."""


class LessonTask:
    """A pool of captioned pictures, of which a few may be taught to a model, and two splits to measure on.

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
    fraction, p : float
        k as a share of the anchors, and the exponent.
    seed : int
        Of the random lessons.

    Attributes
    ----------
    looks : int
        For how many lessons the test split has been opened; the same lesson again is no new look.
    """

    def __init__(self, anchors, pool, captions, validation, test, *, per_class=2, fraction=0.1, p=8, seed=0):
        self.anchors, self.pool, self.captions = anchors, pool, captions
        self.per_class, self.fraction, self.p = per_class, fraction, p
        self._splits = {"validation": validation, "test": test}
        generator = torch.Generator().manual_seed(seed)
        self.random = [self._drawn(generator) for _ in range(RANDOM_LESSONS)]
        self._tested = set()

    @property
    def looks(self):
        return len(self._tested)

    def _drawn(self, generator):
        rows = [(self.pool[1] == c).nonzero()[:, 0] for c in range(len(self.captions))]
        return torch.cat([r[torch.randperm(len(r), generator=generator)[: self.per_class]] for r in rows])

    def measure(self, lesson) -> torch.Tensor:
        """Return for each validation picture whether it gets its class after the lesson, (q,) bool.

        `lesson` holds positions in the pool, (c · per_class,) int64.
        """
        return self._right(lesson, "validation")

    def open_test(self, lesson):
        """Return the same for the test split, and the share of random lessons; each new lesson is a look."""
        self._tested.add(frozenset(lesson.tolist()))
        share = torch.stack([self._right(other, "test") for other in self.random]).float().mean(dim=0)
        return self._right(lesson, "test"), share

    def _right(self, lesson, split):
        z, labels = self._splits[split]
        new_text = self.captions[self.pool[1][lesson]]
        image, text = (torch.cat(both) for both in zip(self.anchors, (self.pool[0][lesson], new_text), strict=True))
        k = max(1, round(self.fraction * len(image)))
        pictures = sparse_relative_representation(z, image, k, self.p, mean=image.mean(dim=0))
        prompts = sparse_relative_representation(self.captions, text, k, self.p, mean=text.mean(dim=0))
        return pictures.similarity(prompts).argmax(dim=1) == labels


@exercise("07.6", "Ten pictures, well chosen")
def check_lesson(function, task=None) -> Verdict:
    """Choose the pairs to teach, and prove that the choice is better than chance.

    Parameters
    ----------
    task : LessonTask
        Left out, a small made-up one, in whose pool some pictures are unlike their class.
    """
    task = made_up_task() if task is None else task
    if verdict := no_longer("task", task, LessonTask):
        return verdict
    image, labels = task.pool
    lesson, failed = call(function, (image, labels, task.per_class), "On the pool")
    if failed:
        return failed
    problem = form_problem(lesson, task.random[0]) or _lesson_problem(lesson, labels, task)
    if problem:
        return wrong(problem)
    again, failed = call(function, (image, labels, task.per_class), "Called again,")
    if failed:
        return failed
    if not torch.equal(torch.as_tensor(again), lesson):
        return wrong(
            "Called twice, your function chose two lessons. A choice has a reason; chance is what it must beat."
        )
    return _proof(task, lesson.long())


def _proof(task, lesson):
    mine, chance = task.open_test(lesson)
    differences = mine.numpy().astype(float) - chance.numpy()
    gap, level = differences.mean(), 1 - WordingTask.confidence(task.looks)
    draws = np.random.default_rng(0).integers(len(differences), size=(4_000, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [level / 2, 1 - level / 2])
    found = (
        f"Held out, {len(differences)} pictures: {mine.float().mean():.1%} with your lesson, {chance.mean():.1%} with "
        f"{RANDOM_LESSONS} random ones, difference {100 * gap:+.1f} points, {100 * (1 - level):.4g} % interval "
        f"{100 * low:+.1f} to {100 * high:+.1f}."
    )
    looks = (
        f" This was look {task.looks} at these pictures, so the interval is one of 100 % less 5 % divided by "
        f"{task.looks} · {task.looks + 1}."
        if task.looks > 1
        else ""
    )
    if low > 0:
        return right(f"{found} The whole interval lies above 0: your choice teaches more.{looks}")
    if high < 0:
        return wrong(f"{found} The whole interval lies below 0: chance teaches more than your choice.{looks}")
    return wrong(f"{found} The interval holds 0: your choice cannot be told from chance.{looks}")


def _lesson_problem(lesson, labels, task):
    """What is wrong with the form of a lesson, or an empty string."""
    c, m = len(task.captions), task.per_class
    if lesson.dtype == torch.bool:
        return "Your result is a mask; the positions in the pool are wanted, as with .nonzero()."
    if lesson.is_floating_point():
        return f"Your result holds {str(lesson.dtype).removeprefix('torch.')} numbers; positions are int64."
    if lesson.shape != (c * m,):
        return f"Your lesson has shape {tuple(lesson.shape)}; {m} of each of {c} classes make ({c * m},)."
    if lesson.min() < 0 or lesson.max() >= len(labels):
        return f"A position is not in the pool, whose {len(labels)} pictures count from 0."
    if len(lesson.unique()) < len(lesson):
        return "A picture is in your lesson twice. The second time it teaches nothing new."
    counts = torch.bincount(labels[lesson], minlength=c)
    if (counts != m).any():
        worst = int((counts - m).abs().argmax())
        hint = (
            " Did you take positions within a class for positions in the pool?"
            if lesson.max() < len(labels) / c
            else ""
        )
        return f"Of class {worst} your lesson has {int(counts[worst])}; {m} of each class are wanted.{hint}"
    return ""


def made_up_task():
    """Four classes; a third of the pool, and the whole end of it, looks like pictures of another class."""
    centres, words = 3 * torch.eye(4, 12), random_tensor(4, 8, seed=90)

    def split(n, seed, odd=0.0):
        labels = torch.arange(n) % 4
        astray = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < odd
        seen = torch.where(astray, (labels + 1) % 4, labels)
        return centres[seen] + 0.9 * random_tensor(n, 12, seed=seed + 1), labels

    anchors = random_tensor(60, 12, seed=91), random_tensor(60, 8, seed=92)
    return LessonTask(anchors, split(120, 93, odd=0.35), words, split(100, 95), split(200, 97), per_class=2)
