"""Helper of chapter 09: what may be claimed of a difference."""


def verdict_of(gap, method: str, draws) -> str:
    """Say what may be claimed of a paired difference, a `Measure`, that one split of the pairs measured.

    "one split only": its interval excludes 0; "undecided": it does not. If the `draws` of `over_draws` have the
    `method`, their difference follows; one that excludes 0 "holds" if theirs has the same sign and is real after Holm's
    correction.
    """
    decided = gap.low > 0 or gap.high < 0
    if method not in draws.index:
        return "one split only" if decided else "undecided"
    row = draws.loc[method]
    holds = decided and row["verdict"] != "undecided" and row["gap"].value * gap.value > 0
    claim = "holds" if holds else "one split only;" if decided else "undecided on this split;"
    value, low, high = (f"{100 * end:z.1f}" for end in (row["gap"].value, *row["gap"].ci))
    return f"{claim} over {row['seeds']} draws: {value} ({low} to {high})"
