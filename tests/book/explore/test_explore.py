"""The explorer: its working copy, what it explains, its notebook, its page without a browser, its command."""

import http.client
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time

import ipywidgets
import nbformat
import numpy as np
import psutil
import pytest
from markupsafe import escape
from PIL import Image, ImageDraw

from asif_book.explore import server as explore_server
from asif_book.explore.explorer import Explorer
from asif_book.explore.question import Question, answer_without, explain, to_notebook
from asif_book.explore.working_copy import WorkingCopy
from asif_lib import ASIF, AnchorBank
from asif_lib.cli import main
from asif_lib.errors import BankError, EncoderError, ParameterError, PictureError
from asif_lib.explain.contribution import calibrate, contributions, familiarity
from asif_lib.explain.counterfactual import without
from asif_lib.files import cache_dir

LABELS = ("a frog", "a bird", "a vehicle")


@pytest.fixture
def stored(stamps_bank, tmp_path):
    """The folder of a stored bank of 120 stamps."""
    return stamps_bank.subset(range(120)).save(tmp_path / "stored")


@pytest.fixture
def copy(stored, tmp_path, image_encoder, text_encoder):
    copy = WorkingCopy(stored, tmp_path / "session", device="cpu")
    copy._encoders.update(image=image_encoder, text=text_encoder)  # loaded once for all tests
    return copy


@pytest.fixture
def ball():
    """The bytes of a picture of a red ball."""
    picture = Image.new("RGB", (120, 90), "white")
    ImageDraw.Draw(picture).ellipse((30, 15, 90, 75), fill="red")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def almost(scores):
    """Equal up to the last digits, which change with the processor and with the number of texts in a batch."""
    return pytest.approx(scores, abs=1e-6)


def ask(copy, picture=None, labels=LABELS, **others):
    return explain(copy, Question(picture or copy.stored.pairs["id"][0], labels, k=12, p=2.0, **others))


# -- question, explanation, counterfactual


def test_a_held_out_picture_is_asked_of_the_other_anchors(copy):
    bank = AnchorBank.load(copy.name)
    expected = ASIF(bank.subset(range(1, 120)), 12, 2.0, device="cpu", text_encoder=copy.encoder("text"))
    answer = expected.classify(bank.image[:1], list(LABELS), templates=["a photo of {}."])
    assert ask(copy).answer.scores == almost(answer.scores)
    own = ask(copy, held_out=False)
    assert len(own.model.bank) == 120
    assert own.answer.scores != almost(answer.scores)


def test_the_anchors_add_up_to_the_scores_of_the_first_two(copy):
    explanation = ask(copy)
    (first, one), (_, other), *_ = explanation.ranking
    assert explanation.anchors["first"].sum() == pytest.approx(one, abs=1e-6)
    assert explanation.anchors["second"].sum() == pytest.approx(other, abs=1e-6)
    assert explanation.anchors["first"].is_monotonic_decreasing
    text = explanation.model.texts([f"a photo of {first}."])
    table = contributions(explanation.model.images(explanation.z), text, explanation.model.bank.pairs)
    assert explanation.anchors["id"][: len(table)].tolist() == table["id"].tolist()
    for score, entry in (("first", "first_entry"), ("second", "second_entry")):
        products = explanation.anchors["entry"].astype(float) * explanation.anchors[entry]
        assert np.allclose(products, explanation.anchors[score], atol=1e-7)


def test_one_label_needs_no_second(copy):
    explanation = ask(copy, labels=("a frog",))
    assert explanation.anchors["first"].sum() == pytest.approx(explanation.ranking[0][1], abs=1e-6)
    assert (explanation.anchors["second"] == 0).all()


def test_without_anchors_named_by_id_is_what_the_copy_gives_once_they_are_removed(copy):
    explanation = ask(copy)
    ids = explanation.anchors["id"][:2].tolist()
    found = answer_without(explanation, ids)
    rows = explanation.anchors["anchor"][:2].tolist()
    assert found.scores == almost(without(explanation.model, explanation.z, explanation.prompts, rows).scores)
    copy.remove(ids)
    assert ask(copy).answer.scores == almost(found.scores)
    with pytest.raises(ParameterError, match="no-such: is not among the anchors"):
        answer_without(explanation, ["no-such"])


# -- the working copy


