"""Say whether the packages of this kit fit this computer; runs before anything is installed."""

import json
import platform
import sys
from pathlib import Path

made = json.loads((Path(__file__).parent / "about.json").read_text(encoding="utf-8"))
here = {
    "python": ".".join(platform.python_version_tuple()[:2]),
    "system": platform.system(),
    "machine": platform.machine(),
}
if here != made:
    described = ["Python {python} on {system} {machine}".format(**about) for about in (made, here)]
    advice = "make a kit on such a computer, or remove the folder kit and use the network"
    sys.exit(f"this kit was made for {described[0]}, and this is {described[1]}: {advice}")
