"""Checks of chapter 06, interpretability."""

from functools import cache, partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from asif_book.chapters.chapter_04.checks import four_steps, unchanged
from asif_book.checks.catalogue import COMPLEMENT, REVERSED_RESULTS, but, changed, part, result, unsafe_rows
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse, right
from asif_lib.bank.anchors import AnchorBank
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.explain import counterfactual
from asif_lib.explain.contribution import contributions
from asif_lib.zeroshot import ASIF


def contribution(image, prompts, *, over=torch.mean):
    return over(image * prompts, dim=0)  # (m, n) → (n,)


def half_empty(*shape, seed):
    """Draw rows of length 1 without negative entries; about half of the entries are zero."""
    return F.normalize(random_tensor(*shape, seed=seed).relu(), dim=-1)


mistakes = {
    "You returned the score, one number; give what each anchor contributes to it.": lambda x, y: (y @ x).mean(),
    "You returned a score for each prompt; sum over the prompts, not over the anchors.": (
        lambda x, y: y @ x,
        lambda x, y: (y @ x) / len(y),
        lambda x, y: (x * y).mean(dim=1),
    ),
    "You summed over the prompts, and get m times the score; take the mean over the prompts.": but(over=torch.sum),
    "You divided by the number of prompts that hold the anchor; divide by the number of all prompts.": lambda x, y: (
        (x * y).sum(dim=0) / (y > 0).sum(dim=0).clamp_min(1)
    ),
    "You took the largest contribution over the prompts. Only their mean adds up to the score.": but(over=torch.amax),
    "You left the picture out: both picture and text must hold the anchor.": changed(image=torch.ones_like),
    "You made the mean of the prompts a vector of length 1 again. The mean of the scores needs the mean as it is; "
    "yours add up to another number.": lambda x, y: x * F.normalize(y.mean(dim=0), dim=0),
    "You spread the score evenly over the anchors. It adds up, but it says nothing: how much did each anchor "
    "contribute?": result(lambda c: c.mean().expand(len(c))),
    "You spread the score evenly over the anchors that both sides hold. It adds up, and says nothing: what did each of "
    "them give?": result(lambda shares: (shares > 0) * shares.sum() / (shares > 0).sum()),
    "You took the smaller of the two entries; a cosine is a sum of products.": lambda x, y: torch.minimum(x, y.mean(0)),
    "You used the best prompt only; take the mean over all prompts.": lambda x, y: x * y[(y @ x).argmax()],
    "You used the first prompt only.": changed(prompts=lambda y: y[:1]),
}
cases = [(half_empty(30, seed=61 + i), half_empty(m, 30, seed=71 + i)) for i, m in enumerate((3, 1, 5))]
cases.append((half_empty(30, seed=64), half_empty(3, 30, seed=74)[[0, 0, 1, 0, 2]]))  # some prompts are repeated
check_contributions = Exercise("06.1", "Prove that it adds up", contribution, cases, mistakes)


def difference(image, one, other):
    return image * (one - other)  # (n,)


def contrast(image, one, other, top, *, gap=difference, part=lambda found: found.indices):
    return part(gap(image, one, other).topk(top)), part(gap(image, other, one).topk(top))


def both_ends(order):
    """Rank the differences by size and take the largest, then the smallest."""

    def by_size(image, one, other, top):
        sizes = difference(image, one, other).abs()
        return sizes.topk(top).indices, order(sizes.topk(top, largest=False).indices)

    return by_size


LABELS = [torch.rand(4, n, generator=torch.Generator().manual_seed(80 + n))[:3] for n in (20, 40, 25)]

