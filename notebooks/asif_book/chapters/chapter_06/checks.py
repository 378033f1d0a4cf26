"""Checks of chapter 06, interpretability."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from asif_book.chapters.chapter_04.checks import four_steps
from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse, right
from asif_lib.bank.anchors import AnchorBank
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.explain import counterfactual
from asif_lib.explain.contribution import contributions
from asif_lib.zeroshot import ASIF


def contribution(image, prompts):
    return image * prompts.mean(dim=0)


def half_empty(*shape, seed):
    """Draw rows of length 1 without negative entries; about half of the entries are zero."""
    return F.normalize(random_tensor(*shape, seed=seed).relu(), dim=-1)


mistakes = {
    "Sum over the prompts, not over the anchors.": (lambda x, y: y @ x, lambda x, y: (y @ x) / len(y)),
    "You made the mean of the prompts a vector of length 1 again. The mean of the scores needs the mean as it is; "
    "yours add up to another number.": but("prompts.mean(dim=0)", "F.normalize(prompts.mean(dim=0), dim=0)"),
    "You spread the score evenly over the anchors. It adds up, but it says nothing: how much did each contribute?": but(
        "return image * prompts.mean(dim=0)",
        "c = image * prompts.mean(dim=0); return (c > 0) * c.sum() / (c > 0).sum()",
    ),
    "You used the best prompt only; take the mean over all prompts.": lambda x, y: x * y[(y @ x).argmax()],
    "You used the first prompt only.": but("mean(dim=0)", "select(0, 0)"),
}
cases = [(half_empty(30, seed=61 + i), half_empty(m, 30, seed=71 + i)) for i, m in enumerate((3, 1, 5))]
cases.append((half_empty(30, seed=64), half_empty(3, 30, seed=74)[[0, 0, 1, 0, 2]]))  # some prompts are repeated
check_contributions = Exercise("06.1", "Prove that it adds up", contribution, cases, mistakes)


def falls(image, text):
    contributions = image * text
    score = contributions.sum()
    lengths = ((1 - image**2) * (1 - text**2)).sqrt()
    return score - (score - contributions) / lengths


mistakes = {
    "You subtracted the contribution only. Both lists get length 1 again, so the other entries grow.": (
        but(" / lengths", ""),
    ),
    "That is the score without each anchor; return the score minus it.": but("return score - ", "return "),
    "You made only one of the two lists shorter and scaled it again; the anchor leaves both.": (
        but(" * (1 - text**2)", ""),
        but("(1 - image**2) * ", ""),
    ),
    "You divided by the product of the squared lengths; take the root.": but(".sqrt()", ""),
    "A squared length loses the square of the entry, not the entry.": but("image**2", "image", "text**2", "text"),
    "You divided the whole score by the new lengths, but the contribution has left it.": but(
        "(score - contributions)", "score"
    ),
}
cases = [(half_empty(n, seed=80 + n), half_empty(n, seed=90 + n)) for n in (20, 40, 8)]
check_falls = Exercise("06.2", "What would the score lose?", falls, cases, mistakes)


def auc(scores, wrong):
    lower = scores[wrong][:, None] < scores[~wrong][None, :]
    equal = scores[wrong][:, None] == scores[~wrong][None, :]
    return float(lower.double().mean() + equal.double().mean() / 2)


def by_rank(order):
    def area(scores, wrong):
        places, m = order(scores).argsort().double(), int(wrong.sum())
        return float((places[wrong].sum() - m * (m - 1) / 2) / (m * (len(scores) - m)))

    return area


def on_a_grid(steps):
    def auc(scores, wrong):
        flagged = scores < torch.linspace(0, 1, steps)[:, None]
        x, y = (F.pad(flagged[:, group].float().mean(dim=1), (1, 1)) for group in (~wrong, wrong))
        x[-1] = y[-1] = 1
        return float(torch.trapezoid(y, x))

    return auc


DRAW = torch.Generator().manual_seed(65)
PLANTED = torch.rand(60, generator=DRAW) < 0.2
FINE = (torch.rand(60, generator=DRAW) - 0.25 * PLANTED + 0.25) / 1.25

cases = [
    (FINE, PLANTED),
    (FINE / 100, PLANTED),  # a grid from 0 to 1 has nothing between these
    ((5 * FINE).round() / 5, PLANTED),
    (torch.zeros(60), PLANTED),
    (FINE[:20], torch.arange(20) == 7),
    (1 - FINE, PLANTED),  # the wrong pairs score higher
]
mistakes = {
    "A tie counts half, no full point and not nothing.": (but(" + equal.double().mean() / 2", ""), but(" / 2", "")),
    "Tied scores got different ranks, by the order in which they stand; a tie counts half.": (
        by_rank(lambda s: s.argsort(descending=True, stable=True)),
        by_rank(lambda s: s.argsort(stable=True).flip(0)),
        by_rank(lambda s: s.argsort().flip(0)),
    ),
    "You divided by all n² pairs of scores; only the pairs of a wrong and a right one count, so divide by their "
    "number.": but("mean()", "sum() / len(scores) ** 2"),
    "How often is the wrong one below the right one?": lambda s, w: s[~w].mean() - s[w].mean(),
    "You compared each wrong pair with all pairs; compare it with the right ones only.": but("[~wrong]", ""),
    "You compared the i-th wrong pair with the i-th right one only; compare every wrong pair with every right "
    "one.": but("[:, None]", "", "[~wrong][None, :]", "[~wrong][: int(wrong.sum())]"),
    "Compare with every right one, not with their mean.": but("[~wrong][None, :]", "[~wrong].mean()"),
    "That is an accuracy at one threshold; count the combinations of a wrong and a right pair.": (
        lambda s, w: ((s < s.median()) == w).double().mean(),
        lambda s, w: max(((s < t) == w).double().mean() for t in s.unique()),
    ),
    "You went through a grid of thresholds; scores between two of them are not told apart. Compare every wrong pair "
    "with every right one.": tuple(map(on_a_grid, (10, 11, 20, 21, 50, 51, 100, 101, 1000, 1001))),
}
notes = {3: "some scores are tied", 4: "all scores are tied"}
check_rank_auc = Exercise("06.5", "An AUC without thresholds", auc, cases, mistakes, notes=notes)


def without(image, texts, anchor, k, p):
    rest = torch.arange(len(image)) != anchor
    rows = torch.cat([image[None], texts])[:, rest]
    values, indices = rows.topk(k, dim=1)
    values = torch.nn.functional.normalize(values.clamp_min(0) ** p, dim=1)
    vectors = torch.zeros_like(rows).scatter(1, indices, values)
    return vectors[1:] @ vectors[0]


def blanked(image, texts, anchor, k, p, scale=F.normalize):
    """Set the anchor's entries to 0 in the finished vectors: nothing enters in its place."""
    x, y = four_steps(image[None], k, p), four_steps(texts, k, p)
    x[:, anchor] = y[:, anchor] = 0
    return scale(y) @ scale(x)[0]


