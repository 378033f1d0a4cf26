"""What the chapters do beside the library: their opening, experiments, questions and lessons."""

import functools
import itertools
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from markupsafe import Markup
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import Pairs, load_pairs
from asif_lib.defaults import DEFAULT_BANK, DEFAULT_P, DEFAULT_TEMPLATE, PROFILES
from asif_lib.encoders.embeddings import embed
from asif_lib.encoders.image import ImageEncoder, load_image_encoder
from asif_lib.encoders.pictures import open_picture
from asif_lib.encoders.text import TextEncoder, load_text_encoder
from asif_lib.errors import EncoderError, MissingExtraError, ParameterError, first_line
from asif_lib.evaluation.choosing import sweep
from asif_lib.evaluation.measures import Measure, mean_with_interval, ranks, recall_at, same_text
from asif_lib.evaluation.neighbours import mutual_neighbours, pair_correlation
from asif_lib.explain.contribution import contributions
from asif_lib.machine import for_small_matrices
from asif_lib.relative import relative_representation, unit_rows
from asif_lib.settings import Settings
from asif_lib.sparse import represent, sparsify
from asif_lib.zeroshot import ASIF

from . import results


class Opening(NamedTuple):
    """Everything that a chapter starts from; row i of `bank` is pair i of `pairs`."""

    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    pairs: Pairs
    bank: AnchorBank


def open_chapter(profile="offline", device="auto", pairs=DEFAULT_BANK) -> Opening:
    """Load the encoders of a profile and captioned pictures, and build the bank of all pairs.

    With other pairs than the default ones, `record` records nothing from here on. Raises `ParameterError` if there is
    no such profile, or the pairs are too few to hold some out.

    Parameters
    ----------
    profile, device : str
    pairs : str or Path
        As for `load_pairs`: a name, or a folder of pictures with captions, at least 20 pairs.
    """
    if profile not in PROFILES:
        raise ParameterError(f"profile = {profile!r}: the profiles are {', '.join(PROFILES)}")
    found = load_pairs(pairs)
    if missing := {"train", "validation", "test"}.difference(found.splits):
        lacks = f"has {len(found)} pairs, and no split {' or '.join(sorted(missing))}"
        raise ParameterError(f"pairs = {str(pairs)!r} {lacks}; a chapter needs 20 pairs, or all three splits named")
    results.of_the_book = str(pairs) == DEFAULT_BANK
    image_encoder = load_image_encoder(PROFILES[profile].image_encoder, device=device)
    text_encoder = load_text_encoder(PROFILES[profile].text_encoder, device=device)
    return Opening(image_encoder, text_encoder, found, AnchorBank.build(found, image_encoder, text_encoder))


STRANGER = "animals/marsupials/kangaroo.png"
"""The held-out stamp that the model calls a deer: the story of chapters 00, 06, 07 and 08."""


def first_held_out(pairs, id=STRANGER) -> int:
    """Return the position of a pair, or of the first test pair where the pairs lack this one."""
    return pairs.ids.index(id) if id in pairs.ids else pairs.splits["test"][0]


STAMP_NOUNS = {"animals": "kangaroo", "clothes": "cowboy hat", "food": "green pepper", "hobbies": "drum"}
STAMP_NOUNS |= {"household": "mallet", "people": "man in a suit", "plants": "desert rose", "vehicles": "sailboat"}
"""Noun in the caption of the first test picture of each of eight groups of stamps."""


def first_task(pairs) -> tuple[list[int], list[str]]:
    """Return the positions of eight test pictures and a label for each: for the stamps, those of `STAMP_NOUNS`.

    Of other pairs it takes the first test pictures, at most eight with different captions, which are the labels.
    """
    test, first = pairs.splits["test"], {}
    if STRANGER in pairs.ids:
        first = {noun: next(i for i in test if pairs.groups[i].split("/")[0] == g) for g, noun in STAMP_NOUNS.items()}
    else:
        for i in test:
            first.setdefault(without_article(pairs.captions[i]), i)
    return [*first.values()][:8], [*first][:8]


