"""The baselines recover what they can express, and stand where the model stands."""

import pytest
import torch

from asif_lib.evaluation.baselines import CanonicalCorrelation, NearestAnchorCaption, Procrustes, Ridge

ALL = [NearestAnchorCaption, Ridge, Procrustes, CanonicalCorrelation]


def world(relation, n=400, q=40, seed=0):
    """Pairs that share 8 hidden numbers: n to fit, q to test; (image, text, image, text)."""
    random = torch.Generator().manual_seed(seed)
    hidden = torch.nn.functional.normalize(torch.randn(n + q, 8, generator=random), dim=1)
    if relation == "rotated":
        image, text = hidden, hidden @ torch.linalg.qr(torch.randn(8, 8, generator=random))[0]
    elif relation == "stretched":  # the main directions of the two are not in the same order
        scale = torch.linspace(0.5, 1.5, 8)
        image, text = hidden * scale, hidden * scale.roll(3)
    elif relation == "linear":
        image = hidden @ torch.randn(8, 24, generator=random)
        text = hidden @ torch.randn(8, 16, generator=random)
    else:
        image, text = torch.randn(n + q, 24, generator=random), torch.randn(n + q, 16, generator=random)
    return image[:n], text[:n], image[n:], text[n:]


def recall(baseline, relation):
    image, text, new_image, new_text = world(relation)
    scores = baseline.fit(image, text).similarity(new_image, new_text)
    return (scores.argmax(dim=1) == torch.arange(len(new_image))).float().mean().item()


@pytest.mark.parametrize("make", ALL)
def test_a_rotation_is_recovered(make):
    assert recall(make(), "rotated") > (0.3 if make is NearestAnchorCaption else 0.95)


def test_procrustes_turns_pictures_onto_texts_and_not_the_other_way():
    assert recall(Procrustes(), "stretched") > 0.6


@pytest.mark.parametrize("make", [Ridge, CanonicalCorrelation])
def test_a_linear_relation_is_recovered(make):
    assert recall(make(), "linear") > 0.8


@pytest.mark.parametrize("make", ALL)
def test_where_nothing_is_shared_nothing_is_found(make):
    assert recall(make(), "unrelated") < 0.2


@pytest.mark.parametrize("make", ALL)
def test_scores_are_cosines_of_every_picture_with_every_text(make):
    image, text, new_image, new_text = world("linear")
    scores = make().fit(image, text).similarity(new_image, new_text[:7])
    assert scores.shape == (40, 7)
    assert torch.isfinite(scores).all()
    assert scores.abs().max() <= 1 + 1e-5
    assert not scores.requires_grad


@pytest.mark.parametrize("make", ALL)
def test_a_few_pairs_are_enough_to_run(make):
    image, text, new_image, new_text = world("linear", n=12)
    assert make().fit(image, text).similarity(new_image, new_text).shape == (40, 40)


@pytest.mark.parametrize("make", ALL)
def test_fitting_twice_gives_the_same(make):
    image, text, new_image, new_text = world("linear")
    scores = [make().fit(image, text).similarity(new_image, new_text) for _ in range(2)]
    torch.testing.assert_close(*scores)


def test_the_nearest_anchors_caption_speaks_for_the_picture():
    image, text, _, _ = world("linear", n=20)
    scores = NearestAnchorCaption().fit(image, text).similarity(image + 0.001, text)
    torch.testing.assert_close(scores.diagonal(), torch.ones(20))
