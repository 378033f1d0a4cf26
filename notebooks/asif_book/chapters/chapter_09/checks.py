"""Checks of chapter 09, the paper: Holm, offsets of hubs, inverted softmax, Sinkhorn, a setting where a rival wins."""

import copy
import functools

import numpy as np
import torch
import torch.nn.functional as F

from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse
from asif_book.checks.proof import HeldOutTask, lowest, prove, refuse_unmeasured
from asif_lib.machine import for_small_matrices


def holm(p_values):
    order = p_values.argsort()
    factors = torch.arange(len(p_values), 0, -1)
    corrected = (p_values[order] * factors).cummax(dim=0).values.clamp_max(1)
    return torch.empty_like(corrected).scatter(0, order, corrected)


cases = [
    (torch.tensor([0.01, 0.04, 0.03]),),
    (torch.tensor([0.003, 0.02, 0.0004, 0.011, 0.3, 0.012, 0.6]),),
    (torch.tensor([0.5, 0.6, 0.2, 0.9]),),  # some become larger than 1
    (torch.tensor([0.02, 0.3, 0.02, 0.02]),),
    (torch.tensor([0.03]),),
    (torch.rand(9, generator=torch.Generator().manual_seed(91)).pow(3),),
]
FACTORS, BACK = "torch.arange(len(p_values), 0, -1)", "torch.empty_like(corrected).scatter(0, order, corrected)"
FROM_THE_END = ".cummax(dim=0).values", ".flip(0).cummin(dim=0).values.flip(0)"

mistakes = {
    "You multiplied every p-value by m. That is Bonferroni's correction: it holds, too, but it is stricter than "
    "needed. Only the smallest gets the factor m, the next m - 1, and so on.": but(FACTORS, "len(p_values)"),
    "You gave the smallest p-value the factor 1. It gets the largest factor, m.": but(FACTORS, f"{FACTORS}.flip(0)"),
    "The factors go from m down to 1; yours are off by one.": (
        but(FACTORS, f"{FACTORS} - 1"),
        but(FACTORS, f"{FACTORS} + 1"),
    ),
    "Sort the p-values before they get factors.": (
        but("p_values.argsort()", "torch.arange(len(p_values))"),
        lambda p: (p * torch.arange(len(p), 0, -1)).clamp_max(1),
    ),
    "A larger p-value became smaller than one before it. From the smallest to the largest, take the running "
    "maximum.": but(".cummax(dim=0).values", ""),
    "Take a running maximum from the smallest up, no minimum from the end.": but(*FROM_THE_END),
    "That is the correction of Benjamini and Hochberg. It bounds the share of false discoveries, and Holm's bounds the "
    "chance of a single one.": but(FACTORS, f"len(p_values) / {FACTORS}.flip(0)", *FROM_THE_END),
    "Entry i of the sorted values belongs at place order[i].": but(BACK, "corrected[order]"),
}
check_holm = Exercise("09.1", "Many comparisons", holm, cases, mistakes)


def hub_offsets(cosines, m, strength):
    closeness = cosines.topk(m + 1, dim=1).values[:, 1:].mean(dim=1)
    return strength * (closeness - closeness.mean())


def cosines_between(n, d, seed, twins=0):
    rows = F.normalize(random_tensor(n, d, seed=seed), dim=1)
    rows[:twins] = rows[0]
    return rows @ rows.T


cases = [
    (cosines_between(6, 3, 100), 2, 0.5),
    (cosines_between(12, 4, 101), 4, 0.25),
    (cosines_between(9, 5, 102, twins=4), 3, 0.5),  # four copies of an anchor
    (cosines_between(5, 3, 103), 3, 1.0),
]
NEAR = "cosines.topk(m + 1, dim=1).values[:, 1:]"

mistakes = {
    "The nearest anchor is the anchor itself, with cosine 1. Leave it out.": but("m + 1", "m", "[:, 1:]", ""),
    "You took the nearest others and the anchor itself; drop the first of the m + 1 largest.": but("[:, 1:]", ""),
    "You put 0 in the place of the anchor itself, so it still counts where fewer than m cosines are positive; put -inf "
    "there.": but(NEAR, "cosines.clone().fill_diagonal_(0).topk(m, dim=1).values"),
    "Without the average nearly every cosine falls, not only hubs.": but(" - closeness.mean()", ""),
    "The strength belongs to both terms.": but("(closeness - closeness.mean())", "closeness - closeness.mean()"),
    "You took the m anchors that are farthest away.": but(NEAR, "cosines.topk(m, dim=1, largest=False).values"),
}
check_hub_offsets = Exercise("09.2", "What a hub pays", hub_offsets, cases, mistakes, notes={3: "with four copies"})


