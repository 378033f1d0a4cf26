"""Say whether the packages of this kit fit this computer; runs before anything is installed."""

import json
import platform
import sys
from pathlib import Path


def parts(version):
    return [int(part) for part in version.split(".")]


def main():
    made = json.loads((Path(__file__).parent / "about.json").read_text(encoding="utf-8"))
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
