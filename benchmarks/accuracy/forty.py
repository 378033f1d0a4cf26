"""Measure what a few pictures a class are worth: ASIF with the stamps and without, class means, a linear probe.

    python benchmarks/accuracy/forty.py

Writes forty.csv, and prints forty.md. Needs CIFAR-10. Minutes on two cores.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from asif_book.chapters.classes import captioned
from asif_lab.few_pictures import BANK, by_repeated_splits
from asif_lib import ASIF, AnchorBank, embed, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.bank import concatenate
from asif_lib.defaults import DEFAULT_TEMPLATE
from asif_lib.evaluation import in_points, paired_difference
from asif_lib.zeroshot import make_prompts

SIZES, DRAWS, POOL, ASKED = (0, 1, 2, 4, 10, 20), 8, 1_600, 1_000
SETTINGS = {"hubs": 0.5, "whiten": 0.8}  # written down before the first run
SETS = {"cifar10": "photographs", "fashion_mnist": "clothing"}

CAPTIONS = {
    "airplane": "an airplane in the sky.; a jet that takes off.; a small plane with propellers.",
    "automobile": "a car on a street.; a red sports car.; an old sedan.",
    "bird": "a bird on a branch.; a small bird in the grass.; a bird with long legs.",
    "cat": "a cat on a sofa.; a kitten with big eyes.; a striped cat.",
    "deer": "a deer in the forest.; a stag with antlers.; a doe in a meadow.",
    "dog": "a dog that runs.; a puppy with floppy ears.; a small white dog.",
    "frog": "a frog on a leaf.; a toad on the ground.; a green tree frog.",
    "horse": "a horse in a field.; a rider on a horse.; a foal beside a mare.",
    "ship": "a ship at sea.; a sailing boat.; a large cargo vessel.",
    "truck": "a truck on a road.; a fire engine.; a lorry with a trailer.",
}
"""Captions of a class beside “a photo of a CLASS.”, written without a look at the pictures."""

PAGE = """<!-- Printed by: python benchmarks/accuracy/forty.py -->
# What a few pictures a class are worth

Ten classes, {asked} test pictures, {draws} draws of the pictures that are given, seed 0. Accuracy in per cent, with its
95 % interval over draws and pictures. ASIF with the stamps has hubs 0.5 and whitening 0.8; its captions are “a photo of
a CLASS.”, as its prompts. ASIF alone has p = 2, and k is the number of pictures of a class. Cross-validation chooses C
of the linear probe.
"""


def pairs_of(name, data):
    """Return labelled pictures as pairs; clothing is turned black on white."""
    pairs = captioned(data)
    return pairs if name == "fashion_mnist" else replace(pairs, pictures=data.pictures)


def other_captions(stamps, own, labels, asked, text_encoder, each=4):
    """Print what other captions of a class bring, for the pictures and for the prompts, at four pictures a class."""
    classes = [[DEFAULT_TEMPLATE.replace("{}", name), *more.split("; ")] for name, more in CAPTIONS.items()]
    z = torch.stack([embed(text_encoder, captions, progress=False) for captions in classes])  # (c, 4, d_text)
    rng, right = np.random.default_rng(0), {}
    for _ in range(DRAWS):
        rows = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:each] for c in range(len(classes))])
        some, kinds = own.subset(rows.tolist()), labels[rows]
        texts = {"one caption a class": z[kinds, 0], "four captions a class": z[kinds, np.arange(len(rows)) % each]}
        for captions, text in texts.items():
            model = ASIF(concatenate([stamps, some.replace(text=text)]), **SETTINGS)
            for asks, prompts in {"one prompt": z[:, 0], "four prompts": z}.items():
                given = model.classify(asked[0], list(CAPTIONS), prompts=prompts).predicted.numpy()
                right.setdefault((captions, asks), []).append(given == asked[1])
    print("\n## Captions, photographs, four pictures a class\n\n| pictures | asked with | accuracy | minus the first |")
    print("|---|---|---:|---:|")
    means = {names: np.mean(found, axis=0) for names, found in right.items()}
    for (captions, asks), found in means.items():
        gap = in_points(paired_difference(found, next(iter(means.values()))))
        print(
            f"| {captions} | {asks} | {found.mean():.1%} | {gap if found is not next(iter(means.values())) else '–'} |"
        )


def main():
    encoders, rows = (load_image_encoder(), load_text_encoder()), []
    stamps = AnchorBank.build(load_pairs("stamps"), *encoders)
    print(PAGE.format(asked=f"{ASKED:,}", draws=DRAWS))
    for name, title in SETS.items():
        data = load_labelled(name)
        pool, test = data.split("train").sample(POOL), data.split("test").sample(ASKED)
        own = AnchorBank.build(pairs_of(name, pool), *encoders)
        asked = AnchorBank.build(pairs_of(name, test), *encoders).image, test.labels
        prompts = embed(encoders[1], make_prompts(data.classes, [DEFAULT_TEMPLATE]))
        found, gaps = by_repeated_splits(stamps, own, pool.labels, prompts, SIZES, SETTINGS, DRAWS, asked)
        print(f"\n## {title.capitalize()}\n")
        print("| way | " + " | ".join(f"{size} a class" for size in SIZES) + " |\n|---|" + "---:|" * len(SIZES))
        for way, sizes in found.items():
            cells = {
                size: f"{100 * m.value:.1f} [{100 * m.low:.1f}, {100 * m.high:.1f}]" for size, (m, _) in sizes.items()
            }
            print(f"| {way} | " + " | ".join(cells.get(size, "–") for size in SIZES) + " |")
            for size, (m, each) in sizes.items():
                row = {"set": title, "way": way, "size": size, "value": m.value, "low": m.low, "high": m.high, "n": m.n}
                rows.append(row | {"draws": " ".join(f"{share:.3f}" for share in each)})
        print(f"\nMinus “{BANK}”, points:\n\n| way | " + " | ".join(f"{s} a class" for s in SIZES[1:]) + " |")
        print("|---|" + "---:|" * len(SIZES[1:]))
        for way, sizes in list(gaps.items())[1:]:
            print(
                f"| {way} | " + " | ".join(in_points(sizes[size]).replace(" points", "") for size in SIZES[1:]) + " |"
            )
        if name == "cifar10":
            photographs = own, pool.labels, asked
    other_captions(stamps, *photographs, encoders[1])
    pd.DataFrame(rows).to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
