"""Run all chapters and make a small book that opens from disk: a page for each, and an index.

    python -m asif_book.report --device cpu --profile offline

The pages need no network and are complete without scripts: figures are embedded, formulas are MathML, and
for a widget stands a note. Code that only plumbs is folded. A script of the page's own adds a search in the
whole book. Colours follow the system's theme.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "book": ["build_report"],
        "page": ["loads_from_elsewhere"],
        "rendering": ["render"],
        "running": ["NotebookError", "ReportError", "run_notebook"],
    },
)
