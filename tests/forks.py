"""Processes of their own that need not load PyTorch again: they are forked from one that has."""

import os
import subprocess
import tempfile
from pathlib import Path

from interpreter import PYTHON


def run_forked(code, folder, timeout=120) -> subprocess.CompletedProcess:
    """Run code in `folder` as ``python -c`` does. This project is not loaded there: a test may change an import."""
    return subprocess.run([*PYTHON, "-c", code], cwd=folder, capture_output=True, text=True, timeout=timeout)


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