def test_edits_stay_in_the_copy_and_undo_gives_the_scores_back(copy, ball):
    before = ask(copy).answer.scores
    copy.remove([copy.stored.pairs["id"][5]])
    upload = copy.upload("red ball.png", ball)
    copy.add(upload.id, " A red ball. ")
    assert len(copy.bank) == 120 and copy.bank.pairs["caption"].iloc[-1] == "A red ball."
    assert copy.history()["change"].tolist()[1:] == [
        f"removed {copy.stored.pairs['id'][5]}",
        "added red ball.png: A red ball.",
    ]
    copy.undo()
    copy.undo()
    assert ask(copy).answer.scores == almost(before)
    stored = AnchorBank.load(copy.name)
    assert (stored.version, len(stored)) == (1, 120)
    with pytest.raises(BankError, match="nothing to undo"):
        copy.undo()


def test_saving_edits_the_stored_bank_and_keeps_the_picture(copy, ball, tmp_cache):
    gone = copy.stored.pairs["id"][5]
    copy.remove([gone])
    upload = copy.upload("red ball.png", ball)
    copy.add(upload.id, "A red ball.")
    scores = ask(copy).answer.scores
    copy.save()
    stored = AnchorBank.load(copy.name)
    assert stored.version == 3 and gone not in set(stored.pairs["id"])
    kept = stored.pairs["picture"].iloc[-1]
    assert os.path.dirname(kept) == str(cache_dir() / "uploads")
    with open(kept, "rb") as file:
        assert file.read() == ball
    assert ask(copy).answer.scores == almost(scores)  # of a new copy of what was saved
    with pytest.raises(BankError, match="there is nothing to save"):
        copy.save()
    assert len(stored.undo().undo()) == 120


def test_a_bank_that_somebody_else_changed_is_not_overwritten(copy):
    AnchorBank.load(copy.name).remove([copy.stored.pairs["id"][7]])
    copy.remove([copy.stored.pairs["id"][5]])
    with pytest.raises(BankError, match="changed by somebody else"):
        copy.save()
    assert AnchorBank.load(copy.name).version == 2
    assert len(copy.edits) == 1  # the work is still there


def test_a_save_that_fails_half_way_leaves_the_stored_bank_as_it_was(copy, ball, tmp_cache, monkeypatch):
    copy.remove([copy.stored.pairs["id"][5]])
    copy.add(copy.upload("red ball.png", ball).id, "A red ball.")
    monkeypatch.setattr(AnchorBank, "add", lambda *_, **__: (_ for _ in ()).throw(BankError("the disk is full")))
    with pytest.raises(BankError, match="disk is full"):
        copy.save()
    assert len(AnchorBank.load(copy.name)) == 120
    assert len(copy.edits) == 2


def test_what_cannot_be_edited_is_said(copy, ball):
    with pytest.raises(BankError, match="no anchor is ticked"):
        copy.remove([])
    with pytest.raises(BankError, match="upload one first"):
        copy.add("", "A red ball.")
    upload = copy.upload("red ball.png", ball)
    assert copy.upload("the same.png", ball) == upload
    with pytest.raises(BankError, match="write a caption for red ball.png"):
        copy.add(upload.id, " ")
    copy.add(upload.id, "A red ball.")
    with pytest.raises(BankError, match="has these ids already"):
        copy.add(upload.id, "A red ball once more.")
    with pytest.raises(PictureError, match="notes.png: is not a picture"):
        copy.upload("notes.png", b"I am no picture.")
    assert list(copy.uploads) == [upload.id]


def test_an_upload_may_have_a_long_name(copy, ball):
    assert copy.upload(f"ball.{300 * 'a'}", ball).file.read_bytes() == ball


# -- the notebook


def executed(notebook):
    """Run the cells of a notebook in this process, and return their names; in the browser's tests a kernel does it."""
    nbformat.validate(notebook)
    names = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    return names


def test_the_notebook_recomputes_edits_upload_scores_and_counterfactual(copy, ball):
    copy.remove([copy.stored.pairs["id"][5], copy.stored.pairs["id"][9]])
    copy.add(copy.upload("red ball.png", ball).id, "A red ball with a 'quote' and a \\.")
    labels = ('a "round" ball', "a bird", "it's a vehicle")
    explanation = ask(copy, copy.upload("red ball.png", ball).id, labels)
    ticked = explanation.anchors["id"][:2].tolist()
    expected = answer_without(explanation, ticked)
    here = executed(to_notebook(copy, explanation, ticked))
    assert here["answer"].scores == almost(explanation.answer.scores)
    assert here["counterfactual"].scores == almost(expected.scores)
    assert here["deciding"].id.tolist() == explanation.anchors["id"][explanation.anchors["first"] > 0].tolist()
    assert here["difference"] < 1e-6
    assert AnchorBank.load(copy.name).version == 1


