"""The checks of chapter 08's exercises on a search that is fast and still exact: a bound, and who must be kept."""

import torch

from .judging import Verdict, call, compare, exercise, form_problem, random_tensor, wrong


@exercise("08.3", "How wrong can a product be?")
def check_error_bound(function) -> Verdict:
    """The bound of Cauchy and Schwarz on the products of rounded unit vectors, for each query."""
    cases = [
        (*_rounded(q, d, step, seed=60 + i), *_rounded(n, d, step, seed=70 + i))
        for i, (q, n, d, step) in enumerate([(3, 5, 4, 0.25), (4, 9, 8, 0.125), (6, 4, 6, 0.5), (1, 7, 16, 0.0625)])
    ]
    exact = _rounded(3, 4, 0.25, seed=78)
    cases.append((exact[0], exact[0], *_rounded(5, 4, 0.25, seed=79)))  # queries that lose nothing
    verdict = compare(function, error_bound, cases, BOUND_MISTAKES, notes={5: "where the queries lose nothing"})
    if verdict.status == "wrong":  # with the length of the rounded query itself: valid as well
        other = compare(function, _with_true_length, cases)
        return other if other.status == "right" else verdict
    return verdict


def _rounded(m, d, step, seed):
    """Unit rows, and the same rounded to multiples of `step`: coarse, so that every term of the bound counts."""
    unit = torch.nn.functional.normalize(random_tensor(m, d, seed=seed), dim=1)
    return unit, (unit / step).round() * step


def error_bound(queries, rounded_queries, anchors, rounded_anchors):
    lost = (queries - rounded_queries).norm(dim=1)
    return lost + (1 + lost) * (anchors - rounded_anchors).norm(dim=1).max()


def _with_true_length(queries, rounded_queries, anchors, rounded_anchors):
    lost = (queries - rounded_queries).norm(dim=1)
    return lost + rounded_queries.norm(dim=1) * (anchors - rounded_anchors).norm(dim=1).max()


def _bound(*, query=lambda x: x.norm(dim=1), anchor=lambda x: x.norm(dim=1).max(), join=None):
    """The right way, with places to go wrong."""
    join = join or (lambda lost, largest: lost + (1 + lost) * largest)
    return lambda q, q_hat, a, a_hat: join(query(q - q_hat), anchor(a - a_hat))


BOUND_MISTAKES = [
    (
        "You forgot that the rounded query may be longer than 1: its length is at most 1 + ‖q − q̂‖, and that "
        "multiplies ‖a − â‖.",
        _bound(join=lambda lost, largest: lost + largest),
    ),
    ("You left out what the anchors lose by rounding.", _bound(join=lambda lost, largest: lost)),
    (
        "You left out what the queries lose by rounding.",
        _bound(join=lambda lost, largest: largest + torch.zeros_like(lost)),
    ),
    ("The two errors add up; you multiplied them.", _bound(join=lambda lost, largest: lost * largest)),
    (
        "You took the mean of what the anchors lose. The bound must hold for every anchor: take the largest.",
        _bound(anchor=lambda x: x.norm(dim=1).mean()),
    ),
    (
        "You took the smallest of what the anchors lose; the bound must hold for every anchor: take the largest.",
        _bound(anchor=lambda x: x.norm(dim=1).min()),
    ),
    (
        "You took squared lengths; a length is the root of the sum of squares.",
        _bound(query=lambda x: (x**2).sum(dim=1), anchor=lambda x: (x**2).sum(dim=1).max()),
    ),
    (
        "You took the largest component of the differences; Cauchy and Schwarz speak of their length, over all "
        "components.",
        _bound(query=lambda x: x.abs().amax(dim=1), anchor=lambda x: x.abs().max()),
    ),
    (
        "You took the sum of absolute components. That bounds the error, too, but it is much too large: the length is "
        "the root of the sum of squares.",
        _bound(query=lambda x: x.abs().sum(dim=1), anchor=lambda x: x.abs().sum(dim=1).max()),
    ),
    (
        "You took the length of the whole table of differences; each row has a length of its own: dim=1.",
        _bound(anchor=lambda x: x.norm()),
    ),
    (
        "You measured the largest error. That takes all true products, which is the work that we want to save, and it "
        "is no bound for the next anchor: add up lengths instead.",
        lambda q, q_hat, a, a_hat: (q @ a.T - q_hat @ a_hat.T).abs().amax(dim=1),
    ),
    (
        "You gave a bound for each pair of a query and an anchor; one for each query is wanted, which holds for all "
        "anchors: the largest.",
        lambda q, q_hat, a, a_hat: (
            (q - q_hat).norm(dim=1)[:, None] + (1 + (q - q_hat).norm(dim=1))[:, None] * (a - a_hat).norm(dim=1)[None, :]
        ),
    ),
    (
        "You gave one bound for all queries; each query has its own: do not take the largest over the queries.",
        lambda *case: error_bound(*case).max(),
    ),
    (
        "You gave one bound for all queries; each query has its own: do not take the largest over the queries.",
        lambda *case: error_bound(*case).max().expand(len(case[0])),
    ),
]


