"""Data sets: fixed splits, captions and classes, from the catalogue or from a folder of your own."""

import hashlib
import shutil

import numpy as np
import pytest
from conftest import draw, write_table

from asif_lib import Labelled, load_labelled, load_pairs
from asif_lib.datasets.captions import read_captions
from asif_lib.datasets.pairs import fixed_splits
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import DataError
from asif_lib.files import picture_files

# Of the ids in their order: another version of scikit-learn must not move a stamp between splits.
TEST_DIGEST = "36f13ada78402916"
VALIDATION_DIGEST = "2dd9c56b33b692b5"


def assert_partition(splits, n):
    assert sorted(i for split in splits.values() for i in split) == list(range(n))


# -- the catalogue's own ---------------------------------------------------------------------------------


def test_the_stamps_and_their_splits_are_the_same_on_every_machine(stamps):
    assert len(stamps) == len(stamps.captions) == len(set(stamps.ids)) == len(stamps.groups) == 793
    assert all(caption and caption == caption.strip() and "utf8=" not in caption for caption in stamps.captions)
    assert not any(i.startswith("symbols/alphabets") for i in stamps.ids)
    assert (open_picture(stamps.pictures[0]).mode, stamps.licence) == ("RGB", "GPL-2")
    sizes = {name: len(split) for name, split in stamps.splits.items()}
    assert sizes == {"train": 493, "validation": 150, "test": 150}
    assert_partition(stamps.splits, 793)
    for name, digest in (("test", TEST_DIGEST), ("validation", VALIDATION_DIGEST)):
        ids = "\n".join(stamps.ids[i] for i in stamps.splits[name])
        assert hashlib.sha256(ids.encode()).hexdigest()[:16] == digest
    assert stamps.split("test").captions == [stamps.captions[i] for i in stamps.splits["test"]]
    with pytest.raises(DataError, match="no split 'dev'; it has: train, validation, test"):
        stamps.split("dev")


@pytest.fixture(scope="module")
def fashion():
    return load_labelled("fashion_mnist", progress=False)


def test_fashion_mnist_has_its_makers_splits_and_classes(fashion):
    assert len(fashion) == 70_000
    assert {k: len(v) for k, v in fashion.splits.items()} == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert_partition(fashion.splits, 70_000)
    assert len(fashion.classes) == len(set(fashion.classes)) == 10
    assert np.bincount(fashion.split("test").labels).tolist() == [1_000] * 10
    assert fashion.labels[:3].tolist() == [9, 0, 0]  # the first boot and shirts of the training file
    assert fashion.pictures[0].size == (28, 28)
    assert open_picture(fashion.pictures[0]).getpixel((0, 0)) == (0, 0, 0)


def test_a_sample_is_balanced_and_the_same_for_a_seed(fashion):
    test, n = fashion.split("test"), 503
    samples = [test.sample(n, seed=seed) for seed in (0, 0, 1)]
    counts = np.bincount(samples[0].labels, minlength=10)
    assert counts.sum() == n and np.ptp(counts) <= 1
    positions = [[id(picture) for picture in sample.pictures] for sample in samples]
    assert positions[0] == positions[1] != positions[2]
    assert len(set(positions[0])) == n
    unequal = Labelled("x", list(range(12)), np.array([0] * 10 + [1] * 2), ["a", "b"], {})
    assert np.bincount(unequal.sample(8).labels).tolist() == [6, 2] and len(unequal.sample(0)) == 0
    for n in (13, -1):
        with pytest.raises(DataError):
            unequal.sample(n)


@pytest.mark.parametrize("load", [load_pairs, load_labelled])
def test_an_unknown_name_says_what_is_known(load):
    with pytest.raises(DataError, match="neither a folder nor a data set .* known: (stamps|fashion_mnist)"):
        load("coco")


# -- splits ----------------------------------------------------------------------------------------------


def test_any_number_of_groups_can_be_split():
    for groups, each in ((1, 40), (4, 10), (30, 4), (40, 1), (13, 3)):
        strata = [f"group {i}" for i in range(groups)] * each
        splits = fixed_splits(strata, 0.2, 0.25)
        assert_partition(splits, len(strata))
        assert all(splits.values())
        assert splits == fixed_splits(strata, 0.2, 0.25)
    splits = fixed_splits(["common"] * 80 + ["rare"] * 20, 20, 20)  # each split has its share of both
    assert [sum(i >= 80 for i in splits[name]) for name in splits] == [12, 4, 4]


