"""Approximate search: true values, indexes that belong to their bank, and a knob tuned by the decisions."""

import shutil
import signal
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from asif_lib import AnchorBank, EncoderIdentity
from asif_lib.bank import indexes as bank_indexes
from asif_lib.bank.indexes import build_index, open_index
from asif_lib.errors import BankError, ParameterError
from asif_lib.evaluation.tuning import Tuned, ValidationSet, choose_effort, compare_decisions, measure_efforts
from asif_lib.files import parse_json, sealed, sha256_of, unsealed
from asif_lib.search.exact import top_anchors

D_IMAGE, D_TEXT, CLASSES, N = 24, 16, 20, 900
IMAGE = EncoderIdentity("image", "eye", "package eye", "a" * 64, "none", D_IMAGE)
TEXT = EncoderIdentity("text", "ear", "package ear", "b" * 64, "none", D_TEXT)
SMALL = {"ivf": {"lists": 20}, "pq": {}, "hnsw": {"links": 8}}
KINDS = list(SMALL)


def draw(rows, seed, spread=0.9):
    """Embeddings of things of `CLASSES` classes as two encoders see them, and their classes."""
    shared = np.random.default_rng(0)
    centres = shared.standard_normal((CLASSES, 10))
    eye, ear = shared.standard_normal((10, D_IMAGE)), shared.standard_normal((10, D_TEXT))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, rows)
    latent = centres[labels] + spread * rng.standard_normal((rows, 10))
    image, text = (torch.from_numpy(latent @ see + 1).float() for see in (eye, ear))
    return image, text, labels, torch.from_numpy(centres @ ear + 1).float()


def made(n=N, seed=1, encoder=IMAGE):
    image, text, _, _ = draw(n, seed)
    table = {"id": [f"{seed}-{i}" for i in range(n)], "caption": [f"caption {i}" for i in range(n)]}
    pairs = pd.DataFrame(table | {"picture": "", "group": "made"})
    return AnchorBank("made", image.half(), text.half(), pairs, encoder, TEXT)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """In three parts, with removed rows; nobody edits it."""
    folder = made(500).save(tmp_path_factory.mktemp("banks") / "made")
    bank = AnchorBank.load(folder).add(made(300, seed=2)).add(made(130, seed=3))
    return bank.remove(rows=list(range(480, 510)))


@pytest.fixture(scope="module")
def indexes(bank):
    return {kind: build_index(bank, "image", kind, progress=False, **SMALL[kind]) for kind in KINDS}


@pytest.fixture
def edited(tmp_path):
    """A small bank that a test may edit."""
    return AnchorBank.load(made(60).save(tmp_path / "small"))


@pytest.fixture
def queries():
    return draw(40, seed=9)[0]


def exact(bank, queries, k, modality="image", centred=True):
    return top_anchors(queries, bank.rows(modality), k, mean=bank.mean(modality) if centred else None)


def assert_same(found, expected):
    assert all(torch.equal(*both) for both in zip(found, expected, strict=True))


# -- search ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality, centred", [("image", True), ("text", False)])
@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_at_full_effort_it_is_exact_search(bank, kind, modality, centred):
    index = build_index(bank, modality, kind, centred=centred, progress=False, **SMALL[kind])
    queries = draw(40, seed=9)[modality == "text"]
    assert index.search(queries[:0], 5, 1)[1].shape == (0, 5)
    for k in (1, 30, N):
        effort = index.efforts(k)[-1] if kind == "ivf" else index.method.limits(N, k)[1]
        values, indices = index.search(queries, k, effort)
        true_values, true_indices = exact(bank, queries, k, modality, centred)
        assert torch.equal(values, true_values)
        assert torch.equal(indices, true_indices)
        assert (values.dtype, indices.dtype) == (torch.float32, torch.int64)


