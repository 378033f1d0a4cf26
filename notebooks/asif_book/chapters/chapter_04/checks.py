"""Checks of chapter 04, sparsification."""

import functools
import inspect
import itertools
from operator import itemgetter

import torch
import torch.nn.functional as F

from asif_book.checks.catalogue import but, changed, columns, part, result, unsafe_rows, whole
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, random_tensor, refuse, right
from asif_lib.relative import unit_rows


def unchanged(x):
    return x


def clamp_and_power(relative, p, *, clamp=torch.relu):
    return clamp(relative) ** p


COSINES = random_tensor(4, 6, seed=40).tanh()

mistakes = {
    "You raised to the power before you set negative entries to 0; an even power has made them positive by then. Turn "
    "the two steps round.": lambda r, p: torch.relu(r**p),
    "Negative entries are still in it: they are to become 0, before the power.": but(clamp=unchanged),
    "You took the sign away, so that an unlike anchor counts; set negative entries to 0.": but(clamp=torch.abs),
    "You took 1 minus the entries; raise the entries themselves.": lambda r, p: (1 - torch.relu(r)) ** p,
    "You multiplied by p; raise to the power p, which is ** in Python.": lambda r, p: torch.relu(r) * p,
    "You raised p to the entries; raise the entries to p.": lambda r, p: p ** torch.relu(r),
    "You took an exponential; raise each entry to the power p.": (
        lambda r, p: torch.exp(p * torch.relu(r)) - 1,
        lambda r, p: torch.exp(p * torch.relu(r)),
    ),
    "The clamp is there, the power is missing.": lambda r, p: torch.relu(r),
    "You kept the negative entries and set the positive ones to 0.": but(clamp=lambda r: r.clamp_max(0)),
    "You rounded p to a whole number; p need not be whole.": changed(p=int),
    "You normalised as well; here only the clamp and the power are wanted.": result(lambda x: F.normalize(x, dim=-1)),
}
# The odd p first: there, power before clamp is right, and an entry left negative shows.
cases = [(COSINES, 3), (COSINES, 2), (COSINES, 1), (COSINES[0], 8), (COSINES, 2.5)]
check_clamp_and_power = Exercise("04.1", "Clamp, then power", clamp_and_power, cases, mistakes)


def four_steps(relative, k, p, *, score=unchanged, clamp=torch.relu, dim=1, scale=F.normalize):
    """Keep the k largest entries of each row, clamp, raise to p, scale to length 1; the options are places to err."""
    top = score(relative).topk(min(k, relative.shape[dim]), dim=dim).indices  # (q, k)
    kept = torch.zeros_like(relative).scatter(dim, top, relative.gather(dim, top))  # (q, n)
    return scale(clamp(kept) ** p)


def refuse_more_than_k_of_equals(function):
    result = ask(function, (torch.tensor([[0.5, 0.2, 0.9, 0.5, 0.5]]), 2, 2), "On an input with ties")
    if (kept := int((result > 0).sum())) > 2:
        refuse(
            "Where entries tie at the k-th place you keep all of them: with k = 2 and the cosines 0.9, 0.5, 0.5, 0.5 "
            f"your function kept {kept}. Keep 2; which of the equal ones does not matter."
        )


ROWS = random_tensor(9, 12, seed=41).tanh()

