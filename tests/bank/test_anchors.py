"""A bank of anchors: built, kept on disk whole, mapped into memory, and true to its encoders."""

import os
from unittest.mock import Mock

import pytest
import torch
from made_banks import assert_same, without
from safetensors.torch import load_file

from asif_lib import AnchorBank, Pairs
from asif_lib.bank import disk as bank_writing
from asif_lib.bank.matrices import exact_sum, mean_of
from asif_lib.errors import BankError, BrokenPicturesError
from asif_lib.search.exact import PreparedAnchors

pytestmark = pytest.mark.usefixtures("tmp_cache")


@pytest.fixture
def pairs(drawings):
    files = sorted(drawings.iterdir())
    captions = [f"a {file.stem.replace('_', ' ')}" for file in files]
    groups = [file.stem.split("_")[1] for file in files]
    return Pairs("drawings", files, captions, [file.stem for file in files], groups, {}, "CC0")


@pytest.fixture
def bank(pairs, tiny):
    return AnchorBank.build(pairs, *tiny, progress=False)


def test_row_i_of_everything_is_pair_i(bank, pairs, tiny):
    assert len(bank) == len(pairs) == 6
    assert bank.pairs.caption.tolist() == pairs.captions
    assert bank.pairs.id.tolist() == pairs.ids
    assert bank.pairs.group.tolist() == pairs.groups
    assert bank.pairs.picture.tolist() == [str(file) for file in pairs.pictures]
    torch.testing.assert_close(bank.image, tiny[0].encode(pairs.pictures, progress=False), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(bank.text, tiny[1].encode(pairs.captions, progress=False), atol=1e-5, rtol=1e-4)
    assert bank.licence == "CC0"


def test_a_saved_bank_comes_back_bit_for_bit_and_is_found_by_its_name(bank, tmp_cache):
    folder = bank.save(tmp_cache / "banks" / "mine")
    assert folder == tmp_cache / "banks" / "mine"
    for place in (folder, "mine"):
        assert_same(AnchorBank.load(place), bank)
    AnchorBank.load("mine").save(folder)  # over itself
    assert_same(AnchorBank.load("mine"), bank)
    names = sorted(file.name.split("-")[0] for file in folder.rglob("*") if file.is_file())
    matrices = ["image.safetensors", "text.safetensors"]
    assert names == ["bank.json", "bank.json.lock", matrices[0], "pairs.parquet", "state", matrices[1]]
    (part,) = folder.glob("part-*")
    assert all(torch.equal(load_file(part / f"{side}.safetensors")["rows"], bank.matrix(side)) for side in bank.sides)


def test_another_type_is_refused_in_one_sentence(bank, tmp_path):
    for change in (lambda: bank.to(torch.int64), lambda: bank.replace(text=bank.text.long()).save(tmp_path / "mine")):
        with pytest.raises(BankError, match="does not keep embeddings in torch.int64; take one of torch.float16, .*64"):
            change()
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_in_few_dimensions_large_numbers_come_and_go_exactly(d):
    """A float64 holds whole numbers up to 2**53: 2**15 rows of 2**40 units are more."""
    rows = 2.0**20 - torch.rand(40_000, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64)
    assert torch.equal(exact_sum(rows[7::2]) + exact_sum(rows[8::2]), exact_sum(rows) - exact_sum(rows[:7]))
    few = torch.cat([rows, rows[:3] * 2.0**-60])
    assert torch.equal(mean_of(exact_sum(few) - exact_sum(rows), 3), mean_of(exact_sum(rows[:3] * 2.0**-60), 3))


@pytest.mark.parametrize("value", [float("nan"), 2.0**21])
def test_an_embedding_that_has_no_mean_is_refused(bank, tmp_path, value):
    bank.image[3, 2] = value
    for use in (lambda: bank.image_mean, lambda: bank.save(tmp_path / "mine")):
        with pytest.raises(BankError, match="not finite, or beyond"):
            use()


def test_captions_longer_than_the_encoder_reads_are_named(pairs, tiny, text_encoder):
    """A Hangul syllable is one letter, and up to three tokens."""
    limit = tiny[1].model.max_seq_length
    pairs.captions[2] = "red " * limit
    pairs.captions[4] = "red " * (limit - 2)  # fits, with the two marks around it
    with pytest.warns(UserWarning, match=f"first {limit} tokens: {pairs.ids[2]};"):
        AnchorBank.build(pairs, *tiny, progress=False)
    limit = text_encoder.model.max_seq_length
    pairs.captions[2], pairs.captions[4] = "안녕하세요 " * (limit // 8), "a cat"
    assert len(pairs.captions[2]) < limit
    with pytest.warns(UserWarning, match=f"first {limit} tokens: {pairs.ids[2]};"):
        AnchorBank.build(pairs, tiny[0], text_encoder, progress=False)


# -- broken pictures -------------------------------------------------------------------------------------


def test_broken_pictures_stop_a_build_or_are_left_out(pairs, tiny):
    pairs.pictures[1].write_text("no picture")
    pairs.pictures[3].unlink()
    with pytest.raises(BrokenPicturesError, match="2 of the pictures"):
        AnchorBank.build(pairs, *tiny, progress=False)
    bank = AnchorBank.build(pairs, *tiny, skip_broken=True, progress=False)
    assert_same(bank, AnchorBank.build(pairs.subset([0, 2, 4, 5]), *tiny, progress=False))
    with pytest.raises(BankError, match="drawings: has no pair"):
        AnchorBank.build(pairs.subset([1, 3]), *tiny, skip_broken=True, progress=False)


# -- writing is all or nothing ---------------------------------------------------------------------------


@pytest.fixture
def changed(bank):
    return bank.replace(image=bank.image + 1, name="changed")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
@pytest.mark.parametrize("where", [(bank_writing, "exact_sum"), (os, "replace")], ids=["first", "last"])
def test_a_write_that_ends_early_leaves_the_old_bank_whole_and_nothing_else(
    bank, changed, tmp_path, monkeypatch, where, error
):
    """A first write leaves no bank, and can be repeated."""
    bank.save(tmp_path / "mine")
    files = sorted((tmp_path / "mine").rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(*where, Mock(side_effect=error))
        for name in ("mine", "new"):
            full = pytest.raises(BankError, match="No space left on device.*make room")
            with full if isinstance(error, OSError) else pytest.raises(KeyboardInterrupt):
                changed.save(tmp_path / name)
    assert sorted((tmp_path / "mine").rglob("*")) == files
    assert_same(AnchorBank.load(tmp_path / "mine"), bank)
    with pytest.raises(BankError):
        AnchorBank.load(tmp_path / "new")
    for name in ("mine", "new"):
        assert_same(AnchorBank.load(changed.save(tmp_path / name)), changed)
        assert len(list((tmp_path / name).glob("*"))) == 4


# -- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thesis.txt", "part-of-my-thesis", "bank.json-backup"])
def test_files_that_are_no_banks_are_left_alone_also_with_names_like_its_own(bank, changed, tmp_path, name):
    folder, other = bank.save(tmp_path / "mine"), tmp_path / "other"
    (folder / name).write_text("years of work")
    changed.save(folder)
    without(AnchorBank.load(folder), [0]).compact()
    other.mkdir()
    (folder / name).rename(other / name)
    for place, words in ((other, "holds files that are no bank"), (other / name, "is a file; choose another name")):
        with pytest.raises(BankError, match=words):
            bank.save(place)
    assert [(file.name, file.read_text()) for file in other.iterdir()] == [(name, "years of work")]


def test_a_folder_without_a_bank_is_said_to_be_there(tmp_path, tmp_cache, monkeypatch):
    (tmp_path / "pairs").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in (tmp_path / "pairs", "pairs"):
        with pytest.raises(BankError, match="there is no bank .* .the folder .*pairs is there, but holds no bank.js"):
            AnchorBank.load(name)
    with pytest.raises(BankError, match=f"there is no bank 'nowhere' in {tmp_cache}/banks/nowhere; run: asif bank"):
        AnchorBank.load("nowhere")


# -- made ready for search -------------------------------------------------------------------------------


@pytest.fixture
def opened(bank, tmp_path):
    """A prepared bank on disk."""
    return AnchorBank.load(bank.save(tmp_path / "mine")).prepare(progress=False)


def test_a_prepared_copy_is_found_by_its_own_version(opened, tmp_path):
    assert isinstance(opened.searchable("image")[0], PreparedAnchors)
    moved = AnchorBank.load((tmp_path / "mine").rename(tmp_path / "moved"), verify=True)
    assert isinstance(moved.searchable("text")[0], PreparedAnchors)
    assert not isinstance(moved.searchable("text", center=False)[0], PreparedAnchors)
    assert not isinstance(without(moved, [0]).searchable("text")[0], PreparedAnchors)


def test_an_older_version_is_prepared_while_it_is_on_disk(bank, tmp_path):
    folder = bank.save(tmp_path / "mine")
    view = AnchorBank.load(folder)
    edited = without(AnchorBank.load(folder), [0])
    assert isinstance(view.prepare(progress=False).searchable("image")[0], PreparedAnchors)
    edited.compact()
    files = sorted(folder.rglob("*"))
    with pytest.raises(BankError, match="version 1, .* no longer on disk; load the bank"):
        view.prepare(progress=False)
    assert sorted(folder.rglob("*")) == files
