"""The part of SciPy that the core path uses; other names can be imported, and their use raises one sentence."""

import importlib

import asif_absent as _  # finds the modules that no file holds


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return importlib.import_module(f"scipy.{name}")
