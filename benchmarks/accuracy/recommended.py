"""Compare the advice of `recommend` with the defaults on pairs of the bank's own kind, for draws of several banks.

    python benchmarks/accuracy/recommended.py stamps emoji clipart cifar10

A draw takes 63 % of the pairs, at most 800, for the bank, and asks at most 400 others. All embeddings have length 1.
All settings that `recommend` tries are asked, so that another rule of the choice can be judged by the same draws: they
are kept in ``build/recommended``, and a second run goes on. Of CIFAR-10, the captions name the classes.
"""

import argparse
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from asif_book.chapters.classes import captioned
from asif_lib import AnchorBank, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES
from asif_lib.evaluation import recommending
from asif_lib.evaluation.recommending import Measured, measure_settings
from asif_lib.files import build_dir, write_whole
from asif_lib.machine import progress_bar
from asif_lib.relative import unit_rows

MOST, PAIRS, ASKED, ENCODERS = 1_400, 800, 400, PROFILES["offline"]


def everything(name, encoders) -> AnchorBank:
    """Return a bank of at most `MOST` pairs of a data set, drawn at random."""
    if name == "cifar10":
        data = load_labelled(name).split("test").sample(MOST)
        return AnchorBank.build(replace(captioned(data), pictures=data.pictures), *encoders)
    pairs = load_pairs(name)
    rows = range(len(pairs)) if len(pairs) <= MOST else np.random.default_rng(0).permutation(len(pairs))[:MOST].tolist()
    return AnchorBank.build(pairs.subset(rows), *encoders)


def one_draw(bank, draw) -> tuple:
    """Return the settings tried, their values on the folds of the bank, and on the pairs asked, (q,) each."""
    order, n = np.random.default_rng(1_000 + draw).permutation(len(bank)), min(PAIRS, round(0.63 * len(bank)))
    rows = np.concatenate([order[:n][np.random.default_rng(draw).permutation(n)], order[n : n + ASKED]])
    image, text = (unit_rows(side[rows].float()) for side in (bank.image, bank.text))
    captions = bank.pairs.caption.to_numpy()[rows]
    folds = [(fit, asked[: recommending.ASKED]) for fit, asked in recommending._folds("same kind", image[:n], draw)]
    folds.append((np.arange(n), np.arange(n, len(rows))))
    tried, bar = recommending._tried(n), SimpleNamespace(update=lambda: None)
    found = measure_settings(tried, (recommending._asker(image, text, captions, *fold, bar) for fold in folds))
    return tried, found.values[:-1], found.values[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--draws", type=int, default=20)
    folder, arguments = build_dir() / "recommended", parser.parse_args()
    folder.mkdir(parents=True, exist_ok=True)
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    print("| bank | pairs asked | draws with other settings | mean gain, points | smallest | draws below -1 |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in arguments.data:
        bank, gains = everything(name, encoders), []
        for draw in progress_bar(range(arguments.draws), desc=f"draws of {name}"):
            file = folder / f"{name}-{draw}.pickle"
            if not file.exists():
                write_whole(file, pickle.dumps(one_draw(bank, draw)))
            tried, inside, asked = pickle.loads(file.read_bytes())
            inside = Measured(tried, inside)
            if recommending._advice(bank, "same kind", inside).decided:
                advised, default = inside.best(), tried.index(recommending.DEFAULTS)
                gains.append(100 * (asked[advised] - asked[default]).mean())
        every = np.array([*gains, *[0] * (arguments.draws - len(gains))])
        words = f"{len(gains)} of {arguments.draws} | {every.mean():+.1f} | {every.min():+.1f} | {(every < -1).sum()}"
        print(f"| {name} | {len(asked[0])} | {words} |", flush=True)


if __name__ == "__main__":
    main()
