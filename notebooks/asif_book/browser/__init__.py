"""The workbook in a browser: JupyterLite runs its core path, and NumPy computes under PyTorch's names.

`building` makes the folder of static files, and `files` fetches and verifies what the registries hold. The folder
``stand_in`` comes first on the path of a browser's Python, where `asif_book.chapters.in_browser` opens a chapter.
"""
