"""Data sets (chapter 02): captioned and labelled pictures, by name or from a folder.

A name of the catalogue is fetched from the first provider that has it, and verified by checksum. Splits are fixed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "hub": ["labelled_from_hub"],
        "labelled": ["Labelled", "load_labelled"],
        "pairs": ["Pairs", "load_pairs"],
    },
)
