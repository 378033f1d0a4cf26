"""Make the page from a small bank: its embeddings, thumbnails of all anchors, words, and pictures to ask about.

A picture of the page is one of the bank's own, and its own pair never answers for it.
"""

import base64
import hashlib
import io
import json
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from markupsafe import Markup
from PIL import Image

from asif_book.figures.style import data_address, thumbnail
from asif_book.figures.templates import filled
from asif_lib.bank.checks import IMAGE_TEXT
from asif_lib.defaults import BARE_TEMPLATE
from asif_lib.errors import BankError, ParameterError
from asif_lib.explain.out_of_distribution import own_coverage
from asif_lib.explain.removals import Removals
from asif_lib.files import write_whole
from asif_lib.zeroshot import ASIF

from ..editions.licences import licences_html
from .beside import files_beside

MOST_PAIRS, FEWEST_PAIRS = 2_000, 20
"""A page holds all embeddings: 2,000 pairs make about 15 MB."""
QUESTIONS, SHOWN = 100, 12
"""Pictures that are drawn and asked. A reader chooses from some: first those whose answer one removal turns."""
STORY = "animals/marsupials/cartoon/kangaroo-silo.png", "a kangaroo", "a sheep"
"""The picture and the sentences with which a page of the stamps opens, as the README and chapter 00 do."""
TILE, COLUMNS, LARGE = 64, 32, 280
"""Pixels of an anchor's thumbnail, thumbnails in a row of their sheet, and pixels of a picture that is asked."""
SCRIPTS = (
    "model", "ledger", "state", "address", "map", "beam", "game", "beside", "own", "words", "teach", "draw", "page",
)  # fmt: skip
"""In the order in which they run."""
SURE = 2e-3
"""A lead below this is a tie for the page, whose embeddings have half precision."""
SPREAD = 1_000
"""Half precision holds no larger ratio of the largest to the smallest length of an embedding."""


def bank_page(bank, file, *, home=None) -> dict:
    """Write the page of a bank of pictures and captions, and three files beside it; return its path and counts.

    Raises `BankError` if the bank has other sides, too many or too few pairs, lengths of embeddings that differ too
    much, no pictures or no short captions, and `EncoderError` if its text encoder cannot be loaded. `home` is the
    address of a book to link, and the files beside the page are those of `files_beside`.
    """
    name, n = bank.name, len(bank)
    if bank.sides != IMAGE_TEXT:
        fault = f"bank {name!r} has the sides {' and '.join(bank.sides)}; the page shows image and text"
        raise BankError(f"{fault}; ask it by model.represent({bank.sides[0]!r}, items) of ASIF(bank) in Python")
    if not FEWEST_PAIRS <= n <= MOST_PAIRS:
        fault = f"bank {name!r} has {n:,} pairs, and a page holds {FEWEST_PAIRS} to {MOST_PAIRS:,}"
        raise BankError(f"{fault}; in Python, bank.subset(range({MOST_PAIRS})).save(FOLDER) makes a smaller bank")
    for side in bank.sides:
        lengths = bank.matrix(side).double().norm(dim=1)
        if lengths.max() > SPREAD * lengths.min():
            fault = f"bank {name!r} has {side} embeddings of length {lengths.min():.2g} to {lengths.max():.2g}"
            raise BankError(f"{fault}; a page keeps lengths that differ {SPREAD:,} times at most, so scale them first")
    captions, pictures = bank.pairs["caption"].tolist(), bank.pairs["picture"].fillna("").astype(str).tolist()
    pictures = [picture if picture and Path(picture).is_file() else "" for picture in pictures]
    labels = [_words_of(caption) if picture else None for caption, picture in zip(captions, pictures, strict=True)]
    words = _word_list(filter(None, labels))
    if len(words) < 2:
        why = "has no short captions to make sentences of" if any(pictures) else "finds none of its pictures"
        raise BankError(f"bank {name!r} {why}; the page needs pictures with captions such as “A small otter.”")
    kept = ASIF(bank, device="cpu").settings  # of these, a page has k and p
    model = ASIF(bank, min(kept.k, n - 2), kept.p, center=True, hubs=0.0, whiten=None, device="cpu")
    prompts = model.embeddings("text", [BARE_TEMPLATE.format(word) for word in words])
    texts, drawn = model.texts(prompts).to_dense(), np.random.default_rng(0).permutation(np.flatnonzero(labels))
    found = [_asked(model, prompts, texts, words, row, labels[row]) for row in sorted(drawn[:QUESTIONS].tolist())]
    found.sort(key=lambda asked: (not asked["turns"], asked["right"], asked["least"]))
    asked, turned, (file_name, *pair) = len(found), sum(bool(one["turns"]) for one in found), STORY
    if {*pair} <= {*words} and (rows := [row for row, each in enumerate(pictures) if each.endswith(file_name)]):
        found = [_asked(model, prompts, texts, words, rows[0], *pair), *(one for one in found if one["row"] != rows[0])]
    shown = found[:SHOWN]
    order = repr([one["row"] for one in shown]).encode()  # an address of a page with other questions is not read
    scale = [256 / float(bank.matrix(side).abs().max()) for side in bank.sides]  # no cosine changes
    matrices = zip((bank.image, bank.text, prompts), (*scale, scale[1]), strict=True)
    halves = [(z.float() * by).numpy().astype("<f2") for z, by in matrices]
    image_encoder, text_encoder = files_beside(bank, Path(file))
    content = {
        "captions": captions,
        "encoders": [asdict(bank.encoders[side]) for side in IMAGE_TEXT], "template": BARE_TEMPLATE,
        "words": words, "dimensions": [bank.image.shape[1], bank.text.shape[1]],
        "embeddings": [base64.b64encode(half).decode() for half in halves], "scale": scale[0],
        "digest": hashlib.sha256(b"".join([order, *map(bytes, halves)])).hexdigest()[:8],
        "questions": shown, "large": [_webp(thumbnail(pictures[asked["row"]], LARGE), 82) for asked in shown],
        "tile": TILE, "columns": COLUMNS, "sheet": _webp(_sheet(pictures), 74), "k": model.k, "p": model.p,
        "encoder": image_encoder, "textEncoder": text_encoder | {"scale": scale[1]},
        "coverage": _coverage(model),
    }  # fmt: skip
    about = {
        "page": str(file),
        "anchors": n,
        "pictures": len(shown),
        "words": len(words),
        "asked": asked,
        "turned": turned,
    }
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = ["page.css", *(f"{script}.js" for script in SCRIPTS)]
    style, *scripts = (Path(__file__).with_name(part).read_text(encoding="utf-8") for part in parts)
    parts = {"style": Markup(style), "script": Markup("\n".join(scripts)), "data": Markup(data)}
    parts["licences"] = licences_html(names=["stamps", "onnxruntime_web", "tokenizers_web"], bank=bank)
    before = BARE_TEMPLATE.replace("{}.", "…")
    page = filled("page/page.html.j2", bank=bank, home=home, large=LARGE, before=before, about=about, **parts)
    write_whole(Path(file), page.encode())
    return about


