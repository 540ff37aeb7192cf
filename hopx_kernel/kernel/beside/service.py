"""Takes what the sandbox says in the magic's name, and lets a thread for each use do it. Runs in the main loop."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
from anyio.abc import TaskGroup

from ...config import HopxConfig
from ...errors import HopxKernelError, SandboxError, SandboxLostError
from ...protocol import Message
from ..crossing import Crossing
from ..output import RunOutput
from .use import Begin, Use

if TYPE_CHECKING:
    from ...magics.registry import Registry

__all__ = ["Ask", "Beside"]

#: Uses of the magic that go on at one time, those in the background among them: each has a thread.
MAX_USES = 32

#: Refusals that wait to be sent.
MAX_REFUSALS = 100

#: How long the end of the sandboxes may take, in seconds; what is left then dies with this process.
KILL_TIMEOUT_SECONDS = 5.0

_MAX_ID_CHARACTERS = 100
_LINE = re.compile(r"\s*(%?%sandbox\s.*)")

_log = logging.getLogger(__name__)

#: Puts an ``input_request``'s content to the person at a cell; None where there is no answer.
Ask = Callable[[RunOutput, dict[str, Any]], Awaitable["str | None"]]


class Beside:
    """The sandboxes beside the kernel's own, and who uses them.

    Parameters
    ----------
    options : HopxConfig
        The kernel's.
    send : async callable
        Sends a message to the kernel's own sandbox.
    ask : async callable
        Asks the person at a cell.
    """

    def __init__(self, options: HopxConfig, send: Callable[[Message], Awaitable[None]], ask: Ask) -> None:
        self._options = options
        self._send = send
        self._ask = ask
        self._uses: dict[str, Use] = {}
        self._crossing: Crossing | None = None
        self._registry: Registry | None = None
        self._registry_lock = threading.Lock()
        self._refusals = 0
        self._is_closed = False

    def start(self, group: TaskGroup) -> None:
        """Take up work; tasks belong to `group`."""
        self._crossing = Crossing(group)

    def take(self, event: Message, output: RunOutput | None) -> None:
        """Take a ``sandbox_request`` of the cell with this output. Never waits, and never raises."""
        handler = self._ACTIONS.get(event.content["action"])
        if handler is None:
            _log.warning("A sandbox_request has the unknown action %.80r", event.content["action"])
        else:
            handler(self, event, output)

    def abandon(self) -> None:
        """Stop what is going on for the magics: the interpreter that they were used in is gone. Sandboxes stay."""
        for use in list(self._uses.values()):
            if not use.is_gone:
                self._submit(use.interrupt)
            use.leave(SandboxLostError("the interpreter that used %sandbox is gone"))

    async def close(self) -> None:
        """End every sandbox, for good."""
        self._is_closed = True
        self.abandon()
        registry = self._registry
        if registry is None:
            return
        from ...library import bridge

        with anyio.move_on_after(KILL_TIMEOUT_SECONDS):
            async with anyio.create_task_group() as group:
                for named in registry:
                    group.start_soon(bridge.call_async, named.sandbox._owner.kill)

    # ------------------------------------------------------------------ actions

    def _begin(self, event: Message, output: RunOutput | None) -> None:
        magic_id = event.content["magic_id"]
        try:
            use = self._make_use(magic_id, event, output)
        except SandboxError as exc:
            _log.warning("A use of %%sandbox was refused: %s", exc)
            if magic_id not in self._uses:
                self._refuse(magic_id, type(exc).__name__, str(exc))
            return
        self._uses[magic_id] = use
        threading.Thread(target=self._work, args=(use,), name="hopx-beside", daemon=True).start()

    def _make_use(self, magic_id: str, event: Message, output: RunOutput | None) -> Use:
        if self._is_closed:
            raise SandboxError("the kernel is shutting down")
        if output is None:
            raise SandboxError("%sandbox was used for a request that is forgotten")
        if magic_id in self._uses or len(magic_id) > _MAX_ID_CHARACTERS:
            raise SandboxError("the id of the use is taken, or too long")
        if len(self._uses) >= MAX_USES:
            raise SandboxError(f"%sandbox is in use {MAX_USES} times already; wait for a run in the background")
        return Use(magic_id, Begin.read(event.content), output, self._tell)

    def _answer(self, event: Message, _: RunOutput | None) -> None:
        use = self._uses.get(event.content["magic_id"])
        if use is not None:
            use.take_answer(event)

    def _interrupt(self, event: Message, _: RunOutput | None) -> None:
        magic_id = event.content["magic_id"]
        use = self._uses.get(magic_id)
        if use is None:  # the end is on its way, or got lost in the interrupt
            self._refuse(magic_id, "KeyboardInterrupt", "")
        elif use.is_first(event):
            self._submit(self._interrupt_use, use)

    async def _interrupt_use(self, use: Use) -> None:
        try:
            outcome = await use.interrupt()
        except HopxKernelError as exc:
            _log.info("An interrupt came too late: %s", exc)
            outcome = {"status": "ok", "stopped": True, "kept": False}
        finally:
            number = use.on_its_way.pop("interrupt")
        told = {key: outcome.get(key) for key in ("status", "stopped", "kept", "evalue")}
        self._tell({"magic_id": use.magic_id, "action": "interrupted", "number": number, **told}, ())

    def _output(self, event: Message, _: RunOutput | None) -> None:
        use = self._uses.get(event.content["magic_id"])
        if use is not None and use.is_first(event):
            self._submit(self._tell_output, use)

    async def _tell_output(self, use: Use) -> None:
        """Answer the last request; a new one is taken when this has left, so that one output waits at a time."""
        number = None
        try:
            while number != use.on_its_way["output"]:
                number = use.on_its_way["output"]
                content = {"magic_id": use.magic_id, "action": "output", "number": number}
                await self._send(Message("sandbox_reply", content, buffers=use.written()))
        finally:
            use.on_its_way.pop("output")

    def _leave(self, event: Message, _: RunOutput | None) -> None:
        use = self._uses.get(event.content["magic_id"])
        if use is not None and not use.is_gone:
            self._submit(use.interrupt)
            use.leave(SandboxError("interrupted"))

    _ACTIONS: ClassVar[dict[str, Callable[[Beside, Message, RunOutput | None], None]]] = {
        "begin": _begin,
        "answer": _answer,
        "interrupt": _interrupt,
        "output": _output,
        "leave": _leave,
    }

    # ------------------------------------------------------------------ work

    def _submit(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Future[Any]:
        assert self._crossing is not None
        return self._crossing.submit(function, *args)

    def _tell(self, content: dict[str, Any], buffers: tuple[bytes, ...]) -> Future[None]:
        return self._submit(self._send, Message("sandbox_reply", content, buffers=buffers))

    def _refuse(self, magic_id: str, ename: str, evalue: str) -> None:
        """End a use that is not there; whoever begins many and reads no answer gets none."""
        if self._refusals >= MAX_REFUSALS:
            return
        self._refusals += 1

        async def tell() -> None:
            try:
                await self._send(Message("sandbox_reply", _error(magic_id, ename, evalue)))
            finally:
                self._refusals -= 1

        self._submit(tell)

    def _work(self, use: Use) -> None:
        """In a thread of its own: do what a use says."""
        from .door import KernelDoor, serve

        assert self._crossing is not None
        end = serve(KernelDoor(use, self._crossing, self._ask), self._get_registry())
        self._submit(self._finish, use, end)

    def _get_registry(self) -> Registry:
        from ...magics.registry import Registry
        from .maker import KernelMaker

        with self._registry_lock:
            if self._registry is None:
                self._registry = Registry(KernelMaker(self._options))
            return self._registry

    async def _finish(self, use: Use, end: dict[str, Any]) -> None:
        self._uses.pop(use.magic_id, None)
        try:
            content = {"magic_id": use.magic_id, "action": "end", **end}
            await self._send(Message("sandbox_reply", content, buffers=use.written()))
        except SandboxLostError as exc:
            _log.info("The end of %%sandbox was not told: %s", exc)
        except HopxKernelError as exc:  # it is too large to be sent
            await self._send(Message("sandbox_reply", _error(use.magic_id, type(exc).__name__, str(exc))))

    # ------------------------------------------------------------------ completion

    async def complete(
        self, code: str, position: int, request: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any] | None:
        """The content of a ``complete_reply`` where the cursor is on a line of the magic, else None.

        `request` asks the interpreter about what is its own.
        """
        before = code[:position]
        match = _LINE.fullmatch(before.rpartition("\n")[2])
        if match is None or (match[1].startswith("%%") and "\n" in before.lstrip()):
            return None
        word, found = await anyio.to_thread.run_sync(partial(self._find_candidates, match[1]))
        if isinstance(found, str):
            reply = await request("complete_request", {"code": word, "cursor_pos": len(word), "own": found})
            matches = reply.get("matches")
            found = [match for match in matches if isinstance(match, str)] if isinstance(matches, list) else []
        start = len(before) - len(word)
        content = {"matches": found, "cursor_start": start, "cursor_end": len(before), "metadata": {}}
        return {"status": "ok", **content}

    def _find_candidates(self, line: str) -> tuple[str, list[str] | str]:
        from ...magics.completion import find_candidates

        return find_candidates(self._get_registry(), line)


def _error(magic_id: str, ename: str, evalue: str) -> dict[str, Any]:
    content = {"status": "error", "ename": ename, "evalue": evalue, "traceback": []}
    return {"magic_id": magic_id, "action": "end", **content}
