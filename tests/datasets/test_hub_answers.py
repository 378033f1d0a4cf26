"""What the hub may answer, from a server of this machine that speaks as it does: each is one sentence with advice."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hub_formats import caption, png, write_clip_benchmark, write_webdataset

from asif_lib.files import sha256_of

datasets = pytest.importorskip("datasets")

ADVICE = {
    "a/gated": "its terms must be accepted: accept them on its page, and run: hf auth login",
    "a/gone": "the hub has no such repository: it may be renamed, deleted or private",
    "a/lost": "the hub cannot be reached",
    "a/offline": "HF_HUB_OFFLINE",
}
ASK = """
import json, time
time.sleep = lambda seconds: None  # between two tries of a client
import datasets, huggingface_hub
from asif_lab import streams
from asif_lib.datasets.hub import labelled_from_hub
from asif_lib.encoders.identity import load_encoder
from asif_lib.errors import AsifError

def labelled():
    data = labelled_from_hub("a/labelled")
    return data.classes, data.templates, data.labels.tolist(), [p.content.hex() for p in data.pictures]

loaders = dict(
    pairs=streams.stream_from_hub,
    labelled=labelled_from_hub,
    image=lambda name: load_encoder("image", name, device="cpu"),
    text=lambda name: load_encoder("text", name, device="cpu"),
)
streams.WAITS, found = (0, 0), {"labelled": labelled(), "refusals": []}
blocks = streams.stream_from_hub("a/pairs").blocks(4)
found["pairs"] = [[picture.content.hex(), caption] for _, block, _ in blocks for picture, caption in block]
for name in NAMES:
    if name.endswith("offline"):
        huggingface_hub.constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    for kind, load in loaders.items():
        try:
            load(name)
        except AsifError as error:
            found["refusals"].append([name, kind, str(error)])
found["kept"] = labelled()
print(json.dumps(found))
""".replace("NAMES", str([*ADVICE]))
COMMIT, ALL = "0" * 40, 10**9


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does, from a folder of repositories; others are gated, lost or unknown."""

    def do_GET(self):
        asked = re.match(r"/(api/|)datasets/([^/]+/[^/?]+)(?:/([^/]+)/[^/?]+/?)?([^?]*)", self.path)
        api, repository, verb, name = asked.groups() if asked else [None] * 4
        folder = self.server.folder / (repository or "none")
        file = folder / (name or "")
        if "lost" in self.path:
            self.close_connection = True  # without an answer
        elif not folder.is_dir():
            gated = "gated" in self.path
            self.refuse(*((403, "GatedRepo") if gated else (404, "RepoNotFound")))
        elif api and verb != "tree":
            self.send(json.dumps({"id": repository, "sha": COMMIT}).encode())
        elif api and file.is_dir():
            which = "**/*" if "recursive=true" in self.path.lower() else "*"
            found = [{"path": f.relative_to(folder).as_posix(), "oid": f.name, "size": f.stat().st_size,
                      "type": "file" if f.is_file() else "directory"} for f in sorted(file.glob(which))]  # fmt: skip
            self.send(json.dumps(found).encode())
        elif file.is_file():
            self.send(file.read_bytes(), ETag=f'"{sha256_of(file)}"')
        else:
            self.refuse(404, "EntryNotFound")

    do_HEAD = do_POST = do_GET

    def refuse(self, status, code):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", "Access is restricted" if status == 403 else "not found")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, content, **headers):
        """Send the content from the byte that is asked for; if the server is to lose the connection, a part of it."""
        first = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if first else 200)
        self.server.asked.append(self.path)
        for name, value in {"X-Repo-Commit": COMMIT, "Content-Length": len(content) - first, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        is_lost = self.command == "GET" and self.path.endswith(".tar") and self.server.losses
        if self.command == "GET":
            self.wfile.write(content[first : first + self.server.losses.pop(0) if is_lost else None])

    def log_message(self, *_):
        pass


def test_what_the_hub_gives_is_read_and_kept_and_what_it_refuses_is_one_sentence(tmp_path):
    """Asked in a process of its own: the clients read their settings when they are imported."""
    server = HTTPServer(("127.0.0.1", 0), Hub)
    server.folder, server.asked, server.losses = tmp_path / "hub", [], []
    lists = {"classnames": ["a", "b"], "zeroshot_classification_templates": ["a {c}."]}
    folder = write_clip_benchmark(server.folder / "a" / "labelled", "cls", [0, 1, 1, 0], **lists)
    write_clip_benchmark(folder, "cls", [1] * 9, split="train")
    write_webdataset(server.folder / "a" / "pairs", 20, shard=10, picture=lambda number: png(number, 24))
    # a pair has 7 blocks of 512 bytes; a tar is read in 1 + 20 + 20 + … of them, and after the first 21, a pair begins
    losses = [ALL, 21 * 512, 0, 21 * 512, 0]  # the first request reads the columns
    server.losses[:] = [ALL, ALL, *losses]  # the two tars of the labelled pictures come before
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    settings |= {"HF_HOME": str(tmp_path), "ASIF_CACHE": str(tmp_path)}
    try:
        done = subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, env=os.environ | settings, capture_output=True)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout.splitlines()[-1])
    data = [["a", "b"], ["a {}."], [0, 1, 1, 0], [png(number).hex() for number in range(4)]]
    assert found["labelled"] == data == found["kept"]  # the second time without a network
    tars = {path.partition(COMMIT)[2] for path in server.asked if re.search(r"a/labelled.*\.tar$", path)}
    assert tars == {"/test/0.tar", "/test/1.tar"}
    assert found["pairs"] == [[png(number, 24).hex(), caption(number)] for number in range(20)]
    assert server.losses == []  # the connection was lost between two pictures, and no row
    assert len(found["refusals"]) == 4 * len(ADVICE)  # kinds of loaders
    for name, kind, words in found["refusals"]:
        assert name in words and ADVICE[name] in words and "\n" not in words, (name, kind, words)
