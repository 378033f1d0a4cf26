"""Compare attributions with the truth: score random halves of a bank, and let each attribution predict the scores.

The linear datamodeling score of a question is Spearman's correlation over random halves of the bank: the score with a
half, and the sum of an attribution over this half (Park et al., TRAK, ICML 2023). A datamodel (Ilyas et al., ICML 2022)
is ridge regression from halves to scores; it learns from other halves than those that test it.

    python benchmarks/accuracy/attribution.py stamps emoji
"""

import argparse
from dataclasses import asdict

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV

from asif_book.chapters.classes import class_of, classes_of
from asif_lib import ASIF, AnchorBank, embed, load_image_encoder, load_pairs, load_text_encoder
from asif_lib.defaults import DEFAULT_TEMPLATE, PROFILES
from asif_lib.evaluation import mean_with_interval
from asif_lib.explain import removal_effects, shapley_values, without
from asif_lib.machine import progress_bar
from asif_lib.zeroshot import make_prompts

ENCODERS, HALVES = PROFILES["offline"], 500
PAGE = """<!-- Printed by: python benchmarks/accuracy/attribution.py {names} -->
# Attributions, compared with the truth

Which anchors matter for a score? Here the truth can be computed: {halves} random halves of the bank each give the exact
score of a question, and an attribution should rank these scores by its sum over each half. The **linear datamodeling
score** is Spearman's correlation of the two, on average over the questions (95 % interval over them). The bank is train
and validation. The questions are the first {questions} test pictures, each with the model's own answer: the best of all
test captions, or the best class name. k and p are the defaults of the whole bank, also in a half. Of anchors that tie
at the k-th place, the first are kept. The ridge regression learned from {halves} other halves, the Shapley values are
estimates from {orders} random orders; with `--orders 5000` they reach 0.87 on the stamps.

*With* Shapley values, and with removals of one anchor: Pearson's correlation. The *sum* of an attribution is divided by
the score, and the column has the median; only for contributions and Shapley values it must be 1. The *deletion area*
lies between two curves of the score, while the contributing anchors leave in the order of the attribution, and in a
random order. It is a share of the score with all anchors; larger is better.
"""
END = """

So contributions say *why* a score is what it is, exactly. To foretell what other anchors would do, remove them one at a
time: `removal_effects`. Shapley values stand between the two. They keep the mean of the whole bank, and removals do
not. To lower a score, remove the anchors that contribute most: their deletion area is the largest."""


def scores_of_halves(model, z, halves):
    """Return the score of each of q questions with each half of the bank, (q, halves), all settings as they are."""
    found = []
    for half in progress_bar(halves, desc="halves"):
        part = ASIF(model.bank.view(torch.from_numpy(half)), **asdict(model.settings), device=model.device)
        found.append(part.similarity(*z).diagonal())
    return torch.stack(found, dim=1).numpy()


def attributions(model, z, masks, scores, orders):
    """Return the attributions by name, (q, n) each; the datamodel is fitted on `masks` (m, n) and `scores` (q, m)."""
    entries = [model.represent(*side).to_dense().numpy() for side in zip(model.bank.sides, z, strict=True)]
    ridge = RidgeCV(alphas=10.0 ** np.arange(0, 6))
    return {
        "contributions": entries[0] * entries[1],
        "the picture's entry alone": entries[0],
        "removal of one anchor": removal_effects(model, *z).numpy(),
        "Shapley values": shapley_values(model, *z, permutations=orders)[0].numpy(),
        "datamodel (ridge)": np.stack([ridge.fit(masks, s).coef_ for s in scores]),
        "random numbers": np.random.default_rng(0).normal(size=entries[0].shape),
    }


def deletion_areas(model, z, contributions, values, steps=8):
    """Return the area under the score while the contributing anchors go in the order of `values` (q, n): (q,).

    The score is a share of that with all anchors.
    """
    areas = []
    for image, text, gives, value in zip(*z, contributions, values, strict=True):
        order = np.flatnonzero(gives > 0)
        order = order[value[order].argsort()[::-1]]
        counts = np.unique(np.linspace(0, len(order), steps + 1).round().astype(int))
        scores = [float(without(model, image[None], text[None], order[:count]).scores) for count in counts]
        areas.append(np.trapezoid(np.array(scores) / scores[0], counts / len(order)))
    return np.array(areas)


def compared(name, model, z, orders):
    """Print the rows of the table for q questions, `z` of both sides, and return a line on removals."""
    n, random = len(model.bank), np.random.default_rng(0)
    halves = [np.sort(random.permutation(n)[: n // 2]) for _ in range(2 * HALVES)]
    masks = np.stack([np.isin(np.arange(n), half) for half in halves]).astype(float)  # (2 · HALVES, n)
    scores = scores_of_halves(model, z, halves)  # (q, 2 · HALVES)
    found = attributions(model, z, masks[:HALVES], scores[:, :HALVES], orders)
    truth, whole = scores[:, HALVES:], model.similarity(*z).diagonal().numpy()
    gives, effects, shapley = (found[title] for title in ("contributions", "removal of one anchor", "Shapley values"))
    areas = {title: deletion_areas(model, z, gives, values) for title, values in found.items()}
    for title, values in found.items():
        predicted = values @ masks[HALVES:].T  # (q, HALVES)
        score = mean_with_interval([spearmanr(*both).statistic for both in zip(predicted, truth, strict=True)])
        alike = [
            np.mean([np.corrcoef(*both)[0, 1] for both in zip(values, other, strict=True)])
            for other in (shapley, effects)
        ]
        share = np.median(values.sum(axis=1) / whole)
        area = np.mean(areas["random numbers"] - areas[title])
        interval = f"{score.value:z.2f} [{score.low:z.2f}, {score.high:z.2f}]"
        cells = " | ".join(f"{value:z.2f}" for value in (*alike, share))
        print(f"| {name} | {title} | {interval} | {cells} | {area:.3f} |", flush=True)
    raised = ((effects < 0) & (gives > 0)).sum() / (gives > 0).sum()
    return f"- {name}, {n} anchors, k = {model.k}: removing one contributing anchor raises the score for {raised:.1%}."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+")
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--orders", type=int, default=200, help="random orders of the Shapley values")
    arguments = parser.parse_args()
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    print(PAGE.format(names=" ".join(arguments.pairs), halves=HALVES, **vars(arguments)))
    columns = "data | attribution | linear datamodeling score | with Shapley values | with removals of one"
    print(f"| {columns} | sum over score | deletion area |")
    print("|---|---|---:|---:|---:|---:|---:|")
    lines = []
    for name in arguments.pairs:
        pairs = load_pairs(name)
        everything = AnchorBank.build(pairs, *encoders)
        model = ASIF(everything.subset([*pairs.splits["train"], *pairs.splits["validation"]]))
        asked = everything.subset(pairs.splits["test"])
        texts = {name: asked.text}
        if any(map(class_of, pairs.groups)):
            prompts = make_prompts(classes_of(pairs), (DEFAULT_TEMPLATE,))
            texts[f"{name}, {len(prompts)} classes"] = embed(encoders[1], prompts, progress=False)
        for title, text in texts.items():
            best = model.similarity(asked.image, text).argmax(dim=1)[: arguments.questions]  # the model's own answer
            lines.append(compared(title, model, (asked.image[: len(best)], text[best]), arguments.orders))
    print("\n" + "\n".join(lines) + END)


if __name__ == "__main__":
    main()
