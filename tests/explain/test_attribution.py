"""An effect of a removal is that of a rebuilt bank, and Shapley values are those of all subsets of a small bank."""

import itertools
import math

import numpy as np
import pytest
import torch

from asif_lib import ASIF, method
from asif_lib.errors import ParameterError
from asif_lib.explain import removal_effects, shapley_values
from tests.made_banks import make

N, K = 7, 3
BANK, ASKED = make(0, N), make(100, 103)


def model(**settings):
    return ASIF(BANK, K, 2, device="cpu", **settings)


def score(i, anchors):
    """The score of question i with these anchors only, about the mean of the whole bank."""
    anchors, sides = list(anchors), []
    for side in BANK.sides if anchors else ():
        z, rows = ASKED.matrix(side)[[i]] - BANK.mean(side), BANK.matrix(side)[anchors] - BANK.mean(side)
        sides.append(method.sparsify(method.relative(z, rows), min(K, len(anchors)), 2))
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


def test_shapley_values_are_those_of_all_subsets_and_add_up_to_the_score():
    values, errors = shapley_values(model(), ASKED.image, ASKED.text, permutations=2_000)
    torch.testing.assert_close(values.sum(dim=1).float(), model().similarity(ASKED.image, ASKED.text).diagonal())
    for i, anchor in itertools.product(range(len(ASKED)), range(N)):
        others, exact = [j for j in range(N) if j != anchor], 0.0
        for size in range(N):
            weight = math.factorial(size) * math.factorial(N - size - 1) / math.factorial(N)
            for some in itertools.combinations(others, size):
                exact += weight * (score(i, (*some, anchor)) - score(i, some))
        assert abs(float(values[i, anchor]) - exact) <= 5 * float(errors[i, anchor]) + 1e-6


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
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ParameterError, match=words):
        call()


@pytest.mark.parametrize("p", [2, 64, 1_000])
def test_shapley_values_of_a_sharp_power_do_not_vanish(p):
    """A power of one cosine may underflow; the list's largest entry is still 1."""
    bank, asked = make(0, 6), make(100, 101)
    sharp = ASIF(bank, 6, p, device="cpu")
    values, errors = shapley_values(sharp, asked.image, asked.text, permutations=2_000)
    exact, z = np.zeros(6), [asked.matrix(side) - bank.mean(side) for side in bank.sides]
    for order in itertools.permutations(range(6)):
        before = 0.0
        for size, new in enumerate(order, 1):
            some = list(order[:size])
            near = [method.relative(a, bank.matrix(s)[some] - bank.mean(s)) for a, s in zip(z, bank.sides, strict=True)]
            after = float(method.scores(*(method.sparsify(cosines.double(), size, p) for cosines in near)))
            exact[new] += (after - before) / math.factorial(6)
            before = after
    assert (np.abs(values[0].numpy() - exact) <= 5 * errors[0].numpy() + 1e-6).all() and np.abs(exact).max() > 0.01
