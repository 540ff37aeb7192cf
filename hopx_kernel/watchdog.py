"""How long a runner has said nothing while something waits for it. Pure: whoever owns it says what time it is.

A silence shows first, and is a loss only later: until then everything goes on as soon as the runner does.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Silence", "Watchdog"]

#: So many heartbeats have to be missing before the silence shows.
MISSING_HEARTBEATS = 3

#: Seconds between two looks at most.
TICK_SECONDS = 1.0


class Silence(Enum):
    """What has changed since the last look."""

    NOTHING = "nothing"
    BEGAN = "began"
    ENDED = "ended"
    LOST = "lost"


class Watchdog:
    """Counts the seconds without a sign of life.

    Parameters
    ----------
    heartbeat_seconds : float
        Time between two heartbeats.
    loss_seconds : float
        How long after a silence has begun to show the runner is given up.
    start_timeout_seconds : float
        How long a runner may be silent while it starts, which shows nowhere: it imports things, and speaks between two of
        them only. One that is silent when this is over is given up at once.

    Attributes
    ----------
    clock : float
        Seconds in which this program itself was running: a time in which it was stopped is nobody's silence.
    silent_seconds : float
        How long nothing has come, of the time in which something was waited for.
    """

    def __init__(self, heartbeat_seconds: float, loss_seconds: float, start_timeout_seconds: float = 0.0) -> None:
        self.tick_seconds = min(TICK_SECONDS, heartbeat_seconds)
        self.shown_after_seconds = MISSING_HEARTBEATS * heartbeat_seconds
        self.lost_after_seconds = self.shown_after_seconds + loss_seconds
        self.clock = 0.0
        self.silent_seconds = 0.0
        self._heartbeat_seconds = heartbeat_seconds
        self._start_timeout_seconds = start_timeout_seconds
        self._last_tick: float | None = None
        self._asked_at = 0.0
        self._is_shown = False

    @property
    def is_silent(self) -> bool:
        """Whether the silence shows."""
        return self._is_shown

    def heard(self) -> None:
        """Something came."""
        self.silent_seconds = self._asked_at = 0.0

    def rest(self) -> None:
        """Nothing is waited for: no time passes until the next `tick`."""
        self._last_tick = None
        self.heard()

    def tick(self, now: float, is_starting: bool = False) -> Silence:
        """Look at the time; something is waited for."""
        passed = 0.0 if self._last_tick is None else min(now - self._last_tick, 2 * self.tick_seconds)
        self._last_tick = now
        self.clock += passed
        if self._is_shown and self.silent_seconds < self.shown_after_seconds:
            self._is_shown = False
            self.silent_seconds += passed
            return Silence.ENDED
        self.silent_seconds += passed
        if is_starting:
            limit = self._start_timeout_seconds
            is_lost = self.clock >= limit and self.silent_seconds >= min(limit, self.shown_after_seconds)
            return Silence.LOST if is_lost else Silence.NOTHING
        if self.silent_seconds >= self.lost_after_seconds:
            return Silence.LOST
        if self.silent_seconds >= self.shown_after_seconds and not self._is_shown:
            self._is_shown = True
            return Silence.BEGAN
        return Silence.NOTHING

    def is_question_due(self) -> bool:
        """Whether to ask the runner for a heartbeat: once for each that is missing."""
        if self.silent_seconds - self._asked_at < self._heartbeat_seconds:
            return False
        self._asked_at = self.silent_seconds
        return True