@exercise("08.4", "Who must be kept?")
def check_keep(function) -> Verdict:
    """Keep every anchor that may be among the k best, and no other."""
    cases = [
        (_twice(_sixty_fourths(5, 60, seed=80)), 5, torch.tensor([8.0, 4, 12, 6, 10]) / 64),
        (torch.tensor([[40.0, 38, 36, 34, 20, -50]]) / 64, 2, torch.tensor([2.0]) / 64),  # the fourth at exactly T - 2E
        (_sixty_fourths(4, 12, seed=81), 3, torch.tensor([4.0, 1, 0, 7]) / 64),
        (_sixty_fourths(3, 30, seed=82), 5, torch.tensor([2.0, 9, 3]) / 64),
        (-_sixty_fourths(2, 9, seed=83).abs() - 1 / 64, 2, torch.tensor([3.0, 5]) / 64),
        (torch.full((2, 6), 0.25), 2, torch.tensor([0.0, 1]) / 64),
        (_sixty_fourths(2, 7, seed=84), 7, torch.tensor([1.0, 1]) / 64),
    ]
    notes = {5: "with negative products only", 6: "where all products are equal", 7: "with k = n"}
    verdict = compare(function, must_keep, cases, KEEP_MISTAKES, notes=notes)
    if verdict.status == "right" or "the shape is right, but" not in verdict.message:
        return verdict
    return _lost_and_in_vain(function, cases) or verdict


def _sixty_fourths(q, n, seed):
    """Products of which sums and differences are exact, so that it is clear who lies on a limit."""
    return (20 * random_tensor(q, n, seed=seed)).round() / 64


def _twice(products):
    """Every anchor has a double, so that there are ties in place k."""
    return torch.cat([products, products], dim=1)


def _lost_and_in_vain(function, cases):
    """A verdict that counts both kinds of error on the first input where there is one, or None."""
    for number, case in enumerate(cases, 1):
        expected = must_keep(*case)
        mine, failed = call(function, case, f"On input {number}")
        if failed or form_problem(mine, expected) or mine.dtype != torch.bool or mine.shape != expected.shape:
            return failed
        lost, vain = int((expected & ~mine).sum()), int((mine & ~expected).sum())
        if lost or vain:
            return wrong(
                f"On input {number}: you dropped {lost} anchors that may be among the k best, and kept {vain} that "
                "cannot be."
            )
    return None


def must_keep(products, k, bound):
    return _keep(lambda threshold, bound: threshold - 2 * bound)(products, k, bound)


def _keep(lowest, *, place=lambda k: k, strict=False, threshold=None):
    """The right way, with places to go wrong."""
    threshold = threshold or (lambda products, k: products.topk(k, dim=1).values[:, -1:])

    def solve(products, k, bound):
        least = lowest(threshold(products, place(k)), bound[:, None])
        return products > least if strict else products >= least

    return solve


def _exactly_k(products, k, bound):
    return torch.zeros_like(products, dtype=torch.bool).scatter(1, products.topk(k, dim=1).indices, True)


def _two(threshold, bound):
    return threshold - 2 * bound


KEEP_MISTAKES = [
    (
        "Your threshold is T - E. That covers one error only: the true cosine in place k may be E less than T, and the "
        "anchor that you drop may be E better than it looks: that makes 2E.",
        _keep(lambda threshold, bound: threshold - bound),
    ),
    (
        "Your threshold is T itself: then the errors count for nothing, and an anchor that looks a little worse than "
        "it is gets lost.",
        _keep(lambda threshold, bound: threshold),
    ),
    (
        "You kept exactly k. An anchor that looks a little worse than it is gets lost: how many are kept depends on "
        "the bound.",
        _exactly_k,
    ),
    (
        "Your threshold lies above T; errors make us keep more, not less: it is T - 2E.",
        _keep(lambda threshold, bound: threshold + 2 * bound),
    ),
    (
        "You dropped the anchors at exactly T - 2E. These may still tie with the one in place k: keep them, with >=.",
        _keep(_two, strict=True),
    ),
    (
        "You took the largest bound of all queries; each query has its own, and keeps no more than it must.",
        lambda products, k, bound: must_keep(products, k, bound.max().expand(len(bound))),
    ),
    (
        "You took the product in place k + 1 for the threshold; T is that in place k. (Places count from 0 in Python.)",
        _keep(_two, threshold=lambda x, k: x.sort(dim=1, descending=True).values[:, min(k, x.shape[1] - 1)][:, None]),
    ),
    (
        "You took the product in place k - 1 for the threshold; T is that in place k.",
        _keep(_two, place=lambda k: max(1, k - 1)),
    ),
    (
        "You took the largest product for the threshold; T is that in place k.",
        _keep(_two, place=lambda k: 1),
    ),
    (
        "You took the k-th smallest product for the threshold; the k-th largest is wanted.",
        _keep(_two, threshold=lambda x, k: x.topk(k, dim=1, largest=False).values[:, -1:]),
    ),
    (
        "You took one threshold for the whole table; each query has its own k best: topk over dim=1.",
        _keep(_two, threshold=lambda x, k: x.flatten().topk(k).values[-1].expand(len(x), 1)),
    ),
    (
        "You took the size of the products, whatever their sign. A product far below 0 is nothing near.",
        lambda products, k, bound: must_keep(products.abs(), k, bound),
    ),
    (
        "Your threshold is T less 2E of T's size: E is an error of a product already, nothing relative.",
        _keep(lambda threshold, bound: threshold * (1 - 2 * bound)),
    ),
    (
        "Your mask says who may go; it should be True for those who must be kept.",
        lambda *case: ~must_keep(*case),
    ),
]
