"""Python imports this first in a browser: what the first cell of a chapter does not need comes when a cell imports it.

`asif_book.browser.packing` lists in ``parts.json`` which modules an archive holds.
"""

import sys

SITE = "/lib/python3.12/site-packages"


class Parts:
    """Finds the modules of archives that are fetched at need."""

    modules, fetched = {}, set()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        import importlib
        import json
        import os

        if not cls.modules and os.path.exists(f"{SITE}/parts.json"):
            with open(f"{SITE}/parts.json") as file:
                cls.modules = {module: part for part, modules in json.load(file).items() for module in modules}
        if name in cls.modules:
            cls.fetch(cls.modules[name])
            importlib.invalidate_caches()
            return importlib.machinery.PathFinder.find_spec(name, ["/".join([SITE, *name.split(".")[:-1]])])

    @classmethod
    def fetch(cls, part):
        """Unpack an archive, once. ImportError with one sentence without it."""
        import io
        import zipfile

        import js
        import pyodide_js

        if part in cls.fetched:
            return
        request = js.XMLHttpRequest.new()
        request.open("GET", f"{pyodide_js._api.config.indexURL}../parts/{part}.zip", False)
        request.responseType = "arraybuffer"
        try:
            request.send()
            zipfile.ZipFile(io.BytesIO(request.response.to_bytes())).extractall(SITE)
        except Exception as error:
            raise ImportError(f"{part} did not arrive: connect to the network, and run the cell again") from error
        cls.fetched.add(part)


sys.meta_path.append(Parts)
