"""The open investigation of chapter 05: a wording of the prompts that beats another, with proof."""

import re

import torch

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.relative import unit_rows

from ..exercise import investigation
from ..judging import Verdict, ask, kind_of, refuse
from ..proof import HeldOutTask, confidence, prove, refuse_unmeasured


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

    confidence = staticmethod(confidence)
    _key = staticmethod(str)

    def __init__(self, model, classes, validation, test, template=DEFAULT_TEMPLATE):
        super().__init__(*((model.images(z), torch.as_tensor(labels)) for z, labels in (validation, test)))
        self.model, self.classes, self.template = model, list(classes), template

    @property
    def baseline(self):
        """The prompts to beat, one for each class."""
        return [[self.template.replace("{}", name)] for name in self.classes]

    def _to_beat(self, split):
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
    """Compare the student's wording with the task's on the validation split, then on the test split."""
    shares = {}

    def measure(prompts):
        hits = task.measure(prompts)
        shares[str(plain(prompts))] = float(hits.float().mean())
        return hits

    def problem(prompts):
        return prompts_problem(prompts, task.classes)

    given, form = (list(task.classes), measure), {"like": [""], "form": problem}
    prompts = plain(ask(function, given, "In your investigation", advice=TOO_MANY, **form))
    refuse_careless_choice(prompts, shares, task)
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
        between="the gain may be luck. That is a result, too. Look for a larger gain on the validation split.",
    )


def plain(prompts):
    return [list(texts) for texts in prompts]


def refuse_careless_choice(prompts, shares, task):
    """Refuse anything but the best of at least two measured wordings, and the one to beat."""
    refuse_unmeasured(str(prompts), shares, "wording", "validation split")
    if prompts == task.baseline:
        refuse(f"You return {task.template!r}, which is the wording to beat; try others.")
    chosen, best = shares[str(prompts)], max(shares.values())
    if chosen < best:
        refuse(
            f"You return a wording with {chosen:.1%} on the validation split; another has {best:.1%}: return the best."
        )


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
