"""Teach a bank one drawing under an invented word, and ask other drawings of the same thing, as the bank's page does.

    python benchmarks/accuracy/drawings.py

Programs draw monsters and everyday things: a thing has a seed, and so has each of its drawings. Hands wrote the digits
of scikit-learn. Needs CIFAR-10. Ten minutes on two cores.
"""

import argparse
from collections import namedtuple

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

from asif_book.page.building import _word_list, _words_of
from asif_lib import ASIF, AnchorBank, Pairs, embed, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.defaults import BARE_TEMPLATE
from asif_lib.evaluation import mean_with_interval, ranks
from asif_lib.machine import progress_bar

WHITEN = 0.8  # the page whitens a reader's own pictures, and keeps its k when they are added
DRAWINGS, ASKED, WRONG, DRAWS = 5, 2, 3, 20  # of a thing, of which the last are asked; wrong words, drawn 20 times
SIDE, FINE, STYLES = 384, 2, ("outline", "filled", "line and colour")  # pixels, and how much finer a drawing is drawn
COLOURS = ["#e52", "#fa1", "#fd5", "#7b4", "#28a", "#198", "#85b", "#d58", "#864", "#456", "#fff", "#222"]
WHITE, INK = 10, 11
CORNERS = {
    "line": [-1, 1], "zigzag": [x / 3 + 1j * (-1) ** x for x in range(-3, 4)],
    "triangle": [-1j, 1 + 1j, -1 + 1j, -1j], "box": [-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j, -1 - 1j],
}  # fmt: skip
EVERYDAY = {
    "house": "box 0 .3 .9 .9 0 0; triangle 0 -.4 1.2 .6 0 1; box 0 .5 .22 .5 0 2; box .28 .1 .2 .2 0 2",
    "sun": "line 0 0 1.8 0 0 2; line 0 0 1.8 0 45 2; line 0 0 1.8 0 90 2; line 0 0 1.8 0 135 2; round 0 0 .9 .9 0 2",
    "car": "box -.1 -.2 .8 .5 0 4; box 0 .1 1.6 .4 0 4; round -.45 .35 .35 .35 0 9; round .45 .35 .35 .35 0 9",
    "tree": "box 0 .5 .22 .8 0 8; star 0 -.25 1.1 1 0 3",
    "fish": "triangle .65 0 .5 .6 -90 0; round -.1 0 1.3 .7 0 0; round -.5 -.08 .12 .12 0 11",
    "flower": "line 0 .5 1 0 90 3; round .25 .5 .4 .15 -30 3; star 0 -.35 .9 .9 0 7; round 0 -.35 .3 .3 0 2",
    "mushroom": "box 0 .4 .35 .8 0 2; egg 0 -.15 1.3 .7 0 0; round -.2 -.2 .2 .2 0 10; round .25 -.1 .2 .2 0 10",
    "butterfly": "round -.45 -.25 .8 .7 20 6; round .45 -.25 .8 .7 -20 6; round 0 .35 1 .5 0 1; round 0 0 .14 1 0 11",
}  # parts: shape, middle (x, y), width, height (a drawing is from -1 to 1), turn in degrees, colour
Thing = namedtuple("Thing", "kind style pictures")  # what a word names; in an interval, things of a kind are one item

PAGE = """<!-- Printed by: python benchmarks/accuracy/drawings.py -->
# One drawing, taught under an invented word

Each thing has five drawings: the first is taught, and the last two are asked. *Found* is the share of these that get
the invented word, before and after. Its rivals are three words of the page (20 draws), or all {words}. *Alone*, the
bank is three things of one style, and their words are the rivals. *Strangers* are drawings of other things of this
style; they were never taught, and get the word wrongly. The 95 % intervals are over things, or over classes.

| drawings | things | found of 3 rivals, before | after | of all, before | after | alone | strangers, 3 rivals | all |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
{rows}

One taught drawing changes {mean:.1f} answers to {test} test stamps on average, and {most} at most. Programs drew the
monsters: a person's drawings may differ more."""


