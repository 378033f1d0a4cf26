"""The open investigation of chapter 06: a wrong decision of the model, explained with evidence that can be checked."""

from functools import cached_property

import numpy as np
import torch

from .judging import Verdict, call, exercise, form_problem, kind_of, no_longer, right, wrong

MOST = 12
"""Anchors that an explanation may name: a reader takes in no more."""
PATIENCE = 12
"""How many times the usual limit a search may take: each question to the bank is a pass over all of it."""
SLOW = (
    "Each call of `task.without` asks the whole bank about all pictures; ask about fewer sets of anchors, the "
    "promising ones first."
)


class FailureTask:
    """Pictures with their classes, and what the model says of them with and without some anchors.

    Parameters
    ----------
    model : ASIF
    z : Tensor of shape (q, d_image)
        Embeddings of the pictures.
    prompts : Tensor of shape (c, d_text)
        Embeddings of one prompt for each class.
    labels : array-like of shape (q,)
        The true classes, as positions in `classes`.
    classes : list of str
    taken : sequence of int
        Pictures that the chapter has explained already.

    Attributes
    ----------
    predicted : ndarray of shape (q,)
        The classes given; -1 where nothing decides.
    """

    def __init__(self, model, z, prompts, labels, classes, taken=()):
        self.model, self.z, self.prompts = model, z, prompts
        self.labels, self.classes, self.taken = np.asarray(labels), list(classes), frozenset(taken)
        self.predicted = _best(self.images.similarity(self.texts))

    @cached_property
    def images(self):
        return self.model.images(self.z)

    @cached_property
    def texts(self):
        return self.model.texts(self.prompts)

    @property
    def wrong(self) -> list:
        """The pictures with a wrong class that are still to be explained."""
        return [i for i in np.flatnonzero(self.predicted != self.labels).tolist() if i not in self.taken]

    def speaking_for(self, picture, gone=()) -> list:
        """Return the anchors that contribute to the label of this picture, the largest contribution first.

        Parameters
        ----------
        picture : int
        gone : sequence of int
            Anchors that are taken away before; the label is the one that the picture gets without them.

        Raises
        ------
        ParameterError
            As `counterfactual.without`.
        """
        from asif_lib.explain.contribution import contributions
        from asif_lib.explain.counterfactual import without

        left = without(self.model, self.z[[picture]], self.prompts, gone)
        given = int(_best(left.scores)[0])
        return contributions(left.images, left.texts[[given]]).anchor.tolist() if given >= 0 else []

    def without(self, anchors) -> np.ndarray:
        """Return the classes given to all pictures without these anchors, (q,); -1 where nothing decides.

        Raises
        ------
        ParameterError
            As `counterfactual.without`.
        """
        from asif_lib.explain.counterfactual import without

        return _best(without(self.model, self.z, self.prompts, anchors).scores)


@exercise("06.6", "A failure of your own")
def check_own_failure(function, task=None) -> Verdict:
    """A wrong decision, the anchors without which it is right, and what their removal costs elsewhere.

    Parameters
    ----------
    task : FailureTask
        Left out, a tiny made-up one.
    """
    task = made_up_task() if task is None else task
    if verdict := no_longer("task", task, FailureTask):
        return verdict
    result, failed = call(function, (task,), "In your investigation", patience=PATIENCE, advice=SLOW)
    return failed or _judge(result, task)


def _judge(result, task):
    if problem := _form(result, task):
        return wrong(problem)
    picture, anchors, harmed = int(result[0]), [int(a) for a in result[1]], int(result[2])
    given, true = (task.classes[x[picture]] if x[picture] >= 0 else None for x in (task.predicted, task.labels))
    if given == true:
        return wrong(f"Picture {picture} got {_said(given)}, which is right; explain a wrong one, from `task.wrong`.")
    if picture in task.taken:
        return wrong(f"The chapter has repaired picture {picture} already; take another from `task.wrong`.")
    changed = task.without(anchors)
    if changed[picture] != task.labels[picture]:
        return wrong(_not_repaired(picture, anchors, given, changed, task))
    for anchor in anchors:
        rest = [a for a in anchors if a != anchor]
        if rest and task.without(rest)[picture] == task.labels[picture]:
            return wrong(
                f"Anchor {anchor} is not needed: without the other {len(rest)} alone the label is right as well. Name "
                "no more than it takes."
            )
    was_right, is_right = task.predicted == task.labels, changed == task.labels
    if problem := _other_harm(harmed, was_right, is_right):
        return wrong(problem)
    return right(
        f"Your evidence holds. Picture {picture} was called {_said(given)}; without {_count(anchors)} it is called "
        f"{_said(true)}, which is right, and each of them is needed. Of {int(was_right.sum())} other pictures that "
        f"were right, {harmed} became wrong."
    )


