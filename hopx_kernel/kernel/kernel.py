"""The kernel: Jupyter's channels on one side, cells in a sandbox on the other.

Three threads take messages (shell channel, control, iopub are ipykernel's), and one answers: the main loop, where no
user code ever runs, so that a completion, a widget or an interrupt is never behind a cell. Only ``execute_request``\\ s
wait for each other.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import anyio
import zmq
from ipykernel.kernelbase import Kernel
from jupyter_client.session import Session
from traitlets import Instance
from zmq.eventloop.zmqstream import ZMQStream

from .._version import __version__
from ..config import HopxConfig
from ..loops import call_soon_threadsafe
from ..sandboxes.base import BaseSandbox
from .answers import Answers
from .comms import Comms
from .crossing import Crossing
from .execution import Cells
from .history import History
from .iopub import Room
from .requests import MalformedRequestError, Request, error_content
from .shaping import RateLimiter
from .stdin import Stdin

__all__ = ["HopxKernel"]

_log = logging.getLogger(__name__)

#: iopub messages that Jupyter Server does not count.
_UNCOUNTED = frozenset({"status", "comm_open", "execute_input"})


class HopxKernel(Kernel):
    """Jupyter's kernel protocol for cells that run in a sandbox.

    Parameters
    ----------
    options : HopxConfig
        The options.
    make_sandbox : callable
        Makes each sandbox; raises `SandboxStartError` or any error that says why it cannot.
    behind_server : bool
        Whether a Jupyter Server's rate limits hold for this kernel.
    """

    implementation = "hopx_kernel"
    implementation_version = __version__
    options = Instance(HopxConfig)
    session: Session
    control_stream: ZMQStream
    behind_server = False

    def __init__(self, make_sandbox: Callable[[], BaseSandbox], behind_server: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.behind_server = behind_server
        self._make_sandbox = make_sandbox
        self._aborting = False
        self._running: Request | None = None
        limited = behind_server
        self._limiter = RateLimiter(
            self.options.message_rate if limited else None, self.options.data_rate if limited else None
        )

    # ------------------------------------------------------------------ life

    async def serve(self) -> None:
        """Answer requests until a ``shutdown_request``. Runs in the main thread's loop."""
        import comm

        self._main_loop = asyncio.get_running_loop()
        self._stopped = anyio.Event()
        self._execute_lock = anyio.Lock(fast_acquire=True)
        self._room = Room(self.iopub_thread, partial(call_soon_threadsafe, self._main_loop))
        stdin = Stdin(self.session, self.stdin_socket)
        self.comm_manager = comm.get_comm_manager()
        history = History(self.options.history_path())
        self.cells = Cells(
            self.options,
            self,
            self._make_sandbox,
            ask=lambda request, prompt, password: stdin.ask(request.message, request.idents, prompt, password),
            give_up_question=stdin.give_up,
            history=history,
            behind_server=self.behind_server,
        )
        comms = Comms(self.cells, self, self.comm_manager)
        self.answers = Answers(self.cells, comms, history, self, self.options, dict(self._recorded_ports))
        async with anyio.create_task_group() as self._group:
            self._crossing = Crossing(self._group)
            self._group.start_soon(self.cells.run, self._group)
            self.start()
            await self._stopped.wait()
            self._group.cancel_scope.cancel()

    def stop(self) -> None:
        """End `serve`, from any thread. The sandbox ends with it."""
        call_soon_threadsafe(self._main_loop, self._stopped.set)

    def interrupt_from_signal(self) -> None:
        """Do what an ``interrupt_request`` does, without a reply; for a SIGINT that somebody sent after all."""
        if hasattr(self, "_group"):
            call_soon_threadsafe(self._main_loop, self._group.start_soon, self.cells.interrupt)

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
        send = partial(self._send, self.iopub_socket, msg_type, parent=parent, ident=self._topic(msg_type))
        send(content, buffers=buffers, metadata=metadata)
        if self.behind_server and msg_type not in _UNCOUNTED:
            size = len(content["text"].encode("utf-8", "replace")) + 1024 if msg_type == "stream" else 0
            self._limiter.count(time.monotonic(), size)

    def _send(self, socket: Any, msg_type: str, content: Any, **options: Any) -> None:
        """Send a message; halves of surrogate pairs, which no UTF-8 can carry, become question marks."""
        try:
            self.session.send(socket, msg_type, content, **options)
        except UnicodeEncodeError:
            packed: Any = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
            self.session.send(socket, msg_type, packed, **{**options, "metadata": None})

    @property
    def is_throttled(self) -> bool:
        """See `Publisher`."""
        return self.behind_server and self._limiter.delay(time.monotonic()) > 0

    async def room(self) -> None:
        """See `Publisher`."""
        await self._room.wait()
        if self.behind_server and (delay := self._limiter.delay(time.monotonic())) > 0:
            await anyio.sleep(delay)

    # ------------------------------------------------------------------ shell channel

    async def shell_channel_thread_main(self, msg: list[Any]) -> None:
        """Take a message of the shell channel, in that channel's thread, to the main loop.

        Requests to every subshell are answered in the main loop: nothing blocks there, and the kernel's own widgets
        are touched by one thread only.
        """
        request = self._read(msg)
        if request is None:
            return
        try:
            self.shell_channel_thread.manager.get_shell_channel_to_subshell_pair(request.subshell_id)
        except KeyError:
            self._refuse_subshell(request)
            return
        call_soon_threadsafe(self._main_loop, self._group.start_soon, self._serve_shell, request)

    def _refuse_subshell(self, request: Request) -> None:
        """Answer, in the shell channel's thread, a message to a subshell that is not there (any more)."""
        self._publish_status("busy", "shell", request.message)
        if request.msg_type.endswith("_request"):
            error = MalformedRequestError(f"there is no subshell {request.subshell_id!r:.80}")
            self._reply(self.shell_stream, request, error_content(error))
        self._publish_status("idle", "shell", request.message)

    def _read(self, frames: list[Any]) -> Request | None:
        """A message from its frames; None, and a line in the log, where it is not signed or not a message."""
        assert self.session is not None
        try:
            idents, rest = self.session.feed_identities(frames, copy=False)
            message = self.session.deserialize(rest, content=True, copy=False)
            return Request(idents, message)
        except Exception as exc:  # noqa: BLE001 - without a valid signature nobody may be answered
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
            if self._aborting:
                self._abort(request)
                return
            self._running = request
            try:
                await self._serve_on_shell(request)
            finally:
                self._running = None

    async def _serve_on_shell(self, request: Request) -> None:
        socket = self.shell_channel_thread.manager.get_subshell_to_shell_channel_socket(None)
        self._publish_status("busy", "shell", request.message)
        content = await self.answers.answer(request)
        if content is not None:
            if request.msg_type == "execute_request" and content.get("status") == "error":
                await self._abort_queued(request)
            self._reply(socket, request, content)
        self._publish_status("idle", "shell", request.message)
        if request is not self._running:
            self._tell_busy()
        if request.msg_type == "shutdown_request":
            self._stopped.set()

    def _tell_busy(self) -> None:
        """Say once more that a cell runs: front ends show the last state that they heard of, whosever it was."""
        if self._running is not None:
            self._publish_status("busy", "shell", self._running.message)

    def _reply(self, socket: Any, request: Request, content: dict[str, Any], metadata: Any = None) -> None:
        reply_type = request.msg_type.removesuffix("_request") + "_reply"
        self._send(socket, reply_type, content, parent=request.message, ident=request.idents, metadata=metadata)

    # ------------------------------------------------------------------ stop_on_error

    def _abort(self, request: Request) -> None:
        socket = self.shell_channel_thread.manager.get_subshell_to_shell_channel_socket(None)
        self._publish_status("busy", "shell", request.message)
        self._reply(socket, request, {"status": "aborted"}, {"status": "aborted"})
        self._publish_status("idle", "shell", request.message)

    async def _abort_queued(self, request: Request) -> None:
        """Abort the cells that have arrived when one fails, unless that one said not to or was silent.

        What a client sends after it has seen the reply is not aborted: the end is marked before the reply is sent.
        """
        content = request.message["content"]
        if not isinstance(content, dict) or content.get("silent") or not content.get("stop_on_error", True):
            return
        self._aborting = True
        marked = anyio.Event()

        def mark_end() -> None:
            self._group.start_soon(self._stop_aborting)
            marked.set()

        if self.stop_on_error_timeout:
            self._main_loop.call_later(self.stop_on_error_timeout, mark_end)
            return
        # By way of the shell channel's thread, behind every request that it has already taken.
        self.shell_channel_thread.io_loop.add_callback(call_soon_threadsafe, self._main_loop, mark_end)
        await marked.wait()

    async def _stop_aborting(self) -> None:
        async with self._execute_lock:
            self._aborting = False

    # ------------------------------------------------------------------ control channel

    async def process_control(self, msg: list[Any]) -> None:
        """Answer a message of the control channel, in that channel's thread."""
        request = self._read(msg)
        if request is None:
            return
        self.set_parent(request.idents, request.message, channel="control")
        self._publish_status("busy", "control", request.message)
        content = await self._answer_control(request)
        if content is not None:
            self._reply(self.control_stream, request, content)
        self._publish_status("idle", "control", request.message)
        call_soon_threadsafe(self._main_loop, self._tell_busy)
        if request.msg_type == "shutdown_request":
            # The reply is with zmq before the socket is closed.
            self.control_stream.flush(zmq.POLLOUT)
            self.stop()

    async def _answer_control(self, request: Request) -> dict[str, Any] | None:
        own = self._CONTROL_THREAD.get(request.msg_type)
        try:
            if own is None:
                content: dict[str, Any] | None = await self._crossing.call(self.answers.answer, request)
                return content
            if request.msg_type == "delete_subshell_request":
                request.get("subshell_id", str)
            # ipykernel answers these itself, in this thread.
            result = own(self, self.control_stream, request.idents, request.message)
            if inspect.isawaitable(result):
                await result
        except Exception as exc:  # noqa: BLE001 - a request that nobody answers hangs its front end
            _log.warning("%.80s failed: %s", request.msg_type, exc)
            return error_content(exc)
        return None

    #: What needs the control thread: the sockets that subshells are made by, and a look at this process.
    _CONTROL_THREAD: ClassVar[dict[str, Callable[..., Any]]] = {
        "create_subshell_request": Kernel.create_subshell_request,
        "delete_subshell_request": Kernel.delete_subshell_request,
        "list_subshell_request": Kernel.list_subshell_request,
        "usage_request": Kernel.usage_request,
    }
