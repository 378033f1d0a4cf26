"""Where the workbook keeps what it downloads and what it makes."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout, when the package is installed from one (``pip install -e .``)."""


def _in_checkout() -> bool:
    return (ROOT / "data" / "catalogue.toml").exists()


def cache_dir() -> Path:
    """Folder of data sets, embeddings and banks: ``$ASIF_CACHE``, else ``data/cache`` of the checkout.

    Outside a checkout it is the user's cache folder, as platformdirs names it.
    """
    if "ASIF_CACHE" in os.environ:
        return Path(os.environ["ASIF_CACHE"]).expanduser()
    if _in_checkout():
        return ROOT / "data" / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("asif")


def build_dir() -> Path:
    """Folder of what a run of the workbook writes: ``$ASIF_BUILD``, else ``build`` of the checkout."""
    if "ASIF_BUILD" in os.environ:
        return Path(os.environ["ASIF_BUILD"]).expanduser()
    return (ROOT if _in_checkout() else Path.cwd()) / "build"
