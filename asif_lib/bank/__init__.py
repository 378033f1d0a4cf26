"""The bank of anchors (chapters 02 and 07): two embedding matrices of the same captioned pictures.

Row i of both matrices is pair i. A bank is a value: an edit returns another. On disk, each edit is one atomic version.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "anchors": ["AnchorBank"],
        "joining": ["concatenate"],
        "record": ["bank_dir"],
    },
)
