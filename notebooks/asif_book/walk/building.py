"""Make the page from a small bank: its embeddings, thumbnails of all anchors, words, and pictures to ask about.

A picture of the page is one of the bank's own, and its own pair never answers for it.
"""

import base64
import gzip
import hashlib
import io
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from markupsafe import Markup
from PIL import Image

from asif_book.figures.style import data_address, thumbnail
from asif_book.figures.templates import filled
from asif_lib.bank.checks import IMAGE_TEXT
from asif_lib.datasets.providers import ONNXRUNTIME_FILES, fetch
from asif_lib.defaults import BARE_TEMPLATE
from asif_lib.encoders.onnx import onnx_file
from asif_lib.encoders.pictures import MAX_PIXELS
from asif_lib.encoders.registry import REGISTRY_IMAGE_ENCODERS
from asif_lib.errors import AsifError
from asif_lib.explain.counterfactual import without
from asif_lib.explain.removals import Removals
from asif_lib.files import write_whole
from asif_lib.settings import default_k
from asif_lib.zeroshot import ASIF

MOST_PAIRS, FEWEST_PAIRS = 2_000, 20
"""A page holds all embeddings: 2,000 pairs make about 15 MB."""
QUESTIONS = 100
"""Pictures that are drawn from the bank and asked, to count the answers that one removal turns."""
SHOWN = 48
"""Pictures that a reader can choose from: first those whose answer one removal turns."""
TILE, COLUMNS, LARGE = 64, 32, 280
"""Pixels of an anchor's thumbnail, thumbnails in a row of their sheet, and pixels of a picture that is asked."""
SURE = 2e-3
"""A lead below this is a tie for the page, whose embeddings have half precision."""


class PageError(AsifError):
    """No page can be made from the bank."""


def bank_page(bank, file, *, home=None, own=True) -> dict:
    """Write the page of a bank of pictures and captions; return what it holds.

    The result has the ``page`` (its path), the numbers of ``anchors``, ``pictures`` and ``words``, how many pictures
    were ``asked`` and how many answers one removal ``turned``, and the largest ``difference`` of a score from the
    library's. Raises `PageError` if the bank has other sides, too many or too few pairs, no readable pictures or no
    short captions, and `EncoderError` if its text encoder cannot be loaded.
    """
    if bank.sides != IMAGE_TEXT:
        raise PageError(f"bank {bank.name!r} has the sides {' and '.join(bank.sides)}; the page shows image and text")
    check_size(bank.name, len(bank))
    pictures = bank.pairs["picture"].fillna("").astype(str).tolist()
    there = [bool(picture) and Path(picture).is_file() for picture in pictures]
    labels = [label_of(caption) if seen else None for caption, seen in zip(bank.pairs["caption"], there, strict=True)]
    words = word_list(filter(None, labels))
    if len(words) < 2:
        why = "finds none of its pictures" if not any(there) else "has no short captions to make sentences of"
        raise PageError(f"bank {bank.name!r} {why}; the page needs pictures with captions such as “A small otter.”")
    model = ASIF(bank, min(default_k(len(bank)), len(bank) - 2), device="cpu")
    prompts = model.embeddings("text", [BARE_TEMPLATE.format(word) for word in words])
    texts = model.texts(prompts).to_dense()
    found = [_asked(model, prompts, texts, words, row, labels[row]) for row in _drawn(labels)]
    found.sort(key=lambda asked: (not asked["turns"], asked["right"], asked["least"]))
    shown, turned = found[:SHOWN], sum(bool(asked["turns"]) for asked in found)
    scale = [256 / float(side.abs().max()) for side in (bank.image, bank.text)]  # no cosine changes
    halves = [_half(z, by) for z, by in zip((bank.image, bank.text, prompts), (*scale, scale[1]), strict=True)]
    content = {
        "name": bank.name, "licence": bank.licence, "captions": bank.pairs["caption"].tolist(), "words": words,
        "dimensions": [bank.image.shape[1], bank.text.shape[1]], "k": model.k, "p": model.p, "template": BARE_TEMPLATE,
        "embeddings": [base64.b64encode(half).decode() for half in halves], "scale": scale[0],
        "digest": hashlib.sha256(b"".join(half.tobytes() for half in halves)).hexdigest()[:8],
        "questions": [{"row": q["row"], "pair": q["pair"], "turns": q["turns"]} for q in shown],
        "large": [_webp(thumbnail(pictures[q["row"]], LARGE), 82) for q in shown],
        "tile": TILE, "columns": COLUMNS, "sheet": _webp(_sheet(pictures, there), 74),
        "encoder": encoder_beside(bank, Path(file)) if own else {"why": "this page was made without an image encoder"},
        "asked": len(found), "turned": turned, "difference": _difference(model, prompts, halves, shown),
    }  # fmt: skip
    folder = Path(__file__).parent
    script = "\n".join(
        (folder / name).read_text(encoding="utf-8") for name in ("model.js", "ledger.js", "page.js", "own.js")
    )
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    style = (folder / "page.css").read_text(encoding="utf-8")
    parts = {"style": Markup(style), "script": Markup(script), "data": Markup(data)}
    before = BARE_TEMPLATE.replace("{}.", "…")
    page = filled("walk/page.html.j2", bank=bank, home=home, large=LARGE, before=before, content=content, **parts)
    write_whole(Path(file), page.encode())
    about = {"page": str(file), "anchors": len(bank), "pictures": len(shown), "words": len(words)}
    return about | {name: content[name] for name in ("asked", "turned", "difference")}


