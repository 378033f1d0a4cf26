"""What the chapters measure: seconds, memory, differences in points, the cost of growing banks, a lost worker."""

import os
import signal
import time

import numpy as np
import pytest
import torch

from asif_book.chapters.chapter_08.lessons import kill_when_busy, search_costs, timeline
from asif_book.chapters.made_up import World, mapped_anchors, save_bank
from asif_book.chapters.measuring import PeakMemory, fixed_and_per_anchor, growth, recall_of_pairs


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


def test_search_costs_take_the_fastest_round_and_search_the_largest_once(monkeypatch):
    seconds = iter([3.0, 7.0, 2.0, 4.0])
    searched = []
    monkeypatch.setattr("asif_book.chapters.chapter_08.lessons.timed", lambda run: (run(), next(seconds)))
    fastest, peaks = search_costs(searched.append, [1_000, 300_000])
    assert searched == [1_000, 300_000, 1_000, 1_000]
    assert fastest.tolist() == [2.0, 7.0]
    assert peaks.shape == (2,) and (peaks >= 0).all()


def test_the_fit_finds_the_fixed_cost_and_the_cost_of_an_anchor():
    sizes = np.array([1_000, 10_000, 100_000])
    assert fixed_and_per_anchor(sizes, 0.2 + 1e-5 * sizes) == pytest.approx((0.2, 1e-5))
    assert fixed_and_per_anchor(sizes, 1e-5 * sizes)[0] == pytest.approx(0, abs=1e-9)
    fixed, slope = growth(np.array([1_000, 2_000, 5_000, 10_000]), [0.9, 0.2, 0.8, 0.3])  # another program disturbed it
    assert 0 <= fixed < 1 and 0.1 <= slope <= 3


class FakeClient:
    """A cluster of two workers; the first begins to work when `processing` is filled."""

    def __init__(self):
        workers = {address: type("Worker", (), {"processing": {}})() for address in ("tcp://a", "tcp://b")}
        self.cluster = type("Cluster", (), {"scheduler": type("Scheduler", (), {"workers": workers})()})()

    def run(self, function):
        return {"tcp://b": 22, "tcp://a": 11}


def test_a_worker_is_killed_only_after_it_has_begun_to_work(monkeypatch):
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    client = FakeClient()
    told, thread = kill_when_busy(client, after=0.01)
    time.sleep(0.05)
    assert not killed and told == {}
    client.cluster.scheduler.workers["tcp://a"].processing["task"] = 1
    thread.join(timeout=5)
    assert killed == [(11, signal.SIGKILL)] and told["worker"] == "tcp://a" and told["at"] <= time.time()


def test_the_timeline_numbers_searches_by_their_beginning_and_the_killed_worker_is_the_first():
    def task(key, worker, start, stop, status="OK", action="compute"):
        return {"key": key, "worker": worker, "status": status, "startstops": [
            {"action": action, "start": start, "stop": stop}]}  # fmt: skip

    stream = [
        task("_search-2", "tcp://b", 12.0, 13.0),
        task("_search-1", "tcp://b", 10.0, 11.0),
        task("_merge-1", "tcp://b", 13.0, 14.0),
        task("_search-3", "tcp://a", 10.5, 11.5, status="error"),
        task("_search-4", "tcp://b", 14.0, 14.5, action="transfer"),
    ]
    rows, loss = timeline(stream, {"worker": "tcp://a", "at": 10.8})
    assert rows == [(2, 1, 0.0, 1.0), (2, 2, 2.0, 3.0)]
    assert loss == (1, pytest.approx(0.8))


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
