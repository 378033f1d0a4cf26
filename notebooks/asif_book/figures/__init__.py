"""The figures of the book, a module for each chapter: functions of data that return a matplotlib Figure."""

import lazy_loader

_NAMES = {
    "anchors": "coverage_by_count coverage_histogram group_sizes picture_pairs picture_rows"
    " shared_neighbours shuffle_control similarity_density two_matrices",
    "benchmark": "curves_by_bank curves_by_method encoder_heat_map hub_before_after",
    "costs": "around_the_threshold cluster_timeline cost_curves duration inverted_index knob_curves number_line"
    " passing_tiles stage_bars",
    "editing": "best_anchors harm_profile labelled_pictures learning_curve within_margin",
    "encoders": "bars_with_intervals cosine_histograms deciding_anchors lined_up neighbour_rows score_table"
    " two_profiles what_the_encoder_sees",
    "interpret": "anchor_bars auc_dots faithfulness familiarity_curves important_regions score_ledger scores_without"
    " strongest",
    "languages": "words_of_scripts",
    "method": "method_picture",
    "relative": "before_after caption_search cosines_before_after recall_points relative_matrix"
    " relative_under_changes star_of_angles",
    "sparse": "four_steps interval_dots line_chart sparse_and_ranking sparse_vector sweep_heatmaps",
    "style": "image_tag show show_pictures thumbnail use_style",
    "zeroshot": "confusion_matrix paired_squares scaling trust_curves who_sees_what",
}

_load, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={module: names.split() for module, names in _NAMES.items()}
)


def __getattr__(name):
    from .style import in_two_forms

    found = _load(name)
    if name in __all__:
        found = globals()[name] = in_two_forms(found)
    return found