def inverted_softmax(scores, bank, beta):
    return beta * scores - torch.logsumexp(beta * bank, dim=0)


def without_the_mean_of_the_row(corrected, *case):
    """A number that is added to a whole row moves no label past another; so it does not count."""
    return corrected - corrected.mean(dim=1, keepdim=True) if torch.is_tensor(corrected) else corrected


cases = [
    (random_tensor(4, 5, seed=92) / 3, random_tensor(5, 5, seed=93) / 3, 10.0),
    (random_tensor(6, 3, seed=94).abs(), random_tensor(40, 3, seed=95).abs(), 2.0),
    (random_tensor(1, 4, seed=96) / 4, random_tensor(30, 4, seed=97) / 4, 5.0),  # one picture, alone
    (1 + random_tensor(5, 3, seed=98) / 9, 1 + random_tensor(20, 3, seed=99) / 9, 200.0),  # exp(200) overflows
]
mistakes = {
    "Your exponentials overflow where β is large. Use torch.logsumexp: it subtracts the largest "
    "first.": lambda scores, bank, beta: beta * scores - (beta * bank).exp().sum(dim=0).log(),
    "In each row the labels keep their order, so nothing is corrected. The usual softmax divides by a sum over the "
    "labels; the inverted one divides each label by its sum over the bank.": lambda scores, bank, beta: beta * scores,
    "You summed over the pictures that are asked. Then the answer to one depends on the others: that is transductive. "
    "Sum over the bank's pictures.": but("beta * bank", "beta * scores"),
    "You summed over the labels of each of the bank's pictures; sum over its pictures, dim=0.": but("dim=0", "dim=1"),
    "β belongs to both terms.": (but("beta * bank", "bank"), but("beta * scores", "scores")),
    "A mean hides the large scores; take logsumexp.": but("logsumexp", "mean"),
    "The sum of exponentials counts all scores, not the largest alone.": but("logsumexp", "amax"),
    "Subtract the logarithm of the sum.": but("torch.logsumexp(", "torch.exp(torch.logsumexp(", "dim=0)", "dim=0))"),
    "The order is right, but return the logarithm. The ratio itself overflows where β is "
    "large.": lambda scores, bank, beta: (beta * scores).exp() / (beta * bank).exp().sum(dim=0),
}
check_inverted_softmax = Exercise(
    "09.3", "The inverted softmax", inverted_softmax, cases, mistakes,
    atol=1e-3, notes={3: "one picture alone", 4: "with β = 200"}, view=without_the_mean_of_the_row,
)  # fmt: skip


def sinkhorn_round(weights):
    weights = weights / weights.sum(dim=0)
    return weights / weights.sum(dim=1, keepdim=True)


cases = [(random_tensor(q, c, seed=seed).exp(),) for seed, (q, c) in enumerate([(3, 3), (5, 2), (2, 6), (7, 4)], 110)]
mistakes = {
    "You scaled the rows first and then the columns. Then the rows do not sum to 1 in the end: the columns come "
    "first.": but("dim=0", "dim=9, keepdim=True", "dim=1", "dim=0", "dim=9", "dim=1"),
    "Rows only: that is the usual softmax, and no label is held back.": but("weights / weights.sum(dim=0)", "weights"),
    "Sum the rows after the columns are scaled.": lambda w: w / w.sum(dim=0) / w.sum(dim=1, keepdim=True),
    "You did it more than once; one round is wanted.": tuple(
        lambda w, rounds=rounds: functools.reduce(lambda v, _: sinkhorn_round(v), range(rounds), w)
        for rounds in (2, 100)
    ),
}
check_sinkhorn = Exercise("09.4", "One round of Sinkhorn", sinkhorn_round, cases, mistakes)