def test_the_notebook_of_a_bank_that_changed_since_says_so(copy):
    source = "".join(cell.source for cell in to_notebook(copy, ask(copy)).cells if "stored.version" in cell.source)
    source = source.split("bank = stored")[0]
    AnchorBank.load(copy.name).remove([copy.stored.pairs["id"][7]])
    with pytest.warns(UserWarning, match="the page saw version 1 of this bank, with 120 pairs"):
        exec(source, {})


# -- the page, without a browser


@pytest.fixture
def page(copy):
    page = Explorer(copy)
    page.labels.value = ", ".join(LABELS)
    page.k.value = 12
    return page


def parts(widget):
    """A widget and all that it holds."""
    return [widget] + [part for child in getattr(widget, "children", ()) for part in parts(child)]


def troubles(page):
    """The stack traces that the page shows."""
    return [one for part in parts(page) if isinstance(part, ipywidgets.Output) for one in part.outputs]


def test_the_page_shows_ranking_anchors_counterfactual_and_what_an_edit_changes(page, copy):
    before = page.outcome.words
    explanation = ask(copy)
    first, score = explanation.ranking[0]
    assert before.startswith(f"“{first}” is first with {score:.3f}")
    top = page.anchors.page["anchors"][0]
    first = explanation.anchors.iloc[0]
    numbers = [f"{first['entry']:.3f}", f"{first['first_entry']:.3f}", f"{first['first']:.4f}"]
    assert (top["id"], re.findall(r"\d\.\d+(?=\n)", top["numbers"][0])) == (first["id"], numbers)
    page.anchors.ticked = [top["id"]]
    expected = answer_without(explanation, [top["id"]])
    shown = re.findall(r"(?<=>)\d\.\d{3}(?=<)", page.result.page.value)
    pairs = zip(explanation.answer.scores[0].tolist(), expected.scores[0].tolist(), strict=True)
    assert sorted(shown) == sorted(f"{score:.3f}" for pair in pairs for score in pair)
    assert "New in the top k of the picture: " in page.result_without.page.value
    page.remove.click()
    assert page.anchors.ticked == [] and top["id"] not in [one["id"] for one in page.anchors.page["anchors"]]
    assert page.outcome.words != before and f"removed {top['id']}" in page.history.value
    page.undo.click()
    assert page.outcome.words == before and f"removed {top['id']}" not in page.history.value
    assert troubles(page) == []


def test_the_first_tick_on_the_stamps_turns_the_answer(stamps_bank, text_encoder, tmp_path):
    copy = WorkingCopy(stamps_bank.save(tmp_path / "stamps"), tmp_path / "session", device="cpu")
    copy._encoders["text"] = text_encoder
    page = Explorer(copy)
    assert page.outcome.words.startswith("“sheep” is first")
    page.anchors.ticked = [page.anchors.page["anchors"][0]["id"]]
    assert "“kangaroo” would be first" in page.outcome_without.words


def test_the_page_lists_all_anchors_page_by_page_and_sorts_them(page):
    seen = []
    for number in range(page.pager.pages):
        page.pager.value = number
        seen += [one["id"] for one in page.anchors.page["anchors"]]
    assert seen == page.explanation.anchors["id"].tolist()
    page.order.label = "what speaks for the second label"
    page.pager.value = 0
    differences = [float(one["numbers"][2]) for one in page.anchors.page["anchors"]]
    assert differences == sorted(differences)


def test_words_find_pictures_and_the_choice_stays_where_it_is_among_them(page):
    page.pictures.value = page.pictures.tiles[1]["id"]
    page.words.value = "frog"
    assert page.pictures.tiles[1]["id"] == page.pictures.value == page.explanation.question.picture
    assert len(page.listed) < 10 and all("frog" in tile["title"] for tile in page.pictures.tiles)
    page.words.value = "no caption has this"
    assert "try fewer" in page.result.page.value and page.anchors.page["anchors"] == []
    assert "try fewer" in page.chosen.value and page.pictures.tiles == []
    page.words.value = ""
    assert "try fewer" not in page.result.page.value + page.chosen.value and page.explanation is not None


