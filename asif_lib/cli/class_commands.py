"""Follow a class: ``asif class FOLDER`` and ``asif class export``."""

from typing import Annotated

from typer import Argument, Option
from typer.core import TyperGroup

from asif_lib.errors import import_extra

from .command import app, command, group


class _FolderOrCommand(TyperGroup):
    """``asif class FOLDER`` is short for ``asif class FOLDER FOLDER``: all but the commands names a folder."""

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, args if args[:1] in (["export"], ["check"], ["--help"]) else ["FOLDER", *args])


class_app = group(
    "Show the progress of a class, or export the chapters as assignments.",
    "asif class FOLDER",
    "asif class FOLDER --chapters 00,01 --roster names.txt --csv progress.csv",
    "asif class export COURSE --chapters 01,02",
    "asif class check COURSE",
    "asif class ./export     (a folder of that name)",
    cls=_FolderOrCommand,
    subcommand_metavar="FOLDER [OPTIONS] | export COURSE [OPTIONS] | check COURSE",
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
    from asif_lib.course.classroom import class_progress

    return class_progress(folder, csv, chapters=_numbers(chapters), roster=roster)


@command(class_app, "export", "asif class export COURSE", "asif class export COURSE --chapters 01,02")
def _export(
    folder: Annotated[str, Argument(metavar="FOLDER", help="a new folder for the course")],
    chapters: Chapters = None,
):
    """Write the chapters as assignments for nbgrader."""
    import_extra("jupytext", "workbook")
    from asif_lib.course.assignments import export

    result = export(folder, _numbers(chapters))
    made = result["assignments"].items()
    lines = [f"{name}: {len(tests)} tests, {sum(tests.values())} points" for name, tests in made]
    lines.append(f"written to {result['folder']}; go there and run: nbgrader generate_assignment NAME")
    return result, "\n".join(lines)


@command(class_app, "check", "asif class check COURSE")
def _check(course: Annotated[str, Argument(metavar="COURSE", help="the folder with nbgrader_config.py")]):
    """List the submissions that cannot be marked, before anything of them is run."""
    import_extra("nbformat", "workbook")
    from asif_lib.course.assignments import look_over

    return look_over(course)


def _numbers(chapters):
    return None if chapters is None else [chapter.strip() for chapter in chapters.split(",")]
