"""Corrections for hubs: inductive ones see no other question, transductive ones say that they do, and can harm."""

import pytest
import torch

from asif_lab import baselines
from asif_lab.corrections import (
    CORRECTIONS,
    Corrected,
    batch_z_scores,
    corrected,
    inverted_softmax,
    local_scaling,
    sinkhorn,
    z_scores,
)
from asif_lab.methods import METHODS, InverseHubness, SparseAnchors, WithKernelRidge, WithoutHubs, choose
from asif_lib import relative, sparse
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_recall, same_text

INDUCTIVE = [name for name, make in CORRECTIONS.items() if not make.transductive]
TRANSDUCTIVE = [name for name, make in CORRECTIONS.items() if make.transductive]
BASES = [SparseAnchors, METHODS["ridge"], METHODS["CSA"]]
VARIANTS = [make for name, make in METHODS.items() if name.startswith("ASIF,")]


@pytest.fixture(scope="module")
def split(stamps_bank):
    """Embeddings of 300 stamps to fit and 60 to ask, and which captions of these are equal."""
    order = torch.randperm(len(stamps_bank), generator=torch.Generator().manual_seed(0))[:360]
    image, text = stamps_bank.image[order].float(), stamps_bank.text[order].float()
    captions = stamps_bank.pairs.caption.iloc[order[300:].tolist()]
    return image[:300], text[:300], image[300:], text[300:], same_text(captions, captions)


