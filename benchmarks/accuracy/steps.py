"""Take the steps of the method one at a time, in several orders, over draws of the splits (chapters 01 to 04).

    python benchmarks/accuracy/steps.py stamps emoji cifar10

In each draw, the training pairs are the anchors, the validation pairs choose settings where the page says so, and the
test pairs are asked. Draw 0 is the data set's own, and draw s has the seed s. Of CIFAR-10, 1,000 pictures of the test
split are drawn with seed 0, and their captions name the classes. A few minutes on two cores.
"""

import argparse
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import torch

from asif_book.chapters.chapter_02.lessons import misplaced, pair_correlation
from asif_book.chapters.classes import captioned
from asif_lab.benchmark.comparing import resampled_means
from asif_lab.benchmark.tasks import embedded_pairs, redrawn_pairs
from asif_lib import load_image_encoder, load_labelled, load_pairs, load_text_encoder, method
from asif_lib.datasets.pairs import fixed_splits
from asif_lib.defaults import DEFAULT_K_SHARE, DEFAULT_P, LARGEST_DEFAULT_K, PROFILES
from asif_lib.evaluation.measures import ranks, recall_of_each, same_text
from asif_lib.machine import progress_bar

DRAWS, PHOTOGRAPHS, ENCODERS = 20, 1_000, PROFILES["offline"]
STEPS = "cut", "clamp", "power"
SUBSETS = [some for count in range(len(STEPS) + 1) for some in combinations(STEPS, count)]
ORDERS = STEPS, ("clamp", "power", "cut"), ("power", "cut", "clamp")
CENTRED = {"centred": True, "not centred": False}
SHARES, POWERS = (0.02, 0.05, 0.1, 0.2, 0.4, 1), (1, 2, 4, 8, 16, 32)
WRONG = 0.1, 0.25, 0.5, 0.75  # shares of the anchors' captions
MEASURES = "R@1", "mean recall"

PAGE = """<!-- Printed by: python benchmarks/accuracy/steps.py {names} -->
# The steps of the method, one at a time

Per cent, or points of difference: means over {draws} draws of train, validation and test pairs. The training pairs are
the anchors, and the test pairs are asked. The 95 % intervals resample draws and pairs. R@1 is that of picture →
caption. *Mean recall* is the mean of R@1, R@5 and R@10 of both directions. Where nothing else is said, the vectors are
centred, the cut keeps k = n/10 entries, and p = 2.

Anchors and questions of a draw: {sizes}.
The captions of CIFAR-10 name one of ten classes, so that any caption of the class is right."""


def after(similarities, steps, k, p):
    """Take some of the `STEPS` with similarities (q, n), and scale the rows to length 1: (q, n).

    Their order does not matter, because each step keeps the order of the entries: the power keeps their signs.
    """
    for step in steps:
        if step == "cut":
            values, positions = method.top_k(similarities, k)
            similarities = torch.zeros_like(similarities).scatter(1, positions, values)
        elif step == "clamp":
            similarities = similarities.clamp_min(0)
        else:
            similarities = similarities.sign() * similarities.abs() ** p
    return method.unit(similarities)


def name_of(steps):
    """Name some steps, whatever their order."""
    return ", ".join(sorted(steps, key=STEPS.index)) or "none"


def described(asked, anchors, center=True):
    """Describe both sides of questions (q, d) by both sides of anchors (n, d): (q, n) each."""
    sides = zip(asked, anchors, strict=True)
    return [method.relative(*(method.centre(*side) if center else side)) for side in sides]


def recalls(sides, relevant):
    """Return for each pair whether its caption comes first, and its recall, (2, q); `sides` are (q, n) each."""
    scores = method.scores(*sides)
    ways = ranks(scores, relevant), ranks(scores.T, relevant.T)
    return np.stack([ways[0] == 0, recall_of_each(ways)])