mistakes = {
    "You ranked the contributions to each label by themselves. An anchor that gives the same to both decides nothing: "
    "rank the differences.": but(gap=lambda x, a, b: x * a),
    "The two results are the wrong way round: first for `one`, then for `other`.": REVERSED_RESULTS,
    "You ranked the differences by their size, whatever their sign. But the sign says for which label an anchor "
    "speaks.": (
        but(gap=lambda x, a, b: difference(x, a, b).abs()),
        *map(both_ends, (torch.clone, torch.flipud)),
        part(0, lambda _, x, a, b, top: difference(x, a, b).abs().topk(top).indices),
    ),
    "You left the picture out: an anchor that it lacks gives nothing to any label.": but(gap=lambda x, a, b: a - b),
    "Your second result is the first once more; it asks for the anchors that speak for `other`.": (
        lambda x, a, b, top: (contrast(x, a, b, top)[0],) * 2
    ),
    "The strongest comes first; your second result begins with the weakest.": part(1, lambda r, *_: r.flip(0)),
    "You took the quotient, which is large for two tiny contributions; subtract.": but(gap=lambda x, a, b: a / b),
    "You returned the differences; the positions of the anchors are wanted.": but(part=lambda found: found.values),
}
cases = [(*rows, top) for rows, top in zip(LABELS, (3, 5, 1), strict=True)]
check_contrast = Exercise(
    "06.2", "Why this one and not the other?", contrast, cases, mistakes, parts=("for one", "for other")
)


def rank_auc(scores, wrong, *, points=lambda gaps: (gaps.sign() + 1).double() / 2, over=torch.mean):
    """Return how often a wrong pair scores below a right one; a tie counts half."""
    return float(over(points(scores[~wrong] - scores[wrong][:, None])))  # (wrong, right) gaps


def by_argsort(order):
    def auc(scores, wrong):
        places, m = order(scores).argsort().double(), int(wrong.sum())
        return float((places[wrong].sum() - m * (m - 1) / 2) / (m * (len(scores) - m)))

    return auc


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
    "You gave a tie nothing: equal scores get 0. A tie counts half.": but(points=lambda g: (g > 0).double()),
    "You gave a tie a full point: equal scores get 1. A tie counts half.": but(points=lambda g: (g >= 0).double()),
    "The wrong way round: a *low* score is suspicious; count where the wrong pair scores lower.": COMPLEMENT,
    "You ranked the scores, and tied ones got different places, by the order in which they stand or by chance; a tie "
    "counts half.": (
        by_argsort(lambda s: s.argsort(descending=True, stable=True)),
        by_argsort(lambda s: s.argsort(stable=True).flip(0)),
        by_argsort(lambda s: s.argsort().flip(0)),
    ),
    "You divided by all n² pairs of scores; only the pairs of a wrong and a right one count, so divide by their "
    "number.": lambda s, w: rank_auc(s, w, over=torch.sum) / len(s) ** 2,
    "That is the difference of the two means; how often is the wrong one below the right one?": but(points=torch.clone),
    "You compared each wrong pair with all pairs; compare it with the right ones only.": lambda s, w: (
        ((s[None] - s[w][:, None]).sign() + 1).mean() / 2
    ),
    "You compared the i-th wrong pair with the i-th right one only; compare every wrong pair with every right "
    "one.": lambda s, w: ((s[~w][: int(w.sum())] - s[w]).sign() + 1).mean() / 2,
    "You compared each wrong pair with the mean of the right ones; compare it with every right one.": lambda s, w: (
        (s[~w].mean() - s[w]).sign().add(1).mean() / 2
    ),
    "That is an accuracy at one threshold; the area needs none.": (
        lambda s, w: ((s < s.median()) == w).double().mean(),
        lambda s, w: ((s < s.mean()) == w).double().mean(),
    ),
    "You went through a grid of thresholds; scores between two of them are not told apart. Compare every wrong pair "
    "with every right one.": tuple(map(on_a_grid, (10, 11, 20, 21, 50, 51, 100, 101, 1000, 1001))),
    "0.5 on this input: no threshold lies between any two scores. Compare all pairs.": lambda s, w: 0.5,
}
notes = {3: "some scores are tied", 4: "all scores are tied"}
check_rank_auc = Exercise("06.5", "An AUC without thresholds", rank_auc, cases, mistakes, notes=notes)


def scores(image, texts, k, p, vectors=four_steps):
    return vectors(texts, k, p) @ vectors(image[None], k, p)[0]  # (t, n) @ (n,) → (t,)


def without(image, texts, anchor, k, p, *, from_image=True, from_texts=True, vectors=four_steps):
    """Return the scores without one anchor; the options are the places where a step can go wrong.

    A cosine of -1 is the last to enter the top k, and the clamp makes it 0.
    """
    image, texts = image.clone(), texts.clone()
    if from_image:
        image[anchor] = -1
    if from_texts:
        texts[:, anchor] = -1
    return scores(image, texts, k, p, vectors)


