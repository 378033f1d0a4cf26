"""The page of a bank: in a real browser it decides as the library does, and every way to take an anchor out agrees."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_pages import DESKTOP, opened, opened_page
from pages import barriers
from PIL import Image

from asif_book.page import beside, building
from asif_book.page.building import bank_page
from asif_book.report.book import walk_the_bank
from asif_lib import ASIF, AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.cli import main
from asif_lib.datasets.captions import read_translations
from asif_lib.datasets.providers import dataset_dir
from asif_lib.errors import BankError, DataError, EncoderError
from asif_lib.explain.counterfactual import without
from asif_lib.explain.out_of_distribution import own_coverage

PROGRAMS = "onnxruntime_web", "tokenizers_web"
needs_programs = pytest.mark.skipif(
    not all(dataset_dir(name).exists() for name in PROGRAMS), reason=f"asif data {' '.join(PROGRAMS)}"
)
SENTENCES = (
    "a cat", "two dogs in the snow", "something red that one can eat", "Café au lait", "a horse and a rider",
    "an old ship at sea", "3 apples & a pear", "an insect",
)  # fmt: skip
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def made(stamps_bank, tmp_path_factory):
    """The page of the stamps with 40 questions; an address must quote its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "QUESTIONS", 40)
        file = tmp_path_factory.mktemp("walk") / "a#b %41?.html"
        bank_page(stamps_bank, file, home="index.html")
    return file


@pytest.fixture(scope="module")
def desk(browser, made):
    tab = opened_page(browser, made)
    yield tab
    tab.context.close()


AS_OPENED = """() => {
    trouble();
    scrollTo(0, 0);
    for (const id of ["own-says", "teach-says"]) find(id).textContent = "";
    act(false);
    return update({ ...fresh(0), own: null, k: bank.k, p: bank.p, game: null }, { again: true });
}"""


@pytest.fixture
def tab(desk):
    """The page on a desk as it opens, though a test before may have loaded its encoders; nothing must complain."""
    desk.bring_to_front()  # a page behind another may get no frames, and waits for good
    desk.mouse.move(0, 0)
    desk.set_viewport_size(DESKTOP)
    desk.evaluate(AS_OPENED)
    yield desk
    assert complaints(desk) == []


def complaints(tab):
    """What a page complained of; its encoders are blobs, and no network."""
    return [one for one in tab.complaints if not one.startswith("blob:")]


def settled(tab):
    tab.wait_for_function("moving === null")


def says(tab):
    return tab.locator("#says").text_content()


def alert(tab):
    return tab.get_by_role("alert").text_content()


def click_disc(tab, anchor, act="click"):
    x, y = tab.evaluate(f"(({{x, y}}) => [x, y])(map.dots[{anchor}])")
    getattr(tab.locator("#map"), act)(position={"x": x, "y": y})


# The decision


def test_a_picture_of_the_bank_is_asked_without_its_own_pair(tab, stamps_bank, text_encoder):
    """`test_teach.py` has the other settings."""
    questions, words = tab.evaluate("[bank.questions, bank.words]")
    prompts = text_encoder.encode([f"a photo of {word}." for word in words])
    page = torch.tensor(tab.evaluate("bank.questions.map((_, i) => answer({ ...state, ...fresh(i) }).scores)"))
    model = ASIF(stamps_bank, device="cpu")
    for (row, pair), scores in zip([(one["row"], one["pair"]) for one in questions], page, strict=True):
        library = without(model, stamps_bank.image[[row]], prompts[pair], [row]).scores[0]
        assert (scores - library).abs().max() < 0.01


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
    captions = [*stamps_bank.pairs["caption"][:300:15], " ".join(["I am a dog."] * 90)[:1000]]
    cosines = torch.cosine_similarity(embedded(tab, captions), text_encoder.encode(captions))
    assert cosines.mean() > 0.9997 and cosines.min() > 0.999


