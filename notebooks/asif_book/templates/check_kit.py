"""Say whether this kit arrived whole and fits this computer; runs before anything is installed."""

import hashlib
import json
import platform
import sys
from pathlib import Path


def computer():
    """Describe what a kit is made for."""
    return f"Python {sys.version_info[0]}.{sys.version_info[1]} on {platform.system()} {platform.machine()}"


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main():
    kit = Path(__file__).parent
    try:
        made = json.loads((kit / "about.json").read_text(encoding="utf-8"))
        damaged = [name for name, digest in made["files"].items() if checksum(kit / name) != digest]
    except (OSError, ValueError) as error:
        sys.exit(f"a file of the kit cannot be read, and nothing is installed: copy the whole kit again ({error})")
    if damaged:
        sys.exit(f"kit/{damaged[0]} was changed, and nothing is installed: copy the whole kit again")
    if made["computer"] != computer():
        advice = "make a kit on such a computer, or remove the folder kit and use the network"
        sys.exit(f"this kit was made for {made['computer']}, and this is {computer()}: {advice}")


if __name__ == "__main__":
    main()