def scoreboard(bank, splits, chapter="04", seed=0):
    """Measure the book's way to a picture's caption: R@1 among the validation captions, the training pairs as anchors.

    Returns the measures by name, and chance. Nothing of the test split is used.

    Parameters
    ----------
    bank : AnchorBank
        Of all pairs.
    splits : dict of str to list of int
    chapter : str
        The last one whose steps are measured: ``"03"`` or ``"04"``.
    seed : int
        Of the intervals.
    """
    from asif_lab.baselines import RelativeRepresentation  # scikit-learn takes a second to import

    anchors, asked = bank.subset(splits["train"]), bank.subset(splits["validation"])
    pictures = relative_representation(asked.image, anchors.image)  # (q, n)
    texts = relative_representation(asked.text, anchors.text)  # (q, n)
    centred = RelativeRepresentation().fit(anchors.image, anchors.text)
    scores = {
        "03 · all cosines, as they are": relative_representation(pictures, texts),
        "03 · all cosines, centred": centred.similarity(asked.image, asked.text),
    }
    if chapter >= "04":
        scores["04 · a tenth of them, squared"] = ASIF(anchors, device="cpu").similarity(asked.image, asked.text)
    captions = asked.pairs.caption.tolist()
    relevant = same_text(captions, captions)  # (q, q)
    return {name: recall_at(s, relevant, 1, seed) for name, s in scores.items()}, float(relevant.float().mean())


def draw_rivals(captions, count, rng) -> torch.Tensor:
    """Draw for each of q pictures the rows of `count` others with another caption than its own, (q, count) int64.

    Parameters
    ----------
    captions : sequence of q str
    count : int
    rng : numpy Generator
    """
    rows = range(len(captions))
    shuffled = ((own, rng.permutation(len(captions)).tolist()) for own in rows)
    drawn = [[j for j in order if captions[j] != captions[own]][:count] for own, order in shuffled]
    return torch.tensor(drawn, dtype=torch.int64)


# Chapter 01: pictures and texts as an encoder gets them


def encoder_views(encoder, picture):
    """Return four views of a picture file: the file, as read, as the encoder sees it, and that without padding."""
    file = getattr(picture, "path", picture)
    return Image.open(file), open_picture(picture), _input(encoder, picture), _input(encoder, file)


def _input(encoder, picture):
    """The encoder's input with the last step undone, (h, w, 3) from 0 to 1."""
    normalise = encoder.transform.transforms[-1]  # (value - mean) / std, for each channel
    mean, std = (torch.as_tensor(v).view(3, 1, 1) for v in (normalise.mean, normalise.std))
    return (encoder.transform(open_picture(picture)) * std + mean).clamp(0, 1).permute(1, 2, 0).numpy()


def word_pieces(encoder, text) -> list:
    """Cut a text into the tokens that the text encoder reads."""
    return encoder.model.tokenizer.tokenize(text)


def token_vectors(encoder, texts):
    """Return the tokens of each text, their vectors before pooling (n, t, d), and the mask of real tokens (n, t)."""
    model = load_text_encoder(encoder.identity.locator, device=encoder.device, backend="torch").model
    batch = model.tokenizer(
        texts, padding=True, truncation=True, max_length=model.max_seq_length, return_tensors="pt"
    ).to(encoder.device)
    with torch.inference_mode():
        vectors = model[0](dict(batch))["token_embeddings"].float().cpu()  # (n, t, d)
    tokens = [model.tokenizer.convert_ids_to_tokens(ids) for ids in batch["input_ids"].tolist()]
    return tokens, vectors, batch["attention_mask"].cpu()


def pooled(encoder, texts):
    """Compare two means of the tokens' vectors with the encoder's output.

    Returns the tokens of each text, the mask of real tokens (n, t), and for each mean the largest difference, (n,).
    """
    tokens, vectors, mask = token_vectors(encoder, texts)  # (n, t, d), (n, t)
    output = encoder.encode(texts, progress=False)  # (n, d)
    means = {"real tokens": (vectors * mask[:, :, None]).sum(dim=1), "all tokens": vectors.sum(dim=1)}
    return tokens, mask, {name: (unit_rows(mean) - output).abs().amax(dim=1) for name, mean in means.items()}


