"""Evaluation: pessimistic about ties, honest about how sure."""

import numpy as np
import pytest
import torch
from scipy.stats import binom, multinomial

from asif_lib.errors import ParameterError
from asif_lib.evaluation import measures
from asif_lib.evaluation.measures import mcnemar, mean_with_interval, paired_difference, ranks, resampled_counts
from asif_lib.evaluation.recommending import sweep


@pytest.mark.parametrize("n", [10, 100, 1_000])
def test_an_interval_contains_its_mean_and_is_the_same_for_a_seed(n):
    items = np.random.default_rng(n).random(n) < 0.4
    measure = mean_with_interval(items)
    assert measure.low <= measure.value == items.mean() <= measure.high
    assert measure.n == n and measure.ci == (measure.low, measure.high)
    assert (-100 * measure).ci == (-100 * measure.high, -100 * measure.low)
    assert measure == mean_with_interval(items)


HALF, END = 1.96 * 0.5 / 20, 0.025 ** (1 / 10)
"""Of the normal interval of 400 halves; and of the exact binomial interval of 10 of 10."""


@pytest.mark.parametrize(
    "items, ends",
    [(np.arange(400) % 2, (0.5 - HALF, 0.5 + HALF)), ([0.3], (0.3, 0.3)), ([0, 0, 0], (0, 0)),
     ([True] * 10, (END, 1)), ([False] * 10, (0, 1 - END))],
)  # fmt: skip
def test_an_interval_is_near_the_normal_one_and_all_right_or_all_wrong_is_not_certainty(items, ends):
    assert mean_with_interval(items).ci == pytest.approx(ends, abs=0.01 if len(items) == 400 else 1e-9)


@pytest.mark.parametrize(
    "draw, mean", [(np.random.Generator.normal, 0), (np.random.Generator.exponential, 1)], ids=["normal", "skewed"]
)
@pytest.mark.parametrize("n", [10, 20])
def test_the_interval_of_few_values_contains_their_mean_as_often_as_it_says(draw, mean, n):
    rng = np.random.default_rng(n)
    found = [mean_with_interval(draw(rng, size=n)) for _ in range(500)]
    assert np.mean([one.low <= mean <= one.high for one in found]) > 0.92


@pytest.mark.parametrize("items", [[1.1, 2.3, 3.7], [1 / 3] * 19 + [1.0], [0.1] * 38 + [0.7]])
def test_resamples_that_differ_by_rounding_only_make_no_interval_endless(items):
    measure, error = mean_with_interval(items), np.std(items, ddof=1) / len(items) ** 0.5
    assert measure.value - 50 * error < measure.low < measure.value < measure.high < measure.value + 50 * error


@pytest.mark.parametrize("truth", [0.6, 0.96, 0.995])
def test_the_interval_of_an_auc_stays_below_1_and_contains_it_as_often_as_it_says(truth):
    aucs = np.random.default_rng(0).beta(200 * truth, 200 * (1 - truth), size=(500, 5))
    found = [measures.auc_with_interval(seeds) for seeds in aucs]
    assert np.mean([one.low <= truth <= one.high for one in found]) > 0.92
    assert all(0 < one.low < one.value < one.high < 1 for one in found)
    assert measures.auc_with_interval([1, 1, 1]).ci == (1, 1)
    with pytest.raises(ParameterError, match="1 part of an AUC: an interval takes at least two"):
        measures.auc_with_interval([0.9])


@pytest.mark.parametrize("n", [21, 60])
def test_the_interval_of_a_share_contains_each_share_as_often_as_it_says(n):
    ends = np.array([mean_with_interval(np.arange(n) < hits).ci for hits in range(n + 1)])
    shares = np.linspace(0.02, 0.98, 97)[:, None]
    held = (ends[:, 0] <= shares + 1e-9) & (shares <= ends[:, 1] + 1e-9)
    assert (held * binom.pmf(np.arange(n + 1), n, shares)).sum(axis=1).min() > 0.92


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: mean_with_interval([]), "no items"),
        (lambda: measures.share_with_interval([]), "no pictures"),
        (lambda: measures.accuracy([1, 2, 3], [1, 2]), "predictions of the shape .3,. for labels of the shape .2,."),
        (lambda: paired_difference([1, 0, 1], [1]), None),
    ],
)
def test_what_cannot_be_measured_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_ranks_count_what_is_better_and_the_best_of_several_relevant_candidates():
    scores = torch.tensor([[0.9, 0.5, 0.1]] * 4)
    relevant = measures.same_text(["a", "b", "c", "d"], ["a", "b", "c"])
    relevant[3, 1:] = True
    assert ranks(scores, relevant).tolist() == [0, 1, 2, 1]
    accuracy = measures.accuracy(torch.tensor([0, 1, -1, 2]), np.array([0, 2, 0, 2]))  # -1 is undecided, and wrong
    assert (accuracy.value, accuracy.n) == (0.5, 4)