cases = [
    (ROWS, 5, 3),  # with p = 2, dividing by the sum after the power equals normalising before it
    (ROWS, 12, 2),  # k reaches into the negative entries
    (ROWS, 3, 1),
    (ROWS, 1, 8),
    (ROWS, 4, 2.5),
    (ROWS.T, 4, 2),
    (torch.cat([ROWS, -ROWS.abs()[:1]]), 4, 3),  # the last row has no positive entry
]
mistakes = {
    "You kept negative entries, and an even power made them positive: clamp before the power.": but(clamp=unchanged),
    "You kept the smallest similarities; the k largest of each row are wanted.": but(score=torch.neg),
    "You kept the smallest similarities, negative ones too; keep the k largest.": but(score=torch.neg, clamp=unchanged),
    "You took the sign away first, so that anchors unlike the picture count. Keep the k largest, and set negative ones "
    "to 0.": but(score=torch.abs, clamp=torch.abs),
    "You kept k entries of each column; each row is one picture, and k of its entries stay.": but(dim=0),
    "You took a softmax of the kept entries; a row is scaled to length 1.": but(
        scale=lambda x: x.masked_fill(x == 0, -torch.inf).softmax(1).nan_to_num()
    ),
    "You kept the largest of the whole matrix; keep the k largest of each row.": lambda r, k, p: F.normalize(
        torch.where(r >= r.flatten().topk(k * len(r)).values[-1], r, 0).relu() ** p
    ),
    "You discarded the k largest and kept the others; keep the k largest.": lambda r, k, p: F.normalize(
        torch.relu(r.scatter(1, r.topk(k).indices, 0.0)) ** p
    ),
    "You forgot the power: raise what is left to p before you normalise.": lambda r, k, p: four_steps(r, k, 1),
    "You divided by one length, that of the whole matrix; each row has a length of its own.": but(scale=whole),
    "You rounded p to a whole number; p need not be whole.": changed(p=int),
    "You normalised before the power only; the power changes the length of a row, so normalise after "
    "it.": lambda r, k, p: four_steps(r, k, 1) ** p,
    "Your rows do not have length 1: normalise after the power.": but(scale=unchanged),
    "You normalised columns, not rows: each row is one vector.": but(scale=columns),
    "You divided a row of zeros by its length 0, which gives NaN; such a row stays zero.": but(scale=unsafe_rows),
    "You kept all the similarities; only the k largest of each row stay.": lambda r, k, p: four_steps(r, r.shape[1], p),
}
check_sparsify = Exercise("04.2", "The four steps", four_steps, cases, mistakes, also=refuse_more_than_k_of_equals)


# Validation results in hundredths, k down, p across; every usual mistake chooses another setting.
VALUES = torch.tensor([[32, 34, 40, 42], [36, 45, 46, 38], [45, 43, 48, 41], [46, 46, 40, 35]])
ERRORS = torch.tensor([[3.5, 3.5, 8.5, 3.5], [3.5, 3.5, 3.5, 3.5], [2.5, 3.5, 3.5, 4.5], [3.5, 3.5, 3.5, 3.5]])
# 37.5 is exactly 50 minus 12.5, in binary as well.
EDGE = torch.tensor([[25.0, 37.5], [30.0, 45.0], [26.0, 50.0]]), torch.full((3, 2), 12.5)


class Table:
    """Made-up results of every setting, from values and errors in hundredths; notes where the test was opened."""

    def __init__(self, ks, ps, values, errors):
        results = torch.stack([values, errors], dim=2) / 100
        self.validation = dict(zip(itertools.product(ks, ps), results.flatten(0, 1).tolist(), strict=True))
        self.opened = set()

    def __call__(self, k, p, split):
        value, error = self.validation[k, p]
        if split == "validation":
            return value, error
        if split != "test":
            raise ValueError(f"there is no split {split!r}; there are 'validation' and 'test'")
        self.opened.add((k, p))
        return value - 0.02, error


def made_up_results():
    tables = [([5, 20, 50, 100], [1, 2, 4, 8], (VALUES, ERRORS)), ([10, 20, 30], [1, 2], EDGE)]
    for seed, ks, ps in ((1, [80, 20, 5], [8, 2, 1]), (8, [10, 50], [8, 4, 2, 1]), (4, [3, 9, 27, 81], [1, 3])):
        values, errors = torch.rand(2, len(ks), len(ps), generator=torch.Generator().manual_seed(seed))
        # The errors are half points, so that no value lies on the limit.
        tables.append((ks, ps, ((30 + 20 * values).round(), 2.5 + (3 * errors).round())))
    return [(Table(ks, ps, *results), ks, ps) for ks, ps, results in tables]


def refuse_peeking(function):
    for case in made_up_results():
        ask(function, case, "On made-up results")
        if (opened := len(case[0].opened)) > 1:
            refuse(
                f"You opened the test split for {opened} settings, and can choose by them, knowingly or not. Choose on "
                "the validation split, then open the test split once, for the chosen setting."
            )


