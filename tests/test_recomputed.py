"""Headline numbers once more, in plain NumPy, without a function of the library for the method, ranks or tests."""

import math
import re

import numpy as np
import pytest

from asif_lib.files import ROOT

PAGE = (ROOT / "notebooks" / "results.md").read_text(encoding="utf-8")


def on_the_page(name):
    """The number of the page of results in the row with this name."""
    return float(re.search(rf"^\| {re.escape(name)} \| (-?[\d.]+) ", PAGE, re.M)[1])


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sparse(z, anchors, k, p=2):
    """Centre, cosines, the k largest, clamp, power, length 1: (q, n)."""
    mean = anchors.mean(axis=0)
    cosines = unit(z - mean) @ unit(anchors - mean).T
    kept = np.zeros_like(cosines)
    for row, out in zip(cosines, kept, strict=True):
        best = np.argsort(-row)[:k]
        out[best] = np.maximum(row[best], 0) ** p
    return unit(kept)


def similarities(bank, asked, prompts, k):
    return sparse(asked, bank[0], k) @ sparse(prompts, bank[1], k).T


def places(scores, right):
    """The place of each row's best right answer; a tie stands behind."""
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    return ((scores >= best) & ~right).sum(axis=1)


@pytest.fixture(scope="module")
def held_out(stamps, stamps_bank):
    """Anchors (train and validation) and test stamps: embeddings in double precision, and which captions are right."""
    image, text = (side.double().numpy() for side in (stamps_bank.image, stamps_bank.text))
    known, asked = stamps.splits["train"] + stamps.splits["validation"], stamps.splits["test"]
    captions = np.array(stamps.captions)[asked]
    return (image[known], text[known]), image[asked], text[asked], captions[:, None] == captions[None]


def test_recall_at_1_and_at_10(held_out):
    bank, image, text, right = held_out
    found = places(similarities(bank, image, text, round(0.1 * len(bank[0]))), right)
    for k in (1, 10):
        said = on_the_page(f"held-out stamps, caption among 150, R@{k} (chance {100 * chance(right, k):.1f}%)")
        assert 100 * np.mean(found < k) == pytest.approx(said, abs=0.7)  # one item of 150


def chance(right, k):
    t = right.shape[1]
    return np.mean([1 - math.comb(t - r, k) / math.comb(t, k) for r in right.sum(axis=1).tolist()])


def test_dense_relative_representations_on_the_validation_split(stamps, stamps_bank):
    image, text = (side.double().numpy() for side in (stamps_bank.image, stamps_bank.text))
    train, asked = stamps.splits["train"], stamps.splits["validation"]
    sides = [unit(z[asked] - z[train].mean(axis=0)) @ unit(z[train] - z[train].mean(axis=0)).T for z in (image, text)]
    captions = np.array(stamps.captions)[asked]
    found = places(unit(sides[0]) @ unit(sides[1]).T, captions[:, None] == captions[None])
    said = on_the_page("stamps (validation), dense relative representations, caption among 150, R@1 (chance 0.7%)")
    assert 100 * np.mean(found < 1) == pytest.approx(said, abs=0.7)
