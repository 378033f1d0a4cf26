"""Build a bank of captioned pictures that are read as a stream: any number, in the memory of one block.

Each encoded block waits as two files in a folder beside the bank, ``NAME.building``. A killed build loses the block in
work, and the same call goes on after the last whole one. At the end the blocks become one part of the bank, and the
folder is deleted. Blocks begin at fixed rows, so an interrupted build gives the same bank, bit for bit.
"""

import hashlib
import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from asif_lib.bank.anchors import AnchorBank
from asif_lib.bank.building import cut_positions, pairs_table
from asif_lib.bank.checks import IMAGE_TEXT
from asif_lib.bank.disk import check_folder, plain_table, write_bank
from asif_lib.bank.record import BankRecord, Side
from asif_lib.errors import BankError, first_line
from asif_lib.files import check_sha256, locked, read_sealed, sha256_of, write_sealed, write_whole
from asif_lib.machine import progress_bar
from asif_lib.texts import csv_text

BLOCK = 512  # rows in a block: two blocks of pictures, as they are in their files, are in memory at a time


def build_streamed(
    stream, folder, image_encoder, text_encoder, *, name=None, limit=None, block=BLOCK, dtype=torch.float32,
    progress=True,
) -> AnchorBank:  # fmt: skip
    """Encode a stream of captioned pictures into a bank on disk, and return the bank.

    The same call continues a build that was interrupted. The id of a pair is the number of its row, from 0. A row
    without a caption or a picture, or with a picture that cannot be read, is left out. The table ``NAME.rows.csv``
    beside the bank names these rows, and those whose caption the text encoder cuts off. A warning counts them, and the
    captions that repeat another. The cache of embeddings is not used.

    Raises `DataError` if the rows break off; the blocks before are kept. Raises `BankError` if an embedding cannot be
    used, no pair is left, or the folder cannot be written.

    Parameters
    ----------
    stream : PairStream
    folder : str or Path
        Of the bank. An older bank there is replaced at the end.
    image_encoder : ImageEncoder
    text_encoder : TextEncoder
    name : str, optional
        Default: the name of the stream.
    limit : int, optional
        Rows that are read. Default: all.
    block : int
        Rows that a killed build loses.
    dtype : torch.dtype
        Of the stored embeddings.
    """
    folder, encoders, name = Path(folder).absolute(), (image_encoder, text_encoder), name or stream.name
    check_folder(folder)
    about = stream.digest, name, limit, block, str(dtype), *(encoder.identity for encoder in encoders)
    digest = hashlib.sha256(json.dumps(about, default=asdict).encode()).hexdigest()
    staging = folder.with_name(f"{folder.name}.building")
    prefix = staging / digest[:24]  # of the files of blocks, before the number of the first row
    staging.parent.mkdir(parents=True, exist_ok=True)
    with locked(staging):
        staging.mkdir(exist_ok=True)
        files = _encode(stream, prefix, encoders, name, limit, block, dtype, progress)
        count = sum(len(_read(file)["ids"]) for file in files)
        if count:
            own, dtype = zip(IMAGE_TEXT, encoders, strict=True), str(dtype).removeprefix("torch.")
            sides = [Side(name=side, dtype=dtype, encoder=encoder.identity) for side, encoder in own]
            record = BankRecord(name=name, licence="unknown", sides=sides)
            write_bank(folder, record, count, plain_table(pairs_table(["caption"])).schema, _blocks(files))
        _tell(folder.with_name(f"{folder.name}.rows.csv"), name, files, count)
        shutil.rmtree(staging)
    if not count:
        raise BankError(f"{name}: has no pair to build a bank of")
    return AnchorBank.load(folder)


