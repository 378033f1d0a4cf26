"""Evaluation (chapter 05): accuracy and recall with intervals, baselines, agreement of two spaces.

Every measure comes with its number of items and a bootstrap 95 % interval.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "measures": [
            "Measure",
            "accuracy",
            "mean_with_interval",
            "paired_difference",
            "ranks",
            "recall_at",
            "same_text",
            "scaling_curve",
            "sweep",
        ],
        "baselines": ["CanonicalCorrelation", "NearestAnchorCaption", "Procrustes", "Ridge"],
        "neighbours": [
            "mutual_neighbours",
            "nearest",
            "neighbour_agreement",
            "neighbour_mask",
            "pair_correlation",
            "shuffled_correlation",
        ],
        "tuning": ["Tuned", "ValidationSet", "choose", "compare", "least_reach", "tune", "walk"],
    },
)
