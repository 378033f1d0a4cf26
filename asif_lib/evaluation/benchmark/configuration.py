"""The file of a benchmark: what it may say, and what is wrong with it in one sentence."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from asif_lib.datasets.providers import catalogue
from asif_lib.defaults import DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER, HUB, LINEAR_PROBE, TRANSFORMERS
from asif_lib.errors import DataError, first_line, guess

from ..corrections import CORRECTIONS, corrected
from ..methods import METHODS
from .tasks import PaperASIF, Probe, Yardstick

KNOWN_METHODS = {
    **METHODS,
    "ASIF (paper)": PaperASIF,
    LINEAR_PROBE: Probe,
    **{f"ASIF + {name}": corrected(METHODS["ASIF"], correction) for name, correction in CORRECTIONS.items()},
}
"""The methods that a file may name, beside the models behind the prefix `TRANSFORMERS`."""


def method_of(name):
    """Return the class of a method that a file names."""
    return Yardstick if name.startswith(TRANSFORMERS) else KNOWN_METHODS[name]


def _one_spelling(name):
    """Return the name of a data set, or the whole path of a folder: one folder can be written in several ways."""
    return name if name in catalogue() or not Path(name).is_dir() else str(Path(name).resolve())


Pairs = Annotated[str, AfterValidator(_one_spelling)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RetrievalTask(_Table):
    """Find the text of a held-out picture, and the picture of a text."""

    kind: Literal["retrieval"]
    pairs: Pairs
    """A data set of captioned pictures, or its folder."""
    split: str = "test"


class ZeroShotTask(_Table):
    """Classify held-out pictures by the names of their classes."""

    kind: Literal["zero-shot"]
    data: str
    """A data set of labelled pictures, a folder of class folders, or ``hub:`` and the name of a data set of the hub."""
    split: str = "test"
    """Of a folder without splits, ``"test"`` is all of it."""
    label: str | None = None
    """Of a data set of the hub: the column with the classes, if there are several."""
    rename: dict[str, str] = {}
    """Other names for classes, by their position: two classes of one name cannot be told apart."""
    sample: PositiveInt | None = None
    """The number of pictures, drawn in equal parts; default: all. A linear probe learns from as many train pictures."""
    invert: bool = False
    """Whether black and white change places."""
    templates: list[str] | None = Field(None, min_length=1)
    """Default: those published with the pictures, or else `DEFAULT_TEMPLATE`."""
    reduce: Literal["mean", "max"] = "mean"
    """How the scores of a label's templates become one."""


class Configuration(_Table):
    """A benchmark.

    The settings of each method are chosen on the validation pairs, for each bank, pair of encoders and size. Below
    ``"all"`` pairs, the anchors are drawn from the train split, once for each seed. With ``"all"``, they are train and
    validation.
    """

    title: str
    banks: dict[str, Annotated[list[Pairs], Field(min_length=1)] | str] = Field(min_length=1)
    """Its name in the tables → the data sets (or folders) that it joins; or one name: a stored bank, with its
    encoders."""
    tasks: dict[str, Annotated[RetrievalTask | ZeroShotTask, Field(discriminator="kind")]] = Field(min_length=1)
    methods: list[str] = Field(min_length=1)
    """The first is the one that all others are compared with."""
    sizes: list[PositiveInt | Literal["all"]] = Field(["all"], min_length=1)
    seeds: PositiveInt = 1
    validation: Pairs | None = None
    """The data set whose validation pairs choose the settings."""
    image_encoders: list[str] = Field([DEFAULT_IMAGE_ENCODER], min_length=1)
    text_encoders: list[str] = Field([DEFAULT_TEXT_ENCODER], min_length=1)
    grids: dict[str, dict[str, list]] = {}
    """The values to try, for methods whose own are not wanted."""


