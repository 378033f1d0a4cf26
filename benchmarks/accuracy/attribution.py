"""Explanations against controls: does removing what they name change the answer, and do they foretell a part's score?

    python benchmarks/accuracy/attribution.py

Needs the emoji and CIFAR-10. Half an hour on a core. With `--refit` alone: the minutes of a fit at three sizes.
"""

import argparse
import time
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from asif_lab.kernels import KernelRidge
from asif_lib import ASIF, AnchorBank, embed, load_image_encoder, load_labelled, load_pairs, load_text_encoder
from asif_lib.defaults import DEFAULT_TEMPLATE, PROFILES
from asif_lib.encoders.pictures import open_picture
from asif_lib.evaluation import mean_with_interval
from asif_lib.explain import removal_effects, shapley_values
from asif_lib.explain.removals import Removals
from asif_lib.machine import progress_bar
from asif_lib.zeroshot import make_prompts

ENCODERS, ANCHORS, ASKED, DRAWS, HALVES, ORDERS = PROFILES["offline"], 643, 5, 20, 100, 100
NAMED, STEPS = 5, 4  # anchors that an explanation names, and steps in which a tenth of the bank leaves
WIDTH, PIXELS = 512, 32  # of the random encoders, and of a picture's side for them
ALL = "contributions"
RIDGES = {(1.0, 0.03): "kernel ridge", (4.0, 0.3): "kernel ridge, gamma 4"}
TAKEN = {
    ALL: "nothing",
    "closed form": "nothing",
    "removal of one anchor": "nothing",
    "Shapley values": "nothing",
    "nearest pictures": "the text",
    "words": "the text encoder",
    "random encoders": "both trained encoders",
    "random order": "everything",
    **dict.fromkeys(RIDGES.values(), "another model"),
}
PAGE = """<!-- Printed by: python benchmarks/accuracy/attribution.py -->
# Explanations against controls

An explanation gives each anchor a number. Here removals judge it: the anchors leave the bank, others enter, the mean
moves, and the model answers again. The banks are {draws} random draws (seeds 0 to {last}) of {anchors} pairs, with the
defaults k = {k} and p = 2. The questions are {asked} other pictures a draw, each with the model's own answer: the best
of 150 other captions, or for photographs (CIFAR-10, asked of the stamps) the best of ten classes. The 95 % intervals
are over the draws, which share pictures, and end where the possible values end.

- *Deletion area*: a tenth of the anchors leaves in the order of the explanation. The area lies between this curve and
  that of a random order, as a share of the score with all anchors.
- *Foretells*, the linear datamodeling score: {halves} random halves of the bank each give the exact score. Spearman's
  correlation of these scores with the sum of the explanation over each half (Park et al., TRAK, ICML 2023).
- *Turned*: the answers that change when the five first anchors leave.

| data | explanation | control takes away | deletion area | foretells | turned |
|---|---|---|---:|---:|---:|
{rows}

The closed form is that of `removal_effects(..., exact=False)`; its correlation with the exact removals of single
anchors is {alike}, over all anchors and questions of a draw. Shapley values are estimates from {orders} random orders.
*Nearest pictures* orders by the picture's entries. *Words* multiplies these entries with the words that a caption
shares with the answer (tf-idf). *Random encoders* are contributions of a bank whose encoders are a random layer over
{pixels} × {pixels} pixels and random vectors of words. Kernel ridge (gamma 1, alpha 0.03) explains its own score, and
refits after each removal.

# What a reason is worth

Both models are sums over anchors, to rounding. *In ten* is the share of the positive part that the ten largest hold;
*negative* is the share of negative parts in the sum of sizes.

| data | model | the parts add up to | in ten | negative | deletion area | foretells | turned |
|---|---|---:|---:|---:|---:|---:|---:|
{worth}
"""