def test_the_gallery_pages_through_all_pictures_and_opens_where_the_chosen_one_is(page, copy):
    seen = []
    for number in range(page.turn.pages):
        page.turn.value = number
        seen += page.pictures.tiles
    assert [tile["id"] for tile in seen] == copy.stored.pairs["id"].tolist()
    caption = copy.stored.pairs["caption"].iloc[-1]
    assert seen[-1]["title"].startswith(caption) and f'alt="{escape(caption)}"' in seen[-1]["picture"]
    page.pictures.value = seen[-1]["id"]
    page.turn.value = 0
    page.words.value = "a"
    assert seen[-1]["id"] in [tile["id"] for tile in page.pictures.tiles] and seen[-1]["id"] in page.chosen.value


def test_a_picture_without_a_file_is_chosen_by_its_caption(page, copy):
    file, gone = copy.file_of, dict(zip(copy.stored.pairs["id"][:2], ("", "/no/such.png"), strict=True))
    copy.file_of = lambda id: gone.get(id, file(id))
    page._show_pictures()
    captions = copy.stored.pairs["caption"]
    assert [tile["picture"] for tile in page.pictures.tiles[:2]] == [f"<span>{escape(c)}</span>" for c in captions[:2]]


def test_bad_input_is_a_sentence_where_it_belongs_and_goes_away(page, copy):
    def said():
        return [answer.page.value for answer in page.wrong.values()]

    page.k.value, page.labels.value, page.template.value, page.p.value = 0, "a frog, a frog", "a photo", -1
    for words, found in zip(["twice", "needs one {}", "k = 0", "p = -1"], said(), strict=True):  # each at its field
        assert words in found
    assert page.anchors.page["anchors"] == [] and page.result.page.value == page.outcome_without.words == ""
    assert page.outcome.words.startswith("There is no answer") and "nothing to show" in page.pager.text.value
    page.k.value, page.labels.value, page.template.value, page.p.value = 12, "a frog, a bird", "a photo of {}.", 2
    assert said() == ["", "", "", ""] and "is first with" in page.outcome.words
    page.k.value = 119
    page.anchors.ticked = [page.anchors.page["anchors"][0]["id"]]
    assert "fewer than the k = 119" in page.result_without.page.value
    page.untick.click()
    assert page.result_without.page.value == ""
    page.undo.click()
    assert "nothing to undo" in page.edit_trouble.page.value
    page.k.value = 12
    assert page.edit_trouble.page.value == ""
    page.save.click()
    assert "nothing to save" in page.saving.page.value and page.yes.layout.display == "none"
    assert troubles(page) == []


def test_an_uploaded_picture_is_asked_about_and_added(page, copy, ball):
    page.picker._receive(None, {"kind": "picture", "name": "red ball.png"}, [ball])
    page.picker._receive(None, {"kind": "picture", "name": "notes.png"}, [b"no picture"])
    page.picker._receive(None, {"kind": "end", "words": []}, [])
    assert "✘ notes.png: is not a picture" in page.picker.words[0]
    assert page.picker.words[1].startswith("✔ red ball.png is here")
    assert page.explanation.question.picture == page.pictures.value == page.new.value
    assert page.pictures.tiles[0]["title"].startswith("uploaded: red ball.png")
    page.caption.value = "A red ball."
    page.add.click()
    assert "added red ball.png: A red ball." in page.history.value and len(copy.bank) == 121
    assert len(page.explanation.model.bank) == 120  # its own pair is held out
    assert troubles(page) == []


def test_what_a_failed_upload_says_stays_until_another_picture_is_chosen(page, copy):
    page.picker._receive(None, {"kind": "picture", "name": "notes.png"}, [b"no picture"])
    page.picker._receive(None, {"kind": "end", "words": []}, [])
    name = copy.stored.pairs["caption"][0].rstrip(".")
    assert page.picker.words[0].startswith("✘ notes.png") and page.picker.words[1:] == [
        f"The question is still about “{name}”: choose another one."
    ]
    page.pictures.value = page.pictures.tiles[1]["id"]
    assert page.picker.words == []


def test_a_picture_unlike_anything_in_the_bank_is_said_to_be(page, copy):
    model = ASIF(copy.stored, 1, device="cpu")
    others = [model.bank.subset([j for j in range(120) if j != i]) for i in range(120)]
    near = [float(familiarity(ASIF(rest, 1), model.bank.image[[i]])) for i, rest in enumerate(others)]
    coverage = calibrate(near)
    assert copy.coverage.threshold == pytest.approx(coverage.threshold, abs=0.02)  # their means differ a little
    for row in (int(np.argmin(near)), int(np.argmax(near))):
        page.pictures.value = copy.stored.pairs["id"][row]
        said = page.near.words
        assert page.near.alarm == ("“I have never seen anything like it”" in said) == (row == int(np.argmin(near)))
        assert float(re.search(r"with a cosine of (\d\.\d\d)", said)[1]) == pytest.approx(near[row], abs=0.0051)
    page.held_out.value = False  # most similar to itself
    assert "with a cosine of 1.00" in page.near.words


