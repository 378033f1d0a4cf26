"""The method, its explanations and its audit are for any two sides: two languages, or two encoders of pictures."""

import pandas as pd
import pytest
import torch
from made_banks import Dictionary

from asif_book.chapters.chapter_06.lessons import faithfulness_curves
from asif_lib import ASIF, AnchorBank
from asif_lib.encoders.identity import external_identity
from asif_lib.errors import AsifError, IdentityError, ParameterError
from asif_lib.explain.audit import rank_pairs
from asif_lib.explain.contribution import contributions
from asif_lib.explain.counterfactual import smallest_removal, without
from asif_lib.explain.out_of_distribution import familiarity

WORDS = [f"word {i}" for i in range(60)]


@pytest.fixture(scope="module")
def languages():
    """A bank of two languages, the same bank as pictures and texts, and the encoders of both languages."""
    random = torch.Generator().manual_seed(0)
    meaning = torch.randn(60, 6, generator=random)
    z = {side: meaning @ torch.randn(6, d, generator=random) + 1 for side, d in (("english", 8), ("german", 7))}
    encoders = {s: Dictionary(external_identity("text", s, rows.shape[1]), WORDS, rows) for s, rows in z.items()}
    two = AnchorBank.from_embeddings(*z.values(), WORDS, sides=tuple(z), encoders=tuple(encoders.values()))
    return two, AnchorBank.from_embeddings(*z.values(), WORDS), encoders


@pytest.mark.parametrize("options", [{}, {"center": False}, {"hubs": 0.5, "whiten": 0.8}])
def test_two_languages_have_the_scores_of_pictures_and_texts(languages, options):
    two, usual, encoders = languages
    z = two.matrix("english")[:5] + 0.1, two.matrix("german")[:4] - 0.1
    model = ASIF(two, 9, **options, device="cpu", encoders=encoders)
    same = ASIF(usual, 9, **options, device="cpu")
    assert torch.equal(model.similarity(*z), same.similarity(*z))
    answer, expected = (without(m, *z, [3, 4]) for m in (model, same))
    assert torch.equal(answer.scores, expected.scores) and set(answer.entered.side) <= {"english", "german"}
    scores = same.similarity(two.matrix("english")[:4], two.matrix("german")[:4])
    assert torch.equal(model.classify(WORDS[:4], WORDS[:4], templates=["{}"]).scores, scores)
    reasons = contributions(model.represent("english", WORDS[:1]), model.represent("german", WORDS[:1]), two.pairs)
    assert reasons.contribution.sum() == pytest.approx(scores[0, 0].item(), abs=1e-6)
    torch.testing.assert_close(familiarity(model, z[0]), familiarity(same, z[0]))
    english, german = two.matrix("english"), two.matrix("german")
    for search, asked, found in (("search_pictures", german, english), ("search_captions", english, german)):
        assert getattr(model, search)(WORDS[3]) == getattr(same, search)(asked[3])
        assert getattr(model, search)(WORDS[3], WORDS[2:9]) == getattr(same, search)(asked[3], found[2:9])


def test_two_languages_are_audited_and_explained_as_pictures_and_texts(languages):
    two, usual, encoders = languages
    pd.testing.assert_frame_equal(rank_pairs(two, 9), rank_pairs(usual, 9))
    model, same = ASIF(two, 9, device="cpu", encoders=encoders), ASIF(usual, 9, device="cpu")
    labels, prompts = WORDS[1:3], two.matrix("german")[1:3]
    z = two.matrix("english")[1:3].mean(dim=0, keepdim=True) + 0.1
    assert smallest_removal(model, z, labels, prompts=prompts) == smallest_removal(same, z, labels, prompts=prompts)
    curves = (faithfulness_curves(m, z, labels, prompts=prompts, steps=2, orders=1) for m in (model, same))
    assert next(curves).equals(next(curves))


def test_two_encoders_of_pictures_are_compared_and_take_prompts_as_embeddings_only(languages):
    usual, encoders = languages[1], (external_identity("image", "one", 8), external_identity("image", "two", 7))
    bank = AnchorBank.from_embeddings(usual.image, usual.text, WORDS, sides=("one", "two"), encoders=encoders)
    model, z = ASIF(bank, device="cpu"), (usual.image[:3], usual.text[:3])
    answer = model.classify(z[0], WORDS[:3], prompts=z[1])
    assert torch.equal(answer.scores, ASIF(usual, device="cpu").similarity(*z))
    with pytest.raises(ParameterError, match="are texts, and side 'two' of bank 'mine' has .* kind 'image'; pass"):
        model.classify(z[0], WORDS[:3])


def test_an_encoder_belongs_to_its_own_side_and_a_side_that_is_not_there_is_named(languages):
    two, _, encoders = languages
    with pytest.raises(IdentityError, match="was made by german"):
        ASIF(two, encoders={"german": encoders["english"]})
    with pytest.raises(AsifError, match="no side 'french'"):
        ASIF(two, encoders={"french": encoders["english"]})
    model = ASIF(two, device="cpu")
    with pytest.raises(AsifError, match=r"ASIF\(bank, encoders={'german': …}\)"):
        model.represent("german", ["word 1"])
