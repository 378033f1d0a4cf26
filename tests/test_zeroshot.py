"""The model: prompts, scores, what decides and what does not."""

import warnings
from dataclasses import replace

import pytest
import torch

from asif_lib import ASIF, AnchorBank, method
from asif_lib.errors import EncoderError, IdentityError, ParameterError
from asif_lib.zeroshot import Classification


@pytest.fixture(scope="module")
def model(stamps_bank, image_encoder, text_encoder):
    return ASIF(stamps_bank, device="cpu", image_encoder=image_encoder, text_encoder=text_encoder)


def test_nothing_decides_where_all_scores_are_zero():
    found = Classification(["otter", "seal"], torch.tensor([[0.0, 0.0], [0.1, 0.2], [0.3, 0.0]]))
    assert found.predicted.tolist() == [-1, 1, 0]
    assert found.best == [None, "seal", "otter"]


@pytest.mark.parametrize("center", [True, False])
def test_hubs_are_corrected_among_the_k_that_are_kept(stamps_bank, center):
    bank, rows = stamps_bank.subset(range(200)), stamps_bank.image[200:230]
    vectors = ASIF(bank, 30, 2, center=center, hubs=0.5, device="cpu").images(rows)
    mean = bank.image.mean(dim=0) if center else 0.0
    anchors, asked = (torch.nn.functional.normalize(z - mean, dim=1) for z in (bank.image, rows))
    near = (anchors @ anchors.T).fill_diagonal_(-1).topk(10, dim=1).values.mean(dim=1)
    values, indices = (asked @ anchors.T).topk(30, dim=1)
    values = (values - 0.5 * (near - near.mean())[indices]).clamp_min(0) ** 2
    expected = torch.zeros(30, 200).scatter_(1, indices, torch.nn.functional.normalize(values, dim=1))
    torch.testing.assert_close(vectors.to_dense(), expected, atol=1e-5, rtol=0)
    assert (vectors.values.diff(dim=1) <= 0).all()  # the largest entry first
    alone = ASIF(bank, 30, 2, center=center, hubs=0.5, device="cpu").images(rows[:1])
    torch.testing.assert_close(alone.to_dense(), vectors[:1].to_dense(), atol=1e-6, rtol=0)


def test_only_pictures_are_whitened(stamps_bank):
    model, plain = (ASIF(stamps_bank, 30, whiten=whiten, device="cpu") for whiten in (0.8, None))
    assert torch.equal(model.texts(stamps_bank.text[:5]).values, plain.texts(stamps_bank.text[:5]).values)
    with pytest.raises(ParameterError, match="one space"):
        model.images(stamps_bank.image[:, :7])


@pytest.mark.parametrize("times", [1, 299, 301])
def test_a_mean_far_from_the_anchors_leaves_the_scores_of_float64_or_is_refused(times):
    """Of 300 anchors and 9 questions; their mean is that many times as long as the anchors' spread."""
    random, sides, exact = torch.Generator().manual_seed(0), [], []
    meaning = torch.randn(309, 12, generator=random, dtype=torch.float64)
    for _ in range(2):
        z = meaning + 0.5 * torch.randn(309, 12, generator=random, dtype=torch.float64)
        z -= z[:300].mean(dim=0)
        z /= z[:300:5].norm(dim=1).median()  # the anchors that are looked at
        sides.append((z + times / 12**0.5).float())
        z = sides[-1].double() - sides[-1][:300].double().mean(dim=0)
        exact.append(method.sparsify(method.relative(z[300:], z[:300]), 30, 2))
    bank = AnchorBank.from_embeddings(*(z[:300] for z in sides), [*map(str, range(300))])
    model, asked = ASIF(bank, 30, 2, device="cpu"), [z[300:] for z in sides]
    if times < 300:
        torch.testing.assert_close(model.similarity(*asked), method.scores(*exact), atol=1e-5, rtol=0)
        return
    with pytest.raises(ParameterError, match="the image embeddings of bank 'mine' is 301 times .* subtract a common"):
        model.similarity(*asked)
    assert len(ASIF(bank, center=False, device="cpu").images(asked[0])) == 9


@pytest.mark.parametrize(
    "labels, options, message",
    [
        ([], {}, "at least one label"),
        (["cat"], {"templates": []}, "at least one label and one template"),
        (["cat", " "], {}, "label 2 of 2 is empty"),
        (["cat", None], {}, "label 2 of 2 is empty"),
        (["cat", "\u200b"], {}, "label 2 of 2 is empty"),
        (["cat", "dog", "cat"], {}, "'cat' is given twice; the second could never win"),
        (["Cat", "cat"], {}, "'Cat' and 'cat' read the same, and differ in LATIN CAPITAL LETTER C, LATIN SMALL LET"),
        (["\u00f3tter", "o\u0301tter"], {}, "read the same, and differ in .*COMBINING ACUTE ACCENT"),
        (["cat", "c\u200bat"], {}, "read the same, and differ in ZERO WIDTH SPACE; the second could never win"),
        (["Straße", "STRASSE"], {}, "'Straße' and 'STRASSE' read the same"),
        (["sea lion", "sea  lion"], {}, "read the same, and differ in blanks"),
        (["cat"], {"templates": ["a photo"]}, "'a photo' needs one {} where the label goes"),
        (["cat"], {"templates": ["a {label}"]}, "needs one {}"),
        ("cat", {}, "are lists of strings"),
        (["cat"], {"templates": "a {}"}, "are lists of strings"),
        (["cat"], {"reduce": "median"}, "'mean' or 'max'"),
        (["cat"], {"prompts": torch.ones(1)}, r"shape \(1,\); 1 labels need \(1, d\)"),
    ],
)
def test_labels_and_templates_are_checked(model, stamps_bank, labels, options, message):
    with pytest.raises(ParameterError, match=message):
        model.classify(stamps_bank.image[:1], labels, **options)


