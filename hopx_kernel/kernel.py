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
import platform
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar

import anyio
import zmq
from ipykernel.kernelbase import Kernel
from jupyter_client.session import Session
from traitlets import Instance
from zmq.eventloop.zmqstream import ZMQStream

from ._version import __version__
from .comms import Comms
from .config import HopxConfig
from .errors import HopxKernelError
from .execution import Cells, python_version
from .history import History
from .iopub import Room
from .requests import MalformedRequestError, Request, error_content
from .sandboxes.base import BaseSandbox
from .shaping import RateLimiter
from .stdin import Stdin

__all__ = ["HopxKernel"]

_log = logging.getLogger(__name__)

Answer = Callable[["HopxKernel", Request], Awaitable["dict[str, Any] | None"]]

#: iopub messages that Jupyter Server does not count.
_UNCOUNTED = frozenset({"status", "comm_open", "execute_input"})

HELP_LINKS = [
    {"text": "Python Reference", "url": f"https://docs.python.org/{platform.python_version()[:4].rstrip('.')}"},
    {"text": "IPython Reference", "url": "https://ipython.org/documentation.html"},
    {"text": "HopX Reference", "url": "https://docs.hopx.ai"},
]


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
        self._room = Room(self.iopub_thread, self._main_loop.call_soon_threadsafe)
        stdin = Stdin(self.session, self.stdin_socket)
        self.comm_manager = comm.get_comm_manager()
        self._history = History(self.options.history_path())
        self.cells = Cells(
            self.options,
            self,
            self._make_sandbox,
            ask=lambda request, prompt, password: stdin.ask(request.message, request.idents, prompt, password),
            give_up_question=stdin.give_up,
            history=self._history,
            behind_server=self.behind_server,
        )
        self.comms = Comms(self.cells, self, self.comm_manager)
        async with anyio.create_task_group() as self._group:
            self._group.start_soon(self.cells.run, self._group)
            self.start()
            await self._stopped.wait()
            self._group.cancel_scope.cancel()

    def stop(self) -> None:
        """End `serve`, from any thread. The sandbox ends with it."""
        self._main_loop.call_soon_threadsafe(self._stopped.set)

    def interrupt_from_signal(self) -> None:
        """Do what an ``interrupt_request`` does, without a reply; for a SIGINT that somebody sent after all."""
        if hasattr(self, "_group"):
            self._main_loop.call_soon_threadsafe(self._group.start_soon, self.cells.interrupt)

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
        self._main_loop.call_soon_threadsafe(self._group.start_soon, self._serve_shell, request)

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
            await self._serve_on_shell(request)

    async def _serve_on_shell(self, request: Request) -> None:
        socket = self.shell_channel_thread.manager.get_subshell_to_shell_channel_socket(None)
        self._publish_status("busy", "shell", request.message)
        content = await self._answer(request)
        if content is not None:
            if request.msg_type == "execute_request" and content.get("status") == "error":
                await self._abort_queued(request)
            self._reply(socket, request, content)
        self._publish_status("idle", "shell", request.message)
        if request.msg_type == "shutdown_request":
            self._stopped.set()

    def _reply(self, socket: Any, request: Request, content: dict[str, Any], metadata: Any = None) -> None:
        reply_type = request.msg_type.removesuffix("_request") + "_reply"
        self._send(socket, reply_type, content, parent=request.message, ident=request.idents, metadata=metadata)

    async def _answer(self, request: Request) -> dict[str, Any] | None:
        """The content of the reply, of whatever kind; None for a message that has none. Never raises."""
        handler = self._ANSWERS.get(request.msg_type)
        try:
            if handler is None:
                if not request.msg_type.endswith("_request"):
                    _log.warning("A message of the unknown type %.80r was thrown away", request.msg_type)
                    return None
                raise MalformedRequestError(f"this kernel does not know {request.msg_type[:80]!r}")
            return await handler(self, request)
        except (MalformedRequestError, HopxKernelError) as exc:
            _log.info("%.80s: %s", request.msg_type, exc)
            return error_content(exc) if request.msg_type.endswith("_request") else None
        except Exception as exc:  # noqa: BLE001 - a request that nobody answers hangs its front end
            _log.exception("%.80s failed", request.msg_type)
            return error_content(exc) if request.msg_type.endswith("_request") else None

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
        self.shell_channel_thread.io_loop.add_callback(self._main_loop.call_soon_threadsafe, mark_end)
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
        if request.msg_type == "shutdown_request":
            # The reply is with zmq before the socket is closed.
            self.control_stream.flush(zmq.POLLOUT)
            self.stop()

    async def _answer_control(self, request: Request) -> dict[str, Any] | None:
        own = self._CONTROL_THREAD.get(request.msg_type)
        try:
            if own is None:
                content: dict[str, Any] | None = await self._cross(self._answer, request)
                return content
            if request.msg_type == "delete_subshell_request":
                request.get("subshell_id", str)
            # ipykernel answers these itself, in this thread.
            result = own(self, self.control_stream, request.idents, request.message)
            if inspect.isawaitable(result):
                await result
        except Exception as exc:  # noqa: BLE001 - as in `_answer`
            _log.warning("%.80s failed: %s", request.msg_type, exc)
            return error_content(exc)
        return None

    async def _cross(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Await a coroutine function in the main loop, from the loop of another thread."""
        future: Future[Any] = Future()

        async def call() -> None:
            try:
                future.set_result(await function(*args))
            except BaseException as exc:
                future.set_exception(exc if isinstance(exc, Exception) else RuntimeError("the kernel is shutting down"))
                raise

        self._main_loop.call_soon_threadsafe(self._group.start_soon, call)
        return await asyncio.wrap_future(future)

    # ------------------------------------------------------------------ answers

    @property
    def language_info(self) -> dict[str, object]:  # type: ignore[override]
        """Python, in the sandbox's version."""
        session = self.cells.keeper.current if hasattr(self, "cells") else None
        version = python_version(session)
        return {
            "name": "python",
            "version": version,
            "mimetype": "text/x-python",
            "codemirror_mode": {"name": "ipython", "version": int(version.partition(".")[0])},
            "pygments_lexer": "ipython3",
            "nbconvert_exporter": "python",
            "file_extension": ".py",
        }

    @property
    def banner(self) -> str:  # type: ignore[override]
        """What a console shows first."""
        kind = self.options.kind
        place = f"in a {kind} sandbox" if kind != "process" else "in a plain process: not isolated"
        return f"Python {self.language_info['version']} {place} (hopx_kernel {__version__})"

    @property
    def kernel_info(self) -> dict[str, Any]:
        """The content of a ``kernel_info_reply``; never waits for the sandbox."""
        return {
            "protocol_version": "5.4",
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
            "help_links": HELP_LINKS,
            "debugger": False,
            "supported_features": ["kernel subshells"],
        }

    async def _answer_kernel_info(self, request: Request) -> dict[str, Any]:
        return {"status": "ok", **self.kernel_info}

    async def _answer_execute(self, request: Request) -> dict[str, Any]:
        return await self.cells.execute(request)

    async def _answer_complete(self, request: Request) -> dict[str, Any]:
        code = request.get("code", str)
        position = request.get("cursor_pos", int, len(code))
        return await self.cells.request("complete_request", {"code": code, "cursor_pos": position})

    async def _answer_inspect(self, request: Request) -> dict[str, Any]:
        code = request.get("code", str)
        content = {
            "code": code,
            "cursor_pos": request.get("cursor_pos", int, len(code)),
            "detail_level": request.get("detail_level", int, 0),
            "omit_sections": [str(section) for section in request.get("omit_sections", list, [])],
        }
        reply = await self.cells.request("inspect_request", content)
        if isinstance(reply.get("data"), dict):
            reply["data"], _ = self.cells.trust.bundle(reply["data"], {})
        return reply

    async def _answer_is_complete(self, request: Request) -> dict[str, Any]:
        return await self.cells.request("is_complete_request", {"code": request.get("code", str)})

    async def _answer_history(self, request: Request) -> dict[str, Any]:
        content = {"output": False, "raw": True, **request.content}
        request.get("hist_access_type", str)
        try:
            entries = await asyncio.wrap_future(self._history.request(content))
        except (ValueError, TypeError, KeyError) as exc:
            raise MalformedRequestError(f"history_request: {exc}") from exc
        return {"status": "ok", "history": entries}

    async def _answer_comm_info(self, request: Request) -> dict[str, Any]:
        target: str | None = request.get("target_name", (str, type(None)), None)
        return {"status": "ok", "comms": self.comms.info(target)}

    async def _answer_connect(self, request: Request) -> dict[str, Any]:
        return {"status": "ok", **self._recorded_ports}

    async def _answer_interrupt(self, request: Request) -> dict[str, Any]:
        return await self.cells.interrupt()

    async def _answer_shutdown(self, request: Request) -> dict[str, Any]:
        restart = request.get("restart", bool, False)
        content = {"status": "ok", "restart": restart}
        await self.cells.close()
        self.publish("shutdown_reply", content, request.message)
        return content

    async def _take_comm_open(self, request: Request) -> None:
        await self.comms.comm_open(request)

    async def _take_comm_msg(self, request: Request) -> None:
        await self.comms.comm_msg(request)

    async def _take_comm_close(self, request: Request) -> None:
        await self.comms.comm_close(request)

    _ANSWERS: ClassVar[dict[str, Answer]] = {
        "execute_request": _answer_execute,
        "complete_request": _answer_complete,
        "inspect_request": _answer_inspect,
        "is_complete_request": _answer_is_complete,
        "history_request": _answer_history,
        "kernel_info_request": _answer_kernel_info,
        "comm_info_request": _answer_comm_info,
        "connect_request": _answer_connect,
        "interrupt_request": _answer_interrupt,
        "shutdown_request": _answer_shutdown,
        "comm_open": _take_comm_open,
        "comm_msg": _take_comm_msg,
        "comm_close": _take_comm_close,
    }

    #: What needs the control thread: the sockets that subshells are made by, and a look at this process.
    _CONTROL_THREAD: ClassVar[dict[str, Callable[..., Any]]] = {
        "create_subshell_request": Kernel.create_subshell_request,
        "delete_subshell_request": Kernel.delete_subshell_request,
        "list_subshell_request": Kernel.list_subshell_request,
        "usage_request": Kernel.usage_request,
    }
