"""What is known of a run as a whole: how it stands, what it uses, what Stop did. Pure; the time is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .values import clean_text, to_number
from .words import byte_size, duration

__all__ = ["RunRecord", "RunState"]

RunState = Literal["running", "stopping", "done", "failed", "stopped"]

_STATES: dict[str, RunState] = {"interrupted": "stopped", "timeout": "stopped", "restarted": "stopped"}
_WORDS: dict[str, str] = {
    "running": "Running",
    "stopping": "Stopping",
    "done": "Done",
    "failed": "Failed",
    "stopped": "Stopped",
}


class RunRecord:
    """A run, from its start to its end.

    Attributes
    ----------
    state : RunState
        "stopping" from Stop until the end of the run or the answer that it could not be stopped.
    note : str
        What happened beside the state, in words: how a Stop ended, what died.
    memory_bytes, cpu_percent : float or None
        From the heartbeats; processor time between the last two, over the time between them.
    last_sign : float
        When the sandbox was last heard of.
    """

    def __init__(self, kind: str, is_isolated: bool, now: float) -> None:
        self.kind = clean_text(kind, 40)
        self.is_isolated = is_isolated
        self.state: RunState = "running"
        self.note = ""
        self.started = now
        self.ended: float | None = None
        self.last_sign = now
        self.heartbeats = 0
        self.memory_bytes: float | None = None
        self.cpu_percent: float | None = None
        self._cpu_sample: tuple[float, float] | None = None
        self._stop_asked: float | None = None

    @property
    def word(self) -> str:
        """The state, for people."""
        return _WORDS[self.state]

    @property
    def place(self) -> str:
        """Where it runs: ``local sandbox``, ``process, not isolated``."""
        return f"{self.kind} sandbox" if self.is_isolated else f"{self.kind}, not isolated"

    def elapsed(self, now: float) -> float:
        """Seconds from its start to its end, or to now."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)

    def usage(self) -> list[str]:
        """Memory and processor of the sandbox, as far as its heartbeats have told: ``["120 MB", "98 % CPU"]``."""
        parts = [] if self.memory_bytes is None else [byte_size(self.memory_bytes)]
        return parts if self.cpu_percent is None else [*parts, f"{self.cpu_percent:.0f} % CPU"]

    def heartbeat(self, content: Mapping[str, Any], now: float) -> None:
        """Take a ``heartbeat``."""
        self.last_sign = now
        self.heartbeats += 1
        memory = to_number(content.get("memory_bytes"))
        self.memory_bytes = memory if memory is not None else self.memory_bytes
        cpu_seconds = to_number(content.get("cpu_seconds"))
        if cpu_seconds is None:
            return
        if self._cpu_sample is not None and now - self._cpu_sample[0] > 0.05:
            used = max(0.0, cpu_seconds - self._cpu_sample[1])
            self.cpu_percent = used / (now - self._cpu_sample[0]) * 100
        self._cpu_sample = (now, cpu_seconds)

    def ask_stop(self, now: float) -> bool:
        """Note that Stop was pressed; False when it was pressed before, or nothing runs."""
        if self.state != "running":
            return False
        self.state, self._stop_asked, self.note = "stopping", now, ""
        return True

    def interrupt_answered(self, content: Mapping[str, Any], now: float) -> None:
        """Take an ``interrupt_reply``: one that says that the code goes on lets Stop be pressed again."""
        if self.ended is not None or content.get("stopped", True):
            return
        waited = "" if self._stop_asked is None else f" {duration(now - self._stop_asked)} after Stop"
        self.state = "running"
        cause = clean_text(content.get("evalue") or "")
        self.note = f"still running{waited}" + (f": {cause}" if cause else "")

    def finish(self, reply: Mapping[str, Any], now: float) -> None:
        """Take the content of the ``execute_reply``."""
        seconds = to_number(reply.get("duration_seconds"))
        self.ended = now if seconds is None else min(now, self.started + seconds)
        reason = reply.get("reason")
        ok = reply.get("status", "ok") == "ok"
        self.state = "done" if ok else _STATES.get(reason if isinstance(reason, str) else "", "failed")
        self.note = self._final_note(reply, now)

    def _final_note(self, reply: Mapping[str, Any], now: float) -> str:
        kept = reply.get("kept")
        variables = "" if kept is None else (", variables kept" if kept else ", variables lost")
        reason = reply.get("reason")
        if reason == "interrupted" or (self._stop_asked is not None and self.state == "stopped"):
            after = "" if self._stop_asked is None else f" after {duration(now - self._stop_asked)}"
            return f"stopped{after}{variables}"
        if reason == "timeout":
            return f"stopped at its time limit{variables}"
        if self.state in ("failed", "stopped"):
            name = clean_text(reply.get("ename") or "", 60)
            return f"{name}{variables}" if kept is False else name
        return ""
