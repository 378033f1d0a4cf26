"""What the tests share: the real encoders and stamps, once per session, and tiny made ones."""

import gc
import json
import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["ASIF_PROGRESS"] = ""  # a check that a test calls is nobody's progress
if WORKERS := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):  # as many threads as cores, in all workers together
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))

import pandas as pd
import pytest
import torch
import tqdm.auto  # noqa: F401  before a test makes a kernel here: bars would be a notebook's from then on
from chromium import HOW, find_chromium
from PIL import Image, ImageDraw

from asif_lib import AnchorBank, load_image_encoder, load_pairs, load_text_encoder
from asif_lib.bank.record import bank_dir
from asif_lib.cli import main
from asif_lib.cli.banks import must_be_built

WORDS = [
    *("a", "the", "of", "photo", "picture", "red", "green", "blue"),
    *("square", "circle", "cat", "dog", "otter", "beaver", "sleeping", "small"),
]


@pytest.fixture
def asif(capsys):
    """Runs ``asif class``; returns the exit status and what it printed, with ``--json`` as a value."""

    def asif(*arguments):
        status = main(["class", *map(str, arguments)])
        printed = capsys.readouterr()
        return status, json.loads(printed.out) if "--json" in arguments else printed

    return asif


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """What a killed process wrote is there; only a machine that loses power needs the wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def image_encoder():
    return load_image_encoder(device="cpu")


@pytest.fixture(scope="session")
def text_encoder():
    return load_text_encoder(device="cpu")


@pytest.fixture(scope="session")
def stamps():
    return load_pairs("stamps", progress=False)


@pytest.fixture(scope="session")
def stamps_bank(stamps, image_encoder, text_encoder):
    """All 793 stamps, row i being pair i of `stamps`."""
    return AnchorBank.build(stamps, image_encoder, text_encoder, progress=False)


@pytest.fixture(scope="session")
def stamps_bank_saved(stamps_bank):
    """The bank `stamps` where the command looks for it."""
    if must_be_built("stamps"):
        stamps_bank.save(bank_dir("stamps"))
    return bank_dir("stamps")


@pytest.fixture
def set_threads():
    """The function that sets PyTorch's number of threads; the number is as before after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def tmp_cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("ASIF_CACHE", str(folder))
    return folder


@pytest.fixture
def datasets_cache(tmp_path, monkeypatch):
    """The package `datasets`, with a cache of the test's own; the test is skipped where it is not installed."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    return datasets


def draw(kind, colour, size=(48, 40)):
    """A filled square or circle on white."""
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    (pen.rectangle if kind == "square" else pen.ellipse)((10, 6, 37, 33), fill=colour)
    return image


@pytest.fixture
def red_ball(tmp_path):
    """The file of a picture to upload."""
    file = tmp_path / "red ball.png"
    picture = Image.new("RGB", (240, 180), "white")
    ImageDraw.Draw(picture).ellipse((70, 40, 170, 140), fill="red")
    picture.save(file)
    return file


@pytest.fixture
def drawings(tmp_path):
    """A folder of six pictures, ``red_square.png`` to ``blue_circle.png``."""
    folder = tmp_path / "drawings"
    folder.mkdir()
    for colour in ("red", "green", "blue"):
        for kind in ("square", "circle"):
            draw(kind, colour).save(folder / f"{colour}_{kind}.png")
    return folder


def write_table(folder, rows, suffix="csv", name="metadata"):
    """Write a captions table of these rows, in one of the formats; return its file."""
    file, table = folder / f"{name}.{suffix}", pd.DataFrame(rows)
    if suffix == "csv":
        table.to_csv(file, index=False)
    elif suffix == "jsonl":
        file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        table.to_parquet(file)
    return file


@pytest.fixture(scope="session")
def timm_folder(tmp_path_factory):
    """A tiny timm model as timm itself saves it for the hub."""
    import timm

    folder = tmp_path_factory.mktemp("timm") / "tiny-vit"
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=10)
    timm.models.save_for_hf(model, folder, safe_serialization=True)
    return folder


def card_folder(folder, colours, group="card"):
    """A folder with a captions table of cards in these colours."""
    folder.mkdir()
    lines = ["file_name,caption,group"]
    for colour in colours:
        Image.new("RGB", (40, 30), colour).save(folder / f"{colour}.png")
        lines.append(f"{colour}.png,A {colour} card.,{group}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def cards(tmp_cache, tmp_path, tiny):
    """A bank of four cards, called ``cards``, and a folder of three more."""
    first = card_folder(tmp_path / "first", ["red", "green", "blue", "yellow"])
    AnchorBank.build(load_pairs(first), *tiny, name="cards", progress=False).save(bank_dir("cards"))
    return card_folder(tmp_path / "more", ["black", "white", "pink"], group="food")


def make_sentence_transformer(folder, pooling="mean", dense=None):
    """Save a tiny BERT with random weights the way sentence-transformers does."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    parts = folder.with_name(folder.name + "-parts")
    parts.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz."]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (parts / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)))
    tokenizer = BertTokenizerFast(str(parts / "vocab.txt"))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(parts)
    tokenizer.save_pretrained(parts)
    modules = [Transformer(str(parts)), Pooling(32, pooling)]
    if dense is not None:
        torch.manual_seed(dense)
        modules.append(Dense(32, 16))
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def sentence_transformer_folder(tmp_path_factory):
    return make_sentence_transformer(tmp_path_factory.mktemp("text") / "tiny-bert")


@pytest.fixture
def run_command(capsys):
    """Run the command in this process; return the exit status, the JSON value if there is one, and stderr."""

    def run(*arguments):
        status = main([*map(str, arguments), "--json"])
        output = capsys.readouterr()
        return status, json.loads(output.out) if output.out else None, output.err

    return run


@pytest.fixture(scope="session")
def tiny_folders(timm_folder, sentence_transformer_folder):
    """The folders of the two tiny encoders, by kind."""
    return {"image": timm_folder, "text": sentence_transformer_folder}


@pytest.fixture(scope="session")
def tiny(timm_folder, sentence_transformer_folder):
    """The two tiny encoders."""
    return load_image_encoder(timm_folder, device="cpu"), load_text_encoder(sentence_transformer_folder, device="cpu")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium as Playwright's Browser.

    Once per module, not per session: while Playwright's synchronous API is open, its event loop counts as running
    in this thread, and other tests could not start one.
    """
    executable = find_chromium()
    if executable is None:
        say = pytest.fail if os.environ.get("ASIF_REQUIRE_BROWSER") else pytest.skip
        say(f"no browser: {HOW}")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    arguments = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
    if os.getuid() == 0:  # Chromium's sandbox refuses root
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield chromium
        chromium.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A test in a browser, of whole notebooks or of damage is one of `make test-all`."""
    for item in items:
        slow = "browser" in getattr(item, "fixturenames", ()) or item.get_closest_marker("notebooks")
        if slow or "fuzz" in item.path.parts:
            item.add_marker("complete")


def pytest_collection_finish():
    """From now on neither the collector of garbage nor a fork looks through what was imported and collected."""
    gc.collect()
    gc.freeze()