def _coverage(model) -> dict | None:
    """The threshold below which a picture is unlike the bank's, and its promise; None where the bank gives none."""
    try:
        return asdict(own_coverage(model, model.bank.image[:1])[0])
    except ParameterError:
        return None


def _words_of(caption) -> str | None:
    """Return a short caption, "A sleeping capybara.", as it stands in a prompt, "a sleeping capybara"; else None."""
    text = re.sub(r"[.!]$", "", " ".join(caption.split()))
    if not re.fullmatch(r"\w[\w’-]*( \w[\w’-]*){0,4}", text):
        return None
    return text if text[1:2].isupper() else text[0].lower() + text[1:]


def _word_list(labels) -> list:
    """Return the distinct labels in alphabetical order, with the last words ("a hen") that several of them share."""
    labels = list(labels)
    last = Counter(label.split()[-1] for label in labels if re.match("an? .* ", label))
    shared = (word for word, times in last.items() if times > 1 and not word.endswith("s"))
    bare = {f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word in shared}
    return sorted({*labels, *bare}, key=lambda label: (re.sub("^an? ", "", label).lower(), label))


def _asked(model, prompts, texts, words, row, label, rival=None) -> dict:
    """Ask a picture of the bank, without its own pair: its own label, or the best of those that share no word with it?

    The anchors that ``turns`` holds each turn the answer alone; ``least`` is the smallest lead that one removal leaves.
    """
    image = model.images(model.bank.image[row : row + 1])
    own = words.index(label)
    contents = set(label.split()) - {"a", "an", "the", "of"}
    products = texts * image.to_dense()  # (w, n)
    products[:, row] = 0
    scores = products.sum(dim=1)  # (w,)
    scores[[i for i, word in enumerate(words) if contents & set(word.split())]] = -1
    pair = [own, words.index(rival) if rival else int(scores.argmax())]
    candidates = torch.cat([torch.tensor([row]), (products[pair].amax(dim=0) > 0).nonzero()[:, 0]])
    sets = torch.eye(len(candidates), dtype=torch.bool)
    sets[:, 0] = True  # the first set is the picture's own pair alone
    removals = Removals(model, model.bank.image[row : row + 1], prompts[pair], candidates, 2)
    leads = removals.scores(sets)[0].diff(dim=1)[:, 0]  # (m,) of the other label over the own one
    right = bool(leads[0] < 0)
    leads = -leads if right else leads  # of the answer over the other label
    turns = candidates[1:][leads[1:] < -SURE].tolist() if leads[0] > SURE else []
    return {"row": row, "pair": pair, "right": right, "turns": turns, "least": float(leads.min())}


def _sheet(pictures) -> np.ndarray:
    """All thumbnails on one sheet, `COLUMNS` in a row."""
    tiles = [thumbnail(picture, TILE) for picture in pictures]
    grid = np.stack(tiles + tiles[:1] * (-len(tiles) % COLUMNS)).reshape(-1, COLUMNS, TILE, TILE, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, COLUMNS * TILE, 3)


def _webp(pixels, quality) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "webp", quality=quality, method=4)
    return data_address("webp", file)
