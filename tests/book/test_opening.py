"""The opening of a chapter."""

import pytest

from asif_book.opening import open_chapter
from asif_lib.errors import ParameterError


def test_rows_of_the_bank_are_the_pairs_in_their_order(stamps_bank):
    image_encoder, text_encoder, pairs, bank = open_chapter("offline", "cpu")
    assert bank.pairs.id.tolist() == pairs.ids
    assert (bank.image_encoder, bank.text_encoder) == (image_encoder.identity, text_encoder.identity)


def test_an_unknown_profile_is_one_sentence():
    with pytest.raises(ParameterError, match="'ofline': the profiles are offline, hub"):
        open_chapter("ofline")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("open_chapter", "opening"),
        ("STAMP_CLASSES", "classes"),
        ("scoreboard", "measuring"),
        ("twins", "chapters.chapter_02.lessons"),
    ],
)
def test_an_old_copy_of_a_chapter_learns_where_its_helpers_are(name, place):
    with pytest.raises(ImportError, match=f"^{name} has moved: from asif_book.{place} import {name}$"):
        exec(f"from asif_book.lessons import {name}")
    exec(f"from asif_book.{place} import {name}")