def blanked(image, texts, anchor, k, p, scale=F.normalize):
    """Set the anchor's entries to 0 in the finished vectors: nothing enters in its place."""
    x, y = four_steps(image[None], k, p), four_steps(texts, k, p)
    x[:, anchor] = y[:, anchor] = 0
    return scale(y) @ scale(x)[0]


subtracted = partial(blanked, scale=unchanged)
raw_vectors = partial(four_steps, scale=unchanged)


def divided_by_old_lengths(image, texts, anchor, k, p):
    lengths = raw_vectors(texts, k, p).norm(dim=1) * raw_vectors(image[None], k, p).norm()
    return without(image, texts, anchor, k, p, vectors=raw_vectors) / lengths


def cosines(n, t, seed):
    """Make cosines with n anchors, of a picture and of t texts that partly agree with it."""
    rows = 0.8 * random_tensor(t + 1, n, seed=seed).tanh()
    return rows[0], 0.6 * rows[0] + 0.5 * rows[1:]


def of_the_strongest(seed, n, t, k, p):
    image, texts = cosines(n, t, seed)
    strongest = (four_steps(image[None], k, p) * four_steps(texts, k, p)).sum(dim=0).argmax()
    return image, texts, int(strongest), k, p


def _kept(rows, anchor, k, p, scale):
    return four_steps(rows.index_fill(1, torch.tensor(anchor), -1.0), k, p, scale=scale)


OUTSIDE = cosines(30, 4, 97)

cases = [
    of_the_strongest(90, 30, 4, 5, 2),
    of_the_strongest(91, 30, 4, 5, 8),
    of_the_strongest(92, 40, 3, 8, 1),
    of_the_strongest(93, 12, 3, 10, 2),
    (*OUTSIDE, int(OUTSIDE[0].argmin()), 5, 2),
    (OUTSIDE[0], torch.cat([OUTSIDE[1], -OUTSIDE[1][:1].abs()]), 0, 5, 2),  # a text that is unlike every anchor
]
mistakes = {
    "You removed nothing: these are the scores with all anchors.": but(from_image=False, from_texts=False),
    "You only took the contribution off the score. Without the anchor the next one enters the top k, and both vectors "
    "are normalised again.": subtracted,
    "You normalised again, but nothing entered in the anchor's place. Each side has k entries: take the anchor away "
    "*before* the top k.": blanked,
    "You kept k - 1 entries of every row. Where the anchor was in the top k, the next one enters; elsewhere nothing "
    "changes. Keep k of the other anchors.": changed(k=lambda k: k - 1),
    "You removed the anchor from the picture only; it leaves the bank, so the texts lose it.": but(from_texts=False),
    "You removed the anchor from the texts only; it leaves the bank, so the picture loses it.": but(from_image=False),
    "The top k are right, but you divided by the old lengths; normalise the new vectors.": divided_by_old_lengths,
    "You divided a vector of zeros by its length 0, which gives NaN; such a text has score 0.": but(
        vectors=partial(four_steps, scale=unsafe_rows)
    ),
    "You removed the anchor beside it; positions count from 0.": (
        changed(anchor=lambda anchor: anchor + 1),
        changed(anchor=lambda anchor: anchor - 1),
    ),
    "You did not scale the new vectors to length 1.": but(vectors=raw_vectors),
    "You scaled one side only to length 1; scale the picture and the texts.": (
        lambda x, y, a, k, p: _kept(y, a, k, p, unchanged) @ _kept(x[None], a, k, p, F.normalize)[0],
        lambda x, y, a, k, p: _kept(y, a, k, p, F.normalize) @ _kept(x[None], a, k, p, unchanged)[0],
    ),
    "You kept only this anchor; all others stay.": lambda x, y, a, k, p: scores(x[[a]], y[:, [a]], k, p),
    "You forgot the power p.": changed(p=lambda p: 1),
    "You forgot the clamp: a power made negative cosines positive.": but(vectors=partial(four_steps, clamp=unchanged)),
}
check_without = Exercise("06.3", "Take one anchor away", without, cases, mistakes)


