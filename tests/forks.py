"""Processes of their own that need not load PyTorch again: they are forked from one that has.

The package of this project is not loaded there, so that a test may change what an import finds.
"""

import multiprocessing
import os
import subprocess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "pandas", "pydantic", "PIL.Image"])


def run_forked(code, folder, timeout=120) -> subprocess.CompletedProcess:
    """Run code as ``python -c`` does; what it prints goes to files in `folder` and comes back."""
    process = CONTEXT.Process(target=_execute, args=(code, str(folder), dict(os.environ)))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise subprocess.TimeoutExpired(code, timeout)
    printed = [(Path(folder) / name).read_text() for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess(code, process.exitcode, *printed)


def _execute(code, folder, environment):
    os.environ.clear(), os.environ.update(environment)  # the server has those of the first test
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(folder) / name, os.O_CREAT | os.O_WRONLY), number)
    exec(code, {"__name__": "__main__"})