@needs_programs
def test_tokens_are_those_of_the_library_in_many_scripts(tab, stamps, text_encoder):
    texts = [text for each in stamps.pictures for text in read_translations(each.with_suffix(".txt")).values()]
    odd = ["", "a\u200bb\tc", "x" * 150, "[CLS] ½ ﬁ", "e\u0301te\u0301 🐱", "don't"]
    texts = random.Random(0).sample(texts, 300) + odd
    tokens = "async (all) => { const { tokens } = await textEncoder(); return all.map((each) => [...tokens(each)]); }"
    rows = text_encoder.model.tokens.encode_batch(texts)
    for text, ids, row in zip(texts, tab.evaluate(tokens, texts), rows, strict=True):
        assert ids == [one for one, real in zip(row.ids, row.attention_mask, strict=True) if real], text


# Anchors go out


def test_the_page_opens_with_the_kangaroo_and_the_lamb(tab):
    assert says(tab).startswith("The model says “a sheep”.") and "lamb" in tab.locator("#looked").text_content()
    angle = "parseFloat(getComputedStyle(document.querySelector('.bar')).rotate)"
    before = tab.evaluate(angle)
    click_disc(tab, 104)
    settled(tab)
    assert abs(tab.evaluate(angle) - before) >= 12
    assert "Without “A baby sheep (a lamb).”, the answer turns to “a kangaroo”." in says(tab)
    assert tab.locator(".pan.best input").input_value() == "a kangaroo" and tab.evaluate("map.axis") == 0
    tab.locator(".ghost").focus()
    tab.keyboard.press("Space")
    settled(tab)
    assert tab.locator(".pan.best input").input_value() == "a sheep"
    tab.evaluate("toggle(104)")
    settled(tab)
    tab.get_by_role("button", name="Put all back").click()
    assert tab.evaluate("state.gone.size") == 0
    tab.evaluate("toggle(104), update(fresh(2), { again: true })")  # another change ends a removal
    tab.wait_for_timeout(1300)
    assert tab.evaluate("[state.question, moving]") == [2, None] and says(tab).startswith("The model says")


def test_a_slab_is_as_high_as_its_product_and_the_rest_is_one_with_a_number(tab):
    heights = """beam.pans.map(({ slabs, rest }, i) => [now.scores[i], rest.getBoundingClientRect().height,
        [...slabs].map(([a, slab]) => [now.products[i][a], slab.getBoundingClientRect().height])])"""
    tab.evaluate("update(fresh(5), { again: true })")
    drawn = tab.evaluate(heights)
    unit = max(height / product for _, _, slabs in drawn for product, height in slabs)
    for score, rest, slabs in drawn:
        assert all(height == pytest.approx(unit * product, abs=0.1) for product, height in slabs)
        assert rest + sum(height for _, height in slabs) == pytest.approx(unit * score, abs=0.3)


def test_slabs_and_discs_light_each_other_and_are_reached_by_keyboard(tab):
    tab.locator(".slab", has_text="A red kangaroo.").hover()
    assert tab.evaluate("map.lit") == 149 and tab.locator("#looked .times").text_content() == "0.143 × 0.825 = 0.118"
    click_disc(tab, 103, "hover")
    assert tab.locator(".slab.lit bdi").all_text_contents() == ["A sheep."]
    tab.locator("#first-word").focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("beam.looked.a") == 149
    tab.keyboard.press("Tab")  # from the largest slab to the next
    assert tab.evaluate("document.activeElement.matches('.slab.lit') && beam.looked.a") == 16
    tab.keyboard.press("Enter")
    settled(tab)
    assert tab.evaluate("[...state.gone, document.activeElement.matches('#first .slab')]") == [16, True]


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
def test_a_removal_is_shown_step_by_step_and_the_verdict_is_the_last(tab, motion):
    tab.emulate_media(reduced_motion=motion)
    pairs = [list(pairwise(column)) for column in zip(*tab.evaluate(FRAMES, 104), strict=True)]
    tab.emulate_media(reduced_motion="reduce")
    slab, total, heights, lean, verdict = ([i for i, (one, other) in enumerate(each) if one != other] for each in pairs)
    assert slab[0] < total[0] < heights[-1] < lean[0] < verdict[0] and len(verdict) == len(lean) == 1
    assert (len(total) == 2) == (motion == "reduce")  # still steps; else the numbers roll


# Puzzles


