"""Headline numbers: recorded by notebooks, shown on their page and in the README."""

import contextlib
import os
import re
import threading
from unittest import mock

import pandas as pd
import pytest
from tolerance import MOVES, moved

from asif_book.chapters import results
from asif_book.chapters.chapter_09.lessons import against_asif, verdict_of, who_wins_when
from asif_book.chapters.chapter_10.lessons import differences
from asif_book.chapters.measuring import over_draws
from asif_book.chapters.results import load_results, record, results_table
from asif_book.editions.contents import MarkersError, put_between
from asif_lib.evaluation.measures import Measure
from asif_lib.files import ROOT

PAGE = (ROOT / "notebooks" / "results.md").read_text(encoding="utf-8")


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


def values():
    return {name: entry["value"] for name, entry in load_results().items()}


def test_the_readme_and_the_paper_quote_rows_of_the_page_which_has_25_at_most():
    rows = re.findall(r"^\| (.*?) \| (-?[\d.]+) (%|points|AUC) \|", PAGE, re.M)
    assert 20 <= len(rows) <= 25
    r1 = {
        name.partition("R@1")[2]: value for name, value, _ in rows if name.startswith("held-out stamps, caption among")
    }
    readme, paper = ((ROOT / file).read_text(encoding="utf-8") for file in ("README.md", "notebooks/paper/paper.md"))
    said = f"Of the 21 whose caption is also an anchor's, {r1[' where an anchor has the same caption']} % do"
    assert f"{said}, [of the others {r1[' where no anchor has the same caption']} %]" in " ".join(readme.split())
    assert f"the caption of {float(r1[' (chance 0.7%)']):.0f} % of 150 new" in " ".join(paper.split())


def test_a_measure_brings_its_interval_and_the_same_name_replaces_its_entry(build):
    assert record("R@1", Measure(0.373, 0.30, 0.45, 150), note="chance 1 %") == 0.373
    record("gain", 100 * Measure(0.012, -0.01, 0.034, 150), unit="points")
    stored = load_results()
    assert (stored["R@1"]["ci"], stored["R@1"]["n"]) == ((0.30, 0.45), 150)
    assert stored["gain"]["ci"] == pytest.approx((-1, 3.4))
    record("R@1", 0.4)
    assert list(values()) == list(stored) and load_results()["R@1"]["ci"] is None


WRONG = [
    ("R@1", float("nan"), "not a finite number"),
    ("R@1", 37.3, "no fraction"),
    ("R@1", Measure(0.3, 0.2, float("inf"), 5), "not a finite number"),
    (" ", 0.3, "needs a name"),
]


@pytest.mark.parametrize("name, value, complaint", WRONG)
def test_a_number_that_makes_no_sense_is_not_recorded(name, value, complaint, build):
    with pytest.raises(results.ResultsError, match=complaint):
        record(name, value)
    assert not (build / "results.json").exists()


def test_missing_and_damaged_files_are_named_and_nothing_is_written_over(build):
    with pytest.raises(results.ResultsError, match="run a notebook"):
        load_results()
    for text in ["{", "[]", '{"R@1": 3}', '{"R@1": {"value": 0.3']:
        (build / "results.json").write_text(text)
        for call in (load_results, lambda: record("speed", 91.0, unit="pictures/s")):
            with pytest.raises(results.ResultsError, match="is damaged"):
                call()
        assert (build / "results.json").read_text() == text


def test_recording_at_once_loses_nothing():
    threads = [threading.Thread(target=lambda i=i: [record(f"{i} {j}", 0.5) for j in range(15)]) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load_results()) == 45


def test_table_shows_fractions_as_percent_and_units_as_they_are():
    record("R@1 | stamps", Measure(0.373, 0.295, 0.4533, 1150), note="k=50")
    record("search", 12345.6, unit="queries/s")
    record("gain", Measure(6.333, -0.04, 9.5, None), unit="points", note="undecided")
    assert results_table(load_results()).splitlines()[2:] == [
        "| R@1 \\| stamps (k=50) | 37.3 % | 29.5 to 45.3 % | 1,150 |",
        "| search | 12,346 queries/s |  |  |",
        "| gain (undecided) | 6.3 points | 0.0 to 9.5 |  |",
    ]
    assert results_table({}) == "No results recorded yet."


CLAIMS = [
    (0.1, 0.5, "ASIF + Sinkhorn (transductive)", "holds over 20 draws: 4.7 (3.6 to 5.8)"),
    (-4.5, -0.5, "not a method of the table", "one split only"),
    (-4.5, -0.5, "CSA", "holds over 20 draws: -6.2 (-8.2 to -4.2)"),
    (-2.5, 2.0, "label transfer", "undecided on this split; over 20 draws: -4.1 (-5.5 to -2.8)"),
    (0.5, 4.5, "CSA", "one split only; over 20 draws: -6.2 (-8.2 to -4.2)"),  # the draws say the contrary
]


@pytest.mark.parametrize("low, high, method, verdict", CLAIMS)
def test_a_claim_holds_if_many_draws_of_the_splits_bear_it_out(low, high, method, verdict):
    gap, draws = Measure((low + high) / 200, low / 100, high / 100, 150), over_draws("offline", "stamps")
    assert verdict_of(gap, method, draws) == verdict
    assert "holds" not in verdict_of(gap, method, draws.assign(verdict="undecided"))
    assert len(over_draws("hub", "stamps")) == len(over_draws("offline", "my/pictures")) == 0