def test_labels_that_the_encoder_cannot_tell_apart_are_named(model, stamps_bank):
    with pytest.warns(UserWarning, match="the labels 'café' and 'cafe' the same embedding, so 'cafe' can never win"):
        model.classify(stamps_bank.image[:1], ["café", "cafe", "tea"])
    prompts = stamps_bank.text[[0, 1, 2, 3, 0, 1]].view(3, 2, -1)
    with pytest.warns(UserWarning, match="the labels 'a' and 'c'"):
        model.classify(stamps_bank.image[:1], ["a", "b", "c"], prompts=prompts)
    apart = stamps_bank.text[[0, 1, 0, 3, 2, 1]].view(3, 2, -1)
    with warnings.catch_warnings(action="error"):
        model.classify(stamps_bank.image[:1], ["a", "b", "c"], prompts=apart)


def test_pictures_embeddings_and_sparse_vectors_give_the_same(model, stamps, stamps_bank):
    labels = ["otter", "train", "apple"]
    by_file = model.classify(stamps.pictures[:4], labels).scores
    torch.testing.assert_close(model.classify(stamps_bank.image[:4], labels).scores, by_file)
    torch.testing.assert_close(model.classify(model.images(stamps_bank.image[:4]), labels).scores, by_file)
    assert ((by_file >= 0) & (by_file <= 1 + 1e-6)).all()
    assert model.classify([], labels).best == []


class Named:
    def __init__(self, identity):
        self.identity = identity


@pytest.mark.parametrize(
    "kind, encoder, words",
    [
        ("image", "efficientnet_lite0", r"pass the image encoder itself: load_image_encoder\('efficientnet_lite0'\)"),
        ("text", "all-MiniLM-L6-v2", r"pass the text encoder itself: load_text_encoder\("),
        ("image", len, "the image encoder .* needs an `identity` of kind 'image', not None: .*external_identity"),
        ("image", "the text encoder", "the image encoder .type TextEncoder. needs an `identity` of kind 'image', not"),
    ],
)
def test_an_encoder_is_an_object_of_its_kind_with_an_identity(stamps, stamps_bank, text_encoder, kind, encoder, words):
    encoder = text_encoder if encoder == "the text encoder" else encoder
    both = {"image_encoder": Named(stamps_bank.image_encoder), "text_encoder": text_encoder, f"{kind}_encoder": encoder}
    new = stamps.subset([0])
    for use in (
        lambda: ASIF(stamps_bank, **{f"{kind}_encoder": encoder}),
        lambda: AnchorBank.build(new, **both),
        lambda: stamps_bank.subset([1]).add(new, **both),
    ):
        with pytest.raises(EncoderError, match=words):
            use()


def test_search_finds_an_anchor_itself_both_ways(model, stamps, stamps_bank):
    for i in (3, 400, 792):
        assert i in model.search_pictures(stamps.captions[i], top=10)[0]
        positions, scores = model.search_captions(stamps.pictures[i], top=10)
        assert stamps.captions[i] in [stamps.captions[j] for j in positions]
        assert scores == sorted(scores, reverse=True)
    positions, _ = model.search_captions(stamps.pictures[3], ["a train", stamps.captions[3]])
    assert positions[0] == 1
    assert len(model.search_pictures("a cat", stamps_bank.image[:3])[0]) == 3
    assert 3 in model.search_captions(stamps_bank.image[3], top=10)[0]  # an embedding
    for top in (0, -1, 2.0, True):
        with pytest.raises(ParameterError, match=f"top = {top}: how many to return is a whole number, 1 or more"):
            model.search_captions(stamps_bank.image[3], top=top)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_another_encoder_than_the_banks_is_refused(stamps_bank, image_encoder, text_encoder, kind):
    """Also one that is loaded by its name when it is needed."""
    encoder = image_encoder if kind == "image" else text_encoder
    other = replace(encoder.identity, checksum="0" * 64)
    with pytest.raises(IdentityError, match="was made by"):
        ASIF(stamps_bank, **{f"{kind}_encoder": Named(other)})
    model = ASIF(stamps_bank.replace(**{f"{kind}_encoder": other}), device="cpu")
    with pytest.raises(IdentityError):
        model.encoder(kind)


def test_the_model_needs_a_bank_and_says_what_it_is(model):
    for bank, words in (("stamps", r"a str; .*AnchorBank.load\('stamps'\)"), (None, "a NoneType; pass")):
        with pytest.raises(ParameterError, match=words):
            ASIF(bank)
    assert "793 anchors, k=79, p=2" in repr(model) and "hubs" not in repr(model)
    assert repr(ASIF(model.bank, hubs=0.25, whiten=0.8, device="cpu")).endswith(", hubs=0.25, whiten=0.8)")