def test_a_puzzle_hides_sizes_counts_tries_and_shows_the_one_on_request(tab):
    tab.get_by_role("button", name="Which one turns it?").click()
    tab.wait_for_function("state.game")
    assert "One anchor alone turns it." in says(tab)
    assert len(set(tab.eval_on_selector_all(".slab", "all => all.map((one) => one.offsetHeight)"))) == 1
    assert not any(tab.locator(".slab .number").all_text_contents())
    turning = tab.evaluate("state.game.found[0]")
    tab.evaluate("toggle(bank.captions.findIndex((_, a) => !now.image.entries[a]))")
    assert "It goes back when you try another" in says(tab)
    tab.evaluate("(anchor) => toggle(anchor)", turning)
    assert says(tab).startswith("Found in 2 tries!") and tab.evaluate("state.gone.size") == 1
    assert tab.locator(".sum b").first.is_visible()
    tab.get_by_role("button", name="Which one turns it?").click()
    tab.wait_for_function("blind()")
    tab.get_by_role("button", name="Show me").click()
    settled(tab)
    assert says(tab).startswith("Here it is.")
    tab.get_by_role("button", name="Turn it with the fewest").click()
    tab.wait_for_function("state.game?.least > 1", timeout=60_000)
    least = tab.evaluate("state.game.least")
    for anchor in tab.evaluate("state.game.found"):
        assert tab.evaluate("state.game.done") is False
        tab.evaluate("(anchor) => toggle(anchor)", anchor)
    assert says(tab).startswith(f"Turned! A greedy search needs {least}.")


def test_one_of_three_answers_is_wrong_and_one_anchor_says_why(tab):
    tab.get_by_role("button", name="Which answer is wrong?").click()
    tab.wait_for_function("find('three').children.length === 3", timeout=60_000)
    for place in range(3):
        tab.locator("#three button").nth(place).click()
        if tab.evaluate("state.game !== null"):
            break
        assert "Look again." in says(tab)
    assert "That is wrong. Why?" in says(tab) and tab.evaluate("wordOf(now.best)") in says(tab)
    tab.evaluate("toggle(state.game.found[0])")
    own = tab.evaluate("bank.words[bank.questions[state.question].pair[0]]")
    assert says(tab).startswith("Found at the first try!") and says(tab).endswith(f"turns to “{own}”.")


# The address


OWN = """() => {
    const z = halves(bank.embeddings[0]).slice(0, bank.dimensions[0]);
    update({ question: -1, own: { z, src: bank.large[0], word: "my mug" }, gone: new Set([104]) }, { again: true });
}"""
THERE = "[state.question, state.words, state.k, state.p, [...state.gone], state.own?.word]"


@pytest.mark.parametrize("change", ["update({ ...fresh(3), k: 30, p: 4, gone: new Set([7, 500]) })", OWN])
def test_the_address_keeps_the_state_and_never_a_photograph(tab, change):
    tab.evaluate(change)
    kept, scores, address = (tab.evaluate(one) for one in (THERE, "now.scores", "location.hash"))
    tab.evaluate(AS_OPENED)
    tab.evaluate("async (to) => { location.hash = to; await new Promise((done) => setTimeout(done, 100)); }", address)
    assert tab.evaluate(THERE) == kept and tab.evaluate("now.scores") == pytest.approx(scores, abs=0.01)
    if change == OWN:
        assert 1700 < len(address) < 2000 and "webp" not in address
        assert "Only the numbers of this picture were sent" in tab.locator("#picture").get_attribute("alt")


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        ("k=abc", "k = “abc”"), ("k=0&p=2", "whole number from 1 to 792"), ("p=NaN", "p = “NaN”"),
        ("out=1,,x", "list of anchors"), ("picture=99999", "picture here"), ("bank=beef&k=3", "another bank"),
        ("a=<b>x</b>&b=<b>x</b>", "no two sentences"),
        ("own=AAAA", "picture’s embedding"), (f"own={'A' * 1712}", "picture’s embedding"),
    ],
)  # fmt: skip
def test_a_damaged_address_gets_words_and_the_page_goes_on(tab, ending, word):
    tab.evaluate("async (to) => { location.hash = to; await new Promise((done) => setTimeout(done, 50)); }", ending)
    assert word in alert(tab) and says(tab).startswith("The model says")


# Words


