"""SIGINT in the interpreter: it stops user code, never our own code halfway.

While the main thread is inside `Interrupts.deferred`, a SIGINT waits until it leaves. Elsewhere it raises
`KeyboardInterrupt` in whatever Python code runs, or, while the event loop waits for a suspended cell, cancels the cell.

A SIGINT of the supervisor's is meant for one run, whose number stands in the `SharedPage` before the signal is sent: one
that comes late, between two runs or in the next, does nothing. One for a run that is to come, which code of no run
keeps from beginning (a callback, a question about an object), is for that code too.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Callable, Dict, List, Optional, Tuple

from .shared_page import SharedPage

__all__ = ["Interrupts"]

#: How long a run may take to notice a signal before it gets another, in seconds.
_PAUSES = (0.005, 0.005, 0.01, 0.02, 0.05)

#: How often, and how many seconds apart, a question is interrupted that goes on: what asks for names catches much.
_INSISTENCES, _INSISTENCE_SECONDS = 100, 0.02

#: How long a signal may be on its way, in seconds.
_LATE_SECONDS = 1.0


class Interrupts:
    """The process's SIGINT handler, and what it has to know.

    Parameters
    ----------
    page : SharedPage
        Where the supervisor says whom it interrupts.

    Attributes
    ----------
    code_runs : bool
        Whether the main thread is in user code (of a cell, a comm callback).
    asks : bool
        Whether the main thread answers a question about user code's objects: interrupted once, it is to end.
    waits : bool
        Whether the main thread waits in the event loop for something to happen.
    early : bool
        Whether an interrupt came where no code of the run was there to be stopped: its next step is not to begin.
    cancel : callable or None
        Cancels the suspended cell, from a signal handler.
    explain : callable or None
        Gives the text of the `KeyboardInterrupt`.
    is_forked : bool
        Whether this is a process that user code has forked.
    user_globals : dict or None
        The cells' namespace: code that it is in, or that is called from there, is user code.
    """

    def __init__(self, page: SharedPage) -> None:
        self.code_runs = False
        self.asks = False
        self.waits = False
        self.early = False
        self.is_forked = False
        self.cancel: Optional[Callable[[], None]] = None
        self.explain: Optional[Callable[[], str]] = None
        self.user_globals: Optional[Dict[str, Any]] = None
        self._page = page
        self._main = threading.main_thread().ident
        self._depth = 0
        self._pending = False
        self._count = 0
        self._raised = False
        #: The run that goes, 0 for code of no run, and the last that has begun.
        self._number = self._begun = 0
        #: The run that interrupts are for, and how many of those asked for it has noticed.
        self._target = self._noticed = 0
        #: How many signals were sent from here, how many have come of all, and when the last was sent from here.
        self._reminders = self._taken = 0
        self._reminded_at = 0.0
        self._fruitless = (0, 0)
        self._later: List[Tuple[Callable[..., Any], int]] = []
        self._handlers: Dict[int, Any] = {}

    def count(self) -> int:
        """How many interrupts there were."""
        return self._count

    def begin_run(self, number: int) -> None:
        """Note the run that interrupts are for from here on."""
        self._pending = False
        self._begun = number
        self._set_number(number)
        self.early = self._noticed > 0

    def end_run(self) -> None:
        """Note that interrupts are for no run any more."""
        self._pending = False
        self._set_number(0)
        self.early = False

    def _set_number(self, number: int) -> None:
        asked = self._page.asked(number)
        self._page.notice(number, asked)
        self._number = self._target = number
        self._noticed = asked

    def _find_target(self) -> int:
        """The run that an interrupt is for now: the one that goes, or one that is to begin when code of no run has ended."""
        asked = self._page.asked_number
        return asked if not self._number and asked > self._begun else self._number

    @property
    def is_stop_behind(self) -> bool:
        """Whether a run is to stop that has not begun: nothing that it would have to wait for needs to begin."""
        return self._find_target() != self._number

    def _count_noticed(self, number: int) -> int:
        return self._noticed if number == self._target else 0

    def ask(self, number: int) -> None:
        """Have a run stopped by which a SIGINT may have gone unnoticed: merged with another, or just as it began to wait.

        For the thread that reads requests.
        """
        self._end_system_calls()
        self._remind(number)
        for _ in range(_INSISTENCES):
            if not (self.asks and self._raised):
                break
            self._signal_main()
            time.sleep(_INSISTENCE_SECONDS)

    def _signal_main(self) -> None:
        if self._main is not None:
            self._reminders += 1
            self._reminded_at = time.monotonic()
            signal.pthread_kill(self._main, signal.SIGINT)

    def _remind(self, number: int) -> None:
        noticed, index = self._count_noticed(number), 0
        if self._fruitless == (number, noticed):
            return  # it does not listen, and there may be hundreds of these
        while index < len(_PAUSES):
            time.sleep(_PAUSES[index])  # nearly always it has been noticed by then
            # A handler of the user's may count them.
            if self._find_target() != number or signal.getsignal(signal.SIGINT) != self._handle:
                return
            if self._count_noticed(number) != noticed:
                noticed, index = self._count_noticed(number), 0
            if noticed >= self._page.asked(number):
                return
            self._signal_main()
            index += 1
        self._fruitless = (number, noticed)

    def install(self) -> None:
        """Make SIGINT ours: at the start, and before everything we run, since user code may replace the handler."""
        self._raised = False
        if signal.getsignal(signal.SIGINT) != self._handle:
            signal.signal(signal.SIGINT, self._handle)
        self._end_system_calls()
        if signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
            self._unblock()

    def _unblock(self) -> None:
        """Let SIGINT through to this thread again, which user code has left blocked; what was held back is too late."""
        noticed = self._noticed
        with self:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
            self._pending = self._pending and self._noticed != noticed

    def _end_system_calls(self) -> None:
        """Have SIGINT end a wait, as Python has it: libraries such as polars let system calls go on after signals."""
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.siginterrupt(signal.SIGINT, True)

    def guard_handlers(self) -> None:
        """Have the handlers that user code sets from now on wait too, where they would cut a section of ours."""
        set_handler, get_handler = signal.signal, signal.getsignal

        def guarded_signal(signalnum: Any, handler: Any) -> Any:
            before = guarded_getsignal(signalnum)
            if not callable(handler) or handler == self._handle:
                set_handler(signalnum, handler)
                self._handlers.pop(int(signalnum), None)
                return before

            def wait_or_handle(signum: int, frame: Optional[FrameType]) -> Any:
                if self._depth:
                    self._later.append((handler, signum))
                    return None
                return handler(signum, frame)

            set_handler(signalnum, wait_or_handle)
            self._handlers[int(signalnum)] = (wait_or_handle, handler)
            return before

        def guarded_getsignal(signalnum: Any) -> Any:
            present = get_handler(signalnum)
            wrapper, handler = self._handlers.get(int(signalnum), (None, None))
            return handler if present is wrapper and wrapper is not None else present

        signal.signal = guarded_signal
        signal.getsignal = guarded_getsignal

    def _handle(self, signum: int, frame: Optional[FrameType]) -> None:
        del signum
        if not self._is_meant() and not (self.asks and self._raised):
            return
        if self.is_stop_behind and not self.code_runs and not self._is_user_code(frame):
            return  # nothing is in the way of that run, which will see by itself that it is to stop
        self._count += 1
        if self._depth:
            self._pending = True
            return
        self._raise(frame)

    def _is_meant(self) -> bool:
        """Whether this SIGINT is for the code that is here now.

        Of those that the supervisor and `ask` have sent, one that finds nothing left to notice is a second for the same, or
        was for a run that has ended; it would stop the code's clean-up, or the next run. Any other is the code's own.
        """
        sent = self._page.signals + self._reminders
        number = self._find_target()
        noticed = self._count_noticed(number)
        if noticed < self._page.asked(number):
            self._target, self._noticed = number, noticed + 1
            self._page.notice(number, self._noticed)
            self._taken = min(self._taken + 1, sent)
            return True
        if self._taken >= sent:
            return True
        self._taken = sent
        return time.monotonic() - max(self._page.signalled_at, self._reminded_at) > _LATE_SECONDS

    def _raise(self, frame: Optional[FrameType]) -> None:
        if not self.code_runs and self.cancel is not None:
            self._raised = True
            self.early = not self.waits
            self.cancel()
        in_user_code = self._is_user_code(frame)
        if self.code_runs:
            # Once is enough where the shell, having been interrupted, says so; user code that goes on is hit again.
            if self._raised and not in_user_code:
                return
        elif self.waits or not in_user_code:
            return
        self._raised = True
        raise self.make_exception()

    def make_exception(self) -> KeyboardInterrupt:
        """The exception that an interrupt raises."""
        message = self.explain() if self.explain is not None else ""
        return KeyboardInterrupt(message) if message else KeyboardInterrupt()

    def _is_user_code(self, frame: Optional[FrameType]) -> bool:
        while frame is not None:
            if frame.f_globals is self.user_globals:
                return True
            frame = frame.f_back
        return False

    def __enter__(self) -> None:
        """Start a section that a SIGINT must not cut; sections nest, and other threads than the main pass through."""
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *exc_info: Any) -> None:
        if threading.get_ident() == self._main:
            self._depth -= 1
            if not self._depth and (self._pending or self._later):
                self._leave_section(sys._getframe(1))

    def _leave_section(self, frame: FrameType) -> None:
        while self._later:
            handler, signum = self._later.pop(0)
            handler(signum, frame)
        if self._pending:
            self._pending = False
            self._raise(frame)

    def reset_after_fork(self) -> None:
        """In a forked child: no section is open, and the only thread is the main one."""
        self.is_forked = True
        self._page, self._number, self._target, self._noticed = SharedPage(), 0, 0, 0  # the other is the parent's
        self._reminders = self._taken = 0
        self._depth, self._pending = 0, False
        self._main = threading.get_ident()
        self.cancel = None