def sparse(sides, settings, relevant):
    """Return the `recalls` of similarities (q, n) of both sides, with k and p."""
    return recalls([method.sparsify(side, *settings) for side in sides], relevant)


def chosen(sides, relevant):
    """Return the k and p with the largest mean recall of the pairs asked, and the recalls of these pairs, (2, q)."""
    tried = [(max(1, round(share * sides[0].shape[1])), p) for share, p in product(SHARES, POWERS)]
    found = [sparse(sides, settings, relevant) for settings in tried]
    best = int(np.argmax([recall.mean() for _, recall in found]))
    return tried[best], found[best]


def with_other_lengths(sides, generator):
    """Multiply each vector of both sides, (n, d) each, by a number of its own from 0.1 to 10.1."""
    return [side * (10 * torch.rand(len(side), 1, generator=generator) + 0.1) for side in sides]


def forced(fitted, asked, generator):
    """Give both sides of the pairs asked one width, by the name of the way; axes and signs are those of `fitted`."""
    width = min(*(z.shape[1] for z in asked), len(fitted[0]) - 1)
    means = [z.mean(dim=0) for z in fitted]
    axes = [torch.linalg.svd(z - m, full_matrices=False).Vh[:width].T for z, m in zip(fitted, means, strict=True)]
    known, new = ([(z - m) @ a for z, m, a in zip(some, means, axes, strict=True)] for some in (fitted, asked))
    third_moments = [(z**3).sum(dim=0) for z in known]
    signs = {
        "signs by lot": torch.randint(2, (width,), generator=generator) - 0.5,
        "signs by skewness": third_moments[0] * third_moments[1],
        "signs by the anchors' pairs": (known[0] * known[1]).sum(dim=0),
    }
    return {
        "first dimensions": [z[:, :width] for z in asked],
        "projected by lot": [z @ torch.randn(z.shape[1], width, generator=generator) for z in asked],
        **{f"principal axes, {name}": [new[0] * sign.sign(), new[1]] for name, sign in signs.items()},
    }


def below(sides, relevant):
    """Return for each pair the share of wrong captions that score below its own, (q,)."""
    scores = method.relative(*sides)
    behind = (scores < scores.diagonal()[:, None]) & ~relevant
    return (behind.sum(dim=1) / (~relevant).sum(dim=1)).numpy()


def one_draw(pairs, z, draw):
    """Measure a draw of the splits; `z` are the embeddings of all pairs, (n, d) of each side.

    Returns the recalls of the test pairs by name, (2, q), those of the validation pairs, and other numbers by name.
    """
    drawn, generator = redrawn_pairs(pairs, draw), torch.Generator().manual_seed(draw)
    anchors, validation, test = ([side[drawn.splits[name]] for side in z] for name in ("train", "validation", "test"))
    captions = [drawn.split(name).captions for name in ("validation", "test")]
    (choosing, right), n = (same_text(texts, texts) for texts in captions), len(anchors[0])
    usual, paper = (max(1, round(DEFAULT_K_SHARE * n)), DEFAULT_P), (min(LARGEST_DEFAULT_K, n), 8)

    sides = described(test, anchors)
    found = {name_of(steps): recalls([after(side, steps, *usual) for side in sides], right) for steps in SUBSETS}
    numbers = {}
    for way, center in CENTRED.items():
        sides, for_choice = (described(asked, anchors, center) for asked in (test, validation))
        settings, best = chosen(for_choice, choosing)
        if center:
            on_validation = {"chosen": best, "paper": sparse(for_choice, paper, choosing)}
        changed = described(*(with_other_lengths(some, generator) for some in (test, anchors)), center)
        found |= {
            f"{way}, dense": recalls([method.unit(side) for side in sides], right),
            f"{way}, usual": sparse(sides, usual, right),
            f"{way}, chosen": sparse(sides, settings, right),
            f"{way}, paper's": sparse(sides, paper, right),
            f"{way}, other lengths": sparse(changed, usual, right),
        }
        change = max(float((a - b).abs().max()) for a, b in zip(changed, sides, strict=True))
        numbers |= {f"{way}, k/n": settings[0] / n, f"{way}, p": settings[1], f"{way}, change": change}

    similar = described(anchors, anchors)
    for share in (*WRONG, 1):
        order = misplaced(n, share, generator)
        found[f"{share:.0%} wrong"] = sparse(described(test, (anchors[0], anchors[1][order])), usual, right)
        left = pair_correlation(similar[0], similar[1][order][:, order]) / pair_correlation(*similar)
        numbers[f"{share:.0%} wrong"] = 100 * left
    for name, of_one_width in forced(anchors, test, generator).items():
        found[name] = np.stack(2 * [below(of_one_width, right)])
    return found, on_validation, numbers