def test_words_off_the_list_and_an_empty_bank_get_a_sentence(tab):
    field = tab.locator("#first-word")
    tab.evaluate("void (textEncoder.ready = false)")  # though a test before may have loaded it
    field.fill("a quantum dingo")
    field.press("Enter")
    assert "“a quantum dingo” is not on the list of" in alert(tab)
    assert field.input_value() == tab.evaluate("bank.words[state.words[0]]")  # whose score still stands there
    field.fill("A Zebra")
    field.press("Enter")
    assert not tab.get_by_role("alert").is_visible() and tab.evaluate("bank.words[state.words[0]]") == "a zebra"
    tab.locator("#second-word").fill("a zebra")
    tab.locator("#second-word").press("Enter")
    assert "Both sentences would be the same" in alert(tab)
    tab.evaluate("update({ gone: new Set([...bank.captions.keys()].filter((a) => a !== bank.questions[0].row)) })")
    assert "All anchors are out" in says(tab)
    assert set(tab.locator(".sum b").all_text_contents()) == {"0.000"}
    tab.evaluate("update({ question: 0, gone: new Set([...bank.captions.keys()].filter((a) => a >= 50)) })")
    assert "Only 50 anchors are left, so k is 50." in says(tab)


@needs_programs
def test_a_word_off_the_list_loads_the_encoder_and_becomes_an_anchor(tab, text_encoder):
    field, count = tab.locator("#first-word"), tab.evaluate("bank.words.length")
    tab.evaluate("void (textEncoder.ready = false)")
    field.fill("a  fish that <b>sleeps</b>")
    field.press("Enter")
    assert f"“a fish that <b>sleeps</b>” is not on the list of {count} words." in alert(tab)
    tab.evaluate("void (textEncoder.ready = true)")  # a test before may have loaded it
    tab.get_by_role("alert").get_by_role("button").click()
    tab.wait_for_function("bank.words[state.words[0]].startsWith('a fish')", timeout=60_000)
    assert field.input_value() == "a fish that <b>sleeps</b>" and not tab.get_by_role("alert").is_visible()
    tab.evaluate("askOwn({ z: halves(bank.embeddings[0]).slice(0, bank.dimensions[0]), src: bank.large[0] })")
    tab.evaluate("act(true)")
    tab.locator("#teach-word").fill("my chipped blue mug")
    tab.locator("#teach-word").press("Enter")  # the encoder is there: no button stands between
    tab.wait_for_function("find('teach-says').textContent.includes('is anchor 1 of')", timeout=60_000)
    caption, text = tab.evaluate("[taught[0].caption, [...taught[0].text]]")
    assert caption == "a photo of my chipped blue mug." and tab.evaluate("bank.words.length") == count + 2
    assert torch.cosine_similarity(torch.tensor([text]), text_encoder.encode([caption])).item() > 0.999
    tab.evaluate("forget(taught)")
    before = tab.evaluate("[state.words, now.scores]")
    for sentence, word in {
        "   ": "it is empty", "x" * 10_000: "it has 10,000 characters", "日本の猫": "does not read its script",
        "eine кошка и собака": "does not read its script", "🐱🎸": "knows none of its signs",
    }.items():  # fmt: skip
        tab.evaluate("(text) => choose(0, text)", sentence)
        assert word in alert(tab) and len(alert(tab)) < 300
        assert tab.evaluate("[state.words, now.scores]") == before


@needs_programs
def test_without_a_file_the_page_goes_on_and_no_file_of_others_is_replaced(
    browser, stamps_bank, tmp_path, monkeypatch, red_ball
):
    few, file, fetch = stamps_bank.subset(range(60)), tmp_path / "few.html", beside.fetch

    def lacking(name):
        if name == "tokenizers_web":
            raise DataError("no npm here")
        return fetch(name)

    monkeypatch.setattr(beside, "fetch", lacking)
    monkeypatch.setattr(building, "QUESTIONS", 3)
    (encoder := file.with_name("few-encoder.js")).write_text("mine")
    with pytest.raises(BankError, match="is no encoder of a page, and would be replaced"):
        bank_page(few, file)
    assert encoder.read_text() == "mine" and not file.exists()
    encoder.unlink()
    bank_page(few, file)
    bank_page(few, file)  # the second page replaces the first one's encoder
    assert not (tmp_path / "few-words.js").exists()
    tab = opened_page(browser, file)
    tab.evaluate("choose(0, 'a fish')")
    assert "“a fish” cannot be asked: it is not on the list of" in alert(tab)
    assert "asif data tokenizers_web" in alert(tab)
    encoder.unlink()
    assert "few-encoder.js is not beside this page" in asked(tab, red_ball)
    for lacks, word in (("DecompressionStream", "too old"), ("WebAssembly", "WebAssembly is switched off")):
        tab.reload()
        encoder.write_text("globalThis.bankEncoder = {}")
        tab.evaluate(f"delete globalThis.{lacks}")
        assert word in asked(tab, red_ball)
    tab.evaluate("toggle(bank.questions[0].turns[0] ?? 1)")
    assert says(tab).startswith("Without")
    tab.context.close()


