"""The server of the explorer's page: Voilà, on this machine only."""

import json
import os
import secrets
import socket
import tempfile
import webbrowser
from datetime import UTC, datetime
from pathlib import Path

import tornado.web
from jupyter_core.utils import ensure_async
from jupyter_server.auth.logout import LogoutHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config
from voila.app import Voila
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from asif_book.figures.templates import filled
from asif_lib.bank.anchors import AnchorBank
from asif_lib.defaults import DEFAULT_BANK
from asif_lib.encoders.known import known_labels
from asif_lib.encoders.loading import ask_about_folders
from asif_lib.errors import AsifError
from asif_lib.files import cache_dir

from .working_copy import VARIABLE

HERE = Path(__file__).parent
ADDRESS = "127.0.0.1"
EXTENSIONS = ["anywidget", "@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]
"""The extensions of JupyterLab that the page loads. Others are not needed, and may ask the network."""
STEPS = ["Python and its libraries", "{count} captioned pictures, and the encoder for the labels", "the first answer"]
"""What the page shows while it loads: one for each cell of ``explorer.ipynb``."""
RETRIES = 20
"""Other ports to try if another program takes the free one before the server listens."""
IDLE_SECONDS = 600
"""Time after which a kernel ends that works for no page. A page that is left says goodbye, unless it crashed."""
UNOPENED_SECONDS = 60
"""The same for a kernel to which no page ever connected: its client was no browser, or left while the page loaded."""


class Kernels(AsyncMappingKernelManager):
    """The kernels of the pages."""

    def __init__(self, **options):
        super().__init__(**options)
        self.opened = set()  # the kernels to which a page connected

    def notify_connect(self, kernel_id):
        self.opened.add(kernel_id)
        super().notify_connect(kernel_id)

    async def cull_kernel_if_idle(self, kernel_id):
        kernel = self._kernels[kernel_id]
        if kernel_id not in self.opened and kernel.execution_state == "idle":
            if (datetime.now(UTC) - kernel.last_activity).total_seconds() > UNOPENED_SECONDS:
                await ensure_async(self.shutdown_kernel(kernel_id))
        else:
            await super().cull_kernel_if_idle(kernel_id)


class OnePage(TornadoVoilaHandler):
    """The page at the root; the server has no other."""

    @tornado.web.authenticated
    async def get(self, path=None):
        """Answer with the page, and with the cookie that its goodbye must send back; Voilà's own page sets none."""
        if path:
            raise tornado.web.HTTPError(404)
        _ = self.xsrf_token  # tornado sets the cookie when this is read
        await super().get()


class TemplateFiles(TemplateStaticFileHandler):
    """The files of the templates; a path that names none of them is not found."""

    async def get(self, path, include_body=True):
        """Answer with a file. Voilà raises errors of several kinds for a path without template, folder or file."""
        try:
            await super().get(path, include_body)
        except (AssertionError, ValueError, OSError):
            raise tornado.web.HTTPError(404) from None


class OnePageVoila(Voila):
    """Voilà with these handlers, and without a logout, whose template needs settings of another server."""

    def init_handlers(self):
        """Return Voilà's routes with the handlers of this module."""
        ours = {TornadoVoilaHandler: OnePage, TemplateStaticFileHandler: TemplateFiles, LogoutHandler: None}
        routes = [(route, ours.get(handler, handler), *rest) for route, handler, *rest in super().init_handlers()]
        return [route for route in routes if route[1]]


def serve(name=DEFAULT_BANK, *, port=None, browser=True, device="auto", labels_from=None, say=print) -> dict:
    """Serve the explorer of a bank until Ctrl-C; return the bank's name and the page's address.

    Only a browser with the token in the address sees the page. A page that is left ends its kernel, and with it goes
    its working copy. The copies and the uploaded pictures lie in a temporary folder, which is deleted at the end.

    Raises `AsifError` if there is no such bank, or the port is taken.

    Parameters
    ----------
    name : str
        A bank's name or folder.
    port : int, optional
        Default: one that is free.
    browser : bool
        Open the page in the browser.
    device : str
        Device of the encoders.
    labels_from : str, optional
        A file of labels with their embeddings, as `KnownTexts.from_file` reads it, in place of the text encoder.
    say : callable
        Receives the address of the page, in a sentence.
    """
    bank = AnchorBank.load(name)
    labels = labels_from and str(Path(labels_from).resolve())
    known_labels(bank, labels)
    ask_about_folders(bank.image_encoder, bank.text_encoder)  # the kernels of the pages have no terminal
    free, token = _free_port(port), secrets.token_urlsafe(24)
    path = [str(HERE / "jupyter"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(path)  # where Voilà looks for templates
    page = Config()
    page.VoilaConfiguration.template = "asif_explorer"
    page.VoilaConfiguration.allow_template_override = page.VoilaConfiguration.allow_theme_override = "NO"
    page.VoilaConfiguration.extension_allowlist = EXTENSIONS
    page.VoilaConfiguration.file_allowlist = []
    page.VoilaConfiguration.show_tracebacks = True
    page.VoilaConfiguration.resources = {"loading": loading_page(bank)}  # Voilà's own templates escape nothing
    page.MappingKernelManager.cull_idle_timeout = IDLE_SECONDS
    page.MappingKernelManager.cull_interval = max(1, UNOPENED_SECONDS // 10)
    page.VoilaConfiguration.multi_kernel_manager_class = Kernels
    with tempfile.TemporaryDirectory(prefix="asif-explore-") as folder:
        # The kernel works in the folder of its notebook, so paths must be absolute.
        os.environ["ASIF_CACHE"] = str(cache_dir().resolve())
        where = str(Path(name).resolve()) if (Path(name) / "bank.json").exists() else str(name)
        os.environ[VARIABLE] = json.dumps({"bank": where, "folder": folder, "device": device, "labels": labels})
        # The user's configuration files are ignored: one for another application may open the server to the network.
        app = OnePageVoila(
            config=page, config_file_paths=[], ip=ADDRESS, port=free, port_retries=0 if port else RETRIES, token=token,
            notebook_path=str(HERE / "explorer.ipynb"), connection_dir_root=folder, log_level="ERROR",
        )  # fmt: skip
        app.initialize([])

        def address():
            return f"http://{ADDRESS}:{app.port}/?token={token}"

        def announce():  # Voilà calls this when it listens
            say(f"bank {bank.name!r}, {len(bank)} anchors: {address()}\nCtrl-C ends it.")
            if browser:
                webbrowser.open(address())

        app.launch_browser = announce
        app.start()
    return {"bank": bank.name, "address": address()}


def loading_page(bank) -> str:
    """Return what the page shows while it loads, as HTML."""
    steps = [step.format(count=len(bank)) for step in STEPS]
    return filled("explore/loading.html.j2", bank=bank.name, steps=steps)


def _free_port(port):
    """Return the port, or one that the system chooses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port or 0))
        except (OSError, OverflowError) as error:
            raise AsifError(f"port {port} cannot be used ({error}); choose another with --port") from None
        return probe.getsockname()[1]
