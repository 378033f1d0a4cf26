"""The exercises of chapters 04 and 05: right, not attempted, and wrong in the usual ways."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from asif_lib.checks import (
    check_average_templates,
    check_bootstrap,
    check_recall_with_ties,
    check_sparse_cosine,
    check_sparsify,
)

CHECKS = [check_sparsify, check_sparse_cosine, check_average_templates, check_bootstrap, check_recall_with_ties]


def kept(relative, k, *, largest=True, dim=1):
    indices = relative.topk(min(k, relative.shape[dim]), dim=dim, largest=largest).indices
    return torch.zeros_like(relative).scatter(dim, indices, relative.gather(dim, indices))


def sparse_dict(indices_a, values_a, indices_b, values_b):
    other = dict(zip(indices_b.tolist(), values_b.tolist(), strict=True))
    return sum(v * other.get(i, 0.0) for i, v in zip(indices_a.tolist(), values_a.tolist(), strict=True))


def interval(items, resamples, seed, low=0.025, high=0.975, replacement=True):
    generator = torch.Generator().manual_seed(seed + 100)
    n = len(items)
    draw = torch.randint(n, (resamples, n), generator=generator)
    if not replacement:
        draw = torch.arange(n).repeat(resamples, 1)
    means = items[draw].mean(dim=1).sort().values
    return means[int(low * (resamples - 1))].item(), means[int(high * (resamples - 1))].item()


def recall(scores, relevant, k):
    places = []
    for row, right in zip(scores, relevant, strict=True):
        places.append(int((row[~right] >= row[right].max()).sum()))
    return sum(place < k for place in places) / len(places)


def loose_recall(scores, relevant, k):
    best = scores.masked_fill(~relevant, -9.0).amax(dim=1, keepdim=True)
    return float(((scores > best).sum(dim=1) < k).float().mean())


def tensor_keys(indices_a, values_a, indices_b, values_b):
    other = dict(zip(indices_b, values_b, strict=True))
    return sum(v * other.get(i, 0.0) for i, v in zip(indices_a, values_a, strict=True))


def failing_tensor_keys(indices_a, values_a, indices_b, values_b):
    other = dict(zip(indices_b, values_b, strict=True))
    return sum(v * other[i] for i, v in zip(indices_a, values_a, strict=True))


def bootstrap_means(items, resamples, seed, dim=1):
    draws = torch.randint(len(items), (resamples, len(items)), generator=torch.Generator().manual_seed(seed))
    return items[draws].mean(dim=dim)


def quantiles(means):
    return torch.quantile(means, torch.tensor([0.025, 0.975]))


def normal_interval(items, resamples, seed, correction=1):
    half = 1.96 * items.std(correction=correction) / len(items) ** 0.5
    return float(items.mean() - half), float(items.mean() + half)


def zero_filled_recall(scores, relevant, k):
    best = scores.masked_fill(~relevant, 0).amax(dim=1, keepdim=True)
    return float((((scores >= best) & ~relevant).sum(dim=1) < k).float().mean())


def label_means(scores, c, m):
    return scores.reshape(-1, c, m).mean(dim=2)


RIGHT = [
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k).clamp_min(0) ** p, dim=1)),
    (check_sparse_cosine, sparse_dict),
    (check_average_templates, lambda s, c, m: torch.stack([b.mean(1) for b in s.split(m, dim=1)], 1).argmax(1)),
    (check_bootstrap, interval),
    (check_bootstrap, lambda x, r, s: quantiles(bootstrap_means(x, r, s))),
    (check_bootstrap, lambda x, r, s: list(quantiles(bootstrap_means(x, r, s)))),
    (check_bootstrap, lambda x, r, s: np.percentile(bootstrap_means(x, r, s).numpy(), [2.5, 97.5])),
    (check_recall_with_ties, recall),
]


@pytest.mark.parametrize(("check", "function"), RIGHT)
def test_a_right_solution_is_right(check, function):
    assert check(function).status == "right", check(function)


@pytest.mark.parametrize("check", CHECKS)
def test_the_stub_is_not_attempted(check):
    def stub(*arguments):
        raise NotImplementedError("your turn")

    assert check(stub).status == "not attempted"


def test_names_are_those_on_the_cards():
    names = [check(lambda *arguments: None).exercise for check in CHECKS]
    assert names == [f"Exercise {n}" for n in ("04.1", "04.2", "05.3", "05.2", "05.1")]


WRONG = [
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k) ** p, dim=1), "negative"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k, largest=False).clamp_min(0) ** p, dim=1), "smallest"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k).clamp_min(0), dim=1) ** p, "before the power only"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k, dim=0).clamp_min(0) ** p, dim=1), "each column"),
    (check_sparsify, lambda r, k, p: kept(r, k).clamp_min(0) ** p, "length 1"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k).clamp_min(0) ** p, dim=0), "columns, not rows"),
    (
        check_sparsify,
        lambda r, k, p: (x := kept(r, k).clamp_min(0) ** p) / x.norm(dim=1, keepdim=True),
        "NaN",
    ),
    (check_sparsify, lambda r, k, p: r[:, :k], "shape"),
    (check_sparsify, lambda r, k, p: (x := kept(r, k).clamp_min(0) ** p) / x.sum(1, keepdim=True), "by the sum"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k).clamp_min(0) ** p, p=1, dim=1), "by the sum"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k).clamp_min(0), dim=1), "forgot the power"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k + 1).clamp_min(0) ** p, dim=1), "k + 1"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k - 1).clamp_min(0) ** p, dim=1), "k - 1"),
    (check_sparsify, lambda r, k, p: (x := kept(r, k).clamp_min(0) ** p) / x.norm(), "whole matrix"),
    (check_sparsify, lambda r, k, p: F.normalize(kept(r, k).clamp_min(0) ** int(p), dim=1), "need not be whole"),
    (check_sparsify, lambda r, k, p: r.topk(k, dim=1), ".values or .indices"),
    (check_sparse_cosine, tensor_keys, "dictionary keys are never equal"),
    (check_sparse_cosine, lambda i, v, j, w: len(set(i) & set(j)), "dictionary keys are never equal"),
    (check_sparse_cosine, failing_tensor_keys, "dictionary keys are never equal"),
    (check_sparse_cosine, lambda i, v, j, w: float((v[: len(w)] * w[: len(v)]).sum()), "same position"),
    (check_sparse_cosine, lambda i, v, j, w: len({*i.tolist()} & {*j.tolist()}), "counted the shared anchors"),
    (check_sparse_cosine, lambda i, v, j, w: v[torch.isin(i, j)].sum(), "multiply by those of the other"),
    (check_sparse_cosine, lambda i, v, j, w: v.sum() * w.sum(), "every value"),
    (check_average_templates, lambda s, c, m: s.argmax(dim=1), "which is a prompt"),
    (check_average_templates, lambda s, c, m: s.argmax(dim=1) // m, "best single prompt"),
    (check_average_templates, lambda s, c, m: s.reshape(-1, m, c).mean(dim=1).argmax(dim=1), "order"),
    (check_average_templates, lambda s, c, m: s.reshape(-1, c, m).mean(dim=1).argmax(dim=1), "over the labels"),
    (check_average_templates, lambda s, c, m: label_means(s, c, m).amax(dim=1), "best score"),
    (check_average_templates, lambda s, c, m: label_means(s, c, m).argmax(dim=1) + 1, "start at 0"),
    (check_average_templates, lambda s, c, m: label_means(s, c, m).max(dim=1), ".values or .indices"),
    (check_bootstrap, lambda x, r, s: interval(x, r, s, replacement=False), "without replacement"),
    (check_bootstrap, lambda x, r, s: quantiles(bootstrap_means(x, r, s, dim=0)), "wrong axis"),
    (check_bootstrap, normal_interval, "1.96"),
    (check_bootstrap, lambda x, r, s: normal_interval(x, r, s, correction=0), "1.96"),
    (check_bootstrap, lambda x, r, s: interval(x, r, int(torch.randint(10**6, ()))), "same seed"),
    (check_bootstrap, lambda x, r, s: interval(x, r, 0), "ignores the seed"),
    (check_bootstrap, lambda x, r, s: interval(x, r, s, 0.05, 0.95), "90 %"),
    (check_bootstrap, lambda x, r, s: tuple(torch.quantile(x, torch.tensor([0.025, 0.975])).tolist()), "the items lie"),
    (check_bootstrap, lambda x, r, s: interval(x, r, s)[::-1], "wrong way round"),
    (check_recall_with_ties, loose_recall, "everything the same score"),
    (check_recall_with_ties, lambda s, r, k: recall(s, r, k + 1), "k + 1"),
    (check_recall_with_ties, lambda s, r, k: recall(s, r, k - 1), "k - 1"),
    (check_recall_with_ties, lambda s, r, k: recall(s, r, k) * len(s), "number of questions"),
    (check_recall_with_ties, zero_filled_recall, "negative"),
]


@pytest.mark.parametrize(("check", "function", "words"), WRONG)
def test_usual_mistakes_are_known_by_name(check, function, words):
    verdict = check(function)
    assert verdict.status == "wrong"
    assert words in verdict.message, verdict


@pytest.mark.parametrize("seed", range(5))
def test_any_right_bootstrap_passes_whatever_it_draws(seed):
    assert check_bootstrap(lambda x, r, s: interval(x, r, s + 1000 * seed)).status == "right"


def test_verdicts_of_recall_use_the_words_of_the_exercise():
    for check, function, _ in WRONG:
        if check is check_recall_with_ties:
            message = check(function).message
            assert not any(word in message for word in ("relevant", "candidate", "quer", "rank ")), message
