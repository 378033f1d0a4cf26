"""Approximate search: true values, and indexes that belong to their bank."""

import shutil
import signal
import warnings

import pytest
import torch
from forks import run_forked
from made_banks import D_IMAGE, bank_of_things, draw_things, exact, seal_again, stored_things, without

from asif_lab import approximate
from asif_lab.approximate import build_index, open_index
from asif_lib import AnchorBank
from asif_lib.errors import BankError, ParameterError
from asif_lib.files import sha256_of

N = 900


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return stored_things(tmp_path_factory.mktemp("banks"))


@pytest.fixture(scope="module")
def index(bank):
    return build_index(bank, "image", progress=False, lists=20)


@pytest.fixture
def edited(tmp_path):
    """A small bank that a test may edit."""
    return AnchorBank.load(bank_of_things(60).save(tmp_path / "small"))


@pytest.fixture
def queries():
    return draw_things(40, seed=9)[0]


def assert_same(found, expected):
    assert all(torch.equal(*both) for both in zip(found, expected, strict=True))


# -- search ----------------------------------------------------------------------------------------------


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


# -- kept with the bank ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:for .* queries the index found fewer")
def test_opened_again_it_gives_the_same(bank, index, queries, tmp_path):
    """Also where the bank was moved."""
    moved = shutil.copytree(bank.index_folder.parent, tmp_path / "moved")
    for folder in (bank.index_folder.parent, moved):
        again = open_index(AnchorBank.load(folder), "image")
        for effort in again.efforts(20):
            assert_same(index.search(queries, 20, effort), again.search(queries, 20, effort))
        assert again.about["size"] == file_of(again).stat().st_size > 0


def test_building_again_replaces_it_and_an_open_index_stays_as_it_was(edited, queries):
    first = build_index(edited, "image", progress=False, lists=4)
    before = first.search(queries, 5, 4)
    second = build_index(edited, "image", progress=False, lists=6)
    assert second.efforts(5) == [1, 2, 4, 6]
    assert_same(first.search(queries, 5, 4), before)
    assert sorted(f.name for f in edited.index_folder.iterdir()) == FILES


FILES = [f"ivf-image-centred{ending}" for ending in (".faiss", ".faiss.lock", ".json")]


def file_of(index):
    return index.bank.index_folder / FILES[0]


def test_after_an_edit_the_index_is_refused_and_after_undo_it_is_back(edited):
    build_index(edited, "image", progress=False)
    later = without(edited, [4])
    with pytest.raises(BankError, match=r"the index is of another version of the bank; build it: build_index\("):
        open_index(later, "image")
    assert open_index(later.undo(), "image").about["n"] == 60
    open_index(edited, "image")
    old = edited.index_folder
    without(AnchorBank.load(old.parent), [1]).compact()
    assert not old.exists()  # a stale index is deleted with its version


@pytest.mark.parametrize(
    "other, words",
    [
        (bank_of_things(60, seed=5), "its state is"),
        (bank_of_things(61), "its n is 61, not 60"),
        (bank_of_things(60, encoder="owl"), "its encoder is"),
    ],
)
def test_the_index_of_another_bank_is_refused(edited, tmp_path, other, words):
    other = AnchorBank.load(other.save(tmp_path / "other"))
    folder = build_index(other, "image", progress=False).bank.index_folder
    shutil.copytree(folder, edited.index_folder)
    with pytest.raises(BankError, match=f"the index cannot be used .{words}.*; build it: build_index"):
        open_index(edited, "image")


@pytest.mark.parametrize("ending", [".faiss", ".json"])
def test_a_file_that_is_cut_off_or_lost_is_one_sentence(edited, ending):
    file = file_of(build_index(edited, "image", progress=False)).with_suffix(ending)
    content = file.read_bytes()
    for length in (0, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(BankError, match="the index cannot be used .*; build it: build_index"):
            open_index(edited, "image")
    file.unlink()
    with pytest.raises(BankError, match="the index is not there; build it: build_index"):
        open_index(edited, "image")


def test_vectors_of_another_index_are_refused_though_the_description_fits(edited, tmp_path):
    """As when the files of two indexes are mixed up."""
    file = file_of(build_index(edited, "image", progress=False))
    other = AnchorBank.load(bank_of_things(70).save(tmp_path / "other"))
    shutil.copy(file_of(build_index(other, "image", progress=False)), file)
    fitting = {"size": file.stat().st_size, "checksum": sha256_of(file)}
    seal_again(file.with_suffix(".json"), lambda record: record.update(fitting))
    with pytest.raises(BankError, match="it holds 70 vectors in 24 dimensions"):
        open_index(edited, "image")


def test_parameters_that_do_not_fit_and_a_bank_in_memory_are_refused(edited):
    with pytest.raises(BankError, match="in memory only"):
        build_index(bank_of_things(60), "image", progress=False)
    with pytest.raises(ParameterError, match="lists = 61: must be a whole number from 1 to 60"):
        build_index(edited, "image", lists=61, progress=False)
    with pytest.raises(ParameterError, match="side = 'sound'"):
        build_index(edited, "sound", progress=False)


def test_a_bank_of_a_few_anchors_has_an_index(tmp_path):
    bank = AnchorBank.load(bank_of_things(15).save(tmp_path / "tiny"))
    index = build_index(bank, "image", progress=False)
    assert torch.equal(index.search(bank.image, 1, 1)[0], exact(bank, bank.image, 1)[0])


# -- a build that does not end ---------------------------------------------------------------------------


@pytest.mark.parametrize("error, raised", [(KeyboardInterrupt, KeyboardInterrupt), (OSError("no space"), BankError)])
def test_an_interrupted_build_leaves_nothing_and_the_old_index_as_it_was(edited, monkeypatch, error, raised):
    build_index(edited, "image", progress=False)
    before = sorted(edited.index_folder.rglob("*"))

    def interrupted(index, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(approximate.faiss, "write_index", interrupted)
        with pytest.raises(raised):
            build_index(edited, "image", progress=False, lists=3)
    assert sorted(edited.index_folder.rglob("*")) == before
    assert open_index(edited, "image").index.nlist == 1


KILLED = """
import os, signal
from asif_lib import AnchorBank
from asif_lab import approximate

def die(index, path):
    open(path, "wb").write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

approximate.faiss.write_index = die
approximate.build_index(AnchorBank.load({!r}), "image", progress=False)
"""


def test_the_next_build_replaces_what_a_killed_build_left(edited, tmp_path):
    folder = edited.index_folder
    assert run_forked(KILLED.format(str(folder.parent)), tmp_path).returncode == -signal.SIGKILL
    assert len(list(folder.glob("*.part"))) == 1
    with pytest.raises(BankError, match="the index is not there"):
        open_index(edited, "image")
    build_index(edited, "image", progress=False)
    assert sorted(f.name for f in folder.iterdir()) == FILES
