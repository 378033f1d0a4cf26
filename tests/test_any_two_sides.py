"""The method, its explanations and its audit are for any two sides: two languages, or two encoders of pictures."""

import pandas as pd
import pytest
import torch

from asif_lib import ASIF, AnchorBank
from asif_lib.encoders.identity import external_identity
from asif_lib.errors import AsifError, IdentityError, ParameterError
from asif_lib.explain.audit import rank_pairs
from asif_lib.explain.contribution import contributions
from asif_lib.explain.counterfactual import smallest_removal, without
from asif_lib.explain.faithfulness import faithfulness_curves
from asif_lib.explain.out_of_distribution import familiarity


class Speaker:
    """An encoder of words that knows a vector for each."""

    def __init__(self, name, words, vectors):
        self.identity = external_identity("text", name, vectors.shape[1])
        self.known = dict(zip(words, vectors, strict=True))

    def encode(self, items):
        return torch.stack([self.known[item] for item in items])


def made(n=60, seed=0):
    random = torch.Generator().manual_seed(seed)
    meaning = torch.randn(n, 6, generator=random)
    first, second = (meaning @ torch.randn(6, d, generator=random) + 1 for d in (8, 7))
    return first, second, [f"word {i}" for i in range(n)]


OPTIONS = [{}, {"center": False}, {"hubs": 0.5, "whiten": 0.8}]


@pytest.fixture(scope="module")
def languages():
    """A bank of two languages, the same bank as pictures and texts, and the encoders of both languages."""
    first, second, words = made()
    english, german = Speaker("english", words, first), Speaker("german", words, second)
    two = AnchorBank.from_embeddings(first, second, words, sides=("english", "german"), encoders=(english, german))
    return two, AnchorBank.from_embeddings(first, second, words), {"english": english, "german": german}


@pytest.mark.parametrize("options", OPTIONS)
def test_two_languages_have_the_scores_of_pictures_and_texts(languages, options):
    two, usual, encoders = languages
    z = two.matrix("english")[:5] + 0.1, two.matrix("german")[:4] - 0.1
    model = ASIF(two, 9, **options, device="cpu", encoders=encoders)
    same = ASIF(usual, 9, **options, device="cpu")
    assert torch.equal(model.similarity(*z), same.similarity(*z))
    answer, expected = (without(m, *z, [3, 4]) for m in (model, same))
    assert torch.equal(answer.scores, expected.scores) and set(answer.entered.side) <= {"english", "german"}
    words = [f"word {i}" for i in range(4)]
    scores = same.similarity(two.matrix("english")[:4], two.matrix("german")[:4])
    assert torch.equal(model.classify(words, words, templates=["{}"]).scores, scores)
    reasons = contributions(model.represent("english", words[:1]), model.represent("german", words[:1]), two.pairs)
    assert reasons.contribution.sum() == pytest.approx(scores[0, 0].item(), abs=1e-6)
    torch.testing.assert_close(familiarity(model, z[0]), familiarity(same, z[0]))


def test_two_languages_are_audited_and_explained_as_pictures_and_texts(languages):
    two, usual, encoders = languages
    pd.testing.assert_frame_equal(rank_pairs(two, 9), rank_pairs(usual, 9))
    model, same = ASIF(two, 9, device="cpu", encoders=encoders), ASIF(usual, 9, device="cpu")
    labels, prompts = ["word 1", "word 2"], two.matrix("german")[1:3]
    z = two.matrix("english")[1:3].mean(dim=0, keepdim=True) + 0.1
    assert smallest_removal(model, z, labels, prompts=prompts) == smallest_removal(same, z, labels, prompts=prompts)
    curves = (faithfulness_curves(m, z, labels, prompts=prompts, steps=2, orders=1) for m in (model, same))
    assert next(curves).equals(next(curves))


def test_two_encoders_of_pictures_are_compared_and_take_prompts_as_embeddings_only(languages):
    first, second, names = made()
    encoders = external_identity("image", "one", 8), external_identity("image", "two", 7)
    model = ASIF(
        AnchorBank.from_embeddings(first, second, names, sides=("one", "two"), encoders=encoders), device="cpu"
    )
    answer = model.classify(first[:3], names[:3], prompts=second[:3])
    assert torch.equal(answer.scores, ASIF(languages[1], device="cpu").similarity(first[:3], second[:3]))
    with pytest.raises(
        ParameterError, match="prompts are texts, and side 'two' of bank 'mine' has .* kind 'image'; pass"
    ):
        model.classify(first[:3], names[:3])


def test_an_encoder_belongs_to_its_own_side_and_a_side_that_is_not_there_is_named(languages):
    two, _, encoders = languages
    with pytest.raises(IdentityError, match="was made by german"):
        ASIF(two, encoders={"german": encoders["english"]})
    with pytest.raises(AsifError, match="no side 'french'"):
        ASIF(two, encoders={"french": encoders["english"]})
    model = ASIF(two, device="cpu")
    with pytest.raises(AsifError, match=r"ASIF\(bank, encoders={'german': …}\)"):
        model.represent("german", ["word 1"])
    for call in (lambda: model.images(["a.png"]), lambda: model.texts(torch.ones(1, 7)), lambda: model.encoder("image"),
                 lambda: model.search_pictures("word 1"), lambda: model.search_captions("word 1")):  # fmt: skip
        with pytest.raises(AsifError, match="english and german, and no side '(image|text)'"):
            call()
