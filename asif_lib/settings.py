"""The settings of the method, checked in one place; without PyTorch, so that the command refuses bad ones at once."""

import math
from dataclasses import dataclass, replace
from numbers import Integral, Real

from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P, LARGEST_DEFAULT_K, NEAREST
from asif_lib.errors import ParameterError

SMALLEST_P = 1e-6  # a smaller exponent keeps no order: in float32 the powers of all kept cosines are 1


@dataclass(frozen=True)
class Settings:
    """With the anchors, these settings decide the sparse vector of every embedding.

    Attributes
    ----------
    k : int, optional
        Entries kept; default `default_k(n)`.
    p : float
        Exponent.
    center : bool
        Subtract the anchors' mean from vectors and anchors before the cosine. The paper does not. It helps if the
        vectors of an encoder share a large common part (chapter 03).
    hubs : float, 0 to 1
        An anchor in a dense region is near to many questions and says little about each. So this share of the anchor's
        mean cosine with its `NEAREST` own nearest anchors is subtracted from the k cosines that are kept, before the
        power. The average of these means is subtracted first, so that an average anchor loses nothing. With 0.5 this is
        the idea of CSLS (Lample et al., Word translation without parallel data, ICLR 2018, section 2.3). A score is
        still a sum over anchors. With pictures of another kind than the bank's it can harm.
    whiten : float, above 0 and at most 1, optional
        Whiten the vectors of a bank's first side, its pictures, before the cosine. They are centred and scaled to
        length 1, as the anchors are. Then they are divided along the main directions of the anchors by the standard
        deviation there, whose square is shrunk by this share towards its mean. 0.8 is a good start, and 1 does not
        whiten. It helps with pictures of another kind than the bank's.
    """

    k: int | None = None
    p: float = DEFAULT_P
    center: bool = True
    hubs: float = 0.0
    whiten: float | None = None

    def checked(self, n, near=NEAREST) -> "Settings":
        """Return the settings for n anchors, with the default k if they have none.

        Hubs are found by the `near` nearest others of each anchor, so there must be more than these.

        Raises `ParameterError` if a setting is out of range, n is too small for hubs, or whitening lacks centring.

        >>> Settings(p=8).checked(793)
        Settings(k=79, p=8, center=True, hubs=0.0, whiten=None)
        """
        if not n:
            raise ParameterError("there are no anchors, so there is nothing to compare with; give at least one pair")
        k = default_k(n) if self.k is None else self.k
        check_k(k, n)
        import numpy as np  # not for ``asif --help``

        if not isinstance(self.center, bool | np.bool_):
            raise ParameterError(f"center = {self.center!r}: the anchors' mean is subtracted, True, or not, False")
        p, hubs, whiten = map(_number, (self.p, self.hubs, 1 if self.whiten is None else self.whiten))
        if not SMALLEST_P <= p <= math.nextafter(math.inf, 0):  # an int can be beyond all floats
            raise ParameterError(f"p = {self.p!r}: the exponent is a finite number, {SMALLEST_P} or more")
        if not 0 <= hubs <= 1:
            raise ParameterError(f"hubs = {self.hubs!r}: the share of a mean cosine that is subtracted is from 0 to 1")
        if hubs and n <= near:
            raise ParameterError(f"{n} anchors are too few: their hubs are found among {near} others; take hubs = 0")
        if whiten != 1 and not (0 < whiten < 1 and self.center):
            fault = f"whiten = {self.whiten!r}, center = {self.center}: vectors that are centred are whitened"
            raise ParameterError(f"{fault}, with a shrinkage above 0 and at most 1")
        return Settings(int(k), p, bool(self.center), hubs, None if whiten == 1 else whiten)


def settings_of(n, kept=None, **given) -> Settings:
    """Return settings for n anchors, `checked`: those given, unless they are ``...``, else the `kept`, else defaults.

    A kept k is cut to n, because the bank may have lost anchors since.
    """
    own = replace(kept, k=kept.k and min(kept.k, n)) if kept else Settings()
    return replace(own, **{name: value for name, value in given.items() if value is not ...}).checked(n)


def _number(value) -> float:
    """Return a real number of any library as int or float; NaN, which is in no range, for a bool and anything else."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return (value if type(value) is int else float(value)) if is_number else math.nan


def check_k(k, n):
    """Raise `ParameterError` unless 1 ≤ k ≤ n is a whole number."""
    try:
        is_count = not isinstance(k, bool) and 1 <= k <= n and k == int(k)
    except TypeError:  # a text, or None
        is_count = False
    if not is_count:
        raise ParameterError(f"k = {k}: the entries to keep must be a whole number from 1 to the {n} anchors")


def check_seed(seed) -> int:
    """Return a seed; raise `ParameterError` unless it is a whole number, 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ParameterError(f"seed = {seed!r}: a seed is a whole number, 0 or more")
    return int(seed)


def check_reduce(reduce, t=1, templates=1):
    """Raise `ParameterError` unless the scores of t prompts, some templates for each label, can be reduced this way."""
    if reduce not in ("mean", "max"):
        raise ParameterError(f"reduce = {reduce!r}: scores over templates are reduced by 'mean' or 'max'")
    if templates < 1 or t % templates:
        raise ParameterError(f"{t} prompts are not a whole number of labels in {templates} templates")


def default_k(n, share=DEFAULT_K_SHARE) -> int:
    """Return the default k for n anchors: the `share` of them, at least 1, at most `LARGEST_DEFAULT_K`."""
    return min(max(1, round(share * n)), LARGEST_DEFAULT_K)
