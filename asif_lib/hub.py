"""The hub of models and data sets: its prefix, and why it gave nothing, in a sentence that says what to do."""

import re

from asif_lib.errors import first_line

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
