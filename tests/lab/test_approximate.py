"""Approximate search: every value is true, and what is missing is said."""

import warnings

import pytest
import torch
from made_banks import D_IMAGE, bank_of_things, draw_things, exact, stored_things

from asif_lab.approximate import build_index
from asif_lib import AnchorBank
from asif_lib.errors import ParameterError

N = 900


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return stored_things(tmp_path_factory.mktemp("banks"))


@pytest.fixture(scope="module")
def index(bank):
    return build_index(bank, "image", progress=False, lists=20)


@pytest.fixture
def queries():
    return draw_things(40, seed=9)[0]


def assert_same(found, expected):
    assert all(torch.equal(*both) for both in zip(found, expected, strict=True))


@pytest.mark.parametrize("side", ["image", "text"])
def test_at_full_effort_it_is_exact_search(bank, side):
    index = build_index(bank, side, progress=False, lists=20)
    queries = draw_things(40, seed=9)[side == "text"]
    assert index.search(queries[:0], 5, 1)[1].shape == (0, 5)
    for k in (1, 30, N):
        found = index.search(queries, k, index.efforts(k)[-1])
        assert_same(found, exact(bank, queries, k, side))
        assert (found[0].dtype, found[1].dtype) == (torch.float32, torch.int64)


@pytest.mark.filterwarnings("ignore:for .* queries the index found fewer")
def test_more_effort_finds_more_and_every_value_is_true(bank, index, queries):
    k, cosines = 20, torch.full((len(queries), N), torch.nan)
    values, indices = exact(bank, queries, N)
    cosines.scatter_(1, indices, values)
    recalls = []
    for effort in index.efforts(k):
        found, where = index.search(queries, k, effort)
        for row, there in enumerate(index.search_and_count(queries, k, effort)[2]):
            assert torch.equal(found[row, :there], cosines[row][where[row, :there]])
            assert len(set(where[row].tolist())) == k
        recalls.append(float((found >= values[:, k - 1 : k]).float().mean()))
    assert recalls[-1] > 0.99
    assert recalls[0] < recalls[-1]
    assert recalls == sorted(recalls)


def test_what_is_missing_is_said_and_adds_nothing(index, queries):
    with pytest.warns(UserWarning, match=r"for 40 of 40 queries .* fewer than k = 400 anchors at nprobe = 1; .*larger"):
        values, indices = index.search(queries, 400, 1)
    found = index.search_and_count(queries, 400, 1)[2]
    assert (found < 400).all()
    for row in range(len(queries)):
        assert (values[row, found[row] :] == 0).all()
        assert len(set(indices[row].tolist())) == 400
    assert (indices >= 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index.search(queries, 400, 20)


def test_zero_vectors_have_cosine_zero_with_everything(tmp_path):
    bank = bank_of_things(100)
    bank.image[3] = 0
    bank.image[50:] = -bank.image[:50]  # so that the mean is 0
    index = build_index(AnchorBank.load(bank.save(tmp_path / "bank")), "image", progress=False)
    values, indices = index.search(torch.zeros(2, D_IMAGE), 5, index.efforts(5)[-1])
    assert (values == 0).all()
    assert all(len(set(row)) == 5 for row in indices.tolist())
    values, _ = index.search(draw_things(10, seed=9)[0], 100, index.efforts(100)[-1])
    assert ((values == 0).sum(dim=1) == 2).all()
    assert torch.isfinite(values).all()


def test_blocks_of_queries_and_of_anchors_do_not_matter(bank, index, queries, monkeypatch):
    before = index.search(queries, 20, 2)
    monkeypatch.setattr("asif_lab.approximate.CANDIDATES", 120)
    monkeypatch.setattr("asif_lab.approximate.BLOCK", 37)
    assert_same(index.search(queries, 20, 2), before)
    small = build_index(bank, "image", progress=False, lists=20)
    assert_same(small.search(queries, 20, 20), exact(bank, queries, 20))


@pytest.mark.parametrize(
    "k, effort, words",
    [
        (N + 1, 1, f"k = {N + 1}: .* from 1 to the {N} anchors"),
        (0, 1, "k = 0"),
        (5, 0, "nprobe = 0: must be a whole number from 1 to 20"),
        (5, 1.5, "nprobe = 1.5"),
    ],
)
def test_numbers_and_queries_that_do_not_fit_are_refused(index, queries, k, effort, words):
    with pytest.raises(ParameterError, match=words):
        index.search(queries, k, effort)
    with pytest.raises(ParameterError, match="not of one space"):
        index.search(queries[:, 1:], 20, 20)
    queries[7, 0] = torch.nan
    with pytest.raises(ParameterError, match="row 7 of the embeddings holds NaN"):
        index.search(queries, 20, 20)


def test_parameters_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="lists = 61: must be a whole number from 1 to 60"):
        build_index(bank_of_things(60), "image", lists=61, progress=False)
    with pytest.raises(ParameterError, match="side = 'sound'"):
        build_index(bank_of_things(60), "sound", progress=False)


def test_a_bank_of_a_few_anchors_in_memory_has_an_index():
    bank = bank_of_things(15)
    index = build_index(bank, "image", progress=False)
    assert torch.equal(index.search(bank.image, 1, 1)[0], exact(bank, bank.image, 1)[0])
