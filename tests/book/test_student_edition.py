"""The chapters that carry the method run from start to end as a student gets them, exercises open."""

import papermill
import pytest

from asif_lib.files import ROOT


@pytest.mark.parametrize("chapter", ["00", "03", "04", "06", "07"])
def test_a_chapter_runs_with_its_exercises_open(chapter, tmp_path, monkeypatch, stamps_bank_saved):
    monkeypatch.setenv("ASIF_BUILD", str(tmp_path))
    (notebook,) = (ROOT / "notebooks").glob(f"{chapter}_*.ipynb")
    papermill.execute_notebook(notebook, tmp_path / notebook.name, {"fast": True}, cwd=tmp_path, progress_bar=False)
