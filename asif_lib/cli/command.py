"""What the commands share: options, examples in the help, and how results and errors are printed."""

import functools
import inspect
import json
import os
import re
import sys
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from asif_lib.defaults import DEFAULT_BANK, DEFAULT_K_WORDS, DEFAULT_P
from asif_lib.errors import AsifError, DataError, ParameterError
from asif_lib.files import write_whole
from asif_lib.texts import csv_text

Name = Annotated[str, Argument(metavar="NAME")]
Folder = Annotated[str, Argument(metavar="FOLDER")]
Device = Annotated[str, Option(metavar="NAME", help="auto, cpu, cuda or mps")]
Templates = Annotated[
    list[str], Option("--template", metavar="TEXT", help="prompt with {} for the label; may be repeated")
]
SkipBroken = Annotated[bool, Option("--skip-broken", help="skip, and name, pictures that cannot be read")]
Replace = Annotated[bool, Option("--replace", help="replace a bank of that name, its edits included")]
Json = Annotated[bool, Option("--json", help="print one JSON value")]


@dataclass(frozen=True)
class ModelOptions:
    """A bank, and the settings of `ASIF`, None if not given. A command with such a parameter has these options."""

    bank: Annotated[str, Option("--bank", metavar="NAME", help="a bank; its settings are the defaults")] = DEFAULT_BANK
    k: Annotated[int | None, Option(metavar="K", help=f"entries kept; default: {DEFAULT_K_WORDS}")] = None
    p: Annotated[float | None, Option(metavar="P", help=f"exponent; default: {DEFAULT_P}")] = None
    hubs: Annotated[float | None, Option(metavar="SHARE", help="of an anchor's hubness to subtract, 0 to 1")] = None
    whiten: Annotated[float | None, Option(metavar="SHARE", help="whiten the pictures: 0.5 most, 1 not")] = None
    center: Annotated[bool | None, Option("--center/--no-center", help="subtract the bank's mean, or not")] = None
    device: Device = "auto"


def group(summary, *examples, **settings) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        help=summary, epilog=_lines(examples), add_completion=False, rich_markup_mode=None,
        pretty_exceptions_enable=False, **settings,
    )  # fmt: skip


def command(app, name, *examples):
    """Register a function that returns (JSON value, lines) as a command; its option ``--json`` chooses the first.

    A line may hold text of data, also line breaks. A text in place of the lines is printed as it is cut into lines.

    The function's docstring becomes the help, and the `examples` are its last lines. The function's parameters become
    arguments and options.
    """

    def register(run):
        @functools.wraps(run)
        def ended(as_json, **arguments):
            for name in grouped:
                arguments[name] = ModelOptions(**{each.name: arguments.pop(each.name) for each in fields(ModelOptions)})
            raise typer.Exit(_status(run, arguments, as_json))

        parameters = inspect.signature(run).parameters
        grouped = [name for name, parameter in parameters.items() if parameter.annotation is ModelOptions]
        options = [(field.name, field.default, field.type) for field in fields(ModelOptions) if grouped]
        ended.__signature__ = inspect.Signature(
            [parameter for name, parameter in parameters.items() if name not in grouped]
            + [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
               for name, default, kind in [*options, ("as_json", False, Json)]]
        )  # fmt: skip
        ended.__annotations__ = {p.name: p.annotation for p in ended.__signature__.parameters.values()}
        app.command(name, epilog=_lines(examples))(ended)
        return run

    return register


def _lines(examples):
    return "\n  ".join(["\b\nexamples:", *examples])  # \b: these lines stay as they are


def _status(run, arguments, as_json) -> int:
    """Run a command, print its result or its error, and return the exit status."""
    warnings.showwarning = lambda message, *_, **__: say(f"asif: {message}")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # of a terminal that cannot write every character
    result = None
    try:
        result, lines = run(**arguments)
        print(printable(json.dumps(result, ensure_ascii=False) if as_json else lines), flush=True)
    except BrokenPipeError:  # the reader, head for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AsifError, OSError) as error:
        say(f"asif: {error}")
        return 1
    except RecursionError:
        say("asif: folders, or the parts of a file, lie too deep in each other; move them up")
        return 1
    except KeyboardInterrupt:
        say("asif: interrupted; embeddings and parts of a benchmark that were finished are kept")
        return 130
    return 1 if isinstance(result, dict) and result.get("ok") is False else 0


def say(line):
    """Print a remark beside the result, to stderr."""
    print(printable(line), file=sys.stderr, flush=True)


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(lines) -> str:
    """Return a list of lines, or a text, for a terminal: characters that could drive it are written as ``\\u001b``.

    Text of data may hold any character. JSON reads these as what they were.
    """
    lines = lines.split("\n") if isinstance(lines, str) else lines
    return "\n".join(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in lines)


def existing_folder(folder) -> Path:
    """Return the folder as a path. Raises `DataError` if it does not exist."""
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder")
    return Path(folder)


def check_targets(*inputs, carries=False, **files):
    """Raise `ParameterError` unless the file of each option can be written, and is not one of the `inputs`.

    The inputs are files and folders that the command reads. A table replaces nothing but a table, and one with
    decisions of a review only if the command `carries` them over.
    """
    for option, file in ((f"--{option}", Path(file)) for option, file in files.items() if file):
        folder = Path(os.path.realpath(file)).parent
        if file.exists() and not file.is_file():
            raise ParameterError(f"{option} {file}: is a folder, a pipe or a device; name a file")
        if not all(os.access(place, os.W_OK) for place in [folder, *[file] * file.exists()]):
            raise ParameterError(f"{option} {file}: cannot be written; its folder must be there, and writable")
        for read in map(Path, filter(None, inputs)):
            inside = read.is_dir() and folder.is_relative_to(read.resolve())
            if inside or (file.exists() and read.exists() and file.samefile(read)):
                raise ParameterError(f"{option} {file}: this command reads {read}; name a file elsewhere")
        if option in ("--csv", "--predictions") and file.is_file() and file.stat().st_size:
            from asif_lib.datasets.captions import read_table  # brings pandas

            try:
                table = read_table(file)
            except DataError as error:
                raise ParameterError(f"{option} {file}: is there, and no table ({error}); name another file") from None
            if not carries and "decision" in table and table["decision"].str.strip().any():
                raise ParameterError(f"{option} {file}: holds the decisions of a review; name another file")


def write_csv(file, table):
    """Write a DataFrame to a CSV file, and say so; nothing without a file."""
    if file:
        text = csv_text(table.columns, table.itertuples(index=False, name=None))
        write_whole(file, text.encode("utf-8", "backslashreplace"))
        say(f"{len(table)} rows in {file}")


app = group(
    "An image–text model without training: two frozen encoders and a bank of captioned pictures.",
    "asif check",
    'asif classify otter.jpg --labels "an otter,a beaver"',
    'asif search "a red bird" --in ~/Pictures',
    "asif evaluate FOLDER --json",
)
