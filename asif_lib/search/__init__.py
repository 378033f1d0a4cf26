"""Search (chapter 08): the k anchors with the largest cosines, and scores of sparse vectors.

This wing knows matrices and no banks. `top_anchors` is exact; an `ApproximateIndex` may miss anchors. The owner of a
matrix is named in plain data, so that a copy or an index on disk is never taken for another's.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exact": ["top_anchors"],
        "passes": ["merge_top"],
        "planning": ["METHODS", "Plan", "plan_search"],
        "rows": ["Rows", "as_rows"],
        "prepared": ["PreparedAnchors", "prepare"],
        "certified": ["Rounded", "Sieve", "round_rows"],
        "reranking": ["centred_unit", "rerank"],
        "inverted": ["InvertedIndex"],
        "approximate": ["ApproximateIndex", "read_index", "write_index"],
        "kinds": ["KINDS"],
    },
)
