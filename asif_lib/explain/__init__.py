"""Explanations (chapter 06): which anchors decided, what happens without them, and which anchors are wrong.

The cosine of two sparse vectors is a sum over shared anchors. An explanation is the score itself, no approximation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "contribution": ["contrast", "contributions"],
        "attribution": ["credit", "removal_effects", "shapley_values"],
        "removals": ["fall_without"],
        "out_of_distribution": ["calibrate", "familiarity", "own_coverage"],
        "counterfactual": ["smallest_removal", "without"],
        "audit": ["leave_one_out", "rank_pairs"],
        "review": ["apply_review", "near_distance", "review_bank"],
    },
)
