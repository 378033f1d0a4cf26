"""Evaluation (chapter 05): accuracy and recall with intervals, and settings.

Every measure comes with its number of items and a 95 % interval.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "measures": ["Measure", "accuracy", "auc_with_interval", "confusion_of", "in_points", "mcnemar",
                     "mean_recall", "mean_with_interval", "paired_difference", "per_class", "ranks", "recall_at",
                     "same_text", "share_with_interval"],
        "recommending": ["combinations", "measure_settings", "recommend", "sweep"],
    },
)  # fmt: skip
