"""Which region of a picture counts: hidden regions, and the drop of a value without them."""

import numpy as np
import pytest
import torch
from PIL import Image

from asif_book.chapters.chapter_06.lessons import MOST_PIXELS, hidden, occlusion, shared_regions, without_a_quarter
from asif_lib import ASIF, AnchorBank
from asif_lib.encoders.identity import external_identity
from asif_lib.errors import ParameterError
from asif_lib.relative import relative_representation


class Blocks:
    """An encoder of one's own: the mean red of each cell of a 2 × 4 grid, (n, 8)."""

    identity = external_identity("image", "blocks", 8)

    def encode(self, pictures):
        small = [np.asarray(picture.resize((4, 2), Image.Resampling.BOX))[..., 0].ravel() for picture in pictures]
        return torch.tensor(np.array(small) / 255.0).float().reshape(len(pictures), 8)


def picture_of(cells, size=(80, 40)):
    return Image.fromarray(np.uint8(cells)).resize(size, Image.Resampling.NEAREST).convert("RGB")


def test_a_hidden_region_has_the_colour_of_the_edge_and_the_rest_its_own():
    picture = Image.new("RGB", (50, 30), (250, 240, 230))
    picture.paste((0, 0, 0), (10, 10, 40, 20))
    picture.putpixel((0, 0), (0, 0, 0))  # a median does not see it
    regions = np.zeros((3, 5), bool)
    regions[1, 2] = True
    pixels = np.asarray(hidden(picture, regions)).copy()
    assert (pixels[10:20, 20:30] == (250, 240, 230)).all()
    pixels[10:20, 20:30] = 0
    assert (pixels == np.asarray(picture)).all()
    assert hidden(Image.new("RGB", (3_000, 300)), regions).size == (MOST_PIXELS, 102)  # in proportion


def test_the_drop_of_a_region_is_what_the_value_loses_without_it():
    cells = np.zeros((2, 4))
    cells[0, 1], cells[1, 2] = 200, 100
    weights = torch.tensor([1.0, 1, 1, 1, 1, 1, -1, 1])
    drops = occlusion(Blocks(), picture_of(cells), lambda z: z @ weights, grid=4, progress=False)
    expected = torch.zeros(2, 4)  # the edge is black for the most part
    expected[0, 1], expected[1, 2] = 200 / 255, -100 / 255
    torch.testing.assert_close(drops, expected)


def test_the_two_pictures_of_an_anchor_are_hidden_in_turn(stamps_bank, stamps, image_encoder):
    question, anchor = (stamps.captions.index(caption) for caption in ("A red kangaroo.", "A doe."))
    model = ASIF(stamps_bank, device="cpu", image_encoder=image_encoder)
    found = shared_regions(model, stamps.pictures[question], anchor, grid=2, progress=False)
    assert found.picture == stamps.pictures[anchor]
    corner = np.array([[True, False], [False, False]])
    z = image_encoder.encode([hidden(stamps.pictures[i], corner) for i in (question, anchor)], progress=False)
    rows = stamps_bank.image[[question, anchor]]
    before, first, second = (
        float(relative_representation(a[None], b[None], mean=stamps_bank.image_mean))
        for a, b in (rows, (z[0], rows[1]), (rows[0], z[1]))
    )
    assert found.cosine == pytest.approx(before, abs=1e-4)
    assert float(found.question[0, 0]) == pytest.approx(before - first, abs=1e-4)
    assert float(found.anchor[0, 0]) == pytest.approx(before - second, abs=1e-4)


def test_what_has_no_regions_is_refused_in_one_sentence(tmp_path):
    picture = picture_of(np.eye(2, 4) * 255)
    picture.save(tmp_path / "other.png")
    files, z = [tmp_path / "other.png", tmp_path / "lost.png"], Blocks().encode([picture.rotate(180)] * 2)
    z[0] = Blocks().encode([picture])[0] + torch.eye(8)[3] / 2  # a picture that is like it, with a cosine of 0.94
    bank = AnchorBank.from_embeddings(z, z, ["a", "b"], pictures=files, encoders=(Blocks.identity, "ear"))
    model = ASIF(bank, 1, device="cpu", image_encoder=Blocks())
    for call, words in (
        (lambda: occlusion(Blocks(), picture, None, grid=81), "80 × 40 pixels is too small for 81 × 40 regions"),
        (lambda: shared_regions(model, picture, 0), "other.png: is not the picture that was encoded as anchor 0"),
        (lambda: shared_regions(model, picture, 1), "its picture is not here \\(.*lost.png\\)"),
    ):
        with pytest.raises(ParameterError, match=words):
            call()


def test_without_the_quarter_that_counts_the_value_falls_further_than_without_others():
    random = np.random.default_rng(0)
    picture = picture_of(random.integers(1, 255, (6, 12)), (240, 120))  # no region is blank
    falls = without_a_quarter(Blocks(), picture, lambda z: z.sum(dim=1), random)
    assert falls["most important"] > max(0, falls["random"], falls["random, not blank"])
    cells = np.zeros((6, 12))
    cells[2, 4:6] = 250  # one region of 36 is not blank, so that far less than a quarter counts
    lonely = without_a_quarter(Blocks(), picture_of(cells, (240, 120)), lambda z: z.sum(dim=1), random)
    assert lonely["most important"] == lonely["random, not blank"] > lonely["random"]
    blank = without_a_quarter(Blocks(), Image.new("RGB", (240, 120), "red"), lambda z: z.sum(dim=1), random)
    assert list(blank.values())[:2] == pytest.approx([0, 0], abs=1e-6)
