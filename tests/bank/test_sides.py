"""A bank of two sides of any kind: of two languages, or of two image encoders."""

import pytest
import torch
from made_banks import assert_same, ids, without
from made_banks import make as numbered

from asif_lib import AnchorBank
from asif_lib.bank.joining import concatenate
from asif_lib.errors import BankError, IdentityError
from asif_lib.search.exact import PreparedAnchors

N = 30
SIDES = {"english": ("text", 8), "german": ("text", 6)}, {"photo": ("image", 5), "sketch": ("image", 5)}


def make(sides, first=0, last=N, name="both"):
    return numbered(first, last, sides=sides, name=name)


@pytest.fixture(params=SIDES, ids=["text and text", "picture and picture"])
def sides(request):
    return request.param


def test_a_bank_of_any_sides_lives_as_one_of_pictures_and_texts(sides, tmp_path):
    first, second = sides
    bank = AnchorBank.load(make(sides).save(tmp_path / "both"), verify=True)
    assert_same(bank, make(sides))
    (part,) = (tmp_path / "both").glob("part-*")
    assert {file.name for file in part.iterdir()} == {f"{first}.safetensors", f"{second}.safetensors", "pairs.parquet"}
    edited = without(bank.add(make(sides, N, 40)).remove(ids(3, 35)).remove(id="id-0007"), [0])
    left = [i for i in range(1, 40) if i not in (3, 7, 35)]
    assert_same(edited, make(sides, 0, 40).subset(left))
    compact = edited.compact().prepare(progress=False)
    assert_same(compact, make(sides, 0, 40).subset(left))
    assert all(isinstance(compact.searchable(side)[0], PreparedAnchors) for side in sides)
    z = torch.randn(1, sides[second][1])
    relabelled = AnchorBank.load(tmp_path / "both").revise({"id-0005": "another"}, z, side=second)
    assert torch.equal(relabelled.matrix(second)[-1:], z) and relabelled.pairs.caption.iloc[-1] == "another"
    assert torch.equal(relabelled.matrix(first)[-1], make(sides).matrix(first)[5])
    assert_same(relabelled.undo(), make(sides, 0, 40).subset(left))


@pytest.mark.parametrize(
    "names, words",
    [
        (("a", "b", "c"), "a bank has two sides of .*, not .*c"),
        ("ab", "a bank has two sides of .*, not .*ab"),
        (("a", "../b"), "'../b' is no name of a side: take small letters"),
        (("pairs", "b"), "'pairs' is no name of a side: .* none of pairs, name, licence"),
    ],
)
def test_sides_that_cannot_be_are_refused_in_one_sentence(names, words):
    with pytest.raises(BankError, match=words) as caught:
        AnchorBank.from_embeddings(*torch.randn(2, 3, 4), list("abc"), sides=names)
    assert "\n" not in str(caught.value)


def test_a_side_that_the_bank_does_not_have_is_one_sentence():
    bank = make(SIDES[0])
    for ask in (lambda: bank.image, lambda: bank.text_mean, lambda: bank.image_encoder, lambda: bank.rows("image")):
        with pytest.raises(BankError, match="bank 'both' has the sides english and german, and no side '(image|text)'"):
            ask()
    with pytest.raises(BankError, match="'both' of english and german has no 'image' to replace"):
        bank.replace(image=torch.ones(N, 8))


def test_banks_of_other_sides_do_not_mix():
    bank, other = make(SIDES[0]), make(SIDES[1], N, 40)
    for use in (bank.add, lambda other: concatenate([bank, other])):
        with pytest.raises(BankError, match="sides english and german, and bank 'both' the sides photo and sketch"):
            use(other)
    with pytest.raises(IdentityError):
        bank.check_encoder(bank.encoders["german"], "english")


def test_banks_on_disk_are_joined_without_gathering_them(sides, tmp_path, monkeypatch):
    whole = make(sides, 0, 90).subset([i for i in range(90) if i != 40])
    expected = AnchorBank.load(whole.save(tmp_path / "whole"))
    banks = [AnchorBank.load(make(sides, i, i + 30).save(tmp_path / f"shard {i}")) for i in (0, 30, 60)]
    banks[1] = banks[1].remove(ids(40))
    with monkeypatch.context() as patch:
        patch.setattr(AnchorBank, "matrix", None)
        concatenate(banks, "both").save(tmp_path / "joined")
    joined = AnchorBank.load(tmp_path / "joined")
    assert_same(joined, whole)
    assert (joined.name, joined.version, len(joined.disk.parts)) == ("both", 1, 1)
    assert joined.disk.record.parts[0].files == expected.disk.record.parts[0].files