value_of = itemgetter(0)


def one_standard_error(
    evaluate, ks, ps, *, errors=1.0, of=lambda own, best, every: best, slack=1e-9, pick=min, split="test",
    reported=value_of,
):  # fmt: skip
    """Choose by the one-standard-error rule; the options are the places where a step can go wrong."""
    found = {(k, p): evaluate(k, p, "validation") for k in ks for p in ps}
    best, error = max(found.values(), key=value_of)
    every = [e for _, e in found.values()]
    k, p = pick([s for s, (value, e) in found.items() if value >= best - errors * of(e, error, every) - slack])
    return k, p, reported(evaluate(k, p, split))


def first_by(key):
    return but(pick=lambda good: min(good, key=key))


mistakes = {
    "evaluate gives two numbers, (value, standard error); return the value only.": but(reported=tuple),
    "You looked for the smallest k and for the smallest p separately; the pair (k, p) must itself be among the good "
    "ones.": but(pick=lambda good: map(min, zip(*good, strict=True))),
    "You took the highest value. The pictures cannot tell it from the settings within one standard error of it: take "
    "the smallest k of these.": but(errors=0),
    "k and p are well chosen, but the last number is the validation result. It is a little too good for the setting "
    "that won there: return the test result of the chosen setting.": but(split="validation"),
    "You took the first good setting in the lists, which come in any order. Take the smallest k, and then the smallest "
    "p.": but(pick=lambda good: good[0]),
    "Of the settings within one standard error you took the largest k, or the first in the list: the lists come in any "
    "order. The smallest k forgets most and costs least.": first_by(lambda setting: (-setting[0], setting[1])),
    "A setting exactly on the limit is as good as the best: at least means >=, not >.": but(slack=-1e-9),
    "Among settings with the same k take the smallest p, whatever the list's order.": first_by(lambda s: (s[0], -s[1])),
    "You looked for the smallest p first, and then for the smallest k; k comes first.": first_by(lambda s: s[::-1]),
    "You allowed two standard errors, or a half; one is wanted.": (but(errors=2), but(errors=0.5)),
    "The last number is a standard error; return the test value.": but(reported=lambda both: both[1]),
    "The standard error of the best setting decides; you took another one, each setting's own or the largest.": (
        but(of=lambda own, best, every: own),
        but(of=lambda own, best, every: max(every)),
    ),
    "You allowed every setting; only values within one standard error of the best remain.": but(errors=float("inf")),
}
check_choice = Exercise(
    "04.3", "Choose without peeking", one_standard_error, made_up_results, mistakes,
    before=refuse_peeking, parts=("k", "p", "its test value"),
)  # fmt: skip

MARGIN = 0.1
"""By how much a caption must win in the trap, so that rounding decides nothing."""


@investigation("04.4", "Build the trap")
def check_trap(function) -> Verdict:
    """Look whether a missing clamp makes the wrong caption win among the student's cosines."""
    for n in (3, 10, 200):
        where = f"With n = {n}"
        parts = ask(function, (n,), where, like=(torch.zeros(n), torch.zeros(2, n)))
        if not isinstance(parts, tuple | list) or len(parts) != 2:
            refuse("Return two tensors: image, captions.")
        refuse_weak_trap(*(part.detach().to("cpu", torch.float64) for part in parts), n, where)
    return right(
        "With the clamp the first caption wins, without it the second, for 3, 10 and 200 anchors. Without the clamp, "
        "an even power makes “unlike this anchor” the same as “like this anchor”."
    )


