"""Checks of the exercises, a module for each chapter; `compare` does the work."""

from .anchors import (
    check_coverage,
    check_mutual_neighbours,
    check_shuffled_correlation,
    mutual_neighbours,
    pair_correlation,
    shuffled_correlation,
)
from .core import Verdict, compare
from .encoders import check_cosine_matrix, check_mean_pooling, check_nearest_neighbours
from .relative import check_centred_representation, check_largest_change, check_relative_representation, largest_change
from .sparse import check_sparse_cosine, check_sparsify
from .start_here import check_cosine, check_shares
from .zeroshot import check_average_templates, check_bootstrap, check_recall_with_ties

__all__ = [
    "Verdict",
    "check_average_templates",
    "check_bootstrap",
    "check_centred_representation",
    "check_cosine",
    "check_cosine_matrix",
    "check_coverage",
    "check_largest_change",
    "check_mean_pooling",
    "check_mutual_neighbours",
    "check_nearest_neighbours",
    "check_recall_with_ties",
    "check_relative_representation",
    "check_shares",
    "check_shuffled_correlation",
    "check_sparse_cosine",
    "check_sparsify",
    "compare",
    "largest_change",
    "mutual_neighbours",
    "pair_correlation",
    "shuffled_correlation",
]
