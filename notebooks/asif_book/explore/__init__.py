"""The explorer for research: ask about one picture, see the anchors that decided, edit a copy of the bank, export.

    working_copy.WorkingCopy(name, folder)    a copy of a stored bank to edit, and the uploaded pictures
    question.explain(copy, question)          one picture against labels, and the anchors that decided
    question.to_notebook(copy, explanation)   a notebook that recomputes the page
    explorer.Explorer(copy)                   the page
    server.serve(name)                        the page, by Voilà, for this machine only

Voilà and the widgets come with the extra ``explore``.
"""