class RivalTask(HeldOutTask):
    """Methods that are fitted on the first n of some pairs, and pictures to classify: is a rival better than ASIF?

    A choice is the name of a rival and a number of pairs.

    Parameters
    ----------
    reference : Method
        The method to beat, not fitted yet.
    rivals : dict of str to Method
    sizes : sequence of int
        The numbers of pairs that may be chosen.
    pairs : (Tensor of shape (n, d_image), Tensor of shape (n, d_text))
    prompts : Tensor of shape (c, d_text)
    validation, test : (Tensor of shape (q, d_image), array of shape (q,))
    """

    def __init__(self, reference, rivals, sizes, pairs, prompts, validation, test):
        super().__init__(*((z, torch.as_tensor(labels)) for z, labels in (validation, test)))
        self.methods, self.sizes, self.pairs, self.prompts = {"": reference, **rivals}, list(sizes), pairs, prompts
        self._found = {}

    @property
    def rivals(self) -> list:
        """The names that may be chosen."""
        return list(self.methods)[1:]

    @classmethod
    def made_up(cls):
        """Make four classes in noise: a linear map finds them, the nearest anchor alone hardly does."""
        centres, words = 2 * torch.eye(4, 12), F.one_hot(torch.arange(4), 6).float()

        def split(n, seed):
            labels = torch.arange(n) % 4
            return centres[labels] + random_tensor(n, 12, seed=seed), labels

        from asif_lab.baselines import NearestAnchorCaption, Procrustes, Ridge  # scikit-learn takes a second

        z, labels = split(120, 98)
        rivals = {"ridge": Ridge(), "one direction": Procrustes(dim=1)}
        sides = (z, words[labels]), words, split(200, 99), split(400, 100)
        return cls(NearestAnchorCaption(), rivals, (20, 60, 120), *sides)

    def measure(self, rival, n):
        """Return for each validation picture the rival's result minus the reference's: 1, 0 or -1, (q,) float32."""
        if problem := choice_problem((rival, n), self.rivals, self.sizes):
            raise ValueError(problem)
        own, reference = self._right((rival, n), "validation"), self._to_beat((rival, n), "validation")
        differences = own.float() - reference.float()
        self.measured[rival, int(n)] = float(differences.mean())
        return differences

    def _to_beat(self, choice, split):
        return self._right(("", choice[1]), split)

    def _right(self, choice, split):
        if (choice, split) not in self._found:
            name, n = choice
            z, labels = self._splits[split]
            with for_small_matrices():
                fitted = copy.deepcopy(self.methods[name]).fit(*(side[:n] for side in self.pairs))
                decided = fitted.similarity(z, self.prompts).argmax(dim=1)
            self._found[choice, split] = decided == labels
        return self._found[choice, split]


PATIENCE = 6
"""How many times the usual limit the search may take: some methods are trained."""


@investigation("09.5", "Where the rival wins", RivalTask)
def check_rival(function, task) -> Verdict:
    """Compare the student's choice with the reference on the validation pictures, then on the test pictures."""
    task.measured.clear()
    rival, n = ask(
        function, (task.rivals, task.sizes, task.measure), "In your investigation", like=("", 0), patience=PATIENCE,
        form=lambda choice: choice_problem(choice, task.rivals, task.sizes),
        advice="Each setting need be measured only once. Does every loop come to an end?",
    )  # fmt: skip
    choice = rival, int(n)
    refuse_unmeasured(choice, task.measured, "setting", "validation pictures")
    gain = 100 * task.measured[choice]
    if gain <= 0:
        refuse(
            f"On the validation pictures {rival} with {n} pairs is {gain:+.1f} points from ASIF, so it is not ahead."
            f"{lowest(choice, task.measured)} The test pictures stay closed: look for another setting."
        )
    own, reference = (found.double() for found in task.open_test(choice))
    return prove(
        (own - reference).numpy(),
        task.looks,
        f"Validation: {gain:+.1f} points. Test, {len(own)} pictures, {n} pairs: {own.mean():.1%} with "
        f"{rival}, {reference.mean():.1%} with ASIF",
        above="here the rival wins.",
        below="the rival's lead on validation is a loss here.",
        between="the lead may be luck. For a proof, look for a setting with a larger lead on the validation pictures.",
    )


def choice_problem(choice, rivals, sizes) -> str:
    """Describe what is wrong with the form of a choice, or return an empty string.

    >>> choice_problem(("ridge", 7), ["ridge"], [50, 100])
    'The number of pairs 7 is not one of 50, 100.'
    """
    if not isinstance(choice, tuple | list) or len(choice) != 2:
        return f"Your function returned {kind_of(choice)}; a rival's name and a number of pairs are wanted."
    rival, n = choice
    if not isinstance(rival, str) or rival not in rivals:
        return f"The rival {rival!r} is not one of {', '.join(rivals)}."
    if not isinstance(n, int | np.integer | torch.Tensor) or n not in sizes:
        return f"The number of pairs {n!r} is not one of {', '.join(map(str, sizes))}."
    return ""


FOR_NOTEBOOKS = [RivalTask]
