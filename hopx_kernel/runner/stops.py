"""Interrupts and deadlines of runs, as the supervisor keeps them: each belongs to one run, and hits no other."""

from __future__ import annotations

import time
from typing import List, Optional

from ..protocol.frames import dump_message
from ..protocol.messages import Message
from .keeper import Keeper
from .outbox import Outbox
from .runs import Death, Interrupt, Run, late

__all__ = ["Stops"]

#: By how much an interrupt raises the bound of what may be unacknowledged before nothing more is taken from the
#: interpreter, so that one that is blocked in a write can come to its end.
ROOM_BYTES = 8 << 20

#: Requests to stop one run that may be on their way to it at a time; more of them, in such haste, are one.
OUTSTANDING = 8


class Stops:
    """Stops the run that goes.

    Parameters
    ----------
    keeper : Keeper
        Has the interpreter.
    outbox : Outbox
        Takes the answers.
    grace_seconds : float
        How long code may take to stop before the answer is that it did not.

    Attributes
    ----------
    room : int
        By how much the present run's interrupts have raised the bound of what is unacknowledged.
    """

    def __init__(self, keeper: Keeper, outbox: Outbox, grace_seconds: float) -> None:
        self.room = 0
        self._keeper = keeper
        self._outbox = outbox
        self._grace_seconds = grace_seconds
        self._waiting: List[Interrupt] = []

    def ask(self, msg_id: str, run: Run) -> None:
        """Interrupt the run that goes, and answer the request when it has stopped, or does not."""
        self._signal(run.number)
        self._waiting.append(Interrupt(msg_id, run, time.monotonic() + self._grace_seconds))

    def ask_idle(self) -> None:
        """Interrupt code that belongs to no run."""
        self._signal(0)

    def _signal(self, number: int) -> None:
        process = self._keeper.process
        if process is None or not self._keeper.is_ready or process.page.outstanding(number) >= OUTSTANDING:
            return
        self.room += ROOM_BYTES
        # Told first: the signal finds there whom it is for.
        process.page.ask(number)
        process.interrupt()
        self._keeper.send(dump_message(Message("_interrupt", {"number": number})))

    def answer(self, msg_id: str, **content: object) -> None:
        """Answer a request."""
        self._outbox.reply("interrupt_request", msg_id, content)

    def answer_too_late(self, msg_id: str) -> None:
        """Answer a request for a run that has ended."""
        self.answer(msg_id, stopped=True, kept=True, too_late=True)

    def finish(self, run: Run, kept: bool) -> None:
        """A run has ended: answer those who wanted it to."""
        self.room = 0
        for interrupt in [one for one in self._waiting if one.run is run]:
            self._waiting.remove(interrupt)
            self.answer(interrupt.msg_id, stopped=True, kept=kept)

    # ------------------------------------------------------------------ time

    def times(self, run: Optional[Run]) -> List[float]:
        """When to call `on_time`."""
        times = [interrupt.until for interrupt in self._waiting]
        optional = [] if run is None else [run.deadline, run.kill_at]
        return times + [at for at in optional if at is not None]

    def on_time(self, run: Optional[Run], now: float) -> None:
        """Do what is due."""
        for interrupt in [one for one in self._waiting if now >= one.until]:
            self._waiting.remove(interrupt)
            evalue = f"the code did not stop within {self._grace_seconds:g} s; a restart ends it"
            self.answer(interrupt.msg_id, stopped=False, kept=True, evalue=evalue)
        if run is None or self._keeper.process is None:
            return
        if run.deadline is not None and now >= run.deadline:
            run.deadline, run.is_late = None, True
            run.kill_at = now + self._grace_seconds
            self._signal(run.number)
        elif run.kill_at is not None and now >= run.kill_at:
            run.kill_at = None
            evalue = f"The {late(run.timeout_seconds)}, and the code did not stop; "
            self._keeper.end(Death("timeout", "SandboxTimeoutError", evalue + "its interpreter was ended."))


def told_after(evalue: str) -> str:
    """What says how a run ended which had told its error before."""
    return f"\nThe interpreter died after that. {evalue}\n"
