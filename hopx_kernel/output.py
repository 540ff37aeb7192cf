"""What one request's events become on the iopub channel: through trust, shaping and progress, in order.

One `RunOutput` exists per run or comm message, and goes on taking what its threads and tasks print after its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol

from .errors import SandboxLostError
from .protocol import Message
from .shaping import StreamShaper
from .spool import Spool
from .trust import TrustPolicy

__all__ = ["Display", "Publisher", "RunOutput"]


class Publisher(Protocol):
    """Sends iopub messages."""

    def publish(
        self,
        msg_type: str,
        content: dict[str, Any],
        parent: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        buffers: list[Any] | None = None,
    ) -> None:
        """Send a message under a parent, without waiting."""

    async def room(self) -> None:
        """Wait until more can be sent."""


class Display(Protocol):
    """Shows a run's progress, results, alerts and heartbeats."""

    def feed(self, event: Message) -> None:
        """Take a ``progress``, ``result``, ``alert`` or ``heartbeat``, and at the end the ``execute_reply``."""


class RunOutput:
    """One request's way out.

    Parameters
    ----------
    parent : dict
        The request; everything leaves with its header as parent header.
    publisher : Publisher
        The kernel's iopub channel.
    trust : TrustPolicy
        What the output may do to the page.
    shaper : StreamShaper
        How much and how often text is shown.
    spool : Spool, optional
        Keeps the whole text.
    display : callable, optional
        Makes the `Display` when the first event for one comes.
    ask : async callable, optional
        Puts an ``input_request``'s content to the person; must return at once.
    """

    def __init__(
        self,
        parent: dict[str, Any],
        publisher: Publisher,
        *,
        trust: TrustPolicy,
        shaper: StreamShaper,
        spool: Spool | None = None,
        display: Display | None = None,
        ask: Callable[[dict[str, Any]], Awaitable[None]] | None = None,
        execution_count: int | None = None,
    ) -> None:
        self.parent = parent
        #: The plain text of the run's result, for the history.
        self.result_text: str | None = None
        self._publisher = publisher
        self._trust = trust
        self._shaper = shaper
        self._spool = spool
        self._display = display
        self._ask = ask
        self._execution_count = execution_count
        self._timer: asyncio.TimerHandle | None = None
        self._text_filter = {"stdout": trust.text_filter(), "stderr": trust.text_filter()}

    async def feed(self, event: Message) -> None:
        """Take one event of the run, in order."""
        handler = self._HANDLERS.get(event.msg_type)
        if handler is not None:
            if event.msg_type != "stream":
                self.flush()
            await handler(self, event)
            await self._publisher.room()

    def publish_stream(self, name: str, text: str) -> None:
        """Send a text of the kernel's own."""
        self.flush()
        self._publisher.publish("stream", {"name": name, "text": text}, self.parent)

    def publish_error(self, content: dict[str, Any]) -> None:
        """Send an ``error`` of the kernel's own."""
        self.flush()
        self._publisher.publish("error", content, self.parent)

    def flush(self) -> None:
        """Send the text that waits."""
        self._send(self._shaper.flush(time.monotonic()))

    def end(self) -> None:
        """Send what waits and tell what was omitted; what comes later is still taken."""
        where = self._spool.where() if self._spool is not None and self._shaper.owes_notice else ""
        self._send(self._shaper.end(where, time.monotonic()))

    def hurry(self) -> None:
        """Show no more of the text than its end, so that an interrupt is not behind a flood of it."""
        self._shaper.omit_rest()

    def close(self) -> None:
        """Take nothing more."""
        self.end()
        if self._timer is not None:
            self._timer.cancel()
        if self._spool is not None:
            self._spool.close()

    # ------------------------------------------------------------------ events

    async def _take_stream(self, event: Message) -> None:
        name = "stderr" if event.content["name"] == "stderr" else "stdout"
        text = self._text_filter[name].feed(event.content["text"])
        if self._spool is not None:
            self._spool.write(text)
        self._send(self._shaper.feed(name, text, time.monotonic()))

    async def _take_bundle(self, event: Message) -> None:
        content = dict(event.content)
        content["data"], content["metadata"] = self._trust.bundle(content["data"], content["metadata"])
        if event.msg_type == "execute_result":
            content["execution_count"] = self._execution_count
            plain = content["data"].get("text/plain")
            self.result_text = plain if isinstance(plain, str) else self.result_text
        self._publisher.publish(event.msg_type, content, self.parent, event.metadata)

    async def _take_clear_output(self, event: Message) -> None:
        self._publisher.publish("clear_output", event.content, self.parent)

    async def _take_error(self, event: Message) -> None:
        content = {**event.content, "traceback": [self._trust.text(str(line)) for line in event.content["traceback"]]}
        if content["ename"] == SandboxLostError.__name__ and not content["traceback"]:
            content["evalue"] += "\nIts variables and files are gone. The next cell starts a fresh one."
            content["traceback"] = [f"\x1b[31m{content['ename']}\x1b[39m: {content['evalue']}"]
        self._publisher.publish("error", content, self.parent)

    async def _take_input_request(self, event: Message) -> None:
        if self._ask is not None:
            content = {"prompt": self._trust.text(event.content["prompt"]), "password": event.content["password"]}
            await self._ask(content)

    async def _take_display(self, event: Message) -> None:
        if self._display is not None:
            self._display.feed(event)

    async def _take_reply(self, event: Message) -> None:
        if self._display is not None:
            self._display.feed(event)
        self.end()

    _HANDLERS: ClassVar[dict[str, Callable[[RunOutput, Message], Awaitable[None]]]] = {
        "stream": _take_stream,
        "display_data": _take_bundle,
        "update_display_data": _take_bundle,
        "execute_result": _take_bundle,
        "clear_output": _take_clear_output,
        "error": _take_error,
        "input_request": _take_input_request,
        "progress": _take_display,
        "result": _take_display,
        "alert": _take_display,
        "heartbeat": _take_display,
        "execute_reply": _take_reply,
    }

    # ------------------------------------------------------------------ text

    def _send(self, texts: list[tuple[str, str]]) -> None:
        for name, text in texts:
            if text:
                self._publisher.publish("stream", {"name": name, "text": text}, self.parent)
        self._set_timer()

    def _set_timer(self) -> None:
        deadline = self._shaper.deadline
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()
        if self._shaper.has_ended and self._shaper.owes_notice:
            self.end()
