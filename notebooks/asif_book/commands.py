"""The commands of the book: ``asif class`` and ``asif page``.

The command ``asif`` finds this module by the entry point ``asif.commands`` of the distribution.
"""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option
from typer.core import TyperGroup

from asif_lib.bank.record import bank_dir, read_record
from asif_lib.cli.command import app, check_targets, command, group
from asif_lib.errors import import_extra
from asif_lib.files import ROOT, build_dir


class _FolderOrCommand(TyperGroup):
    """``asif class FOLDER`` is short for ``asif class FOLDER FOLDER``: all but the commands names a folder."""

    def parse_args(self, ctx, args):
        known = ("export", "quiz", "--help")
        return super().parse_args(ctx, args if args and args[0] in known else ["FOLDER", *args])


class_app = group(
    "Show the progress of a class, export the chapters as assignments, make a quiz file.",
    "asif class FOLDER",
    "asif class FOLDER --chapters 00,01 --roster names.txt --csv progress.csv",
    "asif class export COURSE --chapters 01,02",
    "asif class quiz",
    "asif class ./export     (a folder of that name)",
    cls=_FolderOrCommand,
    subcommand_metavar="FOLDER [OPTIONS] | export COURSE [OPTIONS] | quiz",
)
app.add_typer(class_app, name="class")


Chapters = Annotated[str | None, Option(metavar="NN,…", help="separated by commas; default: all chapters")]


@command(class_app, "FOLDER", "asif class FOLDER", "asif class FOLDER --csv progress.csv")
def _progress(
    folder: Annotated[str, Argument(metavar="FOLDER", help="holds NAME.json, or NAME/ with a my_progress.json inside")],
    csv: Annotated[str | None, Option(metavar="FILE", help="write one row for each student and exercise")] = None,
    chapters: Chapters = None,
    roster: Annotated[str | None, Option(metavar="FILE", help="the names of the class, one on each line")] = None,
):
    """Show the progress of a class, from the files that the students handed in."""
    from asif_book.classroom.overview import class_progress

    check_targets(roster, *Path(folder).rglob("*.json"), csv=csv)
    return class_progress(folder, csv, chapters=_numbers(chapters), roster=roster)


@command(class_app, "export", "asif class export COURSE", "asif class export COURSE --chapters 01,02")
def _export(
    folder: Annotated[str, Argument(metavar="FOLDER", help="a new folder for the course")], chapters: Chapters = None
):
    """Write the chapters as assignments for nbgrader."""
    import_extra("jupytext", "workbook")
    from asif_book.classroom.export import export

    result = export(folder, _numbers(chapters))
    made = result["assignments"].items()
    lines = [f"{name}: {len(tests)} tests, {sum(tests.values())} points" for name, tests in made]
    lines.append(f"written to {result['folder']}; go there and run: nbgrader generate_assignment NAME")
    return result, "\n".join(lines)


@command(class_app, "quiz", "asif class quiz", "asif class quiz --output questions.xml")
def _quiz(output: Annotated[str | None, Option(metavar="FILE", help="default: build/quiz.xml")] = None):
    """Write the test before and after, and the exit questions of the chapters, as a quiz file for Moodle."""
    import_extra("jupytext", "workbook")
    from asif_book.classroom.export import moodle_file

    sources = ROOT / "notebooks" / "source"
    check_targets(sources, output=output)
    return moodle_file(output or build_dir() / "quiz.xml", sources)


def _numbers(chapters):
    return None if chapters is None else [chapter.strip() for chapter in chapters.split(",")]


@command(app, "page", "asif page stamps", "asif page birds --output birds.html")
def _page(
    bank: Annotated[str, Argument(metavar="BANK")],
    output: Annotated[str | None, Option(metavar="FILE", help="default: build/bank.html")] = None,
):
    """Make a page in one file, in which a reader takes anchors out of the model and watches its answers turn."""
    read_record(bank_dir(bank), bank)  # refuses a bank that is not here before any slow work
    import_extra("matplotlib", "workbook")
    from asif_book.page.building import MOST_PAIRS, bank_page
    from asif_lib.bank.anchors import AnchorBank

    loaded = AnchorBank.load(bank)
    check_targets(bank_dir(bank), *loaded.pairs["picture"].fillna("").head(MOST_PAIRS), output=output)
    about = bank_page(loaded, Path(output) if output else build_dir() / "bank.html")
    return about, "{anchors} anchors; one removal turns {turned} of {asked} answers\nopen {page}".format(**about)
