"""Run a benchmark part by part: what is stored is not computed again, and what fails stops nothing else.

A part is a method with a number of pairs of a bank. joblib stores its rows in ``folder/parts``.
"""

import functools
import hashlib
import itertools
import json
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from joblib import Memory

import asif_lab
import asif_lib
from asif_lab.methods import choose
from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import load_pairs
from asif_lib.encoders.identity import load_encoder_of
from asif_lib.errors import AsifError, DataError, first_line
from asif_lib.evaluation.measures import same_text
from asif_lib.files import digest_of_files, write_whole
from asif_lib.machine import progress_bar

from .comparing import COLUMNS, tidy_table
from .configuration import LINEAR_PROBE, check_configuration, known_methods
from .control_encoders import load_any_encoder
from .duplicates import identical, showing
from .tasks import digest_of, embedded_pairs, prepare_task, redrawn_pairs


class Outcome(NamedTuple):
    """The table of a benchmark (`tidy_table`), and the values behind each of its rows.

    `answers` holds them, (seeds, items), by the row's `COLUMNS`.
    """

    table: pd.DataFrame
    answers: dict


@dataclass(frozen=True)
class Pool:
    """The pairs of a bank, with which methods are fitted, and the pairs that choose the settings.

    Each of the three is (image, text), or None; `asked` has the captions as a third.
    """

    train: tuple
    more: tuple | None  # the bank's own validation pairs: anchors too, once the settings are chosen, if all are wanted
    asked: tuple | None

    @property
    def size(self):
        """Number of all pairs."""
        return sum(len(part[0]) for part in (self.train, self.more) if part)

    @functools.cached_property
    def digest(self):
        """The SHA-256 of all embeddings, and of which validation captions are equal."""
        equal = [same_text(self.asked[2], self.asked[2])] if self.asked else []
        return digest_of(*(z for part in (self.train, self.more, self.asked) if part for z in part[:2]), *equal)


def run_benchmark(configuration, folder, *, device="auto", progress=True) -> Outcome:
    """Compute all parts of a benchmark that are not in ``folder/parts`` yet, and write ``folder/results.parquet``.

    A size is left out for a bank that has fewer pairs. What is done stays stored if a later part fails.

    Raises `DataError` for a wrong name in the configuration (`check_configuration`), before anything is computed, and
    for a part that fails, whose bank and method it names.

    Parameters
    ----------
    configuration : Configuration
    folder : Path
        Is made. To compute again what is stored, delete it.
    device : {"auto", "cpu", "cuda", "mps"}
        Of the encoders.
    progress : bool
    """
    check_configuration(configuration)
    memory = Memory(Path(folder) / "parts", compress=True, verbose=0)  # compressed files carry a checksum
    computed = memory.cache(_computed, ignore=["configuration", "pool", "questions", "method", "size"])
    run, found = _Run(configuration, device, progress), []
    groups = list(itertools.product(range(configuration.splits), _groups(configuration)))
    each = list(itertools.product(configuration.methods, configuration.sizes))
    count = len(groups) * len(each)
    with progress_bar(total=count, desc="benchmark", unit="part", progress=progress, leave=True) as bar:
        for draw, about in groups:
            with _named(_words(about)):
                pool, questions, about = run.prepare(about, draw)
            # a bank as large as one of the sizes is asked once, with all its pairs
            sizes = {size for size in configuration.sizes if size == "all" or size <= len(pool.train[0])}
            sizes -= {pool.size} if "all" in sizes else set()
            for method, size in each:
                bar.set_postfix_str(f"{method}, {size} pairs", refresh=sys.stderr.isatty())
                if size in sizes:
                    with _named(f"{_words(about)}, {method}, {size} pairs"):
                        asked = _asked(questions, method)
                        key = _key(configuration, pool, asked, method, size)
                        rows = computed(key, configuration, pool, asked, method, size)
                    named = {**about, "method": method, "wanted": size}
                    found += [{**named, **row, "rows": asked[row["task"]].rows} for row in rows]
                bar.update()
    if not found:
        raise DataError("every bank has fewer pairs than the sizes: name smaller ones")
    joined = _joined_draws(found, configuration.splits)
    table = tidy_table(joined, configuration.methods)
    write_whole(Path(folder) / "results.parquet", table.to_parquet(index=False))
    answers = {tuple(row[name] for name in COLUMNS): np.array(row["values"]) for row in joined}
    return Outcome(table, answers)


@contextmanager
def _named(what):
    """Tell which part failed: what is done stays stored, so the same call goes on there once the fault is mended."""
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, AsifError) else f"{type(error).__name__}: "
        raise DataError(f"{what}: {kind}{first_line(error)}") from error


