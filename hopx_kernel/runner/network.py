"""What to say of an error that comes from there being no network."""

from __future__ import annotations

import errno
import os
import shlex
import socket
from typing import List, Optional

__all__ = ["explain", "explain_command", "has_network"]

NOTE = "The sandbox has no network (option network; it opens the host's)."

#: Programs whose failure is mostly one of the network.
_PROGRAMS = frozenset(
    {"pip", "pip3", "uv", "conda", "mamba", "micromamba", "curl", "wget", "git", "apt", "apt-get", "npm"}
)

_NAME_FAULTS = (socket.EAI_AGAIN, socket.EAI_NONAME)
_ROUTE_FAULTS = (errno.ENETUNREACH, errno.EHOSTUNREACH)


def has_network() -> bool:
    """Whether there is an interface beside the loopback, which every sandbox has of its own."""
    try:
        return any(name != "lo" for _, name in socket.if_nameindex())
    except OSError:
        return True


def explain(exc: Optional[BaseException]) -> str:
    """What to add to an error, ``""`` where it has nothing to do with the network or there is one."""
    seen: List[BaseException] = []
    while exc is not None and exc not in seen and len(seen) < 20:
        seen.append(exc)
        if _is_of_the_network(exc) or _is_of_the_network(getattr(exc, "reason", None)):
            return "" if has_network() else NOTE
        exc = exc.__cause__ or exc.__context__
    return ""


def _is_of_the_network(exc: object) -> bool:
    if isinstance(exc, socket.gaierror):
        return exc.errno in _NAME_FAULTS
    return isinstance(exc, OSError) and exc.errno in _ROUTE_FAULTS


def explain_command(command: str, code: int) -> str:
    """What to add to a shell command's output, given its exit code; ``""`` where it need not be the network."""
    if not code or has_network():
        return ""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return NOTE if any(os.path.basename(word) in _PROGRAMS for word in words) else ""
