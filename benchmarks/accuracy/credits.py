"""Take whole groups out of a bank, and ask whether their named share of a score foretells which of them are missed.

    python benchmarks/accuracy/credits.py

Draw d has the seed d: 643 pairs are the bank, and five other pictures ask for the best of 150 other captions. A group
is a folder of the pairs. Needs the emoji. Minutes on one core.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from asif_lib import ASIF, AnchorBank, load_image_encoder, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES
from asif_lib.evaluation import mean_with_interval
from asif_lib.explain import credit, fall_without
from asif_lib.explain.removals import Removals
from asif_lib.machine import for_small_matrices, progress_bar

ANCHORS, ASKED, OTHERS, ENCODERS = 643, 5, 150, PROFILES["offline"]
WAYS = ("named", "sum of single removals", "closed form for groups")


def of_answer(model, picture, text) -> tuple:
    """Return the share of the named groups without which a score rises, and what foretells the missed, by rank."""
    table = credit(model, picture, text, progress=False)
    numbers, names = pd.factorize(model.bank.pairs.group)
    each = torch.eye(len(model.bank), dtype=torch.bool)
    left = Removals(model, picture, text, torch.arange(len(each)), 1).scores(each)[0][:, 0]  # (n,)
    alone = float(model.similarity(picture, text)) - left
    x, y = (model.represent(*side).to_dense().double() for side in zip(model.bank.sides, (picture, text), strict=True))
    groups = torch.from_numpy(numbers).long()
    table["sum of single removals"] = pd.Series(np.bincount(numbers, alone), names)
    table["closed form for groups"] = pd.Series(fall_without(x, y, groups)[0].numpy(), names)
    return (table.missed < 0).mean(), *(spearmanr(table[way], table.missed).statistic for way in WAYS)


@for_small_matrices()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    draws = parser.parse_args().draws
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    print("<!-- Printed by: python benchmarks/accuracy/credits.py -->\n# Who is named, and who would be missed\n")
    print(
        "A folder of pairs leaves, exactly. *Rises*: the named folders without which the score rises. The other columns"
    )
    print(f"are rank correlations with what the score loses. Means and 95 % intervals over {draws} draws.\n")
    print(f"| data | rises | {' | '.join(WAYS)} |\n|---|---:|---:|---:|---:|")
    for name in ("stamps", "emoji"):
        whole, found = AnchorBank.build(load_pairs(name), *encoders), []
        for draw in progress_bar(range(draws), desc=name):
            order = np.random.default_rng(draw).permutation(len(whole)).tolist()
            model = ASIF(whole.subset(order[:ANCHORS]), device="cpu")
            others = whole.subset(order[ANCHORS : ANCHORS + OTHERS])
            best = model.similarity(others.image[:ASKED], others.text).argmax(dim=1).tolist()
            asked = [of_answer(model, others.image[[i]], others.text[[b]]) for i, b in enumerate(best)]
            found.append(np.nanmean(asked, axis=0))
        shares, *ranks = map(mean_with_interval, zip(*found, strict=True))
        cells = [f"{100 * shares.value:.0f} [{100 * shares.low:.0f}, {100 * shares.high:.0f}] %"]
        cells += [f"{rank.value:.2f} [{rank.low:.2f}, {rank.high:.2f}]" for rank in ranks]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
