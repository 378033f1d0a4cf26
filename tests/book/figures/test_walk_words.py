"""Free words on the page of a bank: any sentence is read as the library reads it, or refused in one sentence."""

import gzip
import random
import re

import onnx
import pytest
import torch
from fontTools.ttLib import TTFont
from pages import DESKTOP, barriers, opened

from asif_book.walk import beside, building, fonts
from asif_lib import ASIF
from asif_lib.datasets.captions import read_translations
from asif_lib.datasets.providers import dataset_dir
from asif_lib.errors import DataError
from asif_lib.explain.counterfactual import without

PROGRAMS = "onnxruntime_web", "tokenizers_web"
needs_programs = pytest.mark.skipif(
    not all(dataset_dir(name).exists() for name in PROGRAMS), reason=f"asif data {' '.join(PROGRAMS)}"
)
SENTENCES = (
    "a cat", "a fish", "two dogs in the snow", "something red that one can eat", "Café au lait", "a horse and a rider",
    "a musical instrument with strings", "an old ship at sea", "a very small bird", "3 apples & a pear", "an insect",
)  # fmt: skip


@pytest.fixture(scope="module")
def page(stamps_bank, tmp_path_factory):
    file = tmp_path_factory.mktemp("words") / "bank.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "QUESTIONS", 10)
        building.bank_page(stamps_bank, file)
    return file


@pytest.fixture
def tab(browser, page):
    """The page on a desk; nothing on it must complain."""
    tab = shown(browser, page)
    yield tab
    assert [one for one in tab.complaints if not one.startswith("blob:")] == []
    tab.context.close()


def shown(browser, page, viewport=DESKTOP, **options):
    tab = opened(browser, page, viewport, reduced_motion="reduce", **options)
    tab.wait_for_function("typeof now !== 'undefined' && now !== null")
    return tab


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
    tab.evaluate(
        "([all, z]) => all.forEach((one, i) => addWord(one, Float32Array.from(z[i])))", [SENTENCES, z.tolist()]
    )
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
def test_a_word_off_the_list_loads_the_encoder_and_is_asked(tab):
    field, alert = tab.get_by_label("a photo of …").first, tab.get_by_role("alert")
    before = field.input_value()
    field.fill("a  fish that <b>sleeps</b>")
    field.press("Enter")
    assert "“a fish that <b>sleeps</b>” is not on the list of 603 words." in alert.text_content()
    assert field.input_value() == before  # whose score still stands there
    alert.get_by_role("button").click()
    tab.wait_for_function("bank.words[state.words[0]].startsWith('a fish')", timeout=60_000)
    assert field.input_value() == "a fish that <b>sleeps</b>" and not alert.is_visible()
    field.fill("three sleepy cats")
    field.press("Enter")  # the encoder is there: no button stands between
    tab.wait_for_function("bank.words[state.words[0]] === 'three sleepy cats'")
    assert tab.evaluate("bank.words.length") == 605


@needs_programs
def test_an_address_with_own_sentences_asks_for_the_encoder(browser, page):
    tab = opened(browser, page, DESKTOP, reduced_motion="reduce")
    tab.goto(f"{page.as_uri()}#a=a+kangaroo&b=some+sheep+%26+lambs")
    tab.get_by_role("alert").get_by_role("button").click()
    tab.wait_for_function("wordOf(1) === 'some sheep & lambs'", timeout=60_000)
    assert tab.evaluate("wordOf(0)") == "a kangaroo" and "b=some+sheep" in tab.evaluate("location.hash")


@needs_programs
def test_a_free_caption_is_read_and_becomes_an_anchor(tab, text_encoder):
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


def test_the_list_of_words_is_searched_and_asked(browser, page):
    for viewport in (DESKTOP, {"width": 390, "height": 844}):
        tab = shown(browser, page, viewport)
        tab.get_by_text("All words").click()
        tab.get_by_label("Search").fill("GUITAR")
        assert re.fullmatch(r"\d of 603 words", tab.locator("#word-count").text_content())
        tab.locator("#word-list").select_option("a guitar")
        tab.get_by_role("button", name="second").click()
        assert tab.locator("#second-word").input_value() == "a guitar" and barriers(tab) == {}
        assert tab.evaluate("document.documentElement.scrollWidth") == viewport["width"] and tab.complaints == []
        tab.context.close()


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
    tab = shown(browser, file)
    tab.evaluate("choose(0, 'a fish')")
    said = tab.get_by_role("alert").text_content()
    assert "“a fish” cannot be asked: it is not on the list of" in said and "asif data tokenizers_web" in said
    monkeypatch.setattr(beside, "fetch", fetch)
    if dataset_dir("tokenizers_web").exists():
        building.bank_page(few, file)
        for damage, word in ((b"1;", "few-words.js is damaged"), (None, "few-words.js is not beside this page")):
            (tmp_path / "few-words.js").write_bytes(damage) if damage else (tmp_path / "few-words.js").unlink()
            tab = shown(browser, file)
            tab.evaluate("choose(0, 'a fish')")
            tab.get_by_role("alert").get_by_role("button").click()
            tab.wait_for_function("find('trouble').textContent.includes('not loaded')")
            assert word in tab.get_by_role("alert").text_content()


def test_a_matrix_is_kept_to_the_half_of_a_step_and_small_on_disk(text_encoder):
    content = beside.onnx_file("all-MiniLM-L6-v2").read_bytes()
    packed = beside.int8_blocks(content)
    assert len(gzip.compress(packed)) * 4 / 3 < 29.3e6
    parts = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(packed).graph.initializer}
    whole = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(content).graph.initializer}
    halves = [name.removesuffix(".int8") for name in parts if name.endswith(".int8")]
    assert len(halves) > 36 and not set(halves) & set(parts)
    for name in halves:
        int8, scale = (parts[f"{name}.{part}"] for part in ("int8", "scale"))
        error = abs(int8 * scale - whole[name].reshape(int8.shape))
        assert (error <= 0.5001 * scale).all()


# Fonts


@pytest.mark.skipif(not dataset_dir("fonts").exists(), reason="asif data fonts")
def test_captions_in_four_scripts_have_a_font_within_the_page(browser, page, stamps_bank, tmp_path):
    translations = building.captions_by_language(stamps_bank)
    for code, (file, name) in fonts.FONTS.items():
        wanted = {ord(one) for one in name + "".join(translations[code]) if ord(one) > 0x36F}
        (tmp_path / code).write_bytes(fonts.subset_font(dataset_dir("fonts") / file, map(chr, wanted)))
        assert wanted <= set(TTFont(tmp_path / code).getBestCmap())
    tab = shown(browser, page)
    for code, (_, name) in fonts.FONTS.items():
        tab.get_by_label("Captions in").select_option(code)
        tab.wait_for_function(f"document.fonts.check('16px captions-{code[:2]}')")
        assert f"({name})" in tab.locator("#language option:checked").text_content()
    assert page.stat().st_size < 6e6 and tab.complaints == []


def test_without_fonts_the_page_goes_on(monkeypatch, capsys):
    def lacking(name):
        raise DataError("no apt-get here")

    monkeypatch.setattr(fonts, "fetch", lacking)
    assert fonts.font_faces({"ja": ["ねこ。"], "de": ["Eine Katze."]}) == ""
    assert "without fonts for ja: no apt-get here" in capsys.readouterr().err
    assert fonts.font_faces({"de": ["Eine Katze."]}) == ""