def encoder_beside(bank, page) -> dict:
    """Write the bank's image encoder for browsers beside the page, and return what the page needs to use it.

    The script ``NAME-encoder.js`` (22 MB) holds ONNX Runtime and the model. Without it, the result says ``why``.
    """
    identity = bank.encoder_of("image")
    entry = REGISTRY_IMAGE_ENCODERS.get(identity.name)
    if entry is None or entry.sha256 != identity.checksum:
        return {"why": f"the image encoder of this bank, {identity.name}, is not one that runs in a browser"}
    try:
        runtime = fetch("onnxruntime_web")
        model = onnx_file(identity.name).read_bytes()
    except (AsifError, OSError) as error:
        print(f"{page.name} cannot ask a reader's own picture: {error}", file=sys.stderr)
        return {"why": "ONNX Runtime for browsers was not there when this page was made (asif data onnxruntime_web)"}
    script, module, wasm = (runtime / name for name in ONNXRUNTIME_FILES)
    parts = {"module": module.read_text(encoding="utf-8")}
    parts |= {name: _packed(content) for name, content in {"wasm": wasm.read_bytes(), "model": model}.items()}
    beside = page.with_name(f"{page.stem}-encoder.js")
    text = f"{script.read_text(encoding='utf-8')}\nglobalThis.bankEncoder = {{ ort, parts: {json.dumps(parts)} }};\n"
    write_whole(beside, text.encode())
    steps = json.loads(re.search(r"timm (\{.*?\})", identity.preprocessing)[1])
    size = steps["input_size"][1]
    kept = {"side": math.floor(size / steps["crop_pct"]), "size": size, "mean": steps["mean"], "std": steps["std"]}
    return kept | {"file": beside.name, "most": MAX_PIXELS}


def _packed(content) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def check_size(name, pairs):
    """Raise `PageError` if a page cannot hold this number of pairs."""
    if not FEWEST_PAIRS <= pairs <= MOST_PAIRS:
        fault = f"bank {name!r} has {pairs:,} pairs, and a page holds {FEWEST_PAIRS} to {MOST_PAIRS:,}"
        raise PageError(f"{fault}; in Python, bank.subset(range({MOST_PAIRS})).save(FOLDER) makes a smaller bank")