def nearest_others(z, rows, count):
    """Find the nearest other rows of z (n, d) by cosine, for some of its rows: values and indices, (q, count) each."""
    cosines = relative_representation(z[rows], z)  # (q, n)
    cosines[torch.arange(len(rows)), rows] = -torch.inf  # a row is not its own neighbour
    return cosines.topk(count, dim=1)


def on_grey(picture) -> Image.Image:
    """Paint what is white in a picture grey."""
    pixels = np.asarray(picture)
    white = (pixels > 250).all(axis=2, keepdims=True)
    return Image.fromarray(np.where(white, 128, pixels).astype(np.uint8))


PICTURE_CHANGES = {
    "upside down": ImageOps.flip,
    "without colours": lambda picture: ImageEnhance.Color(picture).enhance(0),
    "out of focus": lambda picture: picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 40)),
    "on grey": on_grey,
}


# Chapter 02: captions in the wrong place, and anchors chosen in several ways


def twins(pairs, similarity, threshold=0.95) -> pd.DataFrame:
    """List the pairs of pictures above a similarity, with their kind, and whether two splits share them.

    Parameters
    ----------
    pairs : Pairs
        n pairs with splits.
    similarity : Tensor of shape (n, n)
    threshold : float
    """
    split_of = {i: name for name, positions in pairs.splits.items() for i in positions}
    rows, columns = (similarity.triu(1) > threshold).nonzero(as_tuple=True)
    table = []
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        kind = "two files with one caption" if pairs.captions[i] == pairs.captions[j] else "two captions"
        if pairs.pictures[i].path.read_bytes() == pairs.pictures[j].path.read_bytes():
            kind = "one file, filed twice"
        table.append((kind, pairs.ids[i], pairs.ids[j], split_of[i] != split_of[j]))
    return pd.DataFrame(table, columns=["kind", "left", "right", "in two splits"])


def misplaced(n, share, generator) -> torch.Tensor:
    """Return an order of captions in which a share of them has changed places, (n,) int64.

    Parameters
    ----------
    n : int
    share : float
        Of the captions, drawn at random.
    generator : torch Generator
    """
    order = torch.arange(n)
    moved = torch.randperm(n, generator=generator)[: round(share * n)]
    order[moved] = moved.roll(1)
    return order


def effect_left(a, b, share, k, generator) -> np.ndarray:
    """Measure the agreement of two similarities that is left when a share of the captions changes places, (2,).

    It is the correlation over pairs, and the share of k common neighbours above chance; each over its value for the
    captions as they are, mean of five deals.

    Parameters
    ----------
    a, b : Tensors of shape (n, n)
        Similarities of the pictures and of the captions.
    share : float
    k : int
        Neighbours of each item.
    generator : torch Generator
    """
    n, chance = len(a), k / (len(a) - 1)
    whole = pair_correlation(a, b), float(mutual_neighbours(a, b, k).mean()) - chance
    found = []  # of each deal (correlation, neighbours)
    for _ in range(5):
        order = misplaced(n, share, generator)
        mixed = b[order][:, order]
        found.append((pair_correlation(a, mixed), float(mutual_neighbours(a, mixed, k).mean()) - chance))
    return np.mean(found, axis=0) / whole