# A reader's own picture


def asked(tab, picture):
    tab.evaluate("find('own-says').textContent = ''")
    tab.set_input_files("#file", picture)
    tab.wait_for_function("/fits best|No answer/.test(find('own-says').textContent)")
    return tab.locator("#own-says").text_content()


@needs_programs
def test_an_own_picture_is_encoded_as_the_library_does(tab, image_encoder, stamps_bank, tmp_path):
    pictures = stamps_bank.pairs["picture"].tolist()[::250]
    for i, size in enumerate([(37, 251), (1200, 900), (2, 90), (700, 3)]):
        noise = Image.effect_noise((9, 7), 90).resize(size, Image.Resampling.BICUBIC)
        (exif := Image.Exif())[0x0112] = 1 + 5 * (i == 1)  # the second one is turned
        Image.merge("RGB", [noise, noise.rotate(180), noise]).save(tmp_path / f"{i}.jpg", exif=exif)
        pictures.append(str(tmp_path / f"{i}.jpg"))
    embeddings, best = [], []
    for picture in pictures:
        best.append(asked(tab, picture).split("“")[1].split("”")[0])
        embeddings.append(tab.evaluate("[...state.own.z].map((value) => value / bank.scale)"))
    library = image_encoder.encode(pictures)
    assert torch.cosine_similarity(torch.tensor(embeddings), library).min() > 0.999
    words = tab.evaluate("bank.words")
    model = ASIF(stamps_bank, whiten=0.8, device="cpu")  # for an own picture
    labels = model.classify(library, words, templates=["a photo of {}."]).best
    assert sum(page == label for page, label in zip(best, labels, strict=True)) >= len(labels) - 1


@needs_programs
def test_pictures_that_cannot_be_asked_get_a_sentence(tab, tmp_path, red_ball):
    noise = Image.effect_noise((90, 60), 90).convert("RGB")
    asked(tab, red_ball)
    before = tab.evaluate("[state.own.z, state.words]")
    noise.save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    (tmp_path / "empty.png").touch()
    (tmp_path / "hidden.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>own = null</script></svg>")
    Image.new("L", (1, 30)).save(tmp_path / "line.png")
    Image.new("1", (20_000, 3_000)).save(tmp_path / "huge.png")
    Image.new("RGBA", (50, 50)).save(tmp_path / "clear.png")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    for file, word in {
        "cut.jpg": "“cut.jpg” is broken", "empty.png": "“empty.png” is empty", "hidden.png": "is a drawing in SVG",
        "line.png": "has 1 × 30 pixels; choose a picture of at least 2 × 2", "a.heic": "cannot read “a.heic”",
        "huge.png": "has 20000 × 3000 pixels; choose one of at most", "clear.png": "is wholly transparent",
    }.items():  # fmt: skip
        answer = asked(tab, tmp_path / file)
        assert answer.startswith("No answer: ") and word in answer and answer.count(".") <= 2 + file.count(".")
    assert tab.evaluate("[state.own.z, state.words]") == before
    noise.save(tmp_path / "moves.gif", save_all=True, append_images=[noise.rotate(90)], loop=0)
    assert "Of an animation the first picture is asked." in asked(tab, tmp_path / "moves.gif")


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


# Screens


TOWER = "beam.pans.every((p) => sumOf(p).getBoundingClientRect().bottom <= p.rest.getBoundingClientRect().top)"


