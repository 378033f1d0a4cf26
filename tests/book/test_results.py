"""Headline numbers: recorded by notebooks, shown in the README."""

import contextlib
import os
import subprocess
import sys
import threading
from unittest import mock

import pytest

from asif_book.chapters import results
from asif_book.chapters.results import load_results, record, results_table
from asif_book.editions.contents import MarkersError, put_between
from asif_lib.evaluation.measures import Measure
from asif_lib.files import ROOT


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path))
    monkeypatch.delenv(results.RUN_VARIABLE, raising=False)
    return tmp_path


@contextlib.contextmanager
def run_of(chapter, parameters):
    """Record as the kernel of a chapter's run does."""
    with results.run_of(chapter, parameters) as environment, mock.patch.dict(os.environ, environment):
        yield


def test_a_measure_brings_its_interval_and_its_number_unless_they_are_given(build, monkeypatch):
    monkeypatch.setenv("ASIF_BUILD", str(build / "new" / "build"))  # a fresh checkout has no such folder
    share = Measure(0.373, 0.30, 0.45, 150)
    assert record("R@1", share, note="chance 1 %") == 0.373
    assert record("R@1, plain", 0.373, ci=(0.30, 0.45), n=150, note="chance 1 %") == 0.373
    record("R@1, of others", share, ci=(0.2, 0.5), n=20)
    record("gain", 100 * Measure(0.012, -0.01, 0.034, 150), unit="points")
    stored = load_results()
    assert stored["R@1"] == stored["R@1, plain"] and stored["R@1"]["value"] == 0.373
    assert stored["R@1, of others"]["ci"] == (0.2, 0.5) and stored["R@1, of others"]["n"] == 20
    value, ci, n = (stored["gain"][key] for key in ("value", "ci", "n"))
    assert (value, *ci, n) == pytest.approx((1.2, -1, 3.4, 150))
    record("R@1", 0.4, note="again")  # the same name replaces its entry and keeps the others
    assert list(load_results()) == list(stored)
    assert load_results()["R@1"]["value"] == 0.4 and load_results()["R@1"]["ci"] is None


@pytest.mark.parametrize(
    "name, value, options, complaint",
    [
        ("R@1", float("nan"), {}, "not a finite number"),
        ("R@1", 37.3, {}, "no fraction"),
        ("R@1", 0.3, {"ci": (0.4, 0.2)}, r"\(low, high\)"),
        ("R@1", 0.3, {"ci": (0.2, float("inf"))}, "not a finite number"),
        (" ", 0.3, {}, "needs a name"),
    ],
)
def test_a_number_that_makes_no_sense_is_not_recorded(name, value, options, complaint, build):
    with pytest.raises(results.ResultsError, match=complaint):
        record(name, value, **options)
    assert not (build / "results.json").exists()


def test_missing_and_damaged_files_are_named_and_recording_keeps_a_damaged_one_aside(build):
    with pytest.raises(results.NoResultsError, match="run a notebook"):
        load_results()
    for text in ["{", "[]", '{"R@1": 3}', '{"R@1": {"value": 0.3']:
        (build / "results.json").write_text(text)
        with pytest.raises(results.ResultsError, match="is damaged"):
            load_results()
    with pytest.warns(UserWarning, match="start afresh"):
        record("speed", 91.0, unit="pictures/s")
    assert list(load_results()) == ["speed"]
    assert (build / "results.damaged-1.json").read_text() == text