@pytest.mark.filterwarnings("ignore:for .* queries the index found fewer")
@pytest.mark.parametrize("kind", KINDS)
def test_more_effort_finds_more_and_every_value_is_true(bank, indexes, queries, kind):
    index, k = indexes[kind], 20
    cosines = torch.full((len(queries), N), torch.nan)
    values, indices = exact(bank, queries, N)
    cosines.scatter_(1, indices, values)
    recalls = []
    for effort in index.efforts(k):
        found, where = index.search(queries, k, effort)
        for row, there in enumerate(index.search_and_count(queries, k, effort)[2]):
            assert torch.equal(found[row, :there], cosines[row][where[row, :there]])
            assert len(set(where[row].tolist())) == k
        recalls.append(float((found >= values[:, k - 1 : k]).float().mean()))
    assert recalls[-1] > 0.99
    assert recalls[0] < recalls[-1]
    assert recalls == sorted(recalls)


def test_what_is_missing_is_said_and_adds_nothing(indexes, queries):
    index = indexes["ivf"]
    with pytest.warns(UserWarning, match=r"for 40 of 40 queries .* fewer than k = 400 anchors at nprobe = 1; .*larger"):
        values, indices = index.search(queries, 400, 1)
    found = index.search_and_count(queries, 400, 1)[2]
    assert (found < 400).all()
    for row in range(len(queries)):
        assert (values[row, found[row] :] == 0).all()
        assert len(set(indices[row].tolist())) == 400
    assert (indices >= 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index.search(queries, 400, 20)


@pytest.mark.parametrize("kind", KINDS)
def test_zero_vectors_have_cosine_zero_with_everything(tmp_path, kind):
    bank = made(100)
    bank.image[[3, 50]] = 0
    bank = AnchorBank.load(bank.save(tmp_path / "zeros"))
    index = build_index(bank, "image", kind, centred=False, progress=False)
    values, indices = index.search(torch.zeros(2, D_IMAGE), 5, index.efforts(5)[-1])
    assert (values == 0).all()
    assert all(len(set(row)) == 5 for row in indices.tolist())
    values, _ = index.search(draw(10, seed=9)[0], 100, 100 if kind == "hnsw" else index.efforts(100)[-1])
    assert ((values == 0).sum(dim=1) == 2).all()
    assert torch.isfinite(values).all()


def test_blocks_of_queries_and_of_anchors_do_not_matter(bank, queries, monkeypatch):
    before = build_index(bank, "image", "pq", progress=False)
    answer = before.search(queries, 20, 2)
    monkeypatch.setattr("asif_lib.search.approximate.CANDIDATES", 120)
    monkeypatch.setattr("asif_lib.search.approximate.BLOCK", 37)
    again = build_index(bank, "image", "pq", progress=False)
    for a, b in zip(answer, again.search(queries, 20, 2), strict=True):
        assert torch.equal(a, b)
    small = build_index(bank, "image", "ivf", progress=False, lists=20)
    assert torch.equal(small.search(queries, 20, 20)[0], exact(bank, queries, 20)[0])


@pytest.mark.parametrize(
    "kind, k, effort, words",
    [
        ("ivf", N + 1, 1, f"k = {N + 1}: .* from 1 to the {N} anchors"),
        ("ivf", 0, 1, "k = 0"),
        ("ivf", 5, 0, "nprobe = 0: for k = 5 it is a whole number from 1 to 20"),
        ("ivf", 5, 21, "nprobe = 21"),
        ("ivf", 5, 1.5, "nprobe = 1.5"),
        ("ivf", 5, True, "nprobe = True"),
        ("hnsw", 20, 19, "efSearch = 19: for k = 20 .* from 20 to 900"),
    ],
)
def test_numbers_out_of_range_are_refused(indexes, queries, kind, k, effort, words):
    with pytest.raises(ParameterError, match=words):
        indexes[kind].search(queries, k, effort)


def test_queries_of_another_space_or_with_nan_are_refused(indexes, queries):
    with pytest.raises(ParameterError, match="not of one space"):
        indexes["pq"].search(queries[:, 1:], 5, 1)
    queries[7, 0] = torch.nan
    with pytest.raises(ParameterError, match="row 7 of the embeddings holds NaN"):
        indexes["pq"].search(queries, 5, 1)


# -- kept with the bank ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:for .* queries the index found fewer")
@pytest.mark.parametrize("kind", KINDS)
def test_opened_again_it_gives_the_same(bank, indexes, queries, kind):
    again = open_index(AnchorBank.load(bank.index_folder.parent), "image", kind)
    for effort in again.efforts(20):
        assert_same(indexes[kind].search(queries, 20, effort), again.search(queries, 20, effort))
    assert again.about["kind"] == kind
    assert again.nbytes == again.file.stat().st_size > 0


def test_a_bank_that_was_moved_keeps_its_index(edited, queries):
    build_index(edited, "image", "ivf", progress=False)
    folder = edited.index_folder.parent
    moved = AnchorBank.load(folder.rename(folder.with_name("moved")))
    values, _ = open_index(moved, "image", "ivf").search(queries, 5, 1)
    assert torch.equal(values, exact(moved, queries, 5)[0])


def test_building_again_replaces_it_and_an_open_index_stays_as_it_was(edited, queries):
    first = build_index(edited, "image", "ivf", progress=False, lists=4)
    before = first.search(queries, 5, 4)
    second = build_index(edited, "image", "ivf", progress=False, lists=6)
    assert second.method.limits(60, 5) == (1, 6)
    assert_same(first.search(queries, 5, 4), before)
    assert sorted(f.name for f in edited.index_folder.iterdir()) == files_of_index("ivf")


def files_of_index(kind):
    return [f"{kind}-image-centred{ending}" for ending in (".faiss", ".faiss.lock", ".json")]


def test_after_an_edit_the_index_is_refused_and_after_undo_it_is_back(edited):
    build_index(edited, "image", "ivf", progress=False)
    later = edited.remove(rows=[4])
    with pytest.raises(BankError, match=r"the index is of another version of the bank; build it: build_index\("):
        open_index(later, "image", "ivf")
    assert open_index(later.undo(), "image", "ivf").about["n"] == 60
    open_index(edited, "image", "ivf")
    old = edited.index_folder
    AnchorBank.load(old.parent).remove(rows=[1]).compact()
    assert not old.exists()  # a stale index is deleted with its version


def test_an_index_that_is_not_there_is_asked_for(edited):
    with pytest.raises(
        BankError, match=r"the index is not there; build it: build_index\(bank, 'text', 'pq', centred=False\)"
    ):
        open_index(edited, "text", "pq", centred=False)


@pytest.mark.parametrize(
    "other, words",
    [
        (made(60, seed=5), "its state is"),
        (made(61), "its n is 61, not 60"),
        (made(60, encoder=EncoderIdentity("image", "owl", "package owl", "c" * 64, "none", D_IMAGE)), "its encoder is"),
    ],
)
def test_the_index_of_another_bank_is_refused(edited, tmp_path, other, words):
    other = AnchorBank.load(other.save(tmp_path / "other"))
    folder = build_index(other, "image", "pq", progress=False).file.parent
    shutil.copytree(folder, edited.index_folder)
    with pytest.raises(BankError, match=f"the index cannot be used .{words}.*; build it: build_index"):
        open_index(edited, "image", "pq")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", [".faiss", ".json"])
def test_a_file_that_is_cut_off_or_lost_is_one_sentence(edited, kind, ending, monkeypatch):
    monkeypatch.setattr("asif_lib.bank.copies.SMALL", 0)  # as a large index, whose checksum `verify` compares
    file = build_index(edited, "image", kind, progress=False).file.with_suffix(ending)
    content = file.read_bytes()
    for length in (0, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(BankError, match="the index cannot be used .*; build it: build_index"):
            open_index(edited, "image", kind)
    file.unlink()
    with pytest.raises(BankError, match="the index is not there; build it: build_index"):
        open_index(edited, "image", kind)


def test_vectors_of_another_index_are_refused_though_the_description_fits(edited, tmp_path):
    """As when the files of two indexes are mixed up."""
    file = build_index(edited, "image", "pq", progress=False).file
    other = AnchorBank.load(made(70).save(tmp_path / "other"))
    shutil.copy(build_index(other, "image", "pq", progress=False).file, file)
    about = parse_json(unsealed(file.with_suffix(".json").read_bytes()), dict)
    file.with_suffix(".json").write_bytes(sealed(about | {"size": file.stat().st_size, "checksum": sha256_of(file)}))
    with pytest.raises(BankError, match="it holds 70 vectors in 24 dimensions"):
        open_index(edited, "image", "pq")


def test_a_bank_in_memory_has_no_place_for_an_index():
    with pytest.raises(BankError, match="in memory only"):
        build_index(made(60), "image", "ivf", progress=False)


@pytest.mark.parametrize(
    "kind, parameters, words",
    [
        ("tree", {}, "kind = 'tree': an index is of kind 'ivf', 'pq', 'hnsw'"),
        ("ivf", {"links": 4}, "an index of kind 'ivf' has no parameter 'links'; it has: lists"),
        ("ivf", {"lists": 61}, "lists = 61: must be a whole number from 1 to 60"),
        ("pq", {"width": 7}, "width = 7 does not divide the 24 dimensions"),
        ("hnsw", {"links": 1}, "links = 1"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(edited, kind, parameters, words):
    with pytest.raises(ParameterError, match=words):
        build_index(edited, "image", kind, progress=False, **parameters)
    with pytest.raises(ParameterError, match="modality = 'sound'"):
        build_index(edited, "sound", "ivf", progress=False)


def test_too_few_anchors_for_product_quantisation_are_refused(tmp_path):
    bank = AnchorBank.load(made(15).save(tmp_path / "tiny"))
    with pytest.raises(ParameterError, match="learns 16 codes and needs as many anchors; there are 15"):
        build_index(bank, "image", "pq", progress=False)
    for kind in ("ivf", "hnsw"):
        index = build_index(bank, "image", kind, progress=False)
        assert torch.equal(index.search(bank.image, 1, 1)[0], exact(bank, bank.image, 1)[0])


# -- a build that does not end ---------------------------------------------------------------------------


@pytest.mark.parametrize("error, raised", [(KeyboardInterrupt, KeyboardInterrupt), (OSError("no space"), BankError)])
def test_an_interrupted_build_leaves_nothing_and_the_old_index_as_it_was(edited, monkeypatch, error, raised):
    build_index(edited, "image", "ivf", progress=False)
    before = sorted(edited.index_folder.rglob("*"))

    def interrupted(index, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(bank_indexes.faiss, "write_index", interrupted)
        with pytest.raises(raised):
            build_index(edited, "image", "ivf", progress=False, lists=3)
    assert sorted(edited.index_folder.rglob("*")) == before
    assert open_index(edited, "image", "ivf").method.lists == 1


KILLED = """
import sys
from asif_lib import AnchorBank
from asif_lib.bank import indexes

def stop(index, path):
    open(path, "wb").write(b"half")
    print("now", flush=True)
    sys.stdin.read()

indexes.faiss.write_index = stop
indexes.build_index(AnchorBank.load(sys.argv[1]), "image", "ivf", progress=False)
"""


def test_the_next_build_replaces_what_a_killed_build_left(edited):
    folder = edited.index_folder
    command = [sys.executable, "-c", KILLED, str(folder.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
    assert len(list(folder.glob("*.part"))) == 1
    with pytest.raises(BankError, match="the index is not there"):
        open_index(edited, "image", "ivf")
    build_index(edited, "image", "ivf", progress=False)
    assert sorted(f.name for f in folder.iterdir()) == files_of_index("ivf")


# -- tuned by the decisions ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validation():
    pictures, _, labels, prompts = draw(400, seed=7, spread=0.9)
    return ValidationSet(pictures, prompts, labels)


def decisions(bank, validation, k, p, values, indices):
    """By dense matrices, in double precision."""
    dense = []
    for v, i in ((values, indices), exact(bank, validation.prompts, k, "text")):
        rows = torch.zeros(len(v), len(bank), dtype=torch.float64).scatter_(1, i, v.double().clamp_min(0) ** p)
        dense.append(rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-300))
    return (dense[0] @ dense[1].T).argmax(dim=1).numpy()


@pytest.mark.filterwarnings("ignore:for .* queries the index found fewer")
def test_the_table_is_what_its_words_say(bank, indexes, validation):
    index, k, p = indexes["ivf"], 60, 2
    table = measure_efforts(index, validation, k, p, rounds=2, progress=False)
    assert table["effort"].tolist() == [1, 2, 4, 8, 16, 20]
    true = exact(bank, validation.pictures, k)
    decided = decisions(bank, validation, k, p, *true)
    right = decided == validation.labels
    assert table.attrs["exact_accuracy"] == right.mean()
    assert 0.3 < right.mean() < 0.99
    assert (table.attrs["knob"], table.attrs["n"]) == ("nprobe", 400)
    for row in table.itertuples():
        values, indices = index.search(validation.pictures, k, row.effort)
        here = decisions(bank, validation, k, p, values, indices)
        assert row.agreement == (here == decided).mean()
        assert row.accuracy == (here == validation.labels).mean()
        assert row.difference == pytest.approx(row.accuracy - right.mean())
        assert row.low < row.difference < row.high
        assert row.recall == pytest.approx(float((values >= true[0][:, -1:]).float().mean()))
        assert row.short == (index.search_and_count(validation.pictures, k, row.effort)[2] < k).mean()
        assert row.speedup == pytest.approx(table.attrs["exact_seconds"] / row.seconds)
    assert table["agreement"].iloc[0] < 1
    assert table[["recall", "agreement"]].iloc[-1].tolist() == [1, 1]


def test_zeros_in_the_place_of_what_is_missing_are_not_found(bank, indexes, validation):
    """With k so large that the k-th cosine is negative, a zero is larger than what it stands for."""
    k, data = 800, ValidationSet(validation.pictures[:60], validation.prompts, validation.labels[:60])
    true, _ = exact(bank, data.pictures, k)
    assert (true[:, -1] < 0).all()
    table = measure_efforts(indexes["ivf"], data, k, 2, efforts=[1], progress=False)
    with pytest.warns(UserWarning, match="fewer than k"):
        values, _ = indexes["ivf"].search(data.pictures, k, 1)
    found = (values != 0).sum(dim=1)
    right = [int((row[:there] >= last).sum()) for row, there, last in zip(values, found, true[:, -1], strict=True)]
    assert table["short"].item() == 1
    assert table["recall"].item() == pytest.approx(sum(right) / (k * 60))
    assert table["recall"].item() < 0.5


@pytest.mark.parametrize("efforts", [[], [2, 2], [1, 4, 1]])
def test_efforts_that_are_none_or_there_twice_are_refused(indexes, validation, efforts):
    with pytest.raises(ParameterError, match="efforts = .*: give one or more settings of nprobe, each once"):
        measure_efforts(indexes["ivf"], validation, 60, 2, efforts=efforts, progress=False)


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True, float("nan")])
def test_rounds_that_are_none_are_refused(indexes, validation, rounds):
    with pytest.raises(ParameterError, match=f"rounds = {rounds}: .* 1 or more"):
        measure_efforts(indexes["ivf"], validation, 60, 2, efforts=[1], rounds=rounds, progress=False)


def test_an_index_of_the_texts_searches_the_prompts(bank, validation):
    index = build_index(bank, "text", "pq", progress=False)
    table = measure_efforts(index, validation, 30, 2, efforts=[30, 1], progress=False)
    assert table["effort"].tolist() == [1, 30]
    assert table["recall"].iloc[0] < 1
    assert table[["recall", "agreement", "difference"]].iloc[1].tolist() == [1, 1, 0]


def made_table(*rows, n=1000):
    table = pd.DataFrame(rows, columns=["effort", "low", "high", "speedup"])
    table["short"] = [0.25 if effort == 2 else 0 for effort in table["effort"]]
    table["difference"], table["recall"] = (table["low"] + table["high"]) / 2, 0.9
    table.attrs = {"knob": "nprobe", "n": n}
    return table


def test_the_smallest_effort_within_the_margin_is_chosen():
    table = made_table((1, -0.05, -0.02, 9), (2, -0.012, 0.01, 4), (4, -0.009, 0.01, 3), (8, -0.004, 0.004, 0.5))
    assert choose_effort(table, 1).effort == 4
    assert choose_effort(table, 1.3).effort == 2
    assert "fewer than k found for 25.0% of the queries" in str(choose_effort(table, 1.3))
    assert "fewer" not in str(choose_effort(table, 1))
    assert choose_effort(table, 0.5).effort == 8
    assert "nprobe = 4: accuracy +0.05 points [-0.90, +1.00], recall 90.0%, 3.00 times as fast" in str(
        choose_effort(table, 1)
    )
    assert "0.50 times as fast as exact search, so it does not pay: search exactly" in str(choose_effort(table, 0.5))


def test_where_none_is_within_the_margin_it_says_so():
    found = choose_effort(made_table((1, -0.05, -0.02, 9), (2, -0.012, 0.01, 4)), 1)
    assert found.effort is None
    assert str(found) == (
        "no nprobe keeps the accuracy lost within 1 points: at best, at 2, it may be 1.20; search exactly"
    )


def test_too_few_pictures_cannot_show_anything(bank, indexes, validation):
    few = ValidationSet(validation.pictures[:50], validation.prompts, validation.labels[:50])
    table = measure_efforts(indexes["ivf"], few, 60, 2, efforts=[20], progress=False)
    found = choose_effort(table, margin=1)
    assert isinstance(found, Tuned)
    assert found.effort is None
    assert "50 pictures cannot show that less than 1 points of accuracy are lost" in str(found)
    assert "the interval reaches 7.11" in str(found)
    assert choose_effort(table, margin=8).effort == 20


def test_the_interval_is_the_bootstraps_but_never_that_of_certainty():
    rng = np.random.default_rng(0)
    a, b = rng.random(300) < 0.6, rng.random(300) < 0.7
    wide = compare_decisions(a, b)
    assert wide.low < wide.value - 0.05 < wide.value + 0.05 < wide.high
    same = compare_decisions(a, a)
    assert (same.value, same.low, same.high) == (0, pytest.approx(-0.0122, abs=1e-4), pytest.approx(0.0122, abs=1e-4))
    one = a.copy()
    one[np.flatnonzero(a)[0]] = False
    assert compare_decisions(one, a).low < same.low  # one decision lost is no better evidence than none


@pytest.mark.parametrize("margin", [0, -1, 100, float("nan")])
def test_a_margin_out_of_range_is_refused(margin):
    with pytest.raises(ParameterError, match="margin = "):
        choose_effort(pd.DataFrame(), margin)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x, t, y: (x[:0], t, y[:0]), "0 pictures and int64 labels"),
        (lambda x, t, y: (x, t, y[1:]), r"400 pictures and int64 labels of shape \(399,\): give the position"),
        (lambda x, t, y: (x, t, np.where(y > 3, y, np.nan)), "float64 labels"),
        (lambda x, t, y: (x, t[:0], y), "do not count 0 classes"),
        (lambda x, t, y: (x, t, y + 1), "labels from 1 to 20 do not count 20 classes from 0"),
    ],
)
def test_a_validation_set_that_does_not_fit_is_refused(validation, change, words):
    with pytest.raises(ParameterError, match=words):
        ValidationSet(*change(validation.pictures, validation.prompts, validation.labels))
