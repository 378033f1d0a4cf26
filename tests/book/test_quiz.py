"""The test before and after the core path: its questions, what is kept, what a class gains, and the file for Moodle."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter

import numpy as np
import pytest
from bs4 import BeautifulSoup

from asif_book.checks import EXERCISES, progress
from asif_book.checks.progress import Answers, load_progress
from asif_book.checks.quiz import EDITION, ENOUGH, LETTERS, QUESTIONS, class_gain, gain
from asif_book.classroom.overview import class_progress
from asif_book.widgets import Quiz
from asif_lib import cli
from asif_lib.files import ROOT

RIGHT = {question["id"]: question["right"] for question in QUESTIONS}
WRONG = {name: "a" if letter != "a" else "b" for name, letter in RIGHT.items()}
TIME = "2025-03-01T14:05:00Z"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    return tmp_path


def click(quiz, **content):
    quiz._receive(quiz, content, [])
    return quiz.words


def take(which, answers):
    quiz = Quiz(which)
    for name, letter in answers.items():
        click(quiz, answer={name: letter})
    click(quiz, press="hand in")
    return quiz


def text(quiz):
    return " ".join(BeautifulSoup(quiz.page, "html.parser").get_text(" ").split())


def kept():
    return load_progress(progress.FILE)


# The questions


def test_eight_questions_have_four_different_answers_and_each_letter_is_right_twice():
    assert len(QUESTIONS) == len(RIGHT) == 8 and Counter(RIGHT.values()) == dict.fromkeys(LETTERS, 2)
    longest = 0
    for question in QUESTIONS:
        answers = [question[letter] for letter in LETTERS]
        assert len(set(answers)) == 4 and not any(answer.endswith(".") for answer in answers)
        longest += max(answers, key=len) == question[question["right"]]
    assert longest <= 3, "the longest answer must not be a hint"


def test_what_a_question_points_to_is_in_the_book():
    for question in QUESTIONS:
        chapter, kind, number = re.fullmatch(r"chapter (\d\d), (exercise|section) ([\d.]+)", question["where"]).groups()
        (source,) = (ROOT / "notebooks/source").glob(f"{chapter}_*.py")
        found = number in EXERCISES if kind == "exercise" else f"\n# ## {number} ·" in source.read_text()
        assert found, question["where"]


# The form


def test_the_first_test_tells_no_answer_and_the_second_tells_both(folder):
    first = take("before", WRONG)
    secrets = [text for question in QUESTIONS for text in (question["why"], question["where"])] + ["Right:", "✔", "✘"]
    for quiz in (first, Quiz("before"), Quiz("after")):
        assert not [secret for secret in secrets if secret in quiz.page]
    assert "handed in this test on 20" in text(first) and "8 of 8 questions answered" in text(first)
    shown = text(take("after", RIGHT))
    assert shown.count("Before: ✘") == shown.count("Now: ✔") == 8
    assert all(question["why"] in shown for question in QUESTIONS) and "(Chapter 00, section 5)" in shown
    assert shown == text(Quiz("after"))


def test_each_click_is_kept_and_an_open_question_needs_a_second_click(folder):
    quiz = Quiz("before")
    click(quiz, answer={"cosine": "a"})
    click(quiz, answer={"cosine": "b"})
    assert kept().tests["before"] == Answers(EDITION, {"cosine": "b"})  # half a test outlives its kernel
    half = Quiz("before")
    assert len(BeautifulSoup(half.page, "html.parser").select("input[checked][value=b]")) == 1
    assert "Open: question 2, 3, 4, 5, 6, 7, 8." in click(half, press="hand in")
    assert kept().tests["before"].handed_in is None
    assert click(half, press="hand in") == "" and "1 of 8 questions answered" in text(half)
    assert kept().tests["before"].handed_in
    assert text(take("after", RIGHT)).count("Before: ✘ open") == 7


def test_what_stays_ticked_is_kept_again_where_the_file_was_deleted(folder):
    quiz = Quiz("before")
    click(quiz, answer={"cosine": "b"})
    (folder / progress.FILE).unlink()
    click(quiz, answer={"entry": "a"})
    assert kept().tests["before"].answers == {"cosine": "b", "entry": "a"}


def test_only_the_first_attempt_counts_also_in_another_notebook(folder):
    other = Quiz("before")
    take("before", RIGHT)
    before = kept()
    click(other, answer={"cosine": "a"})
    assert kept() == before and "The first attempt counts, so it is not asked again." in text(other)


def test_after_the_answers_were_seen_the_first_test_is_not_asked(folder):
    assert "nothing to compare with" in text(take("after", RIGHT))
    assert "so the first one is not asked any more" in text(Quiz("before"))


def test_leaving_out_is_one_click_that_is_remembered_and_loses_nothing(folder):
    quiz = Quiz("before")
    click(quiz, answer={"cosine": "a"})
    click(quiz, press="leave out")
    for which in ("before", "after"):
        assert text(Quiz(which)).startswith("You leave out the test before and after the core path.")
    click(quiz, press="take")
    assert kept().tests["before"].answers == {"cosine": "a"} and "Eight questions" in text(quiz)


def test_other_questions_and_other_pairs_are_a_sentence_each(folder):
    said = "This run has other pairs than the book, birds; the questions ask about the method, so your answers count"
    assert said in text(Quiz("before", "birds")) and said not in text(Quiz("before"))
    found = progress.Progress(tests={"before": Answers("de-1", {"kosinus": "a"})})
    progress.change(lambda _: found, "")
    quiz = Quiz("before")
    told = f"The file holds answers to other questions (de-1) than this workbook asks ({EDITION});"
    assert text(quiz).startswith(told)
    click(quiz, answer={"cosine": "a"})
    assert kept() == found


def test_where_nothing_can_be_written_the_reader_is_told_and_goes_on(folder, monkeypatch):
    (folder / progress.FILE).write_text(json.dumps({"format": "asif-progress", "version": 99}))
    quiz = Quiz("before")
    assert "of version 99" in quiz.words
    assert click(quiz, answer={"cosine": "a"}).startswith("Your answers stand here, but were not saved. my_progress")
    monkeypatch.setenv(progress.VARIABLE, "")
    assert "No progress is kept here" in text(Quiz("before")) and "8 of 8" in text(take("before", RIGHT))


# A class


def answered(*numbers):
    """Answers of which these questions, from 0, are right."""
    return {q["id"]: (RIGHT if i in numbers else WRONG)[q["id"]] for i, q in enumerate(QUESTIONS)}


def both(before, after, edition=EDITION):
    return {"before": Answers(edition, before, TIME), "after": Answers(edition, after, TIME)}


def test_the_gain_is_the_share_of_what_was_missing_and_its_interval_covers():
    before = np.array([[True, False], [False, False]])
    assert gain(before, np.array([[True, True], [True, False]])) == (pytest.approx((3 - 1) / (4 - 1)), None, None)
    assert gain(~before | before, before) == (None, None, None)
    rng, hits = np.random.default_rng(0), 0
    for _ in range(200):  # true gain: (0.7 − 0.4) / (1 − 0.4)
        _, low, high = gain(rng.random((40, 8)) < 0.4, rng.random((40, 8)) < 0.7)
        hits += low <= 0.5 <= high
    assert 180 <= hits <= 198


def test_only_students_with_both_tests_count_and_the_others_are_counted():
    tests = {f"s{i}": both(answered(0), answered(*range(i % 3, 8))) for i in range(ENOUGH)}
    tests |= {"half": {"before": Answers(EDITION, RIGHT, TIME)}, "none": {}, "de": both(RIGHT, RIGHT, "de-1")}
    tests["not handed in"] = both(RIGHT, RIGHT) | {"after": Answers(EDITION, RIGHT)}
    found, lines = class_gain(tests)
    assert (found["n"], found["without_both"], found["other_questions"]) == (ENOUGH, 2, 1)
    assert lines[0] == "10 with both tests; left out: 2 without both, 1 with other questions"
    first, *_, last = found["rows"]
    assert (first["before"], first["gain"]) == (1, None) and "no gain: all were right before" in lines[1]
    assert last["question"] == "all" and last["low"] < last["gain"] < last["high"]
    assert lines[-1].startswith("Nobody has been measured with this test before")
    found, lines = class_gain({name: both(answered(0, 1), answered(0, 1, 2)) for name in ("Anna", "Zoë")})
    assert found["rows"][-1]["gain"] == pytest.approx(1 / 6) and found["rows"][-1]["low"] is None
    assert lines[-3] == "2 of 10 students that an interval needs: one moves each share by 50 points."


def test_the_class_overview_prints_the_test_and_counts_a_first_attempt(folder):
    for name, answers in (("1", WRONG), ("2", RIGHT)):
        take("before", answers)
        if name == "1":
            take("after", RIGHT)
        (folder / "class" / "Anna" / name).mkdir(parents=True)
        (folder / progress.FILE).rename(folder / "class" / "Anna" / name / progress.FILE)
    found, printed = class_progress(folder / "class")
    assert [row["gain"] for row in found["test"]["rows"]] == [1] * 9 and "all" in printed
    assert "2/my_progress.json is not the only file with the test before; the attempt" in found["remarks"][0]


# A quiz file


def test_the_quiz_file_is_moodles_format_and_holds_every_question(folder, capsys):
    assert cli.main(["class", "quiz", "--output", "quiz.xml"]) == 0
    quiz = ElementTree.parse("quiz.xml").getroot()
    assert quiz.tag == "quiz" and {q.get("type") for q in quiz} == {"category", "multichoice", "essay"}
    for question, asked in zip(QUESTIONS, quiz.iterfind("question[@type='multichoice']"), strict=True):
        assert asked.findtext("questiontext/text") == question["text"] and asked.findtext("single") == "true"
        answers = {answer.get("fraction"): answer.findtext("text") for answer in asked.iterfind("answer")}
        assert len(asked.findall("answer")) == 4 and answers["100"] == question[question["right"]]
    essays = quiz.findall("question[@type='essay']")
    sources = [source.read_text() for source in (ROOT / "notebooks/source").glob("[0-9]*.py")]
    assert len(essays) == sum(text.split("### Exit questions")[-1].count("**Answer.**") for text in sources)
    for essay in essays:
        parts = [essay.findtext(f"{part}/text") for part in ("name", "questiontext", "graderinfo")]
        assert all(parts) and not re.search(r"\n|^>|  ", "".join(parts))


def test_without_the_teachers_sources_no_quiz_file_is_made(folder, capsys, monkeypatch):
    monkeypatch.setattr("asif_book.commands.ROOT", folder)
    assert cli.main(["class", "quiz", "--output", "quiz.xml"]) == 1
    assert "the exit questions come only with the teacher's copy" in capsys.readouterr().err
    assert not (folder / "quiz.xml").exists()
