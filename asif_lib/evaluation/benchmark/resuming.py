"""Run a benchmark part by part: what is stored is not computed again, and what fails stops nothing else."""

import functools
import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from asif_lib.bank.anchors import AnchorBank
from asif_lib.datasets.pairs import load_pairs
from asif_lib.datasets.providers import check_known
from asif_lib.defaults import HUB, LINEAR_PROBE, TRANSFORMERS
from asif_lib.encoders.contrastive import load_contrastive
from asif_lib.encoders.loading import load_encoder_of
from asif_lib.errors import AsifError, BrokenPicturesError, DataError, first_line
from asif_lib.files import ROOT, digest_of_files, read_json, write_json, write_whole
from asif_lib.machine import progress_bar

from ..measures import same_text
from ..methods import choose
from .comparing import tidy_table
from .configuration import check_configuration, method_of
from .control_encoders import load_any_encoder
from .leaks import identical, showing
from .tasks import digest_of, embedded_pairs, prepare_task


@dataclass(frozen=True)
class Outcome:
    """What `run_benchmark` returns."""

    table: pd.DataFrame
    """As `tidy_table` makes it."""
    failures: list
    """A pair (what, why) for each part, task, bank or encoder that failed."""


@dataclass(frozen=True)
class Pool:
    """The pairs of a bank, with which methods are fitted, and the pairs that choose the settings.

    Each of the three is (image, text), or None; `asked` has the captions as a third.
    """

    train: tuple
    more: tuple | None
    """The bank's own validation pairs: anchors too, once the settings are chosen and all pairs are wanted."""
    asked: tuple | None

    @property
    def size(self):
        """Number of all pairs."""
        return sum(len(part[0]) for part in (self.train, self.more) if part)

    def digest(self):
        """Return the SHA-256 of all embeddings, and of which validation captions are equal."""
        equal = [same_text(self.asked[2], self.asked[2])] if self.asked else []
        return digest_of(*(z for part in (self.train, self.more, self.asked) if part for z in part[:2]), *equal)


def run_benchmark(configuration, folder, *, device="auto", progress=True) -> Outcome:
    """Compute all parts of a benchmark that are not in ``folder/parts`` yet, and write ``folder/results.parquet``.

    Parameters
    ----------
    configuration : Configuration
    folder : Path
        Is made. To compute again what is stored, delete it.

    A size is left out for a bank that has fewer pairs; it is a failure if all banks have fewer.

    Raises
    ------
    DataError
        If the configuration names a method, a setting or a data set that is not known, or names one twice, as for
        `read_configuration`; nothing is computed then.
    """
    check_configuration(configuration)
    _check_data(configuration)
    parts, failures, found = Path(folder) / "parts", [], []
    load, reached = functools.cache(functools.partial(load_any_encoder, device=device)), set()
    parts.mkdir(parents=True, exist_ok=True)
    groups = list(_groups(configuration))
    own = _asked_of_yardsticks(configuration, failures, device, progress)
    each = list(itertools.product(configuration.methods, configuration.sizes))
    with progress_bar(total=len(groups) * len(each), desc="benchmark", unit="part", disable=not progress) as bar:
        for bank, *encoders in groups:
            about = {"bank": bank, "image_encoder": encoders[0], "text_encoder": encoders[1]}
            try:
                pool, questions, about = _prepare(configuration, about, failures, load, device, progress)
            except Exception as error:
                failures.append((_words(about), _reason(error)))
                bar.update(len(each))
                continue
            # a bank as large as one of the sizes is asked once, with all its pairs
            sizes = {size for size in configuration.sizes if size == "all" or size <= len(pool.train[0])}
            reached |= sizes | {"all"}
            sizes -= {pool.size} if "all" in sizes else set()
            for method, size in each:
                bar.update()
                if size not in sizes:
                    continue
                for asked in _asked_together(questions, own, method):
                    try:
                        answer = _stored(parts, configuration, pool, asked, method, size)
                        found.append({**about, "method": method, **answer})
                    except Exception as error:  # the next part may succeed
                        failures.append((f"{_words(about)}, {method}, {size} pairs", _reason(error)))
    for size in sorted(set(configuration.sizes) - reached, key=str) if reached else ():
        failures.append((f"{size} pairs", "every bank that could be prepared has fewer pairs to draw from"))
    table = tidy_table(found, configuration.methods)
    write_whole(Path(folder) / "results.parquet", table.to_parquet(index=False))
    return Outcome(table, list(dict.fromkeys(failures)))


