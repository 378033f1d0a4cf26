"""Processes of their own that need not load PyTorch again: they are forked from one that has.

The package of this project is not loaded there, so that a test may change what an import finds.
"""

import multiprocessing
import os
import subprocess
import tempfile
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


def child(function):
    """Run `function` in a copy of this process; return its process id. Exit status 1 if it raises."""
    process = os.fork()
    if process:
        return process
    try:
        function()
        os._exit(0)
    finally:
        os._exit(1)


def status_of(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def powerless():
    """Go on as a user without rights, where this process is root's."""
    if os.geteuid() == 0:
        os.setuid(65534)


def pass_through(folder):
    """Let another user pass through the folders above, which pytest made."""
    for parent in (folder, *folder.parents):
        if Path(tempfile.gettempdir()) in parent.parents:
            parent.chmod(0o755)
