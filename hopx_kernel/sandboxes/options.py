"""What a sandbox is made with, shared by every kind. Imports the standard library only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["START_TIMEOUT_NAMES", "SandboxOptions"]

_GIB = 1 << 30

#: By what names people can set `start_timeout_seconds`.
START_TIMEOUT_NAMES = "option start_timeout_seconds; HOPX_START_TIMEOUT_SECONDS"


def _half_of_memory() -> int:
    """Half of this computer's memory, in bytes: a sandbox at its limit leaves room for the host."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # not known on this platform
        return 2 * _GIB


@dataclass(frozen=True)
class SandboxOptions:
    """Settings of a sandbox, for its life. None takes a limit away.

    Parameters
    ----------
    python : str, optional
        The interpreter, as a path or as a name to be found on PATH. None: that of `environment`, else the one that
        runs this program.
    environment : str, optional
        Directory of a virtual or conda environment whose packages can be imported. None: the environment of `python`.
    network : bool
        Whether the sandbox shares the host's network, and with it all that listens there, on loopback and on abstract
        sockets too. Without it there is a loopback of its own and nothing else.
    env : mapping of str
        Environment variables for every process in the sandbox. Nothing of the host's environment gets in.
    memory_bytes : int, optional
        Memory that one process may allocate, and the runner's processes together.
    disk_bytes : int, optional
        Size of each writable directory: ``/workspace``, ``/app`` and ``/tmp`` (and a quarter of it for ``/dev/shm``).
        They live in the host's memory, so that all together have no more than seven eighths of `memory_bytes`: a
        third of it ``/workspace`` and ``/tmp`` each, and a ninth the others, less what the kernel keeps for many files.
    processes : int, optional
        Processes and threads at one time.
    open_files : int, optional
        Open files of one process.
    start_timeout_seconds : float
        How long a sandbox may take to start, and then each process and the first interpreter in it.
    """

    python: str | None = None
    environment: str | None = None
    network: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = field(default_factory=_half_of_memory)
    disk_bytes: int | None = _GIB
    processes: int | None = 512
    open_files: int | None = 4096
    start_timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "disk_bytes", "processes", "open_files"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, or None for no limit; it is {value}")
        if not self.start_timeout_seconds > 0:  # NaN too
            raise ValueError(f"start_timeout_seconds must be positive; it is {self.start_timeout_seconds}")
        for name, text in self.env.items():
            if not name or "=" in name or "\0" in name + text:
                raise ValueError(f"{name!r} cannot be an environment variable")