# -- captions folders ------------------------------------------------------------------------------------


@pytest.fixture
def rows(drawings):
    return [
        {"file_name": f.name, "caption": f"a {f.stem.replace('_', ' ')}", "group": f.stem.split("_")[1],
         "split": "test" if f.stem.startswith("red") else "train"}
        for f in sorted(drawings.iterdir())
    ]  # fmt: skip


@pytest.mark.parametrize("suffix, column", [("csv", "text"), ("jsonl", "caption"), ("parquet", "text")])
def test_a_folder_with_a_captions_table(drawings, rows, suffix, column):
    captions = ["007", "1.50", "NA", "null", "2020-01-02", "  NA, ‘null’ — 007 "]  # each stays the text that it is
    for row, caption in zip(rows, captions, strict=True):
        row["caption"] = caption
    write_table(drawings, [{column: row.pop("caption"), **row} for row in rows], suffix)
    pairs = load_pairs(drawings)
    assert pairs.name == "drawings"
    assert pairs.captions == [*captions[:5], "NA, ‘null’ — 007"]
    assert pairs.pictures == [drawings / row["file_name"] for row in rows]
    assert pairs.groups == [row["group"] for row in rows]
    assert pairs.splits == {"train": [0, 1, 2, 3], "test": [4, 5]}
    write_table(drawings, [{k: row[k] for k in ("file_name", "split")} | {"caption": "x"} for row in rows], suffix)
    assert load_pairs(drawings).groups == [""] * 6


def test_without_a_split_column_a_folder_is_split_by_group(drawings):
    rows = []
    for i in range(40):
        draw("circle", (i, 0, 0)).save(drawings / f"{i}.png")
        rows.append({"file_name": f"{i}.png", "caption": f"number {i}", "group": "even" if i % 2 == 0 else "odd"})
    write_table(drawings, rows)
    with pytest.warns(UserWarning, match="not used"):
        splits = load_pairs(drawings).splits
    assert {k: len(v) for k, v in splits.items()} == {"train": 28, "validation": 6, "test": 6}
    assert sum(i % 2 for i in splits["test"]) == 3


def test_a_table_may_name_pictures_in_subfolders_and_those_that_it_leaves_out_are_warned_of(drawings, rows, recwarn):
    (drawings / "more").mkdir()
    (drawings / rows[0]["file_name"]).rename(drawings / "more" / "x.png")
    rows[0]["file_name"] = "more/x.png"
    (drawings / ".DS_Store").touch()
    write_table(drawings, rows)
    assert load_pairs(drawings).ids[0] == "more/x.png"
    assert not recwarn
    write_table(drawings, rows[1:])
    with pytest.warns(UserWarning, match="not used: more/x.png"):
        assert len(load_pairs(drawings)) == 5


# -- class folders ---------------------------------------------------------------------------------------


@pytest.fixture
def classes(tmp_path):
    def make(names, each=1):
        for name in names:
            (tmp_path / "animals" / name).mkdir(parents=True)
            for i in range(each):
                draw("circle", "red").save(tmp_path / "animals" / name / f"{i}.png")
        return tmp_path / "animals"

    return make


def test_class_folders_give_labels_with_spaces_and_splits_where_there_are_enough_pictures(classes):
    data = load_labelled(classes(["otter", "sea_lion", "polar__bear_", ".hidden"], each=2))
    assert data.classes == ["otter", "polar bear", "sea lion"]
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert [picture.parent.name for picture in data.pictures[::2]] == ["otter", "polar__bear_", "sea_lion"]
    assert (data.name, data.splits) == ("animals", {})
    shutil.rmtree(data.pictures[0].parents[1])
    data = load_labelled(classes([f"class {i:02d}" for i in range(7)], each=4))
    assert_partition(data.splits, 28)


@pytest.mark.parametrize(
    "names, words",
    [
        (["sea_lion", "sea lion"], "two class folders give the same label"),
        (["ótter", "o\u0301tter"], "two class folders give the same label: .* differ in"),
        (["otter", "_"], "the class folder '_' gives no label; rename it"),
        (["otter", "seal/none"], "class folders without a picture: seal; fill or remove"),
    ],
)
def test_class_folders_that_give_no_label_or_no_picture_are_named(classes, tmp_path, names, words):
    (tmp_path / "animals").mkdir()
    if "seal/none" in names:
        (tmp_path / "animals" / "seal").mkdir()
    with pytest.raises(DataError, match=words):
        load_labelled(classes([name for name in names if "/" not in name]))