def read_configuration(path) -> Configuration:
    """Read the file of a benchmark.

    Raises
    ------
    DataError
        If the file is missing, is no TOML, has an unknown key or value, names an unknown method or setting, or asks
        pairs that are anchors or choose the settings.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: is no readable TOML ({first_line(error)})") from None
    try:
        configuration = Configuration.model_validate(content, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        typo = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
        raise DataError(f"{path}: {_sentence(typo)}") from None
    try:
        check_configuration(configuration)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return configuration


def check_configuration(configuration):
    """Raise `DataError` for what each value alone does not show, as `read_configuration` says."""
    _check_lists(configuration)
    _check_methods(configuration)
    _check_tasks(configuration)


UNIONS = {
    "banks": "a list of one or more data sets, or the name of a stored bank",
    "sizes": 'a list of one or more sizes, each a whole number of pairs or "all"',
}
"""What a key takes that may hold values of two kinds; pydantic names the kinds by its own words."""


def _sentence(error) -> str:
    top, *inside = map(str, error["loc"])
    where = f"[{top}.{inside.pop(0)}] " if top in ("tasks", "grids") and inside else ""
    keys = inside if where else [top, *inside]
    if error["type"].startswith("union_tag"):
        return f"{where}kind: must be 'retrieval' or 'zero-shot'"
    table = {"retrieval": RetrievalTask, "zero-shot": ZeroShotTask}.get(next(iter(keys), ""), Configuration)
    key = ".".join(keys[table is not Configuration :])
    if error["type"] == "extra_forbidden":
        known = table.model_fields
        return f"{where}the key {key!r} is not known; known: {', '.join(known)}{guess(key, known)}"
    if error["type"] == "missing":
        return f"{where}the key {key!r} is missing"
    if top in UNIONS:
        return f"{'.'.join(keys[: 1 + (top == 'banks')])}: must be {UNIONS[top]}"
    fault = "must not be empty" if error["type"] == "too_short" else error["msg"]
    return f"{f'{where}{key}'.strip()}: {fault}"


def _check_tasks(configuration):
    if LINEAR_PROBE in configuration.methods and all(task.kind == "retrieval" for task in configuration.tasks.values()):
        raise DataError(f"the method {LINEAR_PROBE!r} needs classes, and no task is of the kind 'zero-shot'")
    anchors = {name for names in configuration.banks.values() if isinstance(names, list) for name in names}
    used = {(name, split) for name in anchors for split in ("train", "validation")}
    used.add((configuration.validation, "validation"))
    for name, task in configuration.tasks.items():
        if task.kind == "retrieval" and (task.pairs, task.split) in used:
            raise DataError(
                f"[tasks.{name}] asks the {task.split} pairs of {task.pairs}, which are anchors or choose the "
                f"settings; ask its test pairs"
            )
        if task.kind == "zero-shot" and task.label and not task.data.startswith(HUB):
            raise DataError(f'[tasks.{name}] label goes with a data set of the hub, as in data = "{HUB}NAME"')


def _check_methods(configuration):
    for name in (*configuration.methods, *configuration.grids):
        is_yardstick = name.startswith(TRANSFORMERS) and name != TRANSFORMERS and name not in configuration.grids
        if name not in KNOWN_METHODS and not is_yardstick:
            known = ", ".join(map(repr, [*KNOWN_METHODS, f"{TRANSFORMERS}MODEL"]))
            raise DataError(f"the method {name!r} is not known; known: {known}{guess(name, KNOWN_METHODS)}")
    for name, grid in configuration.grids.items():
        if name not in configuration.methods:
            raise DataError(f"[grids.{name}] {name!r} is not among the methods, so nothing would be tried")
        usual = KNOWN_METHODS[name].GRID
        for key, values in grid.items():
            if key not in usual:
                known = ", ".join(usual) or "none"
                raise DataError(f"[grids.{name}] the key {key!r} is not known; known: {known}{guess(key, usual)}")
            if not values or not all(_is_alike(value, usual[key][0]) for value in values):
                raise DataError(f"[grids.{name}] {key}: give one value or more, of the kind of {usual[key][0]!r}")


def _is_alike(value, usual):
    """Whether both are numbers, both are texts, or both are true or false."""
    kinds = [float if type(one) is int else type(one) for one in (value, usual)]
    return kinds[0] is kinds[1]


def _check_lists(configuration):
    lists = {
        "a method": configuration.methods,
        "a size": configuration.sizes,
        "an image encoder": configuration.image_encoders,
        "a text encoder": configuration.text_encoders,
        **{f"a data set of the bank {name!r}": source for name, source in configuration.banks.items()},
    }
    for what, names in lists.items():
        if isinstance(names, list) and len(set(names)) < len(names):
            raise DataError(f"{what} stands twice among {', '.join(map(str, names))}")
