"""Headline numbers once more, by the method in one file, without a function of the library for ranks or tests."""

import math
import re

import numpy as np
import pytest

from asif_lib import method
from asif_lib.files import ROOT

PAGE = (ROOT / "notebooks" / "results.md").read_text(encoding="utf-8")


def on_the_page(name):
    """The number of the page of results in the row with this name."""
    return float(re.search(rf"^\| {re.escape(name)} \| (-?[\d.]+) ", PAGE, re.M)[1])


def places(scores, right):
    """The place of each row's best right answer; a tie stands behind."""
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    return ((scores >= best) & ~right).sum(axis=1)


@pytest.fixture
def asked_of(stamps, stamps_bank):
    """Return embeddings of asked stamps and of known ones, both of two sides, and which captions are right."""

    def asked_of(asked, known):
        captions = np.array(stamps.captions)[asked]
        rows = [side[rows] for rows in (asked, known) for side in (stamps_bank.image, stamps_bank.text)]
        return *rows, captions[:, None] == captions[None]

    return asked_of


def test_recall_at_1_and_at_10(stamps, asked_of):
    known = stamps.splits["train"] + stamps.splits["validation"]
    *rows, right = asked_of(stamps.splits["test"], known)
    found = places(method.asif(*rows, round(0.1 * len(known)), 2).numpy(), right)
    for k in (1, 10):
        said = on_the_page(f"held-out stamps, caption among 150, R@{k} (chance {100 * chance(right, k):.1f}%)")
        assert 100 * np.mean(found < k) == pytest.approx(said, abs=0.7)  # one item of 150


def chance(right, k):
    t = right.shape[1]
    return np.mean([1 - math.comb(t - r, k) / math.comb(t, k) for r in right.sum(axis=1).tolist()])


def test_dense_relative_representations_on_the_validation_split(stamps, asked_of):
    *rows, right = asked_of(stamps.splits["validation"], stamps.splits["train"])
    image, text = (method.unit(method.relative(*method.centre(z, anchors))) for z, anchors in (rows[::2], rows[1::2]))
    found = places(method.scores(image, text).numpy(), right)
    said = on_the_page("stamps (validation), dense relative representations, caption among 150, R@1 (chance 0.7%)")
    assert 100 * np.mean(found < 1) == pytest.approx(said, abs=0.7)
