"""What the chapters measure: seconds, memory, differences in points."""

import time

import numpy as np
import pytest
import torch

from asif_book.chapters.made_up import World
from asif_book.chapters.measuring import PeakMemory, recall_of_pairs


def test_peak_memory_counts_what_a_block_takes_and_gives_back():
    with PeakMemory() as peak:
        held, until = np.ones(60_000_000 // 8), time.monotonic() + 10
        while peak.bytes < 55e6 and time.monotonic() < until:  # its thread looks when the system lets it
            time.sleep(0.01)
        del held
    assert 55e6 < peak.bytes < 120e6
    with PeakMemory() as peak:
        pass
    assert peak.bytes < 20e6


def test_mean_recall_averages_first_and_first_ten_over_both_directions():
    scores = torch.eye(20)
    scores[0, 0], scores[0, 1] = 0.5, 0.9  # picture 0: its caption is second; caption 0: its picture is first
    recall = recall_of_pairs(scores, torch.eye(20, dtype=torch.bool))
    assert recall[0] == pytest.approx(3 / 4)
    assert recall[5] == 1


# Made-up embeddings: reproducible, and with neighbours that mean something


def test_a_world_is_the_same_for_a_seed_and_its_nearest_picture_mostly_shows_the_same_concept():
    image, text, concepts = World(concepts=20).pairs(400, number=1)
    again = World(concepts=20).pairs(400, number=1)
    assert torch.equal(image, again[0]) and torch.equal(text, again[1]) and np.array_equal(concepts, again[2])
    assert (image.shape, text.shape, image.dtype) == ((400, 256), (400, 128), torch.float32)
    for other in (World(concepts=20, seed=4).pairs(400, number=1), World(concepts=20).pairs(400, number=2)):
        assert not torch.equal(image, other[0])
    unit = torch.nn.functional.normalize(image, dim=1)
    nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(dim=1).numpy()
    assert (concepts[nearest] == concepts).mean() > 0.5  # chance is a twentieth
    assert set(World(concepts=50).pairs(200, number=0, concepts=3)[2]) == {0, 1, 2}
