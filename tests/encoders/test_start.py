"""A single picture does not wait for packages that it does not need."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from conftest import make_sentence_transformer
from PIL import Image
from safetensors.torch import save_file

from asif_lib.encoders import image as image_encoders
from asif_lib.encoders.efficientnet import EfficientNetLite
from asif_lib.encoders.graphs import frozen_graph
from asif_lib.encoders.image import load_image_encoder
from asif_lib.encoders.registry import REGISTRY_IMAGE_ENCODERS, PackagedModel
from asif_lib.encoders.sentence import MeanOfTokens, is_mean_of_tokens
from asif_lib.encoders.text import load_text_encoder
from asif_lib.encoders.transforms import centre_crop
from asif_lib.errors import MissingExtraError
from asif_lib.files import sha256_of
from asif_lib.machine import one_thread

NEVER = {"sentence_transformers", "transformers", "timm", "torchvision", "sympy"}
NEVER |= {"datasets", "sklearn", "matplotlib", "dask", "IPython"}
"""Of one picture and its labels."""


def test_one_picture_and_its_labels_import_only_what_they_use(drawings, tmp_cache):
    code = f"""
import sys
import pandas as pd
import torch
from asif_lib.bank.anchors import AnchorBank
from asif_lib.encoders.loading import load_encoder
from asif_lib.zeroshot import ASIF

torch.jit.trace = None  # which takes longer than a picture
image, text = load_encoder("image", "efficientnet_lite0"), load_encoder("text", "all-MiniLM-L6-v2")
table = pd.DataFrame({{"id": list("abcdefghi"), "caption": "c", "picture": "", "group": ""}})
bank = AnchorBank("none", torch.rand(9, 1280), torch.rand(9, 384), table, image.identity, text.identity)
answer = ASIF(bank, image_encoder=image, text_encoder=text).classify([{str(drawings / "red_circle.png")!r}], ["a", "b"])
assert answer.scores.shape == (1, 2)
print(*{{name.partition('.')[0] for name in sys.modules}})
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert NEVER.isdisjoint(run.stdout.split())


# -- without timm, and without sentence-transformers ------------------------------------------------------


@pytest.mark.parametrize("name", REGISTRY_IMAGE_ENCODERS)
def test_the_shipped_image_encoders_are_timms_to_the_last_bit(name):
    entry = REGISTRY_IMAGE_ENCODERS[name]
    model = trained_like(timm.create_model(entry.architecture))
    config = timm.data.resolve_data_config({}, model=model)
    alone = EfficientNetLite(model.state_dict(), entry.lite_config).to(memory_format=torch.channels_last)
    model.reset_classifier(0)
    assert config == entry.lite_config
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 411, 3), dtype=np.uint8))
    pixels = centre_crop(config)(picture)
    assert torch.equal(pixels, timm.data.create_transform(**config, is_training=False)(picture))
    batch = torch.stack([pixels, pixels.flip(2)]).contiguous(memory_format=torch.channels_last)
    with one_thread(), torch.inference_mode():
        assert torch.equal(alone(batch), frozen_graph(model.to(memory_format=torch.channels_last))(batch))


def test_the_mean_over_tokens_is_sentence_transformers_own_to_the_last_bit(
    text_encoder, tiny, sentence_transformer_folder, stamps, monkeypatch
):
    captions = stamps.captions[::8]
    texts = [*captions, " ".join(captions), "", "Ünïcode 猫 🐱", "  spaces  ", "a\nline"]
    monkeypatch.setattr("asif_lib.encoders.sentence.is_mean_of_tokens", lambda folder: False)
    for alone, name in ((text_encoder, "all-MiniLM-L6-v2"), (tiny[1], sentence_transformer_folder)):
        other = load_text_encoder(name, device="cpu")
        assert isinstance(alone.model, MeanOfTokens) and not isinstance(other.model, MeanOfTokens)
        assert alone.identity == other.identity and alone.identity.digest == other.identity.digest
        assert torch.equal(alone.encode(texts, progress=False), other.encode(texts, progress=False))


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


# -- enough pictures for a graph ----------------------------------------------------------------------------


def test_many_pictures_make_a_graph_that_gives_the_same_bits(image_encoder, drawings, monkeypatch):
    files = sorted(drawings.iterdir())
    assert not isinstance(image_encoder.model, torch.jit.ScriptModule)
    graph = load_image_encoder(device="cpu")
    monkeypatch.setattr(image_encoders, "WORTH_FREEZING", 6)
    few = graph.encode(files[:5], progress=False)
    assert not isinstance(graph.model, torch.jit.ScriptModule)
    many = graph.encode(files, progress=False)
    assert isinstance(graph.model, torch.jit.ScriptModule)
    assert torch.equal(graph.encode(files[:5], progress=False), few)
    assert torch.equal(many[:5], few)


class Fickle(torch.nn.Module):
    """A model whose way depends on the size of the batch, which a trace of one run cannot know."""

    def forward(self, pictures):
        return pictures.mean(dim=(2, 3)) * (1 if len(pictures) == 2 else 2)


def test_a_model_that_a_trace_cannot_stand_for_runs_as_it_is():
    model = Fickle().eval()
    assert frozen_graph(model) is model


def trained_like(model):
    """Statistics as after training, so that folding them changes the weights."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return model.eval().requires_grad_(False)


# -- an encoder that ships as a package ------------------------------------------------------------------


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
        expected = model.eval()(torch.stack([encoder.transform(Image.open(file)) for file in files]))
    torch.testing.assert_close(encoder.encode(files, progress=False), expected, atol=1e-4, rtol=1e-3)
