"""Evaluation (chapter 05): accuracy and recall with intervals, baselines, agreement of two spaces, tuning.

Every measure comes with its number of items and a 95 % interval.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "choosing": ["combinations", "measure_settings", "sweep"],
        "measures": ["Measure", "accuracy", "confusion_of", "in_points", "mean_recall", "mean_with_interval",
                     "paired_difference", "per_class", "ranks", "recall_at", "same_text", "scaling_curve",
                     "share_with_interval"],
        "neighbours": ["Calibrated", "binned_means", "calibrated", "correlation_with_interval", "debiased_cka",
                       "mutual_neighbours", "nearest_neighbours", "neighbour_agreement", "neighbour_mask",
                       "pair_correlation", "pair_sums"],
        "recommending": ["recommend"],
        "robustness": ["damaged", "embed_damaged"],
        "transductive": ["correct_batch"],
        "trust": ["McNemar", "calibration_error", "coverage_curve", "fit_temperature", "mcnemar", "own_choices",
                  "probabilities", "reliability"],
    },
)  # fmt: skip
