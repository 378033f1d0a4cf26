"""Prove a gain on held-out items, with an interval that grows with every look at them."""

import copy

import numpy as np

from asif_book.progress import RESULT

from .judging import Verdict, refuse, right, wrong


class HeldOutTask:
    """A task with a validation split for choosing, and a test split that is opened for the choice.

    A task defines ``_right(choice, split)``, which pictures get their class, (q,) bool; ``_to_beat(choice, split)``,
    the result of the baseline; and ``_key(choice)``, equal for choices that are the same: by default the choice.
    """

    def __init__(self, validation, test):
        self._splits, self._opened = {"validation": validation, "test": test}, set()
        self.measured = {}
        """The mean of each validation result by the key of its choice; a check clears it first."""

    def afresh(self):
        """Return the same task, of which nothing has been measured or opened."""
        other = copy.copy(self)
        other._opened, other.measured = set(), {}
        return other

    @property
    def looks(self) -> int:
        """For how many choices the test split has been opened; the same choice again is no new look."""
        return len(self._opened)

    def measure(self, choice):
        """Return for each validation picture whether it gets its class, (q,) bool."""
        found = self._right(choice, "validation")
        self.measured[self._key(choice)] = float(found.float().mean())
        return found

    def open_test(self, choice):
        """Return the same for the test split, and the baseline's result there; each new choice is a look."""
        self._opened.add(self._key(choice))
        return self._right(choice, "test"), self._to_beat(choice, "test")

    def _key(self, choice):
        return choice


def refuse_unmeasured(chosen, measured, what, where):
    """End the check unless at least two choices were `measured`, and the `chosen` one among them."""
    if (n := len(measured)) < 2:
        refuse(f"You measured {n} {what}{'s' * (n != 1)} on the {where}; compare at least two.")
    if chosen not in measured:
        refuse(f"You return a {what} that you did not measure on the {where}; measure it, then choose.")


def lowest(chosen, measured) -> str:
    """Say where the `chosen` one has the lowest result of those `measured`, or return an empty string."""
    is_lowest = measured[chosen] == min(measured.values()) < max(measured.values())
    return " It is the lowest of those that you measured: did you take min for max?" if is_lowest else ""


def confidence(look) -> float:
    """Return how sure the interval of the `look`-th look is, 1 - 0.05 / (look (look + 1)).

    1/2 + 1/6 + 1/12 + … = 1, so over any number of looks the chances of an error add up to at most 0.05.

    >>> round(confidence(1), 3)
    0.975
    """
    return 1 - 0.05 / (look * (look + 1))


def prove(differences, looks, found, *, above, below, between, resamples=10_000) -> Verdict:
    """Judge the mean of paired differences by its bootstrap interval: right where all of it lies above 0.

    A gain whose interval holds 0 is a result, not a proof.

    Parameters
    ----------
    differences : array of shape (n,)
        For each held-out item, the student's result minus the result to beat.
    looks : int
        For how many solutions these items have been opened.
    found : str
        The beginning of the verdict, without a full stop.
    above, below, between : str
        The meaning of an interval above 0, below 0, or around 0.
    """
    gap, level = differences.mean(), 1 - confidence(looks)
    draws = np.random.default_rng(0).integers(len(differences), size=(resamples, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [level / 2, 1 - level / 2])
    found += f", difference {100 * gap:+.1f} points, {100 * (1 - level):.4g} % interval "
    found += f"{100 * low:+.1f} to {100 * high:+.1f}."
    again = ""
    if looks > 1:
        again = (
            f" This was look {looks} at these pictures, and many looks find something by luck. So the interval is one "
            f"of 100 % minus 5 % divided by {looks} · {looks + 1}."
        )
    if low > 0:
        return right(f"{found} The whole interval lies above 0: {above}{again}")
    if high < 0:
        return wrong(f"{found} The whole interval lies below 0: {below}{again}")
    if gap <= 0:
        return wrong(f"{found} The interval holds 0, and there is no gain: {between}{again}")
    return Verdict("", RESULT, f"{found} The interval holds 0: {between} The exercise counts as solved.{again}")