def everything(name, encoders):
    """Return the pairs of a data set, and the embeddings of both sides, (n, d) each."""
    if name == "cifar10":
        data = load_labelled(name).split("test").sample(PHOTOGRAPHS)
        splits = fixed_splits([data.classes[label] for label in data.labels])
        pairs = replace(captioned(data), pictures=data.pictures, splits=splits)
    else:
        pairs = load_pairs(name)
    return pairs, embedded_pairs(pairs, encoders, progress=False)


def over_draws(pairs, z, draws):
    """Return tables of means by measure, of the test and of the validation pairs, and the other numbers by draw.

    Row 0 of a table of means, in per cent, is the mean over draws and pairs; each other row is that of a resample.
    """
    done = [one_draw(pairs, z, draw) for draw in progress_bar(range(draws), desc=f"draws of {pairs.name}")]
    tables = []
    for split, found in zip(("test", "validation"), list(zip(*done, strict=True))[:2], strict=True):
        names = list(found[0])
        values = np.full((len(MEASURES), len(names), draws, len(pairs)), np.nan)
        for draw, of_draw in enumerate(found):
            rows = redrawn_pairs(pairs, draw).splits[split]
            values[:, :, draw, rows] = np.stack([of_draw[name] for name in names], axis=1)
        means = (np.vstack([np.nanmean(one, axis=2).mean(axis=1), resampled_means(one)]) for one in values)
        tables.append({m: 100 * pd.DataFrame(one, columns=names) for m, one in zip(MEASURES, means, strict=True)})
    return *tables, pd.DataFrame([numbers for *_, numbers in done])


def points(values, sign="+"):
    """Write the mean of a column of a table, and its interval."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:{sign}.1f} [{low:.1f}, {high:.1f}]".replace("-", "−")


def section(title, about, head, rows):
    """Print a title, a text and a table."""
    line = "| {} |".format
    lines = [f"\n## {title}\n", f"{about}\n", line(" | ".join(head)), f"|---|{'---:|' * (len(head) - 1)}"]
    print("\n".join([*lines, *(line(" | ".join(row)) for row in rows)]))


def write(found):
    """Print a section for each question; `found` holds what `over_draws` returns, by name of the data set."""
    test, validation, numbers = ({name: parts[i] for name, parts in found.items()} for i in range(3))
    recall, validation = ({name: of["mean recall"] for name, of in split.items()} for split in (test, validation))

    about = "R@1 / mean recall. The power keeps the sign of an entry here, so that all orders of the steps end alike."
    rows = []
    for steps in map(name_of, SUBSETS):
        cells = [" / ".join(f"{tables[measure][steps][0]:.1f}" for measure in MEASURES) for tables in test.values()]
        rows.append([steps, *cells])
    section("What is found after some of the steps", about, ["steps", *found], rows)

    for measure in MEASURES:
        rows = []
        for name, order in product(found, ORDERS):
            means, gains = test[name][measure], {}
            for i, step in enumerate(order):
                gains[step] = points(means[name_of(order[: i + 1])] - means[name_of(order[:i])])
            rows.append([f"{name}: {'→'.join(order)}", *(gains[step] for step in STEPS)])
        about = "Each step brings this to those before it in the order."
        section(f"What a step brings, by the order: {measure}", about, ["pairs: order", *STEPS], rows)

    gains = [points(means["cut, clamp"] - means["clamp"]) for means in recall.values()]
    section("What the cut brings after the clamp, with p = 1", "Mean recall.", ["", *found], [["gain", *gains]])

    shares, powers = (", ".join(map(str, tried)) for tried in (SHARES, POWERS))
    about = f"""\