def made(scores=4, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(6, scores, generator=random), torch.rand(50, scores, generator=random)


def test_the_formulas_by_hand():
    scores, bank = made()
    inverted = (3 * scores).exp() / (3 * bank).exp().sum(dim=0)
    torch.testing.assert_close(inverted_softmax(scores, bank, 3.0).exp(), inverted, rtol=1e-5, atol=0)
    torch.testing.assert_close(z_scores(scores, bank), (scores - bank.mean(0)) / bank.std(0, correction=0))
    torch.testing.assert_close(local_scaling(scores, bank, 2), 2 * scores - bank.sort(dim=0).values[-2:].mean(0))
    torch.testing.assert_close(batch_z_scores(scores).mean(0), torch.zeros(4), atol=1e-6, rtol=0)


def test_sinkhorn_gives_each_query_one_and_each_candidate_its_share():
    for shares, wanted in (None, torch.full((4,), 6 / 4)), (torch.tensor([1, 2, 3, 6]), torch.tensor([0.5, 1, 1.5, 3])):
        plan = sinkhorn(made()[0], beta=5.0, rounds=200, shares=shares).exp()
        torch.testing.assert_close(plan.sum(dim=1), torch.ones(6))
        torch.testing.assert_close(plan.sum(dim=0), wanted, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    "make", [*VARIANTS, *(corrected(base, CORRECTIONS[name]) for base in BASES for name in INDUCTIVE)]
)
def test_inductive_methods_give_a_question_the_same_scores_alone_and_in_a_batch(split, make):
    image, text, new_image, new_text, same = split
    method = make().fit(image, text)
    ways = method.both_ways(new_image, new_text)
    assert not method.transductive and mean_recall(ways, same) > 0.4
    lowest = -1 / 3 if make is WithKernelRidge else 0  # one third of its score is a cosine
    assert make not in VARIANTS or ((ways[0] >= lowest) & (ways[0] <= 1 + 1e-5)).all()
    torch.testing.assert_close(method.similarity(new_image[3:4], new_text), ways[0][3:4], rtol=1e-4, atol=1e-5)
    by_text = method.both_ways(new_image, new_text[5:6])[1]
    torch.testing.assert_close(by_text, ways[1][5:6], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRANSDUCTIVE)
@pytest.mark.parametrize("base", BASES)
def test_transductive_corrections_do_not_and_say_so(split, base, name):
    image, text, new_image, new_text, same = split
    method = Corrected(base(), CORRECTIONS[name]).fit(image, text)
    assert mean_recall(method.both_ways(new_image, new_text), same) > 0.4
    assert method.transductive and name.endswith("(transductive)")
    few, all_ = (method.similarity(new_image[:n], new_text)[:5] for n in (5, 60))
    assert (few - all_).abs().max() > 0.1
    with pytest.raises(ParameterError, match="fewer than two have a score; ask several, or use an inductive"):
        method.similarity(new_image[:1], new_text)


def test_the_bank_answers_without_its_own_anchor(split):
    image, text, *_ = split
    method = SparseAnchors(0.1, 2).fit(image, text)
    rest = [i for i in range(300) if i != 7]
    vectors = method._own("image", 300)
    assert 7 not in vectors.indices[7][vectors.values[7] > 0]
    without = SparseAnchors(30 / 299, 2).fit(image[rest], text[rest]).similarity(image[7:8], text[:1])
    torch.testing.assert_close(method.bank_to_texts(text[:1])[7:8], without, atol=0.03, rtol=0)  # but for the mean
    assert method.bank_to_pictures(image[:2]).shape == (300, 2)


def test_the_settings_of_a_correction_are_chosen_beside_those_of_its_method(split):
    image, text, *_ = split
    make = corrected(SparseAnchors, CORRECTIONS["Sinkhorn (transductive)"])
    assert make.transductive
    chosen = choose(make, image, text, [(range(200), range(200, 300))], share=0.1, p=2)
    assert chosen.settings["share"] == 0.1 and chosen.settings["p"] == 2
    assert chosen.table.beta.tolist() == [10.0, 20.0, 40.0]


@pytest.mark.parametrize("neutral", [InverseHubness(strength=0), WithoutHubs(removed=0), SparseAnchors(whiten=1)])
def test_a_variant_of_strength_zero_is_asif(split, neutral):
    image, text, new_image, new_text, _ = split
    plain, variant = (m.fit(image, text).similarity(new_image, new_text) for m in (SparseAnchors(), neutral))
    torch.testing.assert_close(plain, variant, atol=1e-4, rtol=0)


def test_the_largest_hubs_are_removed_and_no_other():
    """One anchor is the mean of all directions, so that it is near to every question."""
    random = torch.Generator().manual_seed(0)
    image = torch.randn(60, 12, generator=random).abs()
    text = torch.randn(60, 12, generator=random).abs()
    image[0], text[0] = torch.eye(12)[0] * 9, torch.eye(12)[0] * 9
    asif = SparseAnchors(0.2, 1).fit(image, text)
    own = [asif._own(side, 60) for side in ("image", "text")]
    counts = sum(torch.bincount(v.indices[v.values > 0], minlength=60) for v in own)
    method = WithoutHubs(0.2, 1, removed=1 / 60).fit(image, text)
    removed = (method.sides["image"].anchors == 0).all(dim=1).nonzero().squeeze(1)
    assert removed.tolist() == [int(counts.argmax())]
    vectors = method._vectors("image", image)
    assert not ((vectors.indices == removed) & (vectors.values > 0)).any()


@pytest.mark.parametrize("name", ["CSA", "ASIF, pictures whitened"])
def test_a_grid_finds_the_main_directions_of_a_split_once(name, monkeypatch):
    found, directions = [], relative.main_directions
    for module in (baselines, sparse):
        monkeypatch.setattr(module, "main_directions", lambda *rows: found.append(rows[0]) or directions(*rows))
    z = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    chosen = choose(METHODS[name], z, z.flip(1), [(range(40), range(40, 60)), (range(30), range(30, 60))])
    assert found == ([40, 40, 30, 30] if name == "CSA" else [40, 30])
    row = chosen.table.sample(random_state=0).drop(columns="value").to_dict("records")[0]
    alone = METHODS[name](**row).fit(z[:40], z.flip(1)[:40]).both_ways(z[40:], z.flip(1)[40:])
    other = METHODS[name](**row).fit(z[:30], z.flip(1)[:30]).both_ways(z[30:], z.flip(1)[30:])
    values = [mean_recall(ways, torch.eye(len(ways[0]), dtype=torch.bool)) for ways in (alone, other)]
    value = chosen.table[(chosen.table[list(row)] == list(row.values())).all(axis=1)].value.item()
    assert value == pytest.approx(sum(values) / 2)