def curve(shape) -> np.ndarray:
    """Return 97 points x + iy of a shape in a square from -1/2 to 1/2; a closed one ends where it began."""
    if corners := CORNERS.get(shape):
        return np.interp(np.linspace(0, len(corners) - 1, 97), range(len(corners)), corners) / 2
    angle = np.linspace(0, np.pi if shape == "arc" else 2 * np.pi, 97)
    waves = {"star": 1 + 0.2 * np.cos(7 * angle), "clover": 1 + 0.2 * np.cos(3 * angle)}.get(shape, 1)
    narrow = 1 + 0.3 * np.sin(angle) if shape == "egg" else 1
    return waves * (np.cos(angle) * narrow + 1j * np.sin(angle)) / 2


def sketch(parts, style, seed) -> Image.Image:
    """Draw parts as a hand does once: a drawing has its own place, size, tilt, stroke and wobble, and other colours."""
    rng = np.random.default_rng(seed)
    place, tilt = rng.uniform(-0.12, 0.12, 2) @ (1, 1j), rng.uniform(0.6, 0.9) * np.exp(1j * rng.normal(0, 0.12))
    width, wobble, stretch = round(rng.uniform(3, 7) * FINE), rng.uniform(0.01, 0.03), rng.uniform(0.9, 1.1, 2)
    palette = np.where(rng.random(WHITE) < 0.5, rng.integers(WHITE, size=WHITE), np.arange(WHITE))
    palette = [COLOURS[i] for i in (*palette, WHITE, INK)]
    picture = Image.new("RGB", (SIDE * FINE, SIDE * FINE), "white")
    pen, along = ImageDraw.Draw(picture), np.linspace(0, 2 * np.pi, 97)
    for shape, x, y, w, h, turn, colour in parts:
        points, (w, h) = curve(shape), (w, h) * stretch * rng.uniform(0.9, 1.1, 2)
        points = (w * points.real + 1j * h * points.imag) * np.exp(1j * np.radians(turn + rng.normal(0, 4)))
        for frequency in (1.3, 2.6, 4.2):  # no whole numbers, so that a line misses its own beginning
            points = points + wobble * np.exp(1j * (frequency * along + rng.uniform(0, 7))) / frequency
        points = (1 + 1j + place + tilt * (points + x + 1j * y + rng.normal(0, 0.02, 2) @ (1, 1j))) * SIDE * FINE / 2
        points, is_open = [(z.real, z.imag) for z in points], shape in ("line", "zigzag", "arc")
        if not is_open:
            pen.polygon(points, palette[WHITE if style == "outline" and colour != INK else colour])
        if is_open or style != "filled":
            pen.line(points, palette[colour if is_open and style != "outline" else INK], width, "curve")
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def monster(seed, drawing) -> list:
    """Return the parts of one drawing of an invented monster: in other drawings it may have a leg or an eye more."""
    kind, hand = np.random.default_rng(seed), np.random.default_rng((seed, drawing))
    shape, (w, h) = kind.choice(["round", "box", "egg", "star", "clover", "triangle"]), kind.uniform(0.6, 1.25, 2)
    (body, other, third), spots = kind.permutation(WHITE)[:3], kind.uniform(-0.3, 0.3, (5, 2))
    long, reach, eye = kind.uniform((0.25, 0.25, 0.12), (0.55, 0.55, 0.3))
    legs, eyes = np.maximum(kind.integers((0, 1), (8, 5)) + hand.choice((-1, 0, 0, 0, 1), 2), (0, 1))
    leg, feet, arms, top, pattern, mouth = kind.integers((2, 2, 3, 4, 4, 4))
    parts = []
    for x in np.linspace(-0.35 * w, 0.35 * w, legs):
        parts += [(("line", "zigzag")[leg], x, 0.35 * h + long / 2, long, 0.1, 90, third)]
        parts += [("round", x + 0.04, 0.35 * h + long, 0.16, 0.1, 0, third)] * feet
    for x, y, side in (-w / 4, -h / 2, -1), (w / 4, -h / 2, 1):
        parts += [("line", 2.5 * x, 0.3 * i - 0.15, 1.6 * reach, 0, side * (40 * i - 35), other) for i in range(arms)]
        horn, ear = ("triangle", x, y - 0.05, 0.2, 0.4, 15 * side, other), ("round", 1.3 * x, y, 0.35, 0.35, 0, body)
        stalk = ("line", x, y - 0.1, 0.4, 0, 90 + 15 * side, other), ("round", 1.2 * x, y - 0.3, 0.14, 0.14, 0, third)
        parts += ([], [horn], [ear], stalk)[top]
    dots = [("round", w * x, h * y, 0.14, 0.14, 0, other) for x, y in spots]
    stripes = [("line", 0, h * y, 0.7 * w, 0, 0, other) for y in (0.05, 0.2, 0.35)]
    parts += [(shape, 0, 0, w, h, 0, body)]
    parts += ([], dots, stripes, [("round", 0, 0.2 * h, 0.5 * w, 0.45 * h, 0, other)])[pattern]
    for x in (np.arange(eyes) + 0.5) / eyes - 0.5:
        parts += [("round", 0.7 * w * x, -0.15 * h, size, size, 0, c) for size, c in ((eye, WHITE), (eye / 3, INK))]
    return [*parts, (("arc", "zigzag", "line", "round")[mouth], 0, 0.18 * h, 0.3 * w, 0.12, 0, INK)]


