"""`asif bank`: builds, edits, joins and checks; what would lose work needs to be asked for."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import card_folder

from asif_lib import AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.cli import main
from asif_lib.cli.banks import must_be_built
from asif_lib.encoders.embeddings import read_array
from asif_lib.encoders.identity import PADDED
from asif_lib.errors import DataError


@pytest.fixture
def bank(run_command):
    """Run `asif bank`; return the exit status, the JSON value if there is one, and stderr."""
    return lambda *arguments: run_command("bank", *arguments)


@pytest.fixture
def build(bank, tiny_folders):
    """Run `asif bank build` with the tiny encoders."""
    encoders = [word for kind, folder in tiny_folders.items() for word in (f"--{kind}-encoder", folder)]
    return lambda name, *arguments: bank("build", name, *encoders, "--device", "cpu", *arguments)


def test_the_command_edits_a_bank(cards, bank, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cards.rename("stamps")  # a folder with the name of a data set is the folder
    status, added, _ = bank("add", "cards", "stamps")
    assert (status, added["anchors"], added["version"]) == (0, 7, 2)
    _, removed, _ = bank("remove", "cards", "--where", "group=food")
    assert (removed["anchors"], removed["change"]) == (4, "removed 3 pairs where group = 'food'")
    _, removed, _ = bank("remove", "cards", "--id", "red.png", "--id", "blue.png")
    assert (removed["anchors"], removed["change"]) == (2, "removed 2 pairs")
    _, history, _ = bank("history", "cards")
    assert [(row["version"], row["count"]) for row in history] == [(1, 4), (2, 7), (3, 4), (4, 2)]
    _, undone, _ = bank("undo", "cards")
    assert (undone["anchors"], undone["version"], undone["change"]) == (4, 3, "undone: removed 2 pairs")
    for change in ("compacted", "nothing to compact"):
        _, compacted, _ = bank("compact", "cards")
        assert (compacted["anchors"], compacted["version"], compacted["change"]) == (4, 4, change)


def test_a_bank_of_pictures_that_their_data_set_padded_is_built_again_unless_it_was_edited(
    stamps_bank, image_encoder, run_command, tmp_cache
):
    words = f", {PADDED[True]}"
    old = replace(image_encoder.identity, preprocessing=image_encoder.identity.preprocessing.replace(words, ""))
    outdated = stamps_bank.replace(image_encoder=old)
    outdated.save(bank_dir("stamps"))
    assert must_be_built("stamps") and must_be_built("birds")
    kept = AnchorBank.load("stamps").keep_settings(p=4)
    assert not must_be_built("stamps")
    kept.keep_settings().remove([outdated.pairs["id"][0]])
    assert not must_be_built("stamps")


def test_a_review_is_applied_and_a_new_one_carries_decisions_over_and_loses_none(cards, bank, tmp_path):
    cards = AnchorBank.load("cards")
    twins = cards.subset([0, 1, 2]).replace(pairs=cards.pairs.head(3).assign(id=["twin a", "twin b", "=1"]))
    cards.add(twins)
    csv = tmp_path / "review.csv"
    status, rows, said = bank("review", "cards", "--csv", csv)
    assert status == 0 and f"{len(rows)} rows in {csv}" in said
    assert bank("apply", "cards", csv)[1]["change"] == "no decision to apply"
    table = pd.read_csv(csv, dtype=str, keep_default_na=False)
    duplicates = table[table["issue"] == "duplicate"].index
    table.loc[duplicates, ["decision", "caption_new"]] = [["drop", ""], ["relabel", "A card."], ["keep", ""]]
    table.to_csv(csv, index=False)
    decided = csv.read_bytes()
    AnchorBank.load("cards").remove(["twin a"])
    assert "review it again" in bank("apply", "cards", csv)[2] and csv.read_bytes() == decided
    status, _, said = bank("review", "cards", "--csv", csv)
    kept = tmp_path / "review.earlier-1.csv"
    assert status == 0 and f"2 decisions of {csv} are carried over" in said
    assert f"1 decisions are on rows that this review no longer has; they stay in {kept}" in said
    assert kept.read_bytes() == decided
    new = pd.read_csv(csv, dtype=str, keep_default_na=False).query("decision != ''").set_index("id")
    assert new["decision"].to_dict() == {"twin b": "relabel", "'=1": "keep"}
    assert bank("apply", "cards", csv)[1]["change"] == "relabelled twin b"
    assert AnchorBank.load("cards").pairs[["id", "caption"]].iloc[-1].tolist() == ["twin b", "A card."]
    (tmp_path / "thesis.csv").write_bytes(b"\xff\xfe not a table")
    assert "is there, and no table" in bank("review", "cards", "--csv", tmp_path / "thesis.csv")[2]


def test_paths_may_be_long_and_hold_blanks_and_umlauts(bank, build, run_command, tmp_path, monkeypatch):
    place = tmp_path / f"für uns {'x' * 90}" / f"Kärtchen, 100 % {'y' * 90}"
    place.mkdir(parents=True)
    monkeypatch.setenv("ASIF_CACHE", str(place / "der Cache"))
    cards = card_folder(place / "ein Stapel", ["red", "green", "blue"])
    for name in ("cards", place / "eine Bank"):
        assert build(name, "--from", cards)[0] == 0
        status, about, _ = bank("info", name)
        assert (status, about["anchors"]) == (0, 3)
        asked = ("classify", cards / "red.png", "--labels", "red, blue", "--bank", name, "--k", 2, "--device", "cpu")
        status, (row,), _ = run_command(*asked)
        assert status == 0 and row["picture"] == str(cards / "red.png") and row["is_anchor"]
        assert bank("prepare", name)[0] == bank("verify", name)[0] == 0


def test_the_command_names_pictures_that_it_leaves_out(cards, bank):
    (cards / "white.png").write_text("no picture")
    status, result, said = bank("add", "cards", cards)
    assert (status, result) == (1, None) and "white.png" in said and "--skip-broken" in said
    status, result, said = bank("add", "cards", cards, "--skip-broken")
    assert (status, result["anchors"]) == (0, 6) and "left out: white.png" in said


def test_a_build_over_edits_or_other_pairs_needs_to_be_asked_for(cards, bank, build, tmp_path):
    status, _, said = build("cards", "--from", cards)
    assert status == 1 and "bank 'cards' is there already, with 4 pairs; to lose it: --replace" in said
    assert build("cards", "--from", tmp_path / "first")[0] == 0  # the same pairs
    AnchorBank.load("cards").keep_settings(p=4)
    said = build("cards", "--from", tmp_path / "first")[2]
    assert "is there already, with 4 pairs and kept settings; to lose it: --replace" in said
    AnchorBank.load("cards").remove(["red.png"])
    status, result, said = build("cards", "--from", tmp_path / "first")
    assert (status, result) == (1, None)
    assert "bank 'cards' was edited (it is at version 2: removed 1 pair); to lose the edits: --replace" in said
    assert AnchorBank.load("cards").version == 2
    status, result, said = build("cards", "--from", cards, "--replace")
    assert (status, result["version"], result["anchors"]) == (0, 1, 3)
    status, _, said = bank("join", "cards", "cards")
    assert status == 1 and "bank 'cards' is there already" in said


def test_a_build_takes_a_precision_a_folder_and_the_named_splits(cards, build, tmp_path):
    table = pd.read_csv(cards / "metadata.csv").assign(split=["train", "test", "train"])
    table.to_csv(cards / "metadata.csv", index=False)
    folder = tmp_path / "banks" / "mine"  # a path, from which the name is the last part
    status, about, said = build(folder, "--from", cards, "--precision", "float16")
    assert (status, about["name"], about["folder"], about["dtype"]) == (0, "mine", str(folder), "float16")
    assert about["anchors"] == 3 and "uses all splits: train 2, test 1\n" in said
    status, about, said = build(folder, "--from", cards, "--split", "train", "--replace")
    assert (status, about["anchors"]) == (0, 2) and "splits" not in said
    assert AnchorBank.load(folder).pairs["id"].tolist() == ["black.png", "pink.png"]
    status, _, said = build(folder, "--from", cards, "--split", "dev", "--replace")
    assert status == 1 and "has no split 'dev'; it has: train, test" in said


@pytest.fixture
def arrays(tmp_cache, tmp_path):
    """The arguments that build the bank ``mine`` of 60 pairs of embeddings, without the names of the encoders."""
    random = np.random.default_rng(0)
    z = random.normal(size=(60, 5))
    for name, d in (("a", 8), ("b", 6)):
        np.save(tmp_path / f"{name}.npy", (z @ random.normal(size=(5, d))).astype("float32"))
    lines = [f"dogs/{i}.png,a dog {i},pets" for i in range(60)]
    (tmp_path / "c.csv").write_text("file_name,caption,group\n" + "\n".join(lines))
    build = ["import", "mine", "--image-embeddings", tmp_path / "a.npy", "--text-embeddings"]
    return [*build, tmp_path / "b.npy", "--captions", tmp_path / "c.csv"]


NAMES = ["--image-encoder", "eye", "--text-encoder", "ear"]


def test_the_command_makes_a_bank_of_arrays_joins_and_verifies(arrays, bank, tmp_path):
    status, about, _ = bank(*arrays, *NAMES)
    assert (status, about["anchors"], about["image_encoder"]) == (0, 60, "eye (external, 8 dimensions)")
    pairs = AnchorBank.load("mine").pairs
    assert pairs.iloc[3].tolist() == ["dogs/3.png", "a dog 3", str(tmp_path / "dogs" / "3.png"), "pets"]
    (tmp_path / "c.csv").write_text("caption\n" + "\n".join(f"a dog {i}" for i in range(60)))
    arrays[1] = "other"
    assert bank(*arrays, "--encoders-of", "mine")[0] == 0
    assert AnchorBank.load("other").pairs["id"].tolist()[:2] == ["0", "1"]
    status, about, _ = bank("join", "both", "mine", "other")
    assert (status, about["anchors"]) == (0, 120)
    _, rows, _ = bank("list")
    assert [(row["name"], row["anchors"]) for row in rows] == [("both", 120), ("mine", 60), ("other", 60)]
    assert bank("verify", "both")[1]["files"] == 4
    (file,) = bank_dir("both").glob("part-*/text.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    status, _, said = bank("verify", "both")
    assert status == 1 and "text.safetensors is not as it was written: its checksum differs" in said


def test_text_of_data_drives_no_terminal(arrays, bank, capsys):
    """A caption could colour, move or erase what a terminal shows, and feign lines."""
    odd = "dog\x1b[2J\x9b31m\x07\u202e\nasif: all is well\r"
    assert bank(*arrays, *NAMES)[0] == 0
    mine = AnchorBank.load("mine")
    pairs = mine.pairs.assign(caption=odd, id=[f"{odd}{i}" for i in range(60)])
    folder = mine.replace(pairs=pairs, licence=odd, name=odd).save(bank_dir("mine"))
    AnchorBank.load(folder).revise({f"{odd}7": odd}, mine.text[:1])
    for name, lines in ("info", 12), ("history", 2), ("list", 1):
        assert main(["bank", name, *["mine"] * (name != "list")]) == 0
        out = capsys.readouterr().out
        assert not set(out) - {"\n"} & {*map(chr, range(32)), "\x9b", "\u202e"} and out.count("\n") == lines, name
        assert name == "list" or r"dog\u001b[2J\u009b31m\u0007\u202e\u000aasif: all is well\u000d" in out
    assert main(["bank", "remove", "mine", "--id", odd]) == 1 and "\x1b" not in capsys.readouterr().err


@pytest.fixture
def retrieved(arrays, tmp_path):
    """The pairs of `arrays` as the inference of clip-retrieval writes them, in two parts; the arguments to import."""
    folders = {"img_emb": np.load(tmp_path / "a.npy"), "text_emb": np.load(tmp_path / "b.npy")}
    table = pd.DataFrame([{"image_path": f"/data/{i}.jpg", "caption": f"a dog {i}"} for i in range(60)])
    for number, rows in enumerate((slice(40), slice(40, 60))):
        for name, matrix in folders.items():
            (tmp_path / name).mkdir(exist_ok=True)
            np.save(tmp_path / name / f"{name}_{number}.npy", matrix[rows].astype("float16"))
        (tmp_path / "metadata").mkdir(exist_ok=True)
        table[rows].to_parquet(tmp_path / "metadata" / f"metadata_{number}.parquet")
    return [*arrays[:3], tmp_path / "img_emb", arrays[4], tmp_path / "text_emb", arrays[6], tmp_path / "metadata"]


def test_a_bank_of_the_folders_of_clip_retrieval(retrieved, bank, tmp_path):
    status, about, said = bank(*retrieved, "--image-encoder", "ViT-B-32")
    assert (status, about["anchors"]) == (0, 60), said
    made = AnchorBank.load("mine")
    assert made.pairs.caption.tolist() == [f"a dog {i}" for i in range(60)]
    assert np.abs(made.image.numpy() - np.load(tmp_path / "a.npy")).max() < 0.01


def test_a_folder_with_more_than_ten_parts_is_read_by_number(tmp_path):
    for number in range(12):
        np.save(tmp_path / f"img_emb_{number}.npy", np.full((1, 2), number))
    assert read_array(tmp_path)[:, 0].tolist() == list(range(12))


class Code:
    """An object whose reading opens a file for writing."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_tensors_of_files_are_joined_as_they_are_and_no_code_of_a_file_runs(tmp_path):
    x = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    for number, part in enumerate([x, x.clone().requires_grad_(), x.to_sparse()]):
        torch.save(part, tmp_path / f"x_{number}.pt")
    assert torch.equal(read_array(tmp_path), torch.cat([x, x, x]))
    for part, words in [
        (x.float(), "has parts of torch.bfloat16 and torch.float32; save all of them as one"),
        (x[0, 0], "x_1.pt: is not a matrix .* .it holds one number"),
        (Code(tmp_path / "ran"), "x_1.pt: is not a matrix .* .Weights only load failed"),
    ]:
        torch.save(part, tmp_path / "x_1.pt")
        with pytest.raises(DataError, match=words):
            read_array(tmp_path)
    assert not (tmp_path / "ran").exists()