def subtracted(*case):
    return blanked(*case, scale=torch.clone)


def cosines(n, t, seed):
    """Make cosines with n anchors, of a picture and of t texts that partly agree with it."""
    rows = 0.8 * random_tensor(t + 1, n, seed=seed).tanh()
    return rows[0], 0.6 * rows[0] + 0.5 * rows[1:]


def of_the_strongest(seed, n, t, k, p):
    image, texts = cosines(n, t, seed)
    strongest = (four_steps(image[None], k, p) * four_steps(texts, k, p)).sum(dim=0).argmax()
    return image, texts, int(strongest), k, p


OUTSIDE = cosines(30, 4, 97)

cases = [
    of_the_strongest(90, 30, 4, 5, 2),
    of_the_strongest(91, 30, 4, 5, 8),
    of_the_strongest(92, 40, 3, 8, 1),
    of_the_strongest(93, 12, 3, 10, 2),
    (*OUTSIDE, int(OUTSIDE[0].argmin()), 5, 2),
    (OUTSIDE[0], torch.cat([OUTSIDE[1], -OUTSIDE[1][:1].abs()]), 0, 5, 2),  # a text that is unlike every anchor
]
STAYS = "rows = torch.cat([image[None], texts])[:, rest]"
MASKED = "rows = torch.cat([image[None], texts]); rows[{}, anchor] = -1"
SCALED, POWERS = "torch.nn.functional.normalize(values.clamp_min(0) ** p, dim=1)", "values.clamp_min(0) ** p"

mistakes = {
    "You only took the contribution off the score. Without the anchor the next one enters the top k, and both vectors "
    "are normalised again.": subtracted,
    "You normalised again, but nothing entered in the anchor's place. Each side has k entries: take the anchor away "
    "*before* the top k.": blanked,
    "You kept k - 1 entries of every row. Where the anchor was in the top k, the next one enters; elsewhere nothing "
    "changes. Keep k of the other anchors.": but("topk(k", "topk(k - 1"),
    "The anchor leaves the bank: the texts lose it, too.": but(STAYS, MASKED.format(0)),
    "The anchor leaves the bank: the picture loses it, too.": but(STAYS, MASKED.format("1:")),
    "A vector of zeros has length 0 and score 0.": but(SCALED, f"({POWERS}) / ({POWERS}).norm(dim=1, keepdim=True)"),
}
check_without = Exercise("06.3", "Take one anchor away", without, cases, mistakes)