def drawn(monsters=60) -> list:
    """Return invented monsters, and everyday things that the bank has words for; the styles come in turn."""
    things = []
    for i in range(monsters):
        pictures = [sketch(monster(i, j), STYLES[i % 3], (i, j)) for j in range(DRAWINGS)]
        things.append(Thing(i, f"monsters, {STYLES[i % 3]}", pictures))
    for i, (name, text) in enumerate(EVERYDAY.items()):
        parts = [(shape, *map(float, rest), int(colour)) for shape, *rest, colour in map(str.split, text.split(";"))]
        pictures = [sketch(parts, STYLES[i % 3], (i, j)) for j in range(DRAWINGS)]
        things.append(Thing(name, "everyday things", pictures))
    return things


def labelled(style, pictures, labels, each=3) -> list:
    """Return things of labelled pictures: of each class some, drawn at random, and no picture is in two of them."""
    things, rng = [], np.random.default_rng(0)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))[: each * DRAWINGS].reshape(each, DRAWINGS)
        things += [Thing(label, style, [pictures[i] for i in some]) for some in rows]
    return things


def invented(n) -> list:
    """Return n different words that do not exist, with their article, in random order."""
    words = [f"a {a}{b}" for a in ("z", "bl", "gr", "sn", "fl", "kr", "tw", "pl", "v", "dr", "sm", "qu")
             for b in ("orp", "uzzle", "impo", "emb", "aggo", "ixit", "olka", "uft")]  # fmt: skip
    return np.random.default_rng(0).permutation(words)[:n].tolist()


def wins(scores, rivals=slice(-1)) -> float:
    """Return the share of q questions whose last label has a larger score than its rivals; `scores` is (q, labels)."""
    among = torch.cat([scores[:, -1:], scores[:, rivals]], dim=1)
    return (ranks(among, torch.arange(among.shape[1]).expand_as(among) == 0) == 0).mean()


