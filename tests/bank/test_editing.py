"""Editing a bank: as if it had been built so, whole whatever happens, and forgetting for good."""

import math
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from made_banks import assert_same, ids, make

from asif_lib import ASIF, AnchorBank, Pairs
from asif_lib.bank import concatenate, disk
from asif_lib.datasets.pairs import load_pairs
from asif_lib.encoders.image import load_image_encoder
from asif_lib.errors import BankError, BrokenPicturesError, IdentityError, ParameterError
from asif_lib.explain import without
from asif_lib.settings import Settings

pytestmark = pytest.mark.once
Process = multiprocessing.get_context("fork").Process


@pytest.fixture
def folder(tmp_path):
    """Of a bank of 12 pairs, number 0 to 11."""
    return make(0, 12).save(tmp_path / "toy")


@pytest.fixture
def bank(folder):
    return AnchorBank.load(folder)


# -- an edited bank is the bank that a rebuild would give ------------------------------------------------


def test_new_embeddings_take_the_banks_precision_and_must_fit_into_it(tmp_path):
    half = AnchorBank.load(make(0, 5, torch.float16).save(tmp_path / "half"))
    assert_same(half.add(make(5, 8)), make(0, 8, torch.float16))
    for value, words in ((float("nan"), "not finite"), (1e6, "not finite"), (1e-9, "zero")):
        with pytest.raises(BankError, match=f"precision torch.float16 the image embedding is {words}"):
            half.add(with_(make(5, 8), image=value))


def test_edits_leave_the_embeddings_that_stay_alone_and_read_block_by_block(tmp_path, monkeypatch):
    """Neither a matrix nor a mean over it is asked for, and the memory does not grow with what is removed."""
    monkeypatch.setattr(disk, "BLOCK", 3)
    bank = AnchorBank.load(make(0, 12).save(tmp_path / "toy")).add(make(12, 20))
    parts = {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in (tmp_path / "toy").glob("part-*/*")}
    read, sizes, gone = disk.Part.read, [], [0, 1, 2, 3, 5, 6, 7, 8, 13, 14, 15]
    with monkeypatch.context() as patch:
        for kind, name in ((AnchorBank, "matrix"), (AnchorBank, "pairs"), (disk.DiskVersion, "blocks")):
            patch.setattr(kind, name, None)
        patch.setattr(disk.Part, "read", lambda part, side, rows: sizes.append(len(rows)) or read(part, side, rows))
        edited = bank.remove(ids(*gone)).remove(group="food").undo()
    left = make(0, 20).subset([i for i in range(20) if i not in gone])
    assert_same(edited, left)
    assert max(sizes) == 3
    assert {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in parts} == parts
    compact = edited.compact()
    assert_same(compact, left)
    assert compact.disk.parts[0].matrices["image"].data_ptr() == compact.image.data_ptr()
    assert compact.compact().version == compact.version