def test_a_bank_of_few_pictures_cannot_say_what_is_unlike_them(stamps_bank, text_encoder, tmp_path):
    copy = WorkingCopy(stamps_bank.subset(range(18)).save(tmp_path / "few"), tmp_path / "session", device="cpu")
    copy._encoders["text"] = text_encoder
    assert "too few pictures" in Explorer(copy).near.words and copy.coverage is None


def test_the_stored_bank_changes_only_after_yes(page, copy):
    page.anchors.ticked = [page.anchors.page["anchors"][0]["id"]]
    gone = page.anchors.ticked[0]
    page.remove.click()
    page.save.click()
    assert gone in page.saving.page.value and "asif bank undo" in page.saving.page.value
    page.no.click()
    assert AnchorBank.load(copy.name).version == 1
    page.save.click()
    page.yes.click()
    assert AnchorBank.load(copy.name).version == 2
    assert page.saved.words.endswith("is at version 2.") and troubles(page) == []


def test_a_picture_file_that_is_gone_leaves_words_in_its_place(page, copy):
    copy.file_of = lambda _: "/no/such.png"
    page.ask()
    assert "no picture file" in page.result.page.value and page.anchors.page["anchors"]


# -- the command


@pytest.fixture
def server(stored, tmp_path):
    """The port and the token of a server that gives a kernel to which no page connects three seconds.

    Another program takes the port that was free, before the server listens.
    """
    with socket.create_server((explore_server.ADDRESS, 0)) as other:
        code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # also in the background
        code += f"from asif_book.explore import server; server.UNOPENED_SECONDS = 3; bank = {str(stored)!r}; "
        code += f"server._free_port = lambda _: {other.getsockname()[1]}; server.serve(bank, browser=False)"
        with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True) as process:
            yield *re.search(r":(\d+)/\?token=(\S+)", process.stdout.readline()).groups(), process.pid
            process.send_signal(signal.SIGINT)


def status(server, path):
    port, token, _ = server
    connection = http.client.HTTPConnection(explore_server.ADDRESS, int(port), timeout=60)
    connection.request("GET", path, headers={"Authorization": f"token {token}"})
    return connection.getresponse().status


def test_a_kernel_without_a_page_ends_and_odd_paths_are_not_found(server):
    long = 300 * "a"
    folders = ["voila/templates/", "voila/templates/lab/static/", "voila/static/", "voila/labextensions/"]
    paths = ["/logout", "/%00", f"/{long}", *(f"/{folder}{name}" for folder in folders for name in ("", long, "%00"))]
    paths += ["/voila/templates/x", "/voila/templates/lab/other/x", f"/voila/templates/{long}/static/x"]
    assert {path: found for path in paths if (found := status(server, path)) not in (403, 404)} == {}
    assert status(server, "/") == 200
    until = time.monotonic() + 90  # on a busy machine the kernel is at work for a minute before it is idle
    while (kernels := psutil.Process(server[2]).children()) and time.monotonic() < until:
        time.sleep(0.2)
    assert kernels == []


