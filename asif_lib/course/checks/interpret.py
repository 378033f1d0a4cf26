"""Checks of chapter 06, interpretability: contributions, contrasts, and the rank-based AUC."""

import torch

from .judging import Verdict, compare, exercise, random_tensor


def _unit_rows(*shape, seed):
    """Rows of length 1 without negative entries, about half of them zero."""
    rows = random_tensor(*shape, seed=seed).clamp_min(0)
    return torch.nn.functional.normalize(rows, dim=-1)


@exercise("06.1", "Prove that it adds up")
def check_contributions(function) -> Verdict:
    """What each anchor gives to a label's score, the mean over its prompts."""

    def reference(image, prompts):
        return image * prompts.mean(dim=0)

    cases = [(_unit_rows(30, seed=61 + i), _unit_rows(m, 30, seed=71 + i)) for i, m in enumerate((3, 1, 5))]
    mistakes = [
        (
            "You returned the score, one number; what each anchor gives to it is wanted, before the sum over anchors.",
            lambda x, y: (y @ x).mean(),
        ),
        ("You returned a score for each prompt; sum over the prompts, not over the anchors.", lambda x, y: y @ x),
        (
            "You summed over the prompts, so your contributions add up to m times the score; the label's score is the "
            "mean over its prompts.",
            lambda x, y: (x * y).sum(dim=0),
        ),
        (
            "You took each anchor's largest contribution over the prompts. The sum of these is larger than any score: "
            "the mean over the prompts adds up.",
            lambda x, y: (x * y).amax(dim=0),
        ),
        (
            "You returned one row for each prompt; the label has one contribution from each anchor, the mean of the "
            "column.",
            lambda x, y: x * y,
        ),
        (
            "You left the picture out: an anchor contributes where picture and text both hold it.",
            lambda x, y: y.mean(0),
        ),
        (
            "You made the mean of the prompts a vector of length 1 again. The mean of the scores needs the mean as it "
            "is; yours add up to another number.",
            lambda x, y: x * torch.nn.functional.normalize(y.mean(dim=0), dim=0),
        ),
        (
            "You divided by the score, which gives shares that add up to 1; the contributions add up to the score.",
            lambda x, y: reference(x, y) / reference(x, y).sum(),
        ),
        (
            "You spread the score evenly over the anchors. It adds up, and says nothing: what did each of them give?",
            lambda x, y: (y @ x).mean().expand(len(x)) / len(x),
        ),
        (
            "You spread the score evenly over the anchors that both sides hold. It adds up, and says nothing: what did "
            "each of them give?",
            lambda x, y: ((x * y.mean(0)) > 0) * (y @ x).mean() / ((x * y.mean(0)) > 0).sum(),
        ),
        (
            "You took the smaller of the two entries; a cosine of vectors of length 1 is a sum of products.",
            lambda x, y: torch.minimum(x, y.mean(dim=0)),
        ),
        ("You used the first prompt only.", lambda x, y: x * y[0]),
        (
            "You sorted them; keep the order of the anchors, entry i for anchor i.",
            lambda x, y: reference(x, y).sort(descending=True).values,
        ),
    ]
    return compare(function, reference, cases, mistakes)


BY_SIZE = "You ranked the differences by their size, whatever their sign; the sign says for which label they speak."


@exercise("06.2", "Why this one and not the other?")
def check_contrast(function) -> Verdict:
    """The anchors that speak most for one label against another, and the other way round."""

    def order(values, top):
        return values.topk(top).indices

    def reference(image, one, other, top):
        return order(image * (one - other), top), order(image * (other - one), top)

    def by_size(image, one, other, top):
        sizes = (image * (one - other)).abs()
        return order(sizes, top), order(-sizes, top)

    rows = [torch.rand(4, n, generator=torch.Generator().manual_seed(80 + n)) for n in (20, 40, 25)]
    cases = [(*r[:3], top) for r, top in zip(rows, (3, 5, 1), strict=True)]
    mistakes = [
        (
            "You ranked the contributions to each label by themselves. An anchor that gives the same to both decides "
            "nothing between them: rank the differences.",
            lambda x, a, b, top: (order(x * a, top), order(x * b, top)),
        ),
        ("The two results are the wrong way round: first for `one`, then for `other`.", lambda *c: reference(*c)[::-1]),
        (
            BY_SIZE,
            lambda x, a, b, top: (order((x * (a - b)).abs(), top),) * 2,
        ),
        (BY_SIZE, lambda *c: by_size(*c)),
        (BY_SIZE, lambda *c: (by_size(*c)[0], by_size(*c)[1].flip(0))),
        (
            "You left the picture out: an anchor of which the picture has little gives little to either label.",
            lambda x, a, b, top: (order(a - b, top), order(b - a, top)),
        ),
        (
            "Your second result begins with the weakest of the anchors for `other`; the strongest comes first.",
            lambda *c: (reference(*c)[0], reference(*c)[1].flip(0)),
        ),
        (
            "You took the quotient of the two contributions; two tiny ones may have a large quotient. Scores are sums: "
            "take the difference.",
            lambda x, a, b, top: (order(a / b, top), order(b / a, top)),
        ),
        (
            "You returned the differences themselves; the positions of the anchors are wanted.",
            lambda x, a, b, top: ((x * (a - b)).topk(top).values, (x * (b - a)).topk(top).values),
        ),
    ]
    return compare(function, reference, cases, mistakes)