def all_matchings(image, text, groups, size, rng) -> tuple[np.ndarray, np.ndarray]:
    """Match eight piles of pictures with eight piles of captions in all 40,320 ways, by geometry alone.

    Returns for each way, the true one first, the correlation of two Gram matrices over the 28 pairs of piles (centred
    mean pictures, mean captions) and the share of piles that are right, (40320,) each. No item gives picture and
    caption. Raises `ParameterError` for fewer than eight groups.

    Parameters
    ----------
    image, text : arrays of shape (n, d_image) and (n, d_text)
    groups : array of n str
        Eight are drawn of those with 2 * size items or more, and ten or more.
    size : int
        Pictures of a pile, and captions; 0 for the halves of each group.
    rng : numpy Generator
    """
    names, counts = np.unique(groups, return_counts=True)
    if (large := counts >= max(10, 2 * size)).sum() < 8:
        raise ParameterError(f"only {large.sum()} groups are large enough for piles of {size}: eight are needed")
    drawn = [np.flatnonzero(groups == name) for name in rng.choice(names[large], 8, replace=False)]
    halves = [np.array_split(rng.permutation(rows)[: 2 * size or None], 2) for rows in drawn]
    orders, (i, j), grams = _orders_of_eight(), np.triu_indices(8, 1), []
    for z, rows in zip((image, text), zip(*halves, strict=True), strict=True):
        means = np.stack([z[pile].mean(axis=0) for pile in rows])  # (8, d)
        gram = (means - means.mean(axis=0)) @ (means - means.mean(axis=0)).T  # (8, 8)
        grams.append((gram - gram[i, j].mean()) / gram[i, j].std())
    scores = grams[1][orders[:, i], orders[:, j]] @ grams[0][i, j] / len(i)  # (40320, 28) @ (28,)
    return scores, (orders == orders[0]).mean(axis=1)


@functools.cache
def _orders_of_eight():
    return np.array([*itertools.permutations(range(8))])  # (40320, 8), the unchanged order first


def matched_piles(image, text, groups, deals, seed=0) -> tuple[np.ndarray, pd.DataFrame]:
    """Repeat `all_matchings` for piles of groups and for piles at random, of equal and of unequal sizes.

    Returns the scores of the first deal, and a table: the ways that the true one beats (median, middle 95 % of the
    deals) and the piles that are right in the best way (mean, its interval over the deals).

    Parameters
    ----------
    image, text, groups
        As for `all_matchings`.
    deals, seed : int
    """
    rng, table, first = np.random.default_rng(seed), {}, None
    sizes = {"ten of a folder": 10, "ten at random": 10, "half of a folder": 0, "at random, in these sizes": 0}
    for name, size in sizes.items():
        found = []  # of each deal (ways beaten, piles right)
        for _ in range(deals):
            drawn = rng.permutation(groups) if "random" in name else groups
            scores, right = all_matchings(image, text, drawn, size, rng)
            first = scores if first is None else first
            found.append(((scores < scores[0]).mean(), right[scores.argmax()]))
        beaten, right = np.transpose(found)
        low, high = np.quantile(beaten, [0.025, 0.975])
        m = mean_with_interval(right, seed)
        table[name] = f"{np.median(beaten):.1%} [{low:.0%}, {high:.0%}]", f"{m.value:.0%} [{m.low:.0%}, {m.high:.0%}]"
    return first, pd.DataFrame(table, ["ways that the true one beats", "piles right in the best way"]).T


def covered_by(cosines, order, counts) -> np.ndarray:
    """Measure how well the first anchors of an order cover new pictures: mean and 5th percentile, (len(counts), 2).

    Parameters
    ----------
    cosines : Tensor of shape (q, n)
        Of the new pictures with all anchors.
    order : Tensor of shape (n,), int64
    counts : sequence of int
        How many anchors are taken.
    """
    best = [cosines[:, order[:count]].amax(dim=1) for count in counts]  # of each count (q,)
    return np.array([[float(b.mean()), float(b.quantile(0.05))] for b in best])


# Chapter 03: other coordinates, other words


