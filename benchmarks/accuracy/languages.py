"""Translate the stamps' captions from English: ASIF, an aligned encoder alone, and rivals with the same pairs.

    python benchmarks/accuracy/languages.py

A draw has other training, validation and test stamps. With all pairs, the validation pairs choose the settings, and are
then pairs as well; with fewer pairs, five folds of them choose. So no method sees more than its pairs. Draws are kept
in ``build/languages``, and a second run goes on. `--only` computes some languages, and writes nothing. It takes an hour
on two cores, and writes ``languages.md`` and ``languages.csv``.
"""

import argparse
import json
import pickle
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from asif_book.chapters.chapter_10.figures import LANGUAGES
from asif_book.chapters.chapter_10.lessons import translations
from asif_lab import METHODS, choose
from asif_lab.baselines import Method
from asif_lab.benchmark import compare_paired
from asif_lab.benchmark.tasks import HeldOut, redrawn_pairs
from asif_lab.methods import variant
from asif_lib import embed, load_pairs, load_text_encoder, relative_representation
from asif_lib.defaults import DEFAULT_BANK, PROFILES
from asif_lib.evaluation import same_text
from asif_lib.files import build_dir, write_whole
from asif_lib.machine import for_small_matrices, progress_bar

HERE = Path(__file__).parent
DRAWS, SIZES, ASKED = 20, (50, 200, "all"), ("Arabic", "German", "Hindi", "Japanese")
WEIGHTS = (0.25, 0.5, 0.75)  # of what the pairs know, beside the cosine of an aligned encoder
MEASURES = {"R@1, picture → text": "R@1, English → language", "mean recall": "mean recall"}
MARKS = {"better": "▲", "worse": "▼", "undecided": ""}
COLUMNS = ["encoders", "language", "size", "measure", "method", "n", "value", "low", "high"]
COLUMNS += ["difference", "difference_low", "difference_high", "p_holm", "verdict", "settings"]
PAGE = """<!-- Written by: python benchmarks/accuracy/languages.py -->
# Translating without a dictionary, and what pairs add to an aligned encoder

R@1 from English captions to those of another language among the test stamps, over {draws} draws of all splits. The
first method is the reference, in per cent. The others are a method minus the reference, in points, with the paired 95 %
interval over draws and stamps. ▲ and ▼: real after Holm's correction within the line. No method sees more than
its pairs: the means are theirs, and they choose the settings. ``languages.csv`` has mean recall as well.

## E5 on both sides: an encoder that aligns the languages

*Own means* is E5's cosine after each language's mean is subtracted. *Own means + …* adds the scores of a method that
has pairs, with a weight of ¼, ½ or ¾: shared and relative coordinates together.

{}

## MiniLM for English, E5 for the other language: two encoders that know nothing of each other

{}
"""


class PlainCosine(Method):
    """Compare by the cosine of an aligned encoder, which needs no pairs."""

    def similarity(self, image, text):
        return relative_representation(image, text)


class Cosine(Method):
    """Compare by the cosine of an aligned encoder, after each side's own mean is subtracted."""

    def _scores(self, image, text):
        return image @ text.T


class WithCosine(Cosine):
    """Add the scores of the method `make` to the cosine: shared and relative coordinates together."""

    def __init__(self, make, weight, **settings):
        self.weight, self.relative = weight, make(**settings)

    def _fit(self, image, text):
        self.relative.fit(self.image, self.text)

    def similarity(self, image, text):
        return self.weight * self.relative.similarity(image, text) + (1 - self.weight) * super().similarity(image, text)


def with_cosine(name, make):
    """Return a maker of `WithCosine`, which tries weights for the settings that the method `name` chose alone."""
    made = partial(WithCosine, make)
    made.GRID, made.part = {"weight": WEIGHTS}, name
    return made


RIDGE, ASIF = "kernel ridge, both ways", variant(share=(0.05, 0.1, 0.2, 0.4, 0.7), p=(1, 2, 4))  # words like a large k
TOGETHER = {
    f"own means + {name}": with_cosine(name, make) for name, make in {"ASIF": ASIF, RIDGE: METHODS[RIDGE]}.items()
}
ALIGNED = {"cosine, own means": Cosine, "cosine": PlainCosine, "ASIF": ASIF, RIDGE: METHODS[RIDGE], **TOGETHER}
RIVALS = "label transfer, both ways", "ridge", "CSA", "relative + ridge, both ways", RIDGE, "kernel CCA"
SWITCHED = variant(share=(0.1, 0.2, 0.4), p=(1, 2), hubs=(0.25, 0.5), whiten=(0.5, 0.8))
STRANGERS = {"ASIF": ASIF, "ASIF, whitened and hub-corrected": SWITCHED, **{name: METHODS[name] for name in RIVALS}}
OF_FEWER = {*ALIGNED} - {"cosine"}  # the methods that are asked with fewer pairs too
WAYS = {"E5 on both sides": ALIGNED, "MiniLM and E5": STRANGERS}  # by the encoders of English and of the language


