"""Captioned pictures in the formats of the hub: shards of parquet, and webdataset tars; no network."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HF_IMAGE = {"info": {"features": {"image": {"_type": "Image"}, "caption": {"dtype": "string", "_type": "Value"}}}}


def png(number, side=8):
    """The bytes of a small picture, another for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def caption(number):
    """One of a hundred captions."""
    return f"a {('red', 'green', 'blue', 'small')[number % 4]} picture of the {number % 25}"


def write_parquet(folder, count, shard=100, split="train", picture=png, caption=caption):
    """Write `count` pairs as shards of parquet, as `datasets` writes them for the hub; a picture may be an address."""
    (folder / "data").mkdir(parents=True)
    shards = -(-count // shard)
    for i in range(shards):
        numbers = range(i * shard, min(count, (i + 1) * shard))
        kinds = {bytes: "bytes", str: "path"}
        pictures = [None if (cell := picture(n)) is None else {kinds[type(cell)]: cell} for n in numbers]
        columns = {
            "image": pa.array(pictures, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "caption": pa.array([caption(n) for n in numbers], pa.string()),
        }
        table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(HF_IMAGE)})
        pq.write_table(table, folder / "data" / f"{split}-{i:05}-of-{shards:05}.parquet", row_group_size=100)
    return folder


def write_columns(folder, split="train", **columns):
    """Write columns, each a pair of values and a feature, as one shard of parquet."""
    import datasets

    (folder / "data").mkdir(parents=True)
    features = datasets.Features({name: feature for name, (_, feature) in columns.items()})
    table = datasets.Dataset.from_dict({name: values for name, (values, _) in columns.items()}, features=features)
    table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def write_webdataset(folder, count, shard=100, split="train", picture=png, caption=caption):
    """Write `count` pairs as tars of ``NUMBER.png`` and ``NUMBER.txt``."""
    rows = [{"png": picture(number), "txt": caption(number).encode()} for number in range(count)]
    _write_tars(folder, f"{split}-{{:05}}.tar", rows, shard)
    return folder


def write_clip_benchmark(folder, ending, texts, shard=3, split="test", picture=png, **files):
    """Write pictures as LAION's CLIP benchmark does, each beside a text of that ending; and lists, as classnames."""
    rows = [{ending: str(text).encode(), "webp": picture(number)} for number, text in enumerate(texts)]
    count = _write_tars(folder / split, "{}.tar", rows, shard)
    for name, lines in {f"{split}/nshards": [count], **files}.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def _write_tars(folder, name, rows, shard):
    folder.mkdir(parents=True)
    shards = [rows[first : first + shard] for first in range(0, len(rows), shard)]
    for i, part in enumerate(shards):
        with tarfile.open(folder / name.format(i), "w") as tar:
            for number, row in enumerate(part, i * shard):
                for ending, content in row.items():
                    entry = tarfile.TarInfo(f"{number:08}.{ending}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
    return len(shards)
