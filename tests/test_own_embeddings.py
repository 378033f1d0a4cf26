"""The script of the library's page: from two matrices and a table to a bank, accuracy, explanations and a join."""

import re

import numpy as np
import pandas as pd

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.record import bank_dir
from asif_lib.datasets.labelled import load_labelled
from asif_lib.encoders.embeddings import embed
from asif_lib.files import ROOT

EACH = 20
"""Pictures of a class."""


def script():
    page = (ROOT / "notebooks" / "library.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, flags=re.S) if "read_csv" in block)
    return code


def test_the_script_of_the_page_runs_on_real_embeddings(
    tmp_path, monkeypatch, capsys, stamps_bank, image_encoder, text_encoder
):
    monkeypatch.chdir(tmp_path)
    if not (bank_dir("stamps") / "bank.json").exists():
        stamps_bank.save(bank_dir("stamps"))
    data = load_labelled("fashion_mnist")
    rows = np.concatenate([np.flatnonzero(data.labels == label)[:EACH] for label in range(len(data.classes))])
    names = [data.classes[label] for label in data.labels[rows]]
    captions = [f"a photo of a {name}." for name in names]
    np.save("image.npy", embed(image_encoder, [data.pictures[i] for i in rows], progress=False).numpy())
    np.save("text.npy", embed(text_encoder, captions, progress=False).numpy())
    prompts = [f"a photo of a {name}." for name in sorted(data.classes)]
    np.save("prompts.npy", embed(text_encoder, prompts, progress=False).numpy())
    split = np.where(np.arange(len(rows)) % 2, "train", "test")
    table = {"file_name": [f"{i}.png" for i in range(len(rows))], "caption": captions, "label": names, "split": split}
    pd.DataFrame(table).to_csv("pairs.csv", index=False)

    code = script()
    assert len(code.strip().splitlines()) <= 30
    exec(compile(code, "library.md", "exec"), {})

    out = capsys.readouterr().out
    shares = [float(share) for share in re.findall(r"\) (\d+\.\d)% \[", out)]
    assert len(shares) == 2 and min(shares) > 50  # chance is 10 %
    assert out.count("contribution") == 6 and "n = 100" in out
    assert len(AnchorBank.load("my_bank", verify=True)) == len(rows) // 2
