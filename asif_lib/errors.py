"""The errors that this library raises for bad input: one sentence that says what, where and what to do."""

import difflib
import importlib
import importlib.metadata
import re
from types import ModuleType


class AsifError(ValueError):
    """Base of all errors about the user's input; the command prints its text and no stack trace."""


def first_line(error) -> str:
    """Return the first line of another library's error message, or the name of the error if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def guess(name, known) -> str:
    """Return the end of a sentence about an unknown name, with the known name that is most similar; or nothing.

    >>> guess("rigde", ["ASIF", "ridge"])
    "; did you mean 'ridge'?"
    """
    near = difflib.get_close_matches(str(name), [str(one) for one in known], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def first_names(names) -> str:
    """Return the first five names, joined by commas, and the number of the others."""
    names = [str(name) for name in names]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


class PictureError(AsifError):
    """A picture that is missing, broken, too small or too large."""


class BrokenPicturesError(AsifError):
    """Several pictures could not be read; embeddings that were computed already are kept.

    Attributes
    ----------
    errors : list of PictureError
        One for each broken picture, in the order of the pictures; the message shows the first 20.
    """

    def __init__(self, errors, *, can_skip=False):
        self.errors = list(errors)
        more = f"\n  and {len(self.errors) - 20} more" if len(self.errors) > 20 else ""
        lines = "\n".join(f"  {error}" for error in self.errors[:20]) + more
        skip = ", or leave them out with --skip-broken (skip_broken=True)" if can_skip else ""
        super().__init__(f"{len(self.errors)} of the pictures cannot be read; mend or remove them{skip}:\n{lines}")


class EncoderError(AsifError):
    """An encoder that cannot be found, verified or loaded."""


class IdentityError(AsifError):
    """A comparison of embeddings that different encoders made."""


class DataError(AsifError):
    """A data set, folder or captions table that cannot be used as it is."""


class ChecksumError(DataError):
    """A file whose checksum differs from the catalogue's."""


class BankError(AsifError):
    """A bank that is missing, incomplete or of another format."""


class ParameterError(AsifError):
    """A parameter outside its range: k, p, a template, a label."""


class MissingExtraError(AsifError):
    """A package that an extra installs is not there, or cannot be imported."""


def version_of(package) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def import_extra(module, extra) -> ModuleType:
    """Import a module that is installed by an extra of this package, and return it; else raise `MissingExtraError`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name in (package, module)
        fault = "is not installed" if missing else f"cannot be imported ({first_line(error)})"
        raise MissingExtraError(
            f"`{package}` {fault}; it comes with the extra {extra}: pip install 'asif-workbook[{extra}]'"
        ) from error


# -- of the hub of models and data sets

HUB = "hub:"
"""Stands before the name of a data set of the hub."""
UNREACHABLE = "the hub cannot be reached"
_HUB = {
    "Config name is missing": "it has several configurations: name one, as in OWNER/NAME#CONFIGURATION",
    "GatedRepo|gated dataset": "its terms must be accepted: accept them on its page, and run: hf auth login",
    "RepositoryNotFound|DatasetNotFound": "the hub has no such repository: it may be renamed, deleted or private",
    "don't share the same prefix or the same types": (
        "one of its first rows lacks a file that the others have, such as its caption: mend or remove this row"
    ),
    "OfflineModeIsEnabled": "the client of the hub is set to work without a network: HF_HUB_OFFLINE",
    "LocalEntryNotFound|ConnectError|ConnectionError|TransportError": UNREACHABLE,
}  # the first that fits counts: a gated repository is reported as not found, too


def hub_fault(error) -> str:
    """Return the reason why the hub gave no model or data set; of an error of another kind the first line."""
    signs, cause = str(error), error
    while cause is not None:
        signs += " ".join(kind.__name__ for kind in type(cause).__mro__)
        cause = cause.__cause__ or cause.__context__
    return next((words for sign, words in _HUB.items() if re.search(sign, signs)), first_line(error))
