"""The steps of a benchmark with streamed banks, their costs, and what is done: ``python …/steps.py FILE.toml``.

``asif benchmark FILE.toml`` does them: it makes the banks, and asks each all tasks. The costs are those of `ROWS` rows
of each stream, read and encoded now. A picture of a task is taken to be as large as one of the stream.
"""

import sys
import time
from pathlib import Path

import datasets
import fsspec
import pandas as pd
import torch

from asif_lab.benchmark import read_configuration
from asif_lab.streaming import BLOCK, begin_of_blocks
from asif_lab.streams import stream_from_hub
from asif_lib.bank.record import bank_dir, bank_name
from asif_lib.datasets.hub import configured, tars_of, text_beside
from asif_lib.encoders.identity import load_encoder
from asif_lib.errors import AsifError, DataError
from asif_lib.files import build_dir, size_of_file
from asif_lib.hub import HUB, hub_fault

ROWS = 128
TABLE_BYTES = 60  # bytes of one pair beside its embeddings: its compressed row of the table
DEFAULTS = {"--split": "train", "--precision": "float32"}
COLUMNS = ["step", "pairs or pictures", "done", "GB to download", "GB on disk", "hours left"]


def steps(configuration, results, device="auto", block=BLOCK) -> pd.DataFrame:
    """Return a row for each step; its costs are those of what is not done yet, but for the GB on the disk."""
    banks, tasks = configuration.banks, configuration.tasks
    if {*map(str, banks.values())} - {*configuration.streams}:
        raise DataError("has banks without [streams], and the costs are those of streams")
    table = pd.read_parquet(results) if results.exists() else pd.DataFrame({"bank": [], "task": []})
    of_tasks, rows = sum(map(bytes_of, tasks.values())), []
    for bank, stored in banks.items():
        data, *words = configuration.streams[stored]
        options = DEFAULTS | dict(zip(words[::2], words[1::2], strict=True))
        if "--limit" not in options:
            raise DataError(f"has a stream {stored!r} without --limit N, and the costs are those of N rows")
        stream = stream_from_hub(data, options["--split"])
        image, text = (load_encoder(k, options[f"--{k}-encoder"], device=device) for k in ("image", "text"))
        start, (_, read, _) = time.perf_counter(), next(stream.blocks(ROWS))
        reading, n = (time.perf_counter() - start) / len(read), int(options["--limit"])
        dtype = getattr(torch, options["--precision"])
        pictures, captions = [picture for picture, _ in read if picture is not None], [caption for _, caption in read]
        of_picture, of_caption = seconds(image, pictures), seconds(text, captions)
        lengths = [size_of_file(p) if isinstance(p, Path) else len(p.content) for p in pictures]
        size = sum(lengths) / len(read) / 1e9
        folder, name = bank_dir(stored).absolute(), bank_name(stored)
        begin = begin_of_blocks(folder, stream.digest, name, n, block, str(dtype), image.identity, text.identity)
        done = n if folder.exists() else min(n, block * len([*begin.parent.glob(f"{begin.name}-*.json")]))
        disk = n * ((image.identity.dim + text.identity.dim) * dtype.itemsize + TABLE_BYTES) / 1e9
        hours = (n - done) * max(reading, of_picture + of_caption) / 3_600  # a block is read while one is encoded
        rows.append((f"stream {stored}", n, done, (n - done) * size, disk, hours))
        n, is_done = round(of_tasks / size), {*tasks} <= {*table["task"][table["bank"] == bank]}
        download = 0 if is_done or len(rows) > 1 else of_tasks  # the first bank fetches them for all
        rows.append((f"ask {bank}", n, n * is_done, download, of_tasks, n * (not is_done) * of_picture / 3_600))
    return pd.DataFrame(rows, columns=COLUMNS)


def bytes_of(task) -> float:
    """Return the GB of the files of a task's split, which are not read."""
    repository, name = configured(task.data.removeprefix(HUB))
    files = tars_of(task.split) if text_beside(repository, "classnames.txt") else None
    files = datasets.load_dataset_builder(str(repository), name, data_files=files).config.data_files[task.split]
    return sum(fsspec.core.url_to_fs(files[0])[0].sizes(files)) / 1e9


def seconds(encoder, items) -> float:
    """Return the seconds to encode one of some pictures or texts, after a first few."""
    encoder.encode(items[:8], progress=False)
    start = time.perf_counter()
    encoder.encode(items, progress=False)
    return (time.perf_counter() - start) / len(items)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    results = build_dir() / "benchmark" / file.stem / "results.parquet"
    try:
        print(steps(read_configuration(file), results).round(2).to_string(index=False))
    except (AsifError, OSError) as error:
        sys.exit(f"{file}: {hub_fault(error)}")
