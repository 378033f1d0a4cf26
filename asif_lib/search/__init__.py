"""Search (chapter 08): the k anchors with the largest cosines, and scores of sparse vectors.

This wing knows matrices and no banks. `top_anchors` is exact, whatever its method; `build_index` is approximate.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exact": ["METHODS", "Plan", "check_k", "merge_top", "plan_search", "top_anchors"],
        "rows": ["Rows", "as_rows"],
        "prepared": ["PreparedAnchors", "prepare"],
        "certified": ["Rounded", "Sieve", "round_rows"],
        "rerank": ["centred_unit", "rerank"],
        "inverted": ["InvertedIndex"],
        "approximate": ["ApproximateIndex", "build_index", "open_index"],
        "kinds": ["KINDS"],
    },
)