def _asked_together(questions, own, method) -> list:
    """Return the questions of each part of a method: of one part, or one by one for a probe, which each has to teach.

    In a search for captions there are no classes to teach.
    """
    if method == LINEAR_PROBE:
        return [{name: question} for name, question in questions.items() if question.teach]
    asks = own.get(method, questions)
    return [{name: asks[name] for name in questions if name in asks}]


def _check_data(configuration):
    """Raise `DataError` for a data set whose name is misspelt."""
    pairs = [name for source in configuration.banks.values() if isinstance(source, list) for name in source]
    for name in filter(None, [*pairs, configuration.validation]):
        check_known(name, "pairs")
    for task in configuration.tasks.values():
        if task.kind == "retrieval":
            check_known(task.pairs, "pairs")
        elif not task.data.startswith(HUB):
            check_known(task.data, "labelled")


def _words(about):
    return "bank {bank}, {image_encoder} × {text_encoder}".format(**about)


def _reason(error):
    if isinstance(error, BrokenPicturesError):
        return f"{len(error.errors)} of the pictures cannot be read, for example {error.errors[0]}; mend or remove them"
    return first_line(error) if isinstance(error, AsifError) else f"{type(error).__name__}: {first_line(error)}"


def _groups(configuration):
    """Yield (bank, image encoder, text encoder); a stored bank has the encoders of its own."""
    for bank, source in configuration.banks.items():
        if isinstance(source, str):
            yield bank, "its own", "its own"
        else:
            encoders = configuration.image_encoders, configuration.text_encoders
            yield from ((bank, *pair) for pair in itertools.product(*encoders))


def _prepare(configuration, about, failures, load, device, progress):
    """Return the pool of a bank, the questions by task, and the names of bank and encoders.

    Anchors that show a picture that is asked are left out; ``left_out`` counts them.
    """
    source = configuration.banks[about["bank"]]
    stored = AnchorBank.load(source) if isinstance(source, str) else None
    if stored:
        encoders = [
            load_encoder_of(identity, device=device) for identity in (stored.image_encoder, stored.text_encoder)
        ]
        about = {**about, "image_encoder": stored.image_encoder.name, "text_encoder": stored.text_encoder.name}
    else:
        encoders = [load(kind, about[f"{kind}_encoder"]) for kind in ("image", "text")]
    questions = _questions(configuration, encoders, failures, progress)
    if not questions:
        raise DataError("none of its tasks can be asked")
    # labelled pictures have splits of their own, also those of a folder that has captions too
    asked, seen = None, [(None if q.templates else q.source, q.pictures) for q in questions.values()]
    if configuration.validation:
        pairs = load_pairs(configuration.validation, progress=progress).split("validation")
        asked = (*embedded_pairs(pairs, *encoders, progress), pairs.captions)
        seen.append((configuration.validation, pairs.pictures))
    if stored:
        known = torch.cat([*(question.image for question in questions.values()), *(asked[:1] if asked else ())])
        train, more, left_out = _unseen(stored, seen, known, progress)
    else:
        train, more, left_out = _joined(source, seen, encoders, progress)
    if not len(train[0]):
        raise DataError(f"no anchor is left to fit: {left_out:,} pairs show pictures that are asked")
    return Pool(train, more, asked), questions, {**about, "left_out": left_out}


def _questions(configuration, encoders, failures, progress):
    questions = {}
    for name, task in configuration.tasks.items():
        try:
            questions[name] = prepare_task(task, *encoders, progress)
        except Exception as error:
            failures.append((f"task {name}", _reason(error)))
    return questions


def _asked_of_yardsticks(configuration, failures, device, progress):
    """Return for each model that was trained on pairs the questions in its own embeddings; none if it fails."""
    own = {name: {} for name in configuration.methods if name.startswith(TRANSFORMERS)}
    for name in own:
        try:
            encoders = load_contrastive(name.removeprefix(TRANSFORMERS), device=device)
            own[name] = _questions(configuration, encoders, failures, progress)
        except Exception as error:
            failures.append((name, _reason(error)))
    return own