def _encode(stream, prefix, encoders, name, limit, size, dtype, progress):
    """Encode the blocks that are not there yet; return the files with the records of all blocks, in their order."""
    files, first, state = [], 0, None
    while (file := prefix.with_name(f"{prefix.name}-{first:012}.json")).exists():
        done = _read(file, compare=True)  # a damaged block is said before hours of encoding
        first, state = first + done["rows"], done["state"]
        files.append(file)
    blocks = stream.blocks(size, first=first, state=state, stop=limit)
    bar = progress_bar(total=limit, initial=first, unit="row", desc=f"encoding {name}", progress=progress, leave=True)
    with bar, ThreadPoolExecutor(1) as reader:  # reads the next block meanwhile
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            first, pairs, state = block
            files.append(prefix.with_name(f"{prefix.name}-{first:012}.json"))
            _encode_block(files[-1], first, pairs, state, encoders, name, dtype)
            bar.update(len(pairs))
    return files


def _encode_block(file, first, pairs, state, encoders, name, dtype):
    """Encode one block; write its embeddings, and then its record: with this, the block is done."""
    left_out = {i: "has no caption" for i, (_, caption) in enumerate(pairs) if not caption}
    left_out |= {i: "has no picture" for i, (picture, _) in enumerate(pairs) if picture is None}
    whole = [i for i in range(len(pairs)) if i not in left_out]
    image, kept, broken = encoders[0].encode_readable([pairs[i][0] for i in whole])
    left_out |= {whole[j]: str(error) for j, error in broken}
    ids, captions = [str(first + whole[j]) for j in kept], [pairs[whole[j]][1] for j in kept]
    if kept:
        text = encoders[1].encode(captions, progress=False)
        identities = [encoder.identity for encoder in encoders]
        bank = AnchorBank(name, image.to(dtype), text.to(dtype), pairs_table(captions, ids), *identities)
        save_file({"image": bank.image, "text": bank.text}, file.with_suffix(".safetensors"))
    remarks = [[first + i, f"left out: {left_out[i]}"] for i in sorted(left_out)]
    cut = [[int(ids[j]), "the text encoder cuts off its caption"] for j in cut_positions(captions, encoders[1])]
    about = {"rows": len(pairs), "ids": ids, "captions": captions, "remarks": remarks + cut, "state": state}
    about["checksum"] = sha256_of(file.with_suffix(".safetensors")) if kept else ""
    write_sealed(file, about)


def _read(file, *, compare=False) -> dict:
    """Return the record of a block. Raises `BankError` if it, or with `compare` its embeddings, are damaged."""
    try:
        record = read_sealed(file, dict)
        if compare and record["ids"]:
            check_sha256(file.with_suffix(".safetensors"), record["checksum"])
        return record
    except (OSError, ValueError) as error:
        raise BankError(f"{file}: the block is damaged ({first_line(error)}); delete it, and repeat") from None


def _blocks(files):
    """Yield the encoded blocks, as `write_bank` takes them."""
    for file in files:
        record = _read(file, compare=True)
        if record["ids"]:
            table = plain_table(pairs_table(record["captions"], record["ids"]))
            yield load_file(file.with_suffix(".safetensors")), table.combine_chunks().to_batches()[0]


def _tell(file, name, files, count):
    """Write the table of the rows that are left out or cut off, and count them in a warning."""
    rows, cut, remarks, digests = 0, 0, [], [np.empty(0, np.uint64)]
    for record in map(_read, files):
        remarks += record["remarks"]
        rows, cut = rows + record["rows"], cut + len(record["remarks"]) - record["rows"] + len(record["ids"])
        digests.append(pd.util.hash_array(np.array(record["captions"], object)))
    write_whole(file, csv_text(["row", "remark"], remarks).encode())
    left_out, repeated = rows - count, count - len(np.unique(np.concatenate(digests)))
    if left_out or cut or repeated:
        warnings.warn(
            f"{name}: of {rows} rows, {left_out} are left out, {cut} have a caption that the text encoder cuts off, "
            f"and {repeated} repeat an earlier caption; {file} names the rows of the first two kinds",
            stacklevel=3,
        )
