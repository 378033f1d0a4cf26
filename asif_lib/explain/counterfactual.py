"""Remove anchors and decide again: exact, without a new bank and without encoding.

All settings are those of the model. If the model centres, the mean is taken over the remaining anchors; so are hubs and
the whitening. So each answer equals the answer of ``ASIF(bank.subset(rest), k, p, center=center, …)``.
"""

import math
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd
import torch

from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.errors import ParameterError
from asif_lib.settings import check_reduce
from asif_lib.sparse import SparseVectors
from asif_lib.zeroshot import ASIF, Classification

from .contribution import contributions
from .removals import TOLERANCE, Removals


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
    remove : sequence of int
        Positions in the model's bank.
    """
    removed, bank = _checked_anchors(remove, model), model.bank
    z = [model.embeddings(*side) for side in zip(bank.sides, (pictures, texts), strict=True)]
    rows = torch.from_numpy(np.delete(np.arange(len(bank)), removed))
    rest = ASIF(bank.view(rows), **asdict(model.settings), device=model.device)
    kept = [rest.represent(*side) for side in zip(bank.sides, z, strict=True)]
    new = [SparseVectors(rows[v.indices.long()].int(), v.values, len(bank)) for v in kept]
    return Counterfactual(tuple(removed), kept[0].similarity(kept[1]), *new, model, z)


def _checked_anchors(remove, model):
    n, anchors = len(model.bank), {}  # an ordered set
    for anchor in remove:
        if not 0 <= anchor < n or anchor != int(anchor):  # NaN is in no range
            raise ParameterError(f"anchor {anchor} is not in the bank, whose anchors are 0 to {n - 1}")
        if anchor in anchors:
            raise ParameterError(f"anchor {anchor} is named twice; name each anchor to remove once")
        anchors[int(anchor)] = None
    if (left := n - len(anchors)) < model.k:
        fault = f"without {len(anchors)} of the {n} anchors {left} are left, fewer than the k = {model.k} of the model"
        raise ParameterError(f"{fault}; remove fewer, or take a model with a smaller k")
    return list(anchors)


EXHAUSTIVE = 2
"""The largest sets of which `smallest_removal` tries all: 200 candidates have 19,900 sets of two."""
MOST_SETS = 5_000_000
"""Sets of one size that it tries; each is scored."""


@dataclass(frozen=True)
class SmallestRemoval:
    """A set of anchors whose removal changes the label of a picture."""

    anchors: tuple
    """Empty if no set was found."""
    method: str
    """Either "exact": all smaller sets of the candidates were tried, and keep the decision. Or "greedy": found by
    removing the best anchor again and again, and by putting back each that is not needed; a smaller set may exist, of
    `at_least` anchors. Or "none": the greedy search removed all candidates, and the decision stayed."""
    at_least: int
    """All sets of the candidates with fewer anchors were tried. Other anchors only move the mean; they were not."""
    before: str
    after: str | None
    """The label without the set; None if no label has a score above 0."""
    candidates: tuple
    """The anchors in the top k of the picture or of the prompts of the best two labels."""

    def __len__(self):
        return len(self.anchors)


def smallest_removal(
    model, picture, labels, *, templates=(DEFAULT_TEMPLATE,), prompts=None, reduce="mean"
) -> SmallestRemoval:
    """Find a small set of anchors whose removal changes the label of a picture, and say how few may suffice.

    A greedy search finds a set without a superfluous anchor. Then all smaller sets of up to `EXHAUSTIVE` anchors are
    tried. Sets whose single anchors change the scores most come first. The search scores batches of sets in float64,
    on the anchors that can enter a top k. `without` confirms each set that is returned.

    Raises `ParameterError` if there are fewer than two labels, `reduce` is unknown, nothing decides this picture, the
    model corrects for hubs or whitens, or there would be more than `MOST_SETS` sets to try.

    Parameters
    ----------
    model, labels, templates, prompts, reduce : ASIF, and as for its `classify`
    picture : a picture, or Tensor or array of shape (1, d_image)
    """
    picture = picture if isinstance(picture, torch.Tensor | np.ndarray) else [picture]
    z_image = model.embeddings(model.bank.sides[0], picture)
    decision = Decision(model, z_image, model.prompts(labels, templates, prompts), labels, reduce)
    candidates, room = decision.candidates(), len(model.bank) - model.k
    found = _greedy(decision.removals(candidates, min(len(candidates), room)), decision, room)
    limit = min(EXHAUSTIVE, room, len(found or range(EXHAUSTIVE + 1)) - 1)
    count = math.comb(len(candidates), limit)
    if count > MOST_SETS:
        fault = f"{len(candidates)} candidates have {count:,} sets of {limit}, and at most {MOST_SETS:,} are tried"
        raise ParameterError(f"{fault}; take a model with a smaller k")
    removals, at_least = decision.removals(candidates, limit), 1
    while at_least <= limit:
        if smaller := _enumerate(removals, decision, at_least):
            found = smaller
            break
        at_least += 1
    method = "none" if found is None else "exact" if len(found) == at_least else "greedy"
    found = tuple(sorted(found or ()))
    after = decision.label_without(found)
    return SmallestRemoval(found, method, at_least, decision.label, after, tuple(candidates.tolist()))


class Decision:
    """The label of one picture, (1, d_image), among c labels with their prompts, (c · templates, d_text)."""

    def __init__(self, model, z_image, z_text, labels, reduce="mean"):
        if len(z_image) != 1:
            raise ParameterError(f"one picture at a time; these are {len(z_image)}")
        if len(labels) < 2:
            raise ParameterError(f"a decision is between two labels or more; there are {len(labels)}")
        hubs, whiten = model.settings.hubs, model.settings.whiten
        if hubs or whiten:
            fault = f"hubs = {hubs}, whiten = {whiten}: the search over sets of anchors knows neither"
            raise ParameterError(f"{fault}; take a model without them, or name the anchors for `without`")
        check_reduce(reduce)
        self.model, self.labels, self.reduce = model, list(labels), reduce
        self.z_image, self.z_text = z_image, z_text
        self.image, self.text = map(model.represent, model.bank.sides, (z_image, z_text))
        self.scores = self.of_labels(self.image.similarity(self.text))[0]
        if self.scores.max() <= 0:
            raise ParameterError("nothing decides this picture: no label has an anchor in common with it")
        self.position = int(self.scores.argmax())
        self.label = self.labels[self.position]

    def of_labels(self, scores):
        """Reduce the (…, t) scores of prompts to (…, c) scores of labels."""
        scores = scores.unflatten(-1, (len(self.labels), -1))
        return scores.amax(dim=-1) if self.reduce == "max" else scores.mean(dim=-1)

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
        return contributions(self.image, text, reduce=self.reduce).anchor.to_numpy(copy=True)

    def candidates(self):
        """Return the anchors in the top k of the picture or of a prompt of the best two labels, (m,) int64."""
        best_two = self.scores.topk(2).indices.tolist()
        texts = self.text[[row for label in best_two for row in self.prompts(label)]]
        kept = [v.indices[v.values > 0] for v in (self.image, texts)]
        return torch.cat(kept).unique().long()

    def removals(self, candidates, most):
        return Removals(self.model, self.z_image, self.z_text, candidates, most)

    def label_without(self, anchors):
        """Return the label without these anchors; None if no label has a score above 0."""
        scores = without(self.model, self.z_image, self.z_text, anchors).scores
        return Classification(self.labels, self.of_labels(scores)).best[0]


def _greedy(removals, decision, room):
    """Remove the anchor whose removal leaves the smallest lead, again and again; None if the label stays."""
    m = len(removals.candidates)
    gone = torch.zeros(m, dtype=torch.bool)
    for _ in range(min(m, room)):
        sets = (gone | torch.eye(m, dtype=torch.bool))[~gone]  # one candidate more
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


def _enumerate(removals, decision, size):
    """Try all sets of `size` candidates, the most promising first; None if the label stays with each."""
    m = len(removals.candidates)
    alone, _ = decision.leads_without(removals, torch.eye(m, dtype=torch.bool))
    sets = torch.from_numpy(np.fromiter(combinations(range(m), size), dtype=(np.int32, size)))
    sets = sets[alone[sets.long()].sum(dim=1).argsort()]
    for part in sets.split(removals.batch):
        masks = torch.zeros((len(part), m), dtype=torch.bool).scatter_(1, part.long(), True)
        _, lowest = decision.leads_without(removals, masks)
        for row in (lowest < TOLERANCE).nonzero()[:, 0].tolist():
            anchors = removals.candidates[part[row].long()].tolist()
            if decision.label_without(anchors) != decision.label:
                return anchors
    return None