def test_recording_at_once_loses_nothing():
    def many(start):
        for i in range(start, start + 15):
            record(f"result {i}", 0.5)

    threads = [threading.Thread(target=many, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load_results()) == 45


def test_table_shows_fractions_as_percent_and_units_as_they_are():
    record("R@1 | stamps", 0.373, ci=(0.295, 0.4533), n=1150, note="k=50")
    record("search", 12345.6, unit="queries/s")
    record("audit", 0.94912, unit="AUC")
    record("gain", 6.333, ci=(-0.04, 9.5), unit="points", split="test", verdict="undecided")
    assert results_table(load_results()).splitlines()[2:] == [
        "| R@1 \\| stamps (k=50) | 37.3 % | 29.5 to 45.3 % | 1,150 |  |  |",
        "| search | 12,346 queries/s |  |  |  |  |",
        "| audit | 0.949 AUC |  |  |  |  |",
        "| gain | 6.3 points | 0.0 to 9.5 |  | test | undecided |",
    ]
    assert results_table({}) == "No results recorded yet."


@pytest.mark.parametrize(
    "low, high, method, verdict",
    [
        (0.5, 4.5, None, "one split only"),
        (0.1, 0.5, "ASIF + Sinkhorn (transductive)", "holds over 20 draws: 4.7 (3.6 to 5.8)"),
        (-4.5, -0.5, "not a method of the table", "one split only"),
        (-0.5, 4.5, None, "undecided"),
        (-4.5, -0.5, "CSA", "holds over 20 draws: -6.2 (-8.2 to -4.2)"),
        (-2.5, 2.0, "label transfer", "undecided on this split; over 20 draws: -4.1 (-5.5 to -2.8)"),
        (0.5, 4.5, "CSA", "one split only; over 20 draws: -6.2 (-8.2 to -4.2)"),  # the draws say the contrary
        (-1.5, 2.0, "CSA", "undecided on this split; over 20 draws: -6.2 (-8.2 to -4.2)"),
    ],
)
def test_a_claim_holds_if_many_draws_of_the_splits_bear_it_out(low, high, method, verdict):
    gap = Measure((low + high) / 200, low / 100, high / 100, 150)
    draws = results.over_draws("offline", "stamps")
    assert results.verdict_of(gap, method, draws) == verdict
    assert "holds" not in results.verdict_of(gap, method, draws.assign(verdict="undecided"))
    for other in (results.over_draws("hub", "stamps"), results.over_draws("offline", "my/pictures")):
        assert "draws" not in results.verdict_of(gap, method, other) and len(other.gap) == 0


def test_the_table_of_many_draws_is_that_of_its_page():
    page = (ROOT / "benchmarks" / "accuracy" / "repeated_splits.md").read_text(encoding="utf-8")
    draws, marks = results.over_draws("offline", "stamps"), {"better": " ▲", "worse": " ▼"}
    for name, row in draws.iterrows():
        interval = f"[{100 * row.low:.1f},\N{NO-BREAK SPACE}{100 * row.high:.1f}]"
        assert f"| {name} | {100 * row.value:.1f} {interval}{marks.get(row.verdict, '')} |" in page
        assert row.gap.value == pytest.approx(row.value - draws.value["ASIF"], abs=2e-5)
    assert len(draws) == 18


def test_a_new_run_of_a_chapter_replaces_its_numbers_and_spares_the_others(build):
    record("by hand", 0.5)
    for chapter, name in [("05_evaluation", "R@1"), ("02_anchors", "old name"), ("02_anchors", "new name")]:
        with run_of(chapter, {"fast": False}):
            record(name, 0.5)
    stored = load_results()
    rows = results_table(stored).splitlines()[2:]  # in the order of the chapters, whatever ran last
    assert [row.split(" | ")[0] for row in rows] == ["| by hand", "| new name", "| R@1"]
    assert stored["new name"]["run"] == {"chapter": "02_anchors", "parameters": {"fast": False}}
    assert {path.name for path in build.iterdir()} == {"results.json", "results.json.lock"}


def test_a_run_that_fails_leaves_the_earlier_numbers(build):
    with run_of("02_anchors", {}):
        record("R@1", 0.25)
        record("R@10", 0.75)
    with pytest.raises(RuntimeError), run_of("02_anchors", {}):
        record("R@1", 0.99)
        record("not finished", 0.5)
        raise RuntimeError
    assert {name: entry["value"] for name, entry in load_results().items()} == {"R@1": 0.25, "R@10": 0.75}
    assert results.RUN_VARIABLE not in os.environ
    with run_of("02_anchors", {}):  # and what the failed one left does not come in later
        record("R@1", 0.3)
    assert {name: entry["value"] for name, entry in load_results().items()} == {"R@1": 0.3}


def test_a_table_replaces_only_what_stands_between_its_markers():
    between = results.BEGIN, results.END, "| a |"
    new = put_between(f"# Title\n\n{results.BEGIN}\nold\n{results.END}\n\nrest\n", *between)
    assert new == f"# Title\n\n{results.BEGIN}\n| a |\n{results.END}\n\nrest\n"
    assert put_between(new, *between) == new


@pytest.mark.parametrize("text", ["", results.BEGIN, f"{results.END}{results.BEGIN}", results.BEGIN * 2])
def test_a_table_wants_both_markers(text):
    with pytest.raises(MarkersError, match="must hold"):
        put_between(text, results.BEGIN, results.END, "")


PLAIN = {"profile": "offline", "device": "cpu", "seed": 0}


@pytest.fixture
def page(tmp_path):
    page = tmp_path / "results.md"
    page.write_text(f"{results.BEGIN}\nold\n{results.END}\n", encoding="utf-8")
    return page


@pytest.mark.parametrize("other", [{"profile": "hub"}, {"seed": 3}, {"fast": True}, {"fast": False}])
def test_the_page_takes_the_numbers_of_a_plain_run_only(other, page, capsys):
    for parameters, status, shown in ((PLAIN | other, 1, "old"), (PLAIN, 0, "25.0 %")):
        with run_of("02_anchors", parameters):
            record("R@1", 0.25)
        assert results.main([str(page)]) == status
        assert ("'R@1' is not from a plain `make workbook`" in capsys.readouterr().err) == status
        assert shown in page.read_text(encoding="utf-8")


def test_another_processor_changes_nothing_on_the_page(page):
    def measure(recall, auc):
        with run_of("02_anchors", PLAIN):
            record("R@1, 100 pairs", recall, ci=(recall - 0.1, recall + 0.1), n=150)
            record("R@10, 100 pairs", 0.9, n=150)
            record("AUC for 10 % planted", auc, unit="AUC")
        assert results.main([str(page)]) == 0
        return page.read_text(encoding="utf-8")

    assert measure(0.784, 0.961) == measure(0.785, 0.960)
    assert "80.1 %" in measure(0.801, 0.960)
    assert "0.98 AUC" in measure(0.801, 0.980)


def test_a_chapter_records_without_the_formats_of_notebooks(tmp_path):
    """Their grammars take as long to load as a second chapter."""
    code = "import sys; from asif_book import record; print('nbformat' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr
