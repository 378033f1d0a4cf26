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

from asif_lib import ASIF, AnchorBank, load_image_encoder, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES
from asif_lib.evaluation import mean_with_interval
from asif_lib.explain import removal_effects, shapley_values
from asif_lib.machine import progress_bar

ENCODERS, HALVES = PROFILES["offline"], 500


def scores_of_halves(model, z, halves):
    """Return the score of each of q questions with each half of the bank, (q, halves), all settings as they are."""
    found = []
    for half in progress_bar(halves, desc="halves"):
        part = ASIF(model.bank.view(torch.from_numpy(half)), **asdict(model.settings), device=model.device)
        found.append(part.similarity(*z).diagonal())
    return torch.stack(found, dim=1).numpy()


def attributions(model, z, masks, scores, seed):
    """Return the attributions by name, (q, n) each; the datamodel is fitted on `masks` (m, n) and `scores` (q, m)."""
    entries = [model.represent(*side).to_dense().numpy() for side in zip(model.bank.sides, z, strict=True)]
    ridge = RidgeCV(alphas=10.0 ** np.arange(0, 6))
    return {
        "contributions": entries[0] * entries[1],
        "the picture's entry alone": entries[0],
        "removal of one anchor": removal_effects(model, *z).numpy(),
        "Shapley values": shapley_values(model, *z)[0].numpy(),
        "datamodel (ridge)": np.stack([ridge.fit(masks, s).coef_ for s in scores]),
        "random numbers": np.random.default_rng(seed).normal(size=entries[0].shape),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+")
    parser.add_argument("--questions", type=int, default=64)
    arguments = parser.parse_args()
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    print("| data | attribution | linear datamodeling score | correlation with Shapley values | sum over score |")
    print("|---|---|---:|---:|---:|")
    for name in arguments.pairs:
        pairs = load_pairs(name)
        everything = AnchorBank.build(pairs, *encoders)
        model = ASIF(everything.subset([*pairs.splits["train"], *pairs.splits["validation"]]))
        asked = everything.subset(pairs.splits["test"])
        best = model.similarity(asked.image, asked.text).argmax(dim=1)[: arguments.questions]  # the model's own answer
        z, n = (asked.image[: len(best)], asked.text[best]), len(model.bank)
        random = np.random.default_rng(0)
        halves = [np.sort(random.permutation(n)[: n // 2]) for _ in range(2 * HALVES)]
        masks = np.stack([np.isin(np.arange(n), half) for half in halves]).astype(float)  # (2 · HALVES, n)
        scores = scores_of_halves(model, z, halves)  # (q, 2 · HALVES)
        found = attributions(model, z, masks[:HALVES], scores[:, :HALVES], seed=0)
        truth, shapley = scores[:, HALVES:], found["Shapley values"]
        whole = model.similarity(*z).diagonal().numpy()
        for title, values in found.items():
            predicted = values @ masks[HALVES:].T  # (q, HALVES)
            each = [spearmanr(*both).statistic for both in zip(predicted, truth, strict=True)]
            alike = [np.corrcoef(*both)[0, 1] for both in zip(values, shapley, strict=True)]
            share = np.median(values.sum(axis=1) / whole)
            score = mean_with_interval(np.array(each))
            interval = f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
            print(f"| {name} | {title} | {interval} | {np.mean(alike):.2f} | {share:.2f} |")
        raised = (found["removal of one anchor"] < 0) & (found["contributions"] > 0)
        share = raised.sum() / (found["contributions"] > 0).sum()
        print(f"\n{name}: removing one contributing anchor raises the score for {share:.1%} of them\n")


if __name__ == "__main__":
    main()
