"""Ask banks about their own kind of picture and two others, and count how well coverage tells the right answers.

    python benchmarks/accuracy/familiarity.py

Draw d has the seed d: at most 700 pairs are the bank, 150 others find their caption among theirs, and 500 clothes and
photographs of CIFAR-10 get one of ten labels. The coverage of a picture is its cosine with the nearest anchor. Needs
the emoji and CIFAR-10. Minutes on one core.
"""

import argparse
from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_auc_score

from asif_book.chapters.classes import captioned
from asif_lib import ASIF, AnchorBank, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES
from asif_lib.evaluation import auc_with_interval
from asif_lib.machine import for_small_matrices, progress_bar

ASKED, MOST, SAMPLE, ENCODERS = 150, 850, 500, PROFILES["offline"]


def told(model, z, text, captions) -> tuple:
    """Return the AUC of the coverage and of the largest score for right answers, and the share of these."""
    names, first = np.unique(captions, return_index=True)
    scores = model.similarity(z, text[first])  # (q, c)
    right = names[scores.argmax(dim=1).numpy()] == captions
    coverage = model.anchors("image").cosines(z, 1).values[:, 0]
    return roc_auc_score(right, coverage), roc_auc_score(right, scores.amax(dim=1)), right.mean()


@for_small_matrices()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    draws = parser.parse_args().draws
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    photographs, clothes = (load_labelled(name).split("test").sample(SAMPLE) for name in ("cifar10", "fashion_mnist"))
    photographs = replace(captioned(photographs), pictures=photographs.pictures)
    others = {pairs.name: AnchorBank.build(pairs, *encoders) for pairs in (captioned(clothes), photographs)}
    print("<!-- Printed by: python benchmarks/accuracy/familiarity.py -->")
    print("| bank → pictures | right | AUC of the coverage | AUC of the largest score |\n|---|---:|---:|---:|")
    for name in ("stamps", "emoji"):
        pairs = load_pairs(name)
        whole = np.random.default_rng(0).permutation(len(pairs))[:MOST].tolist()
        whole, found = AnchorBank.build(pairs.subset(whole), *encoders), {}
        for draw in progress_bar(range(draws), desc=name):
            order = np.random.default_rng(draw).permutation(len(whole)).tolist()
            model = ASIF(whole.subset(order[ASKED:]), device="cpu")
            for kind, asked in ((name, whole.subset(order[:ASKED])), *others.items()):
                captions = asked.pairs.caption.to_numpy()
                found.setdefault(kind, []).append(told(model, asked.image, asked.text, captions))
        for kind, rows in found.items():
            coverage, score, right = zip(*rows, strict=True)
            cells = (
                f"{auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}]" for auc in map(auc_with_interval, (coverage, score))
            )
            print(f"| {name} → {kind} | {np.mean(right):.0%} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
