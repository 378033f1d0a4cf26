"""The check of chapter 05's open investigation: a wording of the prompts that beats another, with proof."""

import re

import numpy as np
import torch

from .judging import Verdict, call, exercise, form_problem, kind_of, no_longer, right, wrong


class WordingTask:
    """Pictures of a validation and a test split, to be classified by prompts.

    Parameters
    ----------
    model
        Whatever has ``images(z)``, ``texts(prompts)`` and scores of the two, as `ASIF` does.
    classes : list of str
    validation, test : (Tensor of shape (n, d_image), array of shape (n,))
        Embeddings of the pictures, and their classes as positions in `classes`.
    template : str
        The wording to beat.

    Attributes
    ----------
    looks : int
        For how many wordings the test split has been opened.
    """

    def __init__(self, model, classes, validation, test, template="a photo of a {}."):
        self.model, self.classes, self.template = model, list(classes), template
        self._splits = {
            name: (model.images(z), np.asarray(labels))
            for name, (z, labels) in (("validation", validation), ("test", test))
        }
        self._tested = set()

    @property
    def looks(self):
        return len(self._tested)

    @staticmethod
    def confidence(look):
        """How sure the interval of the `look`-th look is, 1 - 0.05 / (look (look + 1)).

        1/2 + 1/6 + 1/12 + … = 1, so the chances of being fooled add up to no more than 0.05, however many looks there
        are.

        >>> round(WordingTask.confidence(1), 3)
        0.975
        """
        return 1 - 0.05 / (look * (look + 1))

    @property
    def baseline(self):
        """The prompts to beat, one for each class."""
        return [[self.template.replace("{}", name)] for name in self.classes]

    def measure(self, prompts) -> torch.Tensor:
        """Return for each validation picture whether it gets its class, (n,) bool, by the mean over its prompts."""
        return torch.from_numpy(self._right(prompts, "validation"))

    def open_test(self, prompts):
        """Return the same for the test split, with these prompts and the baseline's; each new wording is a look."""
        self._tested.add(str(prompts))
        return self._right(prompts, "test"), self._right(self.baseline, "test")

    def _right(self, prompts, split):
        if problem := prompts_problem(prompts, self.classes):
            raise ValueError(problem)
        images, labels = self._splits[split]
        scores = images.similarity(self.model.texts([text for texts in prompts for text in texts]))
        means = [part.mean(dim=1) for part in scores.split([len(texts) for texts in prompts], dim=1)]
        return torch.stack(means, dim=1).argmax(dim=1).numpy() == labels


@exercise("05.6", "A wording that helps")
def check_wording(function, task=None) -> Verdict:
    """Find a wording of the prompts that helps, and prove it.

    Parameters
    ----------
    task : WordingTask
        Left out, a tiny made-up one, whose pictures "show" words.
    """
    task = made_up_task() if task is None else task
    if verdict := no_longer("task", task, WordingTask):
        return verdict
    measured = []

    def measure(prompts):
        right_ones = task.measure(prompts)
        measured.append((_plain(prompts), float(right_ones.float().mean())))
        return right_ones

    prompts, failed = call(function, (list(task.classes), measure), "In your investigation")
    if failed:
        return failed
    problem = (
        form_problem(prompts, [""])
        or prompts_problem(prompts, task.classes)
        or _choice_problem(prompts, measured, task)
    )
    if problem:
        return wrong(problem)
    better, before = task.measure(prompts).numpy(), task.measure(task.baseline).numpy()
    if better.mean() <= before.mean():
        return wrong(
            f"On the validation split your wording reaches {better.mean():.1%}, and {task.template!r} "
            f"{before.mean():.1%}. The test split stays closed: go on trying on the validation split."
        )
    return _proof(task, prompts, better.mean() - before.mean())


