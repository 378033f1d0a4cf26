"""Encoding pictures: the library against a loop that decodes with PIL and encodes one picture at a time.

Prints one JSON object; the figure to quote is ``ratio``, the median over pairs of interleaved runs. Run it
on an idle machine: ``make bench`` or ``python benchmarks/encoding.py --runs 15 --pictures 64``.
"""

import argparse
import json
import platform
import statistics
import time

import torch
from PIL import Image

from asif_lib import load_image_encoder, load_pairs
from asif_lib.encoders import _efficientnet_lite
from asif_lib.pictures import PictureFile


def loop(model, transform, device, paths):
    """The peer, what a first script does: timm's model as timm makes it, one picture after the other."""
    rows = []
    with torch.inference_mode():
        for path in paths:
            picture = Image.open(path).convert("RGB")
            rows.append(model(transform(picture)[None].to(device)).cpu())
    return torch.cat(rows)


def library(encoder, paths):
    return encoder.encode(paths, progress=False)


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    encoder = load_image_encoder(device=arguments.device)
    pairs = load_pairs("stamps")
    paths = [p.path if isinstance(p, PictureFile) else p for p in pairs.pictures[: arguments.pictures]]
    model = _efficientnet_lite("efficientnet_lite0")[0].eval().to(encoder.device)
    peer = (model, encoder.transform, encoder.device)
    loop(*peer, paths[:8]), library(encoder, paths[:8])  # warm up
    plain, fast = [], []
    for _ in range(arguments.runs):
        plain.append(seconds(loop, *peer, paths))
        fast.append(seconds(library, encoder, paths))
    ratios = [a / b for a, b in zip(plain, fast, strict=True)]
    result = {
        "pictures": len(paths),
        "runs": arguments.runs,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "device": str(encoder.device),
        "loop_pictures_per_second": round(len(paths) / statistics.median(plain), 1),
        "library_pictures_per_second": round(len(paths) / statistics.median(fast), 1),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
