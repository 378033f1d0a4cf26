"""The page of a bank: in a real browser it decides as the library does, and every way to take an anchor out agrees."""

import random

import pytest
import torch
from drawn_pages import opened
from pages import barriers

from asif_book.walk import PageError, bank_page, building
from asif_lib import ASIF
from asif_lib.explain.counterfactual import without

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
ANSWERS = "states => states.map(({out, ...more}) => answer({...more, gone: new Set(out)}).scores)"


@pytest.fixture(scope="module")
def made(stamps_bank, tmp_path_factory):
    """The page of the stamps, and what it holds."""
    file = tmp_path_factory.mktemp("walk") / "bank.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "QUESTIONS", 40)
        return file, bank_page(stamps_bank, file, home="index.html")


def shown(browser, made, viewport=DESKTOP, ending="", **options):
    tab = opened(browser, made[0], viewport, reduced_motion="reduce", **options)
    if ending:
        tab.goto(made[0].as_uri() + ending)
    if options.get("java_script_enabled", True):
        tab.wait_for_function("typeof now !== 'undefined' && now !== null")
    return tab


def states(n, questions, words, count):
    """Random states of the page, with up to 30 anchors out."""
    draw = random.Random(0)
    for _ in range(count):
        question = draw.randrange(len(questions))
        others = [a for a in range(n) if a != questions[question]["row"]]
        yield {
            "question": question,
            "words": draw.choice([questions[question]["pair"], draw.sample(range(words), 2)]),
            "k": draw.choice([20, 50, 79, 79, 150, 400]),
            "p": draw.choice([1, 2, 2, 2.5, 4, 8]),
            "out": draw.sample(questions[question]["turns"], min(1, len(questions[question]["turns"])))
            + draw.sample(others, draw.choice([0, 1, 3, 30])),
        }


def test_the_page_decides_as_the_library_does(browser, made, stamps_bank, text_encoder):
    tab = shown(browser, made)
    questions, words = tab.evaluate("[bank.questions, bank.words]")
    prompts = text_encoder.encode([f"a photo of {word}." for word in words])
    given = [state | {"out": list(dict.fromkeys(state["out"]))} for state in states(793, questions, len(words), 500)]
    page = torch.tensor(tab.evaluate(ANSWERS, given))  # (500, 2)
    library = []
    for state in given:
        row = questions[state["question"]]["row"]
        model = ASIF(stamps_bank, state["k"], state["p"], device="cpu")
        out = [*state["out"], row]
        library.append(without(model, stamps_bank.image[[row]], prompts[state["words"]], out).scores[0])
    library = torch.stack(library)
    print((page - library).abs().max(), (page - library).abs().quantile(0.99))
    lead = library[:, 0] - library[:, 1]
    same = (page[:, 0] > page[:, 1]) == (lead > 0)
    print((~same).sum(), lead[~same])
    assert same.all()
