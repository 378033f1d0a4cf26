"""The book's machinery: checks of exercises, figures, widgets, editions, report, class tools."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checks.own_progress": ["show_progress"],
        "chapters.results": ["record"],
    },
)
