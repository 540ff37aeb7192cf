#!/usr/bin/env python3
"""``pip`` in a local sandbox: what it installs goes to the sandbox's own directory, since its packages are read-only.

The package does not import it: the host puts this file into the sandbox, where it is ``pip`` on PATH. There it makes a
virtual environment on top of the interpreter's own packages, once, and runs the interpreter's pip in that. So pip sees
what is there, installs what is missing, and puts a newer version over an older one that it leaves alone. The launcher
has put the environment's packages on every Python's path. Runs on Python 3.9, and takes the standard library only.

There they come before the standard library, where an environment's come behind it. So what would hide a part of it (old
backports, and the like that lists of requirements name by mistake) is taken away again: nobody could import it otherwise.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
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


def remove_hiding() -> None:
    """Remove what has the name of a part of the standard library."""
    names = getattr(sys, "stdlib_module_names", None)  # since Python 3.10
    if names is None:
        names = {name.split(".")[0] for name in os.listdir(os.path.dirname(os.__file__))} | {*sys.builtin_module_names}
    for name in os.listdir(PACKAGES):
        path = f"{PACKAGES}/{name}"
        if name.split(".")[0] not in names:
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def main() -> None:
    if not os.path.lexists(PYTHON):
        make_environment()
    if importlib.util.find_spec("pip") is None and importlib.util.find_spec("ensurepip") is not None:
        subprocess.run([PYTHON, "-m", "ensurepip"], stdout=subprocess.DEVNULL, check=False)
    # A sandbox is too short-lived for a cache to pay, and its pip is not the person's to keep up to date.
    given = {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    if all(name == "lo" for _, name in socket.if_nameindex()):
        given.setdefault("PIP_RETRIES", "0")  # without a network it need not try for ten seconds
    paths = [path for path in given.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", PACKAGES)]
    given["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        code = subprocess.call([PYTHON, "-m", "pip", *sys.argv[1:]], env=given)
    except KeyboardInterrupt:  # pip has said so
        code = 130
    remove_hiding()
    sys.exit(code)


main()
