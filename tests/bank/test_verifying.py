"""Checksums of a bank: a bit that flipped anywhere in its files never goes unnoticed."""

import random
import shutil
import warnings

import pytest
import torch
from made_banks import ids, make, seal_again, without

from asif_lib import ASIF
from asif_lib.bank import disk
from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.joining import concatenate
from asif_lib.bank.record import bank_dir, bank_name, read_record
from asif_lib.cli.banks import check_replace
from asif_lib.errors import AsifError, BankError

pytestmark = pytest.mark.once


@pytest.fixture
def folder(tmp_path):
    """A bank of two parts and three versions, with prepared copies."""
    folder = make(0, 300).save(tmp_path / "toy")
    AnchorBank.load(folder).add(make(300, 340)).remove(ids(7, 320)).prepare(progress=False)
    return folder


def files_of(folder):
    """The files that hold something: not the lock."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock")


def used(folder):
    """Everything of a bank that is read on the way to an answer."""
    bank = AnchorBank.load(folder)
    sides = [(bank.matrix(s).tolist(), bank.mean(s), bank.searchable(s)[0].rounded.tolist()) for s in bank.sides]
    return bank.pairs, bank.history(), sides


def flip(file, generator):
    content = bytearray(file.read_bytes())
    content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    file.write_bytes(content)


def verify(folder):
    return AnchorBank.load(folder).verify(progress=False)


@pytest.mark.parametrize("small", [disk.SMALL, 0])
def test_a_flipped_bit_in_any_file_of_a_bank_is_noticed_when_it_is_used_and_by_verify(folder, monkeypatch, small):
    """A small bank is compared when it is opened; the files of a large one wait until they are read."""
    monkeypatch.setattr(disk, "SMALL", small)
    generator, newest = random.Random(0), AnchorBank.load(folder).disk.record.newest.state
    older = {file for file in folder.glob("state-*") if file.name != newest}  # only `undo` reads them
    for file in files_of(folder):
        kept = file.read_bytes()
        for _ in range(10 if file.suffix == ".json" else 3):  # of the others, a checksum covers each bit alike
            flip(file, generator)
            for check in (verify,) if file in older else (verify, used):
                with pytest.raises((AsifError, UserWarning)) as noticed, warnings.catch_warnings(action="error"):
                    check(folder)
                assert "\n" not in str(noticed.value)
            file.write_bytes(kept)
    used(folder)
    assert len(verify(folder)) >= len(files_of(folder)) - 4  # records seal themselves


USES = {
    "the table": ("pairs.parquet", lambda bank: bank.pairs),
    "ids": ("pairs.parquet", lambda bank: bank.remove(ids(3))),
    "remove": ("image.safetensors", lambda bank: without(bank, [0])),
    "relabel": ("image.safetensors", lambda bank: bank.revise({"id-0003": "another"}, torch.ones(1, 4))),
    "compact": ("image.safetensors", lambda bank: bank.compact()),
    "undo": ("image.safetensors", lambda bank: bank.undo()),
    "verify": ("image.safetensors", lambda bank: bank.verify(progress=False)),
    "save": ("text.safetensors", lambda bank: bank.save(bank.disk.folder.with_name("copy"))),
    "subset": ("text.safetensors", lambda bank: bank.subset([1, 2])),
    "view": ("text.safetensors", lambda bank: bank.view(torch.arange(9))),
    "join": ("text.safetensors", lambda bank: concatenate([make(500, 510), bank])),
    "add it": ("text.safetensors", lambda bank: make(500, 510).add(bank)),
    "represent": ("image.safetensors", lambda bank: ASIF(bank, k=3).images(torch.ones(1, 6))),
    "prepare": ("image.safetensors", lambda bank: bank.prepare(progress=False)),
    "the copy": ("image-prepared.safetensors", lambda bank: bank.searchable("image")),
}


@pytest.mark.parametrize("name, use", USES.values(), ids=USES)
def test_what_is_damaged_after_a_bank_was_opened_is_not_read_copied_or_summed(folder, name, use):
    opened = AnchorBank.load(folder)
    file = (opened.index_folder if "-" in name else opened.disk.parts[0].folder) / name
    kept, half = file.read_bytes(), file.stat().st_size // 2
    file.write_bytes(kept[:half] + bytes([kept[half] ^ 1]) + kept[half + 1 :])
    with pytest.raises(BankError, match="its checksum differs"):
        use(opened)
    file.write_bytes(kept)
    use(AnchorBank.load(folder))  # and of a whole one, all of it is


def test_a_part_that_is_a_link_is_refused_and_a_bank_that_is_one_is_not(folder, tmp_path):
    """A removal would be no removal behind a link."""
    (tmp_path / "link").symlink_to(folder)
    assert len(AnchorBank.load(tmp_path / "link").remove(ids(5))) == 337
    part = min(folder.glob("part-*"))
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BankError, match=f"{part.name} beside it is a link; .* put a copy there"):
        AnchorBank.load(folder)


def test_verify_names_all_damaged_missing_and_exchanged_files(folder):
    bank = AnchorBank.load(folder)
    damaged = [min(folder.glob("part-*/text.safetensors")), *sorted(folder.glob("index-*/*.safetensors"))]
    for file in damaged:
        flip(file, random.Random(2))
    gone = max(folder.glob("part-*/pairs.parquet"))
    gone.unlink()
    with pytest.raises(BankError, match="is damaged; build it again with --replace, or copy it") as caught:
        bank.verify(progress=False)
    for file in (*damaged, gone):
        assert file.name in str(caught.value) and file.parent.name in str(caught.value)
    first, second = sorted(bank.index_folder.glob("*-prepared.json"))[:2]
    shutil.copy(first, second)  # which would leave its file without a checksum
    with pytest.raises(BankError, match=f"{second.name} is the record of another file, {first.stem}"):
        bank.verify(progress=False)


# -- sealed, and still wrong -----------------------------------------------------------------------------


RECORDS = {
    "a bad checksum": (lambda r: r["parts"][0]["files"].update({"text.safetensors": ""}), "parts.0.files.text"),
    "a part elsewhere": (lambda r: r["parts"][0].update(name="../../etc"), "parts.0.name: String should match pattern"),
    "a side elsewhere": (lambda r: r["sides"][1].update(name="../x"), "sides.1.name: String should match"),
    "another count": (lambda r: r["history"][-1].update(count=7), "do not hold 7 pairs"),
    "another precision": (lambda r: r["sides"][1].update(dtype="float16"), "holds torch.float32 .*, not torch.float16"),
    "an older format": (lambda r: r.update(format=3), "has bank format 3, and this version reads format 4; build the"),
    "a format in quotes": (lambda r: r.update(format="4"), "has bank format '4', and this version reads format 4"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_sealed_record_with_a_mistake_is_refused_when_it_is_opened(folder, case):
    change, words = RECORDS[case]
    seal_again(folder / "bank.json", change)
    with pytest.raises(BankError, match=words) as caught:
        AnchorBank.load(folder)
    assert "\n" not in str(caught.value)


def test_a_bank_that_cannot_be_read_is_not_replaced_unasked(folder):
    """It may hold edits."""
    for content in (b"", b'{"format": 3}', b'{"format": 4}'):
        (folder / "bank.json").write_bytes(content)
        with pytest.raises(BankError, match="bank.json: is damaged .*--replace|has bank format 3, .*--replace"):
            check_replace(folder, False, rebuild=True)
        check_replace(folder, True)


# -- the folder and the count of a bank, without opening its other files ---------------------------------


def test_a_misspelt_bank_is_guessed_and_the_advice_can_be_followed(tmp_cache, stamps_bank):
    stamps_bank.subset([0, 1]).save(tmp_cache / "banks" / "both")
    for name, advice in {
        "bot": "run: asif bank build bot --from FOLDER, or: asif bank list; did you mean 'both'?",
        "emojis": "run: asif bank build emojis --from FOLDER, or: asif bank list; did you mean 'emoji'?",
        "clipart": "; run: asif bank build clipart",
    }.items():
        with pytest.raises(BankError) as error:
            read_record(bank_dir(name), name)
        assert str(error.value).endswith(advice)


def test_a_path_is_one_for_reading_and_for_writing(tmp_path, tmp_cache, monkeypatch, stamps_bank):
    """Only a plain name leads into the cache, unless a bank of that name is in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("./mine", "banks/mine", "../mine", "."):
        assert bank_dir(name).resolve() == (tmp_path / name).resolve()
    assert bank_dir(tmp_path / "mine") == tmp_path / "mine"
    assert bank_dir("mine") == tmp_cache / "banks" / "mine"
    stamps_bank.subset([0, 1]).save("mine")
    assert bank_dir("mine").resolve() == tmp_path / "mine"
    assert [bank_name(name) for name in ("mine", "./mine", "../w/mine", tmp_path / "mine")] == 4 * ["mine"]


def test_a_few_captions_are_read_without_the_table(tmp_path, monkeypatch):
    """Of removed rows, of several parts, and of several groups of rows; in the order that was asked."""
    monkeypatch.setattr(disk, "BLOCK", 4)
    bank = without(AnchorBank.load(make(0, 12).save(tmp_path / "toy")).add(make(20, 30)), [1, 5, 13])
    opened = AnchorBank.load(tmp_path / "toy")
    for rows in ([18, 0, 18], [10], [3, 4]):
        assert opened.pairs_at(rows)["caption"].tolist() == bank.pairs["caption"].iloc[rows].tolist()