class Decision:
    """A decision of exercise 06.4, and what there is to know of it without each of its anchors."""

    def __init__(self, image, texts, k, p):
        x, y = four_steps(image[None], k, p)[0], four_steps(texts, k, p)
        self.winner, self.second = (y @ x).topk(2).indices.tolist()
        self.gives = x * y  # (c, n), what each anchor contributes to each label
        self.without, self.blanked, self.subtracted = (  # each (n, c)
            torch.stack([way(image, texts, a, k, p) for a in range(len(image))])
            for way in (without, blanked, subtracted)
        )
        self.leads = self.lead(self.without)
        self.flips = self.leads < 0

    def lead(self, scores):
        """By how much the winner is ahead of the best other label without each of the anchors, (n,)."""
        others = torch.arange(scores.shape[1]) != self.winner
        return scores[:, self.winner] - scores[:, others].amax(dim=1)

    def behind(self, lead):
        """The anchor without which a lead (n,) is furthest below 0, or -1."""
        return int(lead.argmin()) if lead.min() < 0 else -1

    def tested(self, value):
        """The anchor with the largest value (n,) among those that flip the decision, or -1."""
        return int(value.masked_fill(~self.flips, -torch.inf).argmax()) if self.flips.any() else -1

    def if_it_flips(self, anchor):
        return int(anchor) if self.flips[anchor] else -1

    def answer(self):
        """The anchor whose removal changes the label by most, or -1."""
        return self.behind(self.leads)

    def new_winner(self, else_label):
        """The label without the right anchor; where none flips it, `else_label`."""
        return int(self.without[self.answer()].argmax()) if self.flips.any() else else_label


decision = cache(Decision)


def of(way):
    """Make an implementation of a way to answer from a `Decision`."""
    return lambda *case: way(decision(*case))


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
    lead = float(decision(*case).leads[answer])
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
mistakes = {
    "You say -1 of every decision, but some flip: compare the labels with and without each anchor.": lambda *case: -1,
    "You returned the new label. Return an anchor instead: the position of the anchor whose removal makes this label "
    "win.": (of(lambda d: d.new_winner(-1)), of(lambda d: d.new_winner(d.winner)), of(lambda d: d.winner)),
    "You return an anchor although no single one flips this decision; say -1.": of(lambda d: int(d.leads.argmin())),
    "Where several anchors flip the decision, you took the first; take the one that leaves the old winner furthest "
    "behind.": of(lambda d: d.tested(-torch.arange(len(d.leads)).float())),
    "Of the anchors that flip it, you took the one with the largest contribution; take the one that leaves the old "
    "winner furthest behind.": of(lambda d: d.tested(d.gives[d.winner])),
    "You looked for the lowest score of the old winner. Other labels' scores move as well: what counts is by how much "
    "it leads the best of them.": (
        of(lambda d: int(d.without[:, d.winner].argmin())),
        of(lambda d: d.if_it_flips(d.without[:, d.winner].argmin())),
        of(lambda d: d.tested(-d.without[:, d.winner])),
    ),
    "You looked at the lead over the old second label only. A third label may win: take the best of all others.": of(
        lambda d: d.behind(d.without[:, d.winner] - d.without[:, d.second])
    ),
    "You returned the anchor that contributes most to the winner, untested. It may give as much to the others: compute "
    "the scores without each anchor.": of(lambda d: int(d.gives[d.winner].argmax())),
    "You tried the anchor that contributes most to the winner, and no other. Another anchor may flip the decision: try "
    "all.": of(lambda d: d.if_it_flips(d.gives[d.winner].argmax())),
    "You returned the anchor with the largest difference between winner and runner-up, untested. Others enter, and a "
    "third label may win: test each anchor.": of(lambda d: int((d.gives[d.winner] - d.gives[d.second]).argmax())),
    "You took contributions off the scores. Without an anchor others enter the top k and the lengths change, as in "
    "exercise 06.3.": of(lambda d: d.behind(d.lead(d.subtracted))),
    "You blanked the anchor, and nothing entered in its place, as in 06.3.": of(lambda d: d.behind(d.lead(d.blanked))),
    "Your lead is turned round: without this anchor the winner leads most.": of(lambda d: int(d.leads.argmax())),
}
check_flip = Exercise(
    "06.4", "The one that flips it", of(Decision.answer), cases, mistakes, form=no_position, explain=explained
)


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