def random_rotation(d, generator) -> torch.Tensor:
    """Draw a (d, d) rotation or reflection, all equally likely."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator))  # (d, d) each
    return q * r.diagonal().sign()


def without_article(caption) -> str:
    """Remove the article and the full stop of a caption.

    >>> without_article("A sleeping capybara.")
    'sleeping capybara'
    """
    for article in ("A ", "An ", "The "):
        caption = caption.removeprefix(article)
    return caption.rstrip(".")


# Chapters 05 to 07: stamps with a class, captioned clothing, and what a lesson brings

STAMP_CLASSES = {
    "animals/birds": "bird",
    "animals/insects": "insect",
    "animals/mammals": "mammal",
    "clothes/hats": "hat",
    "food/fruit": "fruit",
    "household/tools": "tool",
    "people/body_parts": "part of the body",
    "plants/flowers": "flower",
    "symbols/math": "mathematical symbol",
    "symbols/money": "coin",
    "town/monuments": "monument",
    "town/roadsigns": "road sign",
    "vehicles": "vehicle",
}
"""Name of the class, in plain words, of each folder of the stamps that is one."""


def class_of(group):
    """Return the class of a stamp's folder, or None.

    >>> class_of("animals/birds/songbirds"), class_of("animals")
    ('bird', None)
    """
    return next((name for folder, name in STAMP_CLASSES.items() if f"{group}/".startswith(folder + "/")), None)


def class_names(pairs) -> list:
    """Return the class of each pair's stamp, or None; of pairs that are no stamps, the caption as `without_article`."""
    names = [class_of(group) for group in pairs.groups]
    return names if any(names) else [without_article(caption) for caption in pairs.captions]


def classes_of(pairs) -> list:
    """List the classes that the chapters ask for: of the stamps, or the captions of the pairs that are no anchors."""
    names, asked = class_names(pairs), pairs.splits["validation"] + pairs.splits["test"]
    return sorted({names[i] for i in asked} - {None})


def with_classes(pairs, positions, classes):
    """Return the positions of pairs in one of the classes, and the number of each pair's class, (m,) int64.

    Parameters
    ----------
    pairs : Pairs
    positions : sequence of int
        Of the pairs to choose from.
    classes : list of str
        Some of `class_names`.
    """
    names = class_names(pairs)
    kept = [i for i in positions if names[i] in classes]
    return kept, np.array([classes.index(names[i]) for i in kept])


def inverted(picture):
    """Return a white-on-black picture as black on white."""
    return ImageOps.invert(picture)


def enlarged(picture):
    """Return a small picture with sides of 96 pixels, for a reader and not for an encoder."""
    return picture.resize((96, 96))


def captioned(labelled) -> Pairs:
    """Return labelled pictures as pairs, black on white; the caption is the template with the picture's class."""
    names = [labelled.classes[label] for label in labelled.labels]
    return Pairs(
        labelled.name,
        [inverted(picture) for picture in labelled.pictures],
        [DEFAULT_TEMPLATE.replace("{}", name) for name in names],
        [f"{labelled.name}/{i:04}" for i in range(len(labelled))],
        [f"{labelled.name}/{name}" for name in names],
        {},
        labelled.licence,
    )


def answers_of(banks, pictures, z, prompts, labels):
    """Let growing banks answer for one picture: by the number of added pairs, the answer and its contributions.

    The dict is as `figures.best_anchors` draws it.

    Parameters
    ----------
    banks : dict of AnchorBank
        By the number of added pairs, rising from 0; each begins with the pairs of the bank before it.
    pictures : list of n pictures
        Of the pairs of the largest bank.
    z : Tensor of shape (1, d_image)
    prompts : Tensor of shape (c, d_text)
    labels : list of c str
    """
    stages = {}
    for added, bank in banks.items():
        model = ASIF(bank, device="cpu")
        image, texts = model.images(z), model.texts(prompts)
        best = int(image.similarity(texts).argmax())
        reasons = contributions(image, texts[[best]], bank.pairs)
        reasons["picture"] = [pictures[anchor] for anchor in reasons.anchor]
        stages[added] = labels[best], reasons.assign(arrived=reasons.anchor >= len(banks[min(banks)]))
    return stages


def files_hold(folder, item) -> bool:
    """Return whether any file below a folder holds a text, or the bytes of an embedding (d,)."""
    needle = item.encode() if isinstance(item, str) else item.numpy().tobytes()
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    tables = [pq.read_table(file).to_pandas().astype(str) for file in files if file.suffix == ".parquet"]
    in_tables = isinstance(item, str) and any(item in cell for table in tables for cell in table.to_numpy().ravel())
    return in_tables or any(needle in file.read_bytes() for file in files)


