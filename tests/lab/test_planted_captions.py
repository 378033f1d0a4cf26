"""Wrong captions are planted, and the excess of the audit finds them."""

import warnings

import pytest
import torch

from asif_lab.baselines import NearestAnchorCaption
from asif_lab.wrong_captions import AGREEMENT, detection, over_seeds, plant_wrong_captions
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import Measure


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 1.0])
def test_planted_captions_are_wrong_and_only_these(stamps_bank, share):
    planted = plant_wrong_captions(stamps_bank, share, seed=3)
    old, new = stamps_bank.pairs.caption.to_numpy(), planted.bank.pairs.caption.to_numpy()
    assert planted.wrong.sum() == round(share * 793)
    assert ((old != new) == planted.wrong).all()
    assert sorted(old) == sorted(new)
    text_of = dict(zip(old, stamps_bank.text, strict=True))
    assert all(torch.allclose(text_of[c], z, atol=1e-5) for c, z in zip(new, planted.bank.text, strict=True))
    assert torch.equal(planted.bank.image, stamps_bank.image)
    assert (plant_wrong_captions(stamps_bank, share, seed=4).wrong != planted.wrong).any() or share == 1


def test_wrong_captions_on_stamps_are_found_better_than_by_the_nearest_caption(stamps_bank):
    table = detection(stamps_bank, [0.1], range(5), baselines={"nearest caption": NearestAnchorCaption})
    auc = table.pivot(index="seed", columns="method", values="auc")
    assert auc.ASIF.mean() >= 0.955
    assert (auc[AGREEMENT] < auc.ASIF).all()
    assert (auc["nearest caption"] < auc.ASIF).all()
    assert (table.wrong == 79).all()


def test_a_baseline_never_sees_the_pair_that_it_scores(stamps_bank):
    class Memory:
        def fit(self, image, text):
            self.seen = {tuple(row) for row in image.tolist()}
            return self

        def similarity(self, image, text):
            return torch.eye(len(image)) * torch.tensor([tuple(row) in self.seen for row in image.tolist()])

    distinct = stamps_bank.subset(slice(0, 100))
    table = detection(distinct, [0.1], [0], baselines={"memory": Memory}).set_index("method")
    assert table.auc["memory"] == 0.5  # all scores are 0


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda bank: plant_wrong_captions(bank, 0), "share = 0"),
        (lambda bank: plant_wrong_captions(bank.subset([0, 0, 0]), 1.0), "same caption"),
        (lambda bank: over_seeds([0.9]), "at least two"),
        (lambda bank: detection(bank.subset(slice(0, 50)), [1.0], [0], baselines={}), "all captions are wrong"),
        (lambda bank: detection(bank.subset(slice(0, 8)), [0.5], [0], baselines={"it": object}), "into 10 folds"),
        (lambda bank: plant_wrong_captions(bank.subset([0]), 0.5), "no two captions to exchange"),
    ],
)
def test_what_cannot_be_planted_or_measured_is_refused_in_one_sentence(stamps_bank, call, words):
    with pytest.raises(ParameterError, match=words) as error:
        call(stamps_bank)
    assert "\n" not in str(error.value)


def test_an_interval_over_seeds_is_students():
    measure, half = over_seeds([0.9, 0.92, 0.94]), 4.3027 * 0.02 / 3**0.5
    assert (measure.low, measure.high) == pytest.approx((0.92 - half, 0.92 + half), abs=1e-5)
    with warnings.catch_warnings(action="error"):
        assert over_seeds([0.9, 0.9, 0.9]) == Measure(0.9, 0.9, 0.9, 3)
