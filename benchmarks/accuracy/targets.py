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
from asif_lib.evaluation import ranks, recommending, same_text
from asif_lib.evaluation.measures import recall_of_each
from asif_lib.files import build_dir
from asif_lib.machine import for_small_matrices, progress_bar
from asif_lib.relative import unit_rows

MOST, KEPT, ASKED, ANCHORS, CLUSTERS = 1_400, 400, 200, 700, 8  # of a set; never anchors; asked; of a bank
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
    inside, others = (rng.permutation(np.flatnonzero(rows)) for rows in (kinds == draw % 8, kinds != draw % 8))
    targets = whole.subset(inside[:ASKED].tolist())
    yield (
        whole.subset(others[: min(ANCHORS, round(0.8 * len(others)))].tolist()),
        [("a cluster", targets.image, targets)],
    )


@for_small_matrices()
def measured(draws) -> pd.DataFrame:
    """Return a row for each transfer and draw: the gain by whitening, and the anchors that the targets use."""
    rows = []
    for text in TEXTS:
        banks, copies = everything(text)
        for draw in progress_bar(range(draws), desc=f"draws with {text}"):
            for name in list(banks)[:3]:
                for bank, asked in transfers(name, banks, copies, draw):
                    models = [ASIF(bank, device="cpu", whiten=one["whiten"]) for one in recommending.STARTS.values()]
                    inside = whitened_inside(bank, draw)
                    for target, z, pairs in asked:
                        found = [right(one, z, pairs.text, pairs.pairs.caption.to_numpy()) for one in models]
                        used = [recommending.anchors_used(one, z) for one in models]
                        rows.append((text, name, target, draw, found[1].mean() - found[0].mean(), *used, inside))
    return pd.DataFrame(rows, columns=["text", "bank", "target", "draw", "gain", "without", "with_it", "inside"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    table = measured(parser.parse_args().draws)
    table.to_parquet(build_dir() / "targets.parquet")


if __name__ == "__main__":
    main()
