"""The knob of an approximate search is tuned by the decisions that it changes."""

import numpy as np
import pandas as pd
import pytest
import torch

from asif_lab.tuning import choose_effort, compare_decisions, measure_efforts
from asif_lib import ASIF, AnchorBank
from asif_lib.errors import ParameterError
from asif_lib.search import rerank, top_anchors

N = 900


@pytest.fixture(scope="module")
def bank_and_asked():
    """A bank of things of 20 classes as two encoders see them; further pictures, the prompts, and their labels."""
    random = np.random.default_rng(0)
    centres, eye, ear = (random.standard_normal(shape) for shape in ((20, 10), (10, 24), (10, 16)))
    labels = random.integers(0, 20, N + 400)
    latent = centres[labels] + 0.9 * random.standard_normal((N + 400, 10))
    image, text, prompts = (torch.from_numpy(z + 1).float() for z in (latent @ eye, latent @ ear, centres @ ear))
    bank = AnchorBank.from_embeddings(image[:N].half(), text[:N].half(), [f"caption {i}" for i in range(N)])
    return bank, (image[N:], prompts, labels[N:])


@pytest.fixture(scope="module")
def bank(bank_and_asked):
    return bank_and_asked[0]


@pytest.fixture(scope="module")
def validation(bank_and_asked):
    return bank_and_asked[1]


def exact(bank, queries, k, side="image"):
    return top_anchors(queries, bank.rows(side), k, mean=bank.mean(side))


def searched(bank):
    """An approximate search that looks at the first anchors of the bank only, as many as the effort says."""

    def search(pictures, k, effort):
        candidates = np.tile(np.arange(effort), (len(pictures), 1))
        return rerank(pictures, bank.image, candidates, k, mean=bank.image_mean)

    return search


def decisions(bank, prompts, k, p, values, indices):
    """By dense matrices, in double precision."""
    dense = []
    for v, i in ((values, indices), exact(bank, prompts, k, "text")):
        rows = torch.zeros(len(v), len(bank), dtype=torch.float64).scatter_(1, i, v.double().clamp_min(0) ** p)
        dense.append(rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-300))
    return (dense[0] @ dense[1].T).argmax(dim=1).numpy()


def test_the_table_is_what_its_words_say(bank, validation):
    k, p, (pictures, prompts, labels) = 60, 2, validation
    search = searched(bank)
    table = measure_efforts(ASIF(bank, k, p, device="cpu"), search, *validation, [N, 60, 500])
    assert table["effort"].tolist() == [N, 60, 500]
    true = exact(bank, pictures, k)
    decided = decisions(bank, prompts, k, p, *true)
    right = decided == labels
    assert 0.3 < right.mean() < 0.99
    for row in table.itertuples():
        values, indices = search(pictures, k, row.effort)
        here = decisions(bank, prompts, k, p, values, indices)
        assert row.agreement == (here == decided).mean()
        assert row.accuracy == (here == labels).mean()
        assert row.difference == pytest.approx(row.accuracy - right.mean())
        assert row.low < row.difference < row.high
        assert row.recall == pytest.approx(float((values >= true[0][:, -1:]).float().mean()))
    assert table["agreement"].iloc[1] < 1
    assert table[["recall", "agreement", "difference"]].iloc[0].tolist() == [1, 1, 0]


def test_zeros_in_the_place_of_what_is_missing_are_not_found(bank, validation):
    """With k so large that the k-th cosine is negative, a zero is larger than what it stands for."""
    k, effort, pictures = 800, 100, validation[0]
    true, _ = exact(bank, pictures, k)
    assert (true[:, -1] < 0).all()
    table = measure_efforts(ASIF(bank, k, 2, device="cpu"), searched(bank), *validation, [effort])
    values = searched(bank)(pictures, k, effort)[0][:, :effort]
    assert table["recall"].item() == pytest.approx(int((values >= true[:, -1:]).sum()) / (k * len(pictures)))


def test_the_smallest_effort_within_the_margin_is_chosen(bank, validation):
    table = pd.DataFrame({"effort": [1, 2, 4, 8], "low": [-0.05, -0.012, -0.009, -0.004]})
    assert [choose_effort(table, margin) for margin in (1, 1.3, 0.5, 0.1)] == [4, 2, 8, None]
    pictures, prompts, labels = validation
    few = measure_efforts(ASIF(bank, 60, 2, device="cpu"), searched(bank), pictures[:50], prompts, labels[:50], [N])
    assert choose_effort(few, margin=1) is None and choose_effort(few, margin=8) == N  # 50 pictures show little


def test_the_interval_is_the_bootstraps_but_never_that_of_certainty():
    rng = np.random.default_rng(0)
    a, b = rng.random(300) < 0.6, rng.random(300) < 0.7
    wide = compare_decisions(a, b)
    assert wide.low < wide.value - 0.05 < wide.value + 0.05 < wide.high
    same = compare_decisions(a, a)
    assert (same.value, same.low, same.high) == (0, pytest.approx(-0.0126, abs=1e-4), pytest.approx(0.0126, abs=1e-4))
    one = a.copy()
    one[np.flatnonzero(a)[0]] = False
    assert compare_decisions(one, a).low < same.low  # one decision lost is no better evidence than none


def test_labels_that_do_not_fit_are_refused(bank, validation):
    pictures, prompts, labels = validation
    with pytest.raises(ParameterError, match=r"labels of shape \(399,\) for 400 pictures: give the class of each"):
        measure_efforts(ASIF(bank, 60, 2, device="cpu"), None, pictures, prompts, labels[1:], [N])


@pytest.mark.parametrize("margin", [0, 100, float("nan")])
def test_a_margin_is_between_0_and_100_points(margin):
    with pytest.raises(ParameterError, match="margin = "):
        choose_effort(pd.DataFrame(), margin)