def refuse_weak_trap(image, captions, n, where):
    if image.shape != (n,) or captions.shape != (2, n):
        shapes = f"{tuple(image.shape)} and {tuple(captions.shape)}"
        refuse(f"{where} your tensors have shapes {shapes}; ({n},) and (2, {n}) are wanted.")
    if not all(bool((part.abs() <= 1).all()) for part in (image, captions)):  # NaN fails as well
        refuse("Cosines lie between -1 and 1; yours do not.")
    if not (torch.cat([image, captions[1]]) < 0).any():
        refuse(
            "No cosine of the picture or of the second caption is negative, so the clamp changes nothing: let some be."
        )
    gap, without = lead(image.relu(), captions.relu()), lead(image, captions)
    if gap <= -MARGIN and without >= MARGIN:
        refuse("The two captions have changed places: with the clamp the first should win, without it the second.")
    if gap < MARGIN:
        lacks = f"{where}, the first caption should win with the clamp by at least {MARGIN}; its lead is {gap:+.2f}."
        refuse(f"{lacks} Make both more similar to one anchor, and the cosines with all other anchors smaller.")
    if without > -MARGIN:
        refuse(
            f"{where}, the second caption should win without the clamp by at least {MARGIN}; its lead is "
            f"{-without:+.2f}. An anchor with a negative cosine on one side or both counts for it only without the "
            "clamp: make such cosines larger in size, or the first caption's share smaller."
        )


def lead(image, captions):
    """Return the score of the first caption minus the score of the second; everything is kept, p = 2."""
    first, second = (F.normalize(captions**2, dim=-1) @ F.normalize(image**2, dim=-1)).tolist()
    return first - second


# 04.5: the top k of blocks have the right values, and no dense matrix is made on the way

HELD = 0.4
"""Share of the dense matrix that may be held at one moment: well above a tile, well below the whole."""


class Stream:
    """Anchors in blocks of `size` rows, as they would come from a disk."""

    def __init__(self, anchors, size):
        self.blocks = anchors.split(size)

    def __iter__(self):
        return (block.clone() for block in self.blocks)


class OfAStream(Exercise):
    """An exercise that gives the student's function each stream only once."""

    def verdict(self, function):
        @functools.wraps(function)
        def once(queries, stream, k):
            return function(queries, iter(stream), k)

        return super().verdict(once)


def refuse_a_dense_matrix(function):
    queries, anchors, size = unit(16, 8, seed=45), unit(6_000, 8, seed=46), 100

    @functools.wraps(function)
    def peak(queries, stream, k):
        return inspect.unwrap(function).peak(queries, iter(stream), k)

    peak = ask(peak, (queries, Stream(anchors, size), 10), f"With {len(anchors):,} anchors")
    held, dense = peak // 4, len(queries) * len(anchors)
    if held >= HELD * dense:
        refuse(
            f"The values are right, but with {len(queries)} pictures and {len(anchors):,} anchors in blocks of {size} "
            f"your function held {held:,} numbers at one moment; the dense matrix has {dense:,}. Keep only the k best "
            "so far, merge each block into them, and let the block go."
        )


def with_starts(blocks):
    start = 0
    for block in blocks:
        yield start, block
        start += len(block)


def merged(
    queries, blocks, k,
    *,
    read=list,  # takes and returns pairs of a first position and a block
    score=torch.clone,
    largest=True,
    first=-torch.inf,
    take=lambda joined, order: joined.gather(1, order),
):  # fmt: skip
    """Merge each block into the k best so far."""
    values, indices = torch.full((len(queries), k), first), torch.zeros((len(queries), k), dtype=torch.int64)
    for start, block in read(with_starts(blocks)):
        best, where = score(queries @ block.T).topk(min(k, len(block)), dim=1, largest=largest)  # (q, k)
        values, order = torch.cat([values, best], dim=1).topk(k, dim=1, largest=largest)  # (q, k)
        indices = take(torch.cat([indices, start + where], dim=1), order)
    return values, indices


def placed(start_of):
    """Let a block begin at another position, by its number and its length."""
    return but(read=lambda parts: [(start_of(i, len(block)), block) for i, (_, block) in enumerate(parts)])


def only(choose):
    return but(read=lambda parts: choose(list(parts)))


def in_the_last_table(queries, blocks, k):
    """Join the values so far with the whole last tile, and give positions in this table."""
    *before, last = blocks
    best = (queries @ torch.cat(before).T).topk(k, dim=1).values
    return torch.cat([best, queries @ last.T], dim=1).topk(k, dim=1)


