"""Names that moved: old place → new place. An import from an old place fails, and its error names the new one."""

TO_THE_LABORATORY = {
    "asif_lib": "cluster",
    "asif_lib.bank": "build_index build_streamed open_index streaming",
    "asif_lib.datasets": "PairStream stream_from_hub streams",
    "asif_lib.encoders": "contrastive load_contrastive",
    "asif_lib.evaluation": "CORRECTIONS CanonicalCorrelation CanonicalSimilarity Chosen LabelTransfer LinearProbe"
    " METHODS Method NearestAnchorCaption Procrustes RelativeRepresentation Ridge ValidationSet baselines benchmark"
    " choose choose_effort compare_decisions corrected corrections measure_efforts methods paper paper_table tuning",
    "asif_lib.explain": "AGREEMENT detection over_seeds plant_wrong_captions",
    "asif_lib.search": "ApproximateIndex KINDS approximate",
}
MOVED = {f"{old}.{name}": f"asif_lab.{name}" for old, names in TO_THE_LABORATORY.items() for name in names.split()}
MOVED |= {
    "asif_lib.search.make_index": "asif_lab.build_index",
    "asif_lib.bank.BankIndex": "asif_lab.ApproximateIndex",
    "asif_lib.bank.indexes": "asif_lab.approximate",
    "asif_lib.evaluation.neighbours": "asif_lib.evaluation.similarity",
    "asif_lib.evaluation.own_choices": "asif_lib.evaluation.calibration_scores",
    "asif_lib.evaluation.trust": "asif_lib.evaluation.calibration",
    "asif_lib.explain.influence": "asif_lib.explain.mean_contributions",
    "asif_lib.explain.planting": "asif_lab.label_noise",
}
