"""Prove a gain on held-out items, which are opened for a number of choices that is announced first."""

import sys

import numpy as np
from tqdm.auto import tqdm

from asif_book.checks.progress import RESULT

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

    @property
    def looks(self) -> int:
        """For how many choices the test split has been opened; the same choice again is no new look."""
        return len(self._opened)

    def measure(self, choice):
        """Return for each validation picture whether it gets its class, (q,) bool."""
        if not self.measured:
            self._bar = tqdm(desc="choices measured", unit="", delay=2, file=sys.__stderr__)
        self._bar.update()
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


LOOKS = 3
"""For how many choices the held-out items may be opened."""
ERROR = 0.05 / LOOKS
"""What each interval leaves out. For choices that were made before the first look, the errors add up to 0.05."""


def prove(differences, looks, found, *, above, below, between, resamples=10_000) -> Verdict:
    """Judge the mean of paired differences by its bootstrap interval: right where all of it lies above 0.

    A gain whose interval holds 0 is a result, not a proof. After the last of the `LOOKS`, the check ends.

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
    if looks > LOOKS:
        refuse(
            f"The sealed items were for {LOOKS} looks, and you have had them: a further choice proves nothing here. "
            "For other items set another `seed` at the top, and run the chapter again."
        )
    gap = differences.mean()
    draws = np.random.default_rng(0).integers(len(differences), size=(resamples, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [ERROR / 2, 1 - ERROR / 2])
    found += f", difference {100 * gap:+.1f} points, {100 * (1 - ERROR):.1f} % interval "
    found += f"{100 * low:+.1f} to {100 * high:+.1f}."
    again = f" This was look {looks} of {LOOKS}."
    if looks > 1:
        again += " The interval holds for a choice that was made before the first look."
    if low > 0:
        return right(f"{found} The whole interval lies above 0: {above}{again}")
    if high < 0:
        return wrong(f"{found} The whole interval lies below 0: {below}{again}")
    if gap <= 0:
        return wrong(f"{found} The interval holds 0, and there is no gain: {between}{again}")
    return Verdict("", RESULT, f"{found} The interval holds 0: {between} The exercise counts as solved.{again}")
