"""The checks of chapters 00 and 01 accept what is right and name the usual mistakes."""

import pytest
import torch
import torch.nn.functional as F

from asif_lib import checks


def unit(z):
    return F.normalize(z, dim=1)


def cosine(a, b):
    lengths = a.norm() * b.norm()
    return float(a @ b / lengths) if lengths > 0 else 0.0  # a number, not a tensor, is fine too


def shares(image, text):
    contribution = image * text
    return contribution / contribution.sum() if contribution.sum() > 0 else contribution


def cosine_matrix(a, b):
    return torch.stack([torch.tensor([cosine(x, y) for y in b]) for x in a])


def nearest(z, m):
    order = (unit(z) @ unit(z).T).argsort(dim=1, descending=True)
    return [[j for j in row if j != i][:m] for i, row in enumerate(order.tolist())]  # other ties, a list


def pooled(tokens, mask):
    return torch.stack([t[m.bool()].mean(dim=0) if m.any() else t[0] * 0 for t, m in zip(tokens, mask, strict=True)])


RIGHT = {
    checks.check_cosine: cosine,
    checks.check_shares: shares,
    checks.check_cosine_matrix: cosine_matrix,
    checks.check_nearest_neighbours: nearest,
    checks.check_mean_pooling: pooled,
}


@pytest.mark.parametrize("check", RIGHT, ids=lambda check: check.__name__)
def test_a_right_solution_passes(check):
    verdict = check(RIGHT[check])
    assert verdict.status == "right", verdict


@pytest.mark.parametrize("check", RIGHT, ids=lambda check: check.__name__)
def test_the_stub_is_not_attempted(check):
    def stub(*inputs):
        raise NotImplementedError("your turn")

    assert check(stub).status == "not attempted"


@pytest.mark.parametrize("check", RIGHT, ids=lambda check: check.__name__)
def test_a_missing_return_and_an_exception_are_wrong(check):
    assert "None" in check(lambda *inputs: None).message
    verdict = check(lambda *inputs: inputs.missing)
    assert verdict.status == "wrong"
    assert "AttributeError" in verdict.message


def columns(z):
    return z / z.norm(dim=0)


def diagonal_out(similarity, value=-torch.inf):
    return similarity.fill_diagonal_(value)


WRONG = [
    (checks.check_cosine, lambda a, b: a @ b, "dot product"),
    (checks.check_cosine, lambda a, b: a @ b / (a @ a) / (b @ b), "squared"),
    (checks.check_cosine, lambda a, b: a @ b / a.norm(), "first vector only"),
    (checks.check_cosine, lambda a, b: a @ b / b.norm(), "second vector only"),
    (checks.check_cosine, lambda a, b: (a - b).norm(), "distance"),
    (checks.check_cosine, lambda a, b: abs(cosine(a, b)), "absolute"),
    (checks.check_cosine, lambda a, b: a @ b / (a.norm() * b.norm()), "zeros"),
    (checks.check_shares, lambda image, text: image * text, "divide them by their sum"),
    (checks.check_shares, lambda image, text: (image + text) / (image + text).sum(), "added"),
    (checks.check_shares, lambda image, text: image * text / (image * text).max(), "largest"),
    (checks.check_shares, lambda image, text: (image * text) / image.numel(), "number of anchors"),
    (checks.check_shares, lambda image, text: image / image.sum(), "no say"),
    (checks.check_shares, lambda image, text: image * text / image.sum(), "entries of the picture"),
    (checks.check_shares, lambda image, text: image * text / text.sum(), "entries of the text"),
    (checks.check_shares, lambda image, text: (image * text) / (image * text).sum(), "0/0"),
    (checks.check_cosine_matrix, lambda a, b: columns(a) @ columns(b).T, "columns, not rows"),
    (checks.check_cosine_matrix, lambda a, b: a @ b.T, "dot products"),
    (checks.check_cosine_matrix, lambda a, b: unit(a) @ b.T, "only the first"),
    (checks.check_cosine_matrix, lambda a, b: a @ unit(b).T, "only the second"),
    (checks.check_cosine_matrix, lambda a, b: a @ b.T / (a.norm() * b.norm()), "whole matrix"),
    (checks.check_cosine_matrix, lambda a, b: unit(b) @ unit(a).T, "swapped"),
    (checks.check_cosine_matrix, lambda a, b: a @ b.T / a.norm(dim=1)[:, None] / b.norm(dim=1), "0/0"),
    (checks.check_nearest_neighbours, lambda z, m: (unit(z) @ unit(z).T).topk(m).indices, "finds itself"),
    (checks.check_nearest_neighbours, lambda z, m: (unit(z) @ unit(z).T).topk(m + 1).indices[:, 1:], "diagonal"),
    (checks.check_nearest_neighbours,
     lambda z, m: diagonal_out(unit(z) @ unit(z).T, 2).argsort(dim=1)[:, :m], "farthest"),
    (checks.check_nearest_neighbours, lambda z, m: diagonal_out(z @ z.T).topk(m).indices, "dot products"),
    (checks.check_nearest_neighbours,
     lambda z, m: diagonal_out(torch.cdist(z, z), torch.inf).argsort(dim=1)[:, :m], "Euclidean"),
    (checks.check_nearest_neighbours, lambda z, m: diagonal_out(unit(z) @ unit(z).T).topk(m).values, "indices"),
    (checks.check_nearest_neighbours,
     lambda z, m: diagonal_out(unit(z) @ unit(z).T, 0).topk(m).indices, "set the diagonal to 0"),
    (checks.check_nearest_neighbours,
     lambda z, m: (unit(z) @ unit(z).T * (1 - torch.eye(len(z)))).argsort(dim=1, descending=True)[:, :m],
     "set the diagonal to 0"),
    (checks.check_nearest_neighbours, lambda z, m: diagonal_out(unit(z) @ unit(z).T).topk(m), ".indices"),
    (checks.check_nearest_neighbours, lambda z, m: (unit(z) @ unit(z).T).max(dim=1), ".indices"),
    (checks.check_nearest_neighbours, lambda z, m: torch.tensor(nearest(z, m))[:, :1], "shape (9, 1)"),
    (checks.check_nearest_neighbours, lambda z, m: torch.tensor(nearest(z, m)) + 1, "0 to 8"),
    (checks.check_nearest_neighbours, lambda z, m: torch.tensor(nearest(z, m))[:, [0] * m], "twice"),
    (checks.check_mean_pooling, lambda tokens, mask: tokens.mean(dim=1), "Padding took part"),
    (checks.check_mean_pooling, lambda tokens, mask: (tokens * mask[..., None]).mean(dim=1), "count"),
    (checks.check_mean_pooling, lambda tokens, mask: (tokens * mask[..., None]).sum(dim=1), "sum"),
    (checks.check_mean_pooling, lambda tokens, mask: tokens[:, 0, :], "first token"),
    (checks.check_mean_pooling, lambda tokens, mask: tokens.mean(dim=-1), "over the dimensions"),
    (checks.check_mean_pooling,
     lambda tokens, mask: (tokens * mask[..., None]).sum(dim=1) / mask.sum(dim=1)[:, None], "0/0"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "mistake", "words"), WRONG, ids=lambda value: getattr(value, "__name__", value))
def test_a_usual_mistake_is_named(check, mistake, words):
    verdict = check(mistake)
    assert verdict.status == "wrong"
    assert words in verdict.message


def test_changing_the_input_is_wrong():
    def in_place(a, b):
        result = cosine(a, b)
        a.zero_()
        return result

    assert "changed its input" in checks.check_cosine(in_place).message
