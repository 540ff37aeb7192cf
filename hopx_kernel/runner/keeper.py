"""Keeps an interpreter alive: starts it, takes what comes from it in the right order, and buries it truthfully."""

from __future__ import annotations

import os
import time
from typing import Callable, Optional

from ..errors import ProtocolError
from ..protocol.frames import load_message
from ..protocol.messages import Message, Role, check_message
from . import limits
from .fd_text import QUIET_SECONDS, FdPipe, TextJoiner
from .interpreter_process import TEXT_MARK, ChildMain, InterpreterProcess, describe_status
from .outbox import Outbox
from .poller import Poller
from .runs import Death
from .text_memory import TextMemory
from .usage import kill_all

__all__ = ["Keeper"]

#: How many interpreters in a row may die before they take requests; more would be a loop.
FAILED_STARTS = 3

#: How long an interpreter may live on after its channel was closed, in seconds: mostly it is dying already.
CLOSED_SECONDS = 1.0

_CLOSED = "The interpreter's channel to its supervisor was closed; it was ended."

_STREAM = b'{"msg_type":"stream","parent_id":"'


class Keeper:
    """The supervisor's side of the interpreter.

    Parameters
    ----------
    poller : Poller
        The loop's.
    outbox : Outbox
        Where output goes; all but streams passes `on_message` first.
    memory : TextMemory
        For what interpreters print.
    on_message : callable
        Takes each message that is not a stream, and its line.
    on_death : callable
        Takes what became of the interpreter after all that it left has been delivered.
    start_timeout_seconds : float
        How long a fresh interpreter may take to be ready. It is forked with everything imported, which takes
        milliseconds: one that is not ready by then stands still.

    Attributes
    ----------
    process : InterpreterProcess or None
        The present one.
    is_ready : bool
        Whether it takes requests.
    is_paused : bool
        Whether nothing is taken from it, for want of room.
    parent_id : str
        The request that text on the file descriptors belongs to.
    last_output : float
        When something last came from it.
    generation : int
        Its number in the runner's life.
    explain_kill : callable
        Says why the kernel has killed it, ``""`` where somebody else has.
    """

    def __init__(
        self,
        poller: Poller,
        outbox: Outbox,
        memory: TextMemory,
        on_message: Callable[[Message, bytes], None],
        on_death: Callable[[Death], None],
        start_timeout_seconds: float,
    ) -> None:
        self.process: Optional[InterpreterProcess] = None
        self.is_paused = False
        self.parent_id = ""
        self.last_output = 0.0
        self._poller = poller
        self._outbox = outbox
        self._memory = memory
        self._on_message = on_message
        self._on_death = on_death
        self._start_timeout_seconds = start_timeout_seconds
        self.explain_kill: Callable[[], str] = str
        self._joiner = TextJoiner()
        self._death: Optional[Death] = None
        self._closed_at = 0.0
        self._ready_by = float("inf")
        self.generation = 0
        self._failed_starts = 0

    @property
    def is_ready(self) -> bool:
        """Whether there is an interpreter that takes requests, and nobody is ending it."""
        return self.process is not None and self.process.is_ready and self._death is None

    @property
    def gives_up(self) -> bool:
        """Whether too many have died at their start for another to be tried unasked."""
        return self._failed_starts >= FAILED_STARTS

    # ------------------------------------------------------------------ life

    def start(self, main: ChildMain, asked: bool = False) -> None:
        """Fork the next interpreter; `asked` by the host forgets how many have died before."""
        if asked:
            self._failed_starts = 0
        self.generation += 1
        self._death, self._closed_at = None, 0.0
        self._ready_by = time.monotonic() + self._start_timeout_seconds
        try:
            process = InterpreterProcess(self.generation, main, self._memory)
        except OSError as exc:  # others hold all the processes or open files that there may be
            self._failed_starts = FAILED_STARTS  # the next request tries again, and may find room
            evalue = f"The interpreter cannot be started: {exc.strerror}; variables are lost."
            self._on_death(Death("died", "InterpreterDied", evalue))
            return
        self.process = process
        self._outbox.send("interpreter_started", {"pid": process.pid, "generation": self.generation})
        self._watch(process)

    def note_ready(self) -> None:
        """It has said that it takes requests."""
        if self.process is not None:
            self.process.is_ready = True
            self._failed_starts = 0
            self._ready_by = float("inf")

    def end(self, death: Death) -> None:
        """Kill it; the first cause that is given counts."""
        if self.process is not None:
            self._death = self._death or death
            self.process.kill()

    def begin_run(self, msg_id: str, now: float) -> None:
        """Text on the file descriptors is this run's from here on, in its order, whatever flood there was before."""
        self.parent_id, self.last_output = msg_id, now
        if self.process is not None and not self.is_paused:
            for pipe in self.process.pipes:
                if pipe.calm():
                    self._poller.set(pipe.reader, read=True, edge=True, again=True)

    def send(self, line: bytes) -> None:
        """Send a request's line to an interpreter that is ready."""
        if self.process is not None:
            self.process.send(line)
            self._poller.set(self.process.sock.fileno(), read=not self.is_paused, write=self.process.has_output)

    def bury(self, pid: int, status: int) -> None:
        """A child has ended. If it is the interpreter: deliver what it left, end what it started, say how it died."""
        process = self.process
        if process is None or pid != process.pid:
            return
        text, signal_name, exit_code = describe_status(status)
        death = self._death
        if death is None or (death.evalue == _CLOSED and signal_name != "SIGKILL"):  # it was dying, and did so
            death = Death("died", "InterpreterDied", f"The interpreter {text}; variables are lost.")
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == limits.NO_ROOM_SIGNAL:
                death = Death("limit", "SandboxLimitError", limits.no_room(), "memory")
        if signal_name == "SIGKILL" and death.reason == "died" and (why := self.explain_kill()):
            death = Death("limit", "SandboxLimitError", why, "memory")
        self._death = death
        # What it has started ends first: what that still writes is shown, too.
        process.kill()
        kill_all(False)
        self._drain(process)
        self._failed_starts += 0 if process.is_ready else 1
        self.process = None
        for fd in (process.sock.fileno(), *(pipe.reader for pipe in process.pipes)):
            self._poller.forget(fd)
        process.close()
        death.extra = {"signal": signal_name} if signal_name is not None else {"exit_code": exit_code}
        self._on_death(death)

    def _drain(self, process: InterpreterProcess) -> None:
        self.is_paused = False
        while self._read_channel():
            continue
        now = time.monotonic()
        for pipe in process.pipes:
            for _ in range(1024):  # an orphan may go on writing
                text = pipe.read(now)
                if not text:
                    break
                self._take_text(pipe, text, now)
            self._take_text(pipe, pipe.finish(), now)
        self.flush_text(now)
        rest = process.take_rest()
        self._memory.finish()
        for name, parent_id, text in rest:
            parent_id = self.parent_id if parent_id is None else parent_id
            self._outbox.send("stream", {"name": name, "text": text}, parent_id=parent_id)  # which is counted already
        if process.is_ready and process.is_missing_something:
            text = "[What was shown just before the interpreter's end may be missing here.]"
            self._outbox.send_text("stderr", f"\n{text}\n", self.parent_id)

    # ------------------------------------------------------------------ reading

    def _watch(self, process: InterpreterProcess) -> None:
        read = not self.is_paused
        self._poller.set(process.sock.fileno(), read=read, write=process.has_output)
        for pipe in process.pipes:
            self._poller.set(pipe.reader, read=read, edge=not pipe.is_wide, again=True)

    def set_paused(self, paused: bool) -> None:
        """Stop or go on taking things from it."""
        if paused != self.is_paused:
            self.is_paused = paused
            if self.process is not None:
                self._watch(self.process)

    def read(self, fd: int) -> None:
        """Take what a descriptor of its has, if it is one of its."""
        process = self.process
        if process is None or self.is_paused:
            return
        # What was sent by the channel was sent before: its sender waits for the pipes to be empty.
        self._read_channel()
        for pipe, other in (process.pipes, process.pipes[::-1]):
            if pipe.reader == fd and self.process is process:
                now = time.monotonic()
                self._take_text(pipe, pipe.read(now), now)
                if pipe.adapt(other, now):
                    self._poller.set(fd, read=True, edge=not pipe.is_wide, again=True)

    def _read_channel(self) -> bool:
        process = self.process
        assert process is not None
        process.flush()
        try:
            lines, is_open = process.receive()
        except ValueError:
            lines, is_open = [], False
        for line in lines:
            self._take_line(line)
        if not is_open:
            self._closed_at = self._closed_at or time.monotonic()
        self._poller.set(process.sock.fileno(), read=is_open, write=is_open and process.has_output)
        return bool(lines)

    def _take_line(self, line: bytes) -> None:
        now = self.last_output = time.monotonic()
        self.flush_text(now)
        if line.startswith(TEXT_MARK) and self.process is not None:
            try:
                line = self.process.open_text(line)
            except ValueError:
                pass  # it is nothing that can be loaded, either
        if line.startswith(_STREAM):
            self._outbox.send_line(line)
            return
        try:
            message = load_message(line)
            fault = None if message.msg_type == "_ready" else check_message(Role.RUNNER, message)
        except ProtocolError as exc:
            fault = str(exc)
        else:
            if fault is None:
                self._on_message(message, line)
                return
        evalue = f"The interpreter's channel to its supervisor was garbled ({fault}); it was ended."
        self.end(Death("died", "InterpreterDied", evalue))

    # ------------------------------------------------------------------ text

    def _take_text(self, pipe: FdPipe, text: str, now: float) -> None:
        if text:
            self.last_output = now
            for name, part in self._joiner.add(pipe.name, text, now):
                self._outbox.send_text(name, part, self.parent_id)

    def flush_text(self, now: float) -> None:
        """Send the text that waits for more."""
        for name, part in self._joiner.take(now):
            self._outbox.send_text(name, part, self.parent_id)

    # ------------------------------------------------------------------ time

    def next_time(self, now: float) -> float:
        """When to call `on_time`."""
        times = [self._ready_by, float("inf") if self._joiner.due is None else self._joiner.due]
        if self._closed_at:
            times.append(self._closed_at + CLOSED_SECONDS)
        pipes = () if self.process is None or self.is_paused else self.process.pipes
        if any(pipe.is_wide and pipe.can_narrow for pipe in pipes):
            times.append(now + QUIET_SECONDS)
        return min(times)

    def on_time(self, now: float) -> None:
        """Do what is due."""
        due = self._joiner.due
        if due is not None and now >= due:
            self.flush_text(now)
        if self._closed_at and now >= self._closed_at + CLOSED_SECONDS:
            self._closed_at = now
            self.end(Death("died", "InterpreterDied", _CLOSED))
        if now >= self._ready_by:
            self._ready_by = float("inf")
            limit = f"{self._start_timeout_seconds:g} s (option start_timeout_seconds)"
            evalue = f"The interpreter was not ready within {limit}; it was ended."
            self.end(Death("died", "InterpreterDied", evalue))
        if self.process is not None and not self.is_paused:
            for pipe in self.process.pipes:
                if pipe.settle(now):
                    self._poller.set(pipe.reader, read=True, edge=True, again=True)
