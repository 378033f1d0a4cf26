"""What the model would say without some anchors is what a model without them says."""

import zlib
from dataclasses import replace
from functools import cache
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch

from asif_lib import ASIF, AnchorBank, method
from asif_lib.errors import ParameterError
from asif_lib.explain.contribution import contributions
from asif_lib.explain.counterfactual import smallest_removal, without
from asif_lib.explain.faithfulness import area_between, faithfulness_curves
from asif_lib.explain.removals import Rebuilds, Removals
from asif_lib.zeroshot import make_prompts

LABELS = ["one", "two", "three"]
PLAIN = ("{}",)


def anchor_of(text):
    return zlib.crc32(text.encode()) % 24  # of the anchors that every bank here has


class Model(ASIF):
    """A model whose text encoder says of every text nearly what a certain caption says."""

    def embeddings(self, side, items, **options):
        if isinstance(items, list) and side == "text":
            return torch.stack([self.bank.text[anchor_of(text)] for text in items]) + 0.1
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
    return shares @ bank.image[[anchor_of(label) for label in LABELS]]


def rest_of(bank, removed):
    return bank.subset([i for i in range(len(bank)) if i not in set(removed)])


@pytest.mark.parametrize("options", [{"hubs": 0.5}, {"whiten": 0.8}, {"hubs": 0.25, "whiten": 0.5}])
def test_a_model_that_corrects_or_whitens_is_explained_and_answers_without_anchors(stamps_bank, options):
    bank, image, text = stamps_bank.subset(slice(0, 300)), stamps_bank.image[300:303], stamps_bank.text[300:303]
    model = ASIF(bank, 30, 2, **options, device="cpu")
    removed = [*range(0, 300, 3)]
    rebuilt = ASIF(rest_of(bank, removed), 30, 2, **options, device="cpu")
    answer = without(model, image, text, removed)
    assert torch.equal(answer.scores, rebuilt.similarity(image, text))
    reasons = contributions(model.images(image[:1]), model.texts(text[:1]))
    assert reasons.contribution.sum() == pytest.approx(answer.before[0, 0].item(), abs=1e-6)
    sets = torch.rand(3, 300, generator=torch.Generator().manual_seed(0)) < 0.1
    scores, ties = Rebuilds(model, image[:1], text, torch.arange(300), 300).scores(sets)
    for gone, row, tie in zip(sets, scores, ties, strict=True):
        exact = without(model, image[:1], text, gone.nonzero()[:, 0].tolist()).scores[0]
        assert tie or torch.allclose(row.float(), exact, atol=2e-6, rtol=0)
    assert not ties.all()


def test_without_equals_a_rebuild_bit_for_bit_on_200_random_removals(stamps_bank):
    random = np.random.default_rng(0)
    eye, ear = replace(stamps_bank.image_encoder, dim=150), replace(stamps_bank.text_encoder, dim=50)
    image, text = stamps_bank.image[:, :150], stamps_bank.text[:, :50]
    narrow = stamps_bank.replace(image=image, text=text, image_encoder=eye, text_encoder=ear)
    settings = [(True, 30, 2), (False, 30, 2), (True, 100, 8), (False, 7, 1.5)]
    for (center, k, p), (stamps, times) in product(settings, [(stamps_bank, 5), (narrow, 45)]):  # 200 in all
        bank = stamps.subset(slice(0, 300))
        model = ASIF(bank, k, p, center=center, device="cpu")
        for _ in range(times):
            removed = random.choice(300, random.integers(1, 200), replace=False).tolist()
            rows = random.choice(range(300, 793), 3)
            image, text = stamps.image[rows], stamps.text[rows]
            answer = without(model, image, text, removed)
            rebuilt = ASIF(rest_of(bank, removed), k, p, center=center, device="cpu")
            images = rebuilt.images(image)
            assert torch.equal(answer.scores, rebuilt.similarity(images, text))
            names = torch.tensor([i for i in range(300) if i not in set(removed)])
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


def test_without_the_time_for_all_sets_less_is_proven(monkeypatch):
    model = Model(make_bank(), 6)
    z = pictures(model.bank, 1, 23)
    proven = []
    for most in (2_000, 1_000, 100, 10):  # scores for all pairs, the candidates' pairs, all anchors, and for less
        monkeypatch.setattr("asif_lib.explain.counterfactual.MOST_SCORES", most)
        answer = smallest_removal(model, z, LABELS)
        assert answer.after != answer.before
        outside = not set(answer.anchors) <= set(answer.candidates)
        proven.append((answer.method, len(answer), answer.at_least, outside))
    assert proven == [("exact", 2, 2, True), ("exact", 2, 2, False), ("greedy", 3, 2, False), ("greedy", 3, 1, False)]


def rebuilt_best(bank, k, options, z, prompts, reduce="mean"):
    """A function of removed anchors: the labels with the best score of a rebuilt bank; two may tie."""

    @cache
    def best(removed):
        rest = ASIF(rest_of(bank, removed), k, **options, device="cpu")
        scores = rest.similarity(z, prompts).unflatten(1, (3, -1))
        scores = (scores.mean(dim=2) if reduce == "mean" else scores.amax(dim=2))[0]
        return {label for label, score in zip(LABELS, scores, strict=True) if score >= scores.max() - 1e-6}

    return best


