"""The page of a bank: in a real browser it decides as the library does, and every way to take an anchor out agrees."""

import functools
import gzip
import random
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from drawn_pages import DESKTOP, opened, opened_page
from fontTools.ttLib import TTFont
from pages import barriers
from PIL import Image

from asif_book.page import beside, building, fonts
from asif_book.page.building import bank_page, captions_by_language
from asif_book.report.book import _index, walk_the_bank
from asif_lib import ASIF, AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.cli import main
from asif_lib.datasets.captions import read_translations
from asif_lib.datasets.providers import dataset_dir
from asif_lib.encoders.pictures import open_picture
from asif_lib.errors import BankError, DataError, EncoderError
from asif_lib.explain.counterfactual import without
from asif_lib.explain.out_of_distribution import own_coverage

HAS_RUNTIME = dataset_dir("onnxruntime_web").exists()
needs_runtime = pytest.mark.skipif(not HAS_RUNTIME, reason="no ONNX Runtime for browsers: asif data onnxruntime_web")
PROGRAMS = "onnxruntime_web", "tokenizers_web"
needs_programs = pytest.mark.skipif(
    not all(dataset_dir(name).exists() for name in PROGRAMS), reason=f"asif data {' '.join(PROGRAMS)}"
)
SENTENCES = (
    "a cat", "a fish", "two dogs in the snow", "something red that one can eat", "Café au lait", "a horse and a rider",
    "a musical instrument with strings", "an old ship at sea", "a very small bird", "3 apples & a pear", "an insect",
)  # fmt: skip

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module", autouse=True)
def packed_once():
    """Encoders and fonts are packed for the first page, and kept for the next."""
    subset = functools.cache(fonts.subset_font)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_packed", "_packed_model"):
            patch.setattr(beside, name, functools.cache(getattr(beside, name)))
        patch.setattr(fonts, "subset_font", lambda file, characters: subset(file, frozenset(characters)))
        yield


