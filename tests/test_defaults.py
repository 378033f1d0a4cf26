"""Each default stands once, in `asif_lib.defaults`."""

from forks import run_forked

CODE = """
import inspect
import asif_lib.defaults as defaults
defaults.DEFAULT_K_SHARE, defaults.DEFAULT_P, defaults.DEFAULT_TEMPLATE = 0.5, 5, "{}!"
from asif_lib.explain.audit import rank_pairs
import asif_lib.explain.faithfulness
from asif_lib.settings import default_k
from asif_lib.zeroshot import ASIF
classify = inspect.signature(ASIF.classify).parameters
print(default_k(100), inspect.signature(ASIF).parameters["p"].default, classify["templates"].default,
      inspect.signature(rank_pairs).parameters["p"].default)
"""


def test_a_default_that_changes_changes_everywhere(tmp_path):
    run = run_forked(CODE, tmp_path)
    assert run.stdout.split("\n")[0] == "50 5 ('{}!',) 5", run.stderr
