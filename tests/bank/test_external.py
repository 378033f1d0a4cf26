"""Embeddings from elsewhere: a bank from arrays, used without encoders, joined, and honest about its encoders."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_banks import Dictionary, assert_same
from PIL import Image

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.joining import concatenate
from asif_lib.datasets.pairs import Pairs
from asif_lib.encoders.identity import external_identity
from asif_lib.errors import AsifError, BankError, EncoderError, IdentityError, ParameterError
from asif_lib.zeroshot import ASIF

N = 40
CAPTIONS = [f"caption {i}" for i in range(N)]


def arrays(seed=0, n=N, dtype="float32"):
    z = np.random.default_rng(seed).normal(size=(n, 5))
    return tuple((z @ np.random.default_rng(d).normal(size=(5, d))).astype(dtype) for d in (8, 6))


def make(seed=0, name="mine", **options):
    names = {"image_encoder": "eye", "text_encoder": "ear"}
    return AnchorBank.from_embeddings(*arrays(seed), CAPTIONS, name=name, **{**names, **options})


class OpenClipLike:
    """The shape of a researcher's own encoder: `identity`, and `encode` of a list."""

    def __init__(self, identity, scale):
        self.identity, self.scale, self.asked = identity, scale, []

    def encode(self, items):
        self.asked.append(list(items))
        rows = [[self.scale * len(item) + j for j in range(self.identity.dim)] for item in items]
        return np.array(rows).reshape(len(items), self.identity.dim)


# -- made ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_arrays_tensors_and_mapped_files_make_the_same_bank(tmp_path, dtype):
    image, text = arrays(dtype=dtype)
    np.save(tmp_path / "a.npy", image)
    packed = np.zeros(N, [("tag", "i1"), ("row", dtype, 6)])
    packed["row"] = text
    banks = [
        AnchorBank.from_embeddings(image, text, CAPTIONS),
        AnchorBank.from_embeddings(torch.from_numpy(image).requires_grad_(), torch.from_numpy(text), tuple(CAPTIONS)),
        AnchorBank.from_embeddings(np.load(tmp_path / "a.npy", mmap_mode="r"), packed["row"], CAPTIONS),
        AnchorBank.from_embeddings(image[::-1].copy()[::-1], text, np.array(CAPTIONS).tolist()),
    ]
    assert banks[0].pairs["id"].tolist() == [str(i) for i in range(N)]
    for number, bank in enumerate(banks):
        assert torch.equal(bank.image, torch.from_numpy(image))
        assert_same(bank, banks[0])
        assert_same(AnchorBank.load(bank.save(tmp_path / str(number))), banks[0])


