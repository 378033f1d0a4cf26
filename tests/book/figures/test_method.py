"""The committed drawings of the method, whole, in small and in motion, tell what the model computes."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from drawn_pages import check_committed

from asif_book.editions.building import editions
from asif_book.editions.outline import Chapter
from asif_book.figures import method
from asif_book.figures.method import PARTS, Meeting, Turning, meeting, method_svg, turning, turning_svg
from asif_lib import ASIF
from asif_lib.errors import ParameterError
from asif_lib.files import ROOT

TURNING = ROOT / "notebooks" / "drawings" / "turning.svg"
NUMBERS = Meeting([("A <b>.", 0.5, 0.25), ("A doe.", 0.4, 0.1), ("A deer.", 0.3, 0.0)], 4, 0.2, 3, 9)


@pytest.fixture(scope="module")
def kangaroo(stamps_bank):
    return method.meeting_of_the_kangaroo(stamps_bank)


@pytest.fixture(scope="module")
def in_small(stamps_bank):
    return method.meeting_of_the_kangaroo(stamps_bank, method.FEW)


@pytest.fixture(scope="module")
def turned(stamps_bank):
    return method.turning_of_the_kangaroo(stamps_bank)


@pytest.fixture(scope="module")
def committed():
    return TURNING.read_text(encoding="utf-8")


def test_the_committed_pictures_show_the_numbers_of_the_model(kangaroo, turned):
    check_committed("method.svg", method_svg(kangaroo))
    check_committed("method_upright.svg", method_svg(kangaroo, upright=True))
    check_committed("turning.svg", turning_svg(turned))


@pytest.mark.parametrize("chapter", PARTS)
def test_the_committed_part_of_a_chapter_shows_the_numbers_of_the_model(chapter, in_small):
    check_committed(f"method_{chapter}.svg", method_svg(in_small, chapter=chapter))
    check_committed(f"method_{chapter}_upright.svg", method_svg(in_small, upright=True, chapter=chapter))


def test_the_products_and_the_rest_are_the_score(kangaroo, stamps, stamps_bank):
    assert sum(a * b for _, a, b in kangaroo.anchors) + kangaroo.rest == pytest.approx(kangaroo.score)
    row = stamps_bank.pairs["id"].tolist().index("animals/marsupials/kangaroo.png")
    model = ASIF(stamps_bank.subset(stamps.splits["train"] + stamps.splits["validation"]), device="cpu")
    answer = model.classify(stamps_bank.image[row : row + 1], ["kangaroo"])
    assert kangaroo.score == pytest.approx(float(answer.scores), abs=1e-6)
    assert "A red kangaroo." not in {caption for caption, _, _ in kangaroo.anchors}  # it is held out


def test_anchors_of_one_side_alone_count_nothing_and_are_shown_as_such(stamps_bank):
    found = meeting(ASIF(stamps_bank, device="cpu"), stamps_bank.image[:1], stamps_bank.text[5:6], shown=3)
    *both, picture_only, text_only = found.anchors
    assert all(a > 0 and b > 0 for _, a, b in both)
    assert picture_only[1] > 0 == picture_only[2] and text_only[2] > 0 == text_only[1]


def test_the_picture_is_well_formed_and_tells_itself_in_words():
    numbers = Meeting([("A <b> & “c”.", 0.5, 0.25), ("A doe.", 0.5, 0.0), ("A deer.", 0.0, 0.5)], 2, 0.2, 3, 9)
    root = ElementTree.fromstring(method_svg(numbers, "a photo"))
    told = root.find("{*}desc").text
    assert "product 0.125" in told and "A doe. Picture 0.500, text 0.000, kept by one side only" in told
    assert "add up to the score, 0.200" in told
    assert torch.isclose(torch.tensor(numbers.rest), torch.tensor(0.075))


def test_with_the_photographs_it_tells_the_same_numbers(kangaroo, stamps_bank):
    html = method.method_picture(method.as_in_chapter_00(stamps_bank)).data
    svg = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()
    assert len(re.findall(r'<image [^>]*href="data:image/jpeg;base64,', svg)) == 1 + len(kangaroo.anchors)
    words = lambda text: [element.text for element in ElementTree.fromstring(text).iter("{*}text")]  # noqa: E731
    assert words(svg) == words(method_svg(kangaroo))
    assert "A giraffe. Picture" in re.search(r'alt="([^"]+)"', html)[1]


# In small


def test_each_chapter_lights_its_own_steps():
    sources = (ROOT / "notebooks" / "source").glob("0[1-9]_*.py")
    steps = {source.stem[:2]: Chapter.of(source.stem, editions(source)[0]).steps for source in sources}
    assert {chapter: lit for chapter, (lit, _) in PARTS.items()} == steps
    faint = [method_svg(NUMBERS, chapter=chapter).count("opacity") for chapter in PARTS]
    parts = method_svg(NUMBERS, chapter="01").count("<g>") + faint[0]
    assert all(0 < count < parts for count in faint)


def test_a_removed_anchor_is_struck_and_adds_nothing():
    root = ElementTree.fromstring(method_svg(NUMBERS, chapter="07"))
    struck = [text.text for text in root.findall(".//{*}text") if text.get("class") == "struck"]
    assert struck == ["A <b>."]
    said = " ".join(root.itertext())
    assert "the score" not in said.replace("up to the score", "") and "0.125" not in said
    assert "0.125 + 0.040 + 0.035 of 2 more anchors = 0.200, the score" in method_svg(NUMBERS, chapter="05")


# In motion


def test_without_the_one_anchor_a_rebuilt_model_gives_the_other_answer(turned, stamps_bank):
    captions, ids = stamps_bank.pairs["caption"].tolist(), stamps_bank.pairs["id"].tolist()
    row, anchor = ids.index(method.SILHOUETTE), captions.index(turned.anchors[0][0])
    k = ASIF(stamps_bank.subset([i for i in range(len(ids)) if i != row]), device="cpu").k
    for gone, scores, answer in (({row}, turned.before, "sheep"), ({row, anchor}, turned.after, "kangaroo")):
        model = ASIF(stamps_bank.subset([i for i in range(len(ids)) if i not in gone]), k=k, device="cpu")
        found = model.classify(stamps_bank.image[row : row + 1], method.LABELS)
        assert found.best == [answer]
        assert scores == pytest.approx(found.scores[0].tolist(), abs=1e-6)
    assert turned.answers == ("sheep", "kangaroo")


def test_the_products_and_the_rest_are_the_sums(turned):
    for at, sums in ((1, turned.before), (2, turned.after)):
        for label in (0, 1):
            shown = sum(anchor[at][label] for anchor in turned.anchors)
            assert shown + turned.rest[at - 1][label] == pytest.approx(sums[label])
    assert turned.anchors[0][2] == (0, 0)
    assert all(caption in method.DRAWINGS for caption, _, _ in turned.anchors)


def test_a_decision_that_hangs_on_several_anchors_is_refused(stamps_bank):
    row = stamps_bank.pairs["id"].tolist().index("household/arttools/pencil2.png")
    model = ASIF(stamps_bank.subset([i for i in range(len(stamps_bank)) if i != row]), device="cpu")
    with pytest.raises(ParameterError, match="has 5 anchors; one is drawn"):
        turning(model, stamps_bank.image[row : row + 1], ["pencil", "rocket"])


def test_the_picture_is_small_and_moves_only_where_motion_is_wanted(committed):
    assert TURNING.stat().st_size <= 200_000
    wanted = re.search(r"@media \(prefers-reduced-motion: no-preference\) \{\n.*?\n\}", committed, re.S)[0]
    assert "animation:" in wanted
    assert "animation" not in committed.replace(wanted, "")
    assert not re.search(r"<animate|<set|<script|https?://(?!www\.w3\.org/2000/svg)", committed)


def test_the_motion_loops_and_holds_both_sums(committed):
    assert set(re.findall(r"animation: \w+ ([^}]+) }", committed)) == {"10s infinite"}
    assert ".without { animation: come" in committed and ".first {" not in committed  # the first sums never leave
    assert re.search(r"@keyframes come .* 38%, 92% { opacity: 1 }", committed)


def test_the_moving_picture_is_well_formed_and_tells_itself_in_words():
    anchors = [("A <b> & “c”.", (0.0, 0.25), (0.0, 0.0)), ("A doe.", (0.125, 0.0), (0.2, 0.0))]
    root = ElementTree.fromstring(turning_svg(Turning(("doe", "<b>"), anchors, (0.2, 0.3), (0.25, 0.1), 9)))
    assert root.find("{*}title").text == "One anchor is ticked away, and the answer turns"
    told = root.find("{*}desc").text
    assert "A doe. doe 0.125, <b> 0.000." in told
    assert "doe 0.200 and <b> 0.300, so the answer is <b>." in told
    assert told.endswith("doe 0.250 and <b> 0.100, so the answer is doe.")
    assert root.get("aria-labelledby") == "title words"


def test_the_readme_shows_both_pictures_with_words():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("method.svg", "turning.svg"):
        file = f"notebooks/drawings/{name}"
        assert re.search(rf"!\[[^\]]{{40,}}\]\({file}\)|<img src=\"{file}\" alt=\"[^\"]{{40,}}\">", readme)
    assert readme.count("\n") <= 128
