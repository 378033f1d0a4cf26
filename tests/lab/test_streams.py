"""A stream of a data set's rows: which columns hold pictures and captions, and where the rows cannot be read."""

import io
import tarfile
import zipfile

import fsspec
import pytest
from hub_formats import png, write_clip_benchmark, write_columns, write_parquet, write_webdataset

from asif_lab.streams import stream_from_hub
from asif_lib.datasets.hub import own_places, picture_in_cell
from asif_lib.encoders.pictures import open_picture, picture_digest
from asif_lib.errors import DataError, PictureError

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


@pytest.fixture
def secret(tmp_path):
    """A folder beside the data sets, with a picture and an archive that are no business of theirs."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "0.png").write_bytes(png(0))
    with zipfile.ZipFile(tmp_path / "secret" / "a.zip", "w") as archive:
        archive.writestr("0.png", png(0))
    return tmp_path / "secret"


ELSEWHERE = [
    "file://{secret}/0.png", "local://{secret}/0.png", "{secret}/0.png", "../secret/0.png", "a/../../secret/0.png",
    "ftp://127.0.0.1/0.png", "http://127.0.0.1:9/0.png", "https://127.0.0.1:9/0.png", "github://a:b@c/0.png",
    "hf://datasets/b/private@main/0.png", "hf://datasets/a/own@main/../../b/private/0.png", "memory://0.png",
    "zip://0.png::{secret}/a.zip", "zip://0.png::file://{secret}/a.zip", "zip://0.png::../secret/a.zip",
    "simplecache::file://{secret}/0.png", "filecache::http://127.0.0.1:9/0.png", "ssh://root@127.0.0.1/0.png", "\0", "",
]  # fmt: skip


def test_a_row_names_no_file_outside_of_its_data_set(secret, tmp_path, monkeypatch):
    addresses = [address.format(secret=secret) for address in ELSEWHERE]
    folder = write_parquet(tmp_path / "made", len(addresses), picture=lambda n: addresses[n])
    monkeypatch.setattr(fsspec, "open", lambda path, *_: pytest.fail(f"{path} was opened"))
    ((_, pairs, _),) = stream_from_hub(folder).blocks(99)
    on_hub = [picture_in_cell("row", {"path": address}, own_places("a/own")) for address in addresses]
    for read in (open_picture, picture_digest):
        for picture in [*(picture for picture, _ in pairs), *on_hub]:
            with pytest.raises(PictureError):
                read(picture)


def test_pictures_beside_the_table_and_in_its_archives_are_read(tmp_path):
    folder = write_parquet(
        tmp_path / "made", 3, picture=("0.png", f"{tmp_path}/made/1.png", "data/../0.png").__getitem__
    )
    for i in range(2):
        (folder / f"{i}.png").write_bytes(png(i))
    ((_, pairs, _),) = stream_from_hub(folder).blocks(9)
    assert [picture_digest(picture) for picture, _ in pairs] == [picture_digest(folder / f"{i}.png") for i in (0, 1, 0)]
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "train.zip", "w") as archive:
        archive.writestr("metadata.csv", "file_name,caption\n0.png,a\n1.png,b\n")
        for i in range(2):
            archive.writestr(f"{i}.png", png(i))
    ((_, pairs, _),) = stream_from_hub(tmp_path / "zip").blocks(9)
    assert [picture_digest(picture) for picture, _ in pairs] == [picture_digest(folder / f"{i}.png") for i in (0, 1)]
    own = own_places(tmp_path / "zip")
    (tmp_path / "zip" / "broken.zip").write_bytes(b"PK")
    for address in (
        "zip://9.png::train.zip",
        "zip://0.png::broken.zip",
        "zip://0.png::gone.zip",
        "tar://0.png::train.zip",
    ):
        with pytest.raises(PictureError, match="^row 7: cannot be read from"):
            open_picture(picture_in_cell("row 7", {"path": address}, own))
