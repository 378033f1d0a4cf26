"""Helpers of chapter 09: the benchmark of section 1, and what may be claimed of a difference."""

from asif_lab.benchmark import Configuration
from asif_lib.defaults import PROFILES
from asif_lib.evaluation import Measure

RIVALS = ["label transfer", "ridge", "CSA", "kernel ridge, both ways", "CLIP heads"]


def who_wins_when(profile: str, pairs, most: int, fast: bool) -> Configuration:
    """The benchmark of section 1: ASIF and its rivals, with fewer than the `most` training pairs, and with all.

    `fast`: three rivals instead of five, two draws of the smaller sizes instead of three, and one smaller size.
    """
    sizes = [size for size in (50, 100, 200) if size < most]
    return Configuration(
        title="Who wins when",
        banks={"stamps": [str(pairs)]},
        tasks={"captions": {"kind": "retrieval", "pairs": str(pairs)}},
        methods=["ASIF", *(RIVALS[:3] if fast else RIVALS)],
        sizes=[*(sizes[:1] if fast else sizes), "all"],
        seeds=2 if fast else 3,
        validation=str(pairs),
        image_encoders=[PROFILES[profile].image_encoder],
        text_encoders=[PROFILES[profile].text_encoder],
    )


def gap_of(row, n: int) -> Measure:
    """The paired difference to the reference, over `n` questions, in a row of a comparison."""
    return Measure(row.difference, row.difference_low, row.difference_high, n)


def against_asif(curves, draws, n: int):
    """ASIF's `Measure` with all pairs, the rivals' rows with their `gap` to it, and the first words of each verdict.

    curves: a row for each method and size, of `n` questions each; draws: what `over_draws` returns.
    """
    full = curves[curves["size"] == curves["size"].max()].set_index("method")
    asif, rivals = full.loc["ASIF"], full.drop("ASIF")
    rivals["gap"] = [gap_of(row, n) for row in rivals.itertuples()]
    claims = {name: verdict_of(gap, name, draws) for name, gap in rivals.gap.items()}
    verdicts = {name: claim.partition("; over")[0].partition(":")[0] for name, claim in claims.items()}
    return Measure(asif.value, asif.low, asif.high, n), rivals, verdicts


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
