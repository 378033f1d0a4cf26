"""Simulate samples whose truth is known, and count how often the 95 % interval of each kind contains the truth.

    python benchmarks/accuracy/intervals.py

With the 1,000 samples of a line, a coverage of 95 % is known to about 1.4 points. Slow kinds have 200 samples.
"""

import argparse
import itertools
from collections import namedtuple

import numpy as np
import torch
from scipy.stats import binom, norm

from asif_book.chapters.chapter_02.lessons import correlation_with_interval, mutual_neighbours
from asif_book.chapters.chapter_05.lessons import calibration_error
from asif_book.chapters.chapter_07.lessons import auc_of_parts, parts_of_auc
from asif_book.checks.quiz import gain
from asif_lab.benchmark.comparing import compare_paired
from asif_lib import ASIF, AnchorBank
from asif_lib.evaluation import (
    auc_with_interval,
    mean_with_interval,
    paired_difference,
    share_with_interval,
)
from asif_lib.explain import own_coverage
from asif_lib.machine import progress_bar

Ends = namedtuple("Ends", "low high")
SIXTHS = np.arange(7) / 6  # the recall of a pair: R@1, R@5 and R@10 both ways


def coverage_of_shares(interval, n) -> np.ndarray:
    """Return the exact coverage of the interval of a share for true shares from 5 to 95 %, (91,)."""
    ends = [interval(np.arange(n) < hits) for hits in range(n + 1)]
    low, high = (np.array([getattr(one, end) for one in ends]) for end in ("low", "high"))
    shares = np.linspace(0.05, 0.95, 91)[:, None]
    held = (low <= shares + 1e-9) & (shares <= high + 1e-9)  # (91, n + 1)
    return (held * binom.pmf(np.arange(n + 1), n, shares)).sum(axis=1)


def means(draw, truth, n):
    return lambda rng: mean_with_interval(draw(rng, n)), truth


def differences(n, won, lost, steps=(1,)):
    """Pairs of answers: method a is better on a share of the items, b on another, by one of some `steps`."""

    def sample(rng):
        gaps = rng.choice([1, -1, 0], p=[won, lost, 1 - won - lost], size=n) * rng.choice(steps, size=n)
        return paired_difference(np.maximum(gaps, 0), np.maximum(-gaps, 0))

    return sample, (won - lost) * np.mean(steps)


def calibration(n, accuracy):
    def sample(rng, n=n):
        confidence = rng.uniform(0.2, 1, n)
        return confidence, rng.random(n) < accuracy(confidence)

    grid = np.linspace(0.2, 1, 1_000_001)
    truth = np.abs((grid - accuracy(grid))[:-1].reshape(10, -1).mean(axis=1)).mean()  # bins of equally many answers
    return lambda rng: calibration_error(*sample(rng))[0], truth


def draws_of_splits(seeds, asked, items, truth=0.05):
    """Items and draws have effects of their own; each draw asks some of the items, with new noise."""

    def sample(rng):
        gaps = truth + rng.normal(0, 0.2, items) + rng.normal(0, 0.02, (seeds, 1)) + rng.normal(0, 0.3, (seeds, items))
        for row in gaps:
            row[rng.permutation(items)[asked:]] = np.nan
        row = compare_paired(np.stack([np.where(np.isnan(gaps), np.nan, 0.0), gaps])).iloc[1]
        return Ends(row["difference_low"], row["difference_high"])

    return sample, truth


def class_gain(n, before=0.4, learned=0.5):
    def sample(rng):
        skill = rng.beta(4, 4, (n, 1)) - 0.5  # of each student
        pre = rng.random((n, 20)) < np.clip(before + skill, 0, 1)
        return Ends(*gain(pre, pre | (rng.random((n, 20)) < learned))[1:])

    return sample, learned


def auc_of_seeds(seeds, lead, wrong=40, right=400):
    """A rank-based AUC for each seed, of wrong pairs that lead over right ones."""

    def sample(rng):
        values = rng.normal(size=(seeds, wrong + right)) + lead * (np.arange(wrong + right) < wrong)
        places = values.argsort(axis=1).argsort(axis=1)[:, :wrong].sum(axis=1)  # (seeds,)
        return auc_with_interval((places - wrong * (wrong - 1) / 2) / (wrong * right))

    return sample, norm.cdf(lead / 2**0.5)


def auc_of_halves(n, lead):
    """Each half of the items joins a bank in turn; an item leads while it is there, and its two values are alike."""

    def sample(rng):
        own, joined = rng.normal(size=n), rng.permutation(n) % 2 == 0
        values = [torch.from_numpy(own + (lead + 0.5 * rng.normal(size=n)) * half) for half in (joined, ~joined)]
        return auc_of_parts(parts_of_auc(values[0], joined) + parts_of_auc(values[1], ~joined))

    return sample, norm.cdf(lead / 2.25**0.5)


def alike(n):
    """Two spaces of the same items, with noise; its truth is the mean over many samples."""

    def sample(rng):
        z = rng.normal(size=(n, 8))
        noisy = torch.from_numpy(np.stack([z, z]) + rng.normal(size=(2, n, 8))).float()
        return torch.nn.functional.normalize(noisy, dim=2) @ torch.nn.functional.normalize(noisy, dim=2).mT

    return sample