BAD = {
    "other lengths": (lambda i, t: (i[:30], t, CAPTIONS), {}, r"shape \(30, 8\); 40 pairs"),
    "no rows": (lambda i, t: (i[:0], t[:0], []), {}, r"shape \(0, 8\); they are \(n, d\), n > 0 pairs"),
    "NaN": (lambda i, t: (np.where(np.arange(N)[:, None] == 3, np.nan, i), t, CAPTIONS), {}, "not finite .* of: 3"),
    "tiny": (lambda i, t: (i, np.where(np.arange(N)[:, None] == 3, 1e-31, t), CAPTIONS), {}, "below 2.*100 .* of: 3"),
    "zero": (lambda i, t: (i, np.where(np.arange(N)[:, None] == 3, 0, t), CAPTIONS), {}, "zero, which has no .* of: 3"),
    "whole numbers": (lambda i, t: (i.astype(int), t, CAPTIONS), {}, "floats, not int64"),
    "the other byte order": (lambda i, t: (i.astype(">f4"), t, CAPTIONS), {}, "floats, not >f4"),
    "no caption": (lambda i, t: (i, t, [*CAPTIONS[:-1], " "]), {}, "the caption is empty"),
    "ids twice": (lambda i, t: (i, t, CAPTIONS), {"ids": ["a"] * N}, "ids occur more than once among the pairs: a"),
    "no identity": (lambda i, t: (i, t, CAPTIONS), {"image_encoder": OpenClipLike("x", 1)}, "needs an `identity` of"),
    "too large": (lambda i, t: (i, t * 0 + 2**21, CAPTIONS), {}, "beyond 2.*20, of: 0, 1"),
    "masked": (lambda i, t: (np.ma.array(i, mask=i > 1), t, CAPTIONS), {}, "floats, not MaskedArray"),
    "sparse": (lambda i, t: (torch.from_numpy(i).to_sparse(), t, CAPTIONS), {}, "no plain matrix in memory"),
    "one text": (lambda i, t: (i, t, "c" * N), {}, "'caption': give a list of texts, one for each pair, not a str"),
    "half a letter": (lambda i, t: (i, t, ["\ud800", *CAPTIONS[1:]]), {}, "the table.* cannot be stored"),
    "no picture": (lambda i, t: (i, t, CAPTIONS), {"pictures": [None] * N}, "'picture' holds None in row 0"),
    "name": (lambda i, t: (i, t, CAPTIONS), {"name": 3}, "bank 3 cannot be stored .name: Input should be a valid str"),
    "swapped": (lambda i, t: (i, t, CAPTIONS), {"image_encoder": external_identity("text", "e", 8)}, "of kind 'image"),
    "dimensions": (lambda i, t: (i, t, CAPTIONS), {"image_encoder": external_identity("image", "e", 9)}, r"\(40, 9\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_embeddings_are_refused_in_one_sentence(case):
    given, options, words = BAD[case]
    with pytest.raises(AsifError, match=words) as caught:
        AnchorBank.from_embeddings(*given(*arrays()), **options)
    assert "\n" not in str(caught.value)


# -- identities ------------------------------------------------------------------------------------------


def test_other_encoders_are_refused_and_unnamed_ones_fit_nothing_else():
    bank = make()
    assert bank.image_encoder.is_external and str(bank.image_encoder) == "eye (external, 8 dimensions)"
    assert len(bank.add(make(1, ids=[f"b{i}" for i in range(N)]))) == 2 * N
    for other in (make(1, image_encoder="another eye"), make(1, image_encoder=None)):
        with pytest.raises(IdentityError, match="was made by eye .external.*, not by"):
            bank.add(other)
    assert make(image_encoder=None).image_encoder == make(image_encoder=None).image_encoder
    assert make(image_encoder=None).image_encoder != make(1, image_encoder=None).image_encoder


def test_without_an_encoder_the_model_says_which_and_how():
    with pytest.raises(EncoderError, match="made by the text encoder 'ear', which cannot be loaded .*text_encoder=…"):
        ASIF(make(), 5).classify(arrays()[0][:2], ["a", "b"])


# -- used without encoders -------------------------------------------------------------------------------


def test_prompts_of_arrays_classify_arrays():
    (image, text), model = arrays(), ASIF(make(), 10, 2)
    answer = model.classify(image[:7], ["x", "y", "z"], prompts=text[:3])
    assert answer.scores.shape == (7, 3) and answer.predicted[:3].tolist() == [0, 1, 2]
    assert torch.equal(answer.scores, model.similarity(torch.from_numpy(image[:7]), torch.from_numpy(text[:3])))
    several = model.classify(image[:7], ["x", "y"], prompts=text[:4].reshape(2, 2, 6))
    torch.testing.assert_close(several.scores, model.similarity(image[:7], text[:4]).reshape(7, 2, 2).mean(dim=2))
    best = model.classify(image[:7], ["x", "y"], prompts=text[:4].reshape(2, 2, 6), reduce="max")
    torch.testing.assert_close(best.scores, model.similarity(image[:7], text[:4]).reshape(7, 2, 2).amax(dim=2))
    assert model.search_captions(image[3])[0][0] == 3
    for prompts in (text[:2], text[0], text[:3, :4]):
        with pytest.raises(ParameterError, match="prompts have the shape|not of one space"):
            model.classify(image, ["x", "y", "z"], prompts=prompts)


def test_one_picture_or_a_table_is_refused_before_the_encoder_is_needed():
    none = ("bag.png", Image.new("RGB", (4, 4)), pd.DataFrame(np.eye(8)), (picture for picture in ["bag.png"]))
    for items in (*none, {"bag.png"}, {"bag.png": 1}):
        with pytest.raises(ParameterError, match=f"a {type(items).__name__} was given; put a single item into a list"):
            ASIF(make(), 5).images(items)


def test_an_encoder_of_ones_own_under_a_shipped_encoders_identity_leaves_the_cache_alone(stamps_bank, tmp_cache):
    part = stamps_bank.subset(range(N))
    own = {"image_encoder": part.image_encoder, "text_encoder": part.text_encoder}
    bank = AnchorBank.from_embeddings(part.image, part.text, CAPTIONS, **own)
    known = Dictionary(bank.text_encoder, ["x", "y", "a caption"], part.text[:3])
    model = ASIF(bank, 10, text_encoder=known)
    answer = model.classify(part.image[:2], ["x", "y"], templates=["{}"])
    assert torch.equal(answer.scores, model.similarity(part.image[:2], part.text[:2]))
    image_encoder = OpenClipLike(bank.image_encoder, 1.0)
    pairs = Pairs("new", ["cat.png"], ["a caption"], ["new"], [""], {})
    grown = bank.add(pairs, image_encoder=image_encoder, text_encoder=known, progress=False)
    assert torch.equal(grown.text[-1], part.text[2]) and image_encoder.asked == [["cat.png"]]
    assert not list(tmp_cache.rglob("*.sqlite"))  # another checkpoint of the same name would find its embeddings there
    with pytest.raises(IdentityError):
        ASIF(bank, text_encoder=OpenClipLike(external_identity("text", "other", part.text.shape[1]), 1))
    with pytest.raises(EncoderError, match=r"returned the shape \(1, 5\) for 1 items, not \(1, "):
        known.encode = lambda items: np.ones((1, 5))
        model.embeddings("text", ["abc"])


def test_a_bank_and_its_pictures_are_found_from_any_folder(tmp_path, monkeypatch):
    image, text = arrays(n=2)
    own = [OpenClipLike(external_identity(kind, "mine", 8), 1.0) for kind in ("image", "text")]
    pairs = Pairs("mine", ["pairs/a.png", "b.png"], ["one", "two"], ["a", "b"], ["", ""], {})
    monkeypatch.chdir(tmp_path)
    here = [str(tmp_path / "pairs" / "a.png"), str(tmp_path / "b.png")]
    assert AnchorBank.build(pairs, *own, progress=False).pairs["picture"].tolist() == here
    bank = AnchorBank.from_embeddings(image, text, ["one", "two"], pictures=["pairs/a.png", Path("b.png")])
    assert bank.pairs["picture"].tolist() == here
    none = AnchorBank.from_embeddings(image, text, ["one", "two"], pictures=["", "b.png"])
    assert none.pairs["picture"].tolist() == ["", here[1]]
    assert bank.save("bank") == tmp_path / "bank"
    loaded = AnchorBank.load("bank")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert len(loaded.remove(["0"])) == 1


# -- joined, relabelled ----------------------------------------------------------------------------------


def test_a_join_is_the_rows_of_both_and_keeps_colliding_ids_apart():
    a, b = make(0, "a"), make(1, "b", ids=["7", *(f"b{i}" for i in range(1, N))])
    both = concatenate([a, b])
    assert torch.equal(both.image, torch.cat([a.image, b.image])) and both.name == "a+b"
    assert both.pairs["id"].tolist()[6:9] == ["6", "a/7", "8"] and both.pairs["id"].tolist()[N : N + 2] == ["b/7", "b1"]
    torch.testing.assert_close(both.image_mean, (a.image_mean + b.image_mean) / 2)
    assert concatenate([make(0, "a", licence=None), b]).licence == "unknown"


@pytest.mark.parametrize(
    "banks, error, words",
    [
        (lambda: ["a", "b"], BankError, "are a list of one AnchorBank or more: .AnchorBank.load"),
        (lambda: [make(), make(1, text_encoder="other")], IdentityError, "not by other"),
        (lambda: [make(), make(1, "b").to(torch.float16)], BankError, "float16, bank 'mine' in torch.float32: use .to"),
        (lambda: [make(), make(1)], BankError, "ids occur more than once among the pairs"),
    ],
)
def test_banks_that_do_not_fit_are_not_joined(banks, error, words):
    with pytest.raises(error, match=words):
        concatenate(banks())


def test_another_caption_is_one_version(tmp_path):
    bank, row = AnchorBank.load(make().save(tmp_path / "mine")), np.full((1, 6), 0.5, "float32")
    for captions, text, words in (
        ({"99": "x"}, row, "has no pair 99; nothing was"),
        ({"3": "x"}, 0 * row, "zero, which has no direction"),
    ):
        with pytest.raises(BankError, match=words):
            bank.revise(captions, text)
    after = bank.revise({"3": "another"}, row)
    assert after.pairs["id"].tolist() == [*(str(i) for i in range(N) if i != 3), "3"]
    assert after.pairs["caption"].iloc[-1] == "another" and torch.equal(after.text[-1:], torch.from_numpy(row))
    assert torch.equal(after.image[-1], bank.image[3])
    assert after.history()["change"].tolist()[1:] == ["relabelled 3"]
    torch.testing.assert_close(after.text_mean, after.text.mean(dim=0))
    assert after.undo().pairs.equals(make().pairs)
