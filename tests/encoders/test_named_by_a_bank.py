"""An encoder that a bank names is compared before it is loaded, and a strange folder is asked about."""

import io
import json
import shutil
from dataclasses import replace

import pytest
import timm

from asif_lib.encoders import image, text, weights
from asif_lib.encoders.identity import EncoderIdentity, load_encoder, load_encoder_of
from asif_lib.errors import EncoderError, IdentityError

KINDS = ["image", "text"]
LOADS = {"image": (timm, "create_model"), "text": (text, "_load")}


@pytest.fixture(params=KINDS)
def identity(request, tmp_path, tmp_cache, tiny_folders):
    """The identity of a tiny encoder in a folder of the test's own, which was loaded by its name."""
    folder = shutil.copytree(tiny_folders[request.param], tmp_path / "mine")
    return load_encoder(request.param, folder, device="cpu").identity


@pytest.fixture
def strange(identity, monkeypatch):
    """The same identity for a user who never named the folder."""
    monkeypatch.setattr(weights, "_NAMED", set())
    shutil.rmtree(weights.cache_dir() / "named-encoders")
    return identity


def never(monkeypatch, kind):
    monkeypatch.setattr(*LOADS[kind], lambda *_, **__: pytest.fail("was loaded"))


def answer(monkeypatch, words):
    terminal = io.StringIO(words)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)


def test_a_folder_that_the_user_named_loads_again(identity, monkeypatch):
    assert load_encoder_of(identity, device="cpu").identity == identity
    monkeypatch.setattr(weights, "_NAMED", set())  # as in another process
    assert load_encoder_of(identity, device="cpu").identity == identity


@pytest.mark.parametrize("change", ["weights", "settings"])
def test_another_encoder_in_the_folder_is_refused_before_it_is_loaded(identity, monkeypatch, tmp_path, change):
    if change == "weights":
        file = tmp_path / "mine" / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"\1")
    else:
        file = tmp_path / "mine" / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "more": 1}))
    never(monkeypatch, identity.kind)
    with pytest.raises(IdentityError, match="its weights or settings no longer agree with mine"):
        load_encoder_of(identity, device="cpu")


def test_an_encoder_of_the_registry_is_compared_too(monkeypatch):
    never(monkeypatch, "text")
    monkeypatch.setattr(image, "shipped_graph", lambda *_: pytest.fail("was loaded"))
    for kind, name in (("image", "efficientnet_lite0"), ("text", "all-MiniLM-L6-v2")):
        with pytest.raises(IdentityError, match=f"{name}: its weights or settings"):
            load_encoder_of(EncoderIdentity(kind, name, "package x", "0" * 64, "", 9), device="cpu")


def test_a_folder_that_the_user_did_not_name_is_not_loaded_without_a_yes(strange, monkeypatch, tmp_path):
    never(monkeypatch, strange.kind)
    for source in (strange.source, "package x"):
        lie = replace(strange, name=str(tmp_path / "mine"), source=source)
        with pytest.raises(EncoderError, match="the bank names this folder for its encoder, and you never did"):
            load_encoder_of(lie, device="cpu")
    for words in ("", "\n", "no\n"):
        answer(monkeypatch, words)
        with pytest.raises(EncoderError, match="you never did"):
            load_encoder_of(strange, device="cpu")


def test_a_yes_is_asked_for_once(strange, monkeypatch, capsys):
    answer(monkeypatch, "y\n")
    assert load_encoder_of(strange, device="cpu").identity == strange
    assert f"The bank names the folder {strange.locator} for its encoder. Load it? [y/N]" in capsys.readouterr().err
    assert load_encoder_of(strange, device="cpu").identity == strange


def test_a_version_that_runs_code_of_a_folder_is_refused(monkeypatch):
    monkeypatch.setattr(text.import_extra("sentence_transformers", "hub"), "__version__", "5.4.1")
    with pytest.raises(EncoderError, match=r"5\.4\.1 runs code out of a model's folder; run: pip install"):
        text._sentence_transformers()


def test_a_folder_that_is_gone_is_not_asked_of_the_hub(identity, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "_hub_repository", None)
    (tmp_path / "mine").rename(tmp_path / "moved")
    with pytest.raises(EncoderError, match="mine: there is no such folder; .* move the encoder's folder back"):
        load_encoder_of(identity, device="cpu")
    for name in (str(tmp_path / "mine"), "./mine"):
        with pytest.raises(EncoderError, match="mine: there is no such folder"):
            load_encoder(identity.kind, name, device="cpu")


def test_an_encoder_of_the_other_kind_is_refused(tiny_folders, tmp_cache, monkeypatch):
    monkeypatch.setattr(weights, "_hub_repository", None)
    for kind, names in (("image", (tiny_folders["text"], "all-mpnet-base-v2")),
                        ("text", (tiny_folders["image"], "efficientnet_lite1"))):  # fmt: skip
        other = {"image": "text", "text": "image"}[kind]
        for name in names:
            words = f"{name}: is an encoder of kind '{other}': give it to --{other}-encoder"
            with pytest.raises(EncoderError, match=words):
                load_encoder(kind, name, device="cpu")


def test_an_encoder_of_a_kind_without_a_loader_is_one_sentence(tiny):
    identity = replace(tiny[0].identity, kind="audio")
    with pytest.raises(EncoderError, match="of kind 'audio' cannot be loaded by a name; known: image, text"):
        load_encoder_of(identity, device="cpu")
