"""Say whether this kit is as it was made, and fits this computer; runs before anything is installed."""

import hashlib
import json
import platform
import sys
from pathlib import Path


def parts(version):
    return [int(part) for part in version.split(".")]


def checksums(kit):
    """Return the SHA-256 of each file of a kit, by name; a link has none. Systems leave files with a dot on a stick."""
    found = {}
    for path in sorted(kit.rglob("[!.]*")):
        if path.is_symlink():
            found[path.relative_to(kit).as_posix()] = "a link"
        elif path.is_file() and path.name not in ("about.json", "check_kit.py"):
            with open(path, "rb") as file:
                found[path.relative_to(kit).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def main():
    kit = Path(__file__).parent
    try:
        made = json.loads((kit / "about.json").read_text(encoding="utf-8"))
        there, listed = checksums(kit), dict(made["files"])
    except (OSError, ValueError, KeyError, TypeError):
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
    fits = python[:2] == parts(made["python"])[:2] and python >= parts(made["python"])
    if not fits or any(here[key] != made[key] for key in ("system", "machine")):
        described = ["Python {python} on {system} {machine}".format(**about) for about in (made, here)]
        advice = "make a kit on such a computer, or remove the folder kit and use the network"
        sys.exit(f"this kit was made for {described[0]}, and this is {described[1]}: {advice}")


if __name__ == "__main__":
    main()
