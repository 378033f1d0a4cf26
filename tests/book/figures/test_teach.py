"""The bank that a reader teaches on its page: it decides as the library does with the same rows."""

import base64
import hashlib
import io
import json

import numpy as np
import pytest
import torch
from drawn_pages import opened_page
from PIL import Image, ImageDraw
from safetensors.numpy import save

from asif_book.page.building import bank_page
from asif_lib import ASIF, AnchorBank
from asif_lib.bank.joining import read_taught

DECIDE = """cases => cases.map(({ added, z, sentences, gone, k, p, whiten }) => {
    const read = (text) => new Float32Array(bytesOf(text).buffer);
    sides.forEach((side, i) => side.extend(added.map((pair) => read(pair[i]))));
    const texts = sentences.map((text) => question(sides[1], read(text)));
    const { scores, best } = decide(sides, question(sides[0], read(z)), texts, new Set(gone), k, p, whiten);
    return { scores, best };
})"""


@pytest.fixture(scope="module")
def bank(stamps_bank):
    """Every fourth stamp and two houses, 201: whitening computes with the cube of their number."""
    return stamps_bank.subset(sorted([*range(0, 793, 4), 687, 689]))


@pytest.fixture(scope="module")
def page(bank, tmp_path_factory):
    """The page of this bank, without encoders."""
    file = tmp_path_factory.mktemp("teach") / "bank.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asif_book.page.building.QUESTIONS", 10)
        patch.setattr("asif_book.page.building.files_beside", lambda bank, page: [{"why": "no"}] * 2)
        bank_page(bank, file)
    return file


@pytest.fixture
def tab(browser, page):
    """The page on a desk; nothing on it must complain."""
    tab = opened_page(browser, page)
    yield tab
    assert tab.complaints == []
    tab.context.close()


def new_rows(draw, matrix, count):
    """Embeddings of pictures, or sentences, that are like those of a bank, (count, d) float32."""
    near = matrix[draw.integers(0, len(matrix), count)]
    return (near + draw.normal(size=near.shape) * matrix.std(axis=0)).astype("f4")


