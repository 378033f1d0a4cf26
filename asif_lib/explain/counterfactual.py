"""Remove anchors and decide again: exact, without a new bank and without encoding.

All settings are those of the model. If the model centres, the mean is taken over the remaining anchors; so are hubs and
the whitening. So each answer equals the answer of ``ASIF(bank.subset(rest), k, p, center=center, …)``.
"""

import math
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError, first_names
from asif_lib.sparse import SparseVectors
from asif_lib.zeroshot import ASIF, Classification

from .contribution import contributions
from .removals import TOLERANCE, Removals, sides_of


@dataclass(frozen=True)
class Counterfactual:
    """Scores of q pictures and t texts without some anchors of the bank."""

    removed: tuple
    scores: torch.Tensor
    """The scores without the removed anchors, (q, t) float32."""
    images: SparseVectors
    """The q items of the first side without the removed anchors, numbered as in the whole bank."""
    texts: SparseVectors
    """The t items of the second side, likewise."""
    _model: ASIF = field(repr=False)
    _embeddings: list = field(repr=False)
    """Of the items of both sides. Their vectors with all anchors are made when a caller needs them."""

    @cached_property
    def before(self) -> torch.Tensor:
        """The scores with all anchors, (q, t) float32."""
        images, texts = self._old
        return images.similarity(texts)

    @cached_property
    def entered(self) -> pd.DataFrame:
        """The anchors that moved up into a top k: columns ``side`` (its name), ``row``, ``anchor``, ``entry``.

        With centring the mean moves too, so that more anchors than were removed may enter.
        """
        tables = []
        for side, *vectors in zip(self._model.bank.sides, self._old, (self.images, self.texts), strict=True):
            old, new = (each.to_csr() for each in vectors)
            kept = new.multiply((new > 0) > (old > 0)).tocoo()
            rows, anchors = kept.coords
            tables.append(pd.DataFrame({"side": side, "row": rows, "anchor": anchors, "entry": kept.data}))
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def _old(self):
        return [self._model.represent(*side) for side in zip(self._model.bank.sides, self._embeddings, strict=True)]


def without(model, pictures, texts, remove) -> Counterfactual:
    """Score pictures and texts without some anchors, exactly, in one pass over the bank.

    Both sides lose the anchors, the next anchors enter the top k, and the vectors are normalised again. The arithmetic
    is the arithmetic of a rebuilt bank, step for step. So the scores are equal bit for bit.
    Raises `ParameterError` if an anchor is unknown or named twice, fewer than k are left, or an embedding holds NaN.

    Parameters
    ----------
    model : ASIF
    pictures, texts : sequences of items of the bank's two sides, or Tensors of shape (q, d_image) and (t, d_text)
    remove : sequence of int, or of str
        Positions in the model's bank, or ids of its pairs.
    """
    removed, bank = _checked_anchors(remove, model), model.bank
    z = [model.embeddings(*side) for side in zip(bank.sides, (pictures, texts), strict=True)]
    rows = torch.from_numpy(np.delete(np.arange(len(bank)), removed))
    rest = ASIF(bank.view(rows), **asdict(model.settings), device=model.device)
    kept = [rest.represent(*side) for side in zip(bank.sides, z, strict=True)]
    new = [SparseVectors(rows[v.indices.long()].int(), v.values, len(bank)) for v in kept]
    return Counterfactual(tuple(removed), kept[0].similarity(kept[1]), *new, model, z)


def _checked_anchors(remove, model):
    if not np.iterable(remove):
        raise ParameterError(f"remove = {remove!r}: put a single anchor into a list")
    n, anchors, remove = len(model.bank), {}, list(remove)  # an ordered set
    if remove and all(isinstance(anchor, str) for anchor in remove):
        there, positions = model.bank.find("id", remove)
        if missing := [id for id, found in zip(remove, there, strict=True) if not found]:
            raise ParameterError(f"bank {model.bank.name!r} has no pair {first_names(missing)}, or it is named twice")
        remove = positions.tolist()
    for anchor in remove:
        is_index = not isinstance(anchor, str) and np.asarray(anchor).dtype != bool
        if not is_index or not 0 <= anchor < n or anchor != int(anchor):  # NaN is in no range
            raise ParameterError(f"anchor {anchor} is not in the bank, whose anchors are 0 to {n - 1}")
        if anchor in anchors:
            raise ParameterError(f"anchor {anchor} is named twice; name each anchor to remove once")
        anchors[int(anchor)] = None
    if (left := n - len(anchors)) < model.k:
        fault = f"without {len(anchors)} of the {n} anchors {left} are left, fewer than the k = {model.k} of the model"
        raise ParameterError(f"{fault}; remove fewer, or take a model with a smaller k")
    return list(anchors)


EXHAUSTIVE = 2
"""The largest sets that `smallest_removal` tries; a bound excludes larger ones."""
MOST_SCORES = 500_000
"""Scores that it computes for sets of one size: some seconds."""
ALONE = 2_000
"""Anchors that are tried alone, at a time."""
FORETOLD = 4
"""Anchors that a step of the greedy search tries: those without which the closed form foretells the smallest lead."""


