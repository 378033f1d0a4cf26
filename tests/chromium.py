"""Where the browser of the tests is; ``python tests/chromium.py`` installs one where apt can."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
HOW = "install Chromium or Chrome (on Debian: apt-get install chromium), or name one: CHROMIUM=/path/to/chromium"


def find_chromium():
    """Path of a Chromium: ``$CHROMIUM``, else the first that is installed; None without a browser."""
    named = os.environ.get("CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else [*NAMES, MACOS])), None)


def install_chromium():
    """Try apt, as root or through a sudo that asks for no password; what fails, fails in apt's words."""
    root = [] if os.getuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None or (root and shutil.which("sudo") is None):
        return
    print("no Chromium found: installing Debian's for the browser tests", flush=True)
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        command = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            return


def main():
    """Exit status 0 also where no browser is to be had: the tests then say that they are skipped."""
    if find_chromium() is None and "CHROMIUM" not in os.environ:
        install_chromium()
    found = find_chromium()
    print(f"browser: {found}" if found else f"browser: none, so the browser tests are skipped; {HOW}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
