"""The baselines recover what they can express, and stand where the model stands."""

import pytest
import torch
from sklearn.model_selection import KFold

from asif_lab.baselines import CanonicalCorrelation, CanonicalSimilarity, Procrustes, Ridge, TextHead, TwoHeads
from asif_lab.methods import METHODS, choose
from asif_lib.errors import ParameterError
from asif_lib.evaluation.measures import mean_recall

ALL = pytest.mark.parametrize("make", METHODS.values(), ids=list(METHODS))
COARSE = ["nearest anchor", "label transfer", "label transfer, both ways", "relative", "ASIF"]
"""They describe a picture by its neighbours, and cannot express a map exactly."""


def world(relation, n=400, q=40, seed=0):
    """Pairs that share 8 hidden numbers: n to fit, q to test; (image, text, image, text)."""
    random = torch.Generator().manual_seed(seed)
    hidden = torch.nn.functional.normalize(torch.randn(n + q, 8, generator=random), dim=1)
    if relation == "rotated":
        image, text = hidden, hidden @ turn(8, random)
    elif relation == "stretched":  # the main directions of the two are not in the same order
        scale = torch.linspace(0.5, 1.5, 8)
        image, text = hidden * scale, hidden * scale.roll(3)
    elif relation == "linear":
        image = hidden @ torch.randn(8, 24, generator=random)
        text = hidden @ torch.randn(8, 16, generator=random)
    else:
        image, text = torch.randn(n + q, 24, generator=random), torch.randn(n + q, 16, generator=random)
    return image[:n], text[:n], image[n:], text[n:]


def turn(d, random):
    return torch.linalg.qr(torch.randn(d, d, generator=random))[0]


def recall(baseline, relation):
    image, text, new_image, new_text = world(relation)
    scores = baseline.fit(image, text).similarity(new_image, new_text)
    return (scores.argmax(dim=1) == torch.arange(len(new_image))).float().mean().item()


@ALL
def test_a_rotation_is_recovered_and_where_nothing_is_shared_nothing_is_found(make):
    assert recall(make(), "rotated") > (0.3 if make in [METHODS[name] for name in COARSE] else 0.95)
    assert recall(make(), "unrelated") < 0.2


@pytest.mark.parametrize("make", [Ridge, CanonicalCorrelation, CanonicalSimilarity, TextHead, TwoHeads])
def test_a_linear_relation_is_recovered(make):
    assert recall(make(**({"shrinkage": 0.01} if issubclass(make, CanonicalCorrelation) else {})), "linear") > 0.8


@ALL
@pytest.mark.parametrize("n", [12, 400])
def test_scores_are_cosines_the_same_alone_in_a_batch_and_after_another_fit(make, n):
    image, text, new_image, new_text = world("linear", n)
    method = make().fit(image, text)
    scores = method.similarity(new_image, new_text[:7])
    assert (scores.shape, scores.dtype, scores.requires_grad) == ((40, 7), torch.float32, False)
    assert torch.isfinite(scores).all() and scores.abs().max() <= 1 + 1e-5
    torch.testing.assert_close(method.similarity(new_image[3:4], new_text[:7]), scores[3:4])
    torch.manual_seed(1)  # the training draws from its own seed
    assert torch.equal(make().fit(image, text).similarity(new_image, new_text[:7]), scores)
    assert not method.transductive


@pytest.mark.parametrize("name", ["ASIF", "Procrustes", "CSA", "relative", "label transfer", "ridge"])
def test_a_rotation_and_a_shift_of_one_encoder_change_no_score(name):
    random = torch.Generator().manual_seed(1)
    image, text, new_image, new_text = world("linear")
    rotation, shift = turn(24, random), torch.randn(24, generator=random)
    scores = [
        METHODS[name]().fit(z, text).similarity(new_z, new_text)
        for z, new_z in [(image, new_image), (image @ rotation + shift, new_image @ rotation + shift)]
    ]
    torch.testing.assert_close(*scores, atol=1e-4, rtol=0)


@ALL
def test_pairs_that_are_none_are_refused(make):
    image, text, _, _ = world("linear", n=12)
    with pytest.raises(ParameterError, match="12 pictures and 11 texts are not pairs"):
        make().fit(image, text[:11])
    with pytest.raises(ParameterError, match="not of one space"):
        make().fit(image, text).similarity(text, text)


