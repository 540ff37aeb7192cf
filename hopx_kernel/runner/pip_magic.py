"""``%pip`` where the sandbox has a ``pip`` of its own, which installs into the sandbox."""

from __future__ import annotations

import importlib
import os

from IPython.core.magic import Magics, line_magic, magics_class

__all__ = ["PipMagic", "has_pip"]

_PIP = "/run/sandbox/bin/pip"


def has_pip() -> bool:
    """Whether this is a sandbox whose packages are read-only, and that has a ``pip`` which knows."""
    return os.access(_PIP, os.X_OK)


@magics_class
class PipMagic(Magics):
    """In the place of IPython's, which installs into the interpreter's own packages."""

    @line_magic
    def pip(self, line: str) -> None:
        """Run pip; what it installs can be imported at once, and goes with the sandbox."""
        assert self.shell is not None
        self.shell.system(f"{_PIP} {line}")  # the person's own line, as in a terminal
        importlib.invalidate_caches()
