"""The sentence that a missing extra gets."""

import json
import sys

import pytest

from asif_lib.errors import AsifError, MissingExtraError, import_extra


def test_a_module_that_is_there_is_returned():
    assert import_extra("json", "cluster") is json


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    monkeypatch.delitem(sys.modules, "dask.distributed", raising=False)  # another test may have imported it
    sentence = "`dask` is not installed; it comes with the extra cluster: pip install 'asif-workbook[cluster]'"
    for module in ("dask", "dask.distributed"):
        with pytest.raises(MissingExtraError) as error:
            import_extra(module, "cluster")
        assert str(error.value) == sentence and isinstance(error.value, AsifError)


def test_a_package_that_cannot_be_imported_says_why(monkeypatch, tmp_path):
    (tmp_path / "halfway.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"`halfway` cannot be imported \(No module named 'not_there_at_all'\)"):
        import_extra("halfway", "cluster")
