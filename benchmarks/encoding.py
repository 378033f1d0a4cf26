"""Encoding pictures and captions: the library against the code of a first script, interleaved in one run.

Pictures: timm's model and transform as they come, in batches of eight. Captions: sentence-transformers'
``model.encode(texts)``. Each figure is a ratio of medians; ``--json`` prints one JSON object. Run it on an idle
machine: ``python benchmarks/encoding.py --runs 9``.
"""

import argparse
import json
import statistics

import numpy as np
import timm
import torch
from sentence_transformers import SentenceTransformer

from asif_lib import load_image_encoder, load_pairs, load_text_encoder
from asif_lib.encoders import open_picture
from asif_lib.encoders.identity import MINILM_PACKAGE
from asif_lib.encoders.onnx import packaged_model
from asif_lib.encoders.weights import package_file
from timing import interleaved, machine


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--captions", type=int, default=512)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = {
        "machine": machine(),
        "runs": arguments.runs,
        "pictures": measure_pictures(arguments.pictures, arguments.runs),
        "captions": measure_captions(arguments.captions, arguments.runs),
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(result["machine"])
    for kind in ("pictures", "captions"):
        print(f"{kind}, {result[kind]['items']} of them, against {result[kind]['peer']}")
        for name, row in result[kind]["ways"].items():
            print(
                f"  {name:20} {row['per_second_median']:8.1f} a second   {row['ratio_of_medians']:5.2f} times the peer"
                f"   (of minima {row['ratio_of_minima']:.2f}), least cosine {row['cosine_min']:.6f}"
            )


def measure_pictures(count, runs):
    """Compare from the path of a file to its embedding, on stamps of all kinds."""
    pairs = load_pairs("stamps")
    some = np.linspace(0, len(pairs) - 1, min(count, len(pairs))).astype(int)
    pictures = [pairs.pictures[i] for i in some]
    model = packaged_model("efficientnet_lite0")
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))

    @torch.inference_mode()
    def plain():
        batches = [pictures[i : i + 8] for i in range(0, len(pictures), 8)]
        return torch.cat([model(torch.stack([transform(open_picture(one)) for one in batch])) for batch in batches])

    ways = {"plain": plain}
    for name, backend in (("ONNX Runtime", "auto"), ("torch", "torch")):
        encoder = load_image_encoder(device="cpu", backend=backend)
        ways[name] = lambda encoder=encoder: encoder.encode(pictures, progress=False)
    return compare("timm's model and transform, batches of 8", ways, len(pictures), runs)


def measure_captions(count, runs):
    """Compare on sentences of one to three captions of stamps, all different: 20 to 100 characters, as on the web."""
    captions = load_pairs("stamps").captions
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(captions, size=1 + i % 3, replace=False)) for i in range(count)]
    encoder = load_text_encoder(device="cpu")
    peer = SentenceTransformer(str(package_file(MINILM_PACKAGE, "model.safetensors").parent), device="cpu")
    ways = {
        "plain": lambda: torch.from_numpy(peer.encode(texts, show_progress_bar=False)),
        "float32": lambda: encoder.encode(texts, progress=False),
    }
    return compare("sentence-transformers' model.encode(texts)", ways, len(texts), runs)


def compare(peer, ways, items, runs):
    """Run all ways by turns; the first is the peer.

    Parameters
    ----------
    peer : str
        The name of the first way.
    ways : dict of str to function
        Each returns the (items, dim) embeddings.
    """
    embeddings = {name: way() for name, way in ways.items()}  # warms up, too
    plain = embeddings["plain"]
    seconds = interleaved(ways, runs, peer)
    best, middle = ({name: f(times) for name, times in seconds.items()} for f in (min, statistics.median))
    rows = {
        name: {
            "seconds_min": round(best[name], 4),
            "seconds_median": round(middle[name], 4),
            "per_second_median": round(items / middle[name], 1),
            "ratio_of_medians": round(middle["plain"] / middle[name], 3),
            "ratio_of_minima": round(best["plain"] / best[name], 3),
            "cosine_min": round(torch.cosine_similarity(plain, embeddings[name]).min().item(), 7),
        }
        for name in ways
    }
    return {"peer": peer, "items": items, "ways": rows}


if __name__ == "__main__":
    main()