NO_BANK = {  # what is done to the files of clip-retrieval, or other arguments, and words of the sentence
    "at the end of the name; number 0 is missing": lambda f: (f / "img_emb" / "img_emb_0.npy").unlink(),
    "(40, 6); 60 pairs for bank 'mine' need (60, 6)": lambda f: (f / "text_emb" / "text_emb_1.npy").unlink(),
    "of the shapes [(8,), (9,)]; one model": lambda f: np.save(f / "img_emb" / "img_emb_1", np.ones((20, 9))),
    "img_emb: has 3 files with a number at the end of the name; number 1 stands twice":
        lambda f: np.save(f / "img_emb" / "other_1", np.ones((20, 8))),
    "in place of names of encoders": ["--encoders-of", "mine", "--image-encoder", "eye"],
    "efficientnet_lite0 is an encoder of this library": ["--image-encoder", "efficientnet_lite0"],
    "torn.npy: is not a matrix that numpy.save or torch.save wrote": ["--image-embeddings", "torn.npy"],
    "pipe.npy: is a pipe": ["--image-embeddings", "pipe.npy"],
    "a.npy: a captions table is a file with the ending .csv, .jsonl, .parquet": ["--captions", "a.npy"],
}  # fmt: skip


@pytest.mark.parametrize("words", NO_BANK)
def test_files_that_make_no_bank_are_refused_in_one_sentence(arrays, retrieved, bank, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.npy")
    (tmp_path / "torn.npy").write_bytes((tmp_path / "a.npy").read_bytes().replace(b"}", b" ", 1))
    asked, change = arrays, NO_BANK[words]
    if callable(change):
        change(tmp_path)
        asked, change = retrieved, []
    assert bank(*arrays, "--image-encoder", "eye")[0] == 0
    status, _, said = bank(*asked, *change, "--replace")  # of two options, the last counts
    assert status == 1 and words in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["add", "cards", "first"], "has these ids already: red.png"),
        (["remove", "cards", "--where", "group=hue", "--where", "group=tone"], "--where group=tone: names group twice"),
        (["remove", "cards", "--where", "1"], "--where 1: is not COLUMN=VALUE"),
    ],
)
def test_bad_commands_are_refused_in_a_sentence(cards, bank, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("asif_lib.encoders.identity.load_encoder", None)  # before anything is encoded
    status, result, said = bank(*arguments)
    assert (status, result) == (1, None) and said.startswith("asif: ") and words in said and said.count("\n") == 1
    assert AnchorBank.load("cards").version == 1
