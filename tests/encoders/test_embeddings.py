"""The cache: what was encoded once, by this very encoder, is not encoded again."""

import contextlib
import os
import resource
import sqlite3
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import draw

from asif_lib.encoders import embeddings
from asif_lib.encoders.embeddings import embed, embed_readable
from asif_lib.encoders.encoder import Encoder
from asif_lib.encoders.image import load_image_encoder
from asif_lib.encoders.text import load_text_encoder
from asif_lib.errors import AsifError, BrokenPicturesError, EncoderError


class Counting(Encoder):
    """An encoder that counts what it computes, and can be interrupted."""

    def __init__(self, encoder, interrupt_after=None):
        self.encoder, self.identity, self.computed = encoder, encoder.identity, []
        self.interrupt_after = interrupt_after

    def cache_keys(self, items):
        return self.encoder.cache_keys(items)

    def stream(self, items, **options):
        for batch, vectors, errors in self.encoder.stream(items, batch_size=2, **options):
            if self.interrupt_after is not None and len(self.computed) >= self.interrupt_after:
                raise KeyboardInterrupt
            self.computed += [items[i] for i in batch]
            yield batch, vectors, errors


@pytest.fixture(autouse=True)
def cache(tmp_cache):
    return tmp_cache


@pytest.fixture(scope="module")
def tiny(timm_folder):
    return load_image_encoder(timm_folder, device="cpu")


@pytest.fixture(scope="module")
def tiny_text(sentence_transformer_folder):
    return load_text_encoder(sentence_transformer_folder, device="cpu")


@pytest.fixture
def files(drawings):
    return sorted(drawings.iterdir())


def test_the_second_call_computes_nothing_and_gives_the_same_bits(tiny, files):
    counting = Counting(tiny)
    first = embed(counting, files, progress=False)
    assert first.shape == (6, 64)
    assert first.dtype == torch.float32
    assert len(counting.computed) == 6
    assert torch.equal(embed(counting, files[::-1], progress=False), first.flip(0))
    assert len(counting.computed) == 6
    torch.testing.assert_close(first, tiny.encode(files, progress=False), atol=1e-4, rtol=1e-4)


def test_texts_are_cached_and_come_back_in_order(tiny_text):
    counting = Counting(tiny_text)
    texts = ["a photo of a sleeping otter", "a cat", "the red square"]
    first = embed(counting, texts, progress=False)
    assert torch.equal(embed(counting, ["the red square", *texts], progress=False)[1:], first)
    assert len(counting.computed) == 3
    torch.testing.assert_close(first, tiny_text.encode(texts, progress=False), atol=1e-5, rtol=1e-4)


def test_what_is_there_twice_is_computed_once(tiny, tiny_text, files):
    counting = Counting(tiny)
    rows = embed(counting, [files[0], files[1], files[0]], progress=False)
    assert len(counting.computed) == 2
    assert torch.equal(rows[0], rows[2])
    counting = Counting(tiny_text)
    rows = embed(counting, ["a cat", "a dog", "a cat"], progress=False)
    assert sorted(counting.computed) == ["a cat", "a dog"]
    assert torch.equal(rows[0], rows[2])


def test_more_items_than_sqlite_takes_parameters(tiny_text):
    texts = [f"cat {i}" for i in range(2_000)]

    class Numbers(Counting):
        def stream(self, items, **options):
            self.computed += items
            yield list(range(len(items))), torch.tensor([[float(t.split()[1])] * 32 for t in items]), []

    counting = Numbers(tiny_text)
    for _ in range(2):
        rows = embed(counting, texts, progress=False)
        assert rows[:, 0].tolist() == list(range(2_000))
    assert len(counting.computed) == 2_000


def test_a_changed_file_is_computed_again(tiny, files):
    before = embed(tiny, files, progress=False)
    draw("circle", "black").save(files[2])
    counting = Counting(tiny)
    after = embed(counting, files, progress=False)
    assert counting.computed == [files[2]]
    assert not torch.equal(before[2], after[2])
    assert torch.equal(before[[0, 1, 3, 4, 5]], after[[0, 1, 3, 4, 5]])


@pytest.mark.parametrize("change", [{"preprocessing": "256 px"}, {"checksum": "0" * 64}, {"source": "elsewhere"}])
def test_another_identity_misses_the_cache_and_another_source_does_not(tiny, files, change):
    embed(tiny, files, progress=False)
    other = Counting(tiny)
    other.identity = replace(tiny.identity, **change)
    embed(other, files, progress=False)
    assert len(other.computed) == (0 if "source" in change else 6)


def test_an_encoder_of_another_kind_brings_its_own_keys_and_is_cached(tiny_text):
    class Ear(Counting):
        def cache_keys(self, sounds):
            return {i: str(sum(sound)) for i, sound in enumerate(sounds)}, {}

        def stream(self, sounds, **options):
            self.computed += sounds
            yield [*range(len(sounds))], torch.tensor([[float(sum(sound))] * 32 for sound in sounds]), []

    ear = Ear(tiny_text)
    ear.identity = replace(tiny_text.identity, kind="audio")
    for _ in range(2):
        assert embed(ear, [[1, 2], [3]], progress=False)[:, 0].tolist() == [3, 3]
    assert ear.computed == [[1, 2]]


def test_an_interrupted_run_goes_on_where_it_stopped(tiny, files):
    interrupted = Counting(tiny, interrupt_after=4)
    with pytest.raises(KeyboardInterrupt):
        embed(interrupted, files, progress=False)
    again = Counting(tiny)
    rows = embed(again, files, progress=False)
    assert again.computed == files[4:]
    torch.testing.assert_close(rows, tiny.encode(files, progress=False), atol=1e-4, rtol=1e-4)