@for_small_matrices()
def learning_sweep(banks, prompts, validation, test, fractions, powers):
    """Choose k/n and p on validation questions for several banks of one size, and ask them the test questions.

    Parameters
    ----------
    banks : list of AnchorBank
    prompts : Tensor of shape (c, d_text)
    validation, test : (Tensor of shape (q, d_image), ndarray of shape (q,))
        Pictures and their classes.
    fractions, powers : sequences of float
        The k/n and the p to choose from.

    Returns
    -------
    chosen : (float, float)
        k/n and p.
    right, kept : ndarrays of shape (banks, q), bool
        Which test pictures get their class: with the choice, and with the default k/n and p.
    """
    table = switch_sweep(banks, prompts, validation, fractions, powers)
    best = table.loc[table.value.idxmax()]

    def answers(k, p):
        found = [ASIF(bank, k, p, device="cpu").similarity(test[0], prompts).argmax(dim=1).numpy() for bank in banks]
        return np.stack(found) == test[1]  # (banks, q)

    return (float(best.fraction), float(best.p)), answers(int(best.k), best.p), answers(None, DEFAULT_P)


@for_small_matrices()
def switch_sweep(banks, prompts, validation, fractions, powers, hubs=(0,), whitens=(None,)):
    """Ask several banks of one size the validation questions, with every k/n, p, ``hubs`` and ``whiten`` of `ASIF`.

    Returns the table of `sweep` with the columns ``hubs`` and ``whiten``; its value is the accuracy, the mean over the
    banks.

    Parameters
    ----------
    banks, prompts, validation, fractions, powers
        As in `learning_sweep`.
    hubs, whitens : sequences of float
        The values of ``hubs`` and ``whiten`` to try; None does not whiten.
    """
    n, models = len(banks[0]), [ASIF(bank, device="cpu") for bank in banks]
    texts = [model.anchors("text").cosines(prompts, n, hubs=any(hubs)) for model in models]

    @functools.lru_cache(maxsize=1)
    def pictures(whiten):
        sides = [model.anchors("image") for model in models]
        sides = [side.whitened(whiten) for side in sides] if whiten else sides
        return [side.cosines(validation[0], n, hubs=any(hubs)) for side in sides]

    def right(k, p, whiten, hubs):
        settings = Settings(k, p, hubs=hubs)
        both = zip(pictures(whiten), texts, strict=True)
        scores = (image.sparse(settings).similarity(text.sparse(settings)) for image, text in both)
        return np.mean([one.argmax(dim=1).numpy() == validation[1] for one in scores])

    return sweep(right, fractions, powers, n, whiten=whitens, hubs=hubs)


# Chapter 09: how many pairs a rival needs, and what the nearest anchors decide


def share_of_pairs(curves, size) -> dict[str, Measure]:
    """Divide the pairs of ASIF, `size`, by the pairs with which each rival reaches the same recall; 0 if none do.

    `curves` has for each method, ASIF first, and each number of pairs the recall of q questions, (draws, q). It is read
    on lines in log n. A rival that reaches it before the smallest number counts as if it needed this number: the ratio
    is then a lower bound. Draws and questions are resampled together for all methods.
    """
    from asif_lab.benchmark.comparing import resampled_means

    sizes = sorted(curves["ASIF"])
    values = [np.stack([curve[n] for curve in curves.values()]) for n in sizes]  # of each size (m, draws, q)

    def shares(means):  # (m, sizes) to (m,)
        wanted, rising = means[0, sizes.index(size)], np.maximum.accumulate(means, axis=1)
        return [size / np.exp(np.interp(wanted, curve, np.log(sizes), right=np.inf)) for curve in rising]

    whole = shares(np.stack([v.mean(axis=(1, 2)) for v in values], axis=1))
    resampled = [shares(means) for means in np.stack([resampled_means(v) for v in values], axis=2)]
    found = zip(curves, whole, *np.quantile(resampled, [0.025, 0.975], axis=0), strict=True)
    return {name: Measure(*share, values[0].shape[2]) for name, *share in found if name != "ASIF"}


