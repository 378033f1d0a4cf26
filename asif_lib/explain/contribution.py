"""Which anchors decided: the cosine of two sparse vectors is a sum over the anchors that they share.

What would have been decided without some of them is in `counterfactual`, and what is wrong with the anchors
themselves in `audit`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse
import scipy.stats
import torch

from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import Measure
from asif_lib.search.exact import top_anchors
from asif_lib.sparse import SparseVectors


def contributions(image: SparseVectors, text: SparseVectors, pairs=None, *, reduce=None) -> pd.DataFrame:
    """Take the score of one picture and one text, or one label, apart, anchor by anchor; exact, no approximation.

    Parameters
    ----------
    image : SparseVectors with one row
    text : SparseVectors with one row; with `reduce`, the prompts of one label, a row for each template
    pairs : DataFrame, optional
        The bank's table, whose columns are added.
    reduce : {"mean", "max"}, optional
        How the scores of the prompts become the label's, as in `ASIF.classify`.

    Returns
    -------
    DataFrame
        Columns ``anchor``, ``contribution`` (float64: image entry times text entry), ``image``, ``text`` (the entries;
        over several prompts, the mean of theirs); the largest contribution first. The contributions add up to
        the score: ``image.similarity(text)``, reduced over the prompts.

    Raises
    ------
    ParameterError
        If either has more than one row (the text: without `reduce`), or they are over different anchors.
    """
    if len(image) != 1 or len(text) == 0 or (len(text) > 1 and reduce is None):
        raise ParameterError(
            f"one picture and one text at a time; these are {len(image)} and {len(text)} "
            f"(several prompts of one label: say reduce='mean' or 'max')"
        )
    if reduce not in (None, "mean", "max"):
        raise ParameterError(f"reduce = {reduce!r}: scores over templates are reduced by 'mean' or 'max'")
    _check_same_anchors(image, text)
    if reduce == "max":
        text = text[[int(image.similarity(text)[0].argmax())]]
    entries = _label_vectors(text, len(text)) if len(text) > 1 else text.to_csr()
    shared, at_image, at_text = np.intersect1d(image.indices[0], entries.indices, return_indices=True)
    table = pd.DataFrame({"anchor": shared, "image": image.values[0][at_image], "text": entries.data[at_text]})
    table["contribution"] = table.image.astype("float64") * table.text.astype("float64")
    table = table[table.contribution > 0].sort_values("contribution", ascending=False, ignore_index=True)
    return table if pairs is None else table.join(pairs, on="anchor")


def contrast(image: SparseVectors, text: SparseVectors, other: SparseVectors, pairs=None, *, reduce=None):
    """Say which anchors made it this text and not the other one.

    Parameters
    ----------
    image, text, pairs, reduce : as for `contributions`
    other : SparseVectors
        The text, or the prompts of the label, that `text` is held against.

    Returns
    -------
    DataFrame
        Columns ``anchor``, ``difference`` (``text`` less ``other``), ``text``, ``other`` (the contributions to the two
        scores); what speaks most for `text` first, what speaks most for `other` last. The differences add up to
        the difference of the two scores.

    Raises
    ------
    ParameterError
        As `contributions`.
    """
    columns = {
        name: contributions(image, vectors, reduce=reduce).set_index("anchor").contribution
        for name, vectors in (("text", text), ("other", other))
    }
    table = pd.DataFrame(columns).fillna(0.0)
    table.insert(0, "difference", table.text - table.other)
    table = table.sort_values("difference", ascending=False, kind="stable").reset_index(names="anchor")
    return table if pairs is None else table.join(pairs, on="anchor")


def influence(images, prompts, labels, pairs=None, *, templates=1, against=None) -> pd.DataFrame:
    """Say which anchors matter for a whole set of pictures: the mean contribution of each to the label's score.

    Parameters
    ----------
    images : SparseVectors with q rows
    prompts : SparseVectors with c · templates rows
        The prompts, label by label, as `make_prompts` orders them; a label's score is their mean.
    labels : sequence of q int
        For each picture the label, 0 to c - 1, whose score is explained: the predicted one, or the true one.
    pairs : DataFrame, optional
        The bank's table, whose columns are added.
    templates : int
        Prompts of each label.
    against : sequence of q int, optional
        For each picture another label: the contributions to it are taken off (contrastive).

    Returns
    -------
    DataFrame
        A row for each anchor that is in the top k of a picture or contributes: columns ``anchor``,
        ``contribution`` (mean over all q pictures; these add up to the mean score, or the mean difference of
        scores), ``pictures`` (to how many of the q it contributes), ``in_top_k`` (in the top k of how many of the
        pictures it is); the largest contribution first.

    Raises
    ------
    ParameterError
        If the numbers do not fit, or a label is not one of the c.
    """
    _check_same_anchors(images, prompts)
    if len(prompts) % templates:
        raise ParameterError(f"{len(prompts)} prompts are not a whole number of labels with {templates} templates each")
    vectors = _label_vectors(prompts, templates)
    chosen = vectors[_checked_labels(labels, len(images), vectors.shape[0])]
    if against is not None:
        chosen = chosen - vectors[_checked_labels(against, len(images), vectors.shape[0])]
    entries = images.to_csr().astype(np.float64)
    products = entries.multiply(chosen).tocsr()
    table = pd.DataFrame(
        {
            "contribution": products.sum(axis=0) / len(images),
            "pictures": (products != 0).sum(axis=0),
            "in_top_k": (entries > 0).sum(axis=0),
        }
    ).rename_axis("anchor")
    table = table[table.in_top_k > 0].sort_values("contribution", ascending=False, kind="stable").reset_index()
    return table if pairs is None else table.join(pairs, on="anchor")


def familiarity(model, pictures, m=1) -> torch.Tensor:
    """Return how near the bank is to each picture: the mean of its m largest cosines with the anchors, (q,) float32.

    The cosines are those of the model: with the bank's mean taken off where the model centres.

    Parameters
    ----------
    model : ASIF
    pictures : sequence of pictures, or Tensor of shape (q, d_image)
    m : int
        From 1 to the number of anchors.

    Raises
    ------
    ParameterError
        If m is out of range, or an embedding holds NaN.
    """
    n = len(model.bank)
    if not 1 <= m <= n:
        raise ParameterError(f"m = {m}: the mean is over 1 to {n} anchors")
    z = model.embeddings("image", pictures)
    anchors, mean = model.bank.searchable("image", center=model.center)
    return top_anchors(z, anchors, m, mean=mean, device=model.device)[0].mean(dim=1)


@dataclass(frozen=True)
class Coverage:
    """From which familiarity on a picture counts as covered by the bank.

    Attributes
    ----------
    threshold : float
        Below it the answer is "I have never seen anything like it".
    false_alarm : float
        The rate of pictures of the bank's own domain that fall below it, at most, in expectation.
    n : int
        Held-out pictures that it was calibrated on.
    """

    threshold: float
    false_alarm: float
    n: int

    def unfamiliar(self, familiarity) -> torch.Tensor:
        """Return which of (q,) values of `familiarity` are below the threshold, (q,) bool."""
        return torch.as_tensor(familiarity) < self.threshold


def calibrate(familiarity, false_alarm=0.05) -> Coverage:
    """Choose the threshold of `Coverage` on pictures of the domain that are not in the bank.

    The threshold is the ⌊false_alarm · (n + 1)⌋-th smallest of the n values, so that a further picture of the same
    domain falls below it with probability at most `false_alarm` (split conformal prediction; Vovk et al., 2005).

    Parameters
    ----------
    familiarity : (n,) values of `familiarity` for held-out pictures
        Those of the anchors themselves would be too high: each is its own nearest.
    false_alarm : float
        Between 0 and 1.

    Raises
    ------
    ParameterError
        If the rate is out of range, a value is NaN, or there are too few values for such a rate.
    """
    values = np.sort(np.asarray(familiarity, dtype=float))
    if not 0 < false_alarm < 1:
        raise ParameterError(f"false_alarm = {false_alarm}: a rate between 0 and 1")
    if np.isnan(values).any():
        raise ParameterError("a value of familiarity is NaN; see what was encoded there")
    position = int(false_alarm * (len(values) + 1))
    if position < 1:
        need = int(np.ceil(1 / false_alarm)) - 1
        raise ParameterError(
            f"{len(values)} pictures are too few for a false-alarm rate of {false_alarm}; at least {need} are needed"
        )
    return Coverage(float(values[position - 1]), false_alarm, len(values))


def rate(flags, method="wilson") -> Measure:
    """Return the share of `flags` (n,) that are True with its 95 % binomial interval (scipy's ``binomtest``).

    Raises
    ------
    ParameterError
        If there are none.
    """
    flags = np.asarray(flags, dtype=bool)
    if flags.size == 0:
        raise ParameterError("there are no pictures to take a rate of")
    interval = scipy.stats.binomtest(int(flags.sum()), flags.size).proportion_ci(0.95, method=method)
    return Measure(float(flags.mean()), float(interval.low), float(interval.high), flags.size)


def _check_same_anchors(image, text):
    if image.n != text.n:
        raise ParameterError(f"vectors over {image.n} and over {text.n} anchors share no anchors")


def _label_vectors(prompts, templates):
    """The (c, n) float64 means of the prompts of each label: a mean of cosines is the product with the mean."""
    labels = len(prompts) // templates
    mean = scipy.sparse.kron(scipy.sparse.eye_array(labels), np.full((1, templates), 1 / templates), format="csr")
    return scipy.sparse.csr_array(mean @ prompts.to_csr())


def _checked_labels(labels, q, c):
    labels = np.asarray(labels)
    if labels.shape != (q,):
        raise ParameterError(f"labels of shape {labels.shape} for {q} pictures; give one for each")
    wrong = np.flatnonzero((labels < 0) | (labels >= c))
    if len(wrong):
        raise ParameterError(
            f"picture {wrong[0]} has label {labels[wrong[0]]}, and the labels are 0 to {c - 1}; leave out pictures "
            f"that nothing decides (-1)"
        )
    return labels.astype(np.int64)
