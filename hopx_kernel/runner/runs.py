"""The runs that wait and the one that goes, as the supervisor knows them; and what their ends say."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ..protocol.messages import Message

__all__ = ["Death", "Interrupt", "Run", "died_contents", "late"]


@dataclass
class Run:
    """One ``execute_request``.

    Parameters
    ----------
    request : Message
        As it came.
    number : int
        Its number in the runner's life, once it goes.
    error : dict or None
        The error that its interpreter has told of it.
    started : float
        When the interpreter got it; 0 while it waits.
    deadline, kill_at : float or None
        When it will be interrupted, and when its interpreter will be ended.
    is_late : bool
        Whether its deadline has passed.
    """

    request: Message
    number: int = 0
    error: Optional[Dict[str, Any]] = None
    started: float = 0.0
    deadline: Optional[float] = None
    kill_at: Optional[float] = None
    is_late: bool = False

    @property
    def msg_id(self) -> str:
        return self.request.msg_id

    @property
    def generation(self) -> Optional[int]:
        """The interpreter that it was meant for; None where any will do."""
        value = self.request.content.get("generation")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def timeout_seconds(self) -> Optional[float]:
        """The run's own limit of time; None when it has none."""
        value = self.request.content.get("timeout_seconds")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
            return None
        return float(value)

    def start(self, number: int) -> None:
        """Note that it has started."""
        self.number = number
        self.started = time.monotonic()
        if self.timeout_seconds is not None:
            self.deadline = self.started + self.timeout_seconds


@dataclass
class Interrupt:
    """An ``interrupt_request`` that waits for its run to stop."""

    msg_id: str
    run: Run
    until: float


@dataclass
class Death:
    """Why an interpreter has ended.

    Parameters
    ----------
    reason : str
        As in an ``execute_reply``: ``died``, ``limit``, ``timeout``, ``restarted``; or ``interrupted``, of a run that had
        not begun.
    ename, evalue : str
        As in an ``error``.
    """

    reason: str
    ename: str
    evalue: str
    limit: Optional[str] = None
    extra: Dict[str, Any] = field(default_factory=dict)


def late(seconds: object) -> str:
    """What to say of a run that took longer than it may, as the middle of a sentence."""
    return f"run's limit of {seconds:g} s has passed (option timeout_seconds)"


def died_contents(death: Death, run: Run) -> List[Dict[str, Any]]:
    """The contents of the ``error`` and of the ``execute_reply`` of a run whose interpreter has ended."""
    lines = [f"\x1b[0;31m{death.ename}\x1b[0m: {death.evalue}"]
    error: Dict[str, Any] = {"ename": death.ename, "evalue": death.evalue, "traceback": lines}
    reply: Dict[str, Any] = {
        "status": "error",
        **(error if run.error is None else run.error),
        "reason": death.reason,
        "stopped": True,
        "kept": death.reason == "interrupted",
        "duration_seconds": time.monotonic() - run.started if run.started else 0.0,
        "user_expressions": {},
        "payload": [],
    }
    if death.limit is not None:
        reply["limit"] = death.limit
    return [error, reply]