@dataclass(frozen=True)
class SmallestRemoval:
    """A set of anchors whose removal changes the label of a picture."""

    anchors: tuple
    """Empty if no set was found."""
    method: str
    """Either "exact": no smaller set changes the label. Or "greedy": a small set without a superfluous anchor, found by
    removing the best anchor again and again; at least `at_least` are needed. Or "none": the greedy search removed all
    candidates, and the decision stayed."""
    at_least: int
    """The proven bound: each set of fewer anchors, of the whole bank, was tried or cannot change the label."""
    before: str
    after: str | None
    """The label without the set; None if no label has a score above 0."""

    def __len__(self):
        return len(self.anchors)


def smallest_removal(model, picture, labels, *, templates=(DEFAULT_TEMPLATE,), prompts=None) -> SmallestRemoval:
    """Find a small set of anchors whose removal changes the label of a picture, and prove how many are needed.

    A greedy search, in the order that `fall_without` foretells, finds a set without a superfluous anchor. Then all
    smaller sets of all anchors are tried, size by size: all single anchors first, also those outside every top k, which
    move the mean. `Decision.possible` excludes sets that cannot change the label. The proof ends where `MOST_SCORES` do
    not suffice for the sets that are left. The search scores sets in float64, and `without` confirms each set that is
    returned.

    Raises `ParameterError` if the model corrects for hubs or whitens, there are fewer than two labels, or nothing
    decides this picture.

    Parameters
    ----------
    model, labels, templates, prompts : ASIF, and as for its `classify`
        A label's score is the mean over its prompts.
    picture : a picture, or Tensor or array of shape (1, d_image)
    """
    picture = picture if isinstance(picture, torch.Tensor | np.ndarray) else [picture]
    z_image = model.embeddings(model.bank.sides[0], picture)
    decision = Decision(model, z_image, model.prompts(labels, templates, prompts), labels)
    candidates, room = decision.candidates(), len(model.bank) - model.k
    found = _greedy(decision.removals(candidates, min(len(candidates), room)), decision, room)
    proven = 0  # no set of this size or smaller changes the label
    for size in range(1, min(room, len(found) - 1 if found else room) + 1):
        sets = decision.possible(size)
        if sets is None and (size > EXHAUSTIVE or math.comb(len(candidates), size) > decision.most_sets):
            break
        if smaller := _first(decision, torch.combinations(candidates, size) if sets is None else sets, size):
            found = smaller
            break
        proven += sets is not None
    at_least = proven + 1
    method = "none" if found is None else "exact" if len(found) == at_least else "greedy"
    found = tuple(sorted(found or ()))
    after = decision.label_without(found)
    return SmallestRemoval(found, method, at_least, decision.label, after)


