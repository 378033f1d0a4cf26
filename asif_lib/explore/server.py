"""The page of the explorer, served by Voilà on this machine only."""

import json
import os
import secrets
import socket
import tempfile
import webbrowser
from pathlib import Path

from asif_lib.bank.anchors import AnchorBank
from asif_lib.errors import AsifError
from asif_lib.files import cache_dir

from .working_copy import WorkingCopy

HERE = Path(__file__).parent
ADDRESS = "127.0.0.1"
EXTENSIONS = ["anywidget", "@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]
"""Of JupyterLab, that the page loads: what the widgets need and no others, which may ask the network."""
VARIABLE = "ASIF_EXPLORE"
"""Environment variable that tells a page's kernel its bank and its folder, as JSON."""


def session_copy() -> WorkingCopy:
    """Return the working copy of the page that asks: each page, each kernel, has its own."""
    about = json.loads(os.environ[VARIABLE])
    return WorkingCopy(about["bank"], tempfile.mkdtemp(dir=about["folder"]), device=about["device"])


def serve(name="stamps", *, port=None, browser=True, device="auto", say=print) -> dict:
    """Serve the explorer of a bank until Ctrl-C.

    Whoever wants to see the page needs the token in its address. What the pages keep lies in a temporary folder,
    which is deleted at the end.

    Parameters
    ----------
    name : str
        The bank's name or folder.
    port : int, optional
        Default: one that is free.
    browser : bool
        Open the page in the browser.
    device : str
        Of the encoders.
    say : callable
        Is given the page's address in a sentence.

    Returns
    -------
    dict
        ``bank``, ``address``: of the page that was served.

    Raises
    ------
    AsifError
        If Voilà is not installed, there is no such bank, or the port is taken.
    """
    try:
        from voila.app import Voila
    except ImportError:
        raise AsifError("the explorer is served by Voilà, which is not installed; run: pip install voila") from None
    from traitlets.config import Config

    bank = AnchorBank.load(name)
    port, token = _free_port(port), secrets.token_urlsafe(24)
    path = [str(HERE / "jupyter"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(path)  # where Voilà looks for templates
    page = Config()
    page.VoilaConfiguration.template = "asif_explorer"
    page.VoilaConfiguration.allow_template_override = page.VoilaConfiguration.allow_theme_override = "NO"
    page.VoilaConfiguration.extension_allowlist = EXTENSIONS
    page.VoilaConfiguration.file_allowlist = []
    page.VoilaConfiguration.show_tracebacks = True
    with tempfile.TemporaryDirectory(prefix="asif-explore-") as folder:
        # A kernel's working folder is that of its notebook: no relative paths.
        os.environ["ASIF_CACHE"] = str(cache_dir().resolve())
        where = str(Path(name).resolve()) if (Path(name) / "bank.json").exists() else str(name)
        os.environ[VARIABLE] = json.dumps({"bank": where, "folder": folder, "device": device})
        # No configuration file of the user's: one for another application may open the server to the network.
        app = Voila(
            config=page, config_file_paths=[], ip=ADDRESS, port=port, port_retries=0, token=token,
            notebook_path=str(HERE / "explorer.ipynb"), connection_dir_root=folder, log_level="ERROR",
        )  # fmt: skip
        app.initialize([])
        address = f"http://{ADDRESS}:{port}/?token={token}"

        def announce():  # which Voilà calls when it listens
            say(f"bank {bank.name!r}, {len(bank)} anchors: {address}\nCtrl-C ends it.")
            if browser:
                webbrowser.open(address)

        app.launch_browser = announce
        app.start()
    return {"bank": bank.name, "address": address}


def _free_port(port):
    """Return the port, or one that the system chooses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port or 0))
        except (OSError, OverflowError) as error:
            raise AsifError(f"port {port} cannot be used ({error}); choose another with --port") from None
        return probe.getsockname()[1]
