"""The prose says things plainly: patterns that hide the subject of a sentence, or its verb, stay out."""

import re

from asif_lib.files import ROOT

HARD = re.compile(
    r"\b(?i:whoever)\b|(?:^[\s#>*-]*|[.!:] )Who (?!.*\?)|\b(?:is|are) none\b|\banew\b|\bso many\b|\bthere twice\b"
    r"|\bthat of the one\b|\bless the mean\b"
)
FOLDERS = ("asif_lib", "benchmarks", "notebooks/asif_book", "notebooks/source", "tests")


def test_no_sentence_hides_its_subject():
    code = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py") if file.name != "test_prose.py")
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in [*code, ROOT / "README.md", ROOT / "data/README.md", *(ROOT / "notebooks").glob("*.md")]
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if HARD.search(line)
    ]
    assert not found, "name the person, repeat the noun, give the number, say what it is:\n" + "\n".join(found)
