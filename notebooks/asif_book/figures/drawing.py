"""The Figure of the book: one that knows its alternative text and its narrow form."""

from matplotlib.figure import Figure

from .style import PHONE_INCHES, image_html, narrow


class Drawing(Figure):
    """A figure of a size in inches with its alternative text `alt`, which a notebook displays as `show` does.

    Pyplot does not know it. So two threads draw at the same time, and nothing has to be closed.
    """

    again = None
    """The call that draws it, which `image_html` repeats for its narrow form; a widget's drawing has none."""

    def __init__(self, size, tall=None):
        """Make a drawing of a size in inches, and in the narrow form of the height `tall`."""
        super().__init__(figsize=(PHONE_INCHES, tall) if narrow() else size, layout="constrained")

    def _repr_html_(self):
        return image_html(self, self.alt)

    def colorbar(self, *what, **options):
        return super().colorbar(*what, **options | ({"location": "bottom"} if narrow() else {}))
