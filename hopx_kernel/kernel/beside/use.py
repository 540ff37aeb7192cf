"""One use of the magic, as the host sees it: questions to the sandbox, and its answers."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import SandboxError
from ...protocol import Message
from ..output import RunOutput

if TYPE_CHECKING:
    from ...library.runs import SandboxRun

__all__ = ["Answer", "Begin", "InterruptedUseError", "Tell", "Use"]

T = TypeVar("T")

#: What the sandbox says of an error, in characters.
MAX_FAULT_CHARACTERS = 100_000

#: Sends a message to the magic: its content and buffers.
Tell = Callable[[dict[str, Any], tuple[bytes, ...]], "Future[None]"]

#: Interrupts what a use runs; gives the content of an ``interrupt_reply``.
Interrupt = Callable[[], Awaitable["dict[str, Any]"]]


class InterruptedUseError(SandboxError):
    """What a use waited for was given up, since it was interrupted."""


def _get(content: dict[str, Any], key: str, kind: type[T]) -> T:
    value = content.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SandboxError(f"the sandbox's answer makes no sense: {key!r} is of type {type(value).__name__}")
    return value


@dataclass(frozen=True)
class Begin:
    """What a use begins with.

    Parameters
    ----------
    line : str
        What stands behind the magic's name.
    cell : str or None
        The other lines, of ``%%sandbox``.
    allow_stdin : bool
        Whether somebody can answer ``input()``.
    execution_count : int
        The cell's number.
    """

    line: str
    cell: str | None
    allow_stdin: bool
    execution_count: int

    @classmethod
    def read(cls, content: dict[str, Any]) -> Begin:
        """Read an event's content; raises `SandboxError`."""
        cell = None if content.get("cell") is None else _get(content, "cell", str)
        count = _get(content, "execution_count", int)
        return cls(_get(content, "line", str), cell, _get(content, "allow_stdin", bool), min(max(count, 0), 1 << 31))


@dataclass(frozen=True)
class Answer:
    """The sandbox's answer to a question; nothing in it is true because it says so."""

    content: dict[str, Any]
    data: bytes = b""

    def get(self, key: str, kind: type[T]) -> T:
        """A value of its content; raises `SandboxError` where it has another type."""
        return _get(self.content, key, kind)

    def texts(self, key: str) -> dict[str, str]:
        """An object with texts in it."""
        return {str(name): str(text)[:MAX_FAULT_CHARACTERS] for name, text in self.get(key, dict).items()}

    @property
    def fault(self) -> str | None:
        """Why there is no other answer."""
        fault = self.content.get("fault")
        return None if fault is None else str(fault)[:MAX_FAULT_CHARACTERS]

    def check(self) -> Answer:
        """The answer itself; raises `OSError` and `SandboxError` where it is none."""
        if isinstance(self.content.get("errno"), int):
            filename = self.content.get("filename")
            reason = str(self.content.get("reason"))[:MAX_FAULT_CHARACTERS]
            raise OSError(self.content["errno"], reason, filename if isinstance(filename, str) else None)
        if self.fault is not None:
            raise SandboxError(self.fault)
        return self


class Use:
    """One use of the magic. `ask` and `tell` are for every thread, the rest for the main loop.

    Parameters
    ----------
    magic_id : str
        Its id.
    begin : Begin
        What it is.
    output : RunOutput
        Of the cell that it was used in.
    tell : callable
        Sends to the sandbox, in the order of the calls.

    Attributes
    ----------
    is_interrupted : bool
        Whether it is to end where it can.
    on_its_way : dict of str
        The answers that are being made, ``interrupt`` and ``output``: the number of the last request for each.
    run : SandboxRun or None
        What runs in the background.
    on_interrupt : callable or None
        Takes an interrupt in the place of that, while code runs.
    """

    def __init__(self, magic_id: str, begin: Begin, output: RunOutput, tell: Tell) -> None:
        self.magic_id = magic_id
        self.begin = begin
        self.output = output
        self.is_interrupted = False
        self.on_its_way: dict[str, int | None] = {}
        self.run: SandboxRun | None = None
        self.on_interrupt: Interrupt | None = None
        self._tell = tell
        self._lock = threading.Lock()
        self._number = 0
        self._question: tuple[int, Future[Answer]] | None = None
        self._gone: SandboxError | None = None

    def is_first(self, event: Message) -> bool:
        """Note a request for an answer; false where one is on its way already, which then answers this too."""
        action, number = event.content["action"], event.content.get("number")
        is_first = action not in self.on_its_way
        self.on_its_way[action] = number if isinstance(number, int) and 0 < number < 1 << 31 else None
        return is_first

    def tell(self, action: str, buffers: tuple[bytes, ...] = (), **content: Any) -> Future[None]:
        """Say something to the magic."""
        return self._tell({"magic_id": self.magic_id, "action": action, **content}, buffers)

    def ask(self, question: str, buffers: tuple[bytes, ...] = (), **content: Any) -> Future[Answer]:
        """Ask the magic something, one thing at a time."""
        future: Future[Answer] = Future()
        with self._lock:
            if self._gone is not None:
                future.set_exception(self._gone)
                return future
            self._number += 1
            self._question = (self._number, future)
            sent = self.tell("question", buffers, question=question, number=self._number, **content)

        def check_sent(sent: Future[None]) -> None:
            if (error := sent.exception()) is not None:
                _fail(future, error)

        sent.add_done_callback(check_sent)
        return future

    # ------------------------------------------------------------------ in the main loop

    def take_answer(self, event: Message) -> None:
        """Take an answer; one that nobody waits for, or no longer, is thrown away."""
        with self._lock:
            question = self._question
            if question is None or event.content.get("number") != question[0]:
                return
            self._question = None
        try:
            question[1].set_result(Answer(event.content, event.buffers[0] if event.buffers else b""))
        except InvalidStateError:
            pass  # who asked has given up

    def written(self) -> tuple[bytes, ...]:
        """What the run in the background has written so far, as the buffers of a message."""
        return () if self.run is None else (self.run._written().encode("utf-8", "surrogatepass"),)

    async def interrupt(self) -> dict[str, Any]:
        """Stop what it does; gives the content of an ``interrupt_reply``."""
        if self.on_interrupt is not None:
            return await self.on_interrupt()
        self._stop(InterruptedUseError("interrupted"), for_good=False)
        return {"status": "ok", "stopped": True, "kept": True}

    @property
    def is_gone(self) -> bool:
        """Whether the magic has left."""
        return self._gone is not None

    def leave(self, error: SandboxError) -> None:
        """Note that the magic does not wait for its end: nothing more can be asked."""
        self._stop(error, for_good=True)

    def _stop(self, error: SandboxError, for_good: bool) -> None:
        self.is_interrupted = True
        with self._lock:
            question, self._question = self._question, None
            if for_good:
                self._gone = error
        if question is not None:
            _fail(question[1], error)


def _fail(future: Future[Answer], error: BaseException) -> None:
    try:
        future.set_exception(error)
    except InvalidStateError:
        pass  # it has been answered, or who asked has given up
