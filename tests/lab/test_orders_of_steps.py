"""The steps of the method one at a time, and the chapters that quote what they bring."""

import re
import runpy
from itertools import permutations

import pytest
import torch

from asif_lib import method
from asif_lib.files import ROOT


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "benchmarks" / "accuracy" / "steps.py"))


@pytest.fixture(scope="module")
def sides():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(40, width, generator=generator) + 1 for width in (8, 6)]


def test_all_orders_of_the_steps_end_in_the_vectors_of_the_method(script, sides):
    similarities = method.relative(*method.centre(sides[0][:10], sides[0][10:]))
    wanted = method.sparsify(similarities, 5, 2)
    for order in permutations(script["STEPS"]):
        torch.testing.assert_close(script["after"](similarities, order, 5, 2), wanted)


def test_lengths_of_their_own_matter_only_where_a_mean_is_subtracted(script, sides):
    longer = script["with_other_lengths"](sides, torch.Generator().manual_seed(1))
    plain, changed = (script["described"](both, both, center=False) for both in (sides, longer))
    torch.testing.assert_close(changed, plain)
    centred, changed = (script["described"](both, both) for both in (sides, longer))
    assert (changed[0] - centred[0]).abs().max() > 0.1


def test_chapter_04_quotes_the_orders_that_were_measured():
    row = re.compile(r"\| (?:stamps|emoji): \w+→\w+→\w+ \|.*\|")
    quoted = row.findall((ROOT / "notebooks" / "source" / "04_sparsification.py").read_text())
    measured = (ROOT / "benchmarks" / "accuracy" / "steps.md").read_text()
    assert len(quoted) == 6
    assert set(quoted) <= set(measured.split("## What a step brings, by the order: mean recall")[0].splitlines())
