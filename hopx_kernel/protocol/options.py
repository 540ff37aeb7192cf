"""What the host tells a runner when it starts it: one JSON object, the runner's only argument.

This module imports the standard library only, and runs on Python 3.9: it is part of the runner too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Optional

from ..errors import RemoteProtocolError

__all__ = ["RunnerOptions", "checked_environment"]


def checked_environment(env: Dict[str, Any]) -> Dict[str, str]:
    """The same variables; raises `RemoteProtocolError` where one cannot be a variable: no process could start with it."""
    for name, value in env.items():
        try:
            # As a file system's names: what came from one as no text goes back as it was.
            is_one = bool(name) and "=" not in name and b"\0" not in (name + value).encode("utf-8", "surrogateescape")
        except (TypeError, UnicodeEncodeError):
            is_one = False
        if not is_one:
            raise RemoteProtocolError(f"{name[:60]!r} and its value cannot be an environment variable")
    return env


@dataclass(frozen=True)
class RunnerOptions:
    """Settings of a runner, for its life.

    Parameters
    ----------
    memory_bytes : int, optional
        Memory that one process, and the sandbox's processes together, may use. None: no limit.
    processes : int, optional
        Processes and threads in the sandbox at one time.
    open_files : int, optional
        Open files of one process.
    disk_bytes : int, optional
        Size of each writable directory; enforced by the sandbox, named here so that errors can say it.
    heartbeat_seconds : float
        Time between two heartbeats.
    loss_seconds : float
        Of a runner that has said nothing for three heartbeats while something waits for it: how much longer the host
        waits before it gives the sandbox up.
    start_timeout_seconds : float
        How long a runner may be silent before it has its first interpreter, which takes imports; and how long each
        interpreter may take to be ready, which takes none.
    interrupt_grace_seconds : float
        How long after an interrupt the runner waits for the code to stop before it answers that it did not.
    cwd : str
        Working directory of the interpreter.
    env : dict of str
        Environment variables for the interpreter, on top of what the sandbox gives it.
    adapt_progress : bool
        Whether bars of tqdm and rich become progress events.
    beside : bool
        Whether cells have ``%sandbox``: the host answers their ``sandbox_request``.
    """

    memory_bytes: Optional[int] = None
    processes: Optional[int] = None
    open_files: Optional[int] = None
    disk_bytes: Optional[int] = None
    heartbeat_seconds: float = 5.0
    loss_seconds: float = 15.0
    start_timeout_seconds: float = 30.0
    interrupt_grace_seconds: float = 2.0
    cwd: str = "/workspace"
    env: Dict[str, str] = field(default_factory=dict)
    adapt_progress: bool = True
    beside: bool = False

    def to_json(self) -> str:
        """One line of ASCII."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RunnerOptions:
        """Read `to_json`'s line; raises `ValueError` or `TypeError` where it is not one."""
        return cls(**json.loads(text))