def one_draw(pairs, sides, methods, draw) -> dict:
    """Return by size and method the settings, the pairs, and each measure of the questions by stamp, (q,) Series.

    `pairs` are the stamps in a language; `sides` hold their captions' embeddings, English first.
    """
    drawn, captions, found = redrawn_pairs(pairs, draw), pairs.captions, {}
    train, validation, test = (np.array(drawn.splits[name]) for name in ("train", "validation", "test"))
    order, same = np.random.default_rng(draw).permutation(train), same_text(captions, captions)
    question = HeldOut(*(z[test] for z in sides), same[test][:, test])
    for size in SIZES:
        rows, splits = np.concatenate([train, validation]), [(train, validation)]
        if size != "all":
            rows = order[:size]
            splits = [(rows[most], rows[fifth]) for most, fifth in KFold(5).split(rows)]
        chosen = {}
        for name, make in methods.items():
            if size != "all" and name not in OF_FEWER:
                continue
            chosen[name] = choose(make, *sides, splits, same, **chosen.get(getattr(make, "part", None), {})).settings
            asked = question.ask(make(**chosen[name]).fit(*(z[rows] for z in sides)))
            stamps = [pairs.ids[i] for i in test]
            values = {measure: pd.Series(asked[key], stamps) for key, measure in MEASURES.items()}
            found[size, name] = chosen[name], len(rows), values
    return found


def compared(draws, about) -> pd.DataFrame:
    """Compare the methods of all draws with the first one, a row for each size, measure and method."""
    tables = []
    for size in SIZES:
        names = [name for of_size, name in draws[0] if of_size == size]
        for measure in MEASURES.values():
            every = [pd.concat([draw[size, name][2][measure] for draw in draws], axis=1).T for name in names]
            table = compare_paired(np.stack([values.to_numpy() for values in every]))  # (m, draws, stamps asked)
            table["n"] = every[0].shape[1]
            chosen = [Counter(json.dumps(draw[size, name][0]) for draw in draws).most_common(1)[0] for name in names]
            table["settings"] = [json.dumps(json.loads(s) | {"chosen in": f"{c} of {DRAWS}"}) for s, c in chosen]
            named = {**about, "wanted": size, "size": draws[0][size, names[0]][1], "measure": measure, "method": names}
            tables.append(table.assign(**named))
    return pd.concat(tables)


def measured(way, language, progress=True) -> pd.DataFrame:
    """Return the table of `compared` for a pair of encoders and a language; what is stored is not computed again."""
    pairs, folder = translations(LANGUAGES[language]), build_dir() / "languages"
    english = dict(zip(*((stamps := load_pairs(DEFAULT_BANK)).ids, stamps.captions), strict=True))
    e5, minilm = (load_text_encoder(name) for name in ("multilingual-e5-small", PROFILES["offline"].text_encoder))
    first = e5 if WAYS[way] is ALIGNED else minilm
    texts = (first, [english[name] for name in pairs.ids]), (e5, pairs.captions)
    sides, draws = [embed(*each, progress=False) for each in texts], []
    folder.mkdir(parents=True, exist_ok=True)
    for draw in progress_bar(range(DRAWS), desc=f"draws of {language}, {way}", progress=progress):
        file = folder / f"{way}-{language}-{draw}.pickle"
        if not file.exists():
            with for_small_matrices():
                write_whole(file, pickle.dumps(one_draw(pairs, sides, WAYS[way], draw)))
        draws.append(pickle.loads(file.read_bytes()))
    return compared(draws, {"encoders": way, "language": language})


def section(table) -> str:
    """Return the R@1 of a pair of encoders in Markdown: a line for language and pairs, a column for each method."""
    table = table[table["measure"] == "R@1, English → language"]
    names = table["method"].unique().tolist()
    lines = [["language", "pairs", *names], ["---", *["---:"] * (len(names) + 1)]]
    for (language, size), rows in table.groupby(["language", "size"]):
        rows = rows.set_index("method")
        lines.append([language, str(size), *(cell(rows.loc[name]) if name in rows.index else "–" for name in names)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(row) -> str:
    """Return the value of the first method, or a method's difference to it with its interval and mark."""
    if row["verdict"] == "reference":
        return f"{100 * row['value']:.1f} %"
    value, low, high = (f"{100 * row[end]:+.1f}" for end in ("difference", "difference_low", "difference_high"))
    return f"{value} [{low}, {high}] {MARKS[row['verdict']]}".strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ASKED, help="languages to compute, without writing the tables")
    only = parser.parse_args().only
    table = pd.concat([measured(way, language) for language in only or ASKED for way in WAYS])
    if not only:
        table[COLUMNS].to_csv(HERE / "languages.csv", index=False, float_format="%.5f")
        parts = {way: section(table[table["encoders"] == way]) for way in WAYS}
        write_whole(HERE / "languages.md", PAGE.format(*parts.values(), draws=DRAWS).encode())


if __name__ == "__main__":
    main()
