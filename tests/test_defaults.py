"""Each default stands once, in `asif_lib.defaults`: no other module repeats its value in code or in prose."""

import ast
import re
import subprocess
import sys

import pytest

from asif_lib import defaults
from asif_lib.files import ROOT

MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for package in ("asif_lib", "notebooks/asif_book")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "defaults.py"
}
TEXTS = {
    defaults.DEFAULT_TEMPLATE,
    defaults.BARE_TEMPLATE,
    defaults.DEFAULT_BANK,
    *(name for profile in defaults.PROFILES.values() for name in (profile.image_encoder, profile.text_encoder)),
}
NUMBERS = {
    "k": defaults.LARGEST_DEFAULT_K,
    "p": defaults.DEFAULT_P,
    "power": defaults.DEFAULT_P,
    "share": defaults.DEFAULT_K_SHARE,
    "fraction": defaults.DEFAULT_K_SHARE,
}
IN_WORDS = re.compile(
    r"default\W+(?:is |of )?(?:a tenth|10 ?%|stamps|efficientnet_lite0|all-MiniLM)|exponent.{,9}default 2|at most 800",
    re.IGNORECASE,
)


def given(tree):
    """Yield the line, the name and the node of every value that stands where a default stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = [*node.args.posonlyargs, *node.args.args]
            pairs = [*zip(arguments[::-1], node.args.defaults[::-1], strict=False)]
            pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            yield from ((value.lineno, argument.arg, value) for argument, value in pairs if value is not None)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            name = getattr(node.targets[0] if isinstance(node, ast.Assign) else node.target, "id", "")
            if isinstance(node, ast.AnnAssign) or name.isupper():
                yield node.lineno, name.lower(), node.value
        elif isinstance(node, ast.Call):
            yield from ((k.value.lineno, "default", k.value) for k in node.keywords if k.arg == "default")


def repeated(source):
    """Return the lines of a module that repeat the value of a default, with what they repeat."""
    found, tree = [], ast.parse(source)
    for line, name, value in given(tree):
        constants = [value, *getattr(value, "elts", ())]
        for constant in (c.value for c in constants if isinstance(c, ast.Constant)):
            if constant in TEXTS if isinstance(constant, str) else NUMBERS.get(name) == constant is not None:
                found.append(f"{line}: {name}={constant!r}")
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return found + [f"{node.lineno}: {match[0]}" for node in texts for match in IN_WORDS.finditer(node.value)]


def test_no_module_repeats_a_default():
    found = {name: lines for name, source in MODULES.items() if (lines := repeated(source))}
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        'def load(name="stamps"): ...',
        "def sparsify(*, k=800): ...",
        "def sparsify(vectors, p=2): ...",
        'def classify(templates=("a photo of a {}.",)): ...',
        'TEMPLATE = "a photo of {}."',
        'class Order:\n    encoder: str = "efficientnet_lite0"',
        'option("--p", default="all-MiniLM-L6-v2")',
        'option("--k", help="entries kept (default: a tenth of the anchors)")',
    ],
)
def test_a_repeated_default_is_found(line):
    assert repeated(line)


def test_a_default_that_changes_changes_everywhere():
    code = """
import inspect
import asif_lib.defaults as defaults
defaults.DEFAULT_K_SHARE, defaults.DEFAULT_P, defaults.DEFAULT_TEMPLATE = 0.5, 5, "{}!"
from asif_lib.explain.audit import rank_pairs
import asif_lib.explain.faithfulness
from asif_lib.zeroshot import ASIF, default_k
classify = inspect.signature(ASIF.classify).parameters
print(default_k(100), inspect.signature(ASIF).parameters["p"].default, classify["templates"].default,
      inspect.signature(rank_pairs).parameters["p"].default)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split("\n")[0] == "50 5 ('{}!',) 5", run.stderr
