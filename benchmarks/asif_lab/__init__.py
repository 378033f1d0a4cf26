"""The laboratory (chapters 08 and 09): rivals, benchmarks, streams of the hub, many machines.

It knows the library, and the library does not know it. Each of its parts is measured beside the method, or carries the
method past one machine.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "baselines": ["CanonicalCorrelation", "CanonicalSimilarity", "LabelTransfer", "Method",
                      "NearestAnchorCaption", "Procrustes", "RelativeRepresentation", "Ridge", "linear_probe"],
        "corrections": ["CORRECTIONS", "corrected"],
        "methods": ["METHODS", "Chosen", "choose"],
        "paper": ["paper_table"],
        "streaming": ["build_streamed"],
        "streams": ["PairStream", "stream_from_hub"],
        "tuning": ["choose_effort", "compare_decisions", "measure_efforts"],
        "wrong_captions": ["AGREEMENT", "detection", "over_seeds", "plant_wrong_captions"],
    },
)  # fmt: skip