def random_encoders(pictures, captions, asked_pictures, asked_texts):
    """Return embeddings of both sides of the bank and of the questions by encoders that never saw data."""
    random = np.random.default_rng(0)
    layer = random.normal(size=(3 * PIXELS**2, WIDTH))
    thumbnails = [np.asarray(open_picture(p).resize((PIXELS, PIXELS))).ravel() for p in [*pictures, *asked_pictures]]
    image = np.maximum((np.stack(thumbnails) / 255 - 0.5) @ layer, 0)
    counts = CountVectorizer().fit_transform([*captions, *asked_texts])
    text = counts @ random.normal(size=(counts.shape[1], WIDTH))
    sides = (torch.from_numpy(z).float().split([len(captions), len(z) - len(captions)]) for z in (image, text))
    return list(zip(*sides, strict=True))


def explanations(model, z, captions, asked_texts, controls):
    """Return the explanations of q answers by name, (q, n) each; row i of both sides of `z` is a question's answer."""
    x, y = (model.represent(*side).to_dense().double().numpy() for side in zip(model.bank.sides, z, strict=True))
    words = TfidfVectorizer().fit(captions)
    shared = (words.transform(asked_texts) @ words.transform(captions).T).toarray()  # (q, n)
    blind, asked = controls
    blind = ASIF(AnchorBank.from_embeddings(*blind, captions))
    at_random = [v.to_dense().double().numpy() for v in (blind.images(asked[0]), blind.texts(asked[1]))]
    draw = np.random.default_rng(1)
    return {
        ALL: x * y,
        "closed form": removal_effects(model, *z, exact=False).numpy(),
        "removal of one anchor": removed_alone(model, *z),
        "Shapley values": shapley_values(model, *z, permutations=ORDERS, progress=False)[0].numpy(),
        "nearest pictures": x,
        "words": x * (shared + 1e-6),
        "random encoders": at_random[0] * at_random[1] + 1e-9 * draw.random(x.shape),
        "random order": draw.random(x.shape),
    }


def removed_alone(model, asked, texts):
    """Return what `removal_effects` returns, (q, n); anchors that tie at the k-th place may be others."""
    each = torch.eye(len(model.bank), dtype=torch.bool)
    after = [asif_without(model, asked[[i]], texts[[i]], each)[:, 0] for i in range(len(asked))]
    return (model.similarity(asked, texts).diagonal()[:, None] - torch.stack(after)).numpy()


def asif_without(model, z_image, texts, sets):
    """Return the (b, t) scores of a picture (1, d_image) without each of b sets of anchors, (b, n) bool."""
    anchors = sets.any(dim=0).nonzero()[:, 0]
    return Removals(model, z_image, texts, anchors, int(sets.sum(dim=1).max())).scores(sets[:, anchors])[0]


class Ridge(KernelRidge):
    """Kernel ridge regression whose kernel is computed of unit rows, in a fraction of the time."""

    @staticmethod
    def _kernel(z, anchors, gamma):
        return torch.exp(2 * gamma * (z @ anchors.T - 1)).numpy()  # (q, n)


def ridge_without(ridge, z_image, texts, sets):
    fitted = (Ridge(ridge.gamma, ridge.alpha).fit(ridge.image[~gone], ridge.text[~gone]) for gone in sets)
    return torch.stack([each.similarity(z_image, texts) for each in fitted])  # (b, q, t)