@pytest.mark.parametrize("options", [{"hubs": 0.5}, {"whiten": 0.5}, {"hubs": 0.25, "whiten": 0.8}])
@pytest.mark.parametrize("distinct", [None, 8])
def test_no_smaller_set_of_any_anchors_turns_a_model_with_hubs_or_whitening(options, distinct):
    """Brute force over rebuilt banks, also where captions are there three times."""
    sizes = []
    for seed in range(2):
        bank = make_bank(seed=seed, distinct=distinct)
        model, z = Model(bank, 4, **options), pictures(bank, 1, seed)
        answer = smallest_removal(model, z, LABELS, templates=PLAIN)
        best = rebuilt_best(bank, 4, options, z, model.embeddings("text", LABELS))
        assert answer.before in best(()) and (answer.method == "none" or best(answer.anchors) != {answer.before})
        assert answer.method != "none" or answer.at_least > 2
        for size in range(1, min(answer.at_least, 3)):
            assert all(answer.before in best(s) for s in combinations(range(24), size))
        sizes.append(answer.at_least)
    assert max(sizes) > 1


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_the_smallest_removal_is_what_trying_all_rebuilds_gives(center, reduce):
    sizes, outside = [], set()
    for seed in (0, 1, 2, 5, 43):
        bank = make_bank(seed=seed)
        model = Model(bank, 5, center=center)
        z, templates = pictures(bank, 1, seed), ("{}", "a {}")
        answer = smallest_removal(model, z, LABELS, templates=templates, reduce=reduce)

        prompts = model.embeddings("text", make_prompts(LABELS, templates))

        def best(scores):
            """The labels with the best score; two prompts can mean the same captions, and then labels tie."""
            scores = scores.unflatten(1, (3, 2))
            scores = (scores.mean(dim=2) if reduce == "mean" else scores.amax(dim=2))[0]
            return {label for label, score in zip(LABELS, scores, strict=True) if score >= scores.max() - 1e-6}

        def best_without(removed, bank=bank, z=z, prompts=prompts):
            """By the method in its plainest form."""
            sides = zip((z, prompts), method.without(list(removed), bank.image, bank.text), strict=True)
            cosines = (method.relative(*(method.centre(*side) if center else side)) for side in sides)
            return best(method.scores(*(method.sparsify(one, 5, 2) for one in cosines)))

        scores = model.classify(z, LABELS, templates=templates, reduce=reduce).scores[0]
        of_best_two = [2 * label + i for label in scores.topk(2).indices.tolist() for i in range(2)]
        vectors = model.images(z), model.texts(prompts[of_best_two])
        assert set(answer.candidates) == {i for v in vectors for i in v.indices[v.values > 0].tolist()}
        for removed in ([], answer.anchors):
            rebuilt = ASIF(rest_of(bank, removed), 5, center=center, device="cpu")
            assert best(rebuilt.similarity(z, prompts)) == best_without(removed)
        assert answer.before in best_without([]) and answer.after in best_without(answer.anchors)
        assert (answer.after != answer.before) == (answer.method != "none")
        for size in range(1, min(answer.at_least, 3)):
            assert all(answer.before in best_without(s) for s in combinations(range(24), size))
        if answer.method == "exact":
            assert len(answer) == answer.at_least
            sizes.append(len(answer))
            outside |= set(answer.anchors) - set(answer.candidates)
    assert sizes and (outside or not center)  # an anchor outside every top k moves the mean, and so the label


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
    assert (answer.method, answer.anchors, answer.candidates) == ("exact", (3, 14), (3,))
    assert answer.after is None
    alone = Removals(model, bank.image[[3]], prompts, torch.tensor([3]), 2)
    exact = without(model, bank.image[[3]], prompts, [3]).scores
    torch.testing.assert_close(alone.scores(torch.tensor([[True]]))[0].float(), exact, atol=1e-6, rtol=0)


Z = pictures(make_bank(), 1)


@pytest.mark.parametrize(
    "call, words",
    [
        *((lambda model, texts, gone=gone: without(model, Z, texts, gone), words) for gone, words in (
            (range(24), "0 are left"), (range(20), "4 are left, fewer than the k = 6"), ([-1], "anchor -1"),
            (iter([3, 24]), "anchor 24 is not in the bank, whose anchors are 0 to 23"),
            ([1.5], "anchor 1.5"), ([float("nan")], "anchor nan"),
            ([3, 4, 3], "anchor 3 is named twice"))),
        (lambda model, texts: without(model, Z * torch.nan, texts, [1]), "NaN"),
        (lambda model, texts: without(model, model.images(Z), texts, [1]), "SparseVectors"),
        (lambda model, _: smallest_removal(model, Z, ["one"]), "two labels or more"),
        (lambda model, _: smallest_removal(model, Z[[0, 0]], LABELS), "one picture at a time"),
        (lambda model, _: smallest_removal(model, Z, LABELS, reduce="median"), "reduce = 'median'"),
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


def test_anchors_in_order_of_contribution_matter_more_than_at_random(stamps_bank, text_encoder):
    model = ASIF(stamps_bank.subset(slice(0, 760)), text_encoder=text_encoder, device="cpu")
    table = faithfulness_curves(model, stamps_bank.image[760:772], ["fish", "bird", "flower", "car"], steps=5, orders=3)
    areas = area_between(table)
    assert areas["deletion"].low > 0 and areas["insertion"].low > 0
    assert areas["deletion"].n == 12


def test_a_random_order_has_no_area():
    curves = {"deletion": lambda f: 1 - f, "insertion": lambda f: f}
    ways = product(range(3), curves, ("contribution", "random"), np.linspace(0, 1, 5))
    rows = [(i, curve, order, 0, f, curves[curve](f)) for i, curve, order, f in ways]
    table = pd.DataFrame(rows, columns=["picture", "curve", "order", "repeat", "fraction", "score"])
    assert area_between(table)["deletion"].value == area_between(table)["insertion"].value == 0
    better = (table.order == "contribution") & (table.curve == "deletion") & table.fraction.between(0.1, 0.9)
    table.loc[better, "score"] -= 0.2
    assert area_between(table)["deletion"].value == pytest.approx(0.15)
