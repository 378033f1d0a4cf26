"""What the hub may answer, from a server of this machine that speaks as it does: each is one sentence with advice."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

datasets = pytest.importorskip("datasets")

ASK = """
import json, sys
from asif_lib.datasets.hub import labelled_from_hub
from asif_lib.datasets.streams import stream_from_hub
from asif_lib.encoders.contrastive import load_contrastive
from asif_lib.encoders.loading import load_encoder
from asif_lib.errors import AsifError

loaders = {
    "pairs": stream_from_hub,
    "labelled": labelled_from_hub,
    "image": lambda name: load_encoder("image", name, device="cpu"),
    "text": lambda name: load_encoder("text", name, device="cpu"),
    "clip": lambda name: load_contrastive(name, device="cpu"),
}
said = {}
for name in sys.argv[1:]:
    what, _, repository = name.partition("=")
    try:
        loaders[what](repository)
    except AsifError as error:
        said[name] = str(error)
print(json.dumps(said))
"""
KINDS = "pairs", "labelled", "image", "text", "clip"


class Hub(BaseHTTPRequestHandler):
    """Refuses every repository: one called gated as the hub does for a visitor, others as it does for unknown names."""

    def do_GET(self):
        gated = "gated" in self.path
        self.send_response(403 if gated else 404)
        self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
        self.send_header("X-Error-Message", "Access is restricted" if gated else "Repository not found")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def refusals(folder, names, **environment):
    """Load each in a new process; return by name what is said. The clients read their settings when they start."""
    settings = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(folder), "ASIF_CACHE": str(folder), **environment}
    command = [sys.executable, "-c", ASK, *names]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.keys() == set(names)
    assert all(name.partition("=")[2] in words and "\n" not in words for name, words in said.items())
    return said


def test_a_repository_that_is_gated_renamed_or_deleted_says_what_to_do(server, tmp_path):
    names = [f"{kind}=a/{name}" for kind in KINDS for name in ("gated", "gone")]
    for name, words in refusals(tmp_path, names, HF_ENDPOINT=server).items():
        advice = "its terms must be accepted: accept them on its page, and run: hf auth login"
        gone = "the hub has no such repository, or hides it: it may be renamed, deleted or private"
        assert (advice if "gated" in name else gone) in words


def test_without_a_network_it_is_said_that_the_hub_cannot_be_reached(tmp_path):
    names = ["pairs=a/any", "image=a/any", "clip=a/any"]  # the client of a data set tries again for 23 seconds
    assert all("the hub cannot be reached" in words
               for words in refusals(tmp_path, names, HF_ENDPOINT="http://127.0.0.1:9").values())  # fmt: skip


def test_a_client_that_is_set_offline_is_told_by_its_name(tmp_path):
    names = [f"{kind}=a/any" for kind in KINDS]
    assert all("HF_HUB_OFFLINE" in words for words in refusals(tmp_path, names, HF_HUB_OFFLINE="1").values())
