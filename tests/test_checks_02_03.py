"""Checks of chapters 02 and 03: right, not attempted, and the usual wrong solutions with fitting words."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from asif_lib import checks
from asif_lib.relative import relative_representation as relative


def neighbours(similarity, k, itself=False):
    similarity = similarity.clone()
    if not itself:
        similarity.fill_diagonal_(-torch.inf)
    return [set(row) for row in similarity.topk(k, dim=1).indices.tolist()]


def mutual(a, b, k):
    shared = zip(neighbours(a, k), neighbours(b, k), strict=True)
    return torch.tensor([len(x & y) / k for x, y in shared])


def mutual_with_itself(a, b, k):
    shared = zip(neighbours(a, k, True), neighbours(b, k, True), strict=True)
    return torch.tensor([len(x & y) / k for x, y in shared])


def mutual_with(a, b, k, diagonal=-torch.inf, first=0, last=0, share_of=0):
    """Places `first` to k + `last` of both lists, with this value on the diagonal (None: as it is)."""
    lists = []
    for similarity in (a.clone(), b.clone()):
        if diagonal is not None:
            similarity.fill_diagonal_(diagonal)
        lists.append(similarity.argsort(dim=1, descending=True)[:, first : k + last].tolist())
    return torch.tensor([len({*x} & {*y}) / (k + share_of) for x, y in zip(*lists, strict=True)])


def correlation_with_diagonal(a, b, order):
    upper = np.triu_indices(len(a))
    return float(np.corrcoef(a.numpy()[upper], b[order][:, order].numpy()[upper])[0, 1])


def jaccard(a, b, k):
    shared = zip(neighbours(a, k), neighbours(b, k), strict=True)
    return torch.tensor([len(x & y) / len(x | y) for x, y in shared])


def correlation(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    upper = np.triu_indices(len(a), 1)
    return float(np.corrcoef(a[upper], b[upper])[0, 1])


def shuffled(a, b, order):
    return correlation(a, b[order][:, order])


def coverage(z, a):
    return relative(z - a.mean(0), a - a.mean(0)).max(dim=1).values


def scaled(z, dim=1):
    return F.normalize(z, dim=dim)


def changed(z, a, m):
    return relative(z @ m, a @ m) - relative(z, a)


def centred(z, a):
    return relative(z - a.mean(0), a - a.mean(0))


RIGHT = {
    "check_mutual_neighbours": mutual,
    "check_shuffled_correlation": shuffled,
    "check_coverage": coverage,
    "check_relative_representation": lambda z, a: F.cosine_similarity(z[:, None], a[None], dim=2),
    "check_largest_change": lambda z, a, m: changed(z, a, m).abs().max().item(),
    "check_centred_representation": centred,
}
WRONG = [
    ("check_mutual_neighbours", mutual_with_itself, "its own nearest neighbour"),
    ("check_mutual_neighbours", lambda a, b, k: mutual(-a, -b, k), "k least similar"),
    ("check_mutual_neighbours", lambda a, b, k: k * mutual(a, b, k), "divide it by k"),
    ("check_mutual_neighbours", jaccard, "divide by k"),
    ("check_mutual_neighbours", lambda a, b, k: mutual(a, b, k).mean(), "one share for each stamp"),
    ("check_mutual_neighbours", lambda a, b, k: mutual(a, b, k).tolist()[:-1], "shape"),
    ("check_mutual_neighbours", mutual_with_itself, "each stamp as its own"),
    ("check_mutual_neighbours", lambda a, b, k: mutual_with(a, b, k, 0), "set the diagonal to 0"),
    ("check_mutual_neighbours", lambda a, b, k: mutual_with(a, b, k, None, 1, 1), "dropped the first"),
    ("check_mutual_neighbours", lambda a, b, k: mutual_with(a, b, k, None, 0, 1), "k + 1 places"),
    ("check_mutual_neighbours", lambda a, b, k: mutual_with(a, b, k, None, 0, 1, 1), "k + 1 places"),
    ("check_mutual_neighbours", lambda a, b, k: mutual_with(a, b, k, last=1), "k + 1 neighbours"),
    ("check_mutual_neighbours", lambda a, b, k: mutual_with(a, b, k, last=1, share_of=1), "k + 1 neighbours"),
    ("check_mutual_neighbours", lambda a, b, k: a.topk(k, dim=1), ".indices"),
    ("check_shuffled_correlation", lambda a, b, order: correlation(a, b), "order has no effect"),
    ("check_shuffled_correlation", lambda a, b, order: correlation(a, b[order]), "only the rows"),
    ("check_shuffled_correlation", lambda a, b, order: correlation(a, b[:, order]), "only the columns"),
    (
        "check_shuffled_correlation",
        lambda a, b, order: shuffled(a[order][:, order], b, order),
        "pictures and captions alike",
    ),
    (
        "check_shuffled_correlation",
        lambda a, b, order: np.corrcoef(a.ravel(), b[order][:, order].ravel())[0, 1],
        "diagonal",
    ),
    ("check_shuffled_correlation", correlation_with_diagonal, "offset=1"),
    ("check_shuffled_correlation", lambda a, b, order: None, "return"),
    ("check_coverage", lambda z, a: relative(z, a).amax(1), "mean off"),
    ("check_coverage", lambda z, a: centred(z, a).amax(0), "wrong axis"),
    ("check_coverage", lambda z, a: relative(z - z.mean(0), a - a.mean(0)).amax(1), "mean of `z`"),
    ("check_coverage", lambda z, a: ((z - a.mean(0)) @ (a - a.mean(0)).T).amax(1), "dot products"),
    ("check_coverage", lambda z, a: centred(z, a).mean(1), "nearest one"),
    ("check_coverage", lambda z, a: centred(z, a).argmax(1), "how similar"),
    ("check_coverage", lambda z, a: centred(z, a).max(1), ".values or .indices"),
    ("check_coverage", lambda z, a: centred(z, a).topk(1, dim=1), ".values or .indices"),
    ("check_relative_representation", lambda z, a: z @ a.T, "dot products"),
    ("check_relative_representation", lambda z, a: scaled(z) @ a.T, "not those of the anchors"),
    ("check_relative_representation", lambda z, a: z @ scaled(a).T, "not those of `z`"),
    ("check_relative_representation", lambda z, a: scaled(z, 0) @ scaled(a, 0).T, "columns, not rows"),
    ("check_relative_representation", lambda z, a: relative(z, a).T, "transposed"),
    ("check_relative_representation", torch.cdist, "distances"),
    ("check_largest_change", lambda z, a, m: (relative(z @ m, a) - relative(z, a)).abs().max(), "`z` alone"),
    (
        "check_largest_change",
        lambda z, a, m: (relative(z, a @ m) - relative(z, a)).abs().max(),
        "anchors alone",
    ),
    (
        "check_largest_change",
        lambda z, a, m: (relative(z @ m, a @ m.T) - relative(z, a)).abs().max(),
        "other way round",
    ),
    (
        "check_largest_change",
        lambda z, a, m: (relative((m @ z.T).T, (m @ a.T).T) - relative(z, a)).abs().max(),
        "transpose",
    ),
    ("check_largest_change", lambda z, a, m: 0.0, "always gives 0"),
    ("check_largest_change", lambda z, a, m: changed(z, a, m).abs().mean(), "took the mean"),
    ("check_largest_change", lambda z, a, m: changed(z, a, m).max(), "absolute value"),
    ("check_largest_change", lambda z, a, m: ((z @ m) @ (a @ m).T - z @ a.T).abs().max(), "dot products"),
    ("check_centred_representation", relative, "common part in"),
    ("check_centred_representation", lambda z, a: relative(z - a.mean(0), a), "off `z` only"),
    ("check_centred_representation", lambda z, a: relative(z, a - a.mean(0)), "anchors only"),
    (
        "check_centred_representation",
        lambda z, a: relative(z - z.mean(0), a - a.mean(0)),
        "each set's own mean",
    ),
    (
        "check_centred_representation",
        lambda z, a: (scaled(z) - scaled(a).mean(0)) @ (scaled(a) - scaled(a).mean(0)).T,
        "no cosines",
    ),
    (
        "check_centred_representation",
        lambda z, a: relative(z - z.mean(1, keepdim=True), a - a.mean(1, keepdim=True)),
        "coordinates of each row",
    ),
]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_solution_written_another_way_passes(name):
    assert getattr(checks, name)(RIGHT[name]).status == "right"


def test_no_verdict_of_exercise_02_1_calls_a_stamp_a_pair():
    messages = [checks.check_mutual_neighbours(s).message for name, s, _ in WRONG if name == "check_mutual_neighbours"]
    assert messages
    assert not [message for message in messages if "pair" in message]


@pytest.mark.parametrize("name", RIGHT)
def test_the_stub_is_not_attempted(name):
    def stub(*arguments):
        raise NotImplementedError("your turn")

    assert getattr(checks, name)(stub).status == "not attempted"


@pytest.mark.parametrize("name, solution, words", WRONG)
def test_a_wrong_solution_is_told_what_is_wrong(name, solution, words):
    verdict = getattr(checks, name)(solution)
    assert verdict.status == "wrong"
    assert words in verdict.message


@pytest.mark.parametrize("name", RIGHT)
def test_changing_the_input_in_place_is_noticed(name):
    def in_place(*arguments):
        result = RIGHT[name](*arguments)
        arguments[0].mul_(2)
        return result

    assert "changed its input" in getattr(checks, name)(in_place).message


def test_measures_of_chapter_02_on_cases_known_by_hand():
    line = torch.tensor([0.0, 1.0, 3.0, 7.0])
    near = -(line[:, None] - line[None]).abs()
    assert checks.mutual_neighbours(near, near, 2).tolist() == [1, 1, 1, 1]
    reverse = near[[3, 2, 1, 0]][:, [3, 2, 1, 0]]  # nearest: 1, 0, 1, 2 and, reversed, 1, 2, 3, 2
    assert checks.mutual_neighbours(near, reverse, 1).tolist() == [1, 0, 0, 1]
    assert checks.pair_correlation(near, 3 * near + 1) == pytest.approx(1)
    assert checks.shuffled_correlation(near, reverse, torch.tensor([3, 2, 1, 0])) == pytest.approx(1)


def test_a_rotation_and_a_mirror_change_nothing_and_a_stretch_does():
    generator = torch.Generator().manual_seed(0)
    z, anchors = torch.randn(20, 64, generator=generator), torch.randn(30, 64, generator=generator)
    rotation = torch.linalg.qr(torch.randn(64, 64, generator=generator)).Q
    mirror = torch.diag(torch.cat([-torch.ones(1), torch.ones(63)]))
    assert checks.largest_change(z, anchors, rotation) < 1e-5
    assert checks.largest_change(z, anchors, rotation @ mirror * 4) < 1e-5
    assert checks.largest_change(z, anchors, torch.diag(torch.linspace(0.3, 3, 64))) > 0.1
