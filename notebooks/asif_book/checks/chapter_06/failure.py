"""The open investigation of chapter 06: a wrong decision of the model, explained with evidence that can be checked."""

from functools import cached_property

import numpy as np
import pandas as pd
import torch

from asif_lib.bank.anchors import AnchorBank
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.explain.contribution import contributions
from asif_lib.explain.counterfactual import without
from asif_lib.zeroshot import ASIF

from ..exercise import investigation
from ..judging import Verdict, ask, kind_of, refuse, right

MOST = 12
"""Anchors that an explanation may name: a reader takes in no more."""
PATIENCE = 12
"""How many times the usual limit a search may take: each question to the bank is a pass over all of it."""
SLOW = "Each call of `task.without` asks the whole bank about all pictures; ask about fewer sets of anchors."


class FailureTask:
    """Pictures with their classes, and the model's labels with and without some anchors.

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
    """

    def __init__(self, model, z, prompts, labels, classes, taken=()):
        self.model, self.z, self.prompts = model, z, prompts
        self.labels, self.classes, self.taken = np.asarray(labels), list(classes), frozenset(taken)
        self.predicted = best_label(self.images.similarity(self.texts))
        """The classes given, (q,); -1 where nothing decides."""

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

        The label is the one without the anchors `gone`. Errors as of `counterfactual.without`.
        """
        left = without(self.model, self.z[[picture]], self.prompts, gone)
        given = int(best_label(left.scores)[0])
        return contributions(left.images, left.texts[[given]]).anchor.tolist() if given >= 0 else []

    def without(self, anchors) -> np.ndarray:
        """Return the classes given to all pictures without these anchors, (q,); errors as `counterfactual.without`."""
        return best_label(without(self.model, self.z, self.prompts, anchors).scores)

    @classmethod
    def made_up(cls):
        """Make forty pictures of three classes over sixty anchors, some with a caption that belongs to another."""
        random = torch.Generator().manual_seed(67)

        def noisy(kinds, centres, noise):
            return centres[kinds] + noise * torch.randn(len(kinds), centres.shape[1], generator=random)

        pictures, words = (torch.randn(3, d, generator=random) for d in (8, 7))
        kinds, labels = torch.arange(60) % 3, torch.arange(40) % 3
        said = torch.where(torch.arange(60) % 7 == 0, (kinds + 1) % 3, kinds)
        pairs = pd.DataFrame(
            {"id": [str(i) for i in range(60)], "caption": [f"a thing of kind {i}" for i in said.tolist()]}
        ).assign(picture="", group="")
        identities = [EncoderIdentity(kind, "made up", "check", "0", "", d) for kind, d in (("image", 8), ("text", 7))]
        bank = AnchorBank("made up", noisy(kinds, pictures, 1.0), noisy(said, words, 1.0), pairs, *identities)
        model = ASIF(bank, 10, 2, device="cpu")
        return cls(model, noisy(labels, pictures, 1.2), words, labels, ["red", "green", "blue"])


def best_label(scores):
    best, where = scores.max(dim=1)
    return torch.where(best > 0, where, -1).numpy()


@investigation("06.6", "A failure of your own", FailureTask)
def check_own_failure(function, task) -> Verdict:
    """Look whether the label is right without the student's anchors, and what their removal costs elsewhere."""
    result = ask(function, (task,), "In your investigation", like=(), patience=PATIENCE, advice=SLOW)
    picture, anchors, harmed = evidence(result, task)
    given, true = (said(labels[picture], task) for labels in (task.predicted, task.labels))
    if given == true:
        refuse(f"Picture {picture} got {given}, which is right; give the row of one from `task.wrong`.")
    if picture in task.taken:
        refuse(f"The chapter has repaired picture {picture} already; take another from `task.wrong`.")
    after = task.without(anchors)
    removed = "this anchor" if len(anchors) == 1 else f"these {len(anchors)} anchors"
    told = f"Without {removed} picture {picture}"
    if (now := said(after[picture], task)) == given:
        refuse(f"{told} still gets {given}. When anchors go, others enter in their place.")
    if now != true:
        refuse(f"{told} gets {now}: another label, and not the right one. Which anchors speak for that one?")
    for anchor in anchors:
        rest = [a for a in anchors if a != anchor]
        if rest and task.without(rest)[picture] == task.labels[picture]:
            refuse(f"Anchor {anchor} is not needed: the label is right when only the other {len(rest)} go.")
    was_right, is_right = task.predicted == task.labels, after == task.labels
    refuse_other_harm(harmed, was_right, is_right)
    return right(
        f"Your evidence holds. {told} is called {true}, no longer {given}, and each of them is needed. Of "
        f"{int(was_right.sum())} other pictures that were right, {harmed} became wrong."
    )


def said(label, task):
    return f"“{task.classes[label]}”" if label >= 0 else "no label"


def refuse_other_harm(harmed, was_right, is_right):
    """Refuse another number of pictures that suffer, without the right number."""
    if harmed == int((was_right & ~is_right).sum()):
        return
    usual = {
        "; yours is the number of those that become right.": (~was_right & is_right).sum(),
        "; yours is the number of all that are wrong afterwards, whatever they were before.": (~is_right).sum(),
        "; in yours those that become right were taken off. Count the harm alone.": was_right.sum() - is_right.sum(),
    }
    otherwise = ". Count the pictures whose label was right with all anchors and is not without yours."
    why = next((why for why, number in usual.items() if harmed == number), otherwise)
    refuse(f"You say that {harmed} right pictures become wrong, and a recount finds another number{why}")


def evidence(result, task):
    """Return the picture, the anchors and the number of pictures harmed, as whole numbers."""
    if not isinstance(result, tuple | list) or len(result) != 3:
        wanted = "the picture, the anchors, and how many right pictures become wrong"
        refuse(f"Your function returned {kind_of(result)}; a tuple of three things is wanted: {wanted}.")
    picture, harmed = whole_number("picture", result[0]), whole_number("harmed", result[2])
    if not 0 <= picture < len(task.labels):
        refuse(f"There is no picture {picture}; they are 0 to {len(task.labels) - 1}.")
    if not isinstance(result[1], tuple | list | set | np.ndarray | torch.Tensor):
        refuse(f"The anchors are {kind_of(result[1])}; a list of positions is wanted.")
    anchors, n = [int(a) for a in result[1]], len(task.model.bank)
    if not anchors:
        refuse("You name no anchor; find those without which the label is right.")
    if len(anchors) > MOST:
        refuse(f"You name {len(anchors)} anchors, more than a reader can judge; at most {MOST}.")
    if len(set(anchors)) < len(anchors) or not all(0 <= a < n for a in anchors):
        refuse(f"Name anchors of the bank, 0 to {n - 1}, each once.")
    return picture, anchors, harmed


def whole_number(name, value):
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if not isinstance(value, int | float | np.integer) or value != int(value):
        refuse(f"`{name}` is {kind_of(value)}; a whole number is wanted.")
    return int(value)


FOR_NOTEBOOKS = [FailureTask]
