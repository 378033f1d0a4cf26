"""The knob that takes deciding anchors away says what a model without them says."""

import numpy as np
import pytest

from asif_book.widgets import counterfactual_knob, counterfactual_step
from asif_lib import ASIF, embed
from asif_lib.errors import ParameterError
from asif_lib.explain.contribution import contributions
from asif_lib.zeroshot import make_prompts

LABELS = ["insect", "mathematical symbol", "bird", "tool"]
TEMPLATES = ("a photo of a {}.", "a {}.")


@pytest.fixture(scope="module")
def model(stamps_bank, stamps, image_encoder, text_encoder):
    bank = stamps_bank.subset(stamps.splits["train"])
    return ASIF(bank, device="cpu", image_encoder=image_encoder, text_encoder=text_encoder)


@pytest.fixture(scope="module")
def queries(stamps_bank, stamps):
    return stamps_bank.subset(stamps.splits["validation"])


@pytest.fixture(scope="module")
def spider(queries):
    return int(np.flatnonzero(queries.pairs.caption == "A spider.")[0])


def rebuilt_without(model, anchors):
    rest = model.bank.subset([i for i in range(len(model.bank)) if i not in anchors])
    return ASIF(rest, model.k, model.p, device="cpu", text_encoder=model.encoder("text"))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_step_says_what_a_rebuilt_bank_says(model, queries, spider, count):
    z = queries.image[[spider]]
    texts = embed(model.encoder("text"), make_prompts(LABELS, TEMPLATES), progress=False)
    given = model.classify(z, LABELS, templates=TEMPLATES).predicted
    prompts = model.texts(texts)[[2 * int(given), 2 * int(given) + 1]]
    gone = contributions(model.images(z), prompts, reduce="mean").anchor[:count].tolist()
    expected = rebuilt_without(model, gone).classify(z, LABELS, templates=TEMPLATES)
    figure, words = counterfactual_step(model, queries, texts, LABELS, spider, count, truth="insect")
    bars = figure.subfigs[0].axes[1].patches
    assert [bar.get_width() for bar in bars[:4]] == pytest.approx(expected.scores[0].tolist(), abs=1e-6)
    assert f"{expected.best[0]} {float(expected.scores.max()):.3f}" in words
    assert all(model.bank.pairs.caption[a].rstrip(".") in words for a in gone[:3])


def test_the_knob_turns_the_label_and_back(model, queries, spider):
    box = counterfactual_knob(model, queries, LABELS, row=spider, truth="insect")
    knob, answer = box.children
    before = answer.page.value
    assert knob.value == 0 and "with all anchors: “mathematical symbol”" in before
    knob.value = 1
    assert "turns from “mathematical symbol” to “insect”" in answer.page.value
    knob.value = knob.options[-1]  # every anchor that contributes
    assert "without" in answer.page.value and not answer.trouble.outputs
    knob.value = 0
    assert answer.page.value == before


def test_nothing_to_take_away_is_one_sentence(model, queries, spider):
    nowhere = model.bank.text_mean.repeat(2, 1)  # centred, it is like no caption
    with pytest.raises(ParameterError, match="nothing decides this picture"):
        counterfactual_step(model, queries, nowhere, LABELS[:2], spider, 0)
    texts = embed(model.encoder("text"), make_prompts(LABELS, TEMPLATES), progress=False)
    with pytest.raises(ParameterError, match="take away 0 to "):
        counterfactual_step(model, queries, texts, LABELS, spider, 400)
