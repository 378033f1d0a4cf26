"""The widgets: what uploads answer, in any language, and that no error of a callback gets lost."""

import io
import threading

import ipywidgets
import pytest
from PIL import Image

from asif_book.chapters.chapter_10.lessons import language_knob
from asif_book.widgets.parts import Answer
from asif_book.widgets.upload import Picker, answer_html, read_upload, your_picture
from asif_lib import ASIF, embed
from asif_lib.errors import ParameterError, PictureError


@pytest.fixture(scope="module")
def model(stamps_bank, stamps, image_encoder, text_encoder):
    encoders = {"image_encoder": image_encoder, "text_encoder": text_encoder}
    return ASIF(stamps_bank.subset(stamps.splits["train"]), device="cpu", **encoders)


@pytest.fixture(scope="module")
def beaver(stamps):
    return stamps.pictures[stamps.ids.index("animals/mammals/rodents/beaver.png")].read_bytes()


def encoded(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


def upload(widget, files, words=()):
    """Send files as a browser does: each as a message with its bytes, then the end of the batch."""
    picker = next(child for child in widget.children if isinstance(child, Picker))
    for name, data in files:
        picker._handle_custom_msg({"kind": "picture", "name": name}, [memoryview(data)])
    picker._handle_custom_msg({"kind": "end", "words": list(words)}, [])
    return picker.words


def answer_of(widget):
    return widget.children[-1]


def test_an_error_in_a_callback_is_shown_and_goes_away_again():
    knob, answer = ipywidgets.IntSlider(1, 0, 2), Answer()

    def draw(k):
        if k == 2:
            raise ParameterError("k = 2: is <too large>")
        return str(1 / k)

    answer.follow(draw, knob)
    knob.value = 2  # bad input becomes one sentence
    assert "k = 2: is &lt;too large&gt;" in answer.page.value and not answer.trouble.outputs
    knob.value = 0  # a fault of the program shows its stack trace, and no answer of another setting beside it
    (output,) = answer.trouble.outputs
    assert output["ename"] == "ZeroDivisionError" and any("1 / k" in line for line in output["traceback"])
    knob.value = 1
    assert answer.page.value == "1.0" and not answer.trouble.outputs


def test_controls_that_change_at_once_are_answered_one_after_the_other():
    one, two, answer = ipywidgets.IntText(0), ipywidgets.IntText(0), Answer()
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
    assert drawing == [(0, 0), "done", (1, 0), "done", (1, 1), "done"] and not answer.trouble.outputs


def test_words_of_any_language_are_shown_in_their_direction_and_trusted_in_none(model, stamps):
    rows = stamps.splits["test"][:20]
    z = model.embeddings("image", [stamps.pictures[i] for i in rows])
    widget = language_knob({"Arabic": model, "German": model}, stamps, rows, z, language="Arabic", text="سيارة")
    (language, words, answer), page = widget.children, answer_of(widget).page
    assert '<span lang="ar" dir="auto">سيارة</span>' in page.value and page.value.count("<img") == 4
    words.value, language.value = "<b>Hut</b>", "German"
    assert '<span lang="de" dir="auto">&lt;b&gt;Hut&lt;/b&gt;</span>' in page.value
    words.value = " "
    assert "the field holds no words" in page.value and not answer.trouble.outputs


def test_an_upload_is_read_whole_or_refused_by_its_name(beaver):
    assert read_upload("b.png", beaver).mode == "RGB"
    for data, reason in [
        (b"just words", "is not a picture"),
        (beaver[: len(beaver) // 2], "is broken or truncated"),
        (encoded(Image.new("1", (20_000, 20_000))), "has over 89,478,485 pixels"),
    ]:
        with pytest.raises(PictureError, match=rf"^\.\./notes\.png: {reason}"):
            read_upload("../notes.png", data)


def test_an_answer_ranks_labels_and_names_the_anchors_if_any_decides(model, beaver):
    picture, pictures = read_upload("beaver.png", beaver), model.bank.pairs.picture
    vector, labels = model.images([picture]), ["a ship", "beaver", "red apple"]
    page = answer_html(model, "<b>.png", picture, vector, labels, "a photo of a {}.", pictures)
    order = model.classify(vector, labels, templates=["a photo of a {}."]).scores[0].argsort(descending=True)
    places = [page.index(f">{labels[i]}</") for i in order]
    assert "&lt;b&gt;.png: beaver</b>" in page and places == sorted(places) and page.count("<figure") == 4
    many = [f"label {i}" for i in range(13)]
    assert "and 3 more labels" in answer_html(model, "b", picture, vector, many, "{}", pictures)
    one = ASIF(model.bank, 1, device="cpu", image_encoder=model.encoder("image"), text_encoder=model.encoder("text"))
    page = answer_html(one, "b.png", picture, one.images([picture]), ["steam engine"], "a {}.", pictures)
    assert "no label: the picture shares no anchor" in page and "<figure" not in page


def test_good_pictures_are_answered_when_others_fail_the_newest_first(model, beaver):
    widget = your_picture(model, ["beaver", "ship"])
    files = [("notes.png", b"words"), ("b.png", beaver), ("half.png", beaver[:900])]
    words = upload(widget, files, ["✘ 20 files are taken at a time."])
    assert words[0] == "✘ 20 files are taken at a time." and words[-1] == "✔ 1 picture added."
    assert [sentence.split(":")[0] for sentence in words[1:-1]] == ["✘ notes.png", "✘ half.png"]
    answer, field = answer_of(widget), widget.children[1]
    for labels, said in [  # the pictures stay when labels change and when they are wrong
        ("rodent,, ship", "label 2 of 3 is empty"),
        ("  ", "there is no label"),
        ("ship, ship", "&#39;ship&#39; is given twice"),
        ("rodent, ship", "b.png: rodent</b>"),
    ]:
        field.value = labels
        assert said in answer.page.value
    small = encoded(Image.new("RGB", (8, 8), "red"))
    words = upload(widget, [(f"{i}.png", small) for i in range(12)])
    assert words == ["✔ 12 pictures added, the last 10 are shown."]
    shown = [name in answer.page.value for name in (">11.png: ", ">2.png: ", ">1.png: ", ">b.png: ")]
    assert shown == [True, True, False, False] and not answer.trouble.outputs


def test_a_fault_with_one_picture_is_shown_and_the_others_are_answered(model, beaver, monkeypatch):
    widget = your_picture(model, ["beaver", "ship"])

    def faulty(encoder, pictures, **options):
        if pictures[0].size == (10, 10):
            raise RuntimeError("out of memory")
        return embed(encoder, pictures, **options)

    monkeypatch.setattr("asif_book.widgets.upload.embed", faulty)
    upload(widget, [("bad.png", encoded(Image.new("RGB", (10, 10)))), ("b.png", beaver)])
    (output,) = answer_of(widget).trouble.outputs
    assert output["ename"] == "RuntimeError" and "b.png: beaver</b>" in answer_of(widget).page.value
    upload(widget, [("b.png", beaver)])
    assert not answer_of(widget).trouble.outputs