def _not_repaired(picture, anchors, given, changed, task):
    now = task.classes[changed[picture]] if changed[picture] >= 0 else None
    if now == given:
        return (
            f"Without {_count(anchors)} picture {picture} still gets {_said(given)}. When anchors go, others enter in "
            "their place."
        )
    return (
        f"Without {_count(anchors)} picture {picture} gets {_said(now)}: another label, and not the right one. Which "
        "anchors speak for that one?"
    )


def _other_harm(harmed, was_right, is_right):
    """What is wrong with the number of pictures that suffer, or an empty string; the right number is not told."""
    if harmed == int((was_right & ~is_right).sum()):
        return ""
    told = f"You say that {harmed} right pictures become wrong, and a recount finds another number"
    if harmed == int((~was_right & is_right).sum()):
        return f"{told}; yours is the number of those that become right."
    if harmed == int((~is_right).sum()):
        return f"{told}; yours is the number of all that are wrong afterwards, whatever they were before."
    if harmed == int(was_right.sum()) - int(is_right.sum()):
        return f"{told}; yours is what is left when those that become right are taken off. Tell the harm by itself."
    return f"{told}. Count the pictures whose label was right with all anchors and is not without yours."


def _form(result, task):
    """What is wrong with the form of the evidence, or an empty string."""
    if result is None or callable(result):
        return form_problem(result, ())
    if not isinstance(result, tuple | list) or len(result) != 3:
        return form_problem(result, ()) or (
            f"Your function returned {kind_of(result)}; a tuple of three things is wanted: the picture, the anchors, "
            "and how many right pictures become wrong."
        )
    picture, anchors, harmed = result
    numbers = {"picture": picture, "harmed": harmed}
    for name, value in numbers.items():
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            value = value.item()
        if not isinstance(value, int | float | np.integer) or value != int(value):
            return f"`{name}` is a {type(value).__name__}; a whole number is wanted."
    if not 0 <= int(picture) < len(task.labels):
        return f"There is no picture {int(picture)}; they are 0 to {len(task.labels) - 1}."
    if not isinstance(anchors, tuple | list | set | np.ndarray | torch.Tensor):
        return f"The anchors are a {type(anchors).__name__}; a list of positions is wanted."
    anchors = [int(a) for a in anchors]
    if not anchors:
        return "You name no anchor; find those without which the label is right."
    if len(anchors) > MOST:
        return f"You name {len(anchors)} anchors, more than a reader can judge; at most {MOST}."
    n = len(task.model.bank)
    if len(set(anchors)) < len(anchors) or not all(0 <= a < n for a in anchors):
        return f"Name anchors of the bank, 0 to {n - 1}, each once."
    return ""


def _said(label):
    return "no label" if label is None else f"“{label}”"


def _count(anchors):
    return "this anchor" if len(anchors) == 1 else f"these {len(anchors)} anchors"


def _best(scores):
    best, where = scores.max(dim=1)
    return torch.where(best > 0, where, -1).numpy()


def made_up_task():
    """Forty pictures of three classes over sixty anchors, some with a caption that belongs to another."""
    import pandas as pd

    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.encoders.identity import EncoderIdentity
    from asif_lib.zeroshot import ASIF

    random = torch.Generator().manual_seed(67)

    def noisy(kinds, centres, noise):
        return centres[kinds] + noise * torch.randn(len(kinds), centres.shape[1], generator=random)

    pictures, words = (torch.randn(3, d, generator=random) for d in (8, 7))
    kinds, labels = torch.arange(60) % 3, torch.arange(40) % 3
    said = torch.where(torch.arange(60) % 7 == 0, (kinds + 1) % 3, kinds)
    pairs = pd.DataFrame(
        {"id": [str(i) for i in range(60)], "caption": [f"a thing of kind {i}" for i in said.tolist()]}
    )
    identities = [EncoderIdentity(kind, "made up", "check", "0", "", d) for kind, d in (("image", 8), ("text", 7))]
    bank = AnchorBank("made up", noisy(kinds, pictures, 1.0), noisy(said, words, 1.0), pairs, *identities)
    return FailureTask(
        ASIF(bank, 10, 2, device="cpu"), noisy(labels, pictures, 1.2), words, labels, ["red", "green", "blue"]
    )