def test_a_killed_run_loses_at_most_what_was_not_yet_committed(tiny, files, monkeypatch):
    monkeypatch.setattr(embeddings, "COMMIT_EVERY", 2)

    class Killed(Counting):
        def stream(self, items, **options):
            for n, batch in enumerate(super().stream(items, **options)):
                if n == 2:
                    raise SystemExit  # nothing is committed on the way out
                yield batch

    with pytest.raises(SystemExit):
        embed(Killed(tiny), files, progress=False)
    again = Counting(tiny)
    embed(again, files, progress=False)
    assert again.computed == files[4:]


def test_broken_pictures_are_reported_and_the_others_are_cached(tiny, files):
    files[1].write_text("no picture")
    files[4].unlink()
    with pytest.raises(BrokenPicturesError, match="2 of the pictures") as caught:
        embed(tiny, files, progress=False)
    assert [str(error).split(":")[0] for error in caught.value.errors] == [str(files[1]), str(files[4])]
    counting = Counting(tiny)
    vectors, kept, errors = embed_readable(counting, files, progress=False)
    assert kept == [0, 2, 3, 5]
    assert vectors.shape == (4, 64)
    assert len(errors) == 2
    assert not [f for f in counting.computed if f != files[1]]


def test_two_broken_pictures_with_the_same_bytes_are_both_reported(tiny, files):
    for file in files[1:3]:
        file.write_text("no picture")
    _, kept, errors = embed_readable(tiny, files, progress=False)
    assert kept == [0, 3, 4, 5]
    assert [str(error).split(":")[0] for error in errors] == [str(files[1]), str(files[2])]


def test_a_text_that_is_no_string_is_refused_even_where_its_name_is_cached(tiny_text):
    embed(tiny_text, ["a cat", "7"], progress=False)
    with pytest.raises(EncoderError, match="text 1 is a int, not a string"):
        embed(tiny_text, ["a cat", 7], progress=False)


def cache_file(cache, encoder):
    return cache / "embeddings" / f"{encoder.identity.digest}.sqlite"


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, None])
def test_a_damaged_cache_is_one_sentence_that_says_what_to_do(cache, tiny, files, damage):
    embed(tiny, files, progress=False)
    file = cache_file(cache, tiny)
    if damage:
        file.write_bytes(damage)
    else:  # a page in the middle
        data = bytearray(file.read_bytes())
        data[100:] = b"\xff" * (len(data) - 100)
        file.write_bytes(data)
    with pytest.raises(AsifError, match=r"is damaged.*delete this file") as caught:
        embed(tiny, files, progress=False)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    file.unlink()
    assert embed(tiny, files, progress=False).shape == (6, 64)


def test_a_row_of_the_wrong_length_is_computed_again(cache, tiny, files):
    rows = embed(tiny, files, progress=False)
    with contextlib.closing(sqlite3.connect(cache_file(cache, tiny))) as connection, connection:
        connection.execute("UPDATE embeddings SET vector = x'0000'")
    counting = Counting(tiny)
    torch.testing.assert_close(embed(counting, files, progress=False), rows, atol=1e-4, rtol=1e-4)
    assert len(counting.computed) == 6


def test_a_cache_folder_that_cannot_be_made_is_one_sentence(cache, tiny, files):
    cache.write_text("a file stands where the folder should")
    with pytest.raises(AsifError, match=r"cache"):
        embed(tiny, files, progress=False)


class Lengths(Counting):
    """Embeds a text as its length; it computes nothing that a forked process could wait for."""

    def stream(self, items, **options):
        self.computed += items
        yield list(range(len(items))), torch.tensor([[float(len(item))] * self.identity.dim for item in items]), []


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("known", [["a", "bb"], []])
def test_a_read_only_cache_is_read_and_says_that_it_keeps_nothing(tmp_path, cache, tiny_text, known):
    lengths = Lengths(tiny_text)
    embed(lengths, known, progress=False)
    file = cache_file(cache, tiny_text)
    before = file.read_bytes()
    if not known:
        file.unlink()
    for path in (tmp_path, *tmp_path.parents):  # another user may pass through the folders that pytest made
        if Path(tempfile.gettempdir()) in path.parents:
            path.chmod(0o755)
    file.parent.chmod(0o555)
    lengths.computed.clear()
    process = os.fork()
    if not process:
        with contextlib.suppress(BaseException):
            if os.geteuid() == 0:
                os.setuid(65534)
            with pytest.warns(UserWarning, match="is read-only: new embeddings are not kept"):
                rows = embed(lengths, ["a", "ccc"], progress=False)
            os._exit(rows[:, 0].tolist() != [1, 3] or lengths.computed != ["a", "ccc"][len(known) // 2 :])
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    file.parent.chmod(0o755)
    assert not known or file.read_bytes() == before


def test_two_runs_at_once_share_the_cache(tiny, files):
    results = []
    threads = [threading.Thread(target=lambda: results.append(embed(tiny, files, progress=False))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(torch.allclose(result, results[0], atol=1e-4) for result in results)


def test_a_full_disk_is_one_sentence(tiny_text):
    """A limit on the size of files makes writing fail as a full disk does."""

    class Wide(Counting):
        def stream(self, items, **options):
            yield list(range(len(items))), torch.zeros(len(items), 1024), []

    wide = Wide(tiny_text)
    wide.identity = replace(tiny_text.identity, dim=1024)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(AsifError, match="free some disk space") as caught:
            embed(wide, [f"text {i}" for i in range(200)], progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
