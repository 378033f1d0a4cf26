"""Captions that a rule makes wrong, and what visitors learn of a bank, where the answers are known (05 and 07)."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from asif_book.chapters.chapter_05.lessons import side_by_side, wrong_wins
from asif_book.chapters.chapter_07.lessons import remembered
from asif_lab.wrong_captions import CHANGES, wrong_captions
from asif_lib.bank.anchors import AnchorBank
from asif_lib.errors import DataError

WRONG = {
    "colour": {"A Red hat.": "A Green hat.", "A redbreast.": None, "A red and black hat.": None, "silver": "black"},
    "number": {"Two boars.": "Three boars.", "Someone.": None},
    "negation": {"An old hat.": "No old hat.", "Hat.": None, "A hat. It is old.": None},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_rule_makes_a_caption_wrong_or_leaves_it_out(what):
    right, changed = list(WRONG[what]), WRONG[what].values()
    assert wrong_captions(right, what) == {i: caption for i, caption in enumerate(changed) if caption}
    rule, example = CHANGES[what]
    assert rule(example) != example
    with pytest.raises(DataError, match=f"^none of 2 captions has a {what} to change, as “{example}” has; leave"):
        wrong_captions(["Hm.", ""], what)


def test_two_pictures_stand_side_by_side_and_the_caption_says_which_is_on_the_left():
    colours = "red", "blue", "green", "black"
    pictures = [Image.new("RGB", (60, 30), colour) for colour in colours]
    captions = ["A red door.", "An old door. It is blue.", "a green door", "A black door!"]
    canvases, right, wrong = side_by_side(pictures, captions)
    first, last = "a red door to the left of a green door.", "a black door to the left of a red door."
    assert (right[0], right[2]) == (first, last)
    assert wrong == [" to the left of ".join(caption[:-1].split(" to the left of ")[::-1]) + "." for caption in right]
    places = [[canvas.getpixel((x, 224)) for x in (112, 336)] for canvas in canvases]
    red, green, black = (255, 0, 0), (0, 128, 0), (0, 0, 0)
    assert places == [[red, green], [green, black], [black, red]]
    words = "^of 2 captions 1 name one thing, as “A red hat.” does; to swap roles, two are"
    with pytest.raises(DataError, match=words):
        side_by_side(pictures, captions[:2])


def bank_of(image, text):
    names = [f"pair {i}" for i in range(len(image))]
    return AnchorBank.from_embeddings(image, text, names, ids=names)


def parts(old, asked):
    """One bank, cut in two: pairs that stay, and pairs that are asked. Captions say nothing of pictures."""
    image, n = torch.cat([old, asked]), len(old)
    bank = bank_of(image, torch.randn(len(image), 6, generator=torch.Generator().manual_seed(1)))
    return bank.subset(range(n)), bank.subset(range(n, len(bank)))


def test_a_wrong_caption_wins_if_it_is_the_embedding_of_another_direction():
    """Pictures and captions are the same vectors, so that the own caption wins, ties lose, and a copy of it ties."""
    z = torch.randn(60, 12, generator=torch.Generator().manual_seed(5))
    bank, rows = bank_of(z, z), [3, 17, 40, 59]
    assert not wrong_wins(bank, rows, -z[rows]).any()
    assert wrong_wins(bank, rows, z[rows]).all()
    swapped = bank_of(z, -z)  # there the opposite caption is the right one
    assert wrong_wins(swapped, rows, z[rows]).sum() == 0 and wrong_wins(swapped, rows, -z[rows]).all()


def test_visitors_tell_anchors_while_they_are_there_and_nothing_is_left_after_the_removal():
    generator = torch.Generator().manual_seed(7)
    old, asked = (torch.randn(n, 16, generator=generator) for n in (80, 30))
    noisy = asked + 0.7 * torch.randn(30, 16, generator=generator)
    copies = {"itself": asked, "damaged": noisy}
    table = remembered(*parts(old, asked), copies, 2)
    auc = table.set_index(["bank", "sees", "copy"]).auc
    assert auc["joined", "nearest anchor", "itself"].value == 1
    assert 0.8 < auc["joined", "nearest anchor", "itself"].low < 1  # 30 pictures do not prove that none ever escapes
    assert 0.5 < auc["joined", "nearest anchor", "damaged"].low < auc["joined", "nearest anchor", "damaged"].value < 1
    assert auc["joined", "score", "itself"].low > 0.5
    assert [found.ci for found in auc["removed"]] == [(0.5, 0.5)] * 4
    found = table.set_index(["bank", "sees", "copy"]).found
    assert found["joined", "nearest anchor", "itself"] == 1 and found["removed"].max() < 0.2


def test_the_auc_of_the_visitors_is_that_of_scikit_learn():
    generator = torch.Generator().manual_seed(9)
    old, asked = torch.randn(40, 8, generator=generator), torch.randn(20, 8, generator=generator)
    noisy, means = asked + torch.randn(20, 8, generator=generator), []
    half = np.random.default_rng(0).permutation(20) % 2
    for joined in (half == 0, half == 1):
        anchors = torch.cat([old, asked[joined]])
        centred = [torch.nn.functional.normalize(z - anchors.mean(dim=0), dim=1) for z in (noisy, anchors)]
        means.append(roc_auc_score(joined, (centred[0] @ centred[1].T).amax(dim=1)))
    table = remembered(*parts(old, asked), {"damaged": noisy}, 1)
    nearest = table[(table.bank == "joined") & (table.sees == "nearest anchor")].auc.item()
    assert nearest.value == pytest.approx(np.mean(means), abs=1e-6)
