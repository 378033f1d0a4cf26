"""Search (chapter 08): the k anchors with the largest cosines, and scores of sparse vectors.

This wing knows matrices and no banks. `top_anchors` is exact. A bank keeps prepared anchors on disk: see
`asif_lib.bank`. For an approximate index of your own, `rerank` computes exact cosines of its candidates.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exact": ["METHODS", "Plan", "PreparedAnchors", "plan_search", "prepare", "top_anchors"],
        "passes": ["centred_unit", "merge_top", "rerank"],
        "rows": ["Rows", "as_rows"],
        "certified": ["Rounded", "Sieve", "round_rows"],
        "inverted": ["indexed_scores"],
    },
)
