"""A page that answers: take an anchor out of a real model, and see the answer turn. One file, opened from disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"building": ["bank_page", "PageError"]})
