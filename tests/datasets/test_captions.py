"""A captions table that says something else than its author meant is refused, with row and column."""

import os

import pytest
from conftest import write_table

from asif_lib.datasets.labelled import load_labelled
from asif_lib.datasets.pairs import load_pairs
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import DataError, PictureError

NAMES = [f"{colour}_{shape}.png" for colour in ("blue", "green", "red") for shape in ("circle", "square")]


def table(drawings, change, suffix="csv"):
    """Write a table of the six drawings, after `change` of its list of rows."""
    rows = [{"file_name": name, "caption": f"a {name[:-4]}", "split": "train"} for name in NAMES]
    change(rows)
    return write_table(drawings, rows, suffix)


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


@pytest.mark.parametrize(
    "change, words",
    [
        *((lambda rows, n=name: [row.update({n: row.pop("split")}) for row in rows],
           f"has the columns {name!r}; keep one of them, and call it split") for name in ("Split", "split ")),
        *((lambda rows, s=split: rows[3].update(split=s),
           f"row 4, column split: {split!r} differs from 'train' in case or blanks; write them alike")
          for split in ("Train", "train ")),
    ],
)  # fmt: skip
def test_what_is_nearly_a_split_is_not_overlooked(drawings, change, words):
    table(drawings, change)
    assert words in refusal(drawings)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_list_is_not_a_caption(drawings, suffix):
    table(drawings, lambda rows: [row.update(caption=["a", "b"]) for row in rows], suffix)
    assert "row 1, column caption: is a " in refusal(drawings)


@pytest.mark.parametrize(
    "line, words",
    [
        *((line, "row 1 is not an object with the columns as its keys") for line in ('["a", "b"]', '"a"', "7")),
        (
            '{"file_name": "a.png", "caption": "one", "caption": "two"}',
            "row 1: a key occurs more than once among file_",
        ),
        ('{"file_name": "a.png", "caption": ["one"]}', "row 1, column caption: is a list; write one text in each row"),
    ],
)
def test_a_row_that_says_no_caption_or_two_is_refused(drawings, line, words):
    (drawings / "metadata.jsonl").write_text(line)
    assert words in refusal(drawings)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_table_and_a_quoted_text_may_hold_anything(drawings, suffix):
    file = table(drawings, lambda rows: rows[0].update(caption='a "blue",\nround thing'), suffix)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    pairs = load_pairs(drawings)
    assert pairs.ids == NAMES and pairs.captions[0] == 'a "blue",\nround thing'


@pytest.mark.parametrize(
    "path", ["../drawings/red_circle.png", "/etc/passwd", "./red_circle.png", "more/../red_circle.png"]
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_path_that_leaves_the_folder_is_refused(drawings, path, suffix):
    table(drawings, lambda rows: rows[4].update(file_name=path), suffix)
    assert f"row 5, column file_name: {path!r} is not a path below the table's folder" in refusal(drawings)


def test_a_pipe_is_neither_a_table_nor_a_picture_and_nobody_waits_for_it(drawings, tmp_path):
    os.mkfifo(drawings / "metadata.csv")
    with pytest.raises(DataError, match="needs one captions table.*found: none"):
        load_pairs(drawings)
    (tmp_path / "animals" / "otter").mkdir(parents=True)
    os.mkfifo(tmp_path / "animals" / "otter" / "a.png")
    (picture,) = load_labelled(tmp_path / "animals").pictures
    with pytest.raises(PictureError, match="is a pipe"):
        open_picture(picture)
