"""What the model would say without some anchors is what a model without them says."""

import zlib
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch

from asif_book.chapters.chapter_06.lessons import area_between, faithfulness_curves
from asif_lib import ASIF, AnchorBank, method
from asif_lib.errors import ParameterError
from asif_lib.explain.contribution import contributions
from asif_lib.explain.counterfactual import Decision, smallest_removal, without
from asif_lib.zeroshot import make_prompts

LABELS = ["one", "two", "three"]
PLAIN = ("{}",)


def anchor_of(text, bank):
    return zlib.crc32(text.encode()) % min(24, len(bank))


class Model(ASIF):
    """A model whose text encoder says of every text nearly what a certain caption says."""

    def embeddings(self, side, items, **options):
        if isinstance(items, list) and side == "text":
            return torch.stack([self.bank.text[anchor_of(text, self.bank)] for text in items]) + 0.1
        return super().embeddings(side, items, **options)


def make_bank(n=24, seed=0, distinct=None):
    """Pictures and captions that agree in part, with a large common part in all; every `distinct` captions repeat."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 6, generator=random)
    image = z @ torch.randn(6, 8, generator=random) + 2
    text = z @ torch.randn(6, 7, generator=random) + torch.randn(n, 7, generator=random) + 2
    text = text[torch.arange(n) % (distinct or n)]
    return AnchorBank.from_embeddings(image, text, [f"caption {i}" for i in range(n)])


def pictures(bank, q, seed=1):
    """Mixtures of the pictures of the three labels, so that each label has a claim."""
    shares = torch.rand(q, 3, generator=torch.Generator().manual_seed(seed))
    return shares @ bank.image[[anchor_of(label, bank) for label in LABELS]]


SETTINGS = [(30, 2, {}), (30, 2, {"center": False}), (60, 8, {}), (7, 1.5, {"center": False}), (30, 2, {"hubs": 0.5}),
            (30, 2, {"whiten": 0.8}), (30, 2, {"hubs": 0.25, "whiten": 0.5})]  # fmt: skip


@pytest.mark.parametrize("k, p, options", SETTINGS)
def test_without_equals_a_rebuild_bit_for_bit(stamps_bank, k, p, options):
    random, bank = np.random.default_rng(0), stamps_bank.subset(slice(0, 150))
    model = ASIF(bank, k, p, **options, device="cpu")
    for _ in range(3 if "whiten" in options else 20):
        removed = random.choice(150, random.integers(1, 90), replace=False).tolist()
        rows = random.choice(range(150, 793), 3)
        image, text = stamps_bank.image[rows], stamps_bank.text[rows]
        answer = without(model, image, text, removed)
        rebuilt = ASIF(bank.remove(bank.pairs.id[removed].tolist()), k, p, **options, device="cpu")
        images = rebuilt.images(image)
        assert torch.equal(answer.scores, rebuilt.similarity(images, text))
        names = torch.tensor([i for i in range(150) if i not in set(removed)])
        assert torch.equal(answer.images.indices.long(), names[images.indices.long()])
        assert torch.equal(answer.before, model.similarity(image, text))


@pytest.mark.parametrize("center", [True, False])
def test_what_enters_is_named(center):
    model = Model(make_bank(), 6, center=center)
    z = pictures(model.bank, 2)
    texts = model.embeddings("text", LABELS)
    gone = model.images(z).indices[0, :2].tolist()
    answer = without(model, z, texts, gone)
    for side, old, new in (("image", model.images(z), answer.images), ("text", model.texts(texts), answer.texts)):
        table = answer.entered[answer.entered.side == side]
        for row in range(len(old)):
            before, after = old.to_dense()[row], new.to_dense()[row]
            entered = set(((after > 0) & (before == 0)).nonzero()[:, 0].tolist())
            assert set(table[table.row == row].anchor) == entered
        for row, anchor, entry in zip(table.row, table.anchor, table.entry, strict=True):
            assert entry == new.to_dense()[row, anchor] > 0
    assert not set(answer.entered.anchor) & set(gone)
    assert len(answer.entered[(answer.entered.side == "image") & (answer.entered.row == 0)]) >= 2
    assert without(model, z, texts, []).entered.empty
    ids = model.bank.pairs.id[gone]
    for named in (ids, ids.to_numpy(), ids.tolist(), np.array(gone), torch.tensor(gone)):
        assert sorted(without(model, z, texts, named).removed) == sorted(gone)
        assert torch.equal(without(model, z, texts, named).scores, answer.scores)


def test_without_the_time_for_all_sets_less_is_proven(monkeypatch):
    model = Model(make_bank(), 6)
    z, found = pictures(model.bank, 1, 23), []
    candidates = set(Decision(model, z, model.prompts(LABELS), LABELS).candidates().tolist())
    for most in (2_000, 1_000, 100, 10):  # scores for all pairs, the candidates' pairs, all anchors, and for less
        monkeypatch.setattr("asif_lib.explain.counterfactual.MOST_SCORES", most)
        answer = smallest_removal(model, z, LABELS)
        assert answer.after != answer.before
        found.append((answer.method, len(answer), answer.at_least, set(answer.anchors) <= candidates))
    # an anchor outside every top k moves the mean, and so the label
    assert found == [("exact", 2, 2, False), ("exact", 2, 2, True), ("greedy", 3, 2, True), ("greedy", 3, 1, True)]


def without_by_the_method(bank, removed, asked, center):
    """Scores of a bank without these anchors, by the method in its plainest form."""
    sides = zip(asked, method.without(list(removed), bank.image, bank.text), strict=True)
    cosines = (method.relative(*(method.centre(*side) if center else side)) for side in sides)
    return method.scores(*(method.sparsify(one, 4, 2) for one in cosines))


@pytest.mark.parametrize("center", [True, False])
def test_no_smaller_set_of_any_anchors_turns_the_decision(center):
    """Brute force over all sets below the proven bound; with equal captions too, where labels may tie."""
    sizes, templates = [], ("{}", "a {}")
    for seed, distinct in ((0, None), (2, None), (1, 7)):
        bank = make_bank(14, seed, distinct)
        model, z = Model(bank, 4, center=center), pictures(bank, 1, seed)
        answer = smallest_removal(model, z, LABELS, templates=templates)
        asked = z, model.embeddings("text", make_prompts(LABELS, templates))

        def best(removed, bank=bank, asked=asked):
            found = without_by_the_method(bank, removed, asked, center).unflatten(1, (3, 2)).mean(dim=2)[0]
            return {label for label, score in zip(LABELS, found, strict=True) if score >= found.max() - 1e-6}

        assert answer.before in best(()) and (answer.after in best(answer.anchors) or answer.after is None)
        assert (answer.after != answer.before) == (answer.method != "none")
        for size in range(1, min(answer.at_least, 3)):
            assert all(answer.before in best(s) for s in combinations(range(14), size))
        assert answer.method != "exact" or len(answer) == answer.at_least
        sizes.append(answer.at_least)
    assert max(sizes) > 1


def test_what_can_change_nothing_says_none():
    """One label's prompt has every anchor, the other one's none."""
    bank = AnchorBank.from_embeddings(torch.eye(6) + 0.5, torch.eye(6) + 0.5, [*map(str, range(6))])
    model = ASIF(bank, 2, center=False)
    model.embeddings = lambda side, z, **_: z if side == "image" else torch.stack([torch.ones(6), -torch.ones(6)])
    answer = smallest_removal(model, torch.ones(1, 6), ["all", "none"])
    assert (answer.method, answer.anchors, answer.before, answer.after) == ("none", (), "all", "all")
    with pytest.raises(ParameterError, match="nothing decides this picture"):
        smallest_removal(model, -torch.ones(1, 6), ["all", "none"])


def test_fewer_candidates_than_a_set_may_remove():
    """A picture and its prompts that share their one anchor have one candidate."""
    bank = make_bank()
    model, prompts = ASIF(bank, 1, device="cpu"), bank.text[[3, 3]]
    answer = smallest_removal(model, bank.image[[3]], ["hen", "a hen"], prompts=prompts)
    assert (answer.method, answer.anchors) == ("exact", (3, 14))
    assert answer.after is None


Z = pictures(make_bank(), 1)


@pytest.mark.parametrize(
    "call, words",
    [
        *((lambda model, texts, gone=gone: without(model, Z, texts, gone), words) for gone, words in (
            (range(24), "0 are left"), (range(20), "4 are left, fewer than the k = 6"), ([-1], "anchor -1"),
            (iter([3, 24]), "anchor 24 is not in the bank, whose anchors are 0 to 23"),
            ([1.5], "anchor 1.5"), ([float("nan")], "anchor nan"), (3, "remove = 3: put a single anchor into a list"),
            *((kind([True, False]), "anchor .*True.* is not in") for kind in (list, np.array, torch.tensor)),
            ([3, 4, 3], "anchor 3 is named twice"), (["3", "owl"], "bank 'mine' has no pair owl"),
            (["3", "4", "3"], "no pair 3, or it is named twice"), (["3", 4], "anchor 3 is not in the bank"))),
        (lambda model, texts: without(model, Z * torch.nan, texts, [1]), "NaN"),
        (lambda model, texts: without(model, model.images(Z), texts, [1]), "SparseVectors"),
        (lambda model, _: smallest_removal(model, Z, ["one"]), "two labels or more"),
        *((lambda model, _, to=to: smallest_removal(Model(model.bank, 6, **to), Z, LABELS), "ASIF.bank. without them")
          for to in ({"hubs": 0.5}, {"whiten": 0.8})),
        (lambda model, _: smallest_removal(model, Z[[0, 0]], LABELS), "one picture at a time"),
        (lambda model, _: faithfulness_curves(model, Z[:0], LABELS), "no pictures"),
        (lambda model, _: faithfulness_curves(model, Z, ["one"]), "two labels or more"),
        (lambda model, _: faithfulness_curves(model, Z, LABELS, orders=0), "orders = 0"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_sentence(call, words):
    model = Model(make_bank(), 6)
    with pytest.raises(ParameterError, match=words) as error:
        call(model, model.embeddings("text", LABELS))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("n, k, distinct", [(200, 15, None), (60, 12, 15)])
def test_a_point_of_a_curve_is_the_score_without_these_anchors(n, k, distinct):
    """Where captions are there four times, which of them stays in the top k is as in a rebuild."""
    model = Model(make_bank(n, distinct=distinct), k)
    z, texts = pictures(model.bank, 4), model.embeddings("text", LABELS)
    table = faithfulness_curves(model, z, LABELS, templates=PLAIN, steps=5, orders=1)
    for i in range(4):
        scores = model.similarity(z[[i]], texts)[0]
        label = int(scores.argmax())
        anchors = contributions(model.images(z[[i]]), model.texts(texts)[[label]]).anchor.tolist()
        part = table[(table.picture == i) & (table.order == "contribution")]
        assert set(part.fraction) >= {0, 1}
        for row in part.itertuples():
            if row.curve == "insertion" and distinct:
                continue  # which of the equal captions comes first is open
            gone = anchors[: row.anchors] if row.curve == "deletion" else anchors[row.anchors :]
            exact = without(model, z[[i]], texts, gone).scores[0]
            assert row.score == pytest.approx(float(exact[label] / scores[label]), abs=1e-5)
            assert distinct or row.stays == (int(exact.argmax()) == label)


def test_a_random_order_has_no_area():
    curves = {"deletion": lambda f: 1 - f, "insertion": lambda f: f}
    ways = product(range(3), curves, ("contribution", "random"), np.linspace(0, 1, 5))
    rows = [(i, curve, order, 0, f, curves[curve](f)) for i, curve, order, f in ways]
    table = pd.DataFrame(rows, columns=["picture", "curve", "order", "repeat", "fraction", "score"])
    assert area_between(table)["deletion"].value == area_between(table)["insertion"].value == 0
    better = (table.order == "contribution") & (table.curve == "deletion") & table.fraction.between(0.1, 0.9)
    table.loc[better, "score"] -= 0.2
    assert area_between(table)["deletion"].value == pytest.approx(0.15)
