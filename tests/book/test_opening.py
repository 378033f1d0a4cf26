"""The opening of a chapter."""

from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from asif_book import running
from asif_book.opening import open_chapter
from asif_lib.errors import ParameterError


def test_rows_of_the_bank_are_the_pairs_in_their_order(stamps_bank):
    image_encoder, text_encoder, pairs, bank = open_chapter("offline", "cpu")
    assert bank.pairs.id.tolist() == pairs.ids
    assert (bank.image_encoder, bank.text_encoder) == (image_encoder.identity, text_encoder.identity)


def test_a_cell_says_that_it_runs_until_it_ends_but_not_in_a_report(monkeypatch):
    shell, shown = InteractiveShell(), []
    show = lambda words, **_: shown.append(words.data) or SimpleNamespace(update=show)  # noqa: E731
    monkeypatch.setattr(running, "get_ipython", lambda: shell)
    monkeypatch.setattr(running, "display", show)
    for in_a_report in (True, False, False):
        monkeypatch.setenv(running.RUN_VARIABLE, "{}")
        if not in_a_report:
            monkeypatch.delenv(running.RUN_VARIABLE)
        running.show_what_runs()
        shell.run_cell("# Draw <it>.\n1")
        shell.run_cell("2")
    assert shown == ["<em>This cell runs: Draw &lt;it&gt;.</em>", ""] * 2


def test_an_unknown_profile_is_one_sentence():
    with pytest.raises(ParameterError, match="'ofline': the profiles are offline, hub"):
        open_chapter("ofline")
