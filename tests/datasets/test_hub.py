"""Labelled data sets of the hub, as folders in its own format; no network."""

import pytest
from hub_formats import write_clip_benchmark, write_columns, write_parquet
from PIL import Image

from asif_lab.streams import stream_from_hub
from asif_lib.datasets.hub import labelled_from_hub
from asif_lib.encoders.embeddings import embed_readable
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import DataError

datasets = pytest.importorskip("datasets")
PICTURES = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]


@pytest.fixture
def save(tmp_path, datasets_cache):
    """Save columns as the repository ``made``."""
    return lambda **columns: write_columns(tmp_path / "made", "test", **columns)


def classes(*names):
    return [0, 1, 1], datasets.ClassLabel(names=list(names))


def test_pictures_labels_and_the_first_name_of_each_class_unless_two_share_it(save):
    names = classes("tench, Tinca tinca", "sea_lion", "maillot", "maillot, x")
    data = labelled_from_hub(save(image=(PICTURES, datasets.Image()), label=names))
    assert (data.name, data.labels.tolist(), data.splits) == ("made", [0, 1, 1], {})
    assert data.classes == ["tench", "sea lion", "maillot", "maillot, x"]
    assert len(data.pictures) == 3 and open_picture(data.pictures[2]).getpixel((0, 0)) == (0, 0, 255)


def test_a_broken_picture_is_named_and_the_others_are_read(save, image_encoder, tmp_cache):
    cells = [PICTURES[0], {"bytes": b"cut off", "path": None}, None]
    data = labelled_from_hub(save(image=(cells, datasets.Image()), label=classes("a", "b")))
    rows, kept, errors = embed_readable(image_encoder, data.pictures, progress=False)
    assert kept == [0] and len(rows) == 1
    assert [str(error).partition(":")[0] for error in errors] == ["row 1", "row 2"]


def test_of_several_columns_of_classes_one_must_be_named(save):
    folder = save(img=(PICTURES, datasets.Image()), fine=classes("a", "b"), coarse=classes("c", "d"))
    with pytest.raises(DataError, match=r"classes \(name one as the label\): fine, coarse"):
        labelled_from_hub(folder)
    assert labelled_from_hub(folder, label="coarse").classes == ["c", "d"]
    with pytest.raises(DataError, match="has no column 'label' of classes; it has: fine, coarse"):
        labelled_from_hub(folder, label="label")


def test_of_several_configurations_one_is_named_behind_the_name(save):
    text = ["x", "y", "z"], datasets.Value("string")
    folder = save(image=(PICTURES, datasets.Image()), label=classes("a", "b"), text=text)
    card = ["---", "configs:"]
    for name in ("one", "two"):
        card += [f"- config_name: {name}", "  data_files:", "  - split: test", "    path: data/*"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    for load in (labelled_from_hub, stream_from_hub):
        with pytest.raises(DataError, match="several configurations: name one, as in OWNER/NAME#CONFIGURATION"):
            load(folder, "test")
        assert load(f"{folder}#two", "test").name == "made"
    assert len({stream_from_hub(f"{folder}#{name}", "test").digest for name in ("one", "two")}) == 2


def test_hidden_labels_are_refused(save):
    hidden = [0, -1, 1], datasets.ClassLabel(names=["a", "b"])
    with pytest.raises(DataError, match="has pictures without a class"):
        labelled_from_hub(save(image=(PICTURES, datasets.Image()), label=hidden))


@pytest.mark.parametrize("load", [labelled_from_hub, stream_from_hub])
@pytest.mark.parametrize("name, split", [("made", "train"), ("gone", "test")])
def test_a_missing_name_or_split_is_one_sentence(save, tmp_path, load, name, split):
    save(image=(PICTURES, datasets.Image()), label=classes("a", "b"))
    with pytest.raises(DataError, match=rf"{name}, split {split}: cannot be loaded \(.*\); compare") as caught:
        load(tmp_path / name, split)
    assert "\n" not in str(caught.value)


PUBLISHED = {
    "classnames": ["sea_lion", "crane (bird), or heron", "cat"],
    "zeroshot_classification_templates": ["a photo of a {c}.", "{c}, up close"],
}


def test_names_and_templates_beside_the_tars_are_read_as_they_are(save, tmp_path):
    folder = write_clip_benchmark(tmp_path / "wds_made", "cls", [2, 0, 1, 0], **PUBLISHED)
    write_clip_benchmark(folder, "cls", [1], split="train")  # one tar, beside one list of tars
    for split, labels in (("test", [2, 0, 1, 0]), ("train", [1])):
        data = labelled_from_hub(folder, split)
        assert (data.name, data.labels.tolist()) == ("wds_made", labels)
        assert data.classes == ["sea lion", "crane (bird), or heron", "cat"]
        assert data.templates == ["a photo of a {}.", "{}, up close"] == data.subset([0]).templates
        assert [open_picture(picture).size for picture in data.pictures] == [(8, 8)] * len(labels)


@pytest.mark.parametrize("load", [labelled_from_hub, stream_from_hub])
def test_a_tar_that_is_cut_off_between_two_files_loses_no_row_in_silence(save, tmp_path, load):
    folder = write_clip_benchmark(tmp_path / "wds_made", "cls", [0, 1, 0], **PUBLISHED)
    tar = folder / "test" / "0.tar"
    for content in (tar.read_bytes()[:3072], bytes(10_240), b""):  # of the second picture, only the class; and nothing
        tar.write_bytes(content)
        with pytest.raises(DataError, match="0.tar: is empty or cut off"):
            load(folder, "test")


def test_numbered_files_that_are_not_all_here_are_counted(save, tmp_path):
    folder = write_parquet(tmp_path / "pairs", 6, shard=2)
    (folder / "data" / "train-00001-of-00003.parquet").unlink()
    with pytest.warns(UserWarning, match="data/train: 2 of 3 files are here; rows of the others are missing"):
        stream = stream_from_hub(folder)
    assert [len(block) for _, block, _ in stream.blocks(9)] == [4]


@pytest.mark.parametrize(
    "texts, lists, split, words",
    [
        ([0, 3, 1], {"classnames": "abc"}, "test", "classnames.txt has 3 names, .* class numbers up to 3, from 0"),
        ([0, 1], {}, "test", r"in a file classnames.txt; pictures: .*; classes \(name one as the label\): none"),
        ([0, 1], {"classnames": "ab"}, "val", "has no file val/nshards.txt, .*; compare the split with its page"),
        ([0, 1], {"classnames": "ab", "test/nshards": "3"}, "test", "split test: 2 of its 3 tars are here; fetch"),
    ],
)
def test_what_does_not_fit_this_layout_is_one_sentence(save, tmp_path, texts, lists, split, words):
    folder = write_clip_benchmark(tmp_path / "wds_made", "cls", texts, shard=1, **lists)
    with pytest.raises(DataError, match=f"wds_made.*{words}") as caught:
        labelled_from_hub(folder, split)
    assert "\n" not in str(caught.value)
