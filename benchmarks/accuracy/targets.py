"""Ask banks about pictures of other kinds, with and without whitening, and compare what unlabelled pictures foretell.

    python benchmarks/accuracy/targets.py

The targets are other data sets, damaged copies of a bank's own kind, and clusters of pictures that a bank lacks. Needs
the emoji, the clip art and CIFAR-10. Minutes on two cores, after the pictures were encoded once.
"""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter
from sklearn.cluster import KMeans

from asif_book.chapters.classes import captioned
from asif_lib import ASIF, AnchorBank, embed, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.defaults import PROFILES
from asif_lib.encoders import open_picture
from asif_lib.evaluation import paired_difference, ranks, recommending, same_text
from asif_lib.evaluation.measures import in_points, recall_of_each
from asif_lib.relative import unit_rows

SIZES, TARGETS, MOST, ENCODERS = (900, 400), 200, 1_400, PROFILES["offline"]
DAMAGES = {
    "resize:24": lambda image: image.thumbnail((24, 24), Image.Resampling.BICUBIC) or image,  # the longer side
    "blur:6": lambda image: image.filter(ImageFilter.GaussianBlur(6)),
}


def everything(encoders) -> dict:
    """Return banks of at most `MOST` pairs, in random order, and the pictures of those that can be damaged."""
    banks = {}
    for name in ("stamps", "emoji", "clipart"):
        pairs = load_pairs(name)
        pairs = pairs.subset(np.random.default_rng(0).permutation(len(pairs))[:MOST].tolist())
        banks[name] = AnchorBank.build(pairs, *encoders), pairs.pictures
    photographs, clothes = (load_labelled(name).split("test").sample(500) for name in ("cifar10", "fashion_mnist"))
    banks["cifar10"] = AnchorBank.build(replace(captioned(photographs), pictures=photographs.pictures), *encoders), None
    banks["fashion_mnist"] = AnchorBank.build(captioned(clothes), *encoders), None
    return banks


def right(model, z, text, captions) -> np.ndarray:
    """Return the recall of each of q pairs; of pictures with at most ten captions, whether they get their own, (q,)."""
    names, first = np.unique(captions, return_index=True)
    if len(names) <= 10:
        return names[model.similarity(z, text[first]).argmax(dim=1).numpy()] == captions
    scores, relevant = model.similarity(z, text), same_text(captions, captions)
    return recall_of_each((ranks(scores, relevant), ranks(scores.T, relevant.T)))


def line(title, bank, asked, z=None):
    """Print a line of the table: what whitening brings to the targets, and what they foretell without labels."""
    z, texts = asked.image if z is None else z, (asked.text, asked.pairs.caption.to_numpy())
    without, whitened = (ASIF(bank, **start) for start in ({}, {"whiten": 0.8}))
    gain = paired_difference(*(right(one, z, *texts) for one in (whitened, without)))
    used = [recommending.anchors_used(one, z) for one in (without, whitened)]
    advice = "whiten" if used[1] >= recommending.EVIDENCE * used[0] else "default"
    points = in_points(gain).replace(" points", "")
    print(f"| {len(bank)} {title} | {points} | {used[0]:.0f} | {used[1]:.0f} | {advice} |", flush=True)
    return gain.value, advice


def main():
    encoders, found = (load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)), []
    banks = everything(encoders)
    print("| bank → targets | whitening brings, points | anchors used without | with whitening | advice |")
    print("|---|---:|---:|---:|---|")
    for name, (whole, pictures) in list(banks.items())[:3]:
        test = whole.subset(range(TARGETS))
        for size in SIZES:
            bank = whole.subset(range(TARGETS, min(len(whole), TARGETS + size)))
            for other, (asked, _) in banks.items():
                if other != name:
                    asked = asked.subset(range(500 if len(asked) == 500 else TARGETS))
                    found.append(line(f"{name} → {other}", bank, asked))
        bank = whole.subset(range(TARGETS, len(whole)))
        for damage, damaged in DAMAGES.items():
            z = embed(encoders[0], [damaged(open_picture(picture)) for picture in pictures[:TARGETS]])
            found.append(line(f"{name} → {name}, {damage}", bank, test, z))
        kinds = KMeans(5, n_init=3, random_state=0).fit_predict(unit_rows(whole.image, whole.image.mean(dim=0)))
        for kind in range(5):
            bank, asked = (whole.subset(np.flatnonzero(rows).tolist()) for rows in (kinds != kind, kinds == kind))
            found.append(line(f"{name} → their cluster {kind}", bank, asked))
    for advice in ("whiten", "default"):
        gains = 100 * np.array([gain for gain, given in found if given == advice])
        print(
            f"\n{advice}: {len(gains)} transfers; whitening brings {gains.mean():+.1f} points on average, "
            f"from {gains.min():+.1f} to {gains.max():+.1f}"
        )


if __name__ == "__main__":
    main()
