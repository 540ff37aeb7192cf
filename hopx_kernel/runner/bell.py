"""Wakes a thread. Unlike an `Event`, it may be rung from inside of its own ringing, as finalizers do, and needs no memory."""

from __future__ import annotations

import threading

__all__ = ["Bell"]


class Bell:
    """Rung by whoever has something to be done, waited for by the one thread that does it."""

    def __init__(self) -> None:
        self._silence = threading.Lock()  # held while there is nothing to do
        self._silence.acquire()

    @property
    def is_rung(self) -> bool:
        """Whether it was rung since it was last waited for."""
        return not self._silence.locked()

    def ring(self) -> None:
        """Have the thread that waits go on, or not wait the next time."""
        if self._silence.locked():
            try:
                self._silence.release()
            except RuntimeError:
                pass  # another thread has done so in between

    def wait(self) -> None:
        """Wait until it is rung, and silence it."""
        self._silence.acquire()

    def silence(self) -> None:
        """Forget that it was rung."""
        self._silence.acquire(blocking=False)