def faithfulness(scores_without, texts, best, before, ways, halves, truth):
    """Measure explanations of one answer, `ways` from names to (n,), by the scores `before` (t,) with all anchors.

    `truth` (m,) are the scores of the answer with each of the `halves` (m, n) bool. Return the rows by name: the
    deletion area, the linear datamodeling score, and whether the answer turns.
    """
    n = halves.shape[1]
    counts = np.linspace(0, n // 10, STEPS + 1).round().astype(int)[1:]
    places = [torch.from_numpy((-value).argsort(kind="stable").argsort()) for value in ways.values()]
    base = torch.from_numpy(np.random.default_rng(2).permutation(n))
    sets = torch.stack([place < count for place in (base, *places) for count in counts])
    left = (scores_without(texts[[best]], sets) / before[best]).view(-1, STEPS)  # (1 + ways, STEPS)
    areas = np.trapezoid(np.pad(left.numpy(), ((0, 0), (1, 0)), constant_values=1.0), [0, *counts / counts[-1]])
    named = scores_without(texts, torch.stack([place < NAMED for place in places]))  # (ways, t)
    turned = (named.argmax(dim=1) != best).tolist()
    foretold = [spearmanr(halves.numpy().astype(float) @ value, truth).statistic for value in ways.values()]
    return [(name, *row) for name, *row in zip(ways, areas[0] - areas[1:], foretold, turned, strict=True)]


def worth_of(parts, scores):
    """Return how far the parts (q, n) are from adding up, what the ten largest hold, and the share of negative ones."""
    positive, size = np.maximum(parts, 0), np.abs(parts).sum(axis=1)
    ten = np.sort(positive, axis=1)[:, -10:].sum(axis=1) / positive.sum(axis=1)
    return np.abs(parts.sum(axis=1) - scores).max(), ten.mean(), ((size - parts.sum(axis=1)) / 2 / size).mean()


def one_draw(everything, pictures, foreign, seed):
    """Return the rows of faithfulness of one draw, the worth of both models' parts, and two correlations."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(everything))
    rows, rest = order[:ANCHORS].tolist(), order[ANCHORS:].tolist()
    bank = everything.subset(rows)
    model, ridges = ASIF(bank), [Ridge(*setting).fit(bank.image, bank.text) for setting in RIDGES]
    if foreign is None:
        asked, texts = everything.subset(rest[:ASKED]).image, everything.subset(rest[:150]).text
        shown, names = [pictures[i] for i in rest[:ASKED]], [everything.pairs.caption[i] for i in rest[:150]]
    else:
        picked = random.permutation(len(foreign[0]))[:ASKED].tolist()
        asked, texts, names = foreign[1][picked], foreign[2], foreign[3]
        shown = [foreign[0][i] for i in picked]
    halves = torch.from_numpy(np.stack([random.permutation(ANCHORS) < ANCHORS // 2 for _ in range(HALVES)]))
    found, worth, captions = [], {}, bank.pairs.caption.tolist()
    for each in (model, *ridges):
        is_asif = each is model
        before = each.similarity(asked, texts)
        best = before.argmax(dim=1)
        z = asked, texts[best]
        if is_asif:
            answers = [names[i] for i in best]
            controls = random_encoders([pictures[i] for i in rows], captions, shown, answers)
            ways = explanations(model, z, captions, answers, controls)
            alike = np.corrcoef(ways["closed form"].ravel(), ways["removal of one anchor"].ravel())[0, 1]
        else:
            ways = {RIDGES[each.gamma, each.alpha]: each.parts(*z).numpy()}
        title = next(iter(ways))
        worth[title] = worth_of(ways[title].astype(float), before.gather(1, best[:, None])[:, 0].double().numpy())
        halved = None if is_asif else ridge_without(each, *z, ~halves).diagonal(dim1=1, dim2=2)  # (m, q)
        for i in range(len(asked)):
            if is_asif:
                scores_without = partial(asif_without, each, asked[[i]])
                truth = scores_without(texts[best[[i]]], ~halves)[:, 0]
            else:
                truth = halved[:, i]

                def scores_without(texts, sets, each=each, z=asked[[i]]):
                    return ridge_without(each, z, texts, sets)[:, 0]

            of_each = {name: values[i] for name, values in ways.items()}
            found += faithfulness(scores_without, texts, int(best[i]), before[i], of_each, halves, truth.numpy())
    table = pd.DataFrame(found, columns=["way", "area", "foretells", "turned"]).astype({"turned": float})
    return table.groupby("way", sort=False).mean(), worth, alike


def interval(values, digits=2, possible=(-np.inf, np.inf)):
    """Return a mean and its interval in words; the interval ends where the `possible` values end."""
    found = mean_with_interval(list(values))
    low, high = np.clip(found.ci, *possible)
    return f"{found.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def refit():
    """Print the CPU seconds of a fit of kernel ridge, and of ASIF's first answer without one anchor, at three sizes."""
    print("| pairs | kernel ridge, a fit | ASIF, an answer after an edit |\n|---:|---:|---:|")
    for n in (493, 10_000, 100_000):
        random = torch.Generator().manual_seed(0)
        image, text = (torch.randn(n, d, generator=random) for d in (1280, 384))
        model = ASIF(AnchorBank.from_embeddings(image, text, [str(i) for i in range(n)]))
        start = time.process_time()
        ASIF(model.bank.view(torch.arange(1, n)), **asdict(model.settings)).similarity(image[:1], text[:1])
        edited, start = time.process_time() - start, time.process_time()
        gigabytes = 8 * n**2 / 1e9
        if gigabytes < 8:
            Ridge().fit(image, text)
            fitted = f"{time.process_time() - start:.2f} s"
        else:
            fitted = f"not run: its kernel has {gigabytes:.0f} GB, twice"
        print(f"| {n:,} | {fitted} | {edited:.2f} s |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["stamps", "emoji", "photographs"])
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--refit", action="store_true")
    arguments = parser.parse_args()
    if arguments.refit:
        return refit()
    encoders = load_image_encoder(ENCODERS.image_encoder), load_text_encoder(ENCODERS.text_encoder)
    rows, worth, closed = [], [], []
    for name in arguments.data:
        foreign = None
        if name == "photographs":
            data = load_labelled("cifar10").split("test").sample(1_000)
            prompts = make_prompts(data.classes, (DEFAULT_TEMPLATE,))
            z = embed(encoders[0], data.pictures, progress=False), embed(encoders[1], prompts, progress=False)
            foreign = data.pictures, *z, prompts
        pairs = load_pairs("stamps" if foreign else name)
        everything = AnchorBank.build(pairs, *encoders)
        work = (delayed(one_draw)(everything, pairs.pictures, foreign, seed) for seed in range(arguments.draws))
        found = Parallel(arguments.workers, return_as="generator")(work)
        found = list(progress_bar(found, total=arguments.draws, desc=name))
        measured = pd.concat([table for table, *_ in found], keys=range(len(found))).unstack("way")
        for way, taken in TAKEN.items():
            area, foretells, turned = (measured[column, way] for column in ("area", "foretells", "turned"))
            cells = f"{interval(area)} | {interval(foretells, 2, (-1, 1))} | {interval(100 * turned, 0, (0, 100))} %"
            rows.append(f"| {name} | {way} | {taken} | {cells} |")
            if way in found[0][1]:
                exact, ten, negative = np.array([each[way] for _, each, _ in found]).T
                model, shares = "ASIF" if way == ALL else way, [interval(x, 2, (0, 1)) for x in (ten, negative)]
                worth.append(f"| {name} | {model} | {exact.max():.0e} | {shares[0]} | {shares[1]} | {cells} |")
        closed.append(f"{interval([alike for *_, alike in found], 3, (-1, 1))} ({name})")
    k = ASIF(everything.subset(list(range(ANCHORS)))).k
    numbers = {"draws": arguments.draws, "last": arguments.draws - 1, "anchors": ANCHORS, "asked": ASKED, "k": k}
    numbers |= {"halves": HALVES, "orders": ORDERS, "pixels": PIXELS, "alike": ", ".join(closed)}
    print(PAGE.format(rows="\n".join(rows), worth="\n".join(worth), **numbers))


if __name__ == "__main__":
    main()