Centred minus not centred. Settings are chosen on the validation pairs, for each way by itself: k among {shares}
of n, p among {powers}. Their medians, k/n and p, are the last two rows."""
    rows = []
    for state, measure in product(("dense", "chosen"), MEASURES):
        two = [[tables[measure][f"{way}, {state}"] for way in CENTRED] for tables in test.values()]
        rows.append([f"{state}, {measure}", *(points(centred - plain) for centred, plain in two)])
    for way in CENTRED:
        medians = [[of[f"{way}, {name}"].median() for name in ("k/n", "p")] for of in numbers.values()]
        rows.append([f"settings, {way}", *(f"{share:.2g}, {p:.2g}" for share, p in medians)])
    section("What centring brings", about, ["", *found], rows)

    about = """\
Each vector of questions and anchors is multiplied by a number of its own, from 0.1 to 10.1. Mean recall
before and after, and the largest change of a similarity in all draws."""
    rows = []
    for way in CENTRED:
        rows.append([f"{way}, before", *(points(means[f"{way}, usual"], "") for means in recall.values())])
        rows.append([f"{way}, after", *(points(means[f"{way}, other lengths"], "") for means in recall.values())])
        rows.append([f"{way}, change", *(f"{of[f'{way}, change'].max():.2g}" for of in numbers.values())])
    section("Other lengths", about, ["", *found], rows)

    about = (
        "Mean recall with the settings chosen, minus that with k = 800 (or n, if n is smaller) and p = 8; all centred."
    )
    rows = [
        ["validation, which chose", *(points(of["chosen"] - of["paper"]) for of in validation.values())],
        ["test", *(points(of["centred, chosen"] - of["centred, paper's"]) for of in recall.values())],
    ]
    section("What the choice of k and p brings over the paper's", about, ["", *found], rows)

    about = """\
A share of the anchors' captions is in the wrong place. What is left of mean recall, where 0 % is that with all
in the wrong place and 100 % that with none; and behind it of the correlation of similarities over pairs of anchors."""
    rows = []
    for share in WRONG:
        wrong, cells = f"{share:.0%} wrong", []
        for name, means in recall.items():
            left = (means[wrong] - means["100% wrong"]) / (means["centred, usual"] - means["100% wrong"])
            cells.append(f"{points(100 * left, '')}; {numbers[name][wrong].mean():.0f}")
        rows.append([f"{share:.0%}", *cells])
    section("Captions in the wrong place", about, ["wrong", *found], rows)

    about = """\
Share of wrong captions that score below the own one; guessing gives 50 %. With signs or maps by lot it is 50 %
on average, whatever the encoders know, because a map and its negative add up to 100 %. Signs by skewness make the third
moment of each axis positive, which needs no pair."""
    ways = [name for name in next(iter(recall.values())) if name.startswith(("first", "projected", "principal"))]
    rows = [[way, *(points(of[way], "") for of in recall.values())] for way in ways]
    section("One width for both sides", about, ["way", *found], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    loaded = {name: everything(name, encoders) for name in arguments.data}
    found = {name: over_draws(*one, arguments.draws) for name, one in loaded.items()}
    sizes = [f"{len(p.splits['train'])} and {len(p.splits['test'])} ({name})" for name, (p, _) in loaded.items()]
    print(PAGE.format(names=" ".join(loaded), draws=arguments.draws, sizes=", ".join(sizes)))
    write(found)


if __name__ == "__main__":
    main()