def test_full_shrinkage_takes_the_directions_of_the_largest_covariance():
    """With s = 1 both sides keep their own scale: CCA is the SVD of the cross-covariance (partial least squares)."""
    image, text, new_image, new_text = world("linear")
    scores = CanonicalCorrelation(4, 1.0).fit(image, text).similarity(new_image, new_text)
    rows = [torch.nn.functional.normalize(z - z.mean(dim=0), dim=1) for z in (image, text)]
    a, b = (z - z.mean(dim=0) for z in rows)
    left, _, right = torch.linalg.svd(a.T @ b)
    new = [
        torch.nn.functional.normalize(z - old.mean(dim=0), dim=1) @ m[:, :4]
        for z, old, m in [(new_image, image, left), (new_text, text, right.T)]
    ]
    expected = torch.nn.functional.cosine_similarity(new[0][:, None], new[1], dim=2)
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "call, words",
    [
        *((lambda image, text, s=s: CanonicalCorrelation(shrinkage=s).fit(image, text), "above 0 and at most 1")
          for s in (0, 1.5, float("nan"))),
        *((lambda image, text, s=s: METHODS["ASIF"](s).fit(image, text), "k is a share of the anchors, above 0")
          for s in (0, 2.0)),
        (lambda image, text: TextHead().fit(image[:1], text[:1]), "one pair"),
        *((lambda image, text, s=s: choose(Ridge, image, text, s), "splits that hold pairs")
          for s in ([], [(range(5), [])])),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_or_chosen_is_refused(call, words):
    with pytest.raises(ParameterError, match=words):
        call(*world("linear", n=12)[:2])


@pytest.mark.parametrize("make", [TextHead, TwoHeads])
def test_training_stops_at_the_best_epoch_of_the_validation_pairs(make):
    image, text, *asked = world("linear", n=60)
    stopped = make(epochs=80).fit(image, text, validation=asked)
    assert 1 <= stopped.epochs < 80
    again = make(epochs=stopped.epochs).fit(image, text)  # the same heads, without validation pairs
    assert torch.equal(stopped.similarity(*asked), again.similarity(*asked))


def test_training_locks_the_pictures_of_lit_only():
    image, text, *_ = world("linear", n=60)
    for make, locked in [(TextHead, True), (TwoHeads, False)]:
        heads = [make(epochs=epochs).fit(image, text).heads[0] for epochs in (1, 9)]
        assert torch.equal(*heads) == locked


def test_the_settings_with_the_best_recall_are_chosen_and_reported():
    assert recall(Procrustes(), "stretched") > 0.6  # it turns pictures onto texts, and not the other way
    image, text, *_ = world("stretched", n=120)
    chosen = choose(Procrustes, image, text, KFold(3, shuffle=True, random_state=0).split(image))
    assert chosen.settings == {"dim": 32}  # all are cut to 8, and the first of equals wins
    assert list(chosen.table) == ["dim", "value"] and len(chosen.table) == 5
    one = Procrustes(32).fit(image[:80], text[:80]).both_ways(image[80:], text[80:])
    fixed = choose(Procrustes, image, text, [(range(80), range(80, 120))])
    assert fixed.value == mean_recall(one, torch.eye(40, dtype=torch.bool))


def test_of_settings_that_differ_in_the_last_bit_the_first_is_chosen(monkeypatch):
    values = iter([0.6122222222222221, 0.6122222222222222, 0.59])
    monkeypatch.setattr("asif_lab.methods.mean_recall", lambda *_: next(values))
    monkeypatch.setattr(Procrustes, "GRID", {"dim": (8, 4, 2)})
    image = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    assert choose(Procrustes, image, image, [(range(40), range(40, 60))]).settings == {"dim": 8}


def test_a_training_is_chosen_with_its_epochs():
    image, text, *_ = world("linear", n=60)
    settings = choose(TwoHeads, image, text, [(range(40), range(40, 60))]).settings
    assert set(settings) == {"dropout", "epochs"}
    asked = image[40:], text[40:]
    assert settings["epochs"] == TwoHeads(settings["dropout"]).fit(image[:40], text[:40], validation=asked).epochs
