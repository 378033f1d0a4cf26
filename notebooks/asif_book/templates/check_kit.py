"""Say whether this kit is as it was made, and fits this computer; runs before anything is installed."""

import hashlib
import json
import platform
import sys
from pathlib import Path


def parts(version):
    return [int(part) for part in version.split(".")]


def checksums(kit):
    """Return the SHA-256 of each file of a kit, by name; links and pipes have none. Systems leave files with a dot."""
    found = {}
    for path in sorted(kit.rglob("[!.]*")):
        name = path.relative_to(kit).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found[name] = "no regular file"
        elif path.is_file() and name not in ("about.json", "check_kit.py"):
            with open(path, "rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def main():
    kit = Path(__file__).parent
    about = kit / "about.json"
    try:
        made = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}  # a pipe would be waited for
        there, listed, wanted = checksums(kit), dict(made["files"]), parts(made["python"])
        if not all(isinstance(text, str) for text in [made["system"], made["machine"], *listed, *listed.values()]):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sys.exit("kit/about.json or a file of the kit cannot be read: copy the whole kit again")
    for name in sorted(there.keys() | listed.keys()):
        if there.get(name) != listed.get(name):
            fault = "is missing" if name not in there else "was changed" if name in listed else "was added"
            sys.exit(f"kit/{name} {fault}, and nothing is installed: copy the whole kit again from where it was made")
    here = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    python = parts(here["python"])
    # a package may need a patch of Python that the kit had
    fits = python[:2] == wanted[:2] and python >= wanted
    if not fits or any(here[key] != made[key] for key in ("system", "machine")):
        described = ["Python {python} on {system} {machine}".format(**about) for about in (made, here)]
        advice = "make a kit on such a computer, or remove the folder kit and use the network"
        sys.exit(f"this kit was made for {described[0]}, and this is {described[1]}: {advice}")


if __name__ == "__main__":
    main()
