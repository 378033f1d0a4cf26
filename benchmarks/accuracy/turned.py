"""Turn wrong answers by small removals, and count how often the new label is the right one.

    python benchmarks/accuracy/turned.py

Draw d has the seed d: 493 stamps are the bank, and the stamps of a class among 150 others are asked for their class, as
in chapter 06. Half an hour on one core.
"""

import argparse

import numpy as np
import torch

from asif_book.chapters.classes import classes_of, with_classes
from asif_book.chapters.opening import open_chapter
from asif_lib import ASIF
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.evaluation import mean_with_interval
from asif_lib.explain import smallest_removal
from asif_lib.machine import for_small_matrices, progress_bar
from asif_lib.zeroshot import make_prompts

ANCHORS, OTHERS = 493, 150


@for_small_matrices()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    draws = parser.parse_args().draws
    image_encoder, text_encoder, stamps, everything = open_chapter("offline", "cpu", "stamps")
    classes, shares, wrong, right, sizes = classes_of(stamps), [], 0, 0, []
    for draw in progress_bar(range(draws), desc="draws"):
        order = np.random.default_rng(draw).permutation(len(stamps)).tolist()
        model = ASIF(everything.subset(order[:ANCHORS]), text_encoder=text_encoder, image_encoder=image_encoder)
        rows, truth = with_classes(stamps, order[ANCHORS : ANCHORS + OTHERS], classes)
        z = everything.image[rows]
        prompts = model.texts(make_prompts(classes, [DEFAULT_TEMPLATE]))
        given = model.images(z).similarity(prompts).max(dim=1)
        failures = ((given.indices != torch.as_tensor(truth)) & (given.values > 0)).nonzero()[:, 0].tolist()
        found = [smallest_removal(model, z[[i]], classes) for i in failures]
        became = [r.after == classes[truth[i]] for i, r in zip(failures, found, strict=True)]
        shares.append(np.mean(became))
        wrong, right, sizes = wrong + len(failures), right + sum(became), sizes + [len(r) for r in found]
    share = mean_with_interval(shares)
    print("<!-- Printed by: python benchmarks/accuracy/turned.py -->\n# Wrong answers turned by a small removal\n")
    print(f"Over {draws} draws, {right} of {wrong} turned answers are right: {100 * share.value:.0f} %")
    print(f"[{100 * share.low:.0f}, {100 * share.high:.0f}], the mean of the draws.")
    print(f"Half of the removals have {np.median(sizes):.0f} anchor(s) or fewer.")


if __name__ == "__main__":
    main()
