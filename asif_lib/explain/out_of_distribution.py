"""How near is a picture to the bank? A copy of an anchor, of the bank's domain, or out of distribution.

The out-of-distribution score is the `familiarity`: the largest cosine with an anchor, high for what the bank knows.
"""

from dataclasses import dataclass

import numpy as np
import torch

from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import are_copies
from asif_lib.relative import check_dimensions
from asif_lib.sparse import SideAnchors


def familiarity(model, pictures) -> torch.Tensor:
    """Return each picture's out-of-distribution score: its largest cosine with an anchor, (q,) float32.

    The cosines are centred if the model centres, and never whitened. The `pictures` are items of the bank's first side,
    or their embeddings (q, d_image). Raises `ParameterError` if an embedding holds NaN.
    """
    return _anchors(model).cosines(model.embeddings(model.bank.sides[0], pictures), 1).values[:, 0]


@dataclass(frozen=True)
class Coverage:
    """A threshold of familiarity: pictures below it are out of the bank's distribution."""

    threshold: float
    false_alarm: float
    """The largest rate of pictures of the bank's own domain below the threshold, on average over calibrations."""
    n: int
    """Held-out pictures of the calibration."""

    def unfamiliar(self, familiarity) -> torch.Tensor:
        """Return which of (q,) values of `familiarity` are below the threshold, (q,) bool."""
        return torch.as_tensor(familiarity) < self.threshold


def calibrate(familiarity, false_alarm=0.05) -> Coverage:
    """Choose the threshold of `Coverage` on pictures of the domain that are not in the bank.

    The threshold is the l-th smallest of the n values, l = ⌊false_alarm · (n + 1)⌋. On average over draws of the n
    pictures, a further picture of the same domain is below it with probability at most `false_alarm` (split conformal
    prediction; Vovk et al., 2005). One draw has a probability of Beta(l, n + 1 - l): with 5 % and n = 500, 47 % of
    draws exceed 5 %, and hardly one 7 %.
    The values (n,) must come from held-out pictures, or from `own_coverage`: each anchor is its own nearest anchor.
    Raises `ParameterError` if the rate is not between 0 and 1, a value is NaN, or there are too few values for it.
    """
    values = np.sort(np.asarray(familiarity, dtype=float))
    if not 0 < false_alarm < 1:
        raise ParameterError(f"false_alarm = {false_alarm}: a rate between 0 and 1")
    if np.isnan(values).any():
        raise ParameterError("a value of familiarity is NaN; see what was encoded there")
    position = int(false_alarm * (len(values) + 1))
    if position < 1:
        need = f"at least {int(np.ceil(1 / false_alarm)) - 1} are needed"
        raise ParameterError(f"{len(values)} pictures are too few for a false-alarm rate of {false_alarm}; {need}")
    return Coverage(float(values[position - 1]), false_alarm, len(values))


def own_coverage(model, pictures):
    """Return the `Coverage` by the bank's own pictures, each compared with the other anchors, and q `familiarity`.

    At most 500 own pictures are drawn at random; fewer of a bank of over 16,000, such as 40 of 200,000. They are asked
    in one pass with the q `pictures`, or their embeddings. Copies of a picture are not its other anchors; over 15 of
    them take a further pass. Raises `ParameterError` as `calibrate`, for other widths, or if all anchors are copies.
    """
    bank, first, n = model.bank, model.bank.sides[0], len(model.bank)
    drawn = np.random.default_rng(0).permutation(n)[: min(max(8_000_000 // n, 40), 500)]
    own, z = bank.rows(first).take(drawn).float(), model.embeddings(first, pictures).float()
    check_dimensions(z, own)
    anchors = _anchors(model)
    nearest = anchors.cosines(torch.cat([own, z]), min(16, n)).values  # (len(own) + q, 16)
    near, dtype = nearest[: len(own)], bank.dtypes[first]
    if are_copies(near, dtype).all(dim=1).any():
        near = anchors.cosines(own, n).values
    others = near.masked_fill(are_copies(near, dtype), -torch.inf)
    others[:, 0] = -torch.inf  # itself, also where its cosine is not quite 1
    rule = calibrate(others.amax(dim=1))
    if rule.threshold == -torch.inf or not near.any():  # centred copies are zero vectors
        raise ParameterError(f"the {n} pictures of bank {bank.name!r} are copies of one; add different ones")
    return rule, nearest[len(own) :, 0]


def _anchors(model):
    return SideAnchors(*model.bank.searchable(model.bank.sides[0], center=model.settings.center), model.device)
