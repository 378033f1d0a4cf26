"""The bank that a reader teaches on its page: it decides as the library does with the same rows."""

import base64

import numpy as np
import pytest
import torch
from drawn_pages import DESKTOP, opened

from asif_book.walk.building import bank_page
from asif_lib import ASIF, AnchorBank

DECIDE = """cases => cases.map(({ added, z, sentences, gone, k, p, ...corrections }) => {
    const read = (text) => new Float32Array(bytesOf(text).buffer);
    sides.forEach((side, i) => side.extend(added.map((pair) => read(pair[i]))));
    const texts = sentences.map((text) => question(sides[1], read(text)));
    const { scores, best } = decide(sides, question(sides[0], read(z)), texts, new Set(gone), k, p, corrections);
    return { scores, best };
})"""


@pytest.fixture(scope="module")
def page(stamps_bank, tmp_path_factory):
    """The page of the stamps, without encoders."""
    file = tmp_path_factory.mktemp("teach") / "bank.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asif_book.walk.building.QUESTIONS", 10)
        bank_page(stamps_bank, file, own=False)
    return file


@pytest.fixture
def tab(browser, page):
    """The page on a desk; nothing on it must complain."""
    tab = opened(browser, page, DESKTOP, reduced_motion="reduce")
    tab.wait_for_function("typeof now !== 'undefined' && now !== null")
    yield tab
    assert tab.complaints == []
    tab.context.close()


def new_rows(draw, matrix, count):
    """Embeddings of pictures, or sentences, that are like those of a bank, (count, d) float32."""
    near = matrix[draw.integers(0, len(matrix), count)]
    return (near + draw.normal(size=near.shape) * matrix.std(axis=0)).astype("f4")


def drawn_case(draw, matrices):
    """A question to the stamps with up to six pairs more, of which some are the same, and any number of anchors out."""
    n, added = len(matrices[0]), draw.integers(0, 7)
    pairs = [new_rows(draw, matrix, added) for matrix in matrices]
    for rows in pairs:
        rows[1 : 1 + added // 3] = rows[:1]  # a tie
    left = min(n + added, draw.choice([0, 1, 2, 3, 12, 40, 150, n, n]))
    stay = draw.permutation(n + added)[:left]
    if draw.random() < 0.2:  # all of the bank's own are out
        stay = np.arange(n, n + added)
    whiten = draw.choice([1, 0.8, 0.3]) if len(stay) < 200 or draw.random() < 0.1 else 1
    hubs = draw.choice([0, 0.5, 1]) if len(stay) > 10 else 0
    return {
        "added": pairs, "z": new_rows(draw, matrices[0], 1), "sentences": new_rows(draw, matrices[1], 2),
        "gone": np.setdiff1d(np.arange(n + added), stay).tolist(), "k": int(draw.choice([1, 5, 20, 79])),
        "p": float(draw.choice([1, 2, 2.5, 8])), "hubs": float(hubs), "whiten": float(whiten),
    }  # fmt: skip


def library(matrices, case):
    """The scores of a case, (2,), by a bank that is built of the rows that stay; 0 without any."""
    rows = [np.delete(np.concatenate(both), case["gone"], 0) for both in zip(matrices, case["added"], strict=True)]
    left = len(rows[0])
    if not left:
        return torch.zeros(2)
    bank = AnchorBank.from_embeddings(*rows, ["a stamp"] * left)
    settings = {"hubs": case["hubs"], "whiten": None if case["whiten"] == 1 else case["whiten"]}
    model = ASIF(bank, min(case["k"], left), case["p"], device="cpu", **settings)
    return model.similarity(case["z"], case["sentences"])[0]


def sent(rows, scale):
    """Rows as the page reads them, in its scale."""
    return [base64.b64encode((row * scale).astype("<f4").tobytes()).decode() for row in rows]


def test_a_bank_that_is_taught_decides_as_the_library_does(tab, stamps_bank):
    draw, matrices = np.random.default_rng(0), [stamps_bank.matrix(side).numpy() for side in stamps_bank.sides]
    scales = [256 / np.abs(matrix).max() for matrix in matrices]
    cases, given = [drawn_case(draw, matrices) for _ in range(200)], []
    for case in cases:
        pairs = zip(*map(sent, case["added"], scales), strict=True)
        [z], sentences = sent(case["z"], scales[0]), sent(case["sentences"], scales[1])
        given.append(case | {"added": list(pairs), "z": z, "sentences": sentences})
    answers = tab.evaluate(DECIDE, given)
    page, right = (torch.tensor([[*each] for each in them]) for them in (
        [answer["scores"] for answer in answers], [library(matrices, case).tolist() for case in cases]
    ))  # fmt: skip
    assert (page - right).abs().max() < 0.011
    best = torch.tensor([answer["best"] for answer in answers])
    assert (best[right.amax(dim=1) == 0] == -1).all() and (right.amax(dim=1) == 0).sum() > 10
    sure = right.diff(dim=1).abs()[:, 0] > 0.02
    assert sure.sum() > 60 and (best[sure] == right[sure].argmax(dim=1)).float().mean() >= 0.99
