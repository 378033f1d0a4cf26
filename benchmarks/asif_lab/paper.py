"""The paper's own results: Norelli et al., ASIF: coupled data turns unimodal models to multimodal without training,
NeurIPS 2023, Table 1. No other module holds a number of the paper.
"""

from pathlib import Path

import pandas as pd

TASKS = ("ImageNet", "CIFAR-100", "Pets", "ImageNet v2")
TABLE_1 = (
    ("CLIP", "400M private", 68.6, 68.7, 88.9, None),
    ("CLIP", "15M public", 31.3, None, None, None),
    ("LiT", "10M public", 66.9, None, None, None),
    ("CLIP, as run by LiT's authors", "901M private", 50.6, 47.9, 70.3, 43.3),
    ("LiT", "901M private", 70.1, 70.9, 88.1, 61.7),
    ("ASIF, supervised", "1.6M public", 60.9, 50.2, 81.5, 52.2),
    ("ASIF, unsupervised", "1.6M public", 53.0, 46.5, 74.7, 45.9),
)
"""Method, pairs, and zero-shot accuracy (top-1, in %) on each of `TASKS`; None where the paper gives no number."""


def paper_table(results=None) -> pd.DataFrame:
    """Return the paper's Table 1, accuracies in %, and below it the rows of an own run.

    `results` is the file ``results.parquet`` of ``asif benchmark benchmarks/accuracy/paper_table_1.toml``. If it does
    not exist yet, the own rows are empty; without `results` the table is the paper's alone.

    >>> paper_table().query("method.str.startswith('ASIF')")["ImageNet"].tolist()
    [60.9, 53.0]
    """
    rows = pd.DataFrame(TABLE_1, columns=["method", "pairs", *TASKS])
    if results is None:
        return rows
    found = pd.read_parquet(results) if Path(results).exists() else pd.DataFrame(columns=["bank", "task", "method"])
    own = []
    for bank in ("supervised", "unsupervised"):
        of_bank = found[(found.bank == bank) & (found.method == "ASIF (paper)") & found.task.isin(TASKS)]
        own.append({"method": f"your run: ASIF, {bank}"})
        for row in of_bank.itertuples():
            own[-1] |= {"pairs": f"{row.size:,}", row.task: 100 * row.value}
    return pd.concat([rows, pd.DataFrame(own)], ignore_index=True)[rows.columns]
