"""A captions table that says something else than its author meant is refused, with row and column."""

import json
import os

import pandas as pd
import pytest

from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.pairs import load_pairs
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import DataError, PictureError

NAMES = [f"{colour}_{shape}.png" for colour in ("blue", "green", "red") for shape in ("circle", "square")]


def table(drawings, change, suffix="csv"):
    """Write a table of the six drawings, after `change` of its list of rows."""
    rows = [{"file_name": name, "caption": f"a {name[:-4]}", "split": "train"} for name in NAMES]
    change(rows)
    file = drawings / f"metadata.{suffix}"
    if suffix == "jsonl":
        file.write_text("\n".join(json.dumps(row) for row in rows))
    elif suffix == "parquet":
        pd.DataFrame(rows).to_parquet(file)
    else:
        pd.DataFrame(rows).to_csv(file, index=False)


def refusal(drawings):
    with pytest.raises(DataError) as refused:
        load_pairs(drawings)
    words = str(refused.value)
    assert words.startswith(str(drawings / "metadata.")) and "\n" not in words
    return words


def test_an_unquoted_comma_shifts_no_column(drawings):
    lines = ["file_name,caption,split", *(f"{name},a drawing, small,train" for name in NAMES)]
    (drawings / "metadata.csv").write_text("\n".join(lines))
    assert "row 1 has 4 values for 3 columns: put a text that holds a comma into double quotes" in refusal(drawings)
    lines = ["file_name,caption", *(f"{name},a drawing" for name in NAMES[:5]), f"{NAMES[5]},red, square"]
    (drawings / "metadata.csv").write_text("\n".join(lines) + "\n\n")
    assert "row 6 has 3 values for 2 columns" in refusal(drawings)


@pytest.mark.parametrize(
    "head", ["file_name,caption,caption", "file_name,caption,Caption", "file_name,caption, caption "]
)
def test_two_columns_of_captions_are_refused(drawings, head):
    (drawings / "metadata.csv").write_text("\n".join([head, *(f"{name},one,two" for name in NAMES)]))
    assert "has the columns 'caption', " in (words := refusal(drawings))
    assert words.endswith("; keep one of them, and call it caption")


def test_two_captions_of_one_object_are_refused(drawings):
    lines = [f'{{"file_name": "{name}", "caption": "one", "caption": "two"}}' for name in NAMES]
    (drawings / "metadata.jsonl").write_text("\n".join(lines))
    assert "row 1: a key occurs more than once among file_name, caption, caption" in refusal(drawings)


@pytest.mark.parametrize("name", ["Split", "split "])
def test_a_column_that_is_nearly_a_split_is_not_overlooked(drawings, name):
    table(drawings, lambda rows: [row.update({name: row.pop("split")}) for row in rows])
    assert f"has the columns {name!r}; keep one of them, and call it split" in refusal(drawings)


@pytest.mark.parametrize(
    "split, words", [("Train", "'Train' differs from 'train'"), ("train ", "'train ' differs from 'train'")]
)
def test_splits_that_differ_in_case_or_blanks_are_refused(drawings, split, words):
    table(drawings, lambda rows: rows[3].update(split=split))
    assert f"row 4, column split: {words} in case or blanks; write them alike" in refusal(drawings)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_list_is_not_a_caption(drawings, suffix):
    table(drawings, lambda rows: [row.update(caption=["a", "b"]) for row in rows], suffix)
    assert "row 1, column caption: is a " in refusal(drawings)


def test_a_list_among_captions_is_found(drawings):
    table(drawings, lambda rows: rows[4].update(caption=["one", "two"]), "jsonl")
    assert "row 5, column caption: is a list; write one text in each row" in refusal(drawings)


@pytest.mark.parametrize("line", ['["a", "b"]', '"a"', "7"])
def test_a_row_that_is_no_object_is_refused(drawings, line):
    (drawings / "metadata.jsonl").write_text(line)
    assert "row 1 is not an object with the columns as its keys" in refusal(drawings)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_table(drawings, suffix):
    table(drawings, lambda rows: None, suffix)
    file = drawings / f"metadata.{suffix}"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_pairs(drawings).ids == NAMES


@pytest.mark.parametrize(
    "path", ["../drawings/red_circle.png", "/etc/passwd", "./red_circle.png", "more/../red_circle.png"]
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_path_that_leaves_the_folder_is_refused(drawings, path, suffix):
    table(drawings, lambda rows: rows[4].update(file_name=path), suffix)
    assert f"row 5, column file_name: {path!r} is not a path below the table's folder" in refusal(drawings)


def test_a_quoted_text_may_hold_commas_quotes_and_lines(drawings):
    table(drawings, lambda rows: rows[0].update(caption='a "blue",\nround thing'))
    assert load_pairs(drawings).captions[0] == 'a "blue",\nround thing'


def test_a_pipe_is_neither_a_table_nor_a_picture_and_nobody_waits_for_it(drawings, tmp_path):
    os.mkfifo(drawings / "metadata.csv")
    with pytest.raises(DataError, match="needs one captions table.*found: none"):
        load_pairs(drawings)
    (tmp_path / "animals" / "otter").mkdir(parents=True)
    os.mkfifo(tmp_path / "animals" / "otter" / "a.png")
    (picture,) = load_labelled(tmp_path / "animals").pictures
    with pytest.raises(PictureError, match="is a pipe"):
        open_picture(picture)