def test_rivals_are_compared_with_asif_where_all_have_all_pairs():
    rows = [("ASIF", 50, 0.3, 0.0), ("CSA", 50, 0.4, 0.1), ("ASIF", 643, 0.6, 0.0), ("CSA", 643, 0.5, -0.1)]
    curves = pd.DataFrame(rows, columns=["method", "size", "value", "difference"])
    curves = curves.assign(
        low=curves.value - 0.05, high=curves.value + 0.05,
        difference_low=curves.difference - 0.05, difference_high=curves.difference + 0.05,
    )  # fmt: skip
    asif, rivals, verdicts = against_asif(curves, over_draws("offline", "stamps"), 150)
    assert asif == Measure(0.6, pytest.approx(0.55), pytest.approx(0.65), 150)
    assert rivals.gap["CSA"].value == -0.1 and verdicts == {"CSA": "holds over 20 draws"}


def test_a_language_has_a_row_for_each_number_of_pairs_and_a_method_its_column():
    table = differences("E5 on both sides", ["ASIF", "own means + ASIF"])
    assert list(table.columns) == ["ASIF", "own means + ASIF"] and table.index[0] == "Arabic, 50 pairs"
    assert table.iloc[0].tolist() == ["-39.4 [-43.5, -35.3]", "-0.8 [-2.9, +1.0]"]
    many = differences("E5 on both sides", ["ASIF"], fewest=500)
    assert 0 < len(many) < len(table) and all(int(row.split()[-2]) >= 500 for row in many.index)


def test_the_benchmark_of_a_small_bank_has_the_sizes_that_it_can_have():
    assert who_wins_when("offline", "stamps", 643, fast=False).sizes == [50, 100, 200, "all"]
    quick = who_wins_when("offline", "stamps", 60, fast=True)
    assert quick.sizes == [50, "all"] and len(quick.methods) == 4 and quick.seeds == 2


def test_the_table_of_many_draws_is_that_of_its_page():
    page = (ROOT / "benchmarks" / "accuracy" / "repeated_splits.md").read_text(encoding="utf-8")
    draws, marks = over_draws("offline", "stamps"), {"better": " ▲", "worse": " ▼"}
    for name, row in draws.iterrows():
        interval = f"[{100 * row.low:.1f},\N{NO-BREAK SPACE}{100 * row.high:.1f}]"
        assert f"| {name} | {100 * row.value:.1f} {interval}{marks.get(row.verdict, '')} |" in page
    assert len(draws) == 18


def test_a_run_of_a_chapter_replaces_its_numbers_if_it_ends_well(build):
    record("by hand", 0.5)
    for chapter, name in [("05_evaluation", "R@1"), ("02_anchors", "old name"), ("02_anchors", "new name")]:
        with run_of(chapter, {"fast": False}):
            record(name, 0.25)
    rows = results_table(load_results()).splitlines()[2:]  # in the order of the chapters, whatever ran last
    assert [row.split(" | ")[0] for row in rows] == ["| by hand", "| new name", "| R@1"]
    assert {path.name for path in build.iterdir()} == {"results.json", "results.json.lock"}
    with pytest.raises(RuntimeError), run_of("02_anchors", {}):
        record("new name", 0.99)
        record("not finished", 0.5)
        raise RuntimeError
    assert values() == {"by hand": 0.5, "R@1": 0.25, "new name": 0.25}
    with run_of("02_anchors", {}):  # and what the failed one left does not come in later
        record("new name", 0.3)
    assert values() == {"by hand": 0.5, "R@1": 0.25, "new name": 0.3}
    with run_of("02_anchors", {"pairs": "/my/pictures"}):  # such a run records nothing, and takes nothing away
        pass
    assert values() == {"by hand": 0.5, "R@1": 0.25, "new name": 0.3}


@pytest.mark.parametrize("text", ["", results.BEGIN, f"{results.END}{results.BEGIN}", results.BEGIN * 2])
def test_a_table_wants_both_markers(text):
    with pytest.raises(MarkersError, match="must hold"):
        put_between(text, results.BEGIN, results.END, "")


def table_of(rows):
    for name, (value, unit) in rows.items():
        record(name, value, unit=unit)
    return results_table(load_results())


def test_a_row_agrees_within_a_tolerance_that_the_page_states_and_no_row_is_lost_or_new():
    rows = {"R@1, 100 pairs": (Measure(0.784, 0.68, 0.88, 150), ""), "AUC | planted": (0.961, "AUC")}
    page = table_of(rows)
    assert moved(page, table_of({**rows, "R@1, 100 pairs": (Measure(0.797, 0.69, 0.89, 150), "")})) == []
    for name, other in (
        ("R@1, 100 pairs", (Measure(0.800, 0.68, 0.88, 150), "")),
        ("R@1, 100 pairs", (Measure(0.784, 0.68, 0.90, 150), "")),
        ("AUC | planted", (0.98, "AUC")),
        ("AUC | planted", (0.961, "points")),
    ):
        [row] = moved(page, table_of({**rows, name: other}))
        assert row.startswith("| " + name.replace("|", "\\|"))
    table_of(rows)
    assert moved(page, table_of({"a new row": (0.5, "")})) == ["| a new row"]
    assert moved(table_of(rows), page) == ["| a new row"]
    assert f"{MOVES} points" in PAGE and f"{MOVES} %" in PAGE
