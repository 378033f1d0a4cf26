"""The figures of the book: functions of data that return a matplotlib Figure or HTML.

Those of one chapter stand in the chapter's folder, and are found here by their names.
"""

import lazy_loader

_NAMES = {
    "figures.style": "image_tag show use_style",
    "figures.common": "cosine_histograms line_chart score_ledger",
    "figures.pictures": "label_scores labelled_pictures show_pictures",
    "figures.dots": "interval_dots",
    "00": "bank_strips deciding_anchors lit_pictures score_table two_profiles",
    "01": "neighbour_rows what_the_encoder_sees",
    "02": "coverage_by_count group_sizes picture_pairs shared_neighbours shuffle_control"
    " similarity_density two_matrices",
    "03": "before_after caption_search moving_origin picture_rows relative_matrix star_of_angles",
    "04": "four_steps sweep_heatmaps",
    "05": "confusion_matrix paired_squares trust_curves who_sees_what worst_bin",
    "06": "anchor_bars faithfulness familiarity_curves important_regions scores_without why_and_what_if",
    "07": "best_anchors learning_curve versions",
    "08": "duration inverted_index number_line passing_tiles stage_bars",
    "09": "curves_by_method",
    "10": "words_of_scripts",
    "90": "lined_up",
}
_MODULES = {name if "." in name else f"chapters.chapter_{name}.figures": names for name, names in _NAMES.items()}

__getattr__, __dir__, __all__ = lazy_loader.attach(
    "asif_book", submod_attrs={module: names.split() for module, names in _MODULES.items()}
)
