"""A student's folder follows the workbook, and never loses work."""

import json
from pathlib import Path

import pytest

from asif_book.editions.workspace import RECORD, fill, main
from asif_lib.files import ROOT


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "solutions").mkdir(parents=True)
    for name in ("00_start.ipynb", "solutions/00_start.ipynb", "01_encoders.ipynb"):
        (folder / name).write_text(f"edition 1 of {name}")
    (folder / "teachers_guide.md").write_text("answers")
    return folder


def test_all_chapters_are_copied_once_and_solutions_as_the_folder_remembers_it(notebooks, tmp_path):
    work = tmp_path / "work"
    (notebooks / "drawings").mkdir()
    (notebooks / "drawings/method.svg").write_text("<svg/>")
    names = "00_start.ipynb", "01_encoders.ipynb", "drawings/method.svg"
    assert sorted(fill(work, notebooks, solutions=False)) == [f"{work / name}: new" for name in names]
    assert fill(work, notebooks) == [] and not (work / "solutions").exists()
    assert fill(work, notebooks, solutions=True) == [f"{work / 'solutions/00_start.ipynb'}: new"]
    assert fill(work, notebooks) == [] and not (work / "teachers_guide.md").exists()
    assert (work / "solutions/00_start.ipynb").read_text() == "edition 1 of solutions/00_start.ipynb"


def test_a_tutor_gets_rules_and_a_hub_its_kernel(tmp_path, capsys):
    main([str(tmp_path), "--kernel", "asif", "--no-solutions"])
    assert "00_start_here.ipynb: new" in capsys.readouterr().out
    chapters = [json.loads(path.read_text()) for path in tmp_path.rglob("*.ipynb")]
    assert {chapter["metadata"]["kernelspec"]["name"] for chapter in chapters} == {"asif"}
    assert "never solve" in (tmp_path / "TUTOR.md").read_text()
    main([str(tmp_path)])
    left = (tmp_path / "00_start_here.ipynb").read_bytes()
    assert left == (ROOT / "notebooks" / "00_start_here.ipynb").read_bytes()


def test_an_untouched_copy_follows_the_workbook_and_work_is_never_overwritten(notebooks, tmp_path):
    fill(tmp_path / "work", notebooks)
    mine = tmp_path / "work/00_start.ipynb"
    (notebooks / "00_start.ipynb").write_text("edition 1.1")
    assert fill(tmp_path / "work", notebooks) == [f"{mine}: renewed"] and mine.read_text() == "edition 1.1"
    mine.write_text("my solution")
    assert fill(tmp_path / "work", notebooks) == []
    (notebooks / "00_start.ipynb").write_text("edition 2")
    for _ in range(2):
        (news,) = fill(tmp_path / "work", notebooks)
        assert "holds your work and stays" in news
        assert mine.read_text() == "my solution"
    mine.rename(tmp_path / "work/my_start.ipynb")
    assert fill(tmp_path / "work", notebooks) == [f"{mine}: new"]
    assert mine.read_text() == "edition 2"


@pytest.mark.parametrize("record", [None, "{", "[]", '{"solutions/": 1}'])  # from before it, or damaged
def test_without_a_record_every_copy_counts_as_work_and_no_solutions_come(notebooks, tmp_path, record):
    work = tmp_path / "work"
    fill(work, notebooks, solutions=False)
    (work / "00_start.ipynb").write_text("mine")
    (work / RECORD).write_text(record) if record else (work / RECORD).unlink()
    news = fill(work, notebooks)
    assert "differs from the chapter: rename it to get the new one" in news[0]
    assert (work / "00_start.ipynb").read_text() == "mine" and not (work / "solutions").exists()
    assert ("was damaged" if record else "is missing") in news[-1] and "solutions come only with" in news[-1]


def test_a_folder_in_the_place_of_a_chapter_stays_and_is_one_sentence(notebooks, tmp_path):
    work, place = tmp_path / "work", tmp_path / "work/00_start.ipynb"
    place.mkdir(parents=True)
    assert f"{place} is left as it is (Is a directory); make room there for the chapter" in fill(work, notebooks)


def as_a_folder(path):
    (path / RECORD).mkdir(parents=True)


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("lost"), as_a_folder])
def test_no_folder_for_the_student_is_one_sentence(tmp_path, make):
    make(tmp_path / "mine")
    with pytest.raises(SystemExit, match=rf"^workspace: {tmp_path}/mine.*; make room there\.$"):
        main([str(tmp_path / "mine")])
