"""A stream of a data set's rows: which columns hold pictures and captions, and where the rows cannot be read."""

import io
import tarfile

import pytest
from hub_formats import png, write_clip_benchmark, write_columns, write_webdataset

from asif_lib.datasets.streams import stream_from_hub
from asif_lib.errors import DataError

datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.usefixtures("datasets_cache")


TEXTS = ["one", "two"], datasets.Value("string")
PICTURES = [{"bytes": png(i), "path": None} for i in range(2)], datasets.Image()


@pytest.mark.parametrize(
    "columns, asked, words",
    [
        ({"image": PICTURES, "story": TEXTS}, {},
         "not clear which column holds the captions; name one with --caption-column .*: image; of text: story$"),
        ({"caption": TEXTS}, {}, "which column holds the pictures; .* columns of pictures: none; of text: caption$"),
        ({"a": PICTURES, "b": PICTURES, "text": TEXTS}, {}, "which column holds the pictures; .*: a, b; of text: text"),
        ({"a": PICTURES, "text": TEXTS, "caption": TEXTS}, {}, "which column holds the captions; "),
        ({"image": PICTURES, "text": TEXTS}, {"caption": "txet"}, "'txet' is no column of captions; .*; of text: text"),
        ({"image": PICTURES, "json": ([{"a": 1}] * 2, {"a": datasets.Value("int64")}), "text": TEXTS},
         {"caption": "json"}, "'json' is no column of captions; .*; of text: text$"),
        ({"image": PICTURES, "text": TEXTS}, {"picture": "text"},
         "'text' is no column of pictures; .*: image; of text: text$"),
    ],
)  # fmt: skip
def test_columns_that_are_not_there_are_named(tmp_path, columns, asked, words):
    folder = write_columns(tmp_path / "made", **columns)
    with pytest.raises(DataError, match=words) as caught:
        stream_from_hub(folder, **asked)
    assert "\n" not in str(caught.value)


def test_named_columns_are_read_and_of_several_captions_the_first(tmp_path):
    lists = [["first", "second"], []], datasets.List(datasets.Value("string"))
    folder = write_columns(tmp_path / "made", a=PICTURES, b=PICTURES, alt=lists, text=TEXTS)
    ((first, pairs, _),) = stream_from_hub(folder, picture="b", caption="alt").blocks(5)
    assert first == 0 and [text for _, text in pairs] == ["first", ""] and pairs[1][0].content == png(1)


def test_of_a_text_with_a_caption_a_line_the_first_line_counts(tmp_path):
    texts = ["a dog\na brown dog\n", "a cat", "\n"]
    folder = write_clip_benchmark(tmp_path / "wds", "txt", texts, split="train", dataset_type=["retrieval"])
    ((_, pairs, _),) = stream_from_hub(folder).blocks(5)
    assert [caption for _, caption in pairs] == ["a dog", "a cat", ""] and pairs[0][0].content == png(0)
    plain = write_webdataset(tmp_path / "plain", 1, caption=lambda n: texts[0])
    ((_, pairs, _),) = stream_from_hub(plain).blocks(5)
    assert pairs[0][1] == "a dog\na brown dog"


def edited_tar(source, edit):
    """Write the folder's tar again with the entries (name, content) that `edit` returns."""
    (file,) = source.glob("*.tar")
    with tarfile.open(file) as tar:
        entries = [(entry.name, tar.extractfile(entry).read()) for entry in tar.getmembers()]
    with tarfile.open(file, "w") as tar:
        for name, content in edit(entries):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_two_captions_of_one_name_say_where_the_rows_can_be_read_to(tmp_path):
    source = write_webdataset(tmp_path / "source", 9)
    edited_tar(source, lambda entries: entries[:16] + entries[15:])  # the caption of row 7, twice
    blocks = stream_from_hub(source).blocks(3)
    assert [len(next(blocks)[1]) for _ in range(2)] == [3, 3]
    words = r"between 6 and 9 \(Duplicate field 'txt' .*\).*mend it, or stop before it with --limit 6$"
    with pytest.raises(DataError, match=words):
        next(blocks)


def test_a_first_row_without_a_caption_is_named_as_the_reason(tmp_path):
    source = write_webdataset(tmp_path / "source", 9)
    edited_tar(source, lambda entries: entries[:1] + entries[2:])
    with pytest.raises(DataError, match="one of its first rows lacks a file that the others have, such as its caption"):
        stream_from_hub(source)
