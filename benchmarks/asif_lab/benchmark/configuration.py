"""The file of a benchmark: the keys that it may hold, and checks of the names in it.

Reading it needs no PyTorch, so that ``asif benchmark`` can refuse a misspelt key at once.
"""

import functools
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from asif_lib.datasets.providers import catalogue, check_known
from asif_lib.defaults import DEFAULT_IMAGE_ENCODER, DEFAULT_TEXT_ENCODER
from asif_lib.errors import HUB, DataError, first_line, guess
from asif_lib.files import read_file

LINEAR_PROBE = "linear probe"
"""Among the methods of a benchmark: a classifier of the image encoder that is fitted on labelled pictures."""


@functools.cache
def known_methods() -> dict:
    """Return the methods that a file may name."""
    from asif_lab.corrections import CORRECTIONS, corrected
    from asif_lab.methods import METHODS

    from .tasks import PaperASIF, Probe

    more = {f"ASIF + {name}": corrected(METHODS["ASIF"], correction) for name, correction in CORRECTIONS.items()}
    return {**METHODS, "ASIF (paper)": PaperASIF, LINEAR_PROBE: Probe, **more}


def _one_spelling(name):
    """Return the name of a data set or stored bank, or the whole path of a folder, which has several spellings."""
    is_folder = name not in catalogue() and Path(name).is_dir() and not (Path(name) / "bank.json").exists()
    return str(Path(name).resolve()) if is_folder else name


def _each_once(names):
    """Return the names, or raise `ValueError` for one that stands twice."""
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(f"{twice[0]!r} stands twice")
    return names


Pairs = Annotated[str, AfterValidator(_one_spelling)]
Size = PositiveInt | Literal["all"]


def _list_of(kind):
    """Return the type of a list that holds one value or more, each once."""
    return Annotated[list[kind], Field(min_length=1), AfterValidator(_each_once)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RetrievalTask(_Table):
    """Find the text of a held-out picture, and the picture of a text."""

    kind: Literal["retrieval"]
    pairs: Pairs  # a data set of captioned pictures, or its folder
    split: str = "test"


class ZeroShotTask(_Table):
    """Classify held-out pictures by the names of their classes."""

    kind: Literal["zero-shot"]
    data: str  # a data set of labelled pictures, a folder of class folders, or hub: and a name there
    split: str = "test"  # of a folder without splits, "test" is all of it
    label: str | None = None  # of a data set of the hub: the column with the classes, if there are several
    rename: dict[str, str] = {}  # other names for classes, by their position: each name stands once
    sample: PositiveInt | None = None  # pictures, drawn in equal parts; as many to learn from for a linear probe
    invert: bool = False  # whether black and white change places
    templates: list[str] | None = Field(None, min_length=1)
    """Default: those published with the pictures, or else `DEFAULT_TEMPLATE`."""
    reduce: Literal["mean", "max"] = "mean"  # how the scores of a label's templates become one


TASKS = {"retrieval": RetrievalTask, "zero-shot": ZeroShotTask}


class Configuration(_Table):
    """A benchmark.

    The settings of each method are chosen on the validation pairs, for each bank, pair of encoders and size. Below
    ``"all"`` pairs, anchors come from the train split, once a seed. With ``"all"``, they are train and validation.
    """

    title: str
    banks: dict[str, _list_of(Pairs) | str] = Field(min_length=1)
    """Name in the tables → the data sets (or folders) it joins; or one name: a stored bank, with its encoders."""
    tasks: dict[str, Annotated[RetrievalTask | ZeroShotTask, Field(discriminator="kind")]] = Field(min_length=1)
    methods: _list_of(str)
    """The first is the one that all others are compared with."""
    sizes: _list_of(Size) = ["all"]
    seeds: PositiveInt = 1
    splits: PositiveInt = 1
    """Draws of train, validation and test pairs: the first is the data set's own, the others have its sizes."""
    validation: Pairs | None = None
    """The data set whose validation pairs choose the settings."""
    image_encoders: _list_of(str) = [DEFAULT_IMAGE_ENCODER]
    text_encoders: _list_of(str) = [DEFAULT_TEXT_ENCODER]
    grids: dict[str, dict[str, Annotated[list, Field(min_length=1)]]] = {}
    """The values to try, for methods whose own are not wanted."""


def read_configuration(path) -> Configuration:
    """Read the file of a benchmark. `run_benchmark` checks the names in it.

    Raises `DataError` if the file is missing or no TOML, or a key is missing, unknown, or of the wrong kind.
    """
    path = Path(path)
    try:
        return Configuration.model_validate(tomllib.loads(read_file(path.resolve()).decode("utf-8")), strict=True)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except ValidationError as error:
        raise DataError(f"{path}: {_sentence(error.errors(include_url=False))}") from None
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"{path}: is no readable TOML ({first_line(error)})") from None


def _sentence(faults) -> str:
    """Name the first unknown key and the keys that are known; else the first wrong key and what it takes."""
    fault = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    place = fault["loc"][:2] + fault["loc"][3:]  # the third part is the kind of task or of value that was tried
    if fault["type"] == "extra_forbidden":
        known = (Configuration if place == fault["loc"] else TASKS[fault["loc"][2]]).model_fields
        return f"the key {'.'.join(map(str, place))} is not known; known: {', '.join(known)}{guess(place[-1], known)}"
    return f"{'.'.join(map(str, place))}: {fault['msg']}"


def check_configuration(configuration):
    """Check the names in a benchmark, before anything is computed.

    Raises `DataError` for an unknown method or data set, or a task that asks anchors, or pairs that choose.
    """
    methods = known_methods()
    for name in configuration.methods:
        if name not in methods:
            known = ", ".join(map(repr, methods))
            raise DataError(f"the method {name!r} is not known; known: {known}{guess(name, methods)}")
    if unused := sorted(set(configuration.grids) - set(configuration.methods)):
        raise DataError(f"[grids.{unused[0]}] {unused[0]!r} is not among the methods, so nothing would be tried")
    for name, grid in configuration.grids.items():
        if unknown := sorted(set(grid) - set(methods[name].GRID)):
            known = f"known: {', '.join(methods[name].GRID) or 'none'}{guess(unknown[0], methods[name].GRID)}"
            raise DataError(f"[grids.{name}] the key {unknown[0]!r} is not known; {known}")
    sources = configuration.banks.values()
    if configuration.splits > 1 and (whole := sorted(source for source in sources if isinstance(source, str))):
        raise DataError(f"splits: the stored bank {whole[0]!r} has none; name its data sets")
    anchors = set().union(*(names for names in sources if isinstance(names, list)))
    used = {(name, split) for name in anchors for split in ("train", "validation")}
    used.add((configuration.validation, "validation"))
    asked = {task.pairs for task in configuration.tasks.values() if task.kind == "retrieval"}
    for name in sorted(asked.union(name for name, _ in used) - {None}):
        check_known(name, "pairs")
    for name, task in configuration.tasks.items():
        if task.kind == "zero-shot":
            if not task.data.startswith(HUB):
                check_known(task.data, "labelled")
        elif (task.pairs, task.split) in used:
            fault = f"asks the {task.split} pairs of {task.pairs}, which are anchors or choose the settings"
            raise DataError(f"[tasks.{name}] {fault}; ask its test pairs")
