"""The course around the method: checks of the exercises, editions of the notebooks, progress, report, classroom."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"overview": ["show_progress"]})
