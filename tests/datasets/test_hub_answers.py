"""What the hub may answer, from a server of this machine that speaks as it does: each is one sentence with advice."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from forks import run_forked
from hub_formats import caption, png, write_clip_benchmark, write_webdataset

from asif_lib.files import sha256_of

datasets = pytest.importorskip("datasets")

ASK = """
import json, time
time.sleep = lambda seconds: None  # between two tries of a client
import datasets, huggingface_hub
from asif_lib.datasets.hub import labelled_from_hub
from asif_lab.streams import stream_from_hub
from asif_lab.contrastive import load_contrastive
from asif_lib.encoders.identity import load_encoder
from asif_lib.errors import AsifError

loaders = dict(
    pairs=stream_from_hub,
    labelled=labelled_from_hub,
    image=lambda name: load_encoder("image", name, device="cpu"),
    text=lambda name: load_encoder("text", name, device="cpu"),
    clip=lambda name: load_contrastive(name, device="cpu"),
)
refusals = []
for name in {names!r}:
    if name.endswith("offline"):
        huggingface_hub.constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    for kind, load in loaders.items():
        try:
            load(name)
        except AsifError as error:
            refusals.append([name, kind, str(error)])
print(json.dumps(refusals))
"""
ADVICE = {
    "a/gated": "its terms must be accepted: accept them on its page, and run: hf auth login",
    "a/gone": "the hub has no such repository: it may be renamed, deleted or private",
    "a/lost": "the hub cannot be reached",
    "a/offline": "HF_HUB_OFFLINE",
}


READ = """
import json, time
time.sleep = lambda seconds: None
import datasets
from asif_lab import streams
from asif_lib.datasets.hub import labelled_from_hub

streams.WAITS = (0, 0)
if {what!r} == "labelled":
    data = labelled_from_hub({repository!r})
    print(json.dumps([data.classes, data.templates, data.labels.tolist(), [p.content.hex() for p in data.pictures]]))
else:
    blocks = streams.stream_from_hub({repository!r}).blocks(4)
    print(json.dumps([[picture.content.hex(), caption] for _, block, _ in blocks for picture, caption in block]))
"""
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


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    server = HTTPServer(("127.0.0.1", 0), Hub)
    server.folder, server.asked, server.losses = tmp_path_factory.mktemp("hub"), [], []
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def ask(hub, tmp_path, monkeypatch):
    """Run code in a new process, and return the JSON value that it prints. The clients read their settings first."""

    def ask(code, offline=False):
        settings = {"HF_HUB_OFFLINE": str(int(offline)), "HF_ENDPOINT": hub.address}
        for name, value in {**settings, "HF_HOME": str(tmp_path), "ASIF_CACHE": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        done = run_forked(code, tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return ask


def test_labelled_pictures_are_read_by_name_only_their_split_is_fetched_and_it_is_kept(hub, ask):
    lists = {"classnames": ["a", "b"], "zeroshot_classification_templates": ["a {c}."]}
    folder = write_clip_benchmark(hub.folder / "a" / "labelled", "cls", [0, 1, 1, 0], **lists)
    write_clip_benchmark(folder, "cls", [1] * 9, split="train")
    data = [["a", "b"], ["a {}."], [0, 1, 1, 0], [png(number).hex() for number in range(4)]]
    for offline in (False, True):
        assert ask(READ.format(what="labelled", repository="a/labelled"), offline) == data
    tars = {path.partition(COMMIT)[2] for path in hub.asked if re.search(r"a/labelled.*\.tar$", path)}
    assert tars == {"/test/0.tar", "/test/1.tar"}


def test_a_stream_whose_connection_is_lost_between_two_pictures_loses_no_row(hub, ask):
    write_webdataset(hub.folder / "a" / "pairs", 20, shard=10, picture=lambda number: png(number, 24))
    # a pair has 7 blocks of 512 bytes; a tar is read in 1 + 20 + 20 + … of them, and after the first 21, a pair begins
    hub.losses[:] = [ALL, 21 * 512, 0, 21 * 512, 0]  # the first request reads the columns
    rows = ask(READ.format(what="pairs", repository="a/pairs"))
    assert rows == [[png(number, 24).hex(), caption(number)] for number in range(20)] and hub.losses == []


def test_what_the_hub_refuses_is_one_sentence_that_says_what_to_do(ask):
    refusals = ask(ASK.format(names=[*ADVICE]))
    assert len(refusals) == 5 * len(ADVICE)
    for name, kind, words in refusals:
        assert name in words and ADVICE[name] in words and "\n" not in words, (name, kind, words)
