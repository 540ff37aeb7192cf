"""What one request's events become on the iopub channel: through trust, shaping and progress, in order.

One `RunOutput` exists per run or comm message, and goes on taking what its threads and tasks print after its end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol

from ..errors import SandboxLostError
from ..progress import RunDisplay, merge_report
from ..protocol import Message
from ..protocol.markers import MarkerParser, Merge
from ..trust import TrustPolicy, clean_line, clean_transient
from .requests import Request
from .shaping import StreamShaper
from .spool import Spool

__all__ = ["Publisher", "RunOutput"]

_log = logging.getLogger(__name__)

#: Events that stand beside the text and not in it: a flood of them must not cut the text into as many messages.
_BESIDE_TEXT = frozenset({"stream", "progress", "heartbeat"})


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

    @property
    def is_throttled(self) -> bool:
        """Whether what is sent has to wait because of a server's limits, or had to just now."""

    def set_parent(self, ident: list[bytes], parent: dict[str, Any]) -> None:
        """Make a request the parent of the comm messages that the kernel's own widgets send from here on."""


class RunOutput:
    """One request's way out.

    Parameters
    ----------
    request : Request
        Everything leaves with its header as parent header.
    publisher : Publisher
        The kernel's iopub channel.
    trust : TrustPolicy
        What the output may do to the page.
    shaper : StreamShaper
        How much and how often text is shown.
    spool : Spool, optional
        Keeps the whole text.
    ask : async callable, optional
        Puts an ``input_request``'s content to the person; must return at once.
    """

    def __init__(
        self,
        request: Request,
        publisher: Publisher,
        *,
        trust: TrustPolicy,
        shaper: StreamShaper,
        spool: Spool | None = None,
        ask: Callable[[dict[str, Any]], Awaitable[None]] | None = None,
        execution_count: int | None = None,
    ) -> None:
        self.request = request
        self.parent = request.message
        #: Shows the run's progress, where it has one; set by the owner before the first event.
        self.display: RunDisplay | None = None
        #: The plain text of the run's result, for the history.
        self.result_text: str | None = None
        self._publisher = publisher
        self._trust = trust
        self._shaper = shaper
        self._spool = spool
        self._ask = ask
        self._execution_count = execution_count
        self._timer: asyncio.TimerHandle | None = None
        self._error_name = ""
        self._faults: set[str] = set()
        #: The `clear_output` that nothing has been shown after.
        self._cleared: dict[str, Any] | None = None
        self._markers = MarkerParser(request.msg_id)
        self._held_until: float | None = None
        self._text_filter = {"stdout": trust.text_filter(), "stderr": trust.text_filter()}

    @property
    def merge(self) -> Merge | None:
        """What makes one of reports that nobody could see one by one; None where there are no bars, and each is a line."""
        return merge_report if self.display is None or self.display.options.bars else None

    async def feed(self, event: Message) -> None:
        """Take one event of the run, in order."""
        if event.msg_type not in _BESIDE_TEXT:
            self.flush()
        if event.msg_type not in ("clear_output", "stream", "heartbeat"):
            self._cleared = None
        if not self._display_takes(event):
            handler = self._HANDLERS.get(event.msg_type)
            if handler is not None:
                await handler(self, event)
        self._set_timer()
        await self._publisher.room()

    def _display_takes(self, event: Message) -> bool:
        if self.display is None:
            return False
        self._publisher.set_parent(self.request.idents, self.parent)
        if event.msg_type == "heartbeat":
            self.display.heartbeat(event)
            return True
        return self.display.feed(event)

    def interrupt_answered(self, reply: dict[str, Any]) -> None:
        """Take the content of an ``interrupt_reply`` that came for this run."""
        if self.display is not None:
            self._publisher.set_parent(self.request.idents, self.parent)
            self.display.interrupt_answered(reply)
            self._set_timer()

    def publish_stream(self, name: str, text: str) -> None:
        """Send a text of the kernel's own."""
        self.flush()
        self._cleared = None
        self._publisher.publish("stream", {"name": name, "text": text}, self.parent)

    def publish_error(self, content: dict[str, Any]) -> None:
        """Send an ``error`` of the kernel's own."""
        self.flush()
        self._publisher.publish("error", content, self.parent)

    def tell_fault(self, what: str, exc: Exception) -> None:
        """Say in the place of an output that it is missing, and why; of each kind once, whatever a flood of them does.

        Never raises: what it is called for is a fault of the kernel's own.
        """
        if what in self._faults:
            return
        self._faults.add(what)
        reason = clean_line(f"{type(exc).__name__}: {exc}", 500)
        text = f"An output ({what}) could not be shown, by a fault of this kernel: {reason}\nIts log tells more.\n"
        try:
            self._publisher.publish("stream", {"name": "stderr", "text": text}, self.parent)
        except Exception:  # noqa: BLE001 - as said
            _log.exception("A fault could not be told")

    def flush(self) -> None:
        """Send the text that waits."""
        self._send(self._shaper.flush(time.monotonic()))

    def end(self) -> None:
        """Send what waits and tell what was omitted; what comes later is still taken."""
        now = time.monotonic()
        for name, text_filter in self._text_filter.items():
            if held := text_filter.end():
                self._send(self._shaper.feed(name, held, now))
        where = self._spool.where() if self._spool is not None and self._shaper.owes_notice else ""
        self._send(self._shaper.end(where, now))

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
        if event.content["name"] == "stderr":
            self._take_text("stderr", event.content["text"])
            return
        self._markers.merge = self.merge
        for part in self._markers.feed(event.content["text"]):
            if isinstance(part, str):
                self._take_text("stdout", part)
            else:
                await self.feed(part)
        self._held_until = time.monotonic() + self._markers.hold_seconds if self._markers.is_holding else None

    def _release_held(self) -> None:
        """Show what began like a marker and did not go on as one."""
        self._held_until = None
        for part in self._markers.flush():
            if isinstance(part, str):
                self._take_text("stdout", part)

    def _take_text(self, name: str, text: str) -> None:
        text = self._text_filter[name].feed(text)
        if self._spool is not None:
            self._spool.write(text)
        self._send(self._shaper.feed(name, text, time.monotonic()))

    async def _take_bundle(self, event: Message) -> None:
        content = dict(event.content)
        heavy = self._trust.heavy(content["data"])
        # In a process of its own, and waited for beside the loop: an interrupt is answered meanwhile, and ends it.
        done = await asyncio.to_thread(self._trust.cleaner.clean, heavy) if heavy else None
        content["data"], content["metadata"] = self._trust.bundle(content["data"], content["metadata"], done)
        if event.msg_type != "execute_result":
            content["transient"] = clean_transient(content.get("transient"))
        if event.msg_type == "execute_result":
            content["execution_count"] = self._execution_count
            plain = content["data"].get("text/plain")
            self.result_text = plain if isinstance(plain, str) else self.result_text
        self._publisher.publish(event.msg_type, content, self.parent, event.metadata)

    async def _take_clear_output(self, event: Message) -> None:
        # Behind a flood of them, whose text an interrupt has omitted, all are one.
        if event.content != self._cleared:
            self._publisher.publish("clear_output", event.content, self.parent)
            self._cleared = event.content

    async def _take_error(self, event: Message) -> None:
        self._error_name = event.content["ename"]
        self.end()  # the last lines that were printed stand above their error
        content = self._trust.error(event.content)
        if content["ename"] == SandboxLostError.__name__ and not content["traceback"]:
            content["evalue"] += "\nIts variables and files are gone. The next cell starts a fresh one."
            content["traceback"] = [f"\x1b[31m{content['ename']}\x1b[39m: {content['evalue']}"]
        self._publisher.publish("error", content, self.parent)

    async def _take_input_request(self, event: Message) -> None:
        if self._ask is not None:
            content = {"prompt": self._trust.text(event.content["prompt"]), "password": event.content["password"]}
            await self._ask(content)

    async def _take_silence(self, event: Message) -> None:
        """The runner says nothing: shown while the cell waits for it, and that it is over."""
        seconds = event.content["lost_after_seconds"]
        text = f"The sandbox says nothing. It is given up when that lasts for {seconds:.0f} s.\n"
        self.publish_stream("stderr", text if event.content["is_silent"] else "The sandbox is back.\n")

    async def _take_alert(self, event: Message) -> None:
        self.publish_stream("stderr", self._trust.text(str(event.content.get("message", ""))) + "\n")

    def finish_callback(self) -> None:
        """End a comm message's output, as an ``execute_reply`` ends a run's."""
        self._release_held()
        if self.display is not None:
            self._publisher.set_parent(self.request.idents, self.parent)
            ename = self._error_name
            interrupted = {"reason": "interrupted", "kept": True} if ename == "KeyboardInterrupt" else {}
            self.display.finish({"status": "error", "ename": ename, **interrupted} if ename else {"status": "ok"})
        self.end()

    async def _take_reply(self, event: Message) -> None:
        self._release_held()
        if self.display is not None:
            self.display.finish(event.content)
        self.end()
        if self._spool is not None and not self._shaper.omitted_bytes:
            # What its threads print from here on is counted, but a thousand outputs are not kept for their sake.
            self._spool.discard()
            self._spool = None

    _HANDLERS: ClassVar[dict[str, Callable[[RunOutput, Message], Awaitable[None]]]] = {
        "stream": _take_stream,
        "display_data": _take_bundle,
        "update_display_data": _take_bundle,
        "execute_result": _take_bundle,
        "clear_output": _take_clear_output,
        "error": _take_error,
        "input_request": _take_input_request,
        "alert": _take_alert,
        "silence": _take_silence,
        "execute_reply": _take_reply,
    }

    # ------------------------------------------------------------------ text

    def _send(self, texts: list[tuple[str, str]]) -> None:
        for name, text in texts:
            if text:
                self._cleared = None
                if self.display is not None:
                    self.display.before_text(text)
                self._publisher.publish("stream", {"name": name, "text": text}, self.parent)
        self._set_timer()

    def _set_timer(self) -> None:
        deadlines = [
            self._held_until,
            self._shaper.deadline,
            self.display.next_deadline() if self.display is not None else None,
        ]
        deadline = min((each for each in deadlines if each is not None), default=None)
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        try:
            self._do_what_is_due()
        except Exception as exc:  # noqa: BLE001 - what follows is shown nevertheless
            _log.exception("What was due could not be shown")
            self.tell_fault("text or progress", exc)
            self.display = None  # else it would be due again at once, for ever
        self._set_timer()

    def _do_what_is_due(self) -> None:
        now, self._cleared = time.monotonic(), None
        if self._held_until is not None and now >= self._held_until:
            self._release_held()
        if self._shaper.deadline is not None and now >= self._shaper.deadline:
            self.flush()
            if self._shaper.has_ended and self._shaper.owes_notice:
                self.end()
        if self.display is not None:
            self._publisher.set_parent(self.request.idents, self.parent)
            self.display.tick(now)
