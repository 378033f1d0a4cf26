"""Processes of their own that need not load PyTorch again: they are forked from one that has."""

import multiprocessing
import os
import subprocess
import tempfile
from pathlib import Path

from interpreter import PYTHON

Process = multiprocessing.get_context("fork").Process


def run_forked(code, folder, timeout=120) -> subprocess.CompletedProcess:
    """Run code in `folder` as ``python -c`` does. This project is not loaded there: a test may change an import."""
    return subprocess.run([*PYTHON, "-c", code], cwd=folder, capture_output=True, text=True, timeout=timeout)


def child(function) -> Process:
    """Run `function` in a copy of this process, which ends with exit status 1 if it raises."""
    process = Process(target=function)
    process.start()
    return process


def status_of(process):
    process.join()
    return process.exitcode


def powerless():
    """Go on as a user without rights, where this process is root's."""
    if os.geteuid() == 0:
        os.setuid(65534)


def pass_through(folder):
    """Let another user pass through the folders above, which pytest made."""
    for parent in (folder, *folder.parents):
        if Path(tempfile.gettempdir()) in parent.parents:
            parent.chmod(0o755)
