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


def write_clip(folder):
    """Write a tiny CLIP with random weights as `transformers` saves it for the hub."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz."
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=24)
    text = {"vocab_size": len(pieces), "max_position_embeddings": 24, "bos_token_id": len(pieces) - 2}
    text |= {"eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    return _write_model(folder, CLIPModel, CLIPConfig, CLIPImageProcessor, tokenizer, text, projection_dim=24)


def write_siglip(folder, tokenizer=None):
    """Write a tiny SigLIP with random weights, with a tokenizer of words unless another one is given."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessor, SiglipModel

    if tokenizer is None:
        words = ["<unk>", "</s>", "a", "photo", "of", "the", "red", "green", "blue", "white", "picture", "."]
        plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
        plain.pre_tokenizer = pre_tokenizers.Whitespace()
        plain.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=plain, pad_token="</s>", eos_token="</s>", unk_token="<unk>", model_max_length=16
        )
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16}
    return _write_model(folder, SiglipModel, SiglipConfig, SiglipImageProcessor, tokenizer, text)


def _write_model(folder, model, config, processor, tokenizer, text, **more):
    import torch

    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision = {**small, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    model(config(text_config={**small, **text}, vision_config=vision, **more)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"shortest_edge": 32} if "CLIP" in model.__name__ else {"height": 32, "width": 32}
    processor(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