def in_the_table_of_all(queries, blocks, k):
    """Join the best of all blocks, and give positions in this table."""
    best = [(queries @ block.T).topk(min(k, len(block)), dim=1).values for block in blocks]
    return torch.cat(best, dim=1).topk(k, dim=1)


def never_gathered(queries, blocks, k):
    """Give positions in the joined table, to which each block adds where it starts."""
    values, indices = torch.full((len(queries), k), -torch.inf), 0
    for start, block in with_starts(blocks):
        best = (queries @ block.T).topk(min(k, len(block)), dim=1).values
        values, indices = torch.cat([values, best], dim=1).topk(k, dim=1)
        indices = indices + start
    return values, indices


def after_kept(queries, blocks, k):
    """Let a block begin after the anchors that were kept of the blocks before it."""
    start, parts = 0, []
    for block in blocks:
        parts.append((start, block))
        start += min(k, len(block))
    return merged(queries, blocks, k, read=lambda _: parts)


def unit(*shape, seed):
    return unit_rows(random_tensor(*shape, seed=seed))


QUERIES, ANCHORS = unit(3, 6, seed=43), unit(23, 6, seed=44)
ONE_WAY = unit_rows(ANCHORS.abs())  # all cosines with its opposite are negative

cases = [
    (QUERIES, Stream(ANCHORS[:20], 10), 3),
    (QUERIES, Stream(ANCHORS, 6), 4),
    (QUERIES, Stream(ANCHORS[:20], 6), 4),  # the last block holds 2, fewer than k
    (QUERIES, Stream(ANCHORS[:12], 4), 5),  # every block holds fewer than k
    (QUERIES, Stream(ANCHORS, 5), 1),
    (QUERIES, Stream(ANCHORS, 23), 23),
    (-ONE_WAY[:3], Stream(ONE_WAY, 6), 4),
]
mistakes = {
    "The values are right, but your indices are positions in the joined table of your last topk. Take the anchors that "
    "stand at these positions with `gather`.": (
        but(take=lambda _, order: order),
        in_the_last_table,
        in_the_table_of_all,
        never_gathered,
    ),
    "The values are right, but your indices count from 0 in each block. Add the number of anchors that came before the "
    "block.": placed(lambda i, length: 0),
    "The indices of the last block are off. It is shorter than the others, so its number times its own length is not "
    "where it starts. Count the anchors that came before.": placed(lambda number, length: number * length),
    "You added up how many of each block you kept. Count all anchors that came before, kept or not.": after_kept,
    "You added the number of the block; add the number of anchors that came before it.": placed(lambda i, length: i),
    "Your indices are one too large; positions start at 0.": part(1, lambda indices, *case: indices + 1),
    "You left out the last block; its anchors count, too.": only(lambda p: [x for x in p if len(x[1]) == len(p[0][1])]),
    "You began with zeros as the k best. They stay where fewer than k cosines are positive: begin with a value that "
    "every cosine beats.": but(first=0.0),
    "You merged the values, but not the indices in the same order. The topk over the joined values tells the order in "
    "which to take the joined indices.": but(take=lambda joined, order: joined[:, order.shape[1] :]),
    "You kept the smallest cosines; the k largest are wanted.": but(largest=False, first=torch.inf),
    "You took distances; a cosine is the dot product here.": part(0, lambda v, *_: (2 - 2 * v).clamp_min(0).sqrt()),
    "You kept the cosines that are largest in size, whatever their sign.": but(score=torch.abs),
    "The k best come in the wrong order: the largest first.": result(lambda both: tuple(part.flip(1) for part in both)),
    "You kept only the best of the last block: merge each block with the best so far.": only(lambda parts: parts[-1:]),
    "You kept only the best of the first block: go on to the others, and merge.": only(lambda parts: parts[:1]),
}
hints = {"index k out of range": "A block may hold fewer anchors than k, above all the last."}
check_top_k = OfAStream(
    "04.5", "The k largest of a stream", merged, cases, mistakes,
    hints=hints, also=refuse_a_dense_matrix, parts=("values", "indices"),
)  # fmt: skip
