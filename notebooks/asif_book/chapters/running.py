"""Show below a folded cell that it runs: JupyterLab folds the asterisk of a running cell away with its code."""

import html
import os
from types import SimpleNamespace

from IPython import get_ipython
from IPython.display import HTML, display

from asif_book.chapters.results import RUN_VARIABLE
from asif_book.editions.outline import label_of


class Sign:
    """What stands below the cell that runs now, until it ends: the comment in its first line."""

    shown = None

    def begins(self, cell) -> None:
        if label := label_of(SimpleNamespace(source=cell.raw_cell)):
            self.shown = display(HTML(f"<em>This cell runs: {html.escape(label)}</em>"), display_id=True)

    def ended(self, _) -> None:
        if self.shown:
            self.shown.update(HTML(""))
        self.shown = None


_sign = Sign()


def show_what_runs() -> None:
    """Give each cell that begins with a comment its sign, from the next cell on, once; a report needs none."""
    shell = get_ipython()
    if shell and RUN_VARIABLE not in os.environ and _sign.begins not in shell.events.callbacks["pre_run_cell"]:
        shell.events.register("pre_run_cell", _sign.begins)
        shell.events.register("post_run_cell", _sign.ended)
