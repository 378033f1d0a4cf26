"""The experiments of the chapters change only the things that they say."""

import numpy as np
import pytest
import torch
from PIL import Image

from asif_book.chapters.chapter_00.lessons import draw_rivals, first_task, own_caption_wins, won_and_lost
from asif_book.chapters.chapter_01.lessons import (
    encoder_views,
    nearest_others,
    pooled,
    token_vectors,
    word_pieces,
)
from asif_book.chapters.chapter_02.lessons import covered_by, effect_left, misplaced, mutual_neighbours, twins
from asif_book.chapters.chapter_03.lessons import (
    common_part,
    greatest_hubs,
    largest_changes,
    pair_cosines,
    random_rotation,
)
from asif_lab.benchmark.control_encoders import colour_histogram
from asif_lib.datasets.pairs import Pairs
from asif_lib.relative import unit_rows
from asif_lib.zeroshot import ASIF


def generator():
    return torch.Generator().manual_seed(0)


def test_the_first_task_has_a_label_for_each_caption_and_names_what_those_of_the_stamps_name(stamps):
    captions = ["A cat.", "A cat.", "Hund", "An owl."]
    splits = {"train": [0], "validation": [], "test": [1, 0, 2, 3]}
    pairs = Pairs("class", [None] * 4, captions, list("abcd"), [""] * 4, splits)
    assert first_task(pairs) == ([1, 2, 3], ["cat", "Hund", "owl"])
    rows, labels = first_task(stamps)
    assert len(set(rows)) == len(labels) == 8 and set(rows) <= set(stamps.splits["test"])
    assert all(label.split()[-1] in stamps.captions[row].lower() for row, label in zip(rows, labels, strict=True))


