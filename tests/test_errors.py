"""The sentence that a missing extra gets."""

import json
import sys

import pytest

from asif_lib.errors import AsifError, BrokenPicturesError, MissingExtraError, PictureError, import_extra


@pytest.mark.parametrize(("count", "lines"), [(20, 21), (1_280, 22)])
def test_of_many_broken_pictures_the_first_twenty_are_shown(count, lines):
    errors = [PictureError(f"{i}.png: is a folder, not a picture") for i in range(count)]
    error = BrokenPicturesError(errors)
    shown = str(error).splitlines()
    assert error.errors == errors and len(shown) == lines and shown[0].startswith(f"{count} of the pictures")
    assert shown[1:21] == [f"  {each}" for each in errors[:20]]
    assert shown[21:] == [f"  and {count - 20} more"] * (count > 20)
    assert "skip" not in shown[0] and "with --skip-broken" in str(BrokenPicturesError(errors, can_skip=True))


def test_a_module_is_returned_or_a_missing_package_names_its_extra(monkeypatch):
    assert import_extra("json", "cluster") is json
    monkeypatch.setitem(sys.modules, "dask", None)
    monkeypatch.delitem(sys.modules, "dask.distributed", raising=False)  # another test may have imported it
    sentence = "`dask` is not installed; it comes with the extra cluster: pip install 'asif-workbook[cluster]'"
    for module in ("dask", "dask.distributed"):
        with pytest.raises(MissingExtraError) as error:
            import_extra(module, "cluster")
        assert str(error.value) == sentence and isinstance(error.value, AsifError)