@pytest.fixture(scope="module")
def about(stamps_bank, tmp_path_factory):
    """What is said of the page of the stamps, with its ``page``; it has 40 questions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "QUESTIONS", 40)
        file = tmp_path_factory.mktemp("walk") / "bank.html"
        return bank_page(stamps_bank, file, home="index.html", own=HAS_RUNTIME)


@pytest.fixture(scope="module")
def made(about):
    return Path(about["page"])


AS_OPENED = """() => {
    trouble();
    scrollTo(0, 0);
    for (const id of ["own-says", "teach-says"]) find(id).textContent = "";
    return update({ ...fresh(0), own: null, k: bank.k, p: bank.p, game: null, language: "" }, { again: true });
}"""


def complaints(tab):
    """What a page complained of; its encoders are blobs, and no network."""
    return [one for one in tab.complaints if not one.startswith("blob:")]


@pytest.fixture(scope="module")
def desk(browser, made):
    tab = opened_page(browser, made)
    yield tab
    tab.context.close()


@pytest.fixture
def tab(desk):
    """The page on a desk as it opens, though a test before may have loaded its encoders; nothing must complain."""
    desk.bring_to_front()  # a page behind another may get no frames, and waits for good
    desk.mouse.move(0, 0)
    desk.evaluate(AS_OPENED)
    yield desk
    assert complaints(desk) == []


@pytest.fixture
def fresh_tab(browser, made):
    """The page on a desk, for a test that changes more of it than its state."""
    tab = opened_page(browser, made)
    yield tab
    assert complaints(tab) == []
    tab.context.close()


def test_a_picture_of_the_bank_is_asked_without_its_own_pair(tab, about, stamps_bank, text_encoder):
    """`test_teach.py` has the other settings."""
    questions, words = tab.evaluate("[bank.questions, bank.words]")
    prompts = text_encoder.encode([f"a photo of {word}." for word in words])
    page = torch.tensor(tab.evaluate("bank.questions.map((_, i) => answer({ ...state, ...fresh(i) }).scores)"))
    model, stated = ASIF(stamps_bank, device="cpu"), about["difference"]
    for (row, pair), scores in zip([(one["row"], one["pair"]) for one in questions], page, strict=True):
        library = without(model, stamps_bank.image[[row]], prompts[pair], [row]).scores[0]
        assert (scores - library).abs().max() <= stated + 1e-6 < 0.01
    told = tab.locator(".about").text_content()
    assert f"at most {stated:.4f} in {about['tries']} tries" in told


def settled(tab):
    tab.wait_for_function("moving === null")


def says(tab):
    return tab.locator("#says").text_content()


def test_the_page_opens_with_the_kangaroo_and_the_lamb_and_the_list_says_the_same(tab):
    assert says(tab).startswith("The model says “a sheep”.") and "lamb" in tab.locator("#looked").text_content()
    sums = tab.locator(".sum b")
    assert tab.locator("#list tfoot tr").last.locator("td").all_text_contents() == sums.all_text_contents()
    x, y = tab.evaluate("(({x, y}) => [x, y])(map.dots[104])")
    tab.locator("#map").click(position={"x": x, "y": y})
    settled(tab)
    assert "Without “A baby sheep (a lamb).”, the answer turns to “a kangaroo”." in says(tab)
    assert tab.locator(".pan.best input").input_value() == "a kangaroo" and tab.locator("#list tr.struck").count() == 1
    assert tab.locator("#list tfoot tr").last.locator("td").all_text_contents() == sums.all_text_contents()
    tab.locator("#list").get_by_role("checkbox").first.focus()  # the loudest of all
    tab.keyboard.press("Space")
    assert tab.locator(".pan.best input").input_value() == "a sheep"
    tab.keyboard.press("Space")
    settled(tab)
    tab.get_by_role("button", name="Put all back").click()
    assert tab.locator("#list tr.struck").count() == 0


# The seesaw


def test_a_slab_is_as_high_as_its_product_and_the_rest_is_one_with_a_number(tab):
    heights = """beam.pans.map(({ slabs, rest }, i) => [now.scores[i], rest.getBoundingClientRect().height,
        [...slabs].map(([a, slab]) => [now.products[i][a], slab.getBoundingClientRect().height])])"""
    for number in (0, 5, 20):
        tab.evaluate("(number) => update(fresh(number), { again: true })", number)
        drawn = tab.evaluate(heights)
        unit = max(height / product for _, _, slabs in drawn for product, height in slabs)
        for score, rest, slabs in drawn:
            assert all(height == pytest.approx(unit * product, abs=0.1) for product, height in slabs)
            assert rest + sum(height for _, height in slabs) == pytest.approx(unit * score, abs=0.3)
    line = tab.evaluate("parseFloat(beam.pans[0].stack.style.getPropertyValue('--tick'))")
    assert line == pytest.approx(unit * float(tab.locator("#ruler").text_content().split()[3].rstrip(".")), abs=0.1)


def test_a_slab_and_a_disc_light_each_other_and_write_the_product(tab):
    tab.locator(".slab", has_text="A red kangaroo.").hover()
    assert tab.evaluate("map.lit") == 149 and tab.locator("#looked .times").text_content() == "0.143 × 0.825 = 0.118"
    x, y = tab.evaluate("(({x, y}) => [x, y])(map.dots[103])")
    tab.locator("#map").hover(position={"x": x, "y": y})
    assert tab.locator(".slab.lit bdi").all_text_contents() == ["A sheep."]
    tab.get_by_role("button", name="a kangaroo", exact=True).click()
    assert tab.evaluate("[map.dots[149].kind, map.dots[103].kind]") == ["speaks", "picture"]


FRAMES = """async (anchor) => {
    const second = find("second"), frames = [], slabs = () => [...second.querySelectorAll(".slab:not([aria-hidden])")];
    const see = () => frames.push([
        slabs().length, second.querySelector(".sum b").textContent, slabs().map((slab) => slab.style.height).join(),
        find("scales").style.getPropertyValue("--lean"), find("says").textContent,
    ]);
    see();
    toggle(anchor);
    while (moving) { await new Promise(requestAnimationFrame); see(); }
    return frames;
}"""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_removal_is_shown_step_by_step_and_the_verdict_is_the_last(browser, made, motion):
    tab = opened(browser, made, reduced_motion=motion)
    tab.wait_for_function("typeof now !== 'undefined' && now !== null && moving === null")
    pairs = [list(pairwise(column)) for column in zip(*tab.evaluate(FRAMES, 104), strict=True)]
    slab, total, heights, lean, verdict = ([i for i, (one, other) in enumerate(each) if one != other] for each in pairs)
    assert slab[0] < total[0] < heights[-1] < lean[0] < verdict[0] and len(verdict) == len(lean) == 1
    assert tab.evaluate("Object.values(STEPS).reduce((sum, time) => sum + time)") <= 1300
    assert (len(total) == 2) == (motion == "reduce")  # still steps; else the numbers roll
    assert tab.locator(".note").last.text_content().startswith("scaled again, × 1.2") and tab.complaints == []


def test_another_change_ends_a_removal(tab):
    tab.evaluate("toggle(104), update(fresh(2), { again: true })")
    tab.wait_for_timeout(1300)
    assert tab.evaluate("[state.question, moving]") == [2, None] and says(tab).startswith("The model says")


def test_the_first_tap_of_a_finger_inspects_and_the_second_takes_out(browser, made):
    tab = opened_page(browser, made, PHONE, has_touch=True)
    for slab in ("A red kangaroo.", "A baby sheep"):
        tab.locator(".slab", has_text=slab).tap()
        assert slab in tab.locator("#looked").text_content() and tab.evaluate("state.gone.size") == 0
    tab.locator(".slab", has_text="A baby sheep").tap()
    tab.evaluate("for (const _ of [1, 2]) find('second').querySelector('.slab').click()")  # while the first goes out
    settled(tab)
    assert tab.evaluate("[...state.gone]") == [104]
    tab.evaluate("update(fresh(0), { again: true })")
    tab.locator(".slab", has_text="A baby sheep").tap()  # it is inspected from the start, and the page says: tap it
    assert tab.evaluate("[...state.gone]") == [104] and tab.complaints == []


def test_the_first_sentence_is_five_stops_away_at_most_and_slabs_are_pressed(fresh_tab):
    tab = fresh_tab
    stops = []
    while "first-word" not in stops:
        tab.keyboard.press("Tab")
        stops.append(tab.evaluate("document.activeElement.id"))
        assert len(stops) <= 5
    tab.keyboard.press("Tab")
    assert tab.evaluate("beam.looked.a") == 149
    tab.keyboard.press("Tab")  # from the largest slab to the next
    assert tab.evaluate("document.activeElement.matches('.slab.lit') && beam.looked.a") == 16
    tab.keyboard.press("Enter")
    settled(tab)
    assert tab.evaluate("[...state.gone, document.activeElement.matches('#first .slab')]") == [16, True]


def test_names_on_the_map_cover_no_disc(tab):
    covered = """() => {
        const { pen } = map, names = [];
        pen.fillText = (text, x, y) => {
            if (pen.font.includes("600")) names.push([x, y, pen.measureText(text).width / 2]);
        };
        map.draw();
        delete pen.fillText;
        const under = ({ x, y, r }) => names.some(([at, line, half]) =>
            Math.abs(x - at) < half + r && y + r > line - 11 && y - r < line + 2);
        return [names.length, map.dots.filter((dot) => dot.light > 0.5 && under(dot)).length];
    }"""
    found = []
    for number in range(0, 40, 3):
        tab.evaluate("(number) => update(fresh(number), { again: true })", number)
        found.append(tab.evaluate(covered))
    assert sum(names for names, _ in found) > 10 and all(over == 0 for _, over in found)


# Puzzles


def test_a_puzzle_hides_sizes_counts_tries_and_shows_the_one_on_request(tab):
    tab.get_by_role("button", name="Which one turns it?").click()
    tab.wait_for_function("state.game")
    assert "One anchor alone turns it." in says(tab)
    labels, turning = tab.evaluate("[[0, 1].map(wordOf), state.game.found[0]]")
    captions = tab.evaluate("bank.captions.filter((_, a) => a !== bank.questions[state.question].row)")
    assert not {label.lower() for label in labels} & {caption.lower().rstrip(".!") for caption in captions}
    assert len(set(tab.eval_on_selector_all(".slab", "all => all.map((one) => one.offsetHeight)"))) == 1
    numbers = [*tab.locator(".slab .number").all_text_contents(), *tab.locator(".note").all_text_contents()]
    assert not any(numbers) and not tab.locator(".sum b").first.is_visible() and not tab.locator("#list").is_visible()
    tab.evaluate("toggle(bank.captions.findIndex((_, a) => !now.image.entries[a]))")
    assert "It goes back when you try another" in says(tab)
    tab.evaluate("(anchor) => toggle(anchor)", turning)
    assert says(tab).startswith("Found in 2 tries!") and tab.evaluate("state.gone.size") == 1
    assert tab.locator(".sum b").first.is_visible() and tab.locator("#list").is_visible()
    tab.get_by_role("button", name="Which one turns it?").click()
    tab.wait_for_function("blind()")
    tab.get_by_role("button", name="Show me").click()
    settled(tab)
    assert says(tab).startswith("Here it is.")


def test_the_fewest_are_more_than_one_and_turn_it(tab):
    tab.get_by_role("button", name="Turn it with the fewest").click()
    tab.wait_for_function("state.game", timeout=60_000)
    assert (least := tab.evaluate("state.game.least")) > 1
    for anchor in tab.evaluate("state.game.found"):
        assert tab.evaluate("state.game.done") is False
        tab.evaluate("(anchor) => toggle(anchor)", anchor)
    assert says(tab).startswith(f"Turned! A greedy search needs {least}.")


RIGHT = """(word) => bank.questions.some(({ pair }, i) =>
    bank.words[pair[0]] === word && answer({ ...state, ...fresh(i) }).best === 0)"""


def test_one_of_three_answers_is_wrong_and_one_anchor_says_why(fresh_tab):
    tab = fresh_tab
    tab.evaluate("bank.questions.forEach((each) => { each.right = true; })")  # with other anchors it may be another
    tab.get_by_role("button", name="Which answer is wrong?").click()
    tab.wait_for_function("find('three').children.length === 3", timeout=60_000)
    for place in range(3):
        tab.locator("#three button").nth(place).click()
        if tab.evaluate("state.game !== null"):
            break
        assert "Look again." in says(tab)
        assert tab.evaluate(RIGHT, says(tab).split("“")[1].split("”")[0]), says(tab)
    assert "That is wrong. Why?" in says(tab) and tab.evaluate("wordOf(now.best)") in says(tab)
    tab.evaluate("toggle(state.game.found[0])")
    own = tab.evaluate("bank.words[bank.questions[state.question].pair[0]]")
    assert says(tab).startswith("Found at the first try!") and says(tab).endswith(f"turns to “{own}”.")


# The address


def test_the_address_keeps_the_state(browser, made, tab):
    tab.evaluate("update({ ...fresh(3), k: 30, p: 4, gone: new Set([7, 500]) }, { again: true })")
    there = "[state.question, state.words, state.k, state.p, [...state.gone], now.scores]"
    kept, address = tab.evaluate(there), tab.evaluate("location.hash")
    other = opened_page(browser, made, ending=f"{address}&language=he")
    assert other.evaluate(there) == kept
    assert other.locator("#language option:checked").text_content() == "Hebrew (עברית)"


def test_the_address_of_an_own_picture_has_its_numbers_and_never_the_photograph(browser, made, tab):
    tab.evaluate("""() => {
        const z = halves(bank.embeddings[0]).slice(0, bank.dimensions[0]);
        update({ question: -1, own: { z, src: bank.large[0], word: "my mug" }, gone: new Set([104]) }, { again: true });
    }""")
    there = "[state.question, state.words, state.own.word, [...state.gone]]"
    kept, scores, address = tab.evaluate(there), tab.evaluate("now.scores"), tab.evaluate("location.hash")
    assert 1700 < len(address) < 2000 and "webp" not in address
    tab.get_by_role("button", name="Which one turns it?").click()
    tab.wait_for_function("state.game || !find('trouble').hidden", timeout=60_000)
    assert tab.evaluate("state.question") == -1  # the picture stays
    other = opened_page(browser, made, ending=address)
    assert other.evaluate(there) == kept and other.evaluate("now.scores") == pytest.approx(scores, abs=0.01)
    assert "Only the numbers of this picture were sent" in other.locator("#picture").get_attribute("alt")
    assert other.complaints == []


def test_the_page_is_saved_as_a_picture(tab, tmp_path):
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Save as picture").click()
    saved.value.save_as(tmp_path / "saved.png")
    picture = Image.open(tmp_path / "saved.png").convert("RGB")
    assert picture.size == (1200, 630) and len(picture.getcolors(10**6)) > 1000


def test_a_decision_takes_20_ms_and_the_map_draws_50_frames_a_second(tab):
    times = tab.evaluate("""() => {
        const timed = (run) => Array.from({ length: 41 }, (_, i) => {
            const start = performance.now();
            run(i);
            return performance.now() - start;
        }).sort((one, other) => one - other)[20];
        return [timed((i) => answer({ ...state, gone: new Set([i]) })), timed(() => map.draw())];
    }""")
    assert times[0] < 20 and times[1] < 20


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        ("#k=abc", "k = “abc”"), ("#k=0&p=2", "whole number from 1 to 792"), ("#p=NaN", "p = “NaN”"),
        ("#out=1,,x", "list of anchors"), ("#picture=99999", "picture here"), ("#bank=beef&k=3", "another bank"),
        ("#a=<b>x</b>&b=<b>x</b>", "no two sentences"), ("#a=<b>x</b>&b=%E0%A4%A", "“<b>x</b>” is not on the list"),
        ("#language=constructor", "language = “constructor”"),
        ("#own=AAAA", "picture’s embedding"), (f"#own={'A' * 1712}", "picture’s embedding"),
    ],
)  # fmt: skip
def test_a_damaged_address_gets_words_and_the_page_goes_on(tab, made, ending, word):
    tab.goto(made.as_uri() + ending)
    assert word in tab.get_by_role("alert").text_content() and says(tab).startswith("The model says")


def test_words_off_the_list_and_an_empty_bank_get_a_sentence(tab):
    field, alert = tab.get_by_label("a photo of …").first, tab.get_by_role("alert")
    field.fill("a quantum dingo")
    field.press("Enter")
    assert "“a quantum dingo” is not on the list of" in alert.text_content()
    assert field.input_value() == tab.evaluate("bank.words[state.words[0]]")  # whose score still stands there
    field.fill("A Zebra")
    field.press("Enter")
    assert not alert.is_visible() and tab.evaluate("bank.words[state.words[0]]") == "a zebra"
    tab.locator("#second-word").fill("a zebra")
    tab.locator("#second-word").press("Enter")
    assert "Both sentences would be the same" in alert.text_content()
    tab.evaluate("update({ gone: new Set([...bank.captions.keys()].filter((a) => a !== bank.questions[0].row)) })")
    assert "All anchors are out" in tab.locator("#says").text_content()
    assert set(tab.locator(".sum b").all_text_contents()) == {"0.000"}
    tab.evaluate("update({ question: 0, gone: new Set([...bank.captions.keys()].filter((a) => a >= 50)) })")
    assert "Only 50 anchors are left, so k is 50." in tab.locator("#says").text_content()


SCREENS = (DESKTOP | {"height": 720}, "light"), (PHONE, "dark"), ({"width": 640, "height": 360}, "light")
"""The last is the first at 200 %."""
TOWER = "beam.pans.every((p) => noteOf(p).getBoundingClientRect().top <= p.rest.firstChild.getBoundingClientRect().top)"


@pytest.mark.parametrize(("viewport", "scheme"), SCREENS)
def test_every_screen_fits_and_is_free_of_barriers_in_another_language_and_in_the_list_of_words(
    browser, made, viewport, scheme
):
    def fits():
        wide = tab.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        return wide and tab.evaluate(TOWER) and barriers(tab) == {}

    tab = opened_page(browser, made, viewport, color_scheme=scheme)
    bottom = "all => Math.max(...all.map(one => one.getBoundingClientRect().bottom))"
    assert tab.eval_on_selector_all("#picture, .pan input, .stack, .bar", bottom) <= viewport["height"]
    assert tab.evaluate(TOWER)
    tab.evaluate("toggle(bank.questions[0].turns[0])")
    smallest = "all => Math.min(...all.map(one => parseFloat(getComputedStyle(one).fontSize)))"
    assert fits() and tab.eval_on_selector_all("main *", smallest) >= 12
    row = tab.eval_on_selector("#list tbody tr", "row => getComputedStyle(row).display")
    assert row == ("grid" if viewport == PHONE else "table-row")

    before = tab.evaluate("now.scores")
    tab.get_by_label("Captions in").select_option("ar")
    assert tab.evaluate("now.scores") == before and tab.evaluate("location.hash").endswith("&language=ar")
    lion, dingo = (f"bank.captions.indexOf('A {animal}.')" for animal in ("lion", "dingo"))
    tab.evaluate(f"update({{ gone: new Set([{lion}, {dingo}].filter((a) => a !== bank.questions[0].row)) }})")
    found = "all => all.map((e) => [e.textContent, e.lang, getComputedStyle(e).direction])"
    rows = tab.eval_on_selector_all("#list .anchor [dir]", found)
    assert ["أسد.", "ar", "rtl"] in rows and ["A dingo. (not translated)", "", "ltr"] in rows
    assert tab.locator(".slab bdi[lang=ar]").count() > 0
    assert tab.locator("#hidden-caption bdi").get_attribute("lang") == "ar"

    tab.get_by_text("All words").click()
    tab.get_by_label("Search").fill("GUITAR")
    assert re.fullmatch(r"\d of 603 words", tab.locator("#word-count").text_content())
    tab.locator("#word-list").select_option("a guitar")
    tab.get_by_role("button", name="second").click()
    assert tab.locator("#second-word").input_value() == "a guitar" and fits() and tab.complaints == []
    tab.set_viewport_size({"width": viewport["height"], "height": viewport["width"]})
    tab.wait_for_function(TOWER)
    tab.context.close()


def test_without_scripts_the_page_says_so(browser, made):
    tab = opened_page(browser, made, java_script_enabled=False)
    assert tab.locator("noscript p").is_visible() and not tab.locator("#stage").is_visible()


# Captions in another language


def test_only_a_stamp_has_translations(stamps_bank):
    three = stamps_bank.subset([0, 1, 2])
    found = captions_by_language(three.replace(pairs=three.pairs.assign(caption=["Ein Frosch.", "Mine.", "A bug."])))
    assert found["fr"][:2] == ["Une grenouille.", ""]  # what has its id, and not its caption, is another picture
    assert captions_by_language(small()) == {}


# A reader's own picture


def said(tab, picture):
    tab.evaluate("find('own-says').textContent = ''")
    tab.set_input_files("#file", picture)
    tab.wait_for_function("/fits best|No answer/.test(find('own-says').textContent)")
    return tab.locator("#own-says").text_content()


@needs_runtime
def test_an_own_picture_is_encoded_as_the_library_does(tab, image_encoder, stamps_bank, tmp_path):
    pictures = stamps_bank.pairs["picture"].tolist()[::80]
    for i, size in enumerate([(300, 200), (37, 251), (1200, 900), (224, 224), (2, 90)]):
        noise = Image.effect_noise((9, 7), 90).resize(size, Image.Resampling.BICUBIC)
        Image.merge("RGB", [noise, noise.rotate(180), noise]).save(tmp_path / f"{i}.jpg")
        pictures.append(str(tmp_path / f"{i}.jpg"))
    embeddings, best = [], []
    for picture in pictures:
        best.append(said(tab, picture).split("“")[1].split("”")[0])
        embeddings.append(tab.evaluate("embed(find('file').files[0]).then((z) => [...z].map((v) => v / bank.scale))"))
    library = image_encoder.encode(pictures)
    assert torch.cosine_similarity(torch.tensor(embeddings), library).min() > 0.999
    words = tab.evaluate("bank.words")
    model = ASIF(stamps_bank, whiten=0.8, device="cpu")  # for an own picture
    labels = model.classify(library, words, templates=["a photo of {}."]).best
    assert sum(page == label for page, label in zip(best, labels, strict=True)) >= 0.95 * len(labels)


@needs_runtime
def test_a_picture_is_turned_as_the_library_turns_it(tab, tmp_path):
    """Chromium turns no WebP."""
    noise = Image.effect_noise((8, 5), 90).resize((48, 30), Image.Resampling.NEAREST)
    turned = """upright(find('file').files[0]).then(createImageBitmap).then((bitmap) => {
        const { width, height } = bitmap, pen = element("canvas", { width, height }).getContext("2d");
        pen.drawImage(bitmap, 0, 0);
        return [height, width, [...pen.getImageData(0, 0, width, height).data]];
    })"""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = orientation, "a maker"
        for kind in ("webp", "png"):
            file = tmp_path / f"{orientation}.{kind}"
            noise.convert("RGB").save(file, exif=exif, lossless=True)
            said(tab, file)
            height, width, pixels = tab.evaluate(turned)
            library = np.asarray(open_picture(file))
            assert np.array_equal(np.reshape(pixels, (height, width, 4))[:, :, :3], library), (orientation, kind)
    damaged = file.with_name("damaged.webp")
    damaged.write_bytes(file.with_suffix(".webp").read_bytes().replace(b"II*\0\x08\0", b"II*\0\xff\xff"))
    assert "fits best" in said(tab, damaged)


@needs_runtime
@pytest.mark.parametrize(
    ("lacking", "word"),
    [("WebAssembly", "WebAssembly is switched off"), ("DecompressionStream", "too old to unpack it")],
)
def test_a_browser_that_cannot_encode_says_so_and_the_rest_works(browser, made, red_ball, lacking, word):
    tab = opened_page(browser, made)
    tab.evaluate(f"delete globalThis.{lacking}")
    assert word in said(tab, red_ball)
    tab.evaluate("toggle(bank.questions[0].turns[0])")
    assert "the answer turns to" in tab.locator("#says").text_content()


@needs_runtime
def test_pictures_that_cannot_be_asked_get_a_sentence(tab, tmp_path, red_ball):
    noise = Image.effect_noise((90, 60), 90).convert("RGB")
    said(tab, red_ball)
    before = tab.evaluate("[state.own.z, state.words]")
    noise.save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    (tmp_path / "empty.png").touch()
    (tmp_path / "hidden.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>own = null</script></svg>")
    Image.new("L", (1, 30)).save(tmp_path / "line.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    Image.new("RGBA", (50, 50)).save(tmp_path / "clear.png")
    for file, word in {
        "cut.jpg": "“cut.jpg” is broken", "empty.png": "“empty.png” is empty", "hidden.png": "is a drawing in SVG",
        "line.png": "has 1 × 30 pixels; choose a picture of at least 2 × 2",
        "huge.png": "has 20000 × 20000 pixels; choose one of at most", "clear.png": "is wholly transparent",
    }.items():  # fmt: skip
        answer = said(tab, tmp_path / file)
        assert answer.startswith("No answer: ") and word in answer and answer.count(".") <= 2 + file.count(".")
    heic = {"name": "a.heic", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic"}
    assert "cannot read “a.heic”" in said(tab, heic)
    assert tab.evaluate("[state.own.z, state.words]") == before
    for kind in ("gif", "webp", "png"):
        noise.save(tmp_path / f"moves.{kind}", save_all=True, append_images=[noise.rotate(90)], loop=0)
        assert "Of an animation the first picture is asked." in said(tab, tmp_path / f"moves.{kind}")
    Image.new("L", (8000, 6250)).save(tmp_path / "large.png")  # 50 megapixels are read in bands
    assert "fits best" in said(tab, tmp_path / "large.png")


def test_a_picture_unlike_the_bank_gets_the_warning_of_the_library(tab, stamps_bank):
    draw = torch.Generator().manual_seed(0)
    z, share = stamps_bank.image[:60], torch.linspace(0, 1, 60)[:, None]  # from a stamp to noise
    noise = stamps_bank.image.mean(dim=0) + 3 * z.std() * torch.randn(z.shape, generator=draw)
    z = (1 - share) * z + share * noise
    rule, near = own_coverage(ASIF(stamps_bank, device="cpu"), z)
    scaled = (z * tab.evaluate("bank.scale")).tolist()
    said = tab.evaluate("(all) => all.map((z) => unfamiliar(question(sides[0], Float32Array.from(z))))", scaled)
    sure = (near - rule.threshold).abs() > 1e-3
    warned = torch.tensor([text.startswith(" Never seen anything like it") for text in said])
    assert (warned == rule.unfamiliar(near))[sure].all() and 5 < warned.sum() < 55
    assert f"On average, at most 5 of 100 pictures like the bank’s are below {rule.threshold:.2f}." in said[-1]


@needs_runtime
def test_the_same_file_can_be_chosen_again(tab, red_ball):
    for _ in range(2):
        tab.evaluate("find('own-says').textContent = ''")
        with tab.expect_file_chooser() as chooser:
            tab.get_by_text("Choose or take a picture").click()
        chooser.value.set_files(red_ball)
        tab.wait_for_function("find('own-says').textContent.includes('fits best')")


# Free words: any sentence is read as the library reads it, or refused in one sentence


@needs_programs
def test_tokens_are_those_of_the_library_in_many_scripts(tab, stamps, text_encoder):
    texts = [text for each in stamps.pictures for text in read_translations(each.path.with_suffix(".txt")).values()]
    odd = ["", "a\u200bb\tc", "x" * 150, "[CLS] ½ ﬁ", "e\u0301te\u0301 🐱", "don't"]
    texts = random.Random(0).sample(texts, 2000) + odd
    tokens = "async (all) => { const { tokens } = await textEncoder(); return all.map((each) => [...tokens(each)]); }"
    rows = text_encoder.model.tokens.encode_batch(texts)
    for text, ids, row in zip(texts, tab.evaluate(tokens, texts), rows, strict=True):
        assert ids == [one for one, real in zip(row.ids, row.attention_mask, strict=True) if real], text


def embedded(tab, texts, how=""):
    every = f"Promise.all(all.map((one) => textEmbedding(one{how})))"
    return torch.tensor(tab.evaluate(f"(all) => {every}.then((z) => z.map((each) => [...each]))", texts))


@needs_programs
def test_own_sentences_are_decided_as_the_library_decides(tab, stamps_bank, text_encoder):
    """Also with other k and p and without some anchors; and the longest text is cut as the library cuts it."""
    prompts = text_encoder.encode([f"a photo of {sentence}." for sentence in SENTENCES])
    first = tab.evaluate("bank.words.length")
    z = embedded(tab, SENTENCES, ", bank.textEncoder")
    add = "([all, z]) => all.forEach((one, i) => addWord(one, Float32Array.from(z[i])))"
    tab.evaluate(add, [SENTENCES, z.tolist()])
    draw, rows, states, library = random.Random(0), tab.evaluate("bank.questions.map(({ row }) => row)"), [], []
    for _ in range(200):
        question, out = draw.randrange(len(rows)), draw.sample(range(793), draw.choice([0, 3, 30]))
        pair, k, p = draw.sample(range(len(SENTENCES)), 2), draw.choice([20, 79, 150]), draw.choice([1, 2, 4])
        states.append({"question": question, "words": [first + i for i in pair], "k": k, "p": p, "out": out})
        model, row = ASIF(stamps_bank, k, p, device="cpu"), rows[question]
        library.append(without(model, stamps_bank.image[[row]], prompts[pair], list({*out, row})).scores[0])
    scores = "(states) => states.map(({ out, ...more }) => answer({ ...more, gone: new Set(out) }).scores)"
    page, library = torch.tensor(tab.evaluate(scores, states)), torch.stack(library)  # (200, 2)
    differences = (page - library).abs()
    assert differences.quantile(0.99) < 0.02 and differences.max() < 0.05  # a tie at the k-th place may fall otherwise
    sure = library.diff(dim=1).abs()[:, 0] > 0.02
    assert sure.sum() > 50 and (page[sure].argmax(dim=1) == library[sure].argmax(dim=1)).float().mean() >= 0.99
    captions = [*stamps_bank.pairs["caption"][:300:3], " ".join(["I am a dog."] * 90)[:1000]]
    cosines = torch.cosine_similarity(embedded(tab, captions), text_encoder.encode(captions))
    assert cosines.mean() > 0.9997 and cosines.min() > 0.999


@needs_programs
def test_a_word_off_the_list_loads_the_encoder_and_is_asked(fresh_tab):
    tab = fresh_tab
    field, alert = tab.get_by_label("a photo of …").first, tab.get_by_role("alert")
    field.fill("a  fish that <b>sleeps</b>")
    field.press("Enter")
    assert "“a fish that <b>sleeps</b>” is not on the list of 603 words." in alert.text_content()
    alert.get_by_role("button").click()
    tab.wait_for_function("bank.words[state.words[0]].startsWith('a fish')", timeout=60_000)
    assert field.input_value() == "a fish that <b>sleeps</b>" and not alert.is_visible()
    field.fill("three sleepy cats")
    field.press("Enter")  # the encoder is there: no button stands between
    tab.wait_for_function("bank.words[state.words[0]] === 'three sleepy cats'")
    assert tab.evaluate("bank.words.length") == 605


@needs_programs
def test_an_address_with_own_sentences_asks_for_the_encoder(browser, made):
    tab = opened_page(browser, made, ending="#a=a+kangaroo&b=some+sheep+%26+lambs")
    tab.get_by_role("alert").get_by_role("button").click()
    tab.wait_for_function("wordOf(1) === 'some sheep & lambs'", timeout=60_000)
    assert tab.evaluate("wordOf(0)") == "a kangaroo" and "b=some+sheep" in tab.evaluate("location.hash")


@needs_programs
def test_a_free_caption_is_read_and_becomes_an_anchor(fresh_tab, text_encoder):
    tab = fresh_tab
    tab.evaluate("askOwn({ z: halves(bank.embeddings[0]).slice(0, bank.dimensions[0]), src: bank.large[0] })")
    tab.locator("#teach-word").fill("my chipped blue mug")
    tab.locator("#teach-word").press("Enter")
    alert = tab.get_by_role("alert")
    alert.wait_for()
    assert 0 <= alert.bounding_box()["y"] < DESKTOP["height"]  # the reader is far down the page
    assert tab.evaluate("document.activeElement.closest('#trouble') !== null")
    alert.get_by_role("button").click()
    tab.wait_for_function("find('teach-says').textContent.includes('is anchor 1 of')", timeout=60_000)
    assert tab.evaluate("document.activeElement.id") == "teach-word"
    caption, text = tab.evaluate("[taught[0].caption, [...taught[0].text]]")
    assert caption == "a photo of my chipped blue mug." and not alert.is_visible()
    assert torch.cosine_similarity(torch.tensor([text]), text_encoder.encode([caption])).item() > 0.999
    assert tab.locator("#words option").last.get_attribute("value") == "my chipped blue mug"


@needs_programs
@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("   ", "it is empty"), ("x" * 10_000, "it has 10,000 characters"),
        ("eine кошка и собака", "does not read its script"), ("日本の猫", "does not read its script"),
        ("🐱🎸", "knows none of its signs"),
    ],
)  # fmt: skip
def test_sentences_that_cannot_be_read_get_one_sentence(tab, sentence, word):
    before = tab.evaluate("[state.words, now.scores]")
    tab.evaluate("async (text) => { await textEncoder(); await choose(0, text); }", sentence)
    said = tab.get_by_role("alert").text_content()
    assert word in said and len(said) < 300
    assert tab.evaluate("[state.words, now.scores]") == before


def test_without_the_file_the_page_goes_on_with_its_list(browser, stamps_bank, tmp_path, monkeypatch):
    fetch = beside.fetch

    def lacking(name):
        if name == "tokenizers_web":
            raise DataError("no npm here")
        return fetch(name)

    monkeypatch.setattr(beside, "fetch", lacking)
    few, file = stamps_bank.subset(range(60)), tmp_path / "few.html"
    building.bank_page(few, file)
    assert not (tmp_path / "few-words.js").exists()
    tab = opened_page(browser, file)
    tab.evaluate("choose(0, 'a fish')")
    said = tab.get_by_role("alert").text_content()
    assert "“a fish” cannot be asked: it is not on the list of" in said and "asif data tokenizers_web" in said
    monkeypatch.setattr(beside, "fetch", fetch)
    if dataset_dir("tokenizers_web").exists():
        building.bank_page(few, file)
        for damage, word in ((b"1;", "few-words.js is damaged"), (None, "few-words.js is not beside this page")):
            (tmp_path / "few-words.js").write_bytes(damage) if damage else (tmp_path / "few-words.js").unlink()
            tab = opened_page(browser, file)
            tab.evaluate("choose(0, 'a fish')")
            tab.get_by_role("alert").get_by_role("button").click()
            tab.wait_for_function("find('trouble').textContent.includes('not loaded')")
            assert word in tab.get_by_role("alert").text_content()


def test_a_matrix_is_kept_to_the_half_of_a_step_and_small_on_disk(text_encoder):
    graph, whole = beside.shipped_graph("all-MiniLM-L6-v2")
    beside.int8_blocks(packed := beside.as_proto(graph, whole))
    assert len(gzip.compress(packed.SerializeToString())) * 4 / 3 < 29.3e6
    parts = {each.name: onnx.numpy_helper.to_array(each) for each in packed.graph.initializer}
    halves = [name.removesuffix(".int8") for name in parts if name.endswith(".int8")]
    assert len(halves) > 36 and not set(halves) & set(parts)
    for name in halves:
        int8, scale = (parts[f"{name}.{part}"] for part in ("int8", "scale"))
        error = abs(int8 * scale - whole[name].reshape(int8.shape))
        assert (error <= 0.5001 * scale).all()


# Fonts


@pytest.mark.skipif(not dataset_dir("fonts").exists(), reason="asif data fonts")
def test_captions_in_four_scripts_have_a_font_within_the_page(tab, made, stamps_bank, tmp_path):
    translations = building.captions_by_language(stamps_bank)
    for code, (file, name) in fonts.FONTS.items():
        wanted = {ord(one) for one in name + "".join(translations[code]) if ord(one) > 0x36F}
        (tmp_path / code).write_bytes(fonts.subset_font(dataset_dir("fonts") / file, map(chr, wanted)))
        assert wanted <= set(TTFont(tmp_path / code).getBestCmap())
    for code, (_, name) in fonts.FONTS.items():
        tab.get_by_label("Captions in").select_option(code)
        tab.wait_for_function(f"document.fonts.check('16px captions-{code[:2]}')")
        assert f"({name})" in tab.locator("#language option:checked").text_content()
    assert made.stat().st_size < 6e6


def test_without_fonts_the_page_goes_on(monkeypatch, capsys):
    def lacking(name):
        raise DataError("no apt-get here")

    monkeypatch.setattr(fonts, "fetch", lacking)
    assert fonts.font_faces({"ja": ["ねこ。"], "de": ["Eine Katze."]}) == ""
    assert "without fonts for ja: no apt-get here" in capsys.readouterr().err
    assert fonts.font_faces({"de": ["Eine Katze."]}) == ""


# Banks


def small(count=24, picture="", **columns):
    draw = torch.Generator().manual_seed(0)
    captions = [f"a thing{i}" for i in range(count)]
    z = torch.rand(2, count, 8, generator=draw)
    return AnchorBank.from_embeddings(*z, captions, pictures=[picture] * count, name="small", **columns)


def test_a_bank_that_makes_no_page_is_refused_in_a_sentence(tmp_path, red_ball):
    drawn, spread = small(picture=str(red_ball)), small()
    spread.matrix("text")[3] *= 1e4
    for bank, word in [
        (small(picture="gone.png"), "finds none of its pictures"),
        (small(sides=("english", "german")), "has the sides english and german"),
        (small(2001), "has 2,001 pairs, and a page holds 20 to 2,000"),
        (small(5), "has 5 pairs"),
        (spread, "text embeddings of length .* differ 1,000 times at most"),
        (drawn.replace(pairs=drawn.pairs.assign(caption="…")), "no short captions"),
        (drawn, "cannot be loaded"),  # the words of the page need its text encoder
    ]:
        with pytest.raises(EncoderError if bank is drawn else BankError, match=word):
            bank_page(bank, tmp_path / "bank.html")
    assert not (tmp_path / "bank.html").exists()


@pytest.mark.parametrize("seed", range(11))
def test_every_bank_of_twenty_stamps_makes_a_page(tmp_path, stamps_bank, monkeypatch, seed):
    """A picture that shares one anchor with its two sentences has fewer candidates than a removal may take."""
    monkeypatch.setattr(building, "captions_by_language", lambda bank: {})
    rows = np.random.default_rng(seed).choice(len(stamps_bank), 20, replace=False)
    about = bank_page(stamps_bank.subset(sorted(rows.tolist())), tmp_path / "bank.html", own=False)
    assert about["asked"] > 10 and about["tries"] == 3 * about["asked"]


def test_the_stated_difference_is_searched_beyond_the_settings_of_the_page(stamps_bank, text_encoder, monkeypatch):
    """A tie at the k-th place falls otherwise in half precision; few settings show one, more settings show more."""
    calls = []

    def recorded(model, z, texts, out):
        found = without(model, z, texts, out)
        calls.append((model.k, model.p, len(out), found.scores))
        return found

    monkeypatch.setattr(building, "without", recorded)
    bank = stamps_bank.subset(range(100))
    model, prompts = ASIF(bank, 10, device="cpu"), bank.text[:40] * 1.01
    halves = [z.half().numpy() for z in (bank.image, bank.text, prompts)]
    stated = building._difference(model, prompts, halves, [{"row": row, "pair": [row, row + 1]} for row in range(39)])
    assert {out for *_, out, _ in calls} > set(range(5, 25)) and all(k + out <= 100 for k, _, out, _ in calls)
    pairs = zip(calls[::2], calls[1::2], strict=True)
    as_it_opens = [one[3] - other[3] for one, other in pairs if one[:3] == (10, 2, 1)]
    assert 0 < float(torch.stack(as_it_opens).abs().max()) < stated["difference"] and stated["tries"] == 117


@needs_runtime
def test_the_encoder_beside_a_page_has_any_name_and_replaces_nothing_else(browser, stamps_bank, tmp_path, red_ball):
    few, file = stamps_bank.subset(range(30)), tmp_path / "a#b %41?.html"
    beside = file.with_name("a#b %41?-encoder.js")
    beside.write_text("mine")
    with pytest.raises(BankError, match="is no encoder of a page, and would be replaced"):
        bank_page(few, file)
    assert beside.read_text() == "mine" and not file.exists()
    beside.unlink()
    for _ in range(2):  # the second page replaces the first one's encoder
        bank_page(few, file)
    assert "fits best" in said(opened_page(browser, file), red_ball)


def test_the_command_refuses_a_large_bank_and_makes_a_page(tmp_cache, tmp_path, capsys, stamps_bank, browser):
    small(2500).save(bank_dir("large"))
    assert main(["page", "large"]) == 1 and "2,500 pairs" in capsys.readouterr().err
    hostile = stamps_bank.subset(range(40))
    hostile = hostile.replace(name="</script><b>", image_encoder="unknown", licence="<i>mine</i>")
    hostile.save(tmp_path / "forty")
    assert main(["page", str(tmp_path / "forty"), "--output", str(tmp_path / "forty" / "bank.json")]) == 1
    assert "this command reads" in capsys.readouterr().err
    assert main(["page", str(tmp_path / "forty"), "--output", str(tmp_path / "forty.html")]) == 0
    assert "40 anchors" in capsys.readouterr().out
    tab = opened_page(browser, tmp_path / "forty.html")
    assert "licence <i>mine</i>" in tab.locator(".about").text_content()
    assert tab.locator("#language").count() == 0  # there are no stamps in this cache
    assert "not one that runs in a browser" in tab.locator("#own-says").text_content() and tab.complaints == []


def test_the_first_page_of_the_report_links_the_page_first(tmp_path, monkeypatch, tmp_cache, stamps_bank, capsys):
    monkeypatch.setattr(building, "QUESTIONS", 3)
    monkeypatch.setattr(building, "files_beside", lambda bank, page: [{"why": "no"}] * 2)
    page = tmp_path / "build" / "report" / "bank.html"  # of a new clone, which has no such folder
    walk_the_bank(page)
    assert "without the page bank.html" in capsys.readouterr().err
    stamps_bank.subset(range(60)).save(bank_dir("stamps"))
    walk_the_bank(page)
    assert 'href="index.html"' in page.read_text(encoding="utf-8")
    assert 'property="og:image" content="data:image/webp' in page.read_text(encoding="utf-8")
    made = page.stat().st_mtime_ns
    walk_the_bank(page)
    assert page.stat().st_mtime_ns == made  # it is newer than the bank
    first = SimpleNamespace(name="00_start", title="00 · Start", minutes="", core=[])
    around = {"chapters": [first], "more": []}
    entries = [{"chapter": first, "question": "Who?", "goals": [], "left_out": False}]
    shown = {"entries": entries, "method": "", "walk": "bank.html", "groups": {}}
    index = _index(shown, around, {"profile": "offline", "device": "cpu", "seed": 0}, "student")
    assert index.index('class="lead"') < index.index('href="bank.html"') < index.index('id="chapters"')
