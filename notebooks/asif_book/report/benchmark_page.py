"""The page of a benchmark: tables, curves and a heat map, in one file that needs no network."""

import json

from asif_book.chapters.chapter_09.figures import marked
from asif_book.figures import curves_by_bank, curves_by_method, encoder_heat_map
from asif_book.figures.style import image_html, use_style
from asif_book.figures.templates import filled
from asif_lab.benchmark.comparing import ENCODERS
from asif_lab.benchmark.configuration import LINEAR_PROBE, TRANSFORMERS

from . import page as pages


def benchmark_page(title, table, failures, family="column") -> str:
    """Lay out a benchmark as an HTML page.

    Parameters
    ----------
    title : str
    table : DataFrame
        The tidy table.
    failures : list of (str, str)
        What failed, and why.
    family : {"column", "file"}
        What Holm's correction went over.
    """
    use_style()
    sections = [_section(names, rows) for names, rows in table.groupby(["task", "measure"], sort=False)]
    content = filled(
        "report/templates/benchmark.html.j2", title=title, sections=sections, failures=failures, family=family,
        reference=_name(table, next(table.itertuples())) if len(table) else "",
        transductive=table.get("transductive", table["method"]).any(),
        yardstick=table["method"].astype(str).str.startswith(TRANSFORMERS).any(),
        probe=(table["method"] == LINEAR_PROBE).any(),
    )  # fmt: skip
    return pages.stand_alone(title, content)


def _name(table, row) -> str:
    """Name what is compared: the method; or, where all rows have the same one, the encoders."""
    return marked(row) if table["method"].nunique() > 1 else f"{row.image_encoder} × {row.text_encoder}"


def _section(names, rows) -> dict:
    """Collect what the page shows of a task and a measure: a figure of all banks or encoders, and each bank's own."""
    task, measure = names
    label, encoders = f"{measure}, {task}", list(rows.groupby(ENCODERS, sort=False).groups)
    first = rows[rows["method"] == rows["method"].iloc[0]]
    apart = ["bank", *ENCODERS] if rows["method"].nunique() > 1 else ["bank"]
    parts = []
    same = first[(first[ENCODERS] == list(encoders[0])).all(axis=1)]
    if same["bank"].nunique() > 1 and same["size"].nunique() > 1:
        parts.append(_part("All banks", curves_by_bank(same, ylabel=label)))
    for (bank, *own), group in rows.groupby(apart, sort=False):
        title = ", ".join([bank, *([" × ".join(own)] if own and len(encoders) > 1 else [])])
        figure, largest = None, group[group["size"] == group["size"].max()]
        if group["method"].nunique() > 1 and group["size"].nunique() > 1:
            figure = curves_by_method(group, ylabel=label)
        elif group["method"].nunique() == 1 and len(largest) > 1:
            figure = encoder_heat_map(largest, label=f"{label}, {largest['size'].iloc[0]:,} pairs")
        parts.append(_part(title, figure, table_of(group)))
    return {"task": task, "measure": measure, "n": int(rows["n"].iloc[0]), "parts": parts}


def _part(title, figure, table=None) -> dict:
    return {"title": title, "picture": image_html(figure, figure.alt) if figure else None, "table": table}


def table_of(group) -> dict:
    """Collect a row for each method or pair of encoders, and a column for each size."""
    sizes = sorted(group["size"].unique())
    lines = {}
    for row in group.itertuples():
        lines.setdefault(_name(group, row), dict.fromkeys(sizes))[row.size] = _cell(row)
    by_size = [group[group["size"] == size] for size in sizes]
    return {
        "sizes": sizes,
        "seeds": [int(rows["seeds"].max()) for rows in by_size],
        "chance": f"{100 * group['chance'].iloc[0]:.1f}",
        "left_out": int(group["left_out"].iloc[0]),
        "encoders": " × ".join(group[ENCODERS].iloc[0]) if len(group[ENCODERS].drop_duplicates()) == 1 else "",
        "heading": "method" if group["method"].nunique() > 1 else "encoders",
        "lines": [(name, list(cells.values())) for name, cells in lines.items()],
        "winners": [next(iter(rows["method"][rows["is_winner"]]), "none") for rows in by_size]
        if group["method"].nunique() > 1
        else [],
    }


def _cell(row) -> dict:
    settings = json.loads(row.settings)
    gap, low, high = (f"{100 * getattr(row, f'difference{end}'):+.1f}" for end in ("", "_low", "_high"))
    return {
        "value": f"{100 * row.value:.1f}",
        "interval": f"[{100 * row.low:.1f},\N{NO-BREAK SPACE}{100 * row.high:.1f}]",
        "gap": "" if row.verdict == "reference" else f"{gap} [{low},\N{NO-BREAK SPACE}{high}]",
        "mark": {"better": "▲", "worse": "▼"}.get(row.verdict),
        "settings": ", ".join(f"{key}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{value}" for key, value in settings.items()),
        "verdict": row.verdict,
    }
