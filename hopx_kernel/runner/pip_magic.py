"""``%pip`` where the sandbox has a ``pip`` of its own, which installs into the sandbox."""

from __future__ import annotations

import importlib
import os
import re

from IPython.core.magic import Magics, line_magic, magics_class

__all__ = ["PipMagic", "explain_command", "has_pip"]

_PIP = "/run/sandbox/bin/pip"


def has_pip() -> bool:
    """Whether this is a sandbox whose packages are read-only, and that has a ``pip`` which knows."""
    return os.access(_PIP, os.X_OK)


def explain_command(command: str, code: int) -> str:
    """What to add to a shell command's output, given its exit code; ``""`` where it ran no pip past the sandbox's own."""
    if not code or not has_pip() or not re.search(r"-m\s+pip\s+install\b", command):
        return ""
    return "The packages of the environment are read-only; %pip install installs into the sandbox."


@magics_class
class PipMagic(Magics):
    """In the place of IPython's, which installs into the interpreter's own packages."""

    @line_magic
    def pip(self, line: str) -> None:
        """Run pip; what it installs can be imported at once, and goes with the sandbox."""
        assert self.shell is not None
        self.shell.system(f"{_PIP} {line}")  # the person's own line, as in a terminal
        importlib.invalidate_caches()
