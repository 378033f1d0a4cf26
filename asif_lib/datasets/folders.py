"""Files in folders of your own: every file that is not hidden counts as a picture."""

from pathlib import Path

from asif_lib.errors import DataError

IGNORED = {"thumbs.db", "desktop.ini"}


def picture_files(folder) -> list:
    """Return the `visible_files` of a folder. Raises `DataError` if there is no such folder, or no file in it."""
    files = visible_files(Path(folder))
    if not files:
        raise DataError(f"{folder}: {'has no pictures' if Path(folder).is_dir() else 'there is no such folder'}")
    return files


def visible_files(folder) -> list:
    """Return the files in `folder` and its subfolders, sorted, without hidden ones; the list may be empty.

    Pipes and broken links are among them, so that a reader of pictures refuses them by name.
    """
    return sorted(f for f in folder.rglob("*") if not f.is_dir() and not is_hidden(f.relative_to(folder)))


def is_hidden(path) -> bool:
    """Whether a part of the relative path starts with a dot, or is a file of Windows' own."""
    return any(part.startswith(".") or part.lower() in IGNORED for part in path.parts)
