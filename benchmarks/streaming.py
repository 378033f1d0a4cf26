"""A bank of a stream of pairs in the hub's format: its memory, and whether a build that is killed gives the same bank.

The pairs are made up: pictures of 16 × 16 pixels in shards of parquet, and captions of a few words. The encoders are
the tiny ones of the tests, with random weights. One build runs through. Another is killed (SIGKILL) three times, after
random numbers of rows, and called again each time. Then all files with pairs, and the sums, are compared by their
checksums. Each build is a process of its own; its memory is the largest resident set, packages included.

    python benchmarks/streaming.py                                       (100,000 pairs: 10 to 20 minutes on 2 cores)
    python benchmarks/streaming.py --pairs 3000 --block 100              (as a test of the script)
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from timing import lines_of, machine, target

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

KILLED = 3
LIMIT = 1.5
"""GiB."""


def make(folder, pairs):
    """Write the pairs and the encoders."""
    import timm
    import torch
    from conftest import make_sentence_transformer
    from hub_formats import png, write_parquet

    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=10)
    timm.models.save_for_hf(model, folder / "tiny-vit", safe_serialization=True)
    make_sentence_transformer(folder / "tiny-bert")
    write_parquet(folder / "source", pairs, shard=5_000, picture=lambda number: png(number, side=16))


def build(folder, name, block):
    """Build a bank, in a process of its own; return the seconds and the largest resident set in GiB."""
    from asif_lab.streaming import build_streamed
    from asif_lab.streams import stream_from_hub
    from asif_lib import load_image_encoder, load_text_encoder

    encoders = load_image_encoder(folder / "tiny-vit"), load_text_encoder(folder / "tiny-bert")
    start = time.perf_counter()
    warnings.simplefilter("ignore")  # captions repeat
    build_streamed(stream_from_hub(folder / "source"), folder / name, *encoders, name="made up", block=block)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return {"seconds": round(time.perf_counter() - start, 1), "peak_gib": round(int(peak.split()[1]) / 2**20, 3)}


def start(folder, name, block):
    """Start a process that builds a bank and prints what it took."""
    command = [sys.executable, __file__, "--folder", str(folder), "--build", name, "--block", str(block)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed(folder, name, block, rows):
    """Build until that many rows are encoded, and a random time more; then kill the process."""
    process = start(folder, name, block)
    staging = folder / f"{name}.building"
    while len(list(staging.glob("*.json"))) * block < rows:
        if process.poll() is not None:
            raise RuntimeError(f"the build ended before {rows} rows")
        time.sleep(0.02)
    time.sleep(random.random() / 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return len(list(staging.glob("*.json"))) * block


def content(folder):
    """Return the checksums of all files with pairs, and of the sums; the names of files are random."""
    about = json.loads((folder / "bank.json").read_text(encoding="utf-8"))
    return [part["files"] for part in about["parts"]], [version["checksum"] for version in about["history"]]


def measure(folder, pairs, block):
    make(folder, pairs)
    whole = json.loads(start(folder, "whole", block).communicate()[0])
    stops = sorted(random.sample(range(block, pairs - 4 * block), KILLED))
    reached = [killed(folder, "torn", block, rows) for rows in stops]
    last = json.loads(start(folder, "torn", block).communicate()[0])
    equal = content(folder / "whole") == content(folder / "torn")
    return {
        "pairs": pairs,
        "block": block,
        "whole": whole,
        "killed_after_rows": reached,
        "last": last,
        "compared": [
            target("banks that are equal bit for bit", equal, at_least=1),
            target("GiB at most", max(whole["peak_gib"], last["peak_gib"]), at_most=LIMIT),
            target("pairs in a second", pairs / whole["seconds"]),
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--block", type=int, default=512, help="rows that a killed build loses")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--build", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        print(json.dumps(build(arguments.folder, arguments.build, arguments.block)))
        return
    described = machine()
    with tempfile.TemporaryDirectory() as folder:
        result = {"machine": described, **measure(Path(folder), arguments.pairs, arguments.block)}
    print(json.dumps(result, indent=2) if arguments.json else "\n".join(lines_of(result)))


if __name__ == "__main__":
    main()
