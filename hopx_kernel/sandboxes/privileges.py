"""Who runs bubblewrap: the user, or, where that is root, a user who owns nothing. Imports the standard library only."""

from __future__ import annotations

import os
import sys

from ..errors import SandboxStartError

__all__ = ["UNPRIVILEGED_ID", "is_root", "staged_command"]

#: The user and group that root's sandboxes run as: no distribution gives them to anybody.
UNPRIVILEGED_ID = 65533

_OTHERS_MAY_ENTER = 0o001
_OTHERS_MAY_READ = 0o005


def is_root() -> bool:
    """Whether this program is root and can become `UNPRIVILEGED_ID`.

    In a container that holds one user only, root is an ordinary user outside, and there is nobody else to become.
    """
    return os.getuid() == 0 and all(_is_mapped(f"/proc/self/{kind}_map") for kind in ("uid", "gid"))


def staged_command(command: list[str], trees: list[str]) -> list[str]:
    """The command, made to run as `UNPRIVILEGED_ID` with a view of `trees`.

    Raises `SandboxStartError` for a tree that others than root cannot read.
    """
    hidden = {}
    for tree in trees:
        if os.stat(tree).st_mode & _OTHERS_MAY_READ != _OTHERS_MAY_READ:
            raise SandboxStartError(
                f"{tree} can be read by root only, and a sandbox that root starts runs as a user without rights.",
                f"Let others read it: chmod -R a+rX {tree} - or start the sandbox as an ordinary user.",
            )
        closed = _closed_directory(tree)
        if closed is not None:
            hidden[tree] = closed
    covers = sorted(set(hidden.values()))
    # Only what a cover hides has to be shown again, but all of that.
    shown = [tree for tree in trees if any(tree.startswith(cover + "/") for cover in covers)]
    stage = os.path.join(os.path.dirname(__file__), "stage.py")
    return [
        *(sys.executable, "-I", "-S", stage, str(UNPRIVILEGED_ID)),
        *covers,
        *("--", *shown, "--", *command),
    ]


def _closed_directory(path: str) -> str | None:
    """The uppermost directory above `path` that others may not enter."""
    parents = path.split("/")[1:-1]
    for count in range(1, len(parents) + 1):
        parent = "/" + "/".join(parents[:count])
        if not os.stat(parent).st_mode & _OTHERS_MAY_ENTER:
            return parent
    return None


def _is_mapped(table: str) -> bool:
    try:
        with open(table, encoding="ascii") as file:
            ranges = [[int(part) for part in line.split()] for line in file]
    except OSError:
        return False
    return any(first <= UNPRIVILEGED_ID < first + count for first, _, count in ranges)
