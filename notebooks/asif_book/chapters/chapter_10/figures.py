"""Figures of chapter 10: words of any script, which the browser shapes and orders, and a curve of scaling."""

from IPython.display import HTML
from matplotlib.figure import Figure

from asif_book.figures import style
from asif_book.figures.palette import LINES, SERIES, series_style
from asif_book.figures.style import alt, legend_above, listed, per_cent, subplots
from asif_book.figures.templates import self_contained

LANGUAGES = {
    "Arabic": "ar", "Chinese": "zh_CN", "Dutch": "nl", "French": "fr", "German": "de", "Greek": "el", "Hindi": "hi",
    "Italian": "it", "Japanese": "ja", "Korean": "ko", "Polish": "pl", "Portuguese": "pt", "Russian": "ru",
    "Spanish": "es", "Turkish": "tr",
}  # fmt: skip
"""Fifteen languages in nine scripts, and their codes. Ten were tried before; none was left out for its numbers."""
OTHERS = {"English": "en", "Hebrew": "he", "Inuktitut": "iu", "Swahili": "sw", "Zulu": "zu"}


def words_of_scripts(head, rows) -> HTML:
    """Draw a table of words and pictures; each text takes its direction from its own first letter.

    Parameters
    ----------
    head : sequence of m str
    rows : sequence of rows of m cells
        A cell is a str, HTML such as `image_tag` returns, or a text and its language, ``("犬", "Japanese")``.
    """
    codes = LANGUAGES | OTHERS
    cells = [[(cell, "") if isinstance(cell, str) else (cell[0], codes[cell[1]]) for cell in row] for row in rows]
    return self_contained("chapters/chapter_10/words", head=head, rows=cells)


def scaling(tables, *, ylabel) -> Figure:
    """Draw tables of `scaling_curve`: a line through the means and a dot for every seed.

    `tables` have the columns ``size``, ``seed`` and ``value``.
    """
    figure, axis = subplots(figsize=(7, 4.2))
    means = {name: table.groupby("size").value.mean() for name, table in tables.items()}
    for i, (name, table) in enumerate(tables.items()):
        axis.plot(means[name].index, means[name], label=name, **series_style(i) | {"linestyle": LINES[i % 2]})
        axis.scatter(table["size"], table.value, s=14, color=SERIES[i], alpha=0.5, edgecolors="none")
    style.log_axis(axis, sorted(set().union(*(table["size"] for table in tables.values()))))
    axis.yaxis.set_major_formatter(per_cent)
    axis.set(xlabel="anchors, n (log scale)", ylabel=ylabel, ylim=(0, None))
    axis.grid(alpha=0.3)
    legend_above(figure, axis)
    words = listed(f"{name}: " + ", ".join(f"{v:.0%} at {n}" for n, v in mean.items()) for name, mean in means.items())
    return alt(figure, f"{ylabel} against the number of anchors, a dot for each subset. {words}")
