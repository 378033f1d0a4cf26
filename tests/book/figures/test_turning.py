"""The moving picture of a decision tells what the model computes, and keeps still where motion is unwanted."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from drawn_pages import check_committed

from asif_book.figures.method import (
    DRAWINGS,
    LABELS,
    SILHOUETTE,
    Turning,
    turning,
    turning_of_the_kangaroo,
    turning_svg,
)
from asif_lib import ASIF
from asif_lib.errors import ParameterError
from asif_lib.files import ROOT

FILE = ROOT / "notebooks" / "drawings" / "turning.svg"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def kangaroo(stamps_bank):
    return turning_of_the_kangaroo(stamps_bank)


@pytest.fixture(scope="module")
def committed():
    return FILE.read_text(encoding="utf-8")


def test_the_committed_picture_shows_the_numbers_of_the_model(kangaroo):
    check_committed("turning.svg", turning_svg(kangaroo))


def test_without_the_one_anchor_a_rebuilt_model_gives_the_other_answer(kangaroo, stamps_bank):
    captions, ids = stamps_bank.pairs["caption"].tolist(), stamps_bank.pairs["id"].tolist()
    row, anchor = ids.index(SILHOUETTE), captions.index(kangaroo.anchors[0][0])
    k = ASIF(stamps_bank.subset([i for i in range(len(ids)) if i != row]), device="cpu").k
    for gone, scores, answer in (({row}, kangaroo.before, "sheep"), ({row, anchor}, kangaroo.after, "kangaroo")):
        model = ASIF(stamps_bank.subset([i for i in range(len(ids)) if i not in gone]), k=k, device="cpu")
        found = model.classify(stamps_bank.image[row : row + 1], LABELS)
        assert found.best == [answer]
        assert scores == pytest.approx(found.scores[0].tolist(), abs=1e-6)
    assert kangaroo.answers == ("sheep", "kangaroo")


def test_the_products_and_the_rest_are_the_sums(kangaroo):
    for at, sums in ((1, kangaroo.before), (2, kangaroo.after)):
        for label in (0, 1):
            shown = sum(anchor[at][label] for anchor in kangaroo.anchors)
            assert shown + kangaroo.rest[at - 1][label] == pytest.approx(sums[label])
    assert kangaroo.anchors[0][2] == (0, 0)
    assert all(caption in DRAWINGS for caption, _, _ in kangaroo.anchors)


def test_a_decision_that_hangs_on_several_anchors_is_refused(stamps_bank):
    row = stamps_bank.pairs["id"].tolist().index("household/arttools/pencil2.png")
    model = ASIF(stamps_bank.subset([i for i in range(len(stamps_bank)) if i != row]), device="cpu")
    with pytest.raises(ParameterError, match="has 5 anchors; one is drawn"):
        turning(model, stamps_bank.image[row : row + 1], ["pencil", "rocket"])


def test_the_picture_is_small_and_moves_only_where_motion_is_wanted(committed):
    assert FILE.stat().st_size <= 200_000
    wanted = re.search(r"@media \(prefers-reduced-motion: no-preference\) \{\n.*?\n\}", committed, re.S)[0]
    assert "animation:" in wanted
    assert "animation" not in committed.replace(wanted, "")
    assert not re.search(r"<animate|<set|<script|https?://(?!www\.w3\.org/2000/svg)", committed)


def test_the_motion_runs_once_and_ends_on_both_sums(committed):
    assert set(re.findall(r"animation: \w+ ([^}]+) }", committed)) == {"5s forwards"}
    for name in re.findall(r"\.(first|without) { animation: (\w+)", committed.replace(".new, ", "")):
        assert re.search(rf"@keyframes {name[1]} .*100% {{ opacity: 1 }}", committed), name


def test_the_picture_is_well_formed_and_tells_itself_in_words():
    anchors = [("A <b> & “c”.", (0.0, 0.25), (0.0, 0.0)), ("A doe.", (0.125, 0.0), (0.2, 0.0))]
    root = ElementTree.fromstring(turning_svg(Turning(("doe", "<b>"), anchors, (0.2, 0.3), (0.25, 0.1), 9)))
    assert root.find(f"{SVG}title").text == "One anchor is ticked away, and the answer turns"
    told = root.find(f"{SVG}desc").text
    assert "A doe. doe 0.125, <b> 0.000." in told
    assert "doe 0.200 and <b> 0.300, so the answer is <b>." in told
    assert told.endswith("doe 0.250 and <b> 0.100, so the answer is doe.")
    assert root.get("aria-labelledby") == "title words"


def test_the_readme_shows_both_pictures_with_words():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("method.svg", "turning.svg"):
        file = f"notebooks/drawings/{name}"
        assert re.search(rf"!\[[^\]]{{40,}}\]\({file}\)|<img src=\"{file}\" alt=\"[^\"]{{40,}}\">", readme)
    assert readme.count("\n") <= 126
