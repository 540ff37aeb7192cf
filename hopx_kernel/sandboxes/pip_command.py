#!/usr/bin/env python3
"""``pip`` in a local sandbox: what it installs goes to the sandbox's own directory, since its packages are read-only.

The package does not import it: the host puts this file into the sandbox, where it is ``pip`` on PATH. There it makes a
virtual environment on top of the interpreter's own packages, once, and runs the interpreter's pip in that. So pip sees
what is there, installs what is missing, and puts a newer version over an older one that it leaves alone. The launcher
has put the environment's packages on every Python's path. Runs on Python 3.9, and takes the standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import site
import socket
import subprocess
import sys

#: The launcher knows it too.
ROOT = "/tmp/.packages"

PACKAGES = ROOT + "/lib/python{}.{}/site-packages".format(*sys.version_info)
#: Not in ``bin``, which is on PATH: nobody else is to run in this environment by accident.
PYTHON = ROOT + "/libexec/python"


def make_environment() -> None:
    """Make what makes a directory a virtual environment; harmless where it has been made."""
    for directory in (PACKAGES, ROOT + "/bin", os.path.dirname(PYTHON)):
        os.makedirs(directory, exist_ok=True)
    base = os.path.dirname(getattr(sys, "_base_executable", None) or sys.executable)
    with open(ROOT + "/pyvenv.cfg", "w", encoding="utf-8") as file:
        file.write(f"home = {base}\ninclude-system-site-packages = false\n")
    with open(PACKAGES + "/_below.pth", "w", encoding="utf-8") as file:
        file.write(f"import site; list(map(site.addsitedir, {site.getsitepackages()!r}))\n")
    try:
        os.symlink(sys.executable, PYTHON)
    except FileExistsError:
        pass


def main() -> None:
    if not os.path.lexists(PYTHON):
        make_environment()
    if importlib.util.find_spec("pip") is None and importlib.util.find_spec("ensurepip") is not None:
        subprocess.run([PYTHON, "-m", "ensurepip"], stdout=subprocess.DEVNULL, check=False)
    # A sandbox is too short-lived for a cache to pay, and its pip is not the person's to keep up to date.
    given = {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if all(name == "lo" for _, name in socket.if_nameindex()):
        given["PIP_RETRIES"] = "0"  # without a network it need not try for ten seconds
    os.execve(PYTHON, [PYTHON, "-m", "pip", *sys.argv[1:]], {**given, **os.environ})


main()