def drawn_case(draw, matrices):
    """A question to the stamps with up to six pairs more, of which some are the same, and any number of anchors out."""
    n, added = len(matrices[0]), draw.integers(0, 7)
    pairs = [new_rows(draw, matrix, added) for matrix in matrices]
    for rows in pairs:
        rows[1 : 1 + added // 3] = rows[:1]  # a tie
    left = min(n + added, draw.choice([0, 1, 2, 3, 12, 40, 150, n, n]))
    stay = draw.permutation(n + added)[:left]
    if draw.random() < 0.2:  # all of the bank's own are out
        stay = np.arange(n, n + added)
    whiten = draw.choice([1, 0.8, 0.3]) if len(stay) < 200 or draw.random() < 0.1 else 1
    return {
        "added": pairs, "z": new_rows(draw, matrices[0], 1), "sentences": new_rows(draw, matrices[1], 2),
        "gone": np.setdiff1d(np.arange(n + added), stay).tolist(), "k": int(draw.choice([1, 5, 20, 79])),
        "p": float(draw.choice([1, 2, 2.5, 8])), "whiten": float(whiten),
    }  # fmt: skip


def library(matrices, case):
    """The scores of a case, (2,), by a bank that is built of the rows that stay; 0 without any."""
    rows = [np.delete(np.concatenate(both), case["gone"], 0) for both in zip(matrices, case["added"], strict=True)]
    left = len(rows[0])
    if not left:
        return torch.zeros(2)
    bank = AnchorBank.from_embeddings(*rows, ["a stamp"] * left)
    whiten = None if case["whiten"] == 1 else case["whiten"]
    model = ASIF(bank, min(case["k"], left), case["p"], whiten=whiten, device="cpu")
    return model.similarity(case["z"], case["sentences"])[0]


def sent(rows, scale):
    """Rows as the page reads them, in its scale."""
    return [base64.b64encode((row * scale).astype("<f4").tobytes()).decode() for row in rows]


def test_a_bank_that_is_taught_decides_as_the_library_does(tab, bank):
    """With and without whitening; the page has no switch for hubs."""
    draw, matrices = np.random.default_rng(0), [bank.matrix(side).numpy() for side in bank.sides]
    scales = [256 / np.abs(matrix).max() for matrix in matrices]
    cases, given = [drawn_case(draw, matrices) for _ in range(90)], []
    for case in cases:
        pairs = zip(*map(sent, case["added"], scales), strict=True)
        [z], sentences = sent(case["z"], scales[0]), sent(case["sentences"], scales[1])
        given.append(case | {"added": list(pairs), "z": z, "sentences": sentences})
    answers = tab.evaluate(DECIDE, given)
    page, right = (torch.tensor([[*each] for each in them]) for them in (
        [answer["scores"] for answer in answers], [library(matrices, case).tolist() for case in cases]
    ))  # fmt: skip
    assert (page - right).abs().max() < 0.011
    best = torch.tensor([answer["best"] for answer in answers])
    assert (best[right.amax(dim=1) == 0] == -1).all() and (right.amax(dim=1) == 0).sum() > 3
    sure = right.diff(dim=1).abs()[:, 0] > 0.02
    assert sure.sum() > 15 and (best[sure] == right[sure].argmax(dim=1)).float().mean() >= 0.99


# A reader teaches it


THINGS = "a house", "a flower", "a mug"


def drawn(thing, number):
    """Draw a house, a flower or a mug of random colours, size and place."""
    draw = np.random.default_rng([THINGS.index(thing), number])
    ink, second, third = (tuple(draw.integers(30, 226, 3).tolist()) for _ in range(3))
    picture = Image.new("RGB", (240, 240), tuple(draw.integers(150, 256, 3).tolist()))
    pen, (x, y), r = ImageDraw.Draw(picture), draw.integers(85, 155, 2), int(draw.integers(45, 75))
    if thing == "a house":
        pen.rectangle([x - r, y - r / 3, x + r, y + r], ink)
        pen.polygon([(x - 1.2 * r, y - r / 3), (x + 1.2 * r, y - r / 3), (x, y - 1.2 * r)], second)
        pen.rectangle([x - r / 5, y + r / 4, x + r / 5, y + r], third)
    elif thing == "a flower":
        for angle in np.arange(0, 2 * np.pi, 2 * np.pi / draw.integers(5, 9)):
            pen.circle((x + 0.6 * r * np.cos(angle), y - r / 3 + 0.6 * r * np.sin(angle)), r / 3, ink)
        pen.circle((x, y - r / 3), r / 3, second)
        pen.line([x, y, x, y + 1.3 * r], (40, 130, 40), 6)
    else:
        pen.rectangle([x - 0.6 * r, y - 0.8 * r, x + 0.5 * r, y + 0.8 * r], ink)
        pen.ellipse([x - 0.6 * r, y - r, x + 0.5 * r, y - 0.6 * r], second)
        pen.arc([x + 0.1 * r, y - 0.5 * r, x + r, y + 0.5 * r], -90, 90, ink, 12)
    return picture.rotate(float(draw.integers(-15, 16)), fillcolor=picture.getpixel((0, 0)))


def reload(tab):
    tab.reload()
    tab.wait_for_function("typeof now !== 'undefined' && now !== null")


def ask(tab, picture):
    """Ask an own picture by its embedding, as the page does after its encoder; return the best word."""
    z = tab.image_encoder.encode([picture])[0].tolist()
    picture.save(file := io.BytesIO(), "png")
    src = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    own = "{ z: Float32Array.from(z, (one) => one * bank.scale), src }"
    script = f"([z, src]) => askOwn({own}).then(([best]) => bank.words[best])"
    return tab.evaluate(script, [z, src])


OPEN = "act(true), (find('teach').hidden = false), (find('more').open = true)"


def teach(tab, thing, number):
    ask(tab, drawn(thing, number))
    before = tab.evaluate("taught.length")
    tab.locator("#teach-word").fill(thing)
    tab.locator("#teach-word").press("Enter")
    tab.wait_for_function(f"find('teach-says').textContent.includes('is anchor {before + 1} of')")


@pytest.fixture
def teacher(tab, image_encoder):
    """The page, of which the test encodes the pictures."""
    tab.image_encoder = image_encoder
    tab.evaluate(OPEN)
    tab.on("dialog", lambda dialog: dialog.accept())
    return tab


def test_twelve_pictures_of_three_things_are_a_model_and_stay(teacher):
    for thing in THINGS:
        for number in range(4):
            teach(teacher, thing, number)
            a = teacher.evaluate("bank.captions.length - 1")
            said = teacher.locator("#teach-says").text_content()
            assert f"It learned “{thing}” from" in said and f"it is anchor {a - 200} of your own" in said
            assert teacher.evaluate("now.products[0].indexOf(Math.max(...now.products[0]))") == a  # it speaks at once
    for alone in (True, False):
        teacher.locator("#alone").set_checked(alone)
        right = [ask(teacher, drawn(thing, number)) == thing for thing in THINGS for number in range(4, 7)]
        assert sum(right) >= 8, (alone, right)
        left, whiten = (12, 1) if alone else (213, 0.8)
        assert teacher.evaluate("[now.left, state.whiten, map.dots.length]") == [left, whiten, 213]
    reload(teacher)
    assert teacher.evaluate("[taught.length, now.left]") == [12, 213]
    teacher.evaluate(OPEN)
    teacher.get_by_role("button", name="Forget a photo of a house.").first.click()
    teacher.wait_for_function("taught.length === 11 && bank.captions.length === 212")
    teacher.locator("#forget").click()
    says = "find('teach-says').textContent.includes('All your anchors are forgotten.')"  # once the store has let go
    teacher.wait_for_function(f"!taught.length && {says}")
    assert teacher.evaluate("stored('getAll', [])") == []


def test_a_model_that_knows_too_little_says_what_it_lacks(teacher):
    ask(teacher, drawn("a mug", 0))
    before = teacher.evaluate("state.words")
    teacher.locator("#alone").check()
    said = [teacher.locator(each).text_content() for each in ("#says", "#own-says")]
    assert said == ["The model knows nothing yet: teach it two things.", ""]
    assert teacher.evaluate("state.words") == before and teacher.locator("#k-is").text_content() != "0"
    for number in range(2):  # the same thing twice
        teach(teacher, "a mug", number)
        assert teacher.locator("#says").text_content() == "The model knows only “a mug”: teach it a second thing."
    teach(teacher, "a house", 0)
    assert teacher.locator("#says").text_content().startswith("The model says “a house”.")


def read(tab, name, content):
    tab.evaluate("find('teach-says').textContent = ''")
    tab.set_input_files("#import", {"name": name, "mimeType": "", "buffer": content})
    tab.wait_for_function("find('teach-says').textContent")
    return tab.locator("#teach-says").text_content()


def test_an_exported_file_is_read_by_the_library_and_the_page(teacher, bank, tmp_path):
    teach(teacher, "a mug", 0)
    teach(teacher, "a house", 0)
    with teacher.expect_download() as download:
        teacher.locator("#export").click()
    download.value.save_as(tmp_path / "taught.safetensors")
    taught = read_taught(tmp_path / "taught.safetensors", "mine")
    assert taught.encoders == bank.encoders
    assert taught.pairs["caption"].tolist() == ["a photo of a mug.", "a photo of a house."]
    z = teacher.image_encoder.encode([drawn("a mug", 0), drawn("a house", 0)])
    assert torch.allclose(taught.image, z, atol=1e-5) and len(bank.add(taught)) == 203
    content = (tmp_path / "taught.safetensors").read_bytes()
    assert "brought 0 anchors" in read(teacher, "a.safetensors", content)
    teacher.locator("#forget").click()
    teacher.wait_for_function("!taught.length")
    for damaged, why in [
        (content[:-4], "its checksum differs"), (content[:99], "cut off"), (b"", "cut off"), (b"PNG" * 99, "cut off"),
        (content.replace(b"efficientnet", b"Efficientnet"), "its checksum differs"),
        (forged(taught, encoder="0" * 64), "other encoders made"), (forged(taught, ids=["a", "a"]), "its counts"),
        (forged(taught, captions=["a", "b" * 1001]), "its counts"), (forged(taught, ids=3), "no file that"),
    ]:  # fmt: skip
        said = read(teacher, "<b>.safetensors", damaged)
        assert "“<b>.safetensors” is not read: " in said and why in said, (why, said)
    hostile = "<img src=x onerror=document.title=1>"
    bad = {"captions": [hostile, "b"], "thumbnails": ["javascript:1", "https://a.b"]}
    read(teacher, "a.safetensors", forged(taught, **bad))
    assert teacher.locator("#taught li").first.text_content().startswith(hostile)
    assert teacher.evaluate("[bank.captions.at(-2), document.title]") == [hostile, "Walk the bank · stamps"]
    assert "brought 2 anchors" in read(teacher, "a.safetensors", content)
    assert teacher.evaluate("stored('getAll', []).then((kept) => [kept.length, taught.length])") == [4, 4]


def forged(bank, encoder=None, **columns):
    """A file with other content, whose checksum is right."""
    content = {f"{side}_encoder": vars(bank.encoders[side]) for side in bank.sides}
    if encoder:
        content["image_encoder"] = content["image_encoder"] | {"checksum": encoder}
    content |= {"ids": ["c", "d"], "captions": ["c", "d"], "thumbnails": ["c", "d"]} | columns
    body, matrices = json.dumps(content), {side: bank.matrix(side).numpy() for side in bank.sides}
    digest = hashlib.sha256(body.encode() + b"".join(z.tobytes() for z in matrices.values())).hexdigest()
    return save(matrices, {"taught": body, "sha256": digest})


@pytest.mark.parametrize("refused", ["indexedDB.open = refuse", "IDBObjectStore.prototype.put = refuse"])
def test_a_browser_that_keeps_nothing_says_so_and_goes_on(teacher, refused):
    teach(teacher, "a mug", 0)
    refuse = "() => { throw new DOMException('full', 'QuotaExceededError') }"
    teacher.evaluate(f"() => {{ const refuse = {refuse}; {refused} }}")
    teach(teacher, "a mug", 1)
    assert "This browser cannot keep it" in teacher.locator("#teach-says").text_content()
    assert teacher.evaluate("[taught.length, now.left]") == [2, 203]
    reload(teacher)
    assert teacher.evaluate("taught.length") == 1  # what was kept before is not lost


# What the browser keeps, what an address sends, and a long search
TEACH = """async ([word, at]) => {
    const d = bank.dimensions[0];
    await askOwn({ z: halves(bank.embeddings[0]).slice(at * d, (at + 1) * d), src: bank.large[0] });
    find("teach-word").value = word;
    return teach().then(() => taught.at(-1).id);
}"""
FORGET = "(ids) => { globalThis.ends = ids.length && forget(taught.filter(({ id }) => ids.includes(id))); }"
IDS, KEYS = "taught.map(({ id }) => id).sort()", "stored('getAllKeys', [])"
FOREIGN = """async () => {
    const [image, text] = bank.dimensions.map((d) => new Float32Array(d).fill(1));
    const good = { image, text, caption: "a", thumbnail: "a" }, none = image.map(() => NaN), zeros = text.map(() => 0);
    const changes = { b: { image: [1] }, c: { image: none }, d: { caption: null }, e: { text: zeros }, fine: {} };
    changes.f = { image: image.map(() => 5e29) };
    const pairs = Object.entries(changes).map(([id, change]) => ({ id, ...good, ...change }));
    await stored("put", ...[{ id: 7 }, ...pairs].map((pair) => [pair]));
}"""
OTHER_STORE = """() => new Promise((done) => Object.assign(indexedDB.open(`walk-the-bank-${bank.digest}`, 2), {
    onupgradeneeded: ({ target }) => target.result.deleteObjectStore("pairs"), onsuccess: () => done(),
}))"""
SETTINGS = [
    {"alone": True, "whiten": 1, "k": 5, "p": 2.5, "gone": [205]}, {"alone": False, "whiten": 0.8, "k": 30, "p": 8},
    {"alone": False, "whiten": 0.3, "k": 20, "p": 1, "gone": [7, 201, 212]}, {"alone": True, "question": 3},
]  # fmt: skip
SEND = "find('send').click(), inTurn(() => update({}))"  # it waits for its turn
SET = "(change) => update({ ...change, gone: new Set(change.gone ?? []) }, { again: true })"
SEEN = """[state.question, state.alone, state.whiten, state.k, state.p, [...state.gone], wordOf(0), wordOf(1),
    taught.map(({ id, caption }) => id + caption), now.left, now.best]"""
BETWEEN = """async () => {
    const d = bank.dimensions[0], row = (at) => halves(bank.embeddings[0]).slice(at * d, (at + 1) * d), one = row(128);
    await askOwn({ z: row(109).map((value, i) => value + one[i]), src: bank.large[0] });
}"""
TURNING = """() => [state.game.found, ...bank.captions.map((_, a) => [a])]
    .filter((all) => answer({ ...state, gone: new Set(all) }).best !== now.best).length"""


def text(tab, place):
    return tab.locator(place).text_content()


def test_two_tabs_lose_nothing_of_each_other(browser, page):
    """Ten times one tab forgets what it shows, some or all, while the other one teaches."""
    first = opened_page(browser, page)
    tabs, draw, here = [first, first.context.new_page()], np.random.default_rng(0), set()
    tabs[1].goto(page.as_uri())
    reload(tabs[1])
    for _ in range(10):
        one, other = (tabs[i] for i in draw.permutation(2))
        gone = set(draw.choice(sorted(here), draw.integers(0, len(here) + 1), replace=False).tolist())
        one.evaluate(FORGET, sorted(gone))  # it does not wait for the end
        here = here - gone | {other.evaluate(TEACH, [THINGS[0], int(draw.integers(200))]) for _ in range(2)}
        one.evaluate("ends")
        for tab in tabs:
            tab.wait_for_function(f"(ids) => `${{{IDS}}}` === ids", arg=",".join(sorted(here)))
            assert tab.evaluate(KEYS) == sorted(here) and tab.evaluate("bank.captions.length") == 201 + len(here)
    assert first.complaints == []
    first.context.close()


def test_damaged_and_foreign_entries_of_the_store_are_set_aside(teacher):
    teacher.evaluate(FOREIGN)
    reload(teacher)
    damaged = "This browser’s store holds 6 entries that are damaged, or from elsewhere:"
    assert text(teacher, "#trouble") == f"{damaged} they are set aside, and “Forget all” deletes them."
    assert teacher.evaluate(IDS) == ["fine"] and teacher.evaluate("now.scores.every(Number.isFinite)")
    assert teacher.evaluate(KEYS) == [7, "b", "c", "d", "e", "f", "fine"]
    teacher.evaluate(OPEN)
    teacher.locator("#forget").click()
    teacher.wait_for_function(f"{KEYS}.then((keys) => !keys.length && !aside.length)")
    teacher.evaluate(OTHER_STORE)
    reload(teacher)
    assert "This browser’s store cannot be read" in text(teacher, "#trouble")
    assert text(teacher, "#says").startswith("The model says")


def test_nothing_is_taught_twice_or_that_a_file_could_not_bring_back(teacher):
    ask(teacher, drawn("a mug", 0))
    teacher.locator("#teach-word").fill("a mug")
    teacher.evaluate("find('teach-form').requestSubmit(), find('teach-form').requestSubmit()")
    assert teacher.evaluate("inTurn(() => taught.length)") == 1
    assert "It learned “a mug” from one picture" in text(teacher, "#teach-says")
    teacher.evaluate("addWord('x'.repeat(989), prompts[0])")
    for word, change, why in ("x" * 989, "", "has 1001 char"), ("a mug", "taught = Array(500)", "holds 500 anchors"):
        teacher.locator("#teach-word").fill(word)
        assert why in teacher.evaluate(f"() => {{ {change}; return teach().catch((error) => error.message); }}")


def test_twelve_taught_anchors_arrive_with_all_settings_in_another_profile(browser, page, teacher):
    def arrived():
        return opened_page(browser, page, ending=teacher.evaluate("location.hash"))

    for at in range(12):
        teacher.evaluate(TEACH, [THINGS[at % 3], 16 * at])
    assert text(teacher, "#share-says") == "12 taught anchors are not in the address."
    receiver, lacks = arrived(), "This address is without 12 anchors that its sender taught, so the answer may differ."
    for _ in range(2):  # whom the receiver sends it to is told, too
        assert text(receiver, "#trouble") == lacks and receiver.evaluate("location.hash.includes('left=12')")
        reload(receiver)
    free = "location.hash.replace(/&a=[^&]*/, '&a=a+zorp')"  # a sentence on no list is asked after the others
    receiver = opened_page(browser, page, ending=teacher.evaluate(free))
    receiver.wait_for_function("find('trouble').textContent.includes('“a zorp” cannot be asked')")
    assert text(receiver, "#trouble").startswith(lacks)
    teacher.evaluate(SEND)
    for settings in SETTINGS:
        teacher.evaluate(SET, settings)
        kept, scores = teacher.evaluate(f"[{SEEN}, now.scores]")
        receiver = arrived()
        for _ in range(2):
            assert receiver.evaluate(SEEN) == kept and not text(receiver, "#trouble")
            assert receiver.evaluate("now.scores") == pytest.approx(scores, abs=0.011)
            reload(receiver)
        assert receiver.evaluate(KEYS) == [] and receiver.complaints == []  # it is not asked to keep them
        receiver.context.close()
    teacher.evaluate(TEACH, [THINGS[0], 3])
    lacks = "None of 13 taught anchors is in the address, which holds 12 of them and 48,000 characters at most."
    assert text(teacher, "#share-says") == lacks and len(teacher.evaluate("location.hash")) < 2000


def test_an_own_anchor_that_is_out_stays_out_and_consent_ends_with_the_last_one(teacher):
    teacher.evaluate(TEACH, [THINGS[0], 3])
    teacher.evaluate("update({ gone: new Set([base]) })")
    kept = teacher.evaluate("[now.left, now.scores, location.hash]")
    reload(teacher)
    assert teacher.evaluate("[...state.gone].length") == 1
    assert teacher.evaluate("now.scores") == pytest.approx(kept[1], abs=0.011)
    teacher.evaluate(SEND)
    teacher.evaluate("forget(taught)")
    teacher.evaluate(TEACH, [THINGS[1], 9])
    assert not teacher.evaluate("state.send || location.hash.includes('taught=')")
    teacher.evaluate("(cut) => { location.hash = cut; }", kept[2][:-3])
    teacher.wait_for_function("find('trouble').textContent.includes('This address is cut off')")
    teacher.evaluate("update(fresh(3), { again: true }).then(() => { location.hash = '#bank=other'; })")
    told = "find('trouble').textContent.includes('Here is the first picture') && moving === null"
    teacher.wait_for_function(f"{told} && state.question === 0 && find('picture').src === bank.large[0]")


def test_own_anchors_stay_beside_those_of_an_address_and_a_damaged_one_changes_nothing(browser, page, teacher):
    go, receiver = "(to) => { location.hash = to; }", opened_page(browser, page)
    sent, _ = teacher.evaluate(TEACH, [THINGS[0], 3]), teacher.evaluate(SEND)
    mine = receiver.evaluate(TEACH, [THINGS[1], 9])
    receiver.evaluate(go, teacher.evaluate("location.hash"))
    receiver.wait_for_function("moving === null && location.hash.includes('left=1')")
    assert text(receiver, "#trouble") == "The anchor that you taught here answers, too."
    assert receiver.evaluate("parcel.pairs.map(({ id }) => id)") == [sent] and receiver.evaluate(KEYS) == [mine]
    receiver.evaluate(go, teacher.evaluate("location.hash.replace(/taught=..../, 'taught=AAAA')"))
    receiver.wait_for_function("find('trouble').textContent.startsWith('The anchors that come with')")
    assert receiver.evaluate("taught.length") == 2 and receiver.complaints == []


def test_a_long_search_lets_the_page_live_and_is_stopped(tab):
    tab.evaluate(BETWEEN)
    assert tab.evaluate("[...answering({ ...state, gone: new Set([3]) })].length") > 3 * 200  # each of one row
    tab.evaluate("PATIENCE.step = 0")  # so that every search is long
    tab.locator("[data-puzzle=fewest]").click()
    tab.wait_for_function("hunt.pairs === 1")
    assert text(tab, "#hunt-says").startswith("Looking for a puzzle …")
    tab.locator("#stop").click()
    known = "The search is stopped. 1 pair of sentences is tried, and none makes a puzzle."
    assert text(tab, "#hunt-says") == known and not tab.locator("#stop").is_visible()
    tab.evaluate("void play('fewest'), update({ k: 30 }, { again: true })")  # a reader who goes on ends it, too
    assert tab.evaluate("[hunt, state.game, moving, state.k]") == [None, None, None, 30]


def test_a_search_whose_time_is_over_says_what_it_knows(tab):
    tab.evaluate(BETWEEN)
    for wait, proof in (
        (0, "0 of 201 anchors were tried alone, and none turns it."),
        (1e9, "No single anchor turns it."),
    ):
        tab.evaluate(f"PATIENCE.wait = {wait}")
        tab.locator("[data-puzzle=fewest]").click()
        tab.wait_for_function(f"state.game?.known === 'A greedy search needs 2. {proof}' && moving === null")
        assert text(tab, "#says").endswith(f" as few anchors as you can. A greedy search needs 2. {proof}")
    assert tab.evaluate(TURNING) == 1  # the found ones together, and none alone
