"""Let pairs join a bank and leave it again, and count how well visitors tell these pairs from others.

    python benchmarks/accuracy/visitors.py

Draw d has the seed d: of 200 pairs, half join and leave, and half never join; at most 1,000 others are the bank. A
visitor brings a picture, or a damaged copy, and sees the cosine of the nearest anchor, or only the score of the own
caption. Needs the emoji. A quarter of an hour on one core.
"""

import argparse

import numpy as np
import pandas as pd
from PIL import ImageOps
from sklearn.metrics import roc_auc_score

from asif_book.chapters.chapter_07.lessons import as_jpeg
from asif_lib import ASIF, AnchorBank, embed, load_image_encoder, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES
from asif_lib.encoders import open_picture
from asif_lib.evaluation import auc_with_interval
from asif_lib.machine import for_small_matrices, progress_bar

ASKED, MOST, ENCODERS = 100, 1_200, PROFILES["offline"]
WHEN = ("before", "after", "before and after")


def seen(bank, z, text) -> dict:
    """Return what visitors see of q pairs: the cosine of the nearest anchor, or the score of the own caption, (q,)."""
    model = ASIF(bank, device="cpu")
    nearest = model.anchors("image").cosines(z, 1).values[:, 0]
    return {"nearest anchor": nearest, "score": model.images(z).similarity(model.texts(text)).diagonal()}


def one_draw(whole, copies, draw) -> dict:
    """Return the AUC by copy, by what is seen, by when, and by whom the pairs that left are told from."""
    order = np.random.default_rng(draw).permutation(len(whole))
    left, never, stay = order[:ASKED], order[ASKED : 2 * ASKED], order[2 * ASKED :]
    full = whole.subset([*stay, *left])
    gone = full.remove(ids=full.pairs.id[len(stay) :].tolist())
    found = {}
    for against, others in (("pairs that were never there", never), ("pairs that stay", stay[:ASKED])):
        asked, leaves = [*left, *others], np.arange(2 * ASKED) < ASKED
        for copy, z in copies.items():
            before, after = (seen(bank, z[asked], whole.text[asked]) for bank in (full, gone))
            for sees in before:
                values = before[sees], -after[sees], before[sees] - after[sees]  # afterwards, who left is unlike
                for when, value in zip(WHEN, values, strict=True):
                    found[against, copy, sees, when] = roc_auc_score(leaves, value)
    return found


@for_small_matrices()
def measured(name, encoders, draws) -> pd.DataFrame:
    """Return the AUC of each draw: a column each, and a row by copy, by what is seen, by when, and against whom."""
    pairs = load_pairs(name)
    pairs = pairs.subset(np.random.default_rng(0).permutation(len(pairs))[:MOST].tolist())
    whole = AnchorBank.build(pairs, *encoders)
    jpegs = [as_jpeg(ImageOps.contain(open_picture(picture), (320, 320))) for picture in pairs.pictures]
    copies = {"itself": whole.image, "JPEG": embed(encoders[0], jpegs)}
    return pd.DataFrame({draw: one_draw(whole, copies, draw) for draw in progress_bar(range(draws), desc=name)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    draws = parser.parse_args().draws
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    print("<!-- Printed by: python benchmarks/accuracy/visitors.py -->")
    print(f"| bank, against | picture | the visitor sees | {' | '.join(WHEN)} |")
    print("|---|---|---|---:|---:|---:|")
    for name in ("stamps", "emoji"):
        found = measured(name, encoders, draws)
        for (against, copy, sees), rows in found.groupby(level=[0, 1, 2], sort=False):
            each = [auc_with_interval(rows.loc[(against, copy, sees, when)]) for when in WHEN]
            cells = [f"{auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}]" for auc in each]
            print(f"| {name}, {against} | {copy} | {sees} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
