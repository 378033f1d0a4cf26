"""A file that the page of a bank exported becomes a bank; a damaged or hostile one gets a sentence."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from asif_lib import AnchorBank
from asif_lib.bank.joining import read_taught
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.errors import AsifError, BankError

pytestmark = pytest.mark.once

IMAGE, TEXT = (EncoderIdentity(kind, "a name", "a package", "0" * 64, "none", 4) for kind in ("image", "text"))
HOSTILE = ["<img src=x onerror=alert(1)>", "../../etc/passwd", "\x1b[2Jgone", "=cmd|' /C calc'!A0"]


def sealed(content, matrices):
    body = json.dumps(content)
    digest = hashlib.sha256(b"".join([body.encode(), *(z.tobytes() for z in matrices.values())]))
    return {"taught": body, "sha256": digest.hexdigest()}


def exported(file, change=None, *, forged=True):
    """Write four pairs as a page does; with a `change` of their content, whose checksum fits only if it is `forged`."""
    content = {"image_encoder": vars(IMAGE), "text_encoder": vars(TEXT), "ids": list("abcd"), "captions": [*HOSTILE]}
    content["thumbnails"] = ["data:image/webp;base64,"] * 4
    image, text = np.random.default_rng(0).normal(size=(2, 4, 4)).astype("f4")
    matrices = {"image": image, "text": text}
    before = sealed(content, matrices)["sha256"]
    if change:
        change(content, matrices)
    save_file(matrices, file, sealed(content, matrices) | ({} if forged else {"sha256": before}))
    return file


def test_an_exported_file_becomes_a_bank_and_its_captions_stay_text(run_command, tmp_cache, tmp_path):
    file = exported(tmp_path / "taught.safetensors")
    status, about, _ = run_command("bank", "import", "mine", file)
    bank = AnchorBank.load("mine", verify=True)
    assert (status, about["anchors"], bank.image_encoder, bank.text_encoder) == (0, 4, IMAGE, TEXT)
    assert bank.pairs["caption"].tolist() == HOSTILE and bank.pairs["id"].tolist() == list("abcd")
    assert np.array_equal(bank.text.numpy(), np.random.default_rng(0).normal(size=(2, 4, 4))[1].astype("f4"))
    status, _, said = run_command("bank", "import", "mine", file, "--captions", "c.csv")
    assert status == 2 and "either a FILE that a page exported, or --image-embeddings" in said
    assert run_command("bank", "import", "mine")[0] == 2
    assert "to lose it: --replace" in run_command("bank", "import", "mine", file)[2]


def test_a_forged_file_gets_one_sentence(tmp_path):
    for change, word in (
        (lambda content, _: content.update(ids=["a", "a", "b", "c"]), "occur more than once"),
        (lambda content, _: content.update(captions=["b"]), "4 values of 'id' and 1 captions"),
        (lambda content, _: content.pop("text_encoder"), "text_encoder: Field required"),
        (lambda content, _: content.update(image_encoder=vars(TEXT)), "needs an `identity` of kind 'image'"),
        (lambda _, matrices: matrices["image"].fill(np.nan), "not finite"),
        (lambda _, matrices: matrices.pop("text"), "text"),
    ):
        with pytest.raises(AsifError) as refused:
            read_taught(exported(tmp_path / "taught.safetensors", change), "mine")
        assert word in str(refused.value) and "\n" not in str(refused.value)


def test_a_damaged_file_gets_one_sentence(tmp_path):
    file = exported(tmp_path / "taught.safetensors")
    content = file.read_bytes()
    damaged = [content[:-1], content[:20], b"", content[:-1] + b"\x01", content.replace(b"a package", b"A package")]
    for part in damaged:
        file.write_bytes(part)
        with pytest.raises(BankError, match="cannot be read as what a page exported .*; export it again"):
            read_taught(file, "mine")
    changed = exported(file, lambda content, matrices: content.update(captions=list("wxyz")), forged=False)
    with pytest.raises(BankError, match="its checksum differs"):
        read_taught(changed, "mine")
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(BankError, match="cannot be read"):
        read_taught(tmp_path / "link", "mine")
