"""A threshold on the nearest anchor's cosine tells pictures of the bank's domain from others, at the rate it states."""

import numpy as np
import pandas as pd
import pytest
import torch

from asif_lib import ASIF
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import are_copies, copy_distance
from asif_lib.explain.out_of_distribution import calibrate, familiarity, own_coverage
from asif_lib.relative import relative_representation


def test_familiarity_is_the_largest_cosine(stamps_bank):
    for center in (True, False):
        model = ASIF(stamps_bank.subset(slice(0, 700)), center=center, device="cpu")
        mean = model.bank.image_mean if center else None
        cosines = relative_representation(stamps_bank.image[700:], model.bank.image, mean=mean)
        assert torch.allclose(familiarity(model, stamps_bank.image[700:]), cosines.amax(dim=1), atol=1e-6)


def test_calibration_keeps_the_false_alarm_rate_that_it_states():
    """Over many draws, the rate of a further value below the threshold is at most the stated one, and near it."""
    random = np.random.default_rng(0)
    alarms = [calibrate(random.normal(size=99), 0.1).unfamiliar(random.normal(size=50)).float().mean()
              for _ in range(400)]  # fmt: skip
    assert 0.085 < np.mean(alarms) < 0.105


def test_the_bank_s_own_pictures_set_the_threshold_without_themselves(stamps_bank):
    bank = stamps_bank.subset(range(0, 793, 4))
    coverage, near = own_coverage(ASIF(bank, device="cpu", center=False), stamps_bank.image[1:3])
    cosines = relative_representation(bank.image, bank.image).fill_diagonal_(-1)
    assert coverage.threshold == pytest.approx(float(cosines.max(dim=1).values.sort().values[9]), abs=1e-5)
    assert own_coverage(ASIF(stamps_bank, device="cpu"), stamps_bank.image[:0])[0].n == 500
    assert (coverage.n, coverage.false_alarm) == (199, 0.05)  # the tenth of 199: 0.05 · (199 + 1)
    assert torch.allclose(near, familiarity(ASIF(bank, device="cpu", center=False), stamps_bank.image[1:3]), atol=1e-6)
    for rows, z, words in ((18, 1280, "18 pictures are too few"), (1, 1280, "too few"), (30, 9, "not of one space")):
        with pytest.raises(ParameterError, match=words):
            own_coverage(ASIF(stamps_bank.subset(range(rows)), k=1, device="cpu"), torch.ones(1, z))


@pytest.mark.parametrize("times", [2, 17])  # the further anchors that are asked hold 16 copies
def test_copies_of_a_picture_are_not_its_other_anchors(stamps_bank, times):
    once = stamps_bank.subset(range(0, 793, 16 if times > 2 else 4))
    pairs = pd.concat([once.pairs.assign(id=once.pairs.id + f"-{i}") for i in range(times)], ignore_index=True)
    image = torch.cat([once.image, *[once.image.half().float()] * (times - 1)])  # as a join rounds them
    bank = once.replace(image=image, text=once.text.repeat(times, 1), pairs=pairs)
    found, again = (own_coverage(ASIF(b, 10, device="cpu"), once.image[:0])[0].threshold for b in (once, bank))
    assert again == pytest.approx(found, abs=0.03 if times > 2 else 1e-3)  # 17 copies: other ranks of so few pictures
    same = once.replace(image=once.image[:1].repeat(len(once), 1)).subset(range(40))
    for center in (True, False):
        with pytest.raises(ParameterError, match="40 pictures of bank .* are copies of one"):
            own_coverage(ASIF(same, 1, device="cpu", center=center), once.image[:1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_what_is_rounded_to_the_precision_of_a_bank_is_a_copy_and_other_stamps_are_not(stamps_bank, dtype):
    rounded = stamps_bank.image.to(dtype).float()
    assert are_copies(torch.nn.functional.cosine_similarity(stamps_bank.image, rounded), dtype).all()
    cosines = relative_representation(stamps_bank.image, rounded).fill_diagonal_(0)
    assert are_copies(cosines, dtype).sum() <= 4  # of the two stamps that have a twin
    limit = 1 - copy_distance(dtype) ** 2 / 2
    assert are_copies(torch.tensor([limit + 1e-6, limit - 1e-6]), dtype).tolist() == [True, False]


@pytest.mark.parametrize(
    "values, rate, words",
    [([0.1] * 8, 0.1, "at least 9"), ([0.1] * 8, 0, "between 0 and 1"), ([0.1, float("nan")], 0.5, "NaN")],
)
def test_what_cannot_be_calibrated_is_refused(values, rate, words):
    with pytest.raises(ParameterError, match=words):
        calibrate(values, rate)