def _joined(names, seen, encoders, progress):
    """Return the train pairs, the validation pairs, and the number of pairs left out.

    Pairs of the data set that is asked are in other splits than the questions. A pair of another data set is left out
    if it shows the drawing of a question.
    """
    sides, left_out = {"train": [], "validation": []}, 0
    for name in names:
        pairs = load_pairs(name, progress=progress)
        others = [picture for source, pictures in seen if source != name for picture in pictures]
        for split, parts in sides.items():
            part = pairs.split(split)
            shown = showing(part.pictures, others, progress)
            parts.append(embedded_pairs(part.subset(np.flatnonzero(~shown)), *encoders, progress))
            left_out += int(shown.sum())
    return *(tuple(torch.cat(side) for side in zip(*parts, strict=True)) for parts in sides.values()), left_out


def _unseen(bank, seen, known, progress):
    """Return the pairs of a stored bank that show no question, None, and the number of the others.

    Where the files of its pictures are there, their drawings are compared; everywhere, the embeddings.
    """
    shown = identical(bank.image, known)
    files = np.flatnonzero(bank.pairs["picture"].map(lambda path: bool(path) and Path(path).is_file()))
    pictures = bank.pairs["picture"].iloc[files].map(Path).tolist()
    shown[files] |= showing(pictures, [picture for _, some in seen for picture in some], progress)
    kept = torch.from_numpy(~shown)
    train = (bank.image[kept], bank.text[kept]) if shown.any() else (bank.image, bank.text)
    return train, None, int(shown.sum())


@functools.cache
def _code() -> str:
    """Return the SHA-256 of the modules that compute a part: what older code has stored is not taken for new."""
    package = ROOT / "asif_lib"
    wings = [file for wing in ("search", "evaluation") for file in (package / wing).rglob("*.py")]
    return digest_of_files([package / "relative.py", package / "sparse.py", *wings], package)


def _stored(folder, configuration, pool, questions, method, size) -> dict:
    """Return a part: as it is stored, or computed and stored."""
    grid = configuration.grids.get(method, method_of(method).GRID)
    asked = {name: question.digest(method_of(method)) for name, question in questions.items()}
    key = [_code(), pool.digest(), asked, method, {k: list(v) for k, v in grid.items()}, size, configuration.seeds]
    file = folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.json"
    try:
        return read_json(file, dict)
    except (FileNotFoundError, ValueError):  # not there, or damaged
        write_json(file, _computed(configuration, pool, questions, method, grid, size))
    return read_json(file, dict)


def _computed(configuration, pool, questions, method, grid, size) -> dict:
    """Choose the settings of a method, fit it once for each seed, and ask it."""
    make, n = method_of(method), len(pool.train[0])
    if size == "all":
        drawn = [np.arange(n)]  # no lot is drawn, so one fit is enough
    else:
        drawn = [np.random.default_rng(seed).permutation(n)[:size] for seed in range(configuration.seeds)]
    settings = _settings(make, grid, pool, drawn[0])
    values = {name: {} for name in questions}
    for rows in drawn:
        image, text = (z[torch.from_numpy(rows)] if size != "all" else z for z in pool.train)
        if size == "all" and pool.more:
            image, text = torch.cat([image, pool.more[0]]), torch.cat([text, pool.more[1]])
        fitted = make(**settings).fit(image, text)
        for name, question in questions.items():
            for measure, items in question.ask(fitted).items():
                values[name].setdefault(measure, []).append(items.tolist())
    return {
        "transductive": make.transductive,
        "size": len(image),
        "settings": settings,
        "taught": {name: question.taught_by(fitted) for name, question in questions.items()},
        "values": values,
        "chance": {name: question.chance() for name, question in questions.items()},
    }


def _settings(make, grid, pool, rows) -> dict:
    """Choose settings on the validation pairs, for anchors at `rows` of the pool; a single combination needs none."""
    combinations = int(np.prod([len(values) for values in grid.values()]))
    if combinations == 1 and not getattr(make, "stops_early", False):
        return {key: values[0] for key, values in grid.items()}
    if pool.asked is None:
        raise DataError('its settings are chosen on validation pairs: name a data set, validation = "…"')
    image, text = (torch.cat([z[torch.from_numpy(rows)], v]) for z, v in zip(pool.train, pool.asked, strict=False))
    n = len(rows)
    relevant = torch.zeros(len(image), len(image), dtype=torch.bool)
    relevant[n:, n:] = same_text(pool.asked[2], pool.asked[2])
    varied = functools.partial(make)
    varied.GRID = grid
    return choose(varied, image, text, [(range(n), range(n, len(image)))], relevant).settings