def check_screen(tab, height):
    """All fits in the width, the scales in the first screen, letters have 12 pixels, and axe finds no barrier."""
    bottom = "all => Math.max(...all.map(one => one.getBoundingClientRect().bottom))"
    assert tab.eval_on_selector_all("#picture, .pan input, .stack, .bar", bottom) <= height
    tab.evaluate("toggle(bank.questions[0].turns[0])")
    settled(tab)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth") and tab.evaluate(TOWER)
    smallest = "all => Math.min(...all.map(one => parseFloat(getComputedStyle(one).fontSize)))"
    assert tab.eval_on_selector_all("main *", smallest) >= 12
    assert barriers(tab) == {}


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360)])
def test_a_desk_fits_and_is_free_of_barriers_also_at_200_per_cent(tab, width, height):
    tab.set_viewport_size({"width": width, "height": height})
    check_screen(tab, height)


def test_a_phone_fits_and_the_first_tap_of_a_finger_inspects_and_the_second_takes_out(browser, made):
    tab = opened_page(browser, made, PHONE, has_touch=True, color_scheme="dark")
    for slab in ("A red kangaroo.", "A baby sheep"):
        tab.locator(".slab", has_text=slab).tap()
        assert slab in tab.locator("#looked").text_content() and tab.evaluate("state.gone.size") == 0
    tab.locator(".slab", has_text="A baby sheep").tap()
    tab.evaluate("for (const _ of [1, 2]) find('second').querySelector('.slab').click()")  # while the first goes out
    settled(tab)
    assert tab.evaluate("[...state.gone]") == [104]
    tab.evaluate("update(fresh(0), { again: true })")
    check_screen(tab, PHONE["height"])
    assert complaints(tab) == []
    tab.context.close()


def test_without_scripts_the_page_says_so(browser, made):
    tab = opened(browser, made, java_script_enabled=False)
    assert tab.locator("noscript p").is_visible() and not tab.locator("#stage").is_visible()
    tab.context.close()


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
        (small(sides=("english", "german")), "has the sides english and german; .*; ask it by model.represent"),
        (small(2001), "has 2,001 pairs, and a page holds 20 to 2,000"),
        (small(5), "has 5 pairs"),
        (spread, "text embeddings of length .* differ 1,000 times at most"),
        (drawn.replace(pairs=drawn.pairs.assign(caption="…")), "no short captions"),
        (drawn, "cannot be loaded"),  # the words of the page need its text encoder
    ]:
        with pytest.raises(EncoderError if bank is drawn else BankError, match=word):
            bank_page(bank, tmp_path / "bank.html")
    assert not (tmp_path / "bank.html").exists()


@pytest.mark.parametrize("seed", range(3))
def test_every_bank_of_twenty_stamps_makes_a_page(tmp_path, stamps_bank, monkeypatch, seed):
    """A picture that shares one anchor with its two sentences has fewer candidates than a removal may take."""
    monkeypatch.setattr(building, "files_beside", lambda bank, page: [{"why": "no"}] * 2)
    rows = np.random.default_rng(seed).choice(len(stamps_bank), 20, replace=False)
    bank = stamps_bank.subset(sorted(rows.tolist())).keep_settings(k=20, p=4, whiten=0.8)
    assert bank_page(bank, tmp_path / "bank.html")["asked"] > 10
    assert '"k":18,"p":4,' in (tmp_path / "bank.html").read_text()  # two anchors may go


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
    assert "not one that runs in a browser" in tab.locator("#own-says").text_content() and tab.complaints == []
    tab.context.close()


def test_the_report_makes_the_page_once_for_each_bank(tmp_path, monkeypatch, tmp_cache, stamps_bank, capsys):
    monkeypatch.setattr(building, "QUESTIONS", 3)
    monkeypatch.setattr(building, "files_beside", lambda bank, page: [{"why": "no"}] * 2)
    page = Path(tmp_path / "build" / "report" / "bank.html")  # of a new clone, which has no such folder
    walk_the_bank(page)
    assert "without the page bank.html" in capsys.readouterr().err
    stamps_bank.subset(range(60)).save(bank_dir("stamps"))
    walk_the_bank(page)
    made = page.stat().st_mtime_ns
    walk_the_bank(page)
    assert page.stat().st_mtime_ns == made and 'href="index.html"' in page.read_text(encoding="utf-8")
