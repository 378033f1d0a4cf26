"""Emoji: pictures of a font and their Unicode names, the same pairs on every machine."""

import hashlib

import pytest

from asif_lib import load_pairs
from asif_lib.datasets import providers
from asif_lib.datasets.pairs import LEFT_OUT
from asif_lib.datasets.providers import dataset_dir
from asif_lib.encoders.pictures import open_picture

PAIRS_DIGEST = "f79ec5a0eeb8b700"
"""Of ids and captions: a newer Python, which knows more names, must not add a pair."""


@pytest.fixture(scope="module")
def emoji():
    return load_pairs("emoji", progress=False)


def test_emoji_are_the_same_pairs_on_every_machine(emoji):
    """Without colours of skin, and without names that a later Python brings."""
    assert len(emoji) == len(set(emoji.ids)) == 1_308
    words = "\n".join(map(" ".join, zip(emoji.ids, emoji.captions, strict=True)))
    assert hashlib.sha256(words.encode()).hexdigest()[:16] == PAIRS_DIGEST
    assert {name: len(rows) for name, rows in emoji.splits.items()} == {"train": 1_008, "validation": 150, "test": 150}
    assert {f"{code:x}.png" for code in LEFT_OUT}.isdisjoint(emoji.ids)
    fox = emoji.ids.index("1f98a.png")
    assert emoji.captions[fox] == "fox face"
    picture = open_picture(emoji.pictures[fox])
    assert picture.size == (136, 128) and picture.getpixel((0, 0)) == (255, 255, 255)
    red, _, blue = picture.getpixel((68, 56))
    assert red > blue + 50


def test_pictures_are_drawn_once_and_again_if_they_are_damaged(emoji, tmp_cache, monkeypatch):
    (tmp_cache / "local").mkdir(parents=True)
    (tmp_cache / "local" / "emoji").symlink_to(emoji.pictures[0].parent.with_name("emoji"))
    monkeypatch.setattr(providers, "PROVIDERS", [providers._local_folder])
    monkeypatch.setattr("asif_lib.datasets.pairs.BLOCKS", {"coloured shapes": (0x1F7E0, 0x1F7FF)})  # not all 1,308
    monkeypatch.setattr("asif_lib.datasets.pairs.fixed_splits", lambda groups: {})
    first = load_pairs("emoji", progress=False).pictures[0]
    assert first.parent == dataset_dir("emoji-drawn") and sorted(tmp_cache.glob("datasets/.*")) == []
    written = first.stat().st_mtime_ns
    second = load_pairs("emoji", progress=False).pictures[1]
    assert first.stat().st_mtime_ns == written
    right = first.read_bytes(), second.read_bytes()
    first.write_bytes(right[1]), second.write_bytes(right[0])  # exchanged, under the captions of each other
    load_pairs("emoji", progress=False)
    assert (first.read_bytes(), second.read_bytes()) == right
    second.unlink()
    load_pairs("emoji", progress=False)
    assert second.read_bytes() == right[1] and sorted(tmp_cache.glob("datasets/.*")) == []
