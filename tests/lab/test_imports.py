"""The library needs nothing of the laboratory, and an import from an old place names the new one."""

import pytest
from forks import run_forked

from asif_lib.moved import MOVED

BLOCKED = """
import pkgutil, sys
from importlib import import_module

absent = {"asif_lab", "asif_book", "dask", "distributed", "faiss", "sklearn"}
sys.modules |= dict.fromkeys(absent | {name for name in sys.modules if name.partition(".")[0] in absent})
import asif_lib

names = [module.name for module in pkgutil.walk_packages(asif_lib.__path__, "asif_lib.")]
print(len([import_module(name) for name in names if name != "asif_lib.cli.__main__"]))
"""


def test_every_module_of_the_library_is_imported_without_the_laboratory_and_its_packages(tmp_path):
    run = run_forked(BLOCKED, tmp_path)
    assert run.returncode == 0 and int(run.stdout) > 60, run.stderr


def test_an_import_from_an_old_place_names_the_new_one():
    for old, new in MOVED.items():
        (place, _, name), (there, _, now) = old.rpartition("."), new.rpartition(".")
        with pytest.raises(ImportError, match=rf"^{old} has moved: from {there} import {now}$"):
            exec(f"from {place} import {name}")
        exec(f"from {there} import {now}")
    with pytest.raises(ImportError, match=r"^asif_lib\.cluster has moved: from asif_lab import cluster$"):
        exec("import asif_lib.cluster.workers")
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        exec("from asif_lib.evaluation import nonsense")