class Decision:
    """The label of one picture, (1, d_image), among c labels with their prompts, (c · templates, d_text)."""

    def __init__(self, model, z_image, z_text, labels):
        if model.settings.hubs or model.settings.whiten:
            fault = "with hubs or whitening, each set of anchors to remove would represent all other anchors again"
            raise ParameterError(f"{fault}; ask ASIF(bank) without them, or remove a set that you name by `without`")
        if len(z_image) != 1:
            raise ParameterError(f"one picture at a time; these are {len(z_image)}")
        if len(labels) < 2:
            raise ParameterError(f"a decision is between two labels or more; there are {len(labels)}")
        self.model, self.labels = model, list(labels)
        self.z_image, self.z_text, self.most_sets = z_image, z_text, MOST_SCORES // (1 + len(z_text))
        self.image, self.text = map(model.represent, model.bank.sides, (z_image, z_text))
        self.scores = self.of_labels(self.image.similarity(self.text))[0]
        if self.scores.max() <= 0:
            raise ParameterError("nothing decides this picture: no label has an anchor in common with it")
        self.position = int(self.scores.argmax())
        self.label = self.labels[self.position]

    def of_labels(self, scores):
        """Average the (…, t) scores of prompts: (…, c) scores of labels."""
        return scores.unflatten(-1, (len(self.labels), -1)).mean(dim=-1)

    def leads(self, scores):
        """Return the lead (b,) of the decision's label over the best other one, from the (b, c) scores of labels."""
        others = scores.clone()
        others[:, self.position] = -torch.inf
        return scores[:, self.position] - others.amax(dim=1)

    def leads_without(self, removals, sets):
        """Return the leads (b,) without each of b sets of candidates, and lower bounds that allow for ties, (b,)."""
        scores, ties = removals.scores(sets)
        leads = self.leads(self.of_labels(scores))
        return leads, leads - 2 * ties

    def prompts(self, label):
        """Return the rows of the prompts of the label at that position."""
        each = len(self.z_text) // len(self.labels)
        return list(range(label * each, (label + 1) * each))

    def anchors(self):
        """Return the anchors that contribute to the label, the largest contribution first, (m,) int64."""
        text = self.text[self.prompts(self.position)]
        return contributions(self.image, text, reduce="mean").anchor.to_numpy(copy=True)

    def candidates(self):
        """Return the anchors in the top k of the picture or of a prompt of the best two labels, (m,) int64."""
        best_two = self.scores.topk(2).indices.tolist()
        texts = self.text[[row for label in best_two for row in self.prompts(label)]]
        kept = [v.indices[v.values > 0] for v in (self.image, texts)]
        return torch.cat(kept).unique().long()

    def removals(self, candidates, most):
        return Removals(self.model, self.z_image, self.z_text, candidates, most)

    @cached_property
    def _sides(self):
        return sides_of(self.model, self.z_image, self.z_text)

    def _worth(self, size):
        """Bound what each anchor is worth to the lead over each rival, without any set of `size` anchors: (rivals, n).

        Let u be the picture's entries before they get length 1, v those of a label's prompt, and o of a rival's.
        (1) A lead has the sign of the sum, over the anchors that stay, of u · v / |v| - u · o / |o|. (2) The sum falls
        if u, v and |o| take their smallest values in the first term, or u, o and |v| their largest in the second.
        (3) So the label stays where all terms, minus those of the set, are above 0.
        """
        (low, high, *_), (v_low, v_high, longest, shortest) = (x.entries(size, self.model.p) for x in self._sides)
        own = low * v_low / longest.clamp_min(1e-300)  # (t, n)
        rival = high * v_high / shortest.clamp_min(1e-300)
        mine = torch.zeros(len(self.z_text), dtype=torch.bool)
        mine[self.prompts(self.position)] = True
        return own[mine].mean(dim=0) - rival[~mine].unflatten(0, (len(self.labels) - 1, -1)).mean(dim=1)

    def possible(self, size):
        """Return all sets of `size` anchors that may change the label, (b, size) int64; None if these are too many."""
        worth = self._worth(size)
        least = worth.sum(dim=1, keepdim=True) - TOLERANCE  # (rivals, 1)
        best = worth + worth.topk(size - 1, dim=1).values.sum(dim=1, keepdim=True)
        pool = (best >= least).any(dim=0).nonzero()[:, 0]
        if math.comb(len(pool), size) > (self.most_sets if size <= EXHAUSTIVE else 0):
            return None
        sets = torch.combinations(pool, size).view(-1, size)
        return sets[sum(row[sets].sum(dim=1) >= bound for row, bound in zip(worth, least, strict=True)) > 0]

    def label_without(self, anchors):
        """Return the label without these anchors; None if no label has a score above 0."""
        scores = without(self.model, self.z_image, self.z_text, anchors).scores
        return Classification(self.labels, self.of_labels(scores)).best[0]


def _greedy(removals, decision, room):
    """Remove the anchor whose removal leaves the smallest lead, again and again; None if the label stays."""
    m = len(removals.candidates)
    gone = torch.zeros(m, dtype=torch.bool)
    for step in range(min(m, room)):
        foretold = decision.leads(decision.of_labels(removals.foretold(gone))).masked_fill(gone, torch.inf)
        tried = foretold.topk(min(FORETOLD, m - step), largest=False).indices
        sets = gone | torch.eye(m, dtype=torch.bool)[tried]  # one candidate more
        leads, lowest = decision.leads_without(removals, sets)
        best = int(leads.argmin())
        gone = sets[best]
        anchors = removals.candidates[gone].tolist()
        if lowest[best] < TOLERANCE and decision.label_without(anchors) != decision.label:
            return _pruned(removals, decision, gone)
    return None


def _pruned(removals, decision, gone):
    """Put back anchors of a set, the mask `gone` (m,), as long as the label still changes without the others."""
    for place in gone.nonzero()[:, 0].tolist():
        rest = gone.clone()
        rest[place] = False
        _, lowest = decision.leads_without(removals, rest[None])
        anchors = removals.candidates[rest].tolist()
        if anchors and lowest[0] < TOLERANCE and decision.label_without(anchors) != decision.label:
            gone = rest
    return removals.candidates[gone].tolist()


def _first(decision, sets, size):
    """Return the most promising of b sets (b, size) without which the label changes; None if it stays with each."""
    for some in sets.split(ALONE if size == 1 else max(1, len(sets))):
        anchors = some.unique()
        removals, places = decision.removals(anchors, size), torch.searchsorted(anchors, some)
        alone, lowest = decision.leads_without(removals, torch.eye(len(anchors), dtype=torch.bool))
        order = alone[places].sum(dim=1).argsort()
        for part in order.split(removals.batch):
            if size > 1:
                masks = torch.zeros((len(part), len(anchors)), dtype=torch.bool).scatter_(1, places[part], True)
                _, lowest = decision.leads_without(removals, masks)
            for row in part[lowest < TOLERANCE if size > 1 else lowest[places[part, 0]] < TOLERANCE].tolist():
                if decision.label_without(some[row].tolist()) != decision.label:
                    return some[row].tolist()
    return None
