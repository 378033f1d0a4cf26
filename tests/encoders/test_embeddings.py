"""The cache: what was encoded once, by this very encoder, is not encoded again."""

import contextlib
import copy
import resource
import shutil
import sqlite3
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from conftest import draw

from asif_lib.encoders import embeddings
from asif_lib.encoders.embeddings import embed, embed_readable
from asif_lib.encoders.encoder import Encoder
from asif_lib.errors import AsifError, BrokenPicturesError, EncoderError
from asif_lib.files import cache_dir

pytestmark = pytest.mark.usefixtures("tmp_cache")


class Counting(Encoder):
    """An encoder that counts what it computes, and can be interrupted."""

    def __init__(self, encoder, interrupt_after=None, error=None):
        self.encoder, self.identity, self.computed = copy.copy(encoder), encoder.identity, []
        self.encoder.batch_size = 2
        self.interrupt_after, self.error = interrupt_after, error

    def cache_keys(self, items):
        return self.encoder.cache_keys(items)

    def stream(self, items, **options):
        for batch, vectors, errors in self.encoder.stream(items, **options):
            if self.interrupt_after is not None and len(self.computed) >= self.interrupt_after:
                raise self.error
            self.computed += [items[i] for i in batch]
            yield batch, vectors, errors


@pytest.fixture(scope="module")
def image(tiny):
    return tiny[0]


@pytest.fixture(scope="module")
def text(tiny):
    return tiny[1]


class Named(Counting):
    """Embeds an item as the number that `name` gives; it computes nothing that a forked process could wait for."""

    def __init__(self, encoder, name=len, **identity):
        super().__init__(encoder)
        self.name, self.identity = name, replace(encoder.identity, **identity)

    def stream(self, items, **options):
        self.computed += items
        yield list(range(len(items))), torch.tensor([[float(self.name(i))] * self.identity.dim for i in items]), []


@pytest.fixture
def files(drawings):
    return sorted(drawings.iterdir())


@pytest.mark.parametrize("kind", [0, 1], ids=["image", "text"])
def test_each_item_is_computed_once_and_comes_back_in_order_with_the_same_bits(tiny, files, kind):
    items = files[:3] if kind == 0 else ["a photo of a sleeping otter", "a cat", "the red square"]
    counting = Counting(tiny[kind])
    first = embed(counting, [*items, items[0]], progress=False)
    assert first.shape == (4, counting.identity.dim) and first.dtype == torch.float32
    assert torch.equal(first[0], first[3])
    assert torch.equal(embed(counting, items[::-1], progress=False), first[:3].flip(0))
    assert sorted(counting.computed) == sorted(items)
    torch.testing.assert_close(first[:3], tiny[kind].encode(items, progress=False), atol=1e-4, rtol=1e-4)


def test_more_items_than_sqlite_takes_parameters(text):
    counting, texts = Named(text, lambda item: item.split()[1]), [f"cat {i}" for i in range(2_000)]
    for _ in range(2):
        assert embed(counting, texts, progress=False)[:, 0].tolist() == list(range(2_000))
    assert len(counting.computed) == 2_000


def test_a_changed_file_is_computed_again(image, files):
    before = embed(image, files, progress=False)
    draw("circle", "black").save(files[2])
    counting = Counting(image)
    after = embed(counting, files, progress=False)
    assert counting.computed == [files[2]]
    assert not torch.equal(before[2], after[2])
    assert torch.equal(before[[0, 1, 3, 4, 5]], after[[0, 1, 3, 4, 5]])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_or_killed_run_goes_on_where_it_stopped(image, files, monkeypatch, error):
    """What was committed before a kill is kept; an interruption commits the rest."""
    monkeypatch.setattr(embeddings, "COMMIT_EVERY", 2 if error is SystemExit else 1_000)
    with pytest.raises(error):
        embed(Counting(image, 4, error), files, progress=False)
    again = Counting(image)
    rows = embed(again, files, progress=False)
    assert again.computed == files[4:]
    torch.testing.assert_close(rows, image.encode(files, progress=False), atol=1e-4, rtol=1e-4)


def test_broken_pictures_are_reported_and_the_others_are_cached(image, files):
    """Also two with the same bytes."""
    files[1].write_text("no picture")
    files[2].write_text("no picture")
    files[4].unlink()
    with pytest.raises(BrokenPicturesError, match="3 of the pictures") as caught:
        embed(image, files, progress=False)
    assert sorted(str(error).split(":")[0] for error in caught.value.errors) == [str(files[i]) for i in (1, 2, 4)]
    counting = Counting(image)
    vectors, kept, errors = embed_readable(counting, files, progress=False)
    assert (kept, vectors.shape, len(errors)) == ([0, 3, 5], (3, 64), 3)
    assert set(counting.computed) <= {files[1], files[2]}


def test_a_text_that_is_no_string_is_refused_even_where_its_name_is_cached(text):
    embed(text, ["a cat", "7"], progress=False)
    with pytest.raises(EncoderError, match="text 1 is a int, not a string"):
        embed(text, ["a cat", 7], progress=False)


def cache_file(encoder):
    return cache_dir() / "embeddings" / f"{encoder.identity.digest}.checked.sqlite"


