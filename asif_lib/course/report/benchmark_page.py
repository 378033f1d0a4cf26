"""The page of a benchmark: tables, curves and a heat map, in one file that needs no network."""

from bs4 import BeautifulSoup
from markupsafe import Markup

from asif_lib.evaluation.benchmark.comparing import name_winner
from asif_lib.figures.benchmark import curves_by_bank, curves_by_method, encoder_heat_map
from asif_lib.figures.style import image_html, use_style
from asif_lib.figures.templates import filled

from . import page as pages

VERDICTS = {"better": "▲", "worse": "▼", "undecided": "", "reference": ""}


def benchmark_page(title, table, failures) -> str:
    """Lay out the tidy table of a benchmark as an HTML page, with the (what, why) of the parts that failed."""
    use_style()
    sections = [_section(names, rows) for names, rows in table.groupby(["task", "measure"], sort=False)]
    content = filled(
        "course/report/templates/benchmark.html.j2", title=title, sections=sections, failures=failures,
        reference=table["method"].iloc[0] if len(table) else "",
    )  # fmt: skip
    body = BeautifulSoup(content, "html.parser")
    around = {"sections": pages.sections(body), "chapters": (), "more": (), "current": "index"}
    pages.make_accessible(body)
    html = Markup(body.decode(formatter="minimal"))
    return pages.layout("chapter.html.j2", title=title, body=html, repeated=False, previous=None, next=None, **around)


def _section(names, rows) -> dict:
    """Collect what the page shows of a task and a measure: figures, and a table for each bank and pair of encoders."""
    task, measure = names
    label, figures, largest = f"{measure}, {task}", [], rows["size"].max()
    reference = rows[rows["verdict"] == "reference"]
    groups = list(rows.groupby(["bank", "image_encoder", "text_encoder"], sort=False))
    for (bank, *_), group in groups:
        if group["size"].nunique() > 1 and group["method"].nunique() > 1:
            figures.append((bank, curves_by_method(group, ylabel=label)))
    if reference["bank"].nunique() > 1 and reference["size"].nunique() > 1:
        figures.append(("all banks", curves_by_bank(reference, ylabel=label)))
    same = reference[(reference["size"] == largest) & (reference["bank"] == reference["bank"].iloc[0])]
    if len(same) > 1:
        figures.append((f"{same['method'].iloc[0]} with {largest} pairs", encoder_heat_map(same, label=label)))
    return {
        "task": task,
        "measure": measure,
        "n": int(rows["n"].iloc[0]),
        "figures": [(name, Markup(image_html(figure, figure.alt))) for name, figure in figures],
        "tables": [_table(names, group) for names, group in groups],
    }


def _table(names, group) -> dict:
    sizes = sorted(group["size"].unique())
    lines = []
    for method, rows in group.groupby("method", sort=False):
        cells = {row.size: row for row in rows.itertuples(name="Row")}
        lines.append((method, bool(rows["transductive"].any()), [_cell(cells.get(size)) for size in sizes]))
    by_size = {size: group[group["size"] == size].reset_index(drop=True) for size in sizes}
    return {
        "names": names,
        "sizes": sizes,
        "seeds": [int(rows["seeds"].max()) for rows in by_size.values()],
        "chance": f"{100 * group['chance'].iloc[0]:.1f}",
        "lines": lines,
        "winners": [name_winner(rows) or "none" for rows in by_size.values()],
    }


def _cell(row):
    if row is None:
        return None
    gap = (
        ""
        if row.verdict == "reference"
        else (f"{100 * row.difference:+.1f} [{100 * row.difference_low:+.1f}, {100 * row.difference_high:+.1f}]")
    )
    interval = f"[{100 * row.low:.1f}, {100 * row.high:.1f}]"
    return {"value": f"{100 * row.value:.1f}", "interval": interval, "gap": gap, "mark": VERDICTS[row.verdict],
            "verdict": row.verdict}  # fmt: skip
