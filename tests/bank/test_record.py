"""The folder and the count of a bank, without opening its other files."""

import pytest

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.record import bank_dir, bank_name, stored_count
from asif_lib.errors import BankError


def test_the_count_is_that_of_the_newest_version(tmp_path, stamps_bank):
    """None of the other files is opened: they may be gone."""
    bank = AnchorBank.load(stamps_bank.subset([0, 1, 2]).save(tmp_path / "few")).remove(rows=[0])
    for part in (tmp_path / "few").glob("part-*/*"):
        part.unlink()
    assert (stored_count(tmp_path / "few"), len(bank)) == (2, 2)


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "there is no bank 'birds' in .*; run: asif bank build birds"),
        ('{"format": 4}', "bank.json: is damaged"),
        (
            '{"format": 9}',
            "has bank format 9, and this version reads format 4; build the bank again: asif bank build b",
        ),
    ],
)
def test_a_bank_that_cannot_be_opened_is_refused_without_opening_it(tmp_cache, content, words):
    if content is not None:
        bank_dir("birds").mkdir(parents=True)
        (bank_dir("birds") / "bank.json").write_text(content)
    with pytest.raises(BankError, match=words):
        stored_count("birds")


def test_a_misspelt_bank_is_guessed_and_the_advice_can_be_followed(tmp_cache, stamps_bank):
    stamps_bank.subset([0, 1]).save(tmp_cache / "banks" / "both")
    for name, advice in {
        "bot": "run: asif bank build bot --from FOLDER, or: asif bank list; did you mean 'both'?",
        "emojis": "run: asif bank build emojis --from FOLDER, or: asif bank list; did you mean 'emoji'?",
        "clipart": "; run: asif bank build clipart",
    }.items():
        with pytest.raises(BankError) as error:
            stored_count(name)
        assert str(error.value).endswith(advice)


def test_a_path_is_one_for_reading_and_for_writing(tmp_path, tmp_cache, monkeypatch, stamps_bank):
    """Only a plain name leads into the cache, unless a bank of that name is in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("./mine", "banks/mine", "../mine", "."):
        assert bank_dir(name).resolve() == (tmp_path / name).resolve()
    assert bank_dir(tmp_path / "mine") == tmp_path / "mine"
    assert bank_dir("mine") == tmp_cache / "banks" / "mine"
    stamps_bank.subset([0, 1]).save("mine")
    assert bank_dir("mine").resolve() == tmp_path / "mine"
    assert [bank_name(name) for name in ("mine", "./mine", "../w/mine", tmp_path / "mine")] == 4 * ["mine"]
