"""The library needs nothing of the laboratory."""

from forks import run_forked

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