def test_a_rate_has_the_binomial_interval_of_wilson():
    measure = measures.share_with_interval([True] * 3 + [False] * 7)
    assert (measure.value, measure.n) == (0.3, 10)
    assert measure.ci == pytest.approx((0.1078, 0.6032), abs=1e-4)  # by hand


def test_ties_and_scores_that_are_no_number_are_no_find():
    scores, relevant = torch.zeros(4, 5), torch.zeros(4, 5, dtype=torch.bool)
    relevant[:, 0] = True
    assert ranks(scores, relevant).tolist() == [4] * 4
    assert (measures.recall_at(scores, relevant, 4).value, measures.recall_at(scores, relevant, 5).value) == (0, 1)
    scores[:, 0] = torch.nan
    assert 0 not in ranks(scores, relevant).tolist()


def test_arrays_and_lists_are_measured_as_tensors_are():
    scores, relevant = torch.rand(60, 5, generator=torch.Generator().manual_seed(0)), torch.eye(5).bool().repeat(12, 1)
    expected = measures.recall_at(scores, relevant, 2)
    for kind in (np.asarray, lambda x: x.tolist()):
        assert measures.recall_at(kind(scores), kind(relevant), 2) == expected
        assert measures.recall_at(scores, kind(relevant), 2) == expected
    rows = torch.arange(5) % 2
    assert measures.accuracy(rows, rows.numpy()) == measures.accuracy(rows.tolist(), rows)
    assert paired_difference(rows, 1 - rows) == paired_difference(rows.tolist(), (1 - rows).numpy())
    assert mcnemar(rows, 1 - rows) == mcnemar(rows.tolist(), (1 - rows).numpy())


@pytest.mark.parametrize("seed", [-1, 1.5, True, None])
def test_a_seed_is_a_whole_number(seed):
    for draw in (lambda: mean_with_interval([0.1] * 60, seed), lambda: resampled_counts((2, 9), seed)):
        with pytest.raises(ParameterError, match=f"seed = {seed}: a seed is a whole number, 0 or more"):
            draw()
    assert mean_with_interval(range(60), np.int64(3)) == mean_with_interval(range(60), 3)


def test_a_difference_without_changes_is_not_certain():
    """Six pictures with the same answers allow a difference of 39 points: 1.96² / (6 + 1.96²)."""
    for same in ([1] * 6, [0] * 6, [0.5] * 6):
        assert paired_difference(same, same).ci == pytest.approx((-0.3903, 0.3903), abs=1e-4)
    one = paired_difference([1], [0])
    assert (one.value, one.high) == (1, pytest.approx(1)) and one.low < -0.5
    assert paired_difference([0], [1]).ci == pytest.approx((-one.high, -one.low))
    few = np.arange(1_000) < 3
    assert paired_difference(few, ~few & few).low < 0.001 < 0.008 < paired_difference(few, ~few & few).high
    assert mean_with_interval([True, False]).ci == pytest.approx((0.0126, 0.9874), abs=1e-4)


@pytest.mark.parametrize("n", [6, 21])
@pytest.mark.parametrize("won, lost", [(0.01, 0.01), (0.3, 0.3), (0.9, 0.05)])
def test_the_interval_of_few_items_contains_the_difference_as_often_as_it_says(n, won, lost):
    covered = 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            right = np.repeat([1, 0, 0], [a, b, n - a - b]), np.repeat([0, 1, 0], [a, b, n - a - b])
            gap = paired_difference(*right)
            held = gap.low - 1e-6 <= won - lost <= gap.high + 1e-6
            covered += held * multinomial.pmf([a, b, n - a - b], n, [won, lost, 1 - won - lost])
    assert covered >= 0.92


def test_a_sweep_tries_every_combination_once():
    seen = []

    def evaluate(k, p):
        seen.append((k, p))
        return torch.tensor(k * p)

    table = sweep(evaluate, [0.001, 0.1, 1.0], [1, 8], 80)
    assert list(table) == ["fraction", "k", "p", "value"]
    assert seen == [(1, 1), (1, 8), (8, 1), (8, 8), (80, 1), (80, 8)]
    assert (table.value == table.k * table.p).all()


def test_only_disagreements_count():
    found = mcnemar([1, 1, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1, 1])
    assert found == (5, 1, pytest.approx(2 * 7 / 64))  # 0 or 1 heads of 6, to either side
    assert mcnemar([1, 0], [1, 0]).p == 1
    with pytest.raises(ParameterError, match="same questions"):
        mcnemar([1, 0], [1])


def test_counts_in_blocks_are_those_of_one_draw():
    whole = np.random.default_rng(5).multinomial(40, np.full(40, 1 / 40), 700)
    assert (resampled_counts((700, 40), seed=5) == whole).all()
