"""The explorer for research: ask about one picture, see the anchors that decided, edit a copy of the bank, export.

    WorkingCopy(name, folder)            a copy of a stored bank to edit, and the uploaded pictures
    Question, explain                    one picture against labels, and the anchors that decided
    to_notebook(copy, question, ticked)  a notebook that recomputes the page
    serve(name)                          the page, by Voilà, for this machine only

The page itself is `asif_book.explore.explorer`. Voilà and the widgets come with the extra ``explore``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "question": ["Explanation", "Question", "answer_without", "explain", "to_notebook"],
        "server": ["serve"],
        "working_copy": ["WorkingCopy", "session_copy"],
    },
)
