"""CLIP and SigLIP in tiny local folders: their own embeddings, and one sentence for what cannot be loaded."""

import json
import re
import shutil
import sys

import pytest
import torch
from hub_formats import write_clip, write_siglip
from PIL import Image
from safetensors.torch import load_file, save_file

from asif_lab.contrastive import load_contrastive
from asif_lib.encoders.embeddings import embed
from asif_lib.errors import EncoderError, MissingExtraError

TEXTS = ["a photo of the red picture.", "a white.", "blue " * 40]


@pytest.fixture(scope="module", params=[write_clip, write_siglip], ids=["clip", "siglip"])
def folder(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("models") / request.param.__name__)


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def directly(folder, pictures, texts):
    """The scores as the documentation of `transformers` computes them, one pair at a time, without scale and bias."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    processor, masked = AutoImageProcessor.from_pretrained(folder), model.config.model_type == "clip"
    limit = model.config.text_config.max_position_embeddings
    whole = {"padding": "max_length", "max_length": limit, "truncation": True, "return_attention_mask": masked}

    @torch.inference_mode()
    def score(picture, text):
        pixels, tokens = processor(picture, return_tensors="pt"), tokenizer([text], return_tensors="pt", **whole)
        output = model(**pixels, **tokens)
        return (output.logits_per_image - getattr(model, "logit_bias", 0)) / model.logit_scale.exp()

    return torch.tensor([[score(picture, text) for text in texts] for picture in pictures])


def test_the_cosine_is_the_models_own_score(folder, drawings):
    files = sorted(drawings.iterdir())
    image, text = load_contrastive(folder, device="cpu")
    alone = torch.cat([text.encode([one], progress=False) for one in TEXTS])
    torch.testing.assert_close(text.encode(TEXTS, progress=False), alone, atol=1e-5, rtol=1e-4)
    encoded = image.encode(files, progress=False), alone
    rows = [torch.nn.functional.normalize(z, dim=1) for z in encoded]
    expected = directly(folder, [Image.open(file).convert("RGB") for file in files], TEXTS)
    assert expected.std() > 1e-3
    torch.testing.assert_close(rows[0] @ rows[1].T, expected, atol=2e-5, rtol=1e-3)


def test_both_have_an_identity_as_other_encoders_and_a_cache(folder, drawings, tmp_cache):
    image, text = load_contrastive(folder, device="cpu")
    assert (image.identity.kind, text.identity.kind) == ("image", "text")
    assert image.identity.checksum == text.identity.checksum and image.identity.dim == text.identity.dim
    assert image.identity.source == f"folder {folder}"
    assert re.search("settings [0-9a-f]{16}", text.identity.preprocessing)
    files = sorted(drawings.iterdir())
    assert torch.equal(embed(image, files, progress=False), embed(image, files, progress=False))
    assert torch.equal(embed(text, TEXTS, progress=False), text.encode(TEXTS, progress=False))
    assert len(list((tmp_cache / "embeddings").glob("*.sqlite"))) == 2


def test_weights_and_preprocessing_are_part_of_the_identity(folder, copy):
    before = [encoder.identity for encoder in load_contrastive(copy, device="cpu")]
    assert before == [encoder.identity for encoder in load_contrastive(folder, device="cpu")]
    settings = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": [0.1, 0.2, 0.3]}))
    changed = [encoder.identity for encoder in load_contrastive(copy, device="cpu")]
    assert changed != before
    weights = load_file(copy / "model.safetensors")
    save_file({**weights, "logit_scale": weights["logit_scale"] + 1}, copy / "model.safetensors", {"format": "pt"})
    assert load_contrastive(copy, device="cpu")[0].identity not in (before[0], changed[0])


def lacking_a_tensor(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("vision_model.post_layernorm.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def pickled(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def with_code(folder):
    config, code = json.loads((folder / "config.json").read_text()), {"AutoConfig": "own.Own", "AutoModel": "own.Own"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": code}))
    (folder / "own.py").write_text("raise SystemExit('code of the folder ran')")


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lacking_a_tensor, r"its weights lack .*post_layernorm.weight"),
        (pickled, "pytorch_model.bin is pickled"),
        (with_code, "transformers cannot load this model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"cut"), "transformers cannot load this model"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "transformers cannot load this model"),
    ],
)
def test_a_damaged_folder_is_one_sentence(copy, spoil, words):
    spoil(copy)
    with pytest.raises(EncoderError, match=words) as caught:
        load_contrastive(copy, device="cpu")
    assert "\n" not in str(caught.value)


def test_a_model_of_texts_alone_is_refused(sentence_transformer_folder, tmp_path):
    folder = shutil.copytree(sentence_transformer_folder, tmp_path / "bert")
    (folder / "modules.json").unlink()
    with pytest.raises(EncoderError, match="a BertModel does not embed both pictures and texts, as CLIP does"):
        load_contrastive(folder, device="cpu")


def test_the_tokenizer_of_siglip_as_published(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    pytest.importorskip("google.protobuf")
    from transformers import SiglipTokenizer

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a photo of the red picture", "a white and blue otter"] * 9), minloglevel=2,
        model_prefix=str(tmp_path / "spiece"), vocab_size=99, hard_vocab_limit=False, bos_id=-1, eos_id=1, unk_id=2,
    )  # fmt: skip
    folder = write_siglip(tmp_path / "siglip", SiglipTokenizer(str(tmp_path / "spiece.model"), model_max_length=16))
    rows = load_contrastive(folder, device="cpu")[1].encode(TEXTS, progress=False)
    assert rows.shape == (3, 32) and not torch.allclose(rows[0], rows[1], atol=1e-3)


def test_without_its_tokenizers_package_siglip_says_which_extra_brings_it(tmp_path, monkeypatch):
    import transformers

    folder = write_siglip(tmp_path / "siglip")

    def missing(*_, **__):
        raise ImportError("\nSiglipTokenizer requires the SentencePiece library")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", missing)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingExtraError, match="`sentencepiece` .* it comes with the extra hub"):
        load_contrastive(folder, device="cpu")


def test_pictures_of_a_size_that_the_model_does_not_take_are_refused_when_it_is_loaded(tmp_path):
    folder = write_clip(tmp_path / "clip")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"crop_size": {"height": 48, "width": 48}}))
    with pytest.raises(EncoderError, match="cannot load this model .*48") as caught:
        load_contrastive(folder, device="cpu")
    assert "\n" not in str(caught.value)
