"""The widgets: what their knobs show and take away, what uploads answer, and that no error of a callback gets lost."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import ipywidgets
import pytest
import torch
from markupsafe import Markup
from PIL import Image
from traitlets import TraitError

from asif_book.widgets import browser, knobs
from asif_book.widgets.parts import Answer, Knob, Pager
from asif_book.widgets.upload import Picker, answer_html, parse_labels, read_upload, write_labels, your_picture
from asif_lib import ASIF, embed
from asif_lib.errors import ParameterError, PictureError


@pytest.fixture(scope="module")
def bank(stamps_bank, stamps):
    return stamps_bank.subset(stamps.splits["train"])


@pytest.fixture(scope="module")
def queries(stamps_bank, stamps):
    return stamps_bank.subset(stamps.splits["validation"])


@pytest.fixture(scope="module")
def model(bank, image_encoder, text_encoder):
    return ASIF(bank, device="cpu", image_encoder=image_encoder, text_encoder=text_encoder)


def inside(widget, kind):
    """All widgets of a class within a widget, in the order in which they stand."""
    found = [widget] if isinstance(widget, kind) else []
    return found + [one for child in getattr(widget, "children", ()) for one in inside(child, kind)]


def control(widget, name):
    """The control with this accessible name."""
    controls = inside(widget, ipywidgets.Widget)
    return next(one for one in controls if name in (getattr(one, "description", ""), getattr(one, "name", "")))


def shown(widget):
    return "".join(answer.page.value for answer in inside(widget, Answer))


def errors(widget):
    return [output for answer in inside(widget, Answer) for output in answer.trouble.outputs]


# Knob, pager, answer ---------------------------------------------------------------------------------


def test_a_knob_takes_its_steps_and_nothing_else():
    knob = Knob("Entries kept, k", [1, 2, 5], 2)
    knob.value = 5
    with pytest.raises(TraitError, match="k = 3: the knob has the steps 1, 2, 5"):
        knob.value = 3
    assert knob.value == 5


def test_a_pager_turns_to_both_ends_and_no_further():
    pager = Pager(10)
    assert pager.rows_of(25) == slice(0, 10) and "1 to 10 of 25" in pager.text.value
    for _ in range(5):
        pager.next.click()
    assert pager.value == 2 and pager.rows_of(25) == slice(20, 25)
    assert pager.next.disabled and not pager.previous.disabled
    assert pager.rows_of(7) == slice(0, 7) and pager.value == 0  # fewer rows: back to a page that there is
    assert pager.rows_of(0) == slice(0, 0) and "nothing to show" in pager.text.value
    assert pager.previous.disabled and pager.next.disabled


def test_an_error_in_a_callback_is_shown_and_goes_away_again():
    knob, answer = Knob("k", [0, 1, 2], 1), Answer()

    def draw(k):
        if k == 2:
            raise ParameterError("k = 2: is <too large>")
        return str(1 / k)

    answer.follow(draw, knob)
    knob.value = 2  # bad input becomes one sentence
    assert "k = 2: is &lt;too large&gt;" in answer.page.value and "✘" in answer.page.value
    assert not answer.trouble.outputs
    knob.value = 1
    assert answer.page.value == "1.0"
    knob.value = 0  # a fault of the program shows its stack trace
    (output,) = answer.trouble.outputs
    assert output["output_type"] == "error" and output["ename"] == "ZeroDivisionError"
    assert any("1 / k" in line for line in output["traceback"])
    assert "1.0" not in answer.page.value  # no answer of another setting stands beside the trace
    knob.value = 1
    assert answer.page.value == "1.0" and not answer.trouble.outputs


def test_two_controls_that_change_at_once_are_answered_one_after_the_other():
    one, two, answer = Knob("one", [0, 1], 0), Knob("two", [0, 1], 0), Answer()
    drawing, began, go_on = [], threading.Event(), threading.Event()

    def draw(*values):
        drawing.append(values)
        if values == (1, 0):
            began.set()
            assert go_on.wait(10)
        drawing.append("done")
        return str(values)

    answer.follow(draw, one, two)
    threads = [threading.Thread(target=setattr, args=(knob, "value", 1)) for knob in (one, two)]
    threads[0].start()
    assert began.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    assert threads[1].is_alive() and drawing[-1] == (1, 0)  # it waits, and so draws nothing meanwhile
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert drawing == [(0, 0), "done", (1, 0), "done", (1, 1), "done"]
    assert answer.page.value == "(1, 1)" and not answer.trouble.outputs


def test_a_change_that_is_already_drawn_is_not_drawn_again():
    one, two, answer, drawn = Knob("one", [0, 1], 0), Knob("two", [0, 1], 0), Answer(), []
    one.observe(lambda _: two.set_trait("value", 1), "value")  # before the answer hears of either
    answer.follow(lambda *values: drawn.append(values) or "", one, two)
    one.value = 1
    assert drawn == [(0, 0), (1, 1)]


def test_a_knob_turned_quickly_and_a_picture_chosen_leave_no_trace_of_an_error(bank, queries):
    box = knobs.sparse_knobs(bank, queries, row=0)
    turned, chosen = [2, 50, 5], [3, 7, 11]

    def change(name, values):
        for value in values:
            control(box, name).value = value

    with ThreadPoolExecutor() as pool:
        list(pool.map(change, ("Entries kept, k", "Picture"), (turned, chosen)))
    assert errors(box) == [] and "k = 5, p = 2" in shown(box)
    assert queries.pairs.caption[11].rstrip(". ") in shown(box)


# k and p ---------------------------------------------------------------------------------------------


def test_steps_hold_both_ends_and_the_given_value():
    assert knobs.log_steps(1, 493, 49) == [1, 2, 5, 10, 20, 49, 50, 100, 200, 493]
    assert knobs.log_steps(1, 1, 1) == [1]


def test_captions_rank_by_score_with_equal_ones_behind():
    captions = ["a", "b", "c", "b"]
    scores = torch.tensor([0.5, 0.2, 0.9, 0.1])
    assert [row[:2] for row in knobs.rank_captions(scores, captions, 0, 2)] == [(1, "c"), (2, "a")]
    low = knobs.rank_captions(scores, captions, 3, 2)  # its own caption stands further down, and is added
    assert [(rank, text, own) for rank, text, _, own in low] == [(1, "c", False), (2, "a", False), (3, "b", True)]
    nothing = knobs.rank_captions(torch.zeros(4), captions, 0, 1)
    assert nothing[0][0] == 4  # all scores 0: no find


def test_sparse_step_says_what_model_and_vectors_say(bank, queries):
    for k, p in [(49, 8), (len(bank), 1)]:
        figure, words = knobs.sparse_step(bank, queries, 5, k, p)
        model = ASIF(bank, k, p, device="cpu")
        picture, texts = model.images(queries.image[5:6]), model.texts(queries.text)
        best = queries.pairs.caption[int(picture.similarity(texts)[0].argmax())]
        assert f"First is “{best.rstrip('.')}”" in words
        assert f"{int((picture.values > 0).sum())} keep an entry above 0" in words
        assert f">1. {Markup.escape(best)}" in figure.data
    _, words = knobs.sparse_step(bank, queries, 5, 1, 2)  # it may share no anchor with any caption
    assert "1 keeps an entry" in words and f"rank {len(queries)} of {len(queries)}" in words
    assert "No caption shares an anchor" in words and "First" not in words


def test_sparse_knobs_redraw_for_each_control(bank, queries):
    widget = knobs.sparse_knobs(bank, queries)
    pages = [shown(widget)]
    assert "k = 49, p = 2" in pages[0] and '<img src="data:image/svg+xml' in pages[0]
    for name, value, words in [
        ("Entries kept, k", 1, "k = 1, p = 2"),
        ("Entries kept, k", len(bank), f"k = {len(bank)}, p = 2"),
        ("Exponent, p", 8, f"k = {len(bank)}, p = 8"),
        ("Picture", 7, f"“{queries.pairs.caption[7].rstrip('.')}”"),
    ]:
        control(widget, name).value = value
        pages.append(shown(widget))
        assert words in pages[-1] and pages[-1] != pages[-2]
    assert not errors(widget)


# Anchors ---------------------------------------------------------------------------------------------


def test_nearest_leaves_the_anchor_itself_out(bank):
    z = torch.tensor([[1.0, 0], [0.9, 0.1], [-1, 0], [1, 0]])
    assert browser.nearest_rows(z, torch.zeros(2), 0, 2) == [3, 1]
    figure, words = browser.nearest_by_both(bank, bank.pairs.picture, 4)
    by_picture = browser.nearest_rows(bank.image, bank.image_mean, 4, 6)
    assert 4 not in by_picture and ", ".join(bank.pairs.caption[by_picture].str.rstrip(".")) in words
    stars = figure.data.count("<b>★")  # in both rows
    assert f"In both rows, framed: {stars // 2} of 6" in words


def test_the_browser_searches_filters_turns_pages_and_compares(bank):
    widget = browser.anchor_browser(bank)
    pager = inside(widget, Pager)[0]
    control(widget, "Next page").click()
    assert pager.value == 1 and bank.pairs.id[12] in shown(widget) and bank.pairs.id[11] not in shown(widget)
    control(widget, "Words in the caption").value = "bird"
    assert pager.value == 0
    found = browser.find_anchors(bank.pairs, "bird")
    assert all(bank.pairs.id[row] in shown(widget) for row in found[:12])
    assert shown(widget).count("<figure style") == min(12, len(found)) and "No anchor" not in shown(widget)
    figures = browser.anchor_page(bank.pairs, bank.pairs.picture, found[:12]).split("<figure style")[1:]
    assert all("<img " in figure for figure in figures)
    control(widget, "Words in the caption").value = "zzz"
    assert "No anchor has all of these words" in shown(widget) and "nothing to show" in pager.text.value
    control(widget, "Words in the caption").value = ""
    assert f"of {len(bank)}" in pager.text.value
    control(widget, "Group").value = "food"
    assert f"of {sum(group.startswith('food') for group in bank.pairs.group)}" in pager.text.value
    control(widget, "Number of an anchor").value = 17
    assert f"Anchor 17, “{bank.pairs.caption[17].rstrip('.')}”" in shown(widget)
    assert not errors(widget)


# Your pictures ---------------------------------------------------------------------------------------


def encoded(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


def upload(widget, files, words=()):
    """Send files as a browser does: each as a message with its bytes, then the end of the batch."""
    picker = inside(widget, Picker)[0]
    for name, data in files:
        picker._handle_custom_msg({"kind": "picture", "name": name}, [memoryview(data)])
    picker._handle_custom_msg({"kind": "end", "words": list(words)}, [])
    return picker.words


def test_words_of_any_language_are_shown_in_their_direction_and_trusted_in_none(model, stamps):
    rows = stamps.splits["test"][:20]
    z = model.embeddings("image", [stamps.pictures[i] for i in rows])
    widget = knobs.language_knob({"Arabic": model, "German": model}, stamps, rows, z, language="Arabic", text="سيارة")
    page = inside(widget, ipywidgets.HTML)[0]
    assert '<span lang="ar" dir="auto">سيارة</span>' in page.value and page.value.count("<img") == 4
    control(widget, "Words").value = "<b>Hut</b>"
    control(widget, "Language").value = "German"
    assert '<span lang="de" dir="auto">&lt;b&gt;Hut&lt;/b&gt;</span>' in page.value
    control(widget, "Words").value = " "
    assert "the field holds no words" in page.value


@pytest.fixture(scope="module")
def beaver(queries):
    row = queries.pairs.id.tolist().index("animals/mammals/rodents/beaver.png")
    with open(queries.pairs.picture[row], "rb") as file:
        return file.read()


def test_labels_are_parted_by_commas_outside_quotes():
    assert parse_labels(write_labels(["a", "b, c"])) == ["a", "b, c"]
    assert parse_labels("otter\r,sea\nlion") == ["otter", "sea lion"]
    with pytest.raises(ParameterError, match="the labels cannot be read"):
        parse_labels("a" * 200_000)
    with pytest.raises(ParameterError, match="there is no label"):
        parse_labels("  ")


def test_an_upload_is_read_whole_or_refused_by_its_name(beaver):
    assert read_upload("b.png", beaver).mode == "RGB"
    for data, reason in [
        (b"just words", "is not a picture"),
        (beaver[: len(beaver) // 2], "is broken or truncated"),
        (encoded(Image.new("RGB", (1, 1))), "is 1 × 1 pixels"),
        (b"", "is not a picture"),
        (encoded(Image.new("1", (20_000, 20_000))), "has over 89,478,485 pixels"),
    ]:
        with pytest.raises(PictureError, match=rf"^\.\./notes\.png: {reason}"):
            read_upload("../notes.png", data)


def test_an_answer_ranks_labels_and_names_the_anchors(model, beaver):
    picture = read_upload("beaver.png", beaver)
    vector = model.images([picture])
    labels = ["a ship", "beaver", "red apple"]
    page = answer_html(model, "<b>.png", picture, vector, labels, "a photo of a {}.", model.bank.pairs.picture)
    assert "&lt;b&gt;.png: beaver</b>" in page
    order = model.classify(vector, labels, templates=["a photo of a {}."]).scores[0].argsort(descending=True)
    places = [page.index(f">{labels[i]}</") for i in order]
    assert places == sorted(places)
    assert page.count("<figure") == 4 and "%" in page.split('<figcaption dir="auto"><b>')[1][:4]
    alone = answer_html(model, "b.png", picture, vector, ["ship"], "a {}.", model.bank.pairs.picture)
    assert "b.png: ship</b>" in alone
    many = [f"label {i}" for i in range(13)]
    assert "and 3 more labels" in answer_html(model, "b", picture, vector, many, "{}", model.bank.pairs.picture)


def test_where_no_anchor_is_shared_nothing_decides(bank, image_encoder, text_encoder, beaver):
    one = ASIF(bank, 1, device="cpu", image_encoder=image_encoder, text_encoder=text_encoder)
    picture = read_upload("b.png", beaver)
    page = answer_html(one, "b.png", picture, one.images([picture]), ["steam engine"], "a {}.", bank.pairs.picture)
    assert "no label: the picture shares no anchor" in page and "<figure" not in page


def test_good_pictures_are_answered_when_others_fail(model, beaver):
    widget = your_picture(model, ["beaver", "ship"])
    grey = encoded(Image.new("L", (30, 20), 90), "GIF")
    files = [("notes.png", b"words"), ("b.png", beaver), ("half.png", beaver[:900]), ("grey.gif", grey)]
    words = upload(widget, files, ["✘ 20 files are taken at a time."])
    assert words[0] == "✘ 20 files are taken at a time." and words[-1] == "✔ 2 pictures added."
    assert [sentence.split(":")[0] for sentence in words[1:-1]] == ["✘ notes.png", "✘ half.png"]
    assert "b.png: beaver</b>" in shown(widget) and "grey.gif: " in shown(widget)
    for labels, words in [  # the pictures stay when labels change and when they are wrong
        ("rodent,, ship", "label 2 of 3 is empty"),
        ("ship, ship", "&#39;ship&#39; is given twice"),
        ("", "there is no label"),
        ("rodent, ship", "b.png: rodent</b>"),
    ]:
        control(widget, "Labels, separated by commas").value = labels
        assert words in shown(widget)
    assert not errors(widget)


def test_the_same_words_twice_are_two_changes(model):
    widget, seen = your_picture(model), []
    inside(widget, Picker)[0].observe(lambda change: seen.append(change.new), "words")
    first = upload(widget, [("notes.png", b"words")])
    assert upload(widget, [("notes.png", b"words")]) == first
    assert [words for words in seen if words] == [first, first]


def test_all_pictures_are_kept_the_newest_first(model):
    widget = your_picture(model)
    colours = [encoded(Image.new("RGB", (8, 8), colour)) for colour in ("red", "green", "blue")]
    files = [(f"{i}.png", colours[i % 3]) for i in range(30)]
    assert upload(widget, files) == ["✔ 30 pictures added."]
    assert "1 to 10 of 30" in inside(widget, Pager)[0].text.value
    assert ">29.png: " in shown(widget) and ">19.png: " not in shown(widget)
    control(widget, "Next page").click()
    assert ">19.png: " in shown(widget)
    assert len(shown(widget)) < 1_000_000  # a server holds back what comes faster than a megabyte a second
    upload(widget, [("new.png", files[0][1])])
    assert ">new.png: " in shown(widget)  # back on the first page


def test_a_fault_with_one_picture_is_shown_and_the_others_are_answered(model, beaver, monkeypatch):
    widget = your_picture(model, ["beaver", "ship"])

    def faulty(encoder, pictures, **options):
        if pictures[0].size == (10, 10):
            raise RuntimeError("out of memory")
        return embed(encoder, pictures, **options)

    monkeypatch.setattr("asif_book.widgets.upload.embed", faulty)
    upload(widget, [("bad.png", encoded(Image.new("RGB", (10, 10)))), ("b.png", beaver)])
    (output,) = errors(widget)
    assert output["ename"] == "RuntimeError" and "b.png: beaver</b>" in shown(widget)
    upload(widget, [("b.png", beaver)])
    assert not errors(widget)
