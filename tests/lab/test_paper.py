"""The paper's Table 1, and an own run below it."""

import pandas as pd

from asif_lab.paper import TABLE_1, TASKS, paper_table


def test_the_paper_stands_alone_without_an_own_run():
    table = paper_table()
    assert list(table.columns) == ["method", "pairs", *TASKS]
    assert len(table) == len(TABLE_1)
    assert table[table.pairs.str.startswith("1.6M")].ImageNet.tolist() == [60.9, 53.0]
    assert table.ImageNet.notna().all() and table.Pets.notna().sum() == 5


def test_own_rows_are_empty_before_the_run_and_hold_its_accuracies_after_it(tmp_path):
    file = tmp_path / "results.parquet"
    assert paper_table(file).tail(2)[list(TASKS)].isna().all(axis=None)
    rows = [
        ("supervised", "Pets", "ASIF (paper)", 1_600_000, 0.8),
        ("supervised", "Pets", "transformers:clip", 1_600_000, 0.9),
        ("supervised", "other", "ASIF (paper)", 1_600_000, 0.1),
    ]
    pd.DataFrame(rows, columns=["bank", "task", "method", "size", "value"]).to_parquet(file)
    supervised, unsupervised = paper_table(file).tail(2).to_dict("records")
    assert (supervised["pairs"], supervised["Pets"]) == ("1,600,000", 80.0)
    assert pd.isna(supervised["ImageNet"]) and pd.isna(unsupervised["Pets"])