def flip(image, texts, k, p):
    def scores(keep):
        rows = torch.cat([image[None], texts])[:, keep]
        values, indices = rows.topk(k, dim=1)
        values = torch.nn.functional.normalize(values.clamp_min(0) ** p, dim=1)
        vectors = torch.zeros_like(rows).scatter(1, indices, values)
        return vectors[1:] @ vectors[0]

    n = len(image)
    winner = int(scores(torch.ones(n, dtype=torch.bool)).argmax())
    found, lowest = -1, 0.0
    for anchor in range(n):
        after = scores(torch.arange(n) != anchor).tolist()
        lead = after.pop(winner) - max(after)
        if lead < lowest:
            found, lowest = anchor, lead
    return found


def gives(image, texts, k, p):
    """Return what each anchor contributes to each label, (c, n)."""
    return four_steps(image[None], k, p) * four_steps(texts, k, p)


def no_position(answer, image, *rest):
    try:
        whole = int(answer) == answer
    except (TypeError, ValueError, RuntimeError):
        whole = False
    if not whole:
        return f"Your function returned {kind_of(answer)}; the position of one anchor, a whole number, is wanted."
    n = len(image)
    return "" if -1 <= answer < n else f"Your function returned {int(answer)}; the anchors are 0 to {n - 1}."


def explained(answer, *case):
    """Say why an answer is wrong, without the right one."""
    if answer == -1:
        return "your function says -1, and there is an anchor without which another label wins."
    after, winner = without(case[0], case[1], int(answer), *case[2:]).tolist(), int(gives(*case).sum(dim=1).argmax())
    lead = after.pop(winner) - max(after)
    outcome = f"without your anchor {answer} the old winner's lead is {lead:+.3f}"
    if lead >= 0:
        return f"{outcome}: the label stays as it is."
    return f"{outcome}: the label changes, but without another anchor the old winner lies further behind."


# Seeds and k. Each usual mistake goes wrong in two decisions at least, and no two mistakes answer alike; in the last
# two no single anchor flips the label.
cases = [
    (*cosines(24, 3, seed), k, 2)
    for seed, k in [(1052, 5), (790, 5), (1326, 4), (1002, 5), (862, 4), (352, 5), (889, 4)]
]
START, LEAD, CHOSEN = "found, lowest = -1, 0.0", "after.pop(winner) - max(after)", "found, lowest = anchor, lead"
SECOND = f"second = int(scores(torch.ones(n, dtype=torch.bool)).topk(2).indices[1])\n    {START}"
GIVES, AFTER = "gives(image, texts, k, p)", "scores(torch.arange(n) != anchor)"

mistakes = {
    "You returned the new label. Return the anchor whose removal makes it win.": (
        but(CHOSEN, f"found, lowest = int({AFTER}.argmax()), lead"),
        but("return found", "return winner"),
    ),
    "You return an anchor although no single one flips this decision; say -1.": but(START, "found, lowest = -1, 9.0"),
    "Where several anchors flip the decision, you took the first; take the one that leaves the old winner furthest "
    "behind.": but("lead < lowest", "lead < 0 and found < 0"),
    "Of the anchors that flip it, you took the one with the largest contribution; take the one that leaves the old "
    "winner furthest behind.": but(LEAD, f"{LEAD}\n        lead = -{GIVES}[winner, anchor] - 1 if lead < 0 else 0.0"),
    "You looked for the lowest score of the old winner. What counts is by how much it leads the best of all others.": (
        but(LEAD, "after[winner] - 9"),
        but(LEAD, "(own := after.pop(winner)) - max(after)\n        lead = own - 9 if lead < 0 else 0.0"),
    ),
    "A third label may win: take the best of all others.": but(START, SECOND, LEAD, "after[winner] - after[second]"),
    "You returned the anchor that contributes most to the winner, untested. It may give as much to the others: compute "
    "the scores without each anchor.": but(LEAD, f"-{GIVES}[winner, anchor]"),
    "You tried the anchor that contributes most to the winner, and no other. Another anchor may flip the decision: try "
    "all.": (
        but("in range(n)", f"in [int({GIVES}[winner].argmax())]"),
        but(START, SECOND, "in range(n)", f"in [int(({GIVES}[winner] - {GIVES}[second]).argmax())]"),
    ),
    "You took contributions off the scores. Without an anchor others enter the top k and the lengths change, as in "
    "exercise 06.3.": but(AFTER, "subtracted(image, texts, anchor, k, p)"),
    "You blanked the anchor; another enters, as in 06.3.": but(AFTER, "blanked(image, texts, anchor, k, p)"),
    "Your lead is turned round: without this anchor the winner leads most.": but("lead < lowest", "lead > lowest"),
}
check_flip = Exercise("06.4", "The one that flips it", flip, cases, mistakes, form=no_position, explain=explained)


