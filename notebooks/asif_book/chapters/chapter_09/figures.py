"""Figures of chapter 09: curves over the number of pairs."""

from matplotlib.figure import Figure

from asif_book.figures.palette import CONTROL, INK, PAPER, series_style
from asif_book.figures.style import alt, legend_above, listed, log_axis, per_cent, subplots

REFERENCE, RIVAL = series_style(0) | {"color": INK}, series_style(1)


def curves_by_method(table, *, ylabel) -> Figure:
    """Draw each method of a tidy table against the reference, in a panel of its own, with 95 % intervals.

    The rows are of one bank, task and measure. A filled marker means: differs from the reference after Holm's
    correction.
    """
    methods = list(dict.fromkeys(table["method"]))
    reference, rivals = table[table["method"] == methods[0]], methods[1:] or methods
    columns = min(3, len(rivals))
    rows = -(-len(rivals) // columns)
    figure, axes = subplots(
        rows, columns, figsize=(2.8 * columns + 0.6, 2.5 * rows + 0.4), squeeze=False, sharex=True, sharey=True
    )
    for axis in axes.flat[len(rivals) :]:
        axis.set_axis_off()
    for axis in axes.flat[max(0, len(rivals) - columns) : len(rivals)]:
        axis.tick_params(labelbottom=True)  # also where no panel is below
    for axis, method in zip(axes.flat, rivals, strict=False):
        rival = table[table["method"] == method]
        _curve(axis, reference, REFERENCE, methods[0])
        if method != methods[0]:
            _curve(axis, rival, RIVAL, "the method of the panel")
            certain = rival[rival["verdict"].isin(["better", "worse"])]
            axis.plot(certain["size"], certain["value"], ls="", marker=RIVAL["marker"], color=RIVAL["color"])
        _axis(axis, table)
        axis.set_title(marked(next(rival.itertuples())).replace(" (", "\n("), fontsize=10)
    axes.flat[0].set_ylim(0, None)  # of all panels, so only once all curves are drawn
    if len(rivals) % columns:  # the key stands in the free place
        key = {"title": "band: 95 % interval\nfilled mark: differs from ASIF", "alignment": "left", "fontsize": 10}
        axes.flat[-1].legend(*axes.flat[0].get_legend_handles_labels(), loc="center", frameon=False, **key)
    else:
        legend_above(figure, axes.flat[0], 3)
    figure.supxlabel("pairs, n (log scale)", fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    return alt(figure, _words(table, ylabel))


def marked(row) -> str:
    """Return the method's name of a row of the tidy table, with the mark of a method that is not comparable."""
    marks = {"transductive": row.transductive, "needs labels": row.needs_labels}
    return row.method + "".join(f" ({mark})" for mark, has in marks.items() if has and mark not in row.method)


def _curve(axis, rows, style, name):
    rows = rows.sort_values("size")
    face = {"markerfacecolor": PAPER} if style is not REFERENCE else {}
    axis.plot(rows["size"], rows["value"], label=name, markersize=5, **style | face)
    axis.fill_between(rows["size"], rows["low"], rows["high"], color=style["color"], alpha=0.13, linewidth=0)


def _axis(axis, table):
    chance = table.groupby("size")["chance"].first()
    axis.plot(chance.index, chance, color=CONTROL, ls=":", label="chance")
    log_axis(axis, list(chance.index))
    axis.yaxis.set_major_formatter(per_cent)
    axis.grid(alpha=0.3)


def _words(table, ylabel):
    series = table.sort_values("size").groupby("method", sort=False)
    each = (f"{name}: " + ", ".join(f"{r.value:.0%} at {r.size}" for r in rows.itertuples()) for name, rows in series)
    return f"{ylabel} against the number of pairs, with 95 % intervals. {listed(each)}"
