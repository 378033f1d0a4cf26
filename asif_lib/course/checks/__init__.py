"""Checks of the exercises, a module for each chapter; `compare` does the work."""

from .anchors import check_coverage, check_mutual_neighbours, check_share_by_chance, check_shuffled_correlation
from .caption_search import check_best_caption
from .certify import check_error_bound, check_keep
from .choice import check_choice, check_trap
from .editing import check_add, check_forget, check_running_mean
from .encoders import (
    check_cosine_matrix,
    check_disturbance,
    check_mean_pooling,
    check_nearest_neighbours,
    check_same_group_share,
    check_standardise,
)
from .evidence import check_harm, check_unchanged
from .failure import FailureTask, check_own_failure
from .farthest import check_farthest_first, farthest_first
from .interpret import check_contrast, check_contributions, check_rank_auc
from .intervals import check_bootstrap, check_paired_difference
from .invariance import check_investigation
from .inverted import check_inverted_index
from .judging import EXERCISES, Verdict, compare
from .knob import check_knob
from .lesson import LessonTask, check_lesson
from .merging import check_bytes, check_merge
from .relative import (
    check_centred_representation,
    check_largest_change,
    check_relative_representation,
    check_times_nearest,
    largest_change,
    times_nearest,
)
from .removal import check_flip, check_without
from .sparse import check_clamp_and_power, check_sparse_cosine, check_sparsify
from .start_here import check_cosine, check_shares
from .suspicion import check_suspicion
from .topk import check_top_k
from .wording import WordingTask, check_wording
from .zeroshot import check_average_templates, check_prompts, check_recall_with_ties

__all__ = [
    "EXERCISES",
    "FailureTask",
    "LessonTask",
    "Verdict",
    "WordingTask",
    "check_add",
    "check_average_templates",
    "check_best_caption",
    "check_bootstrap",
    "check_bytes",
    "check_centred_representation",
    "check_choice",
    "check_clamp_and_power",
    "check_contrast",
    "check_contributions",
    "check_cosine",
    "check_cosine_matrix",
    "check_coverage",
    "check_disturbance",
    "check_error_bound",
    "check_farthest_first",
    "check_flip",
    "check_forget",
    "check_harm",
    "check_inverted_index",
    "check_investigation",
    "check_keep",
    "check_knob",
    "check_largest_change",
    "check_lesson",
    "check_mean_pooling",
    "check_merge",
    "check_mutual_neighbours",
    "check_nearest_neighbours",
    "check_own_failure",
    "check_paired_difference",
    "check_prompts",
    "check_rank_auc",
    "check_recall_with_ties",
    "check_relative_representation",
    "check_running_mean",
    "check_same_group_share",
    "check_share_by_chance",
    "check_shares",
    "check_shuffled_correlation",
    "check_sparse_cosine",
    "check_sparsify",
    "check_standardise",
    "check_suspicion",
    "check_times_nearest",
    "check_top_k",
    "check_trap",
    "check_unchanged",
    "check_without",
    "check_wording",
    "compare",
    "farthest_first",
    "largest_change",
    "times_nearest",
]
