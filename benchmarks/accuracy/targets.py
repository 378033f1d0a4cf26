"""Ask banks about pictures of other kinds, with and without whitening, over 20 draws, and judge three rules by it.

    python benchmarks/accuracy/targets.py

The targets are other data sets, damaged copies of a bank's own kind, and a cluster of pictures that a bank lacks; each
is asked with two text encoders. Draw d has the seed d. Needs the emoji, the clip art, CIFAR-10 and the extra
`multilingual`. Half an hour on one core, after the pictures were encoded once.
"""

import argparse
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from sklearn.cluster import KMeans

from asif_book.chapters.chapter_07.lessons import COPIES
from asif_book.chapters.classes import captioned
from asif_lib import ASIF, AnchorBank, embed, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES, TASKS
from asif_lib.encoders import open_picture
from asif_lib.encoders.identity import MULTILINGUAL
from asif_lib.evaluation import mean_with_interval, ranks, recommending, same_text
from asif_lib.evaluation.measures import in_points, recall_of_each
from asif_lib.machine import for_small_matrices, progress_bar
from asif_lib.relative import unit_rows

MOST, KEPT, ASKED, ANCHORS, CLUSTERS = 1_400, 400, 200, 700, 8  # of a set; never anchors; asked; of a bank
MORE = 1.1  # times as many anchors: a rule that `recommend` had, from transfers of these sets without draws
IMAGE, TEXTS = PROFILES["offline"].image_encoder, (PROFILES["offline"].text_encoder, MULTILINGUAL)
DAMAGES = {
    **COPIES,
    "24 pixels": lambda picture: picture.resize((24, 24), Image.Resampling.BICUBIC),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
}


def everything(text) -> tuple:
    """Return banks of at most `MOST` pairs in random order, and embeddings of damaged copies of their first `KEPT`."""
    encoders, banks, copies = (load_image_encoder(IMAGE), load_text_encoder(text)), {}, {}
    for name in ("stamps", "emoji", "clipart"):
        pairs = load_pairs(name)
        pairs = pairs.subset(np.random.default_rng(0).permutation(len(pairs))[:MOST].tolist())
        banks[name] = AnchorBank.build(pairs, *encoders)
        pictures = [ImageOps.contain(open_picture(picture), (320, 320)) for picture in pairs.pictures[:KEPT]]
        for damage, damaged in DAMAGES.items():
            copies[name, damage] = embed(encoders[0], [damaged(picture) for picture in pictures])
    photographs, clothes = (load_labelled(name).split("test").sample(MOST) for name in ("cifar10", "fashion_mnist"))
    banks["cifar10"] = AnchorBank.build(replace(captioned(photographs), pictures=photographs.pictures), *encoders)
    banks["fashion_mnist"] = AnchorBank.build(captioned(clothes), *encoders)
    return banks, copies


def right(model, z, text, captions) -> np.ndarray:
    """Return the recall of each of q pairs; of pictures with at most ten captions, whether they get their own, (q,)."""
    names, first = np.unique(captions, return_index=True)
    if len(names) <= 10:
        return names[model.similarity(z, text[first]).argmax(dim=1).numpy()] == captions
    scores, relevant = model.similarity(z, text), same_text(captions, captions)
    return recall_of_each((ranks(scores, relevant), ranks(scores.T, relevant.T)))


def whitened_inside(bank, seed) -> bool:
    """Return whether `recommend` starts with whitening without targets: unless that surely harms inside the bank."""
    bar, captions = SimpleNamespace(update=lambda: None), bank.pairs.caption.to_numpy()
    folds = [(fit, held[: recommending.ASKED]) for fit, held in recommending._folds(TASKS[1], bank.image, seed)]
    asks = (recommending._asker(bank.image, bank.text, captions, *fold, bar) for fold in folds)
    found = recommending.measure_settings([*recommending.STARTS.values()], asks)
    return bool(recommending._advice(bank, TASKS[1], found).start["whiten"])


