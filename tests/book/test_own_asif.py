"""The reader's own ASIF: made of the notebooks' solutions, compared with the library, and never lost."""

import functools
import inspect
import json
import os

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, writes
from torch import Tensor

from asif_book import show_progress
from asif_book.chapters.chapter_07 import own
from asif_book.checks import EXERCISES, progress
from asif_book.checks.progress import load_progress
from asif_lib import AnchorBank, relative_representation
from asif_lib.relative import unit_rows


def my_relative_representation(z: Tensor, anchors: Tensor) -> Tensor:
    """Cosines with the anchors."""
    return unit_rows(z) @ unit_rows(anchors).T


def centred_representation(z: Tensor, anchors: Tensor) -> Tensor:
    """Cosines with the anchors, seen from the anchors' mean.

    z: (q, d), embeddings
    """
    ### BEGIN SOLUTION
    mean = anchors.mean(dim=0)  # one mean for both sides
    return relative_representation(z - mean, anchors - mean)
    ### END SOLUTION


def my_clamp_and_power(relative: torch.Tensor, p: float) -> torch.Tensor:
    return relative.clamp_min(0) ** p


def my_sparsify(relative: torch.Tensor, k: int, p: float) -> torch.Tensor:
    values, indices = relative.topk(k, dim=1)
    values = torch.nn.functional.normalize(my_clamp_and_power(values, p), dim=1)
    return torch.zeros_like(relative).scatter(1, indices, values)


def best_caption(z_image: Tensor, z_text: Tensor, image_anchors: Tensor, text_anchors: Tensor) -> Tensor:
    pictures = relative_representation(z_image, image_anchors, mean=image_anchors.mean(dim=0))
    captions = relative_representation(z_text, text_anchors, mean=text_anchors.mean(dim=0))
    return relative_representation(pictures, captions).argmax(dim=1)


def shares(image: Tensor, text: Tensor) -> Tensor:
    contribution = image * text
    score = contribution.sum()
    return contribution / score if score > 0 else contribution


FUNCTIONS = [my_relative_representation, centred_representation, my_clamp_and_power, my_sparsify, best_caption, shares]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    return tmp_path


@functools.cache
def solved() -> str:
    """What the progress file holds once the checks of all six functions have run."""
    for function in FUNCTIONS:
        assert EXERCISES[own.NUMBERS[function.__name__]](function).status == "right"
    return own.progress_path().read_text()


def solve(*functions):
    """Write down that these functions, by default all, are solved, and save the notebook that defines them."""
    content = json.loads(solved())
    numbers = [own.NUMBERS[function.__name__] for function in functions or FUNCTIONS]
    content["exercises"] = {number: content["exercises"][number] for number in numbers}
    own.progress_path().write_text(json.dumps(content))
    first, *others = map(inspect.getsource, functions or FUNCTIONS)
    save("00_start_here.ipynb", f"%%time\n!ls\n{first}\n%timeit 1", *others)


def save(name, *cells):
    own.progress_path().with_name(name).write_text(writes(new_notebook(cells=[*map(new_code_cell, cells)])))


def keep(name, code):
    """Put other code in the place of a function of the notebook."""
    save("00_start_here.ipynb", *(inspect.getsource(f) for f in FUNCTIONS if f.__name__ != name), code)


@pytest.fixture(scope="module")
def bank():
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(60, 12, generator=draw)
    image, text = z + torch.randn(60, 12, generator=draw) / 2, z[:, :9] + 1
    text[7] = text[8]  # a repeated caption: a tie, perhaps at the k-th place
    return AnchorBank.from_embeddings(image, text, [f"A {i}." for i in range(60)])


def check(bank, made=None):
    mine, missing = made or own.make_my_asif()
    return own.check_my_asif(mine, missing, bank.subset(list(range(40))), bank.subset(list(range(40, 60))))


def test_solved_functions_make_a_file_that_imports_only_torch_and_equals_the_library(folder, bank, capsys):
    solve()
    save("00_copy.ipynb", "def shares(image, text):\n    return image\n")  # what is wrong or no notebook is passed over
    (folder / "00_damaged.ipynb").write_text('{"cells": [{"cell_type"')
    os.mkfifo(folder / "00_pipe.ipynb")
    verdict = check(bank)
    assert verdict.status == "right" and "this model is yours" in verdict.message
    printed = capsys.readouterr().out
    assert printed.count("yours") == 6 and f"{folder / own.FILE}: " in printed
    text = (folder / own.FILE).read_text()
    assert {line for line in text.splitlines() if "import" in line} == {
        "import torch", "import torch.nn.functional as F", "from torch import Tensor"
    }  # fmt: skip
    assert "# one mean for both sides" in text and "SOLUTION" not in text and "embeddings" not in text
    assert len(text.splitlines()) <= 60
    assert load_progress(own.progress_path()).exercises[own.OWN_ASIF].status == "right"
    assert "✔ 07.7  solved, 1 try: Your own ASIF" in str(show_progress("07"))


def test_a_tie_at_the_last_place_may_be_broken_either_way(folder, bank, capsys):
    solve()
    keep(
        "my_sparsify",
        """\
def my_sparsify(relative, k, p):
    'of equal values the later comes first'; values, places = relative.flip(1).topk(k, dim=1)  # \f
    values = F.normalize(values.clamp_min(0) ** p, dim=1)
    return torch.zeros_like(relative).scatter(1, relative.shape[1] - 1 - places, values)
""",
    )
    text = bank.text.clone()
    text[1:30:3] = text[:30:3]  # ten captions that two anchors share
    verdict = check(bank.replace(text=text))
    assert verdict.status == "right" and "4 pictures and captions are left out" in verdict.message


