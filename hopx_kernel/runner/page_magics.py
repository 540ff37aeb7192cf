"""Magics that notebooks have and IPython's own shell leaves to them."""

from __future__ import annotations

import os
import subprocess

from IPython.core import page
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

__all__ = ["PageMagics"]


@magics_class
class PageMagics(Magics):
    """``%clear``, ``%less``, ``%more``, ``%man``; and why there is no ``%edit`` and no ``%store``."""

    @line_magic
    def clear(self, line: str) -> None:
        """Clear the cell's output."""
        del line
        assert self.shell is not None
        self.shell.display_pub.clear_output()

    @line_magic
    def less(self, line: str) -> None:
        """Show a file in the notebook's pager."""
        _page_file("less", line.strip())

    @line_magic
    def more(self, line: str) -> None:
        """Show a file in the notebook's pager."""
        _page_file("more", line.strip())

    @line_magic
    def man(self, line: str) -> None:
        """Show a manual page in the notebook's pager."""
        done = subprocess.run(
            ["man", *line.split()], capture_output=True, text=True, check=False, env={**os.environ, "MANPAGER": "cat"}
        )
        if done.returncode:
            raise UsageError(done.stderr.strip() or f"there is no manual page {line!r}")
        page.page(done.stdout)

    @line_magic
    def edit(self, line: str) -> None:
        """Not here: an editor on your computer could not reach the sandbox's files."""
        del line
        raise UsageError("%edit cannot open an editor from a sandbox; %load FILE puts a file into the next cell")

    @line_magic
    def store(self, line: str) -> None:
        """Not here: nothing outlives the sandbox but what is taken out of it."""
        del line
        raise UsageError("%store has no place to keep variables: all that a sandbox writes goes with it")


def _page_file(magic: str, path: str) -> None:
    if not path:
        raise UsageError(f"%{magic} needs a file")
    with open(os.path.expanduser(path), encoding="utf-8", errors="replace") as file:
        page.page(file.read())