def measured(things, stamps, test, nouns, encoders, most=1) -> pd.DataFrame:
    """Return a row for each thing: shares of drawings that get its word; `nouns` are words and embeddings."""
    words, table = invented(len(things)), []
    rows = np.arange(len(things) * DRAWINGS).reshape(-1, DRAWINGS)
    captions = [BARE_TEMPLATE.format(word) for word in words for _ in range(DRAWINGS)]
    pictures, ids = [picture for thing in things for picture in thing.pictures], [str(i) for i in range(rows.size)]
    own = stamps.embed(Pairs("drawn", pictures, captions, ids, ids, {}), *encoders, progress=False)
    asked, model = own.image[rows[:, -ASKED:]], ASIF(stamps, whiten=WHITEN)  # (things, ASKED, d)
    rest = stamps.subset(np.setdiff1d(np.arange(len(stamps)), test))
    before = ASIF(rest).classify(stamps.image[test], nouns[0], prompts=nouns[1]).predicted
    for i, (kind, style, _) in enumerate(progress_bar(things, desc="things")):
        rng, line = np.random.default_rng(i), {"kind": kind, "style": style}
        strangers = [j for j, thing in enumerate(things) if thing.style == style and thing.kind != kind]
        wrong = [rng.choice(len(nouns[0]), WRONG, replace=False) for _ in range(DRAWS)]
        trios = [[*rng.choice(strangers, 2, replace=False), i] for _ in range(DRAWS)]
        labels, prompts = [*nouns[0], words[i]], torch.cat([nouns[1], own.text[rows[i, :1]]])
        for taught in range(most + 1):
            new = own.subset(rows[i, :taught])
            here = ASIF(stamps.add(new), model.k, whiten=WHITEN) if taught else model
            scores = here.classify(asked[[i, *strangers]].flatten(0, 1), labels, prompts=prompts).scores
            for name, some in ("found", scores[:ASKED]), ("strangers", scores[ASKED:]):
                line[f"{name}, 3, {taught}"] = np.mean([wins(some, rivals) for rivals in wrong])
                line[f"{name}, all, {taught}"] = wins(some)
            if taught:
                alone = [ASIF(own.subset(rows[trio, :taught].ravel()), k=3 * taught) for trio in trios]
                texts = own.text[rows[trios, 0]]  # (DRAWS, 3, d)
                alone = [wins(each.similarity(asked[i], z)) for each, z in zip(alone, texts, strict=True)]
                line[f"alone, {taught}"] = np.mean(alone)
                after = ASIF(rest.add(new)).classify(stamps.image[test], labels, prompts=prompts).predicted
                line[f"changed, {taught}"] = (after != before).sum().item()
        table.append(line)
    return pd.DataFrame(table)


def row(title, table, taught=1) -> str:
    """Return a line of the table: mean shares with their intervals over the kinds."""
    columns = [f"found, {rivals}, {count}" for rivals in ("3", "all") for count in (0, taught)]
    columns += [f"{name}, {taught}" for name in ("alone", "strangers, 3", "strangers, all")]
    cells = [title, str(len(table))]
    for values in table.groupby("kind", sort=False)[columns].mean().to_numpy().T:
        share = mean_with_interval(values == 1 if np.isin(values, (0, 1)).all() else values)
        cells.append(f"{share.value:.0%} [{max(share.low, 0):.0%}, {min(share.high, 1):.0%}]")
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="ask nine monsters only")
    quick = parser.parse_args().quick
    encoders = load_image_encoder(), load_text_encoder()
    pairs = load_pairs("stamps")
    words = _word_list(filter(None, map(_words_of, pairs.captions)))
    nouns = words, embed(encoders[1], [BARE_TEMPLATE.format(word) for word in words], progress=False)
    asked = AnchorBank.build(pairs, *encoders), pairs.splits["test"], nouns, encoders
    things, most = (drawn(9)[:9], 1) if quick else (drawn(), DRAWINGS - ASKED)
    table = measured(things, *asked, most)
    rows = [row("all, one taught", table)]
    rows += [row(f"– {style}", part) for style, part in table.groupby("style", sort=False)]
    rows += [row(f"all, {taught} taught", table, taught) for taught in range(2, most + 1)]
    if not quick:
        digits, cifar = load_digits(), load_labelled("cifar10").split("test")
        grey = [Image.fromarray((255 - 15 * each).astype(np.uint8)).resize((SIDE, SIDE)) for each in digits.images]
        for title, *data in ("digits", grey, digits.target), ("photographs of a class", cifar.pictures, cifar.labels):
            rows.append(row(title, measured(labelled(title, *data), *asked)))
    changed = table["changed, 1"]
    counts = {"words": len(words), "test": len(asked[1]), "mean": changed.mean(), "most": changed.max()}
    print(PAGE.format(rows="\n".join(rows), **counts))


if __name__ == "__main__":
    main()
