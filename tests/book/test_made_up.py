"""Made-up embeddings: reproducible, and with neighbours that mean something."""

import numpy as np
import torch

from asif_book.made_up import World, mapped_anchors, save_bank


def test_a_world_is_the_same_for_the_same_seed_and_another_for_another():
    image, text, concepts = World(seed=3).pairs(20, number=1)
    again = World(seed=3).pairs(20, number=1)
    assert torch.equal(image, again[0]) and torch.equal(text, again[1]) and np.array_equal(concepts, again[2])
    assert (image.shape, text.shape, image.dtype) == ((20, 256), (20, 128), torch.float32)
    assert not torch.equal(image, World(seed=4).pairs(20, number=1)[0])
    assert not torch.equal(image, World(seed=3).pairs(20, number=2)[0])


def test_the_nearest_picture_mostly_shows_the_same_concept_and_its_name_is_near():
    world = World(concepts=20)
    image, text, concepts = world.pairs(400, number=1)
    unit = torch.nn.functional.normalize(image, dim=1)
    nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(dim=1).numpy()
    assert (concepts[nearest] == concepts).mean() > 0.5  # chance is a twentieth
    names = torch.nn.functional.normalize(world.names(20, number=2), dim=1)
    named = (torch.nn.functional.normalize(text, dim=1) @ names.T).argmax(dim=1).numpy()
    assert (named == concepts).mean() > 0.5


def test_concepts_can_be_limited_to_the_first():
    assert set(World(concepts=50).pairs(200, number=0, concepts=3)[2]) == {0, 1, 2}


def test_a_made_up_bank_is_on_the_disk_in_half_precision(tmp_path):
    image, text, _ = World().pairs(30, number=1)
    bank = save_bank(tmp_path / "made-up", image, text)
    assert len(bank) == 30 and (tmp_path / "made-up").is_dir()
    assert torch.equal(bank.image, image.half()) and torch.equal(bank.text, text.half())
    assert bank.pairs.id.tolist()[:2] == ["0", "1"]


def test_mapped_anchors_are_those_of_the_world_in_half_precision(tmp_path):
    world = World()
    stored = mapped_anchors(tmp_path / "anchors.bin", world, 50_020)
    assert (stored.shape, stored.dtype) == ((50_020, 256), torch.float16)
    assert torch.equal(stored[:100], world.pairs(50_000, number=10)[0][:100].half())
    assert torch.equal(stored[50_000:], world.pairs(20, number=11)[0].half())
