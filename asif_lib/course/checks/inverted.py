"""The check of chapter 08's inverted index: right scores, and only the entries that matter looked at."""

import torch

from .judging import TENSOR_KEYS, Verdict, compare, exercise, random_tensor, wrong


@exercise("08.5", "An inverted index")
def check_inverted_index(function) -> Verdict:
    """Scores of all captions for one picture through an inverted index, and how many entries that took."""
    cases = [
        (torch.tensor([[4, 1], [2, 4]]), torch.tensor([[0.5, 0.25], [1.0, 0.5]]), _row(4, 3), torch.tensor([2.0, 1.0])),
        _captions(5, 4, 12, 3, seed=50),
        _captions(9, 6, 15, 6, seed=51),
        _captions(4, 3, 1_600_000, 3, seed=52),
        (torch.tensor([[1], [2], [1]]), torch.tensor([[0.5], [0.7], [0.25]]), _row(1), torch.tensor([0.5])),
    ]
    cases = [(i.int(), v, j.int(), w) for i, v, j, w in cases]
    notes = {4: "where hardly an anchor is shared", 5: "with k = 1"}
    verdict = compare(function, inverted_scores, cases, MISTAKES, notes=notes)
    if verdict.status == "wrong" and "KeyError" in verdict.message and "dictionary" not in verdict.message:
        return wrong(
            f"{verdict.message} An anchor that no caption has is not in the index: `.get(anchor, [])`. {TENSOR_KEYS}"
        )
    return verdict


def _row(*anchors):
    return torch.tensor(anchors)


def _captions(t, k, n, k_query, seed):
    """Made-up sparse vectors; no anchor occurs twice in one of them."""
    generator = torch.Generator().manual_seed(seed)

    def vector(size):
        return torch.rand(n, generator=generator).topk(size).indices

    indices = torch.stack([vector(k) for _ in range(t)])
    query = vector(k_query)
    query[-1] = indices[-1, 0] if indices[-1, 0] not in query else query[-1]
    return indices, random_tensor(t, k, seed=seed + 100).abs(), query, random_tensor(k_query, seed=seed + 200).abs()


def postings(indices, values):
    """The inverted index: anchor to a list of (caption, value)."""
    index = {}
    for caption, (anchors, entries) in enumerate(zip(indices.tolist(), values.tolist(), strict=True)):
        for anchor, entry in zip(anchors, entries, strict=True):
            index.setdefault(anchor, []).append((caption, entry))
    return index


def inverted_scores(indices, values, query_indices, query_values):
    scores, looked = torch.zeros(len(indices)), 0
    index = postings(indices, values)
    for anchor, weight in zip(query_indices.tolist(), query_values.tolist(), strict=True):
        for caption, entry in index.get(anchor, []):
            scores[caption] += weight * entry
            looked += 1
    return scores, looked


def _scores(weigh, *, add=True, last=False):
    """The right way, with places to go wrong."""

    def solve(indices, values, query_indices, query_values):
        scores, looked, index = torch.zeros(len(indices)), 0, postings(indices, values)
        for anchor, weight in zip(query_indices.tolist(), query_values.tolist(), strict=True):
            for caption, entry in index.get(anchor, [])[-1 if last else 0 :]:
                scores[caption] = weigh(weight, entry) + (scores[caption] if add else 0)
                looked += 1
        return scores, looked

    return solve


def _product(weight, entry):
    return weight * entry


def _count(count):
    """Right scores, and `count` in the place of the entries that were looked at."""
    return lambda *case: (inverted_scores(*case)[0], count(*case))


def _same_place(indices, values, query_indices, query_values):
    k = min(values.shape[1], len(query_values))
    return (values[:, :k] * query_values[:k]).sum(dim=1), inverted_scores(
        *(indices, values, query_indices, query_values)
    )[1]


MISTAKES = [
    (
        "Where a caption shares several anchors with the picture, only the last counts: add to its score (+=) instead "
        "of setting it.",
        _scores(_product, add=False),
    ),
    (
        "Your index keeps one caption for each anchor, the last; several captions may have an entry there: keep a "
        "list.",
        _scores(_product, last=True),
    ),
    (
        "You left out the picture's values: an entry adds the product of both values.",
        _scores(lambda weight, entry: entry),
    ),
    (
        "You left out the captions' values: an entry adds the product of both values.",
        _scores(lambda weight, entry: weight),
    ),
    ("You counted the shared anchors; an entry adds the product of both values.", _scores(lambda weight, entry: 1)),
    ("An entry adds the product of both values, not their sum.", _scores(lambda weight, entry: weight + entry)),
    (
        "You multiplied values that stand in the same place of the two lists; they belong together where the anchor is "
        "the same.",
        _same_place,
    ),
    (
        "The scores are right, but you looked at every entry of every caption. With the index, only the captions that "
        "have an entry at the picture's anchors are looked at.",
        _count(lambda indices, values, query_indices, query_values: indices.numel()),
    ),
    (
        "The scores are right, but you compared every entry with every anchor of the picture. Look the picture's "
        "anchors up in the index, and count the entries that you find there.",
        _count(lambda indices, values, query_indices, query_values: indices.numel() * len(query_indices)),
    ),
    (
        "The scores are right. You counted the anchors of the picture; count the entries that are found at them.",
        _count(lambda indices, values, query_indices, query_values: len(query_indices)),
    ),
    (
        "The scores are right. You counted the picture's anchors that are in the index; at each there may be several "
        "entries: count these.",
        _count(lambda i, v, query_indices, w: len(set(query_indices.tolist()) & set(i.flatten().tolist()))),
    ),
    (
        "The scores are right. You counted the captions that were found; one that shares several anchors was looked at "
        "several times: count the entries.",
        _count(lambda *case: int((inverted_scores(*case)[0] > 0).sum())),
    ),
    (
        "No caption shares an anchor with the picture, by your index. " + TENSOR_KEYS,
        lambda indices, values, query_indices, query_values: (torch.zeros(len(indices)), 0),
    ),
]