def _proof(task, prompts, gain):
    """The verdict of the test split, stricter with every look."""
    after, before = task.open_test(prompts)
    differences = after.astype(float) - before
    gap, level = differences.mean(), 1 - task.confidence(task.looks)
    low, high = np.quantile(_means(differences), [level / 2, 1 - level / 2])
    found = (
        f"Validation: {100 * gain:+.1f} points. Test, {len(after)} pictures: {before.mean():.1%} with "
        f"{task.template!r}, {after.mean():.1%} with yours, difference {100 * gap:+.1f} points, "
        f"{100 * (1 - level):.4g} % interval {100 * low:+.1f} to {100 * high:+.1f}."
    )
    looks = (
        ""
        if task.looks == 1
        else f" This was look {task.looks} at the test split, so the interval is one of 100 % less 5 % divided by "
        f"{task.looks} · {task.looks + 1}: who looks often will find something by luck."
    )
    if low > 0:
        return right(f"{found} The whole interval lies above 0: your wording helps.{looks}")
    if high < 0:
        return wrong(f"{found} The whole interval lies below 0: what helped on validation harms here.{looks}")
    return wrong(
        f"{found} The interval holds 0: the gain may be luck. That is a result, too, though not yet a proof. Look for "
        f"a larger gain on the validation split.{looks}"
    )


def _means(items, resamples=10_000, seed=0):
    draws = np.random.default_rng(seed).integers(len(items), size=(resamples, len(items)))
    return items[draws].mean(axis=1)


def _choice_problem(prompts, measured, task):
    """What is wrong with the way to the choice, or an empty string."""
    tried = {str(p): value for p, value in measured}
    if len(tried) < 2:
        return (
            f"You measured {len(tried)} wording{'' if len(tried) == 1 else 's'} on the validation split; an "
            "investigation compares at least two."
        )
    if str(_plain(prompts)) not in tried:
        return "You return a wording that you did not measure on the validation split; measure it, then choose."
    best = max(tried.values())
    if _plain(prompts) == task.baseline:
        return f"You return {task.template!r}, which is the wording to beat; try others."
    if tried[str(_plain(prompts))] < best:
        return (
            f"Among the wordings that you measured, one reaches {best:.1%} on the validation split and the one that "
            f"you return {tried[str(_plain(prompts))]:.1%}: return the best."
        )
    return ""


def prompts_problem(prompts, classes):
    """What is wrong with the form of the prompts, or an empty string.

    >>> prompts_problem([["a cat"], "a dog"], ["cat", "dog"])
    "The prompts of 'dog' are a str; a list of strings is wanted for each class."
    """
    if not isinstance(prompts, tuple | list):
        return f"The prompts are {kind_of(prompts)}; a list with one list of strings for each class is wanted."
    if len(prompts) != len(classes):
        return (
            f"Your prompts hold {len(prompts)} and there are {len(classes)} classes; one list for each class is wanted."
        )
    for name, texts in zip(classes, prompts, strict=True):
        if not isinstance(texts, tuple | list):
            return f"The prompts of {name!r} are {kind_of(texts)}; a list of strings is wanted for each class."
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            return f"The prompts of {name!r} are empty, or not all are strings."
        if any("{}" in text for text in texts):
            return f"A prompt of {name!r} still has {{}} in it: put the name of the class there."
    return ""


def _plain(prompts):
    return [list(texts) for texts in prompts]


class WordModel:
    """Stands for a model in the made-up task: texts and pictures are counts of words, compared by cosine."""

    def __init__(self, words):
        self.words = words

    def images(self, z):
        return Counts(z)

    def texts(self, prompts):
        rows = [[re.findall(r"[a-z]+", text.lower()).count(word) for word in self.words] for text in prompts]
        return Counts(torch.tensor(rows, dtype=torch.float32))


class Counts:
    def __init__(self, rows):
        self.rows = torch.nn.functional.normalize(rows, dim=1)

    def similarity(self, other):
        return self.rows @ other.rows.T


def made_up_task():
    """Three hundred "pictures" of three classes that show a part of the thing more clearly than its name."""
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

    return WordingTask(WordModel(words), list(seen), split(100), split(200))