def test_picture_files_are_sorted_and_not_hidden(drawings):
    (drawings / "more").mkdir()
    draw("circle", "red").save(drawings / "more" / "a.png")
    (drawings / ".hidden.png").touch()
    (drawings / "empty").mkdir()
    files = picture_files(str(drawings))
    assert files == sorted(files) and len(files) == 7
    for name, words in (("none", "no such folder"), ("empty", "has no pictures")):
        with pytest.raises(DataError, match=words):
            picture_files(drawings / name)


# -- captions tables that say something else than their author meant -------------------------------------


BAD_TABLES = [
    ("csv", b"file_name,caption\n", "has no rows"),
    ("csv", b"file_name,caption\n,a cat\n", "rows without a file_name: 2"),
    ("csv", b"\xff\xfe\x00broken", "not a readable csv table"),
    ("csv", "file_name,caption\na.png,Käfer\n".encode("latin-1"), "it is not in UTF-8: save it as CSV UTF-8"),
    ("jsonl", b"{no table", "not a readable jsonl table"),
    ("csv", b"file_name,caption,split\na.png,a drawing, small,train",
     "row 2 has 4 values for 3 columns: put a text that holds ',' into double quotes"),
    *(("csv", f"file_name,caption,{twice}\na.png,one,two".encode(),
       f"has the columns 'caption', {twice!r}; keep one of them, and call it caption")
      for twice in ("caption", " Caption ")),
    ("jsonl", b'["a", "b"]', "row 1 is not an object with the columns as its keys"),
    ("jsonl", b'{"file_name": "a.png", "caption": "one", "caption": "two"}', "row 1: a key occurs more than once"),
    ("jsonl", b'{"file_name": "a.png", "caption": ["a", "b"]}', "row 1, column caption: is a list; write one text"),
]  # fmt: skip


def test_what_is_no_table_of_one_caption_a_picture_is_refused_by_its_place(tmp_path):
    """An unquoted comma shifts no column."""
    for suffix, content, words in BAD_TABLES:
        file = tmp_path / f"metadata.{suffix}"
        file.write_bytes(content)
        with pytest.raises(DataError, match=rf"metadata\.{suffix}.*{words}") as refused:
            read_captions(file)
        assert "\n" not in str(refused.value)


def test_a_folder_needs_exactly_one_table(drawings, rows):
    with pytest.raises(DataError, match="one captions table.*found: none"):
        load_pairs(drawings)
    write_table(drawings, rows, "jsonl", "other")
    write_table(drawings, rows)
    with pytest.raises(DataError, match=r"found: metadata\.csv, other\.jsonl"):
        load_pairs(drawings)


BAD_ROWS = [
    (lambda rows: rows[3].update(caption="  "), "without a caption: green_square.png$"),
    (lambda rows: rows.append(rows[2]), "named more than once: green_circle.png"),
    *((lambda rows, name=name: [row.pop(name) for row in rows], "needs the columns file_name and caption")
      for name in ("file_name", "caption")),
    (lambda rows: [row.update({"Split": row.pop("split")}) for row in rows], "has the columns 'Split'; keep one"),
    (lambda rows: rows[3].update(split="train "), "row 5, column split: 'train ' differs from 'train' in case or"),
    *((lambda rows, path=path: rows[4].update(file_name=path),
       f"row 6, column file_name: {path!r} is not a path below the table's folder")
      for path in ("../drawings/red_circle.png", "/etc/passwd")),
]  # fmt: skip


def test_a_table_that_says_something_else_than_its_author_meant_is_refused(drawings, rows):
    for change, words in BAD_ROWS:
        change(changed := [dict(row) for row in rows])
        file = write_table(drawings, changed)
        with pytest.raises(DataError, match=words) as refused:
            read_captions(file)
        assert str(refused.value).startswith(str(file)) and "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_table_and_a_quoted_text_may_hold_anything(drawings, rows, suffix):
    rows[0]["caption"] = 'a "blue",\nround thing'
    file = write_table(drawings, rows, suffix)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    pairs = load_pairs(drawings)
    assert pairs.ids == [row["file_name"] for row in rows] and pairs.captions[0] == rows[0]["caption"]
