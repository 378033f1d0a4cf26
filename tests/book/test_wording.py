"""The open investigation of chapter 05 judges by pictures that the reader did not choose by."""

from asif_book.checks import WordingTask, check_wording

PARTS = {"cat": "tail", "dog": "nose", "hat": "brim"}


def investigate(classes, measure, template="a {}"):
    wordings = [[[name] for name in classes], [[template.format(PARTS[name])] for name in classes]]
    return max(wordings, key=lambda prompts: measure(prompts).sum().item())


def test_the_test_split_is_opened_for_three_wordings_and_for_no_fourth():
    def other(template):
        return lambda classes, measure: investigate(classes, measure, template)

    task = WordingTask.made_up()
    solutions = investigate, investigate, *map(other, ("a grey {}", "the {}", "my {}"))
    first, again, second, third, fourth = (check_wording(solution, task) for solution in solutions)
    assert "98.3 % interval" in first.message and "look 1 of 3" in first.message
    assert again == first  # the same wording is no new look
    assert "98.3 % interval" in second.message and "look 2 of 3. The interval holds for a choice" in second.message
    assert third.status == "right" and "look 3 of 3" in third.message
    assert fourth.status == "wrong" and "for 3 looks, and you have had them" in fourth.message
    assert "%" not in fourth.message  # what the pictures say of it stays sealed


def test_the_test_split_stays_closed_where_validation_shows_no_gain():
    def in_vain(classes, measure):
        wordings = [[["white"], ["grey"], ["photo"]], [["a"], ["of"], ["on"]]]
        return max(wordings, key=lambda prompts: measure(prompts).sum().item())

    task = WordingTask.made_up()
    assert "stays closed" in check_wording(in_vain, task).message
    assert task.looks == 0
