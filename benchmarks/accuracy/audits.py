"""Plant wrong captions in several banks, and count how well an audit ranks them and a review lists them.

    python benchmarks/accuracy/audits.py stamps emoji clipart cifar10

A bank holds at most `MOST` pairs, drawn at random. Of CIFAR-10, the captions name the classes.
"""

import argparse
from dataclasses import replace

import numpy as np

from asif_book.chapters.classes import captioned
from asif_lab import detection, plant_wrong_captions
from asif_lib import AnchorBank, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES
from asif_lib.evaluation import auc_with_interval
from asif_lib.explain import rank_pairs

MOST, SEEDS, ENCODERS = 1_000, range(10), PROFILES["offline"]


def doubted(bank, wrong) -> list:
    """Return how many captions a review of the bank doubts, and how many of these are `wrong` (n,) bool."""
    table = rank_pairs(bank)
    rows = table.anchor[table.excess < 0]
    return len(rows), wrong[rows].sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    print(
        "| data | pairs | AUC, 10 % wrong | captions doubted, none planted | doubted, 5 % wrong | found | precision |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in parser.parse_args().data:
        if name == "cifar10":
            data = load_labelled(name).split("test").sample(MOST)
            pairs = replace(captioned(data), pictures=data.pictures)
        else:
            pairs = load_pairs(name)
        drawn = np.random.default_rng(0).permutation(len(pairs))[:MOST]
        bank = AnchorBank.build(pairs.subset(drawn.tolist()), *encoders)
        auc = auc_with_interval(detection(bank, (0.1,), SEEDS, baselines={}).query("method == 'ASIF'").auc)
        plain, _ = doubted(bank, np.zeros(len(bank), bool))
        planted = [plant_wrong_captions(bank, 0.05, seed) for seed in SEEDS]
        rows, hits = np.mean([doubted(*one) for one in planted], axis=0)
        found, precision = hits / planted[0].wrong.sum(), hits / rows
        interval = f"{auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}]"
        print(
            f"| {name} | {len(bank)} | {interval} | {plain} | {rows:.0f} | {found:.0%} | {precision:.0%} |", flush=True
        )


if __name__ == "__main__":
    main()