def transfers(name, banks, copies, draw):
    """Yield a bank with what it is asked, by the name of the target: (name, z, pairs with their text)."""
    rng, whole = np.random.default_rng(draw), banks[name]
    rows = rng.permutation(np.arange(KEPT, len(whole)))
    bank = whole.subset(rows[: min(ANCHORS, round(0.8 * len(rows)))].tolist())
    asked = []
    for other, targets in banks.items():
        if other != name:
            targets = targets.subset(rng.permutation(len(targets))[:ASKED].tolist())
            asked.append((other, targets.image, targets))
    for (of, damage), z in copies.items():
        if of == name:
            shown = rng.permutation(KEPT)[:ASKED].tolist()
            asked.append((damage, z[shown], whole.subset(shown)))
    yield bank, asked
    kinds = KMeans(CLUSTERS, n_init=3, random_state=draw).fit_predict(unit_rows(whole.image, whole.image.mean(dim=0)))
    own = draw % CLUSTERS
    inside, others = (rng.permutation(np.flatnonzero(rows)) for rows in (kinds == own, kinds != own))
    targets = whole.subset(inside[:ASKED].tolist())
    bank = whole.subset(others[: min(ANCHORS, round(0.8 * len(others)))].tolist())
    yield bank, [("a cluster that it lacks", targets.image, targets)]


def anchors_used(model, z) -> float:
    """Return the effective number of anchors that represent the pictures: 1 / the sum of their squared shares."""
    weights = model.represent("image", z).to_csr().sum(axis=0)  # (n,)
    return float(weights.sum() ** 2 / (weights**2).sum())


@for_small_matrices()
def measured(draws) -> pd.DataFrame:
    """Return a row for each transfer and draw: the gain by whitening, and what two rules say of it."""
    rows = []
    for text in TEXTS:
        banks, copies = everything(text)
        for draw in progress_bar(range(draws), desc=f"draws with {text}"):
            for name in list(banks)[:3]:
                for bank, asked in transfers(name, banks, copies, draw):
                    models = [ASIF(bank, device="cpu", whiten=whiten) for whiten in (None, 0.8)]
                    inside = whitened_inside(bank, draw)
                    for target, z, pairs in asked:
                        found = [right(one, z, pairs.text, pairs.pairs.caption.to_numpy()) for one in models]
                        used = [anchors_used(one, z) for one in models]
                        gain, more = found[1].mean() - found[0].mean(), used[1] >= MORE * used[0]
                        rows.append((text, name, target, draw, gain, more, inside))
    return pd.DataFrame(rows, columns=["text", "bank", "target", "draw", "gain", "more", "inside"])


def page(table) -> str:
    """Return a row for each transfer, its draws averaged, and what the rules bring over all transfers."""
    lines = ["<!-- Printed by: python benchmarks/accuracy/targets.py -->"]
    lines += [
        "| bank → targets, text encoder | whitening brings, points | a tenth more anchors | no sure harm inside |"
    ]
    lines, means = [*lines, "|---|---:|---:|---:|"], []
    for (text, name, target), rows in table.groupby(["text", "bank", "target"], sort=False):
        gain = mean_with_interval(rows.gain)
        shares = f"{rows.more.sum()} of {len(rows)} | {rows.inside.sum()} of {len(rows)}"
        lines.append(f"| {name} → {target}, {text} | {in_points(gain).replace(' points', '')} | {shares} |")
        rules = (rows.gain, rows.gain * rows.more, rows.gain * rows.inside)
        means.append((gain, *(rule.mean() for rule in rules)))
    gains, always, more, inside = zip(*means, strict=True)
    lines += ["", f"| rule | mean of {len(means)} transfers, points |", "|---|---:|"]
    rules = {"always whiten": always, "whiten if the targets then use a tenth more anchors": more,
             "whiten unless that surely harms inside the bank": inside}  # fmt: skip
    for rule, found in rules.items():
        lines.append(f"| {rule} | {in_points(mean_with_interval(found)).replace(' points', '')} |")
    sure = sum(gain.low > 0 for gain in gains), sum(gain.high < 0 for gain in gains)
    ends = f"The means of transfers lie between {100 * min(always):+.1f} and {100 * max(always):+.1f} points"
    return "\n".join([*lines, "", f"{ends}. A gain is sure in {sure[0]} transfers, a loss in {sure[1]}."])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    print(page(measured(parser.parse_args().draws)))


if __name__ == "__main__":
    main()
