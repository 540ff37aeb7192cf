"""The kernel: Jupyter's channels on one side, cells in a sandbox on the other.

One thread does it all, the main loop: no user code ever runs there, so that a completion, a widget or an interrupt is
never behind a cell. Only ``execute_request``\\ s wait for each other.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

import anyio.to_thread
import zmq

from ..config import HopxConfig
from ..loops import call_soon_threadsafe
from ..sandboxes.base import BaseSandbox
from .answers import Answers
from .channels import Channel
from .comms import Comms
from .execution import Cells
from .history import History, HistoryLimits
from .iopub import Iopub
from .own_comms import install_comms
from .requests import MalformedRequestError, Request, error_content
from .shaping import RateLimiter
from .stdin import Stdin
from .usage import Usage
from .wire import Wire

__all__ = ["HopxKernel"]

_log = logging.getLogger(__name__)

#: iopub messages that Jupyter Server does not count.
_UNCOUNTED = frozenset({"status", "comm_open", "execute_input"})

#: How long the first request waits for somebody to listen on iopub, in seconds. A client that was there before the
#: kernel tries each socket again after 0.1 to 0.2 s, and may come to shell before it comes to iopub: it would miss the
#: output of its first cell, and wait for the end of it for ever. On a busy machine that may be seconds later; who never
#: listens waits once.
_SUBSCRIPTION_SECONDS = 5.0

#: How long after it had to wait output counts as a flood: between two waits there is room for a moment.
_FLOOD_SECONDS = 0.25


class HopxKernel:
    """Jupyter's kernel protocol for cells that run in a sandbox.

    Parameters
    ----------
    options : HopxConfig
        The options.
    make_sandbox : callable
        Makes each sandbox; raises `SandboxStartError` or any error that says why it cannot.
    wire : Wire
        Packs and unpacks messages.
    sockets : dict of zmq.Socket
        The channels' sockets, bound; closed when `serve` returns.
    ports : dict
        The channels' ports, by the channels' names.
    behind_server : bool
        Whether a Jupyter Server's rate limits hold for this kernel.
    """

    def __init__(
        self,
        options: HopxConfig,
        make_sandbox: Callable[[], BaseSandbox],
        wire: Wire,
        sockets: dict[str, zmq.Socket[bytes]],
        ports: dict[str, int],
        behind_server: bool = False,
    ) -> None:
        self.options = options
        self.behind_server = behind_server
        self._make_sandbox = make_sandbox
        self._wire = wire
        self._sockets = sockets
        self._ports = ports
        self._topic = f"kernel.{uuid.uuid4()}."
        self._parent: dict[str, Any] = {}
        self._subshells: list[str] = []
        self._usage = Usage()
        self._aborting: set[str | None] = set()
        self._running: Request | None = None
        self._throttled_until = 0.0
        limited = behind_server
        self._limiter = RateLimiter(
            self.options.message_rate if limited else None, self.options.data_rate if limited else None
        )

    # ------------------------------------------------------------------ life

    async def serve(self) -> None:
        """Answer requests until a ``shutdown_request``. Runs in the main thread's loop."""
        self._main_loop = asyncio.get_running_loop()
        self._stopped = anyio.Event()
        self._execute_lock = anyio.Lock(fast_acquire=True)
        manager = install_comms(self._publish_own_comm)
        limits = HistoryLimits(self.options.history_limit, self.options.history_days)
        history = History(self.options.history_path(), limits)
        self._iopub = Iopub(self._sockets["iopub"], self._welcome)
        self._stdin = Stdin(self._wire, self._sockets["stdin"])
        self.cells = Cells(
            self.options,
            self,
            self._make_sandbox,
            ask=lambda request, prompt, password: self._stdin.ask(request.message, request.idents, prompt, password),
            give_up_question=self._stdin.give_up,
            history=history,
            behind_server=self.behind_server,
        )
        comms = Comms(self.cells, self, manager)
        self.answers = Answers(self.cells, comms, history, self, self.options, self._ports)
        async with anyio.create_task_group() as self._group:
            self._group.start_soon(self.cells.run, self._group)
            self._publish_status("starting", {})
            self._control = Channel(self._sockets["control"], self._take_control)
            with anyio.move_on_after(_SUBSCRIPTION_SECONDS):
                await self._iopub.subscribed.wait()
            self._shell = Channel(self._sockets["shell"], self._take_shell)
            await self._stopped.wait()
            self._group.cancel_scope.cancel()
        for channel in (self._control, self._shell, self._stdin, self._iopub):
            channel.close()

    def interrupt_from_signal(self) -> None:
        """Do what an ``interrupt_request`` does, without a reply; for a SIGINT that somebody sent after all."""
        if hasattr(self, "_group"):
            call_soon_threadsafe(self._main_loop, self._interrupt_first)

    def _interrupt_first(self) -> None:
        self._group.start_soon(self.cells.interrupt, self.cells.arrivals.first())

    # ------------------------------------------------------------------ iopub

    def publish(
        self,
        msg_type: str,
        content: dict[str, Any],
        parent: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        buffers: list[Any] | None = None,
    ) -> None:
        """See `Publisher`."""
        header, topic = self._wire.header(msg_type), (self._topic + msg_type).encode()
        frames = self._wire.pack(header, content, parent, idents=[topic], metadata=metadata, buffers=buffers or ())
        self._iopub.send(frames)
        if self.behind_server and msg_type not in _UNCOUNTED:
            size = len(content["text"].encode("utf-8", "replace")) + 1024 if msg_type == "stream" else 0
            self._limiter.count(time.monotonic(), size)

    def set_parent(self, ident: list[bytes], parent: dict[str, Any]) -> None:
        """See `Publisher`."""
        del ident  # of those that ask on the stdin channel, which a widget does not
        self._parent = parent

    def _publish_own_comm(
        self, msg_type: str, content: dict[str, Any], metadata: dict[str, Any] | None, buffers: list[Any] | None
    ) -> None:
        publish = partial(self.publish, msg_type, content, self._parent, metadata, buffers)
        if threading.current_thread() is threading.main_thread():
            publish()
        else:  # a widget that nobody closed is collected in whatever thread
            call_soon_threadsafe(self._main_loop, publish)

    def _publish_status(self, state: str, parent: dict[str, Any]) -> None:
        self.publish("status", {"execution_state": state}, parent)

    def _welcome(self, topic: bytes) -> None:
        """Tell a new subscriber that from here on it hears everything."""
        content = {"subscription": topic.decode("utf-8", "replace")}
        frames = self._wire.pack(self._wire.header("iopub_welcome"), content, {}, idents=[topic] if topic else ())
        self._iopub.send(frames)

    @property
    def is_throttled(self) -> bool:
        """See `Publisher`."""
        return time.monotonic() < self._throttled_until

    async def room(self) -> None:
        """See `Publisher`."""
        await self._iopub.wait_room()
        now = time.monotonic()
        if self.behind_server and (delay := self._limiter.delay(now)) > 0:
            self._throttled_until = now + delay + _FLOOD_SECONDS
            await anyio.sleep(delay)

    # ------------------------------------------------------------------ shell channel

    def _take_shell(self, frames: list[bytes]) -> None:
        """Take a message of the shell channel. What is for a subshell is answered here too: nothing blocks here."""
        request = self._read(frames)
        if request is None:
            return
        if request.subshell_id is not None and request.subshell_id not in self._subshells:
            self._refuse_subshell(request)
        else:
            if request.msg_type == "execute_request":
                self.cells.arrivals.arrive(request)
            self._group.start_soon(self._serve_shell, request)

    def _refuse_subshell(self, request: Request) -> None:
        """Answer a message to a subshell that is not there (any more)."""
        self._publish_status("busy", request.message)
        if request.msg_type.endswith("_request"):
            error = MalformedRequestError(f"there is no subshell {request.subshell_id!r:.80}")
            self._reply(self._shell, request, error_content(error))
        self._publish_status("idle", request.message)

    def _read(self, frames: list[bytes]) -> Request | None:
        """A message from its frames; None, and a line in the log, where it is not signed or not a message."""
        try:
            return Request(*self._wire.unpack(frames))
        except (ValueError, RecursionError, MemoryError) as exc:  # without a valid signature nobody may be answered
            _log.error("A message was thrown away: %s", exc)
            return None

    async def _serve_shell(self, request: Request) -> None:
        try:
            await self._dispatch(request)
        except Exception:  # noqa: BLE001 - one request must not end the task group, and with it the kernel
            _log.exception("%.80s could not be answered", request.msg_type)

    async def _dispatch(self, request: Request) -> None:
        if request.msg_type != "execute_request":
            await self._serve_on_shell(request)
            return
        async with self._execute_lock:
            try:
                if request.subshell_id in self._aborting:
                    self._abort(request)
                    return
                self._running = request
                await self._serve_on_shell(request)
            finally:
                self._running = None
                self.cells.arrivals.end(request.msg_id)
                self.cells.idle.tell()

    async def _serve_on_shell(self, request: Request) -> None:
        self._publish_status("busy", request.message)
        content = await self.answers.answer(request)
        if content is not None:
            if request.msg_type == "execute_request" and content.get("status") == "error":
                self._abort_queued(request)
            self._reply(self._shell, request, content)
        self._publish_status("idle", request.message)
        if request is not self._running:
            self._tell_busy()
        if _is_end(request, content):
            self._stopped.set()

    def _tell_busy(self) -> None:
        """Say once more that a cell runs: front ends show the last state that they heard of, whosever it was."""
        if self._running is not None:
            self._publish_status("busy", self._running.message)

    def _reply(
        self, channel: Channel, request: Request, content: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> None:
        header = self._wire.header(request.msg_type.removesuffix("_request") + "_reply")
        channel.send(self._wire.pack(header, content, request.message, idents=request.idents, metadata=metadata))

    # ------------------------------------------------------------------ stop_on_error

    def _abort(self, request: Request) -> None:
        self._publish_status("busy", request.message)
        self._reply(self._shell, request, {"status": "aborted"}, {"status": "aborted"})
        self._publish_status("idle", request.message)

    def _abort_queued(self, request: Request) -> None:
        """Abort the cells of its shell that have arrived when one fails, unless that one said not to or was silent.

        What a client sends after it has seen the reply is not aborted: the end is marked before the reply is sent.
        """
        content = request.message["content"]
        if not isinstance(content, dict) or content.get("silent") or not content.get("stop_on_error", True):
            return
        self._aborting.add(request.subshell_id)
        self._shell.drain()
        self._group.start_soon(self._stop_aborting, request.subshell_id)

    async def _stop_aborting(self, subshell_id: str | None) -> None:
        async with self._execute_lock:
            self._aborting.discard(subshell_id)

    # ------------------------------------------------------------------ control channel

    def _take_control(self, frames: list[bytes]) -> None:
        request = self._read(frames)
        if request is None:
            return
        if request.msg_type == "interrupt_request":
            # A Stop is for the cell that is at its turn now, which may be on its way from the other channel.
            if hasattr(self, "_shell"):
                self._shell.drain()
            self.cells.arrivals.bind(request)
        self._group.start_soon(self._serve_control, request)

    async def _serve_control(self, request: Request) -> None:
        try:
            await self._serve_on_control(request)
        except Exception:  # noqa: BLE001 - as on the other channel
            _log.exception("%.80s could not be answered", request.msg_type)

    async def _serve_on_control(self, request: Request) -> None:
        # None waits for another: a Stop of code that does not stop keeps nobody from shutting the kernel down.
        self._publish_status("busy", request.message)
        content = await self._answer_control(request)
        if content is not None:
            self._reply(self._control, request, content)
        self._publish_status("idle", request.message)
        self._tell_busy()
        if _is_end(request, content):
            self._stopped.set()

    async def _answer_control(self, request: Request) -> dict[str, Any] | None:
        own = self._CONTROL.get(request.msg_type)
        if own is None:
            return await self.answers.answer(request)
        try:
            request.check()
            return {"status": "ok", **await own(self, request)}
        except Exception as exc:  # noqa: BLE001 - a request that nobody answers hangs its front end
            _log.warning("%.80s failed: %s", request.msg_type, exc)
            return error_content(exc)

    async def _create_subshell(self, _: Request) -> dict[str, Any]:
        self._subshells.append(str(uuid.uuid4()))
        return {"subshell_id": self._subshells[-1]}

    async def _delete_subshell(self, request: Request) -> dict[str, Any]:
        subshell_id = request.get("subshell_id", str)
        if subshell_id not in self._subshells:
            raise MalformedRequestError(f"there is no subshell {subshell_id!r:.80}")
        self._subshells.remove(subshell_id)
        return {}

    async def _list_subshells(self, _: Request) -> dict[str, Any]:
        return {"subshell_id": self._subshells}

    async def _measure_usage(self, _: Request) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(self._usage.measure)

    #: Requests of the control channel alone.
    _CONTROL: ClassVar[dict[str, Callable[[HopxKernel, Request], Awaitable[dict[str, Any]]]]] = {
        "create_subshell_request": _create_subshell,
        "delete_subshell_request": _delete_subshell,
        "list_subshell_request": _list_subshells,
        "usage_request": _measure_usage,
    }


def _is_end(request: Request, content: dict[str, Any] | None) -> bool:
    """Whether the kernel ends with this answer: it does even where its end failed, but not for what was no request."""
    return request.msg_type == "shutdown_request" and (content or {}).get("ename") != MalformedRequestError.__name__