def label_of(caption) -> str | None:
    """Return a short caption as the words that stand in a prompt; None for any other.

    >>> label_of("A sleeping capybara."), label_of("Euro cent sign. 100 Euro cents make 1 Euro.")
    ('a sleeping capybara', None)
    """
    text = re.sub(r"[.!]$", "", " ".join(caption.split()))
    if not re.fullmatch(r"\w[\w’-]*( \w[\w’-]*){0,4}", text):
        return None
    return text[0].lower() + text[1:] if not text[1:2].isupper() else text


def word_list(labels) -> list:
    """Return the distinct labels in alphabetical order, with the last words that several of them share.

    >>> word_list(["a red hen", "a blue hen"])
    ['a blue hen', 'a hen', 'a red hen']
    """
    labels = list(labels)
    last = Counter(label.split()[-1] for label in labels if re.match("an? .* ", label))
    shared = {f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word, times in last.items() if times > 1}
    bare = {label for label in shared if not label.endswith("s")}
    return sorted({*labels, *bare}, key=lambda label: (re.sub("^an? ", "", label).lower(), label))


def _drawn(labels) -> list:
    """Draw the pictures that are asked, the same ones on every machine."""
    rows = [row for row, label in enumerate(labels) if label]
    return sorted(np.random.default_rng(0).permutation(rows)[:QUESTIONS].tolist())


def _asked(model, prompts, texts, words, row, label) -> dict:
    """Ask a picture of the bank, without its own pair: its own label, or the best of those that share no word with it?

    The result has the ``row``, the ``pair`` of labels (positions in `words`), whether the own one is ``right``, the
    anchors each of which ``turns`` the answer alone, and the ``least`` lead that one removal leaves.
    """
    image = model.images(model.bank.image[row : row + 1])
    own = words.index(label)
    contents = set(label.split()) - {"a", "an", "the", "of"}
    products = texts * image.to_dense()  # (w, n)
    products[:, row] = 0
    scores = products.sum(dim=1)  # (w,)
    scores[[i for i, word in enumerate(words) if contents & set(word.split())]] = -1
    pair = [own, int(scores.argmax())]
    candidates = (products[pair].amax(dim=0) > 0).nonzero()[:, 0]
    candidates = torch.cat([torch.tensor([row]), candidates])
    sets = torch.eye(len(candidates), dtype=torch.bool)
    sets[:, 0] = True  # the first set is the picture's own pair alone
    removals = Removals(model, model.bank.image[row : row + 1], prompts[pair], candidates, 2)
    leads = removals.scores(sets)[0].diff(dim=1)[:, 0]  # (m,) of the other label over the own one
    right = bool(leads[0] < 0)
    leads = -leads if right else leads  # of the answer over the other label
    turns = candidates[1:][leads[1:] < -SURE].tolist() if leads[0] > SURE else []
    return {"row": row, "pair": pair, "right": right, "turns": turns, "least": float(leads.min())}


def _half(z, scale):
    return (z.float() * scale).numpy().astype("<f2")


def _difference(model, prompts, halves, shown) -> float:
    """The largest difference of a score between the library and the same embeddings in half precision."""
    bank = model.bank
    image, text, half_prompts = (torch.from_numpy(half.astype("f4")) for half in halves)
    small = ASIF(bank.replace(image=image, text=text), model.k, model.p, device="cpu")
    pairs = sorted({word for q in shown for word in q["pair"]})
    differences = [
        without(model, bank.image[[row]], prompts[pairs], [row]).scores
        - without(small, image[[row]], half_prompts[pairs], [row]).scores
        for row in (q["row"] for q in shown)
    ]
    return float(torch.cat(differences).abs().max())


def _sheet(pictures, there) -> np.ndarray:
    """All thumbnails on one sheet, `COLUMNS` in a row."""
    tiles = [thumbnail(picture if seen else "", TILE) for picture, seen in zip(pictures, there, strict=True)]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    grid = np.stack(tiles).reshape(-1, COLUMNS, TILE, TILE, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, COLUMNS * TILE, 3)


def _webp(pixels, quality) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "webp", quality=quality, method=4)
    return data_address("webp", file)
