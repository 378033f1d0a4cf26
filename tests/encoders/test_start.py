"""A single picture does not wait for packages that it does not need."""

import json
import shutil
import sys

import numpy as np
import pytest
import timm
import torch
from conftest import make_sentence_transformer
from PIL import Image
from safetensors.torch import save_file

from asif_lib.encoders.identity import REGISTRY_IMAGE_ENCODERS, PackagedModel
from asif_lib.encoders.image import centre_crop, load_image_encoder
from asif_lib.encoders.onnx import OnnxModel, efficientnet_lite, shipped_graph
from asif_lib.encoders.pictures import open_picture
from asif_lib.encoders.sentence import MeanOfTokens, OnnxSentences, is_mean_of_tokens
from asif_lib.encoders.text import load_text_encoder
from asif_lib.errors import EncoderError, MissingExtraError
from asif_lib.files import sha256_of

SQUARES = [(side, side) for side in (2, 28, 127, 224, 225, 256, 300, 1001)]
OTHERS = [(2, 300), (300, 2), (224, 225), (375, 500), (500, 375), (461, 244), (355, 771), (512, 256), (1600, 1200)]
CHANGES = [{"interpolation": "bilinear"}, {"crop_pct": 1.0}, {"input_size": (3, 225, 225), "crop_pct": 225 / 256},
           {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}]  # fmt: skip


def test_the_encoders_that_need_no_timm_take_its_own_pixels():
    """Bit for bit, whatever the shape of the picture."""
    entries = [entry for entry in REGISTRY_IMAGE_ENCODERS.values() if entry.lite_config]
    for entry in entries:
        assert timm.data.resolve_data_config({}, model=timm.create_model(entry.architecture)) == entry.lite_config
    first = entries[0].lite_config
    cases = [(first, size) for size in SQUARES + OTHERS]
    others = [*(entry.lite_config for entry in entries), *({**first, **change} for change in CHANGES)]
    cases += [(config, (side, side)) for side in (31, 400) for config in others]
    for config, (width, height) in cases:
        pixels = np.random.default_rng(width * 10_000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture, timms = Image.fromarray(pixels), timm.data.create_transform(**config, is_training=False)
        assert torch.equal(centre_crop(config)(picture), timms(picture)), (config, width, height)


def test_the_mean_over_tokens_is_sentence_transformers_own(
    text_encoder, tiny, sentence_transformer_folder, stamps, monkeypatch
):
    """In PyTorch to the last bit, in ONNX Runtime up to rounding."""
    captions = stamps.captions[::8]
    texts = [*captions, " ".join(captions), "", "Ünïcode 猫 🐱", "  spaces  ", "a\nline"]
    shipped, folder = "all-MiniLM-L6-v2", sentence_transformer_folder
    alone = [load_text_encoder(shipped, device="cpu", backend="torch"), tiny[1], text_encoder]
    assert [type(each.model) for each in alone] == [MeanOfTokens, MeanOfTokens, OnnxSentences]
    monkeypatch.setattr("asif_lib.encoders.sentence.is_mean_of_tokens", lambda folder: False)
    for encoder, name, tolerance in zip(alone, (shipped, folder, shipped), (0, 0, 1e-5), strict=True):
        other = load_text_encoder(name, device="cpu", backend="torch")
        assert not isinstance(other.model, MeanOfTokens)
        assert encoder.identity == other.identity and encoder.identity.digest == other.identity.digest
        rows, others = (each.encode(texts, progress=False) for each in (encoder, other))
        assert ((rows - others).norm(dim=1) <= tolerance * others.norm(dim=1)).all()


@pytest.mark.parametrize(
    "file, change",
    [
        ("1_Pooling/config.json", {"pooling_mode": "cls"}),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("sentence_bert_config.json", {"an unknown setting": 1}),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}),
        ("config_sentence_transformers.json", {"truncate_dim": 16}),
        ("config.json", {"model_type": "t5"}),
        ("config.json", {"auto_map": {"AutoModel": "own.py"}}),
        ("adapter_config.json", {"peft_type": "LORA"}),
    ],
)
def test_a_folder_with_any_other_setting_is_left_to_sentence_transformers(
    sentence_transformer_folder, tmp_path, file, change
):
    folder = tmp_path / "model"
    shutil.copytree(sentence_transformer_folder, folder)
    assert is_mean_of_tokens(folder)
    settings = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
    (folder / file).write_text(json.dumps({**settings, **change}))
    assert not is_mean_of_tokens(folder)


def test_so_is_one_with_another_layer_or_none(tmp_path, sentence_transformer_folder, monkeypatch):
    dense = make_sentence_transformer(tmp_path / "dense", dense=1)
    damaged = shutil.copytree(sentence_transformer_folder, tmp_path / "damaged")
    (damaged / "modules.json").write_text("[{")
    assert not any(is_mean_of_tokens(folder) for folder in (dense, damaged, tmp_path))
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"sentence_transformers.*the extra hub: pip install"):
        load_text_encoder(dense, device="cpu")


@pytest.mark.parametrize("number", range(3))
def test_the_graph_of_an_efficientnet_lite_is_timms_model(number):
    """Of any weights; the sides of feature maps are even in the first one, and odd in others."""
    entry = REGISTRY_IMAGE_ENCODERS[f"efficientnet_lite{number}"]
    draw = torch.Generator().manual_seed(number)
    model = timm.create_model(entry.architecture).eval().requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # as drawn, they change nothing
            for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                tensor.uniform_(0.5, 1.5, generator=draw)
    graph = OnnxModel(*efficientnet_lite(each.numpy() for each in model.state_dict().values()))
    model.reset_classifier(0)
    pictures = torch.rand(3, *entry.lite_config["input_size"], generator=draw)
    rows, expected = graph(pictures), model(pictures)
    assert ((rows - expected).norm(dim=1) <= 1e-4 * expected.norm(dim=1)).all()


def test_one_entry_of_the_registry_adds_an_encoder(tmp_path, monkeypatch, drawings):
    folder = tmp_path / "site" / "tiny_vit"
    folder.mkdir(parents=True)
    model = timm.create_model("test_vit")
    save_file(model.state_dict(), folder / "tiny.safetensors")
    about = tmp_path / "site" / "tiny_vit-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-vit\nVersion: 1.0\n")
    (about / "RECORD").write_text("tiny_vit/tiny.safetensors,,\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    entry = PackagedModel("tiny-vit", sha256_of(folder / "tiny.safetensors"), "test_vit", "*.safetensors")
    monkeypatch.setitem(REGISTRY_IMAGE_ENCODERS, "tiny", entry)
    encoder = load_image_encoder("tiny", device="cpu")
    assert (encoder.identity.name, encoder.identity.source) == ("tiny", "package tiny-vit")
    files = sorted(drawings.iterdir())
    model.reset_classifier(0)
    with torch.inference_mode():
        expected = model.eval()(torch.stack([encoder.prepare(open_picture(file)) for file in files]))
    torch.testing.assert_close(encoder.encode(files, progress=False), expected, atol=1e-4, rtol=1e-3)
    for name in ("tiny", "all-mpnet-base-v2"):  # nothing writes a graph of other layers
        with pytest.raises(EncoderError, match=f"{name}: has no graph; efficientnet_lite0, .*L6-v2 have one"):
            shipped_graph(name)
