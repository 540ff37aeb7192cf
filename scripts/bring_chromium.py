"""Bring Chromium, which the browser tests drive, where it is missing and apt can be used; say plainly where not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Exit code 0 when there is one, and when there is none and nothing can be done about it."""
    if any(map(shutil.which, NAMES)):
        return 0
    prefix = _apt_prefix()
    if prefix is not None:
        print("Installing Debian's chromium for the browser tests ...", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]):
            subprocess.run([*prefix, "--quiet", "--quiet", *command], env=environment, check=False)
    if not any(map(shutil.which, NAMES)):
        print("NOT BROUGHT: Chromium. The browser tests cannot run. To have them: apt install chromium", flush=True)
    return 0


def _apt_prefix() -> list[str] | None:
    """The command for apt-get that needs no password, or None."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ["apt-get"]
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n", "apt-get"]
    return None


if __name__ == "__main__":
    sys.exit(main())
