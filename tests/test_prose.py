"""The prose says things plainly: patterns that hide the subject of a sentence, or its verb, stay out."""

import re

import pytest

from asif_lib.files import ROOT

HARD = {
    r"\b[Ww]ho[e]ver\b": "name the person: the student, the user",
    r"(?:^|[.!:] )Who (?!.*\?)": "begin with the noun, or with 'If you'",
    r"\b(?:is|are) none\b": "say what it is",
    r"\banew\b": "again",
    r"\bso many\b": "give the number",
    r"\bthere twice\b": "twice",
    r"\bthat of the one\b": "repeat the noun",
    r"\bless the mean\b": "subtract",
}
FOLDERS = ("asif_lib", "benchmarks", "notebooks/asif_book", "notebooks/source", "tests")
PAGES = ["README.md", "data/README.md", *(p.relative_to(ROOT).as_posix() for p in (ROOT / "notebooks").glob("*.md"))]


def files():
    code = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    return [*(file for file in code if file.name != "test_prose.py"), *(ROOT / page for page in PAGES)]


@pytest.mark.parametrize("pattern", HARD)
def test_no_sentence_hides_its_subject(pattern):
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, re.sub(r"^[\s#>*-]*", "", line))
    ]
    assert not found, f"{HARD[pattern]}:\n" + "\n".join(found)
