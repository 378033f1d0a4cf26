"""Compare methods, encoders and banks: ``asif benchmark``."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from asif_lib.errors import import_extra
from asif_lib.files import build_dir, write_whole

from .command import Device, app, command, say


@command(
    app, "benchmark",
    "asif benchmark benchmarks/accuracy/learning_curve.toml", "asif benchmark mine.toml --out FOLDER --json",
)  # fmt: skip
def _benchmark(
    config: Annotated[str, Argument(metavar="CONFIG.toml")],
    out: Annotated[
        str | None, Option(metavar="FOLDER", help="of results and page; default: build/benchmark/CONFIG")
    ] = None,
    device: Device = "auto",
):
    """Measure methods, encoders and banks on held-out data; what is done already is not done again."""
    from asif_lib.evaluation.benchmark.configuration import read_configuration

    configuration = read_configuration(config)
    for module in ("bs4", "jinja2", "matplotlib"):
        import_extra(module, "workbook")
    from asif_lib.course.report.benchmark_page import benchmark_page
    from asif_lib.evaluation.benchmark.resuming import run_benchmark

    folder = Path(out) if out else build_dir() / "benchmark" / Path(config).stem
    outcome = run_benchmark(configuration, folder, device=device)
    write_whole(folder / "index.html", benchmark_page(configuration.title, *vars(outcome).values()).encode())
    for what, why in outcome.failures:
        say(f"asif: {what}: {why}")
    left_out = {} if outcome.table.empty else outcome.table.groupby("bank", sort=False)["left_out"].max().to_dict()
    for bank, count in left_out.items():
        if count:
            say(f"bank {bank}: {count:,} pairs show a picture that is asked, and are no anchors")
    about = {
        "ok": not outcome.failures,
        "rows": len(outcome.table),
        "left_out": left_out,
        "results": str(folder / "results.parquet"),
        "page": str(folder / "index.html"),
        "failures": [{"what": what, "why": why} for what, why in outcome.failures],
    }
    return about, f"{len(outcome.table)} numbers in {about['results']}\nopen {about['page']} in a browser"