def asked_without(fitted, image, text, nearby) -> dict[str, torch.Tensor]:
    """Score pictures (q, d_image) by all anchors, the nearest alone, and those whose cosine is not above `nearby`.

    `fitted` is the method "ASIF", and `text` (t, d_text); the scores are (q, t).
    """
    cosines = relative_representation(image, fitted.image, mean=fitted.image_mean)  # (q, n)
    texts, far = represent(text, fitted.text, fitted.settings), cosines.masked_fill(cosines > nearby, -1)
    ways = {"all anchors": (cosines, fitted.k), "the nearest alone": (cosines, 1), "none nearby": (far, fitted.k)}
    return {name: sparsify(*way, fitted.p).similarity(texts) for name, way in ways.items()}


# Chapter 10: the stamps' captions in other languages


def load_multilingual(profile="offline", device="auto") -> TextEncoder | None:
    """Load E5, for many languages. Where it does not work, a sentence says what to do; the cells below do nothing."""
    name = "intfloat/multilingual-e5-small" if profile == "hub" else "multilingual-e5-small"
    try:
        return load_text_encoder(name, device=device)
    except (EncoderError, MissingExtraError) as error:
        from IPython import display, get_ipython

        if (notebook := get_ipython()) is None:
            raise
        notebook.input_transformers_cleanup.append(lambda lines: [])
        words = Markup(
            '<p class="asif-left-out"><b>This chapter is left out here.</b> {}. Then restart the kernel.</p>'
        )
        display.display(display.HTML(words.format(first_line(error))))


def translations(code) -> Pairs:
    """Load the stamps with their captions in a language (``"de"``); those without a translation are left out."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # it names them; the chapter counts them
        return load_pairs(DEFAULT_BANK, language=code)


class Spoken(NamedTuple):
    """The stamps' captions in one language, m of them."""

    captions: list
    stamps: list  # the position of each caption's stamp among all stamps
    z: torch.Tensor  # their embeddings, (m, d)
    anchors: list  # positions of the captions of train and validation
    splits: dict


def spoken(code, encoder, stamps) -> Spoken:
    """Load and embed the captions of one language; `stamps` are all stamps, in English."""
    found, positions = translations(code), {name: i for i, name in enumerate(stamps.ids)}
    anchors = found.splits["train"] + found.splits["validation"]
    z = embed(encoder, found.captions, progress=False)
    return Spoken(found.captions, [positions[name] for name in found.ids], z, anchors, found.splits)


def scores_between(anchors, asked, share, p) -> torch.Tensor:
    """Return the (q, t) scores of q items of one side and t of another.

    Parameters
    ----------
    anchors, asked : (Tensor of shape (n, d), Tensor of shape (n, e)), (Tensor of (q, d), Tensor of (t, e))
    share, p : float
        The share of the anchors that is kept, and the exponent.
    """
    settings = Settings(max(1, round(share * len(anchors[0]))), p)
    with for_small_matrices():
        one, other = (represent(z, of_side, settings) for z, of_side in zip(asked, anchors, strict=True))
        return one.similarity(other)


def first_is_right(scores, captions) -> np.ndarray:
    """Return for each of q rows whether its own caption, or an equal one, is first, (q,) bool."""
    return ranks(scores, same_text(captions, captions)) < 1


def of_test(one, first, second, share, p) -> tuple[np.ndarray, torch.Tensor]:
    """Return for each of the t test captions of a `Spoken` whether it comes first, and the scores (t, t).

    Its anchors connect two sides; `first` and `second` hold their embeddings, row by row of `one`.
    """
    a, t = one.anchors, one.splits["test"]
    scores = scores_between((first[a], second[a]), (first[t], second[t]), share, p)
    return first_is_right(scores, [one.captions[i] for i in t]), scores
