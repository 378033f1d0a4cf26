"""``asif benchmark``: methods, encoders and banks on the same held-out pairs, from one small file.

A run is cut into parts: a method with a number of pairs of a bank. Each part is stored when it is done, so a run that
was killed goes on, and a part that fails stops no other.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "comparing": ["compare_paired"],
        "configuration": ["Configuration", "read_configuration"],
        "running": ["run_benchmark"],
    },
)
