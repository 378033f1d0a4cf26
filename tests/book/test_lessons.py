"""Questions and lessons of the chapters: stamps with a class, captioned clothing, and what a lesson brings."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from asif_book.chapters.chapter_07.lessons import files_hold, learning_sweep, mean_contributions, to_teach
from asif_book.chapters.chapter_11.lessons import measured_before, your_folder
from asif_book.chapters.classes import captioned, class_names, classes_of, with_classes
from asif_lab.few_pictures import ALONE, BANK, PROBE, by_repeated_splits
from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.labelled import Labelled, load_labelled
from asif_lib.datasets.pairs import Pairs
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.explain.contribution import contrast
from asif_lib.settings import Settings
from asif_lib.sparse import represent
from asif_lib.zeroshot import ASIF

WHITE_ON_BLACK = Image.new("L", (28, 28), 0)


def test_pairs_without_a_class_are_asked_for_the_captions_of_those_that_are_no_anchors():
    captions = ["A cow.", "The dog.", "Ein Hund", "A cow."]
    own = Pairs("own", captions, captions, captions, [""] * 4, {"train": [0], "validation": [1, 3], "test": [2]})
    assert class_names(own) == ["cow", "dog", "Ein Hund", "cow"]
    assert classes_of(own) == ["Ein Hund", "cow", "dog"]
    kept, labels = with_classes(own, [0, 1], ["dog"])
    assert kept == [1] and labels.tolist() == [0]


def test_captioned_pictures_say_their_class_and_are_turned_black_on_white():
    data = Labelled("clothes", [WHITE_ON_BLACK, WHITE_ON_BLACK], np.array([1, 0]), ["bag", "shirt"], {}, "MIT")
    pairs = captioned(data)
    assert pairs.captions == ["a photo of a shirt.", "a photo of a bag."]
    assert pairs.groups == ["clothes/shirt", "clothes/bag"]
    assert pairs.ids == ["clothes/0000", "clothes/0001"] and pairs.licence == "MIT"
    assert pairs.pictures[0].getpixel((0, 0)) == 255


@pytest.mark.parametrize("same_captions", [False, True])
def test_the_sweep_of_a_lesson_chooses_by_validation_and_answers_as_the_model_does(same_captions):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 8, generator=generator)
    labels = np.arange(60) % 3

    def bank_of(seed):
        noise = torch.Generator().manual_seed(seed)
        image, text = (centres[labels] + 0.8 * torch.randn(60, 8, generator=noise) for _ in range(2))
        text = centres[labels] if same_captions else text
        ids = [f"{seed}/{i}" for i in range(60)]
        table = pd.DataFrame({"id": ids, "caption": "c", "picture": "", "group": ""})
        return AnchorBank("b", image, text, table, *(
            EncoderIdentity(kind, "made up", "seed", "0" * 64, "none", 8) for kind in ("image", "text")
        ))  # fmt: skip

    banks = [bank_of(1), bank_of(2)]
    questions = [(centres[labels] + 0.8 * torch.randn(60, 8, generator=generator), labels) for _ in range(2)]
    (fraction, p), right, kept = learning_sweep(banks, centres, *questions, [0.1, 0.5], [1, 2])
    means = {}
    for share, power in itertools.product([0.1, 0.5], [1, 2]):
        models = [ASIF(bank, round(60 * share), power) for bank in banks]
        answers = [model.similarity(questions[0][0], centres).argmax(dim=1).numpy() for model in models]
        means[share, power] = np.mean(np.stack(answers) == labels)
    assert means[fraction, p] == max(means.values())
    assert right.shape == kept.shape == (2, 60)
    for bank, chosen, default in zip(banks, right, kept, strict=True):
        for found, model in ((chosen, ASIF(bank, round(60 * fraction), p)), (default, ASIF(bank))):
            answers = model.similarity(questions[1][0], centres).argmax(dim=1).numpy()
            assert np.array_equal(found, answers == labels)


def test_a_caption_or_an_embedding_is_found_in_the_files_of_a_bank(tmp_path):
    row = torch.arange(4, dtype=torch.float32)
    (tmp_path / "deep").mkdir()
    pd.DataFrame({"caption": ["from Ben's wardrobe."] * 9, "id": range(9)}).to_parquet(tmp_path / "pairs.parquet")
    assert files_hold(tmp_path, "Ben's wardrobe") and not files_hold(tmp_path, "Ada's wardrobe")
    assert not files_hold(tmp_path, row)
    (tmp_path / "deep" / "image.bin").write_bytes(b"head" + row.numpy().tobytes())
    assert files_hold(tmp_path, row)


def test_contributions_for_one_label_and_against_another_are_the_mean_over_pictures():
    draw, anchors = torch.Generator().manual_seed(0), torch.randn(60, 5, generator=torch.Generator().manual_seed(1))
    images, prompts = (represent(torch.randn(q, 5, generator=draw), anchors, Settings(12, 2)) for q in (5, 3))
    labels, others, pairs = [0, 1, 2, 0, 1], [1, 0, 0, 2, 2], pd.DataFrame({"caption": [str(i) for i in range(60)]})
    table = mean_contributions(images, prompts, labels, others, pairs)
    expected = pd.Series(0.0, range(60))
    for i, two in enumerate(zip(labels, others, strict=True)):
        one = contrast(images[[i]], *(prompts[[label]] for label in two)).set_index("anchor").difference
        expected = expected.add(one / 5, fill_value=0)
    found = table.set_index("anchor").contribution
    assert found.is_monotonic_decreasing and table.caption.tolist() == [str(i) for i in table.anchor]
    assert found.to_dict() == pytest.approx(expected[found.index].to_dict()) and not expected.drop(found.index).any()
    scores = images.similarity(prompts)
    assert found.sum() == pytest.approx((scores[range(5), labels] - scores[range(5), others]).mean().item(), abs=1e-6)


def test_your_own_folder_is_taken_and_an_example_is_forty_pictures_of_four_classes(tmp_path):
    (tmp_path / "own").mkdir()
    assert your_folder(tmp_path / "own", "clothing", tmp_path) == tmp_path / "own"
    example = load_labelled(your_folder(tmp_path / "none", "clothing", tmp_path))
    assert len(example) == 40 and example.classes == ["ankle boot", "bag", "dress", "sandal"]
    assert Image.open(example.pictures[0]).convert("L").getpixel((0, 0)) == 255  # black on white


def test_ways_to_learn_from_a_few_pictures_are_asked_the_pictures_that_they_were_not_given():
    generator, labels = torch.Generator().manual_seed(0), np.arange(24) % 3
    centres, prompts = (torch.randn(3, 8, generator=generator) for _ in range(2))
    z = centres[labels] + 0.1 * torch.randn(24, 8, generator=generator)
    encoders = {"image_encoder": "i", "text_encoder": "t"}
    own = AnchorBank.from_embeddings(z, prompts[labels], ["c"] * 24, ids=[f"own/{i}" for i in range(24)], **encoders)
    others = (torch.randn(30, 8, generator=generator) for _ in range(2))
    stamps = AnchorBank.from_embeddings(*others, ["s"] * 30, name="stamps", **encoders)
    found, gaps = by_repeated_splits(stamps, own, labels, prompts, (0, 1, 4), {"whiten": 0.8}, draws=3)
    sizes = {way: [0, 1, 4] if way == BANK else [1, 4] for way in gaps}
    assert {way: [*curve] for way, curve in found.items()} == sizes
    assert found[ALONE][4][0].value == 1  # of four equal captions, none is cut off
    assert found[PROBE][4][0].value == 1 and len(found[PROBE][4][1]) == 3  # the classes lie apart
    assert found[BANK][0][0].value < 0.9 < found[BANK][4][0].value  # the stamps alone know nothing of them
    assert gaps[PROBE][4].value == pytest.approx(found[PROBE][4][0].value - found[BANK][4][0].value)


def test_the_measured_curves_of_chapter_11_have_every_way_and_size():
    for name in ("photographs", "clothing"):
        found = measured_before(name)
        assert list(found[BANK]) == [0, 1, 2, 4, 10, 20] and len(found) == 5
        assert all(len(draws) == 8 for size, (_, draws) in found[BANK].items() if size)


def test_a_lesson_teaches_the_kangaroo_and_of_other_pictures_their_own_caption(stamps):
    caption, template, labels = to_teach(stamps, stamps.captions.index("A red kangaroo."))
    assert (caption, template, labels[0], len(labels)) == ("A kangaroo.", "a photo of a {}.", "kangaroo", 6)
    row = stamps.splits["test"][0]
    caption, template, labels = to_teach(stamps, row)
    assert caption == labels[0] == stamps.captions[row] and template == "{}" and len(set(labels)) == 6
