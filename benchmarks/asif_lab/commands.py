"""The command of the laboratory: ``asif bank stream``. The command ``asif`` finds this module by its entry point."""

from typing import Annotated

from typer import Argument, Option

from asif_lib import defaults
from asif_lib.bank.record import bank_dir, bank_name
from asif_lib.cli import banks
from asif_lib.cli.command import Device, Name, Replace, command


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
