"""Figure of chapter 10: words of any script, which the browser shapes and orders."""

from IPython.display import HTML

from asif_book.figures.templates import self_contained

LANGUAGES = {
    "Arabic": "ar", "Chinese": "zh_CN", "Dutch": "nl", "French": "fr", "German": "de", "Greek": "el", "Hindi": "hi",
    "Italian": "it", "Japanese": "ja", "Korean": "ko", "Polish": "pl", "Portuguese": "pt", "Russian": "ru",
    "Spanish": "es", "Turkish": "tr",
}  # fmt: skip
"""Fifteen languages in nine scripts, and their codes. Ten were tried before; none was left out for its numbers."""
OTHERS = {"English": "en", "Hebrew": "he", "Inuktitut": "iu", "Swahili": "sw", "Zulu": "zu"}


def words_of_scripts(head, rows) -> HTML:
    """Draw a table of words and pictures; each text takes its direction from its own first letter.

    Parameters
    ----------
    head : sequence of m str
    rows : sequence of rows of m cells
        A cell is a str, HTML such as `image_tag` returns, or a text and its language, ``("犬", "Japanese")``.
    """
    codes = LANGUAGES | OTHERS
    cells = [[(cell, "") if isinstance(cell, str) else (cell[0], codes[cell[1]]) for cell in row] for row in rows]
    return self_contained("chapters/chapter_10/words", head=head, rows=cells)
