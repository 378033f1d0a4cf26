"""An effect of a removal is that of a rebuilt bank, and Shapley values are those of all subsets of a small bank."""

import functools
import itertools
import math
import re

import numpy as np
import pytest
import torch

from asif_lib import ASIF, method
from asif_lib.errors import ParameterError
from asif_lib.explain import contributions, credit, fall_without, removal_effects, shapley_values
from tests.made_banks import make

N, K = 7, 3
BANK, ASKED = make(0, N), make(100, 103)


def model(p=2, **settings):
    return ASIF(BANK, K, p, device="cpu", **settings)


@functools.cache
def score(i, anchors, p):
    """The score of question i with these anchors only, about the mean of the whole bank."""
    anchors, sides = sorted(anchors), []
    for side in BANK.sides if anchors else ():
        z, rows = ASKED.matrix(side)[[i]] - BANK.mean(side), BANK.matrix(side)[anchors] - BANK.mean(side)
        sides.append(method.sparsify(method.relative(z, rows).double(), min(K, len(anchors)), p))
    return float(method.scores(*sides)) if sides else 0.0


@pytest.mark.parametrize("settings", [{}, {"center": False}, {"whiten": 0.5}])
def test_an_effect_is_the_change_of_a_bank_that_is_built_without_the_anchor(settings):
    whole = model(**settings)
    effects = removal_effects(whole, ASKED.image, ASKED.text)
    before = whole.similarity(ASKED.image, ASKED.text).diagonal()
    for anchor in range(N):
        rest = BANK.subset([i for i in range(N) if i != anchor])
        after = ASIF(rest, K, 2, device="cpu", **settings).similarity(ASKED.image, ASKED.text).diagonal()
        torch.testing.assert_close(effects[:, anchor], before - after, atol=1e-6, rtol=0)


def test_the_closed_form_is_the_removal_of_one_anchor_or_a_group_if_none_enters_and_no_mean_moves():
    whole = ASIF(BANK, N - 2, 2, device="cpu", center=False)
    sides = zip(BANK.sides, (ASKED.image, ASKED.text), strict=True)
    x, y = (whole.represent(*side).to_dense().double() for side in sides)  # (q, n) each
    groups = torch.arange(N) // 2
    falls, one = fall_without(x, y, groups), removal_effects(whole, ASKED.image, ASKED.text, exact=False)
    for found, of in ((falls, groups), (one.double(), torch.arange(N))):
        for group in range(int(of.max()) + 1):
            left = [torch.nn.functional.normalize(side * (of != group), dim=1) for side in (x, y)]
            after = (left[0] * left[1]).sum(dim=1)
            torch.testing.assert_close(found[:, group], (x * y).sum(dim=1) - after, atol=1e-6, rtol=0)


def test_credit_says_who_is_named_and_who_would_be_missed():
    """Missed is what a bank without the group lacks; named are shares of the contributions, which add up to 1."""
    bank, rising = make(0, 30), 0
    whole = ASIF(bank, 9, 2, device="cpu")
    for i in range(len(ASKED)):
        picture, prompts = ASKED.image[[i]], ASKED.text  # three prompts of one label
        table, score = credit(whole, picture, prompts), whole.similarity(picture, prompts).mean()
        assert table.named.sum() == pytest.approx(1) and table.missed.is_monotonic_decreasing
        parts = contributions(whole.images(picture), whole.texts(prompts), bank.pairs, reduce="mean")
        for group, row in table.iterrows():
            left = ASIF(bank.subset(np.flatnonzero(bank.pairs.group != group)), 9, 2, device="cpu")
            assert row.missed == pytest.approx(float(score - left.similarity(picture, prompts).mean()), abs=1e-6)
            assert row.named == pytest.approx(parts[parts.group == group].contribution.sum() / float(score), abs=1e-6)
        rising += (table.missed < 0).sum()
    assert rising  # a group may be named although the score rises without it
    by_id = credit(whole, picture, prompts, by="id")
    assert len(by_id) == len(parts)  # an anchor that gave nothing is not there


@pytest.mark.parametrize("p", [2, 64, 1_000])
def test_shapley_values_are_those_of_all_subsets_and_add_up_to_the_score(p):
    """Also of a sharp power, which may underflow for one cosine: the list's largest entry is still 1."""
    values, errors = shapley_values(model(p), ASKED.image, ASKED.text, permutations=2_000)
    torch.testing.assert_close(values.sum(dim=1).float(), model(p).similarity(ASKED.image, ASKED.text).diagonal())
    exact = torch.zeros(len(ASKED), N, dtype=torch.float64)
    for i, anchor, size in itertools.product(range(len(ASKED)), range(N), range(N)):
        weight = math.factorial(size) * math.factorial(N - size - 1) / math.factorial(N)
        for some in map(frozenset, itertools.combinations({*range(N)} - {anchor}, size)):
            exact[i, anchor] += weight * (score(i, some | {anchor}, p) - score(i, some, p))
    assert ((values - exact).abs() <= 5 * errors + 1e-6).all() and (exact.abs().amax(dim=1) > 0.01).all()


def test_errors_shrink_with_the_root_of_the_permutations():
    few, many = (shapley_values(model(), ASKED.image, ASKED.text, permutations=m)[1] for m in (200, 3_200))
    used = few > 1e-9
    np.testing.assert_allclose((few[used] / many[used]).median(), 4, rtol=0.25)


@pytest.mark.parametrize(
    "call, words",
    [
        *((lambda of=of, asked=asked: of(*asked), words) for of in (removal_effects, shapley_values)
          for asked, words in (
              ((model(), ASKED.image, ASKED.text[:2]), "3 pictures and 2 texts: give as many of both"),
              ((model(), ASKED.image[:0], ASKED.text[:0]), "0 pictures and 0 texts"),
              ((ASIF(BANK.subset([0]), device="cpu"), ASKED.image, ASKED.text), "the bank has one anchor"))),
        (lambda: ASIF(BANK.subset([]), device="cpu"), "there are no anchors"),
        (lambda: shapley_values(model(), ASKED.image, ASKED.text, permutations=1), "an error needs 2 or more"),
        (lambda: shapley_values(model(), ASKED.image, ASKED.text, permutations=2.5), "= 2.5: give a whole number"),
        (lambda: shapley_values(model(), ASKED.image, ASKED.text, seed=-1), "seed = -1: a seed is a whole number"),
        (lambda: shapley_values(ASIF(make(0, 40), 3, 2, hubs=0.5, device="cpu"), ASKED.image, ASKED.text),
         "hubs depend on who has joined"),
        (lambda: removal_effects(ASIF(BANK, N, 2, device="cpu"), ASKED.image, ASKED.text), "fewer than the k"),
        *((lambda by=by: credit(model(), ASKED.image[[0]], ASKED.text, by), f"by = {re.escape(repr(by))} is not one col"
           f"umn of the bank; the columns are 'id'") for by in ("owner", ["group", "id"])),
        (lambda: credit(ASIF(BANK.replace(pairs=BANK.pairs.assign(owner=[None, "a"] + 5 * ["b"])), K, 2, device="cpu"),
                        ASKED.image[[0]], ASKED.text, "owner"), "is empty for 1 of 7 anchors, the first is anchor 0"),
        (lambda: credit(model(), ASKED.image[:2], ASKED.text), "one picture and one text at a time"),
        (lambda: credit(model(center=False), torch.zeros(1, 6), ASKED.text), "nothing contributed to this score"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ParameterError, match=words):
        call()
