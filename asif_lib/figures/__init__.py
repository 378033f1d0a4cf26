"""The figures of the book, a module for each chapter: functions of data that return a matplotlib Figure."""

from .anchors import (
    coverage_by_count,
    coverage_histogram,
    group_sizes,
    overlap_by_k,
    picture_pairs,
    picture_rows,
    shared_neighbours,
    shuffle_control,
    similarity_density,
)
from .costs import around_the_threshold, cluster_timeline, cost_curves, knob_curves, stage_bars
from .editing import harm_profile, labelled_pictures, learning_curve, within_margin
from .encoders import (
    bars_with_intervals,
    cosine_histograms,
    deciding_anchors,
    neighbour_rows,
    score_table,
    two_profiles,
    what_the_encoder_sees,
)
from .interpret import anchor_bars, counterfactual, faithfulness, familiarity_curves, use_histogram
from .relative import (
    before_after,
    caption_search,
    cosines_before_after,
    neighbours_two_ways,
    recall_points,
    relative_under_changes,
)
from .sparse import interval_dots, line_chart, sparse_and_ranking, sparse_vector, sweep_heatmaps
from .style import show, show_pictures, thumbnail, use_style
from .zeroshot import confusion_matrix, scaling

__all__ = [
    "anchor_bars",
    "around_the_threshold",
    "bars_with_intervals",
    "before_after",
    "caption_search",
    "cluster_timeline",
    "confusion_matrix",
    "cosine_histograms",
    "cosines_before_after",
    "cost_curves",
    "counterfactual",
    "coverage_by_count",
    "coverage_histogram",
    "deciding_anchors",
    "faithfulness",
    "familiarity_curves",
    "group_sizes",
    "harm_profile",
    "interval_dots",
    "knob_curves",
    "labelled_pictures",
    "learning_curve",
    "line_chart",
    "neighbour_rows",
    "neighbours_two_ways",
    "overlap_by_k",
    "picture_pairs",
    "picture_rows",
    "recall_points",
    "relative_under_changes",
    "scaling",
    "score_table",
    "shared_neighbours",
    "show",
    "show_pictures",
    "shuffle_control",
    "similarity_density",
    "sparse_and_ranking",
    "sparse_vector",
    "stage_bars",
    "sweep_heatmaps",
    "thumbnail",
    "two_profiles",
    "use_histogram",
    "use_style",
    "what_the_encoder_sees",
    "within_margin",
]
