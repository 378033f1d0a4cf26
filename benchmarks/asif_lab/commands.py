"""The commands of the laboratory: ``asif benchmark`` and ``asif bank stream``, found by the entry point."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from asif_lib import defaults
from asif_lib.bank.record import bank_dir, bank_name
from asif_lib.cli import banks
from asif_lib.cli.command import Device, Name, Replace, app, command, say
from asif_lib.files import build_dir


@command(banks.bank_app, "stream", "asif bank stream cc12m pixparse/cc12m-wds --limit 1600000 --precision bfloat16")
def _stream(
    name: Name,
    repository: Annotated[str, Argument(metavar="REPOSITORY", help="of the hub, or a folder in its formats")],
    split: Annotated[str, Option(metavar="NAME")] = "train",
    picture_column: Annotated[str | None, Option(metavar="NAME", help="default: the only one")] = None,
    caption_column: Annotated[str | None, Option(metavar="NAME", help="default: caption, text or txt")] = None,
    limit: Annotated[int | None, Option(metavar="N", min=1, help="read the first N rows")] = None,
    image_encoder: banks.Encoder = defaults.DEFAULT_IMAGE_ENCODER,
    text_encoder: banks.Encoder = defaults.DEFAULT_TEXT_ENCODER,
    precision: banks.Precision = "float32",
    device: Device = "auto",
    replace: Replace = False,
):
    """Encode captioned pictures of the hub into a bank, while they are read; any number fits into the memory."""
    banks.check_replace(name, replace)
    banks.check_encoder_names(image_encoder, text_encoder)
    import torch

    from asif_lab.streaming import build_streamed
    from asif_lab.streams import stream_from_hub

    pairs = stream_from_hub(repository, split, picture=picture_column, caption=caption_column)
    options = {"name": bank_name(name), "limit": limit, "dtype": getattr(torch, precision)}
    encoders = banks.load_encoders(image_encoder, text_encoder, device)
    return banks.made_bank(build_streamed(pairs, bank_dir(name), *encoders, **options), name)


@command(
    app, "benchmark",
    "asif benchmark benchmarks/accuracy/learning_curve.toml", "asif benchmark mine.toml --out FOLDER --json",
)  # fmt: skip
def _benchmark(
    config: Annotated[str, Argument(metavar="CONFIG.toml")],
    out: Annotated[str | None, Option(metavar="FOLDER", help="default: build/benchmark/CONFIG")] = None,
    device: Device = "auto",
):
    """Measure methods, encoders and banks on held-out data; what is done already is not done again."""
    from asif_lab.benchmark import read_configuration, run_benchmark

    folder = Path(out) if out else build_dir() / "benchmark" / Path(config).stem
    table = run_benchmark(read_configuration(config), folder, device=device).table
    left_out = table.groupby("bank", sort=False)["left_out"].max().to_dict()
    for bank, count in left_out.items():
        if count:
            say(f"bank {bank}: {count:,} pairs show a picture that is asked, and are no anchors")
    about = {"rows": len(table), "left_out": left_out, "results": str(folder / "results.parquet")}
    return about, f"{len(table)} numbers in {about['results']}"