@pytest.mark.parametrize("on_disk", [True, False])
def test_settings_stay_through_edits_and_go_with_other_pairs(folder, on_disk):
    bank, kept = AnchorBank.load(folder) if on_disk else make(0, 12), Settings(9, 4, whiten=0.8)
    chosen = bank.keep_settings(k=9, p=4, whiten=0.8)
    edited = chosen.add(make(12, 20)).remove(ids(3)).revise({ids(4)[0]: "new"}, chosen.text[:1])
    for each in (chosen, edited, edited.undo() if on_disk else edited, edited.compact()):
        assert each.settings == kept == ASIF(each).settings and chosen.version == bank.version
    assert ASIF(edited, p=3, whiten=None).settings == Settings(9, 3)
    assert ASIF(edited, None, center=False, whiten=1).settings == Settings(2, 4, center=False)
    assert ASIF(edited.remove(ids(*range(5, 20)))).k == 4  # as many as are left
    unnamed = bank.keep_settings(p=4).add(make(20, 60)).keep_settings(p=3)
    assert unnamed.settings == Settings(p=3) and ASIF(unnamed).settings == Settings(len(unnamed) // 10, 3)
    for other in (edited.subset([0, 1]), edited.replace(name="other"), concatenate([edited]), bank):
        assert other.settings is None
    with pytest.raises(ParameterError, match="k = 13"):
        make(0, 12).keep_settings(k=13)
    assert AnchorBank.load(chosen.save(folder)).settings == kept
    with pytest.raises(ValueError, match="settings.p"):
        AnchorBank.load(folder).disk.keep_settings(Settings(p=math.nan))  # which JSON does not hold
    assert AnchorBank.load(folder).keep_settings().settings is AnchorBank.load(folder).settings is None
    z, rest = (chosen.image[:2], chosen.text[:2]), chosen.subset([i for i in range(12) if i != 3])
    assert torch.equal(without(ASIF(chosen), *z, [3]).scores, ASIF(rest, 9, 4, whiten=0.8).similarity(*z))


# -- versions --------------------------------------------------------------------------------------------


def test_history_says_what_was_done_and_undo_goes_back(bank, folder):
    first = bank.add(make(12, 15))
    second = first.remove(group="bird")
    third = second.remove(ids(0))
    history = AnchorBank.load(folder).history()
    assert history["version"].tolist() == [1, 2, 3, 4]
    assert history["count"].tolist() == [12, 15, 10, 9]
    assert history["change"].tolist() == [
        "built of 12 pairs", "added 3 pairs", "removed 5 pairs where group = 'bird'", "removed 1 pair",
    ]  # fmt: skip
    assert pd.to_datetime(history["time"]).dt.tz is not None
    for edited, before in ((third, second), (second, first), (first, make(0, 12))):
        back = edited.undo()
        assert_same(back, before)
        assert_same(AnchorBank.load(folder), before)
    with pytest.raises(BankError, match="at version 1, as it was built: there is nothing to undo"):
        back.undo()
    assert len(list(folder.glob("part-*"))) == len(list(folder.glob("state-*"))) == 1


def test_a_view_stays_what_it_was_while_others_edit(bank, folder):
    """Nothing of it was read yet. By id and by value its edits mean the newest version; undo would hit another."""
    opened = AnchorBank.load(folder)
    bank.remove(ids(0))
    assert opened.remove(ids(1)).pairs["id"].tolist() == ids(*range(2, 12))
    with pytest.raises(BankError, match=r"was changed meanwhile \(version 1 was opened, 3 of .* load it again"):
        bank.undo()
    AnchorBank.load(folder).compact()
    make(50, 55).save(folder)
    assert_same(opened, make(0, 12))
    assert_same(AnchorBank.load(opened.save(folder.with_name("copy"))), make(0, 12))


def test_a_bank_that_others_compact_while_it_is_opened_opens_at_their_version(bank, folder, monkeypatch):
    bank.add(make(12, 15))
    open_part = disk._open_part

    def late(part, sides):
        monkeypatch.setattr(disk, "_open_part", open_part)
        AnchorBank.load(folder).compact()
        return open_part(part, sides)

    monkeypatch.setattr(disk, "_open_part", late)
    opened = AnchorBank.load(folder)
    assert opened.version == 3
    assert_same(opened, make(0, 15))


# -- forgetting ------------------------------------------------------------------------------------------


def traces(folder, removed):
    """What the bank's files hold of the removed pairs: files by name, and what was found in them."""
    needles = {}
    for i in range(len(removed)):
        needles |= {(side, i): removed.matrix(side)[i].view(torch.uint8).numpy().tobytes() for side in removed.sides}
        needles |= {(name, i): removed.pairs[name][i].encode() for name in ("caption", "id")}
    found = []
    for file in filter(Path.is_file, folder.rglob("*")):
        content = file.read_bytes()
        if file.suffix == ".parquet":  # what is compressed in it, with the values that no row uses any more
            columns = ["id", "caption", "picture", "group"]
            table = pq.read_table(file, read_dictionary=columns)
            content += repr([chunk.dictionary.to_pylist() for c in columns for chunk in table[c].chunks]).encode()
        found += [(file.name, name) for name, needle in needles.items() if needle in content]
    return found


def test_after_compact_no_byte_of_what_was_removed_is_left(tmp_path):
    """Also of the categories that pandas keeps though no row uses them any more, and of the notes of a DataFrame."""

    def categorical(bank):
        bank = column(bank, caption=bank.pairs["caption"].astype("category"), id=bank.pairs["id"].astype("category"))
        bank.pairs.attrs["source"] = "caption number 5 of many"
        return bank

    folder = categorical(make(0, 300)).save(tmp_path / "toy")
    bank = AnchorBank.load(folder).add(categorical(make(300, 320)))
    assert_same(bank, make(0, 320))
    gone = bank.subset([5, 77, 299, 310])
    left = bank.remove(caption="caption number 5 of many").remove(gone.pairs["id"][1:].tolist())
    assert len(traces(folder, gone)) >= 4 * len(gone)
    compact = left.compact()
    assert traces(folder, gone) == []
    assert len(traces(folder, make(6, 7))) == 4
    assert_same(compact, left)
    assert compact.history()["change"].tolist() == ["compacted"] and compact.version == 5
    with pytest.raises(BankError, match="at version 5, as it was compacted, which deletes what was"):
        compact.undo()


# -- values of columns -----------------------------------------------------------------------------------


def test_values_of_columns_choose_pairs(folder):
    further = {"note": ["a", None, "b"] * 4, "year": [*range(1990, 2002)], "is_new": [True, False] * 6}
    made = column(make(0, 12), **further, tags=[["a"]] * 12)
    for values, numbers in (
        ({"group": "food"}, [0, 3, 6, 9]),
        ({"group": "food", "caption": "caption number 6 of many"}, [6]),
        ({"note": "b"}, [2, 5, 8, 11]),
        ({"year": 1991}, [1]),
        ({"year": "1991"}, [1]),  # as the command reads it
        ({"is_new": False, "note": "a"}, [3, 9]),
    ):
        for bank in (made, AnchorBank.load(made.save(folder))):
            assert bank.remove(**values).pairs["id"].tolist() == ids(*(i for i in range(12) if i not in numbers))
    bank = AnchorBank.load(made.save(folder))
    for values, words in (
        ({"grupp": "food"}, "has no column 'grupp'; its columns are id, caption, picture, group"),
        ({"group": "fod"}, "has no pair with group = 'fod'; nothing"),
        ({"group": "food", "note": "c"}, "has no pair with note = 'c'; nothing"),
        ({"group": "food", "id": "id-0001"}, "has no pair with group = 'food' and id = 'id-0001'; nothing"),
        *[({"year": year}, "has no pair with year = ") for year in ("1991.5", 2**70, True, "0x7c7", 1991.5)],
        *[({"is_new": new}, "has no pair with is_new = ") for new in (1, "1")],
        *[({"group": group}, "has no pair with group = ") for group in (b"food", "\udcff", None)],
        *[({"note": note}, "has no pair with note = ") for note in (None, "None", "nan")],
        ({"tags": "a"}, "has no pair with tags"),
    ):
        with pytest.raises(BankError, match=words):
            bank.remove(**values)
    assert AnchorBank.load(folder).version == 1


# -- bad input -------------------------------------------------------------------------------------------


def with_(bank, **values):
    """The bank with other values: of row 1 of a matrix, or of a column of the table."""
    for name, value in values.items():
        if name in ("image", "text"):
            getattr(bank, name)[1] = value
        else:
            bank.pairs.loc[1, name] = value
    return bank


def column(bank, **values):
    """The bank with a column of other values, whatever their type."""
    return bank.replace(pairs=bank.pairs.assign(**values))


BAD_EDITS = {
    "remove what is not there": (lambda b: b.remove(["nobody", *ids(1)]), "has no pair nobody; nothing was changed"),
    "remove all": (lambda b: b.remove(ids(*range(12))), "would remove all 12 pairs"),
    "remove twice": (lambda b: b.remove(ids(1, 2, 1)), "named more than once: id-0001"),
    "remove a string": (lambda b: b.remove("id-0001"), "list of one text or more, not 'id-0001'"),
    "remove a number": (lambda b: b.remove([1, "1"]), "list of one text or more"),
    "remove in no way": (lambda b: b.remove(), "in one way: by ids, or by values"),
    "remove in two ways": (lambda b: b.remove(ids(1), group="food"), "in one way: by ids, or by values"),
    "add what is there": (lambda b: b.add(make(11, 13)), "has these ids already: id-0011;"),
    "add twice": (lambda b: b.add(with_(make(12, 15), id="id-0012")), "more than once among the pairs: id-0012"),
    "add nothing": (lambda b: b.add(make(12, 13).subset([])), "no pair to add"),
    "add number captions": (lambda b: b.add(column(make(12, 15), caption=[1, 2, 3])), "no text, .*: id-0012, id-0013"),
    "add a null id": (lambda b: b.add(with_(make(12, 15), id=None)), "known by their ids; .*: 1"),
    "add other widths": (lambda b: b.add(make(12, 15).replace(image=torch.ones(3, 5))), r"shape \(3, 5\).* \(3, 6\)"),
    "add no groups": (lambda b: b.replace(pairs=b.pairs.drop(columns="group")), "no column .group"),
    "add more columns": (lambda b: b.add((m := make(12, 15)).replace(pairs=m.pairs.assign(x=1))), "other columns"),
    "add a picture alone": (lambda b: b.add("cat.png"), r"str .* say bank.add\(picture, caption\)"),
    "add bare pairs": (lambda b: b.add(Pairs("p", [], [], [], [], {})), "pass the bank's two encoders"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_EDITS)
def test_bad_edits_are_refused_in_a_sentence_and_do_nothing(bank, folder, case):
    edit, words = BAD_EDITS[case]
    with pytest.raises(BankError, match=words) as refusal:
        edit(bank)
    assert "\n" not in str(refusal.value)
    assert_same(AnchorBank.load(folder), make(0, 12))
    assert AnchorBank.load(folder).version == 1 and len(list(folder.iterdir())) == 4


def test_pairs_of_another_encoder_are_refused(bank, folder):
    """Also where an old view adds to a bank of another encoder that took its place."""
    changed = {"text_encoder": replace(bank.text_encoder, checksum="c" * 64)}
    make(0, 12).replace(**changed).save(folder)
    for new in (make(12, 15).replace(**changed), make(12, 15)):
        with pytest.raises(IdentityError, match="cannot be compared"):
            bank.add(new)
    assert_same(AnchorBank.load(folder), make(0, 12).replace(**changed))


def test_a_bank_of_very_many_parts_asks_to_be_compacted(bank, monkeypatch):
    monkeypatch.setattr(disk, "MAX_PARTS", 3)
    bank = bank.add(make(12, 13)).add(make(13, 14))
    with pytest.raises(BankError, match="has 3 parts; compact it"):
        bank.add(make(14, 15))
    assert len(bank.compact().add(make(14, 15))) == 15


# -- several processes, and killed ones ------------------------------------------------------------------


def test_processes_that_edit_at_once_wait_for_each_other(bank, folder):
    def edit(start):
        AnchorBank.load(folder).remove(ids(start // 10))
        for i in range(start, start + 4):
            AnchorBank.load(folder).add(make(i, i + 1))

    processes = [Process(target=edit, args=[start]) for start in (20, 30, 40)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    after = AnchorBank.load(folder)
    assert after.version == 1 + 3 * 5
    assert sorted(after.pairs["id"]) == ids(0, 1, *range(5, 12), *(s + i for s in (20, 30, 40) for i in range(4)))
    assert_same(after, make(0, 50).subset([int(id[3:]) for id in after.pairs["id"]]))


def test_a_read_only_folder_is_named(bank, folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(disk, "locked", Mock(side_effect=PermissionError(13, "Permission denied")))
        with pytest.raises(BankError, match=r"could not be written \(.*; it is as it was: .* writable"):
            bank.remove(ids(1))
    assert_same(AnchorBank.load(folder), make(0, 12))
    assert len(bank.remove(ids(1))) == 11


def test_a_compact_that_cannot_delete_says_what_is_left(bank, folder, monkeypatch):
    """The bank is compact, and what was removed is still on the disk: no success."""
    old = bank.remove(ids(3)).disk.parts[0].folder
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", Mock(side_effect=PermissionError(13, "Permission denied")))
        with pytest.raises(BankError, match=f"is made, the bank is at version 3, but {old.name} could not be deleted"):
            bank.compact()
    assert old.exists()
    assert_same(AnchorBank.load(folder), make(0, 12).remove(ids(3)))
    AnchorBank.load(folder).remove(ids(4))
    assert not old.exists()


def test_a_disk_that_does_not_confirm_a_change_is_named(bank, folder, monkeypatch):
    """What was there before is not deleted then: it may be all that is left after a loss of power."""
    bank.remove(ids(3))
    count, steps, replace_file = len(list(folder.iterdir())), [], os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: steps.append(replace_file(source, target)))
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.close(-1) if steps else None)  # an error, once replaced
    with pytest.raises(BankError, match="is made, the bank is at version 3, but the disk does not confirm it") as error:
        bank.compact()
    assert "as it was" not in str(error.value)
    assert len(list(folder.iterdir())) == count + 2
    assert AnchorBank.load(folder).version == 3


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_change_is_on_the_disk_before_it_counts(bank, folder, monkeypatch):
    """Files first, then the folders that name them, then ``bank.json``, then its folder; and then the old ones go."""
    bank.remove(ids(3))
    steps = []

    def note(module, name, of):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, **o: (steps.append((name, Path(of(*a)).name)), function(*a, **o)))

    note(os, "fsync", lambda descriptor: os.readlink(f"/proc/self/fd/{descriptor}"))
    note(os, "replace", lambda source, target: target)
    note(shutil, "rmtree", lambda file: file)
    (old,) = (part.name for part in folder.glob("part-*"))
    bank.compact()
    (new,) = (part.name for part in folder.glob("part-*"))
    steps = [(step, name.split("-")[0] if name not in (old, new) else name) for step, name in steps]
    assert steps[0] == ("fsync", "toy")
    assert {name for _, name in steps[1:4]} == {"image.safetensors", "text.safetensors", "pairs.parquet"}
    assert steps[4:] == [
        ("fsync", new), ("fsync", "state"), ("fsync", "bank.json"), ("fsync", "toy"), ("replace", "bank.json"),
        ("fsync", "toy"), ("rmtree", old),
    ]  # fmt: skip


# -- with encoders -----------------------------------------------------------------


def test_added_pictures_are_embedded_as_in_a_build(cards, tiny, tmp_path):
    encoders = dict(zip(("image_encoder", "text_encoder"), tiny, strict=True))
    bank = AnchorBank.load("cards").add(load_pairs(cards), **encoders, progress=False)
    both = [load_pairs(tmp_path / name) for name in ("first", "more")]
    fields = [[*getattr(both[0], f), *getattr(both[1], f)] for f in ("pictures", "captions", "ids", "groups")]
    assert_same(bank, AnchorBank.build(Pairs("cards", *fields, {}), *tiny, progress=False))


def test_one_picture_and_its_caption_are_a_pair_embedded_by_the_banks_own_encoders(cards, tiny):
    pair = load_pairs(cards).subset([0])
    old = AnchorBank.load("cards").replace()  # in memory, so that the same pair is added twice to equal banks
    bank = old.add(pair.pictures[0], pair.captions[0], text_encoder=tiny[1], progress=False)
    expected = old.add(old.embed(pair, *tiny, progress=False))
    assert torch.equal(bank.image, expected.image) and torch.equal(bank.text, expected.text)
    assert bank.pairs.caption.equals(expected.pairs.caption)
    assert len(bank.add(pair.pictures[0], pair.captions[0], progress=False)) == len(old) + 2  # ids do not clash


def test_known_ids_other_encoders_and_broken_pictures_add_nothing(cards, tiny, tmp_path, monkeypatch):
    bank, pairs = AnchorBank.load("cards"), load_pairs(cards)
    other = load_image_encoder("test_vit", device="cpu", random_seed=1)
    with monkeypatch.context() as patch:
        patch.setattr("asif_lib.bank.building.encode", None)  # refused before anything is encoded
        for added, image_encoder, refusal in (
            (load_pairs(tmp_path / "first"), None, BankError),
            (pairs, other, IdentityError),
        ):
            with pytest.raises(refusal):
                bank.add(added, image_encoder=image_encoder, text_encoder=tiny[1])
    (cards / "white.png").write_text("no picture")
    with pytest.raises(BrokenPicturesError, match="white.png"):
        bank.add(pairs, image_encoder=tiny[0], text_encoder=tiny[1], progress=False)
    assert AnchorBank.load("cards").version == 1
    assert len(bank.add(bank.embed(pairs, *tiny, skip_broken=True, progress=False))) == 6
