"""The stamps' captions in other languages: each stamp stays in its split, and a missing translation is named."""

import warnings

import pytest

from asif_lib import load_pairs
from asif_lib.datasets.captions import read_translations
from asif_lib.errors import DataError

LION = "animals/mammals/cats/lion.png"


@pytest.mark.parametrize(("language", "caption"), [("de", "Ein Löwe."), ("ja", "ライオン")])
def test_a_stamp_has_its_own_caption_and_split_in_each_language(stamps, language, caption):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        pairs = load_pairs("stamps", language=language, progress=False)
    assert pairs.captions[pairs.ids.index(LION)] == caption
    assert len(pairs) == {"de": 779, "ja": 793}[language] == len(set(pairs.ids))
    for split, positions in stamps.splits.items():
        english = [stamps.ids[i] for i in positions if stamps.ids[i] in pairs.ids]
        assert [pairs.ids[i] for i in pairs.splits[split]] == english
    assert all(picture.as_posix().endswith(i) for i, picture in zip(pairs.ids, pairs.pictures, strict=True))
    missing = [i for i in stamps.ids if i not in pairs.ids]
    left_out = f"stamps: {len(missing)} of 793 have no caption in {language!r}, and are left out: "
    assert [str(one.message).startswith(left_out + "".join(missing[:1])) for one in told] == [True] * (len(missing) > 0)
    assert (pairs.name, pairs.licence) == (f"stamps-{language}", "GPL-2")


@pytest.mark.parametrize(
    ("name", "language", "sentence"),
    [
        ("stamps", "zh", r"stamps: has no captions in 'zh'; did you mean zh_CN or zh_TW\?"),
        ("stamps", "xx", "stamps: has no captions in 'xx'; the languages: .*, de, .*, en, "),
        ("stamps", "oc", r"only 24 captions in 'oc' \(train 16, validation 6, test 2\); .* with 20 in each split"),
        (".", "de", "its captions are in one language; leave out the language, or take the stamps"),
    ],
)
def test_a_language_that_is_not_there_or_too_small_is_refused(name, language, sentence):
    with pytest.raises(DataError, match=sentence):
        load_pairs(name, language=language, progress=False)


def test_a_damaged_file_of_translations_is_named_with_its_place(tmp_path):
    file = tmp_path / "beaver.txt"
    for content, sentence in (
        (b"A beaver.\nde.utf8=Ein B\xe4r.\n", r"byte 23 is not UTF-8; get the data set again"),
        (b"", r"line 1 \(''\) is not a caption"),
        (b"A beaver.\n\nde.utf8=Ein Biber.\n", r"line 2 \(''\) is not a caption of one more language"),
        (b"A beaver.\nde.utf8= \n", r"line 2 \('de.utf8= '\) is not"),
        (b"A beaver.\nde.utf8=Ein Biber.\nde.utf8=Biber.\n", r"line 3 \('de.utf8=Biber.'\) is not .* one more"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=f"beaver.txt: is damaged: {sentence}"):
            read_translations(file)
    file.write_bytes(b"A beaver. \nar.utf8= \xd9\x82\xd9\x86\xd8\xaf\xd8\xb3 \n")
    assert read_translations(file) == {"en": "A beaver.", "ar": "قندس"}