ARGSORT = (
    "You ranked the scores, and tied ones got different places, by the order in which they stand or by chance; a tie "
    "counts half."
)


@exercise("06.5", "An AUC without thresholds")
def check_rank_auc(function) -> Verdict:
    """The probability that a wrong pair scores below a right one; ties count half."""

    def gaps(scores, wrong):
        return scores[~wrong][None, :] - scores[wrong][:, None]

    def reference(scores, wrong):
        gap = gaps(scores, wrong)
        return float((gap > 0).double().mean() + (gap == 0).double().mean() / 2)

    def on_a_grid(scores, wrong, thresholds):
        flagged = scores[None, :] < thresholds[:, None]
        rates = [flagged[:, part].double().mean(dim=1) for part in (~wrong, wrong)]
        (x, y) = (torch.cat([torch.zeros(1), r.float(), torch.ones(1)]) for r in rates)
        return float(torch.trapezoid(y, x))

    def by_argsort(scores, wrong, order=None):
        order = scores.argsort(descending=True, stable=True) if order is None else order
        places = torch.empty(len(scores), dtype=torch.float64)
        places[order] = torch.arange(len(scores), dtype=torch.float64)
        m = int(wrong.sum())
        return float((places[wrong].sum() - m * (m - 1) / 2) / (m * (len(scores) - m)))

    generator = torch.Generator().manual_seed(65)
    wrong = torch.rand(60, generator=generator) < 0.2
    fine = torch.rand(60, generator=generator) - 0.25 * wrong
    fine = (fine + 0.25) / 1.25
    coarse = (5 * fine).round() / 5
    cases = [
        (fine, wrong),
        (fine / 100, wrong),  # a grid from 0 to 1 has nothing between these
        (coarse, wrong),
        (torch.zeros(60), wrong),  # says nothing
        (fine[:20], torch.arange(20) == 7),
    ]
    mistakes = [
        (
            "You gave a tie nothing, and a method that says the same of all pairs gets 0; a tie counts half.",
            lambda s, w: float((gaps(s, w) > 0).double().mean()),
        ),
        (
            "You gave a tie a full point, and a method that says the same of all pairs is perfect; a tie counts half.",
            lambda s, w: float((gaps(s, w) >= 0).double().mean()),
        ),
        (
            "The wrong way round: a *low* score is suspicious, so count the pairs in which the wrong one scores lower.",
            lambda s, w: 1 - reference(s, w),
        ),
        (
            ARGSORT,
            by_argsort,
        ),
        (ARGSORT, lambda s, w: by_argsort(s, w, s.argsort(stable=True).flip(0))),
        (ARGSORT, lambda s, w: by_argsort(s, w, s.argsort().flip(0))),
        (
            "0.5 on this input, whatever the scores are: no threshold lies between any two of them. Do without "
            "thresholds: compare every wrong pair with every right one.",
            lambda s, w: 0.5,
        ),
        (
            "You counted the pairs of pairs; divide by how many there are.",
            lambda s, w: reference(s, w) * int(w.sum()) * int((~w).sum()),
        ),
        (
            "You divided by all n² pairs of scores; only a wrong one beside a right one can be in the right order.",
            lambda s, w: float((gaps(s, w) > 0).double().sum() + (gaps(s, w) == 0).double().sum() / 2) / len(s) ** 2,
        ),
        (
            "That is the difference of the two means; how often the one lies below the other is wanted.",
            lambda s, w: float(s[~w].mean() - s[w].mean()),
        ),
        (
            "That is an accuracy at one threshold, the median; the area needs none.",
            lambda s, w: float(((s < s.median()) == w).double().mean()),
        ),
    ]
    for steps in (10, 11, 20, 21, 50, 51, 100, 101, 1000, 1001):
        mistakes.append(
            (
                "You went through a grid of thresholds; scores that fall between two of them are not told apart. "
                "Compare every wrong pair with every right one instead.",
                lambda s, w, steps=steps: on_a_grid(s, w, torch.linspace(0, 1, steps)),
            )
        )
    notes = {3: "some scores are tied", 4: "all scores are tied"}
    return compare(function, reference, cases, mistakes, notes=notes)
