"""Mutation testing: does a test fail if one token of the method, the bank, the search or the explanations is changed?

    python -m tests.mutation --sample 300 --seed 1

A sample of all places where cosmic-ray knows a change, one change each. A copy of the project is changed, and the tests
of its wing that reach the place run: `make coverage` knows them. The options of `@njit` are not changed.
"""

import argparse
import ast
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
METHOD = "method.py relative.py settings.py sparse.py zeroshot.py"
WINGS = {  # modules, and tests beside those of the laws
    "method": (METHOD, "test_relative.py test_sparse.py test_zeroshot.py"),
    **{wing: (wing, wing) for wing in ("bank", "explain", "search")},
}
TEST_SECONDS, MUTANT_SECONDS = 60, 400
"""After these, an endless loop counts as found."""
HEAVY = ["torch", "faiss", "numba", "pandas", "pyarrow.parquet", "timm", "scipy.sparse", "sentence_transformers"]


def files_of(folder, names):
    """Return the Python files of a wing, or of its tests."""
    paths = [folder / name for name in names.split()]
    return [f for path in paths for f in ([path] if path.suffix else sorted(path.glob("[!_]*.py")))]


def places(copy, wing):
    """Return the places of a wing that can be changed: for each, its possible mutations."""
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB, use_db

    found = defaultdict(list)
    with use_db(str(copy / f"{wing}.sqlite"), WorkDB.Mode.create) as database:
        init(files_of(copy / "asif_lib", WINGS[wing][0]), database, {})
        for [mutation] in (item.mutations for item in database.work_items):
            if "njit" not in Path(mutation.module_path).read_text().splitlines()[mutation.start_pos[0] - 1]:
                operator = mutation.operator_name.split("_")[0]
                found[mutation.module_path, mutation.start_pos, operator].append(mutation)
    return [found[place] for place in sorted(found)]


def tests_of(copy, wing, module=Path(), line=0, reaching=None):
    """Return the tests of the wing that reach a line of a module; all of them, where no tracer can tell."""
    traced = [
        node for node in ast.walk(ast.parse((copy / module).read_text() if line else ""))
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line <= node.end_lineno
        and not any("njit" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]  # fmt: skip
    while traced and line and not reaching.get(line):
        line -= 1  # to the first line of the statement
    files = [str(file.relative_to(copy)) for file in files_of(copy / "tests", WINGS[wing][1] + " test_laws.py")]
    tests = sorted({context.split("|")[0] for context in reaching[line]} if traced and line else ())
    return [test for test in tests if test.split("::")[0] in files] or files


def run_tests(copy, tests):
    """Run tests in this process, which is new, on the package in the copy; exit with pytest's status."""
    import numba
    import pytest

    os.setsid()
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode, numba.config.CACHE_DIR = True, os.environ["NUMBA_CACHE_DIR"]
    os.dup2(os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    sys.exit(pytest.main(["-xq", "-pno:cacheprovider", "-ppytest_timeout", f"--timeout={TEST_SECONDS}", *tests]))


def status(copy, tests):
    """Return pytest's status for these tests; None after the limit."""
    process = multiprocessing.get_context("forkserver").Process(target=run_tests, args=(copy, tests))
    process.start()
    process.join(MUTANT_SECONDS)
    if (code := process.exitcode) is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return code


def try_mutant(copy, wing, mutation, reaching):
    """Return whether a test fails on a mutant, None if it cannot be imported; and the line before and after."""
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator

    path, line = Path(mutation.module_path), mutation.start_pos[0]
    module, stamp = path.relative_to(copy), path.stat().st_mtime_ns
    tests = tests_of(copy, wing, module, line, reaching(str(ROOT / module)))
    shutil.copytree(copy / "compiled", copy / "kept")
    with use_mutation(path, get_operator(mutation.operator_name)(), mutation.occurrence) as texts:
        code = status(copy, tests)
    shutil.rmtree(copy / "compiled")  # Numba's code of the mutant
    (copy / "kept").rename(copy / "compiled")
    os.utime(path, ns=(stamp, stamp))  # what was compiled from it is valid again
    before, after = (text.splitlines()[line - 1].strip() for text in texts)
    return None if code == 4 else code != 0, f"{module}:{line}\t{before}\t{after}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=300, help="mutants, shared out among the wings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wings", nargs="+", default=list(WINGS), choices=WINGS)
    options = parser.parse_args()
    from coverage import CoverageData
    from scipy.stats import binomtest

    from .interpreter import start_server

    multiprocessing.get_context("forkserver").set_forkserver_preload(HEAVY)
    data, dice, counts = CoverageData(str(ROOT / ".coverage")), random.Random(options.seed), {}
    data.read()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("asif_lib", "tests", "pyproject.toml"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, copy / name)
        (copy / "data").symlink_to(ROOT / "data")
        (copy / "compiled").mkdir()
        os.environ |= {"PYTHONPATH": folder, "NUMBA_CACHE_DIR": f"{folder}/compiled", "HYPOTHESIS_PROFILE": "first"}
        os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        server = start_server(f"{folder}/socket", os.environ)  # of the processes of all tests
        for wing in options.wings:
            if status(copy, tests_of(copy, wing)) != 0:
                sys.exit(f"the tests of {wing} fail before a change:\n{(copy / 'output.txt').read_text()}")
        of_wing = {wing: places(copy, wing) for wing in WINGS}
        share = options.sample / sum(map(len, of_wing.values()))
        for wing in options.wings:
            places_here, counts[wing] = of_wing[wing], []
            for mutation in map(dice.choice, dice.sample(places_here, round(share * len(places_here)))):
                found, what = try_mutant(copy, wing, mutation, data.contexts_by_lineno)
                print({True: "found", False: "SURVIVED", None: "not counted"}[found], what, sep="\t", flush=True)
                counts[wing] += [] if found is None else [found]
        server.terminate()
    counts["together"] = list(itertools.chain.from_iterable(counts.values()))
    for wing, found in counts.items():
        low, high = binomtest(sum(found), len(found)).proportion_ci(method="wilson")
        print(f"{wing}: {sum(found)} of {len(found)} found: {low:.0%} to {high:.0%} of all, with 95 % confidence")


if __name__ == "__main__":
    main()