@pytest.mark.parametrize("damage", ["no database", "a page in the middle"])
def test_a_damaged_cache_is_put_aside_and_computed_again(image, files, damage):
    rows = embed(image, files, progress=False)
    file = cache_file(image)
    content = file.read_bytes()
    file.write_bytes(b"none" * 999 if damage == "no database" else content[:100] + b"\xff" * (len(content) - 100))
    counting = Counting(image)
    with pytest.warns(UserWarning, match=rf"{file}: .* is damaged .*computed again.*{file.stem}.damaged-1.sqlite"):
        again = embed(counting, files, progress=False)
    torch.testing.assert_close(again, rows, atol=1e-4, rtol=1e-4)
    assert len(counting.computed) == 6 and len(list(file.parent.glob("*.damaged-1.sqlite"))) == 1
    assert torch.equal(embed(counting, files, progress=False), again) and len(counting.computed) == 6


def test_damage_that_shows_while_a_run_writes_loses_nothing_of_the_run(text, monkeypatch):
    class Spoiling(Named):
        def stream(self, items, **options):
            for i, item in enumerate(items):
                if self.computed == ["a"]:
                    cache_file(text).write_bytes(b"none" * 999)
                self.computed.append(item)
                yield [i], torch.full((1, self.identity.dim), float(len(item))), []

    monkeypatch.setattr(embeddings, "COMMIT_EVERY", 1)
    spoiling, lengths = Spoiling(text), Named(text)
    with pytest.warns(UserWarning, match="is damaged"):
        assert embed(spoiling, ["a", "bb", "ccc"], progress=False)[:, 0].tolist() == [1, 2, 3]
    assert spoiling.computed == ["a", "bb", "ccc"]
    assert embed(lengths, ["a", "bb", "ccc"], progress=False)[:, 0].tolist() == [1, 2, 3] and not lengths.computed


@pytest.mark.parametrize(
    "damage, computed",
    {
        "UPDATE embeddings SET vector = zeroblob(256)": 6,
        "UPDATE embeddings SET vector = 'text', checksum = NULL": 6,
        "UPDATE embeddings SET vector = (SELECT vector FROM embeddings AS e WHERE e.rowid = 7 - embeddings.rowid)": 3,
        "UPDATE embeddings SET (vector, checksum) = (SELECT vector, checksum FROM embeddings WHERE rowid = 1)": 5,
    }.items(),
)
def test_a_row_that_is_not_as_it_was_written_is_computed_again(image, files, damage, computed):
    """Also rows that were exchanged with others; a row alone, or with its checksum."""
    rows = embed(image, files, progress=False)
    with contextlib.closing(sqlite3.connect(cache_file(image))) as connection, connection:
        connection.execute(damage)
    counting = Counting(image)
    with pytest.warns(UserWarning, match=f"{cache_file(image)}: {computed} embeddings are damaged"):
        again = embed(counting, files, progress=False)
    torch.testing.assert_close(again, rows, atol=1e-4, rtol=1e-4)
    assert len(counting.computed) == computed
    with warnings.catch_warnings(action="error"):
        assert torch.equal(embed(counting, files, progress=False), again)


def test_the_file_of_another_encoder_is_no_cache_for_this_one(text):
    embed(Named(text), ["a", "bb"], progress=False)
    other = Named(text, preprocessing="other")
    cache_file(text).rename(cache_file(other))
    with pytest.warns(UserWarning, match="2 embeddings are damaged"):
        embed(other, ["a", "bb"], progress=False)
    assert other.computed == ["a", "bb"]


@pytest.mark.parametrize("known", [["a", "bb"], []])
def test_a_read_only_cache_is_read_and_says_that_it_keeps_nothing(text, known, monkeypatch):
    lengths, file = Named(text), cache_file(text)
    embed(lengths, known, progress=False)
    before = file.read_bytes()
    if not known:
        file.unlink()
    lengths.computed.clear()
    monkeypatch.setattr(embeddings, "is_writable", lambda path: False)
    with pytest.warns(UserWarning, match="is read-only: new embeddings are not kept"):
        rows = embed(lengths, ["a", "ccc"], progress=False)
    assert rows[:, 0].tolist() == [1, 3] and lengths.computed == ["a", "ccc"][len(known) // 2 :]
    assert file.read_bytes() == before if known else not file.exists()


def test_two_runs_at_once_share_the_cache(image, files):
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: embed(image, files, progress=False), range(3)))
    assert all(torch.allclose(result, results[0], atol=1e-4) for result in results)


def test_a_full_disk_is_one_sentence(text):
    """A limit on the size of files makes writing fail as a full disk does. Nor can a folder be made where a file is."""
    wide = Named(text, dim=1024)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(AsifError, match="free some disk space") as caught:
            embed(wide, [f"text {i}" for i in range(200)], progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    shutil.rmtree(cache_dir() / "embeddings")
    (cache_dir() / "embeddings").write_text("a file stands where the folder should")
    with pytest.raises(AsifError, match="the cache cannot be made .*set ASIF_CACHE to another folder"):
        embed(wide, ["a"], progress=False)
