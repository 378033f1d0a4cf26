"""Probabilities that mean what they say, and silence that pays."""

import numpy as np
import pytest
import torch

from asif_book.chapters.chapter_05.lessons import (
    calibration_error,
    calibration_scores,
    coverage_curve,
    fit_temperature,
    reliability,
    temperature_of_pairs,
)
from asif_lib import ASIF
from asif_lib.errors import ParameterError
from asif_lib.explain import leave_one_out


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    scores = torch.rand(4_000, 5, generator=torch.Generator().manual_seed(0))
    probabilities = torch.softmax(scores / temperature, dim=1)
    drawn = torch.multinomial(probabilities, 1, generator=torch.Generator().manual_seed(1))
    labels = drawn.squeeze(1)
    assert fit_temperature(scores, labels) == pytest.approx(temperature, rel=0.15)
    answers = probabilities.max(dim=1)
    error, floor = calibration_error(answers.values, answers.indices == labels)
    assert error.value < 0.03 and floor.low < error.value < floor.high
    overconfident = torch.softmax(10 * scores / temperature, dim=1).amax(dim=1)
    error, floor = calibration_error(overconfident, answers.indices == labels)
    assert 0.1 < error.low < error.value < error.high and floor.high < error.low


def test_a_picture_of_the_bank_chooses_among_its_own_caption_and_others(stamps_bank):
    bank = stamps_bank.subset(range(60))
    images, texts = leave_one_out(bank, 10)
    captions = ["the same"] * 50 + list(bank.pairs.caption[50:])
    chosen = calibration_scores(images, texts, captions, 4, seed=3)
    scores = images.similarity(texts)
    own = torch.isclose(chosen[:, :1], scores.diagonal(), atol=1e-6)  # (60, 60): which picture a row may be
    assert own.any(dim=1).all() and own.any(dim=0).all()
    for row, mine in zip(chosen, own, strict=True):
        i = int(mine.nonzero()[0])
        allowed = [j for j in range(60) if captions[j] != captions[i]]
        assert mine.sum() > 1 or all(torch.isclose(x, scores[i, allowed], atol=1e-6).any() for x in row[1:])
    assert torch.equal(calibration_scores(images, texts, captions, 4, seed=3), chosen)
    with pytest.raises(ParameterError, match="c = 12"):
        calibration_scores(images, texts, captions, 12)


def test_bins_hold_equally_many_answers_and_the_error_is_weighted(monkeypatch):
    monkeypatch.setattr("asif_book.chapters.chapter_05.lessons.BINS", 2)
    confidence = np.array([0.9, 0.5, 0.5, 0.95, 0.95])
    table = reliability(confidence, [True, False, False, False, True], bins=2)
    assert table.n.tolist() == [3, 2]
    assert table.accuracy.tolist() == [1 / 3, 0.5]
    error = calibration_error(confidence, [True, False, False, False, True])[0]
    assert error.value == pytest.approx((3 * (1.9 / 3 - 1 / 3) + 2 * 0.45) / 5)
    assert (table.low <= table.accuracy).all() and (table.accuracy <= table.high).all()


@pytest.mark.parametrize("right", [[True] * 50 + [False] * 50, [False] * 50 + [True] * 50, [True, False] * 50])
def test_the_order_of_equal_confidences_tells_nothing(right):
    error, floor = calibration_error(np.full(100, 0.5), right)
    assert error.low <= error.value <= error.high and floor.low <= error.value <= floor.high
    assert 0.2 < reliability(np.full(100, 0.5), right).accuracy.median() < 0.8
    assert coverage_curve(np.full(100, 0.5), right).accuracy[4] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    "accuracy, truth", [(lambda c: c, 0), (lambda c: c - 0.05, 0.05), (lambda c: c**2, 0.6 - 0.41333)]
)
def test_the_interval_of_the_error_contains_the_true_error_as_often_as_it_says(accuracy, truth):
    """On 120 answers, of which the bins alone make an error of 8 points."""
    rng, held = np.random.default_rng(0), []
    for seed in range(60):
        confidence = rng.uniform(0.2, 1, 120)
        error = calibration_error(confidence, rng.random(120) < accuracy(confidence), seed)[0]
        held.append(error.low <= truth <= error.high)
    assert np.mean(held) > 0.9


def test_answers_that_are_all_right_leave_room_for_an_error():
    error = calibration_error(np.full(40, 1.0), [True] * 40)[0]
    assert (error.value, error.low) == (0, 0) and error.high == pytest.approx(0.044, abs=0.001)  # half of Wilson's


def test_silence_leaves_the_most_confident_answers():
    curve = coverage_curve([0.2, 0.9, 0.8, 0.1], [False, True, True, False])
    assert curve.n.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 4, 4] and curve.coverage.iloc[[0, -1]].tolist() == [0.1, 1]
    assert curve.accuracy.round(3).tolist() == [1] * 6 + [0.667] * 2 + [0.5] * 2


def test_the_temperature_of_a_bank_is_that_of_its_own_choices(stamps_bank):
    model = ASIF(stamps_bank.subset(range(60)), 10)
    scores = calibration_scores(*leave_one_out(model.bank, 10), model.bank.pairs.caption, 4, seed=3)
    assert temperature_of_pairs(model, 4, seed=3) == pytest.approx(fit_temperature(scores, torch.zeros(60)))