def _groups(configuration):
    """Yield the names of each bank and pair of encoders; a stored bank has the encoders of its own."""
    every = list(itertools.product(configuration.image_encoders, configuration.text_encoders))
    for bank, source in configuration.banks.items():
        for image, text in [("its own", "its own")] if isinstance(source, str) else every:
            yield {"bank": bank, "image_encoder": image, "text_encoder": text}


def _words(about):
    return "bank {bank}, {image_encoder} × {text_encoder}".format(**about)


def _joined_draws(rows, draws) -> list:
    """Join the rows of all draws of the splits: values one below the other, and the settings that won most often.

    A pair has one place in all draws, with NaN in a draw that does not ask it.
    """
    together, joined = {}, []
    for row in rows:
        key = [row[name] for name in (*COLUMNS[:-2], "method")]
        together.setdefault((*key, row.pop("wanted")), []).append(row)
    for same in together.values():
        tables = [pd.DataFrame(row["values"], columns=list(row.pop("rows"))) for row in same]  # (seeds, pairs asked)
        chosen, times = Counter(json.dumps(row["settings"]) for row in same).most_common(1)[0]
        often = {"chosen in": f"{times} of {draws} splits"} if draws > 1 else {}
        values = pd.concat(tables).to_numpy()  # (draws · seeds, pairs asked in a draw, in the order of the splits)
        joined.append({**same[0], "values": values, "settings": json.loads(chosen) | often})
    return joined


def _asked(questions, method):
    """Return the questions of a part by task: a probe is asked about classes only."""
    if method != LINEAR_PROBE:
        return questions
    questions = {name: question for name, question in questions.items() if question.load_train}
    if not questions:
        raise DataError("needs classes, and no task is of the kind 'zero-shot'")
    return questions


class _Run:
    """A run: it prepares banks and questions, and loads each encoder, data set and bank once."""

    def __init__(self, configuration, device, progress):
        self.configuration, self.device, self.progress = configuration, device, progress
        self.load = functools.cache(functools.partial(load_any_encoder, device=device))
        self.load_of = functools.cache(functools.partial(load_encoder_of, device=device))
        self.bank = functools.cache(AnchorBank.load)

    def loaded(self, encoders):
        """Return encoders to embed with; those of a stored bank are identities until this needs them."""
        if hasattr(encoders[0], "encode"):
            return encoders
        if external := [encoder for encoder in encoders if encoder.is_external]:
            raise DataError(f"the encoder {external[0]} of a stored bank cannot be loaded, so nothing can be asked")
        return [self.load_of(encoder) for encoder in encoders]

    def questions(self, encoders, draw):
        """Return the questions of all tasks by the task's name."""
        questions = {}
        for name, task in self.configuration.tasks.items():
            with _named(f"task {name}"):
                questions[name] = prepare_task(task, *self.loaded(encoders), self.progress, draw)
        return questions

    def prepare(self, about, draw):
        """Return the pool of a bank, the questions by task, and the names of bank and encoders, in a draw of splits.

        Anchors that show a picture that is asked are left out; ``left_out`` counts them.
        """
        source, validation = self.configuration.banks[about["bank"]], self.configuration.validation
        if stored := isinstance(source, str) and self.bank(source):
            encoders = stored.image_encoder, stored.text_encoder
            about = {**about, "image_encoder": encoders[0].name, "text_encoder": encoders[1].name}
        else:
            encoders = [self.load(kind, about[f"{kind}_encoder"]) for kind in ("image", "text")]
        questions = self.questions(encoders, draw)
        # labelled pictures have splits of their own, also those of a folder that has captions too
        asked, seen = None, [(None if q.templates else q.source, q.pictures) for q in questions.values()]
        if validation:
            pairs = redrawn_pairs(load_pairs(validation, progress=self.progress), draw).split("validation")
            asked = (*embedded_pairs(pairs, self.loaded(encoders), self.progress), pairs.captions)
            seen.append((validation, pairs.pictures))
        if stored:
            known = [question.image for question in questions.values()] + ([asked[0]] if asked else [])
            train, more, left_out = self.unseen(stored, seen, known)
        else:
            train, more, left_out = self.joined(source, seen, encoders, draw)
        if not len(train[0]):
            raise DataError(f"no anchor is left to fit: {left_out:,} pairs show pictures that are asked")
        return Pool(train, more, asked), questions, {**about, "left_out": left_out}

    def joined(self, names, seen, encoders, draw):
        """Return the train pairs, the validation pairs, and the number of pairs left out.

        Pairs of the data set that is asked are in other splits than the questions. A pair of another data set is left
        out if it shows the drawing of a question.
        """
        sides, left_out = {"train": [], "validation": []}, 0
        for name in names:
            pairs = redrawn_pairs(load_pairs(name, progress=self.progress), draw)
            others = [picture for source, pictures in seen if source != name for picture in pictures]
            for split, parts in sides.items():
                part = pairs.split(split)
                shown = showing(part.pictures, others, self.progress)
                parts.append(embedded_pairs(part.subset(np.flatnonzero(~shown)), encoders, self.progress))
                left_out += int(shown.sum())
        return *(tuple(torch.cat(side) for side in zip(*parts, strict=True)) for parts in sides.values()), left_out

    def unseen(self, bank, seen, known):
        """Return the pairs of a stored bank that show no question, by drawing or embedding, None, and how many do."""
        shown = identical(bank.image, torch.cat(known))
        files = np.flatnonzero(bank.pairs["picture"].map(lambda path: bool(path) and Path(path).is_file()))
        pictures = bank.pairs["picture"].iloc[files].map(Path).tolist()
        shown[files] |= showing(pictures, [picture for _, some in seen for picture in some], self.progress)
        kept = torch.from_numpy(~shown)
        train = (bank.image[kept], bank.text[kept]) if shown.any() else (bank.image, bank.text)
        return train, None, int(shown.sum())


