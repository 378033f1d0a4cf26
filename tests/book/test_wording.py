"""The open investigation of chapter 05 judges by pictures that the reader did not choose by."""

import pytest
import torch

from asif_book.chapters.chapter_05.checks import WordModel
from asif_book.checks import WordingTask, check_wording

PARTS = {"cat": "tail", "dog": "nose", "hat": "brim"}


def investigate(classes, measure, template="a {}"):
    wordings = [[[name] for name in classes], [[template.format(PARTS[name])] for name in classes]]
    return max(wordings, key=lambda prompts: measure(prompts).sum().item())


def test_each_wording_shown_to_the_test_split_makes_the_next_look_stricter():
    def another(classes, measure):
        return investigate(classes, measure, "a grey {}")

    task = WordingTask.made_up()
    first, again, second = (check_wording(solution, task).message for solution in (investigate, investigate, another))
    assert "97.5 % interval" in first and "look" not in first
    assert again == first  # the same wording is no new look
    assert "99.17 % interval" in second and "look 2" in second
    assert task.looks == 2


def test_whatever_stands_in_the_tasks_place_is_not_held_against_the_solution():
    verdict = check_wording(investigate, "10 classes, Fashion-MNIST")
    assert verdict.status == "not attempted"
    assert "`task` is a str now" in verdict.message


def test_the_test_split_stays_closed_where_validation_shows_no_gain():
    def in_vain(classes, measure):
        wordings = [[["white"], ["grey"], ["photo"]], [["a"], ["of"], ["on"]]]
        return max(wordings, key=lambda prompts: measure(prompts).sum().item())

    task = WordingTask.made_up()
    assert "stays closed" in check_wording(in_vain, task).message
    assert task.looks == 0


@pytest.mark.parametrize(
    ("shown", "status", "message"), [("brim", "a result, not a proof", "holds 0"), ("cat", "wrong", "below 0")]
)
def test_a_gain_on_validation_that_the_test_does_not_bear_out_is_no_proof(shown, status, message):
    words = ["cat", "tail", "brim"]
    labels = torch.tensor([0, 1] * 40)
    validation = torch.eye(3)[[1, 2] * 40]  # shows what the wording names
    test = torch.rand(80, 3, generator=torch.Generator().manual_seed(1))
    if shown == "cat":
        test = torch.eye(3)[[0, 1] * 40]  # only the names of the classes help
    task = WordingTask(WordModel(words), ["cat", "tail"], (validation, labels), (test, labels), "{}")

    def solution(classes, measure):
        wordings = [[["cat"], ["tail"]], [["tail"], ["brim"]]]
        return max(wordings, key=lambda prompts: measure(prompts).sum().item())

    verdict = check_wording(solution, task)
    assert verdict.status == status and message in verdict.message, verdict