def test_a_row_is_not_among_its_nearest_others():
    z = torch.tensor([[1.0, 0.0], [2.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    values, near = nearest_others(z, [1, 2], 3)
    assert near[0].tolist() == [0, 2, 3] and values[0, 0] == pytest.approx(1)
    assert sorted(near[1].tolist()) == [0, 1, 3]


def test_rivals_have_other_captions():
    captions = ["a", "b", "a", "c", "d"]
    rivals = draw_rivals(captions, 3, np.random.default_rng(0))
    assert rivals.shape == (5, 3)
    assert all(captions[j] != captions[i] for i, row in enumerate(rivals.tolist()) for j in row)
    assert all(len(set(row)) == 3 for row in rivals.tolist())


def test_views_of_a_long_picture_with_and_without_padding(image_encoder, tmp_path):
    file = tmp_path / "long.png"
    Image.new("RGB", (400, 40), "red").save(file)
    stored, read, seen, unpadded = encoder_views(image_encoder, file)
    assert (stored.size, read.size) == ((400, 40), (400, 400))
    assert seen.shape == unpadded.shape == (224, 224, 3)
    assert unpadded == pytest.approx(np.broadcast_to([1, 0, 0], unpadded.shape), abs=0.01)
    assert seen[0, 0] == pytest.approx(1, abs=0.01)  # white above the long thing


def test_colour_histogram_counts_all_pixels_of_a_small_copy():
    counts = colour_histogram(Image.new("RGB", (10, 10), "red"))
    assert counts.shape == (64,) and counts[3 * 16] == counts.sum() == 64 * 64


def test_the_mean_of_the_real_tokens_is_the_encoders_output(text_encoder):
    texts = ["A horse.", "A very small horse on a meadow."]
    tokens, vectors, mask = token_vectors(text_encoder, texts)
    first = [token for token, real in zip(tokens[0], mask[0].tolist(), strict=True) if real]
    assert first[1:-1] == word_pieces(text_encoder, texts[0])
    assert mask[0].sum() < mask[1].sum() == mask.shape[1]
    mean = (vectors * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    assert torch.allclose(unit_rows(mean), text_encoder.encode(texts, progress=False), atol=1e-5)
    *_, gaps = pooled(text_encoder, texts)
    assert gaps["real tokens"].max() < 1e-5 < 0.1 < gaps["all tokens"][0]


def test_twins_are_told_apart_by_file_and_by_caption(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    for path, content in zip(paths, ["same", "same", "other", "fourth"], strict=True):
        path.write_text(content)
    splits = {"train": [0, 1], "test": [2, 3]}
    pairs = Pairs("made", paths, ["x", "x", "x", "y"], list("abcd"), [""] * 4, splits, "unknown")
    similarity = torch.ones(4, 4)
    similarity[0, 3] = similarity[3, 0] = 0.5
    table = twins(pairs, similarity)
    assert [tuple(row) for row in table.itertuples(index=False, name=None)] == [
        ("one file, filed twice", "a", "b", False),
        ("two files with one caption", "a", "c", True),
        ("two files with one caption", "b", "c", True),
        ("two captions", "b", "d", True),
        ("two captions", "c", "d", False),
    ]


def test_only_the_share_of_the_captions_is_misplaced():
    order = misplaced(100, 0.3, generator())
    assert sorted(order.tolist()) == list(range(100))
    assert int((order != torch.arange(100)).sum()) == 30
    assert torch.equal(misplaced(100, 0, generator()), torch.arange(100))


def test_of_two_equal_spaces_all_is_left_without_a_move_and_a_quarter_with_half():
    x = unit_rows(torch.randn(200, 3, generator=generator()))
    similarity = x @ x.T
    assert mutual_neighbours(similarity, similarity, 5).mean() == 1
    assert effect_left(similarity, similarity, 0, 5, generator()) == pytest.approx([1, 1])
    assert effect_left(similarity, similarity, 0.5, 5, generator())[0] == pytest.approx(0.25, abs=0.05)


def test_coverage_is_the_cosine_of_the_best_anchor_taken():
    cosines = torch.tensor([[0.1, 0.9, 0.5], [0.3, 0.2, 0.8]])
    found = covered_by(cosines, torch.tensor([0, 2, 1]), [1, 3])
    assert found[:, 0] == pytest.approx([0.2, 0.85])
    assert found[1, 1] == pytest.approx(0.805)


def test_an_own_caption_wins_above_all_its_rivals_and_a_failure_names_the_one_that_won(stamps_bank):
    asked, model = stamps_bank.subset(range(700, 706)), ASIF(stamps_bank.subset(range(700)))
    rivals = draw_rivals(asked.pairs.caption, 9, np.random.default_rng(0))
    scores, wins = model.similarity(asked.image, asked.text), own_caption_wins(model, asked, rivals)
    assert rivals.shape == (6, 5) and wins.tolist() == (scores.diag() == scores.max(dim=1).values).tolist()
    row = wins.tolist().index(False)
    won, lost = won_and_lost(model, asked, rivals, row)
    assert asked.pairs.caption[int(scores[row].argmax())] in won[1] and asked.pairs.caption[row] in lost[1]


def test_vectors_around_a_common_direction_have_a_common_part_and_less_it_none():
    z = torch.tensor([[3.0, 4.0], [30.0, -40.0]])  # of length 1: (0.6, 0.8) and (0.6, -0.8)
    assert common_part(z) == pytest.approx(0.36)
    assert pair_cosines(z) == pytest.approx([0.36 - 0.64])
    assert pair_cosines(z, z.mean(dim=0)) == pytest.approx([-1])
    assert pair_cosines(torch.eye(4)).shape == (6,)


def test_the_greatest_hub_is_the_vector_in_the_middle():
    z = torch.eye(30) + 0.1 * torch.randn(30, 30, generator=generator()).abs()
    z[7] = 1.0  # near each other vector
    rows, times = greatest_hubs(z)
    assert int(rows[0]) == 7 and int(times[0]) == 29 and int(times.sum()) == 30 * 10


def test_neither_rotation_nor_scale_changes_a_representation_but_a_stretch_does():
    z, anchors = torch.randn(9, 6, generator=generator()), torch.randn(20, 6, generator=generator())
    rotations = [random_rotation(6, generator()) for _ in range(3)]
    torch.testing.assert_close(rotations[0] @ rotations[0].T, torch.eye(6))
    rotation, scale, centred, stretch = largest_changes(z, anchors, rotations, generator()).values()
    assert max(rotation, scale) < 1e-5 < 0.1 < min(centred, stretch)  # the mean of scaled vectors is another