# 06.6, the open investigation: a wrong decision of the model, explained with evidence that can be checked

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
        self.predicted = best_label(model.images(z).similarity(model.texts(prompts)))
        """The classes given, (q,); -1 where nothing decides."""

    @property
    def wrong(self) -> list:
        """The pictures with a wrong class that are still to be explained."""
        return [i for i in np.flatnonzero(self.predicted != self.labels).tolist() if i not in self.taken]

    def speaking_for(self, picture, gone=()) -> list:
        """Return the anchors that contribute to the label of this picture, the largest contribution first.

        The label is the one without the anchors `gone`. Errors as of `counterfactual.without`.
        """
        left = counterfactual.without(self.model, self.z[[picture]], self.prompts, gone)
        label = int(best_label(left.scores)[0])
        return contributions(left.images, left.texts[[label]]).anchor.tolist() if label >= 0 else []

    def without(self, anchors) -> np.ndarray:
        """Return the classes given to all pictures without these anchors, (q,); errors as `counterfactual.without`."""
        return best_label(counterfactual.without(self.model, self.z, self.prompts, anchors).scores)

    @classmethod
    def made_up(cls):
        """Make forty pictures of three classes over sixty anchors, some with a caption that belongs to another."""
        random = torch.Generator().manual_seed(67)

        def noisy(kinds, centres, noise):
            return centres[kinds] + noise * torch.randn(len(kinds), centres.shape[1], generator=random)

        pictures, words = (torch.randn(3, d, generator=random) for d in (8, 7))
        kinds, labels = torch.arange(60) % 3, torch.arange(40) % 3
        named = torch.where(torch.arange(60) % 7 == 0, (kinds + 1) % 3, kinds)
        pairs = pd.DataFrame(
            {"id": [str(i) for i in range(60)], "caption": [f"a thing of kind {i}" for i in named.tolist()]}
        ).assign(picture="", group="")
        identities = [EncoderIdentity(kind, "made up", "check", "0", "", d) for kind, d in (("image", 8), ("text", 7))]
        bank = AnchorBank("made up", noisy(kinds, pictures, 1.0), noisy(named, words, 1.0), pairs, *identities)
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
    before, true = (quoted(labels[picture], task) for labels in (task.predicted, task.labels))
    if before == true:
        refuse(f"Picture {picture} got {before}, which is right; give the row of one from `task.wrong`.")
    if picture in task.taken:
        refuse(f"The chapter has repaired picture {picture} already; take another from `task.wrong`.")
    after = task.without(anchors)
    removed = "this anchor" if len(anchors) == 1 else f"these {len(anchors)} anchors"
    without = f"Without {removed} picture {picture}"
    if (now := quoted(after[picture], task)) == before:
        refuse(f"{without} still gets {before}. When anchors go, others enter in their place.")
    if now != true:
        refuse(f"{without} gets {now}: another label, and not the right one. Which anchors speak for that one?")
    for anchor in anchors:
        rest = [a for a in anchors if a != anchor]
        if rest and task.without(rest)[picture] == task.labels[picture]:
            refuse(f"Anchor {anchor} is not needed: the label is right when only the other {len(rest)} go.")
    was_right, is_right = task.predicted == task.labels, after == task.labels
    refuse_other_harm(harmed, was_right, is_right)
    return right(
        f"Your evidence holds. {without} is called {true}, no longer {before}, and each of them is needed. Of "
        f"{int(was_right.sum())} other pictures that were right, {harmed} became wrong."
    )


def quoted(label, task):
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
    picture, harmed = whole_number("picture", result[0]), whole_number("right pictures that become wrong", result[2])
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
        refuse(f"The result “{name}” is {kind_of(value)}; a whole number is wanted.")
    return int(value)


FOR_NOTEBOOKS = [FailureTask]
