"""The knob of an approximate search is tuned by the decisions that it changes."""

import numpy as np
import pandas as pd
import pytest
import torch
from made_banks import draw_things, exact, stored_things

from asif_lab.approximate import build_index
from asif_lab.tuning import ValidationSet, choose_effort, compare_decisions, measure_efforts
from asif_lib.errors import ParameterError


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return stored_things(tmp_path_factory.mktemp("banks"))


@pytest.fixture(scope="module")
def index(bank):
    return build_index(bank, "image", progress=False, lists=20)


@pytest.fixture(scope="module")
def validation():
    pictures, _, labels, prompts = draw_things(400, seed=7, spread=0.9)
    return ValidationSet(pictures, prompts, labels)


def decisions(bank, validation, k, p, values, indices):
    """By dense matrices, in double precision."""
    dense = []
    for v, i in ((values, indices), exact(bank, validation.prompts, k, "text")):
        rows = torch.zeros(len(v), len(bank), dtype=torch.float64).scatter_(1, i, v.double().clamp_min(0) ** p)
        dense.append(rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-300))
    return (dense[0] @ dense[1].T).argmax(dim=1).numpy()


@pytest.mark.filterwarnings("ignore:for .* queries the index found fewer")
def test_the_table_is_what_its_words_say(bank, index, validation):
    k, p = 60, 2
    table = measure_efforts(index, validation, k, p, rounds=2, progress=False)
    assert table["effort"].tolist() == [1, 2, 4, 8, 16, 20]
    true = exact(bank, validation.pictures, k)
    decided = decisions(bank, validation, k, p, *true)
    right = decided == validation.labels
    assert table.attrs["exact_accuracy"] == right.mean()
    assert 0.3 < right.mean() < 0.99
    assert (table.attrs["knob"], table.attrs["n"]) == ("nprobe", 400)
    for row in table.itertuples():
        values, indices = index.search(validation.pictures, k, row.effort)
        here = decisions(bank, validation, k, p, values, indices)
        assert row.agreement == (here == decided).mean()
        assert row.accuracy == (here == validation.labels).mean()
        assert row.difference == pytest.approx(row.accuracy - right.mean())
        assert row.low < row.difference < row.high
        assert row.recall == pytest.approx(float((values >= true[0][:, -1:]).float().mean()))
        assert row.short == (index.search_and_count(validation.pictures, k, row.effort)[2] < k).mean()
        assert row.speedup == pytest.approx(table.attrs["exact_seconds"] / row.seconds)
    assert table["agreement"].iloc[0] < 1
    assert table[["recall", "agreement"]].iloc[-1].tolist() == [1, 1]


def test_zeros_in_the_place_of_what_is_missing_are_not_found(bank, index, validation):
    """With k so large that the k-th cosine is negative, a zero is larger than what it stands for."""
    k, data = 800, ValidationSet(validation.pictures[:60], validation.prompts, validation.labels[:60])
    true, _ = exact(bank, data.pictures, k)
    assert (true[:, -1] < 0).all()
    table = measure_efforts(index, data, k, 2, efforts=[1], progress=False)
    with pytest.warns(UserWarning, match="fewer than k"):
        values, _ = index.search(data.pictures, k, 1)
    found = (values != 0).sum(dim=1)
    right = [int((row[:there] >= last).sum()) for row, there, last in zip(values, found, true[:, -1], strict=True)]
    assert table["short"].item() == 1
    assert table["recall"].item() == pytest.approx(sum(right) / (k * 60))
    assert table["recall"].item() < 0.5


def test_an_index_of_the_texts_searches_the_prompts(bank, validation):
    index = build_index(bank, "text", lists=20, progress=False)
    table = measure_efforts(index, validation, 30, 2, efforts=[20, 1], progress=False)
    assert table["effort"].tolist() == [1, 20]
    assert table["recall"].iloc[0] < 1
    assert table[["recall", "agreement", "difference"]].iloc[1].tolist() == [1, 1, 0]


def test_the_smallest_effort_within_the_margin_is_chosen():
    table = pd.DataFrame({"effort": [1, 2, 4, 8], "low": [-0.05, -0.012, -0.009, -0.004]})
    assert [choose_effort(table, margin) for margin in (1, 1.3, 0.5, 0.1)] == [4, 2, 8, None]


def test_too_few_pictures_cannot_show_anything(bank, index, validation):
    few = ValidationSet(validation.pictures[:50], validation.prompts, validation.labels[:50])
    table = measure_efforts(index, few, 60, 2, efforts=[20], progress=False)
    assert choose_effort(table, margin=1) is None and choose_effort(table, margin=8) == 20


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


def measured(**how):
    return lambda index, data: measure_efforts(index, data, 60, 2, progress=False, **how)


def changed(change):
    return lambda index, data: ValidationSet(*change(data.pictures, data.prompts, data.labels))


@pytest.mark.parametrize(
    "call, words",
    [
        *(
            (measured(efforts=e), "efforts = .*: give one or more settings of nprobe, each once")
            for e in ([], [1, 4, 1])
        ),
        *((measured(efforts=[1], rounds=r), f"rounds = {r}: .* 1 or more") for r in (0, 1.5, True, float("nan"))),
        *((lambda *_, m=m: choose_effort(pd.DataFrame(), m), "margin = ") for m in (0, 100, float("nan"))),
        (changed(lambda x, t, y: (x[:0], t, y[:0])), "0 pictures and int64 labels"),
        (changed(lambda x, t, y: (x, t, y[1:])), r"400 pictures and int64 labels of shape \(399,\): give the position"),
        (changed(lambda x, t, y: (x, t, y / 2)), "float64 labels"),
        (changed(lambda x, t, y: (x, t[:0], y)), "do not count 0 classes"),
        (changed(lambda x, t, y: (x, t, y + 1)), "labels from 1 to 20 do not count 20 classes from 0"),
    ],
)
def test_what_does_not_fit_is_refused(index, validation, call, words):
    with pytest.raises(ParameterError, match=words):
        call(index, validation)