def cases():
    """Yield the kind of interval, the samples, a function that draws one and gives its interval, and the truth."""
    kinds = {
        "normal": (lambda rng, n: rng.normal(size=n), 0),
        "exponential": (lambda rng, n: rng.exponential(size=n), 1),
        "log-normal": (lambda rng, n: rng.lognormal(size=n), np.exp(0.5)),
        "recall of pairs": (lambda rng, n: rng.choice(SIXTHS, size=n, p=[0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3]), 0.55),
    }
    for name, (draw, truth) in kinds.items():
        for n in (10, 20, 64, 150):
            yield "mean", f"n = {n}, {name}", *means(draw, truth, n)
    for n, won, lost in ((20, 0.1, 0.1), (40, 0.05, 0.05), (150, 0.01, 0.01), (150, 0.1, 0.06), (1_000, 0.002, 0.002)):
        yield "paired difference of answers", f"n = {n}, {won:.1%} and {lost:.1%} differ", *differences(n, won, lost)
    for n, won, lost in ((40, 0.2, 0.1), (150, 0.01, 0.01), (150, 0.05, 0.02), (150, 0.2, 0.15)):
        about = f"n = {n}, {won:.0%} and {lost:.0%} differ"
        yield "paired difference of recall", about, *differences(n, won, lost, SIXTHS[1:])
    wrong = {
        "calibrated": lambda c: c,
        "5 points too sure": lambda c: c - 0.05,
        "squares": lambda c: c**2,
        "the surest tenth wrong by 30 points": lambda c: np.where(c > 0.92, c - 0.3, c),
    }
    for name, accuracy in wrong.items():
        for n in (88, 300, 1_000):
            yield "calibration error", f"n = {n}, {name}", *calibration(n, accuracy)
    for seeds in (5, 20):
        about = f"{seeds} draws, 150 of 793 items each"
        yield "mean difference over draws of splits", about, *draws_of_splits(seeds, 150, 793)
    for n in (10, 25):
        yield "normalised gain of a class", f"{n} students, 20 questions", *class_gain(n)
    for lead in (0.5, 2.5, 3.5):
        for seeds in (5, 10):
            yield "AUC of planted captions", f"{seeds} seeds, 40 of 440 wrong", *auc_of_seeds(seeds, lead)
    for n, lead in itertools.product((30, 150), (0, 1, 2.5, 3.5)):
        yield "AUC of both halves in turn", f"{n} items", *auc_of_halves(n, lead)
    two, rng = alike(150), np.random.default_rng(1)
    shared = np.mean([mutual_neighbours(*two(rng), 10).mean() for _ in range(300)])
    yield (
        "neighbours shared by two spaces",
        "150 items",
        lambda rng: mean_with_interval(mutual_neighbours(*two(rng), 10)),
        shared,
    )
    whole = np.mean([correlation_with_interval(*two(rng), draws=2).value for _ in range(300)])
    yield "correlation over pairs of items", "150 items", lambda rng: correlation_with_interval(*two(rng)), whole


def false_alarms(n, rng, dim=8, new=4_000):
    """Make a bank of n pairs, and return the share of new pictures of its kind that its own threshold calls unlike."""
    centres = 3 * rng.normal(size=(30, dim))
    z = torch.from_numpy(centres[rng.integers(30, size=n + new)] + rng.normal(size=(n + new, dim))).float()
    bank = AnchorBank.from_embeddings(z[:n], z[:n], [*map(str, range(n))])
    rule, familiarity = own_coverage(ASIF(bank, device="cpu"), z[n:])
    return float(rule.unfamiliar(familiarity).float().mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1_000)
    draws = parser.parse_args().draws
    print("| interval of a share | items | coverage, mean of true shares from 5 to 95 % | smallest |")
    print("|---|---:|---:|---:|")
    for name, interval in (("Wilson's", share_with_interval), ("of a mean", mean_with_interval)):
        for n in (10, 21, 50, 88, 150, 500):
            held = coverage_of_shares(interval, n)
            print(f"| {name} | {n} | {held.mean():.1%} | {held.min():.1%} |", flush=True)
    print("\n| interval | samples | truth | coverage | too low | too high |")
    print("|---|---|---:|---:|---:|---:|")
    for kind, about, sample, truth in progress_bar(list(cases()), desc="kinds of samples"):
        rng = np.random.default_rng(0)
        slow = any(word in kind for word in ("draws of splits", "correlation", "calibration"))
        found = [sample(rng) for _ in range(draws // 5 if slow else draws)]
        low, high = (
            np.mean([sign * getattr(one, end) > sign * truth + 1e-9 for one in found])
            for sign, end in ((1, "low"), (-1, "high"))
        )
        print(f"| {kind} | {about} | {truth:.3f} | {1 - low - high:.1%} | {high:.1%} | {low:.1%} |", flush=True)
    print("\n| own pictures that set the threshold | false alarms, mean of banks | banks with more than 5 % |")
    print("|---:|---:|---:|")
    for n in (100, 200, 500):
        found = np.array([false_alarms(n, np.random.default_rng([n, seed])) for seed in range(draws // 5)])
        print(f"| {n} | {found.mean():.1%} | {(found > 0.05).mean():.0%} |", flush=True)


if __name__ == "__main__":
    main()