@functools.cache
def _code() -> str:
    """Return the SHA-256 of the modules that compute a part: what older code has stored is not taken for new."""
    library, laboratory = Path(asif_lib.__file__).parent, Path(asif_lab.__file__).parent
    files = [file for rooms in ("", "search", "evaluation", "explain") for file in (library / rooms).glob("*.py")]
    ours = [file for room in ("", "benchmark") for file in (laboratory / room).glob("*.py")]
    return digest_of_files(files, library) + digest_of_files(ours, laboratory)


def _key(configuration, pool, questions, method, size) -> str:
    """Return the SHA-256 of all that the rows of a part depend on."""
    grid = {key: list(values) for key, values in _grid(configuration, method).items()}
    trained = [list(map(torch.as_tensor, q.train)) if method == LINEAR_PROBE else [] for q in questions.values()]
    asked = {name: [q.digest, digest_of(*z)] for (name, q), z in zip(questions.items(), trained, strict=True)}
    key = [_code(), pool.digest, asked, method, grid, size, configuration.seeds]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _grid(configuration, method):
    return configuration.grids.get(method, known_methods()[method].GRID)


def _computed(key, configuration, pool, questions, method, size) -> list:
    """Choose the settings of a method, fit it once for each seed, and ask it: a row for each task and measure."""
    make, grid, n = known_methods()[method], _grid(configuration, method), len(pool.train[0])
    drawn = [np.arange(n)]  # of all pairs no lot is drawn, so one fit is enough
    if size != "all":
        drawn = [np.random.default_rng(seed).permutation(n)[:size] for seed in range(configuration.seeds)]
    settings, values = _settings(make, grid, pool, drawn[0]), {}
    for rows in drawn:
        image, text = (z[torch.from_numpy(rows)] if size != "all" else z for z in pool.train)
        if size == "all" and pool.more:
            image, text = torch.cat([image, pool.more[0]]), torch.cat([text, pool.more[1]])
        fitted = make(**settings).fit(image, text)
        for task, question in questions.items():
            for measure, items in question.ask(fitted).items():
                values.setdefault((task, measure), []).append(items.tolist())
    about = {"size": len(image), "transductive": make.transductive}
    return [
        {
            **about, "task": task, "measure": measure, "chance": questions[task].chance()[measure],
            "settings": settings | questions[task].settings_of(fitted), "values": items,
        }
        for (task, measure), items in values.items()
    ]  # fmt: skip


def _settings(make, grid, pool, rows) -> dict:
    """Choose settings on the validation pairs, for anchors at `rows` of the pool; a single combination needs none."""
    if all(len(values) == 1 for values in grid.values()) and getattr(make, "epochs", None) is None:
        return {key: values[0] for key, values in grid.items()}
    if pool.asked is None:
        raise DataError('its settings are chosen on validation pairs: name a data set or bank, validation = "…"')
    image, text = (torch.cat([z[torch.from_numpy(rows)], v]) for z, v in zip(pool.train, pool.asked, strict=False))
    n = len(rows)
    relevant = torch.zeros(len(image), len(image), dtype=torch.bool)
    relevant[n:, n:] = same_text(pool.asked[2], pool.asked[2])
    return choose(make, image, text, [(range(n), range(n, len(image)))], relevant, grid).settings