def test_a_missing_function_is_named_and_marked_and_the_answers_stay_equal(folder, bank, capsys):
    solve(my_relative_representation, centred_representation, best_caption, shares)
    verdict = check(bank)
    assert "✘ 04.2 my_sparsify: the library's, since the exercise is not solved yet" in capsys.readouterr().out
    assert verdict.status == "not attempted" and "not all of it is yours: solve 04.2." in verdict.message
    text = (folder / own.FILE).read_text()
    assert "# 04.2, NOT MINE" in text and "from asif_lib import method" in text and "clamp_and_power" not in text


@pytest.mark.parametrize("code, reason", [
    ("def shares(image, text):\n    return image * text\n", "not pass its check: These are the contributions"),
    ("def shares(image, text):\n    return np.array(image)\n",
     "yours uses `np`, which the file does not have: import or define it inside the function"),
    ("shares = lambda image, text: image\n", "yours does not define shares with `def`"),
    ("def shares(image, text: np.ndarray):\n    return image\n", "yours raises NameError: name 'np'"),
    ("@(_ for _ in ()).throw(KeyboardInterrupt)\ndef shares(image, text): ...\n", "yours raises KeyboardInterrupt"),
    ("def shares(image, text):\n    return (\n\ndef share(): ...\n", "no saved notebook of this folder defines it"),
])  # fmt: skip
def test_a_wrong_function_is_named_with_the_reason(folder, bank, capsys, code, reason):
    solve(shares)
    keep("shares", code)
    assert "solve 00.2, " in check(bank).message
    (found,) = (line for line in capsys.readouterr().out.splitlines() if "shares" in line)
    assert found.startswith("✘ 00.2 shares: the library's, since ") and reason in found


@pytest.mark.parametrize("code", [
    "def shares(image, text=open('ran', 'w')):\n    return image\n",
    "@lambda f: open('ran', 'w') and f\ndef shares(image, text):\n    return image\n",
    "class Mine:\n    ran = open('ran', 'w')\ndef shares(image, text):\n    return image\n",
])  # fmt: skip
def test_no_code_of_a_progress_file_runs(folder, bank, code):
    solve()
    content = json.loads((file := own.progress_path()).read_text())
    content["exercises"]["00.2"]["solution"] = code  # as an earlier edition kept it
    file.write_text(json.dumps(content))
    assert check(bank).status == "right"
    (folder / "00_start_here.ipynb").unlink()
    assert "solve 00.2, " in check(bank).message and not (folder / "ran").exists()


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(folder, bank, capsys):
    os.mkfifo(folder / own.FILE)
    assert "not all of it is yours" in check(bank).message and "is a pipe, device or folder" in capsys.readouterr().out


def test_a_file_that_was_edited_by_hand_runs_as_it_stands(folder, bank, capsys):
    own.make_my_asif()
    file = folder / own.FILE
    edited = file.read_text().replace("k, p)\n", "k, 2 * p)\n", 1)
    file.write_text(edited)
    assert "what did you change?" in check(bank).message and "was edited by hand" in capsys.readouterr().out
    assert file.read_text() == edited
    file.unlink()
    assert "not all of it is yours" in check(bank).message and file.exists()


def test_a_file_without_its_clamp_is_not_the_readers_model_and_the_function_is_named(folder, bank, capsys):
    solve()
    own.make_my_asif()
    text = (folder / own.FILE).read_text()
    (folder / own.FILE).write_text(text.replace("relative.clamp_min(0) ** p", "relative**p"))
    verdict = check(bank)
    assert verdict.status == "wrong" and "the library with k = n" in verdict.message
    assert "`my_clamp_and_power` does not pass its check: " in verdict.message


@pytest.mark.parametrize("text, sentence", [
    ("def asif(:", "is broken in line 1: "),
    ("import torch\n", "does not define asif"),
    ("def asif(): pass\ndef reasons(): pass\ndef best_caption(): pass\nexit(3)\n", "raises SystemExit: 3"),
    ("import torch\0", "is broken: source code string cannot contain null bytes"),
    ("def asif(): pass\ndef reasons(): pass\ndef best_caption(): pass\n1 / 0\n", "raises ZeroDivisionError"),
])  # fmt: skip
def test_a_broken_file_is_one_sentence_and_stays_and_the_chapter_goes_on(folder, bank, capsys, text, sentence):
    (folder / own.FILE).write_text(text)
    assert "not all of it is yours" in check(bank).message
    found = capsys.readouterr().out
    assert f"{own.FILE} {sentence}" in found and "It stays as it is: mend it, or rename it" in found
    assert (folder / own.FILE).read_text() == text


def test_an_edited_file_whose_function_fails_is_wrong_and_not_an_error(folder, bank):
    (folder / own.FILE).write_text("def asif(*z): 1 / 0\ndef reasons(): pass\ndef best_caption(): pass\n")
    assert check(bank).message == "my_asif.py raises ZeroDivisionError: division by zero."


def test_without_progress_no_file_is_made(folder, bank, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, "")
    assert "not all of it is yours" in check(bank).message
    assert not list(folder.iterdir())
