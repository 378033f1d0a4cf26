"""A bank of a stream: after interruptions the same bytes; what cannot be used is left out, named, and stops nothing."""

import csv
import json
import re
import shutil
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hub_formats import caption, png, write_parquet, write_webdataset

from asif_lab import streaming, streams
from asif_lab.streaming import build_streamed
from asif_lab.streams import stream_from_hub
from asif_lib import AnchorBank
from asif_lib.cli import main
from asif_lib.errors import BankError, DataError

datasets = pytest.importorskip("datasets")
pytestmark = [
    pytest.mark.usefixtures("datasets_cache"),
    pytest.mark.filterwarnings("ignore:.* repeat an earlier caption"),
]


def build(source, folder, tiny, **how):
    return build_streamed(stream_from_hub(source), folder, *tiny, **{"progress": False, "block": 20, **how})


def checksums(folder):
    """Of all files with pairs, and of the sums: everything but names and the time."""
    about = json.loads((folder / "bank.json").read_text())
    (part,), (version,) = about["parts"], about["history"]
    return part["files"], version["checksum"], version["count"]


@pytest.fixture
def interrupted(tiny, tmp_path, monkeypatch):
    """A source of 60 pairs, whose build was interrupted when all blocks were encoded."""
    source = write_parquet(tmp_path / "source", 60)
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(streaming, "write_bank", Mock(side_effect=KeyboardInterrupt))
        build(source, tmp_path / "bank", tiny)
    return source


def remarks(folder):
    with open(folder.with_name(f"{folder.name}.rows.csv"), newline="") as lines:
        return list(csv.reader(lines))[1:]


def test_a_stream_gives_the_embeddings_of_the_encoders(tiny, tmp_path):
    bank = build(write_parquet(tmp_path / "source", 30, caption=lambda n: f"a {n}"), tmp_path / "bank", tiny)
    datasets.disable_progress_bars()
    table = datasets.load_dataset(str(tmp_path / "source"), split="train")
    image = tiny[0].encode([row["image"] for row in table], progress=False)
    torch.testing.assert_close(bank.image, image, atol=1e-5, rtol=1e-4)
    assert bank.image_encoder == tiny[0].identity and bank.name == "source"
    assert bank.pairs[["id", "caption"]].values.tolist() == [[str(n), f"a {n}"] for n in range(30)]


def test_what_cannot_be_used_is_left_out_and_named(tiny, tmp_path):
    spoilt = {7: b"no picture", 23: png(23)[:60], 24: None}
    empty = {3: "", 41: "  ", 42: None, 50: caption(0), 52: caption(0), 51: "a " * 100}
    folder = write_parquet(
        tmp_path / "source", 60, shard=25,
        picture=lambda n: spoilt.get(n, png(n)), caption=lambda n: empty.get(n, f"a {n} {n}"),
    )  # fmt: skip
    with pytest.warns(UserWarning, match="of 60 rows, 6 are left out, 1 have a caption that .* cuts off, .* 1 repeat"):
        bank = build(folder, tmp_path / "bank", tiny)
    assert [int(i) for i in bank.pairs["id"]] == sorted({*range(60)} - {3, 7, 23, 24, 41, 42})
    rows = remarks(tmp_path / "bank")
    assert [int(row) for row, _ in sorted(rows, key=lambda row: int(row[0]))] == [3, 7, 23, 24, 41, 42, 51]
    why = dict(rows)
    assert why["3"] == why["42"] == "left out: has no caption" and why["24"] == "left out: has no picture"
    assert why["7"].startswith("left out: row 7: is not a picture that Pillow can read")
    assert why["23"].startswith("left out: row 23: is broken or truncated")
    assert why["51"] == "the text encoder cuts off its caption"


def test_nothing_that_can_be_used_is_one_sentence(tiny, tmp_path):
    folder = write_parquet(tmp_path / "source", 30, caption=lambda n: "")
    with pytest.warns(UserWarning, match="30 are left out"), pytest.raises(BankError, match="has no pair to build"):
        build(folder, tmp_path / "bank", tiny)
    assert not (tmp_path / "bank").exists() and len(remarks(tmp_path / "bank")) == 30


def test_rows_that_break_off_cost_no_block_that_is_done(tiny, tmp_path, monkeypatch):
    source, pair = write_webdataset(tmp_path / "source", 200, shard=50), streams.PairStream._pair
    build(source, tmp_path / "whole", tiny)

    def lost(stream, number, row):
        if number == 110:
            raise ConnectionError("the other side hung up")
        return pair(stream, number, row)

    words = r"source: the rows break off between 100 and 120 \(the hub cannot be reached\)"
    with monkeypatch.context() as broken, pytest.raises(DataError, match=words):
        broken.setattr(streams, "WAITS", ())
        broken.setattr(streams.PairStream, "_pair", lost)
        build(source, tmp_path / "bank", tiny)
    assert len(list((tmp_path / "bank.building").glob("*.json"))) == 5
    build(source, tmp_path / "bank", tiny)
    assert checksums(tmp_path / "bank") == checksums(tmp_path / "whole")


def test_blocks_that_are_done_are_not_encoded_again(tiny, tmp_path, interrupted, monkeypatch):
    monkeypatch.setattr(streaming, "_encode_block", None)
    assert len(build(interrupted, tmp_path / "bank", tiny)) == 60 and not (tmp_path / "bank.building").exists()


def test_blocks_of_other_files_or_encoders_are_not_continued(tiny, tmp_path, interrupted):
    shutil.rmtree(interrupted / "data")
    write_parquet(interrupted, 60, picture=lambda n: png(n + 1_000))
    bank, fresh = (build(interrupted, tmp_path / name, tiny) for name in ("bank", "fresh"))
    assert np.array_equal(bank.image, fresh.image) and checksums(tmp_path / "bank") == checksums(tmp_path / "fresh")


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
def test_a_waiting_block_that_is_damaged_is_not_continued(tiny, tmp_path, interrupted, ending):
    file = min((tmp_path / "bank.building").glob(f"*{ending}"))
    content = file.read_bytes()
    file.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    with pytest.raises(BankError, match=rf"{file.stem}.json: the block is damaged \(.* differs\); delete it"):
        build(interrupted, tmp_path / "bank", tiny)
    file.with_suffix(".json").unlink()
    again, fresh = (build(interrupted, tmp_path / name, tiny).disk.folder for name in ("bank", "fresh"))
    assert checksums(again) == checksums(fresh)


def test_a_folder_of_files_with_a_table_is_read_too(tmp_path, tiny):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(1))
    (folder / "metadata.csv").write_text("file_name,text\na.png,a red square\n")
    bank = build(folder, tmp_path / "bank", tiny)
    assert bank.pairs["caption"].tolist() == ["a red square"]


def test_the_command_builds_from_the_hub(tmp_path, capsys, timm_folder, sentence_transformer_folder):
    source = write_webdataset(tmp_path / "source", 90)
    command = ["bank", "stream", str(tmp_path / "bank"), str(source), "--limit", "70",
               "--precision", "float16", "--image-encoder", str(timm_folder),
               "--text-encoder", str(sentence_transformer_folder)]  # fmt: skip
    assert main(command) == 0
    assert "70 anchors" in capsys.readouterr().out
    assert AnchorBank.load(tmp_path / "bank").image.dtype == torch.float16
    assert main(command) == 1
    assert re.search("is there already, with 70 pairs.*--replace", capsys.readouterr().err)