def test_the_command_refuses_what_it_cannot_serve(tmp_cache, stored, capsys, monkeypatch):
    assert main(["explore", "--bank", "nowhere", "--no-browser"]) == 1
    assert "there is no bank 'nowhere'" in capsys.readouterr().err
    with socket.socket() as other:
        other.bind((explore_server.ADDRESS, 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main(["explore", "--bank", str(stored), "--no-browser", "--port", port]) == 1
    assert f"port {port} cannot be used" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "voila.app", None)
    assert main(["explore", "--bank", str(stored), "--no-browser"]) == 1
    error = capsys.readouterr().err
    assert "pip install" in error and len(error.strip().splitlines()) == 1


# -- a bank of embeddings from elsewhere -----------------------------------------------------------------


@pytest.fixture
def external(stamps_bank, text_encoder, tmp_path):
    """The folder of a bank whose encoders cannot be loaded, and a file of labels with their embeddings."""
    part = stamps_bank.subset(range(120))
    names = {"image_encoder": "eye", "text_encoder": "ear"}
    bank = AnchorBank.from_embeddings(part.image, part.text, part.pairs["caption"], ids=part.pairs["id"], **names)
    file = tmp_path / "labels.npz"
    np.savez(file, labels=np.array(LABELS), embeddings=text_encoder.encode(list(LABELS), progress=False).numpy())
    return bank.save(tmp_path / "external"), file


def test_a_bank_without_encoders_is_explored_by_labels_from_a_file(external, stamps_bank, text_encoder, tmp_path):
    folder, file = external
    copy = WorkingCopy(folder, tmp_path / "session", device="cpu", labels_from=file)
    explorer = Explorer(copy)
    assert explorer.labels.value == "a frog, a bird, a vehicle" and "is first with" in explorer.outcome.words
    assert explorer.pictures.tiles[0]["picture"] == f"<span>{escape(copy.stored.pairs['caption'][0])}</span>"
    explanation = ask(copy, held_out=False, template="{}")
    model = ASIF(stamps_bank.subset(range(120)), 12, 2.0, device="cpu", text_encoder=text_encoder)
    expected = model.classify(stamps_bank.image[:1], LABELS, templates=["{}"])
    assert explanation.answer.scores == almost(expected.scores)
    with pytest.raises(EncoderError, match="the embedding of 'an otter' is not known; 3 texts are: 'a frog'"):
        ask(copy, labels=("a frog", "an otter"), template="{}")
    notebook = to_notebook(copy, ask(copy, template="{}"), [explanation.model.bank.pairs["id"][5]])
    assert executed(notebook)["difference"] < 1e-6


def test_labels_from_a_file_come_before_the_encoder_that_could_be_loaded(stored, external, tmp_path, tmp_cache):
    copy = WorkingCopy(stored, tmp_path / "session", device="cpu", labels_from=external[1])
    assert len(ask(copy, held_out=False, template="{}").answer.labels) == 3
    assert not (tmp_cache / "embeddings").exists()


def test_a_bank_without_encoders_needs_labels_and_says_so(external, capsys, monkeypatch):
    folder, file = external
    monkeypatch.setattr(explore_server, "_free_port", None)
    assert main(["explore", "--bank", str(folder), "--no-browser"]) == 1
    said = capsys.readouterr().err
    assert "made by the text encoder 'ear'" in said and "--labels-from FILE" in said and said.count("\n") == 1
    file.write_text("nothing")
    assert main(["explore", "--bank", str(folder), "--labels-from", str(file)]) == 1
    assert "labels.npz: cannot be read as labels (no .npz file); write it with numpy.savez" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"labels": ["a"]}, "no array 'embeddings'"),
        ({"labels": ["a", "b"], "embeddings": np.ones((2, 3))}, r"the embeddings of 2 texts have the shape \(2, 3\)"),
        ({"labels": ["a", "a"], "embeddings": np.ones((2, 384))}, "the text 'a' is given twice"),
        ({"labels": [1, 2], "embeddings": np.ones((2, 384))}, "list of strings"),
        (None, "there is no such file"),
    ],
)
def test_a_bad_file_of_labels_is_named_before_the_bank_is_copied(external, tmp_path, arrays, words):
    folder, file = external
    file.unlink()
    if arrays:
        np.savez(file, **arrays)
    with pytest.raises(EncoderError, match=f"labels.npz: .*{words}.*; write it with numpy.savez"):
        WorkingCopy(folder, tmp_path / "session", labels_from=file)
    assert not (tmp_path / "session").exists()


def test_the_page_lists_the_known_labels(external, tmp_path):
    folder, file = external
    labels = [f"label {i}" for i in range(40)]
    np.savez(file, labels=labels, embeddings=np.random.default_rng(0).normal(size=(40, 384)).astype("float32"))
    page = Explorer(WorkingCopy(folder, tmp_path / "session", device="cpu", labels_from=file))
    assert page.known.words == f"Known labels: {', '.join(labels[:30])} and 10 more."
    assert page.known in parts(page)


def test_a_picture_cannot_be_uploaded_without_its_encoder(external, ball, tmp_path):
    folder, file = external
    copy = WorkingCopy(folder, tmp_path / "session", device="cpu", labels_from=file)
    with pytest.raises(EncoderError, match="the image encoder 'eye' of bank .* cannot be loaded here: choose a"):
        copy.upload("ball.png", ball)
    assert copy.uploads == {}
