"""The interpreter process: takes requests from the supervisor, runs cells, sends events."""

from __future__ import annotations

import asyncio
import contextvars
import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from ..errors import LocalProtocolError, RemoteProtocolError
from ..protocol.frames import load_message
from ..protocol.messages import Message
from ..protocol.options import RunnerOptions
from . import limits, parents, progress, stand_in
from .base_shell import BaseShell, CellRequest, error_content
from .comms import Comms
from .fd_order import FdPipes, exit_now, guard_fds
from .forked import leave as leave_forked
from .interrupts import Interrupts
from .jsonable import safe_str
from .loop import drive, make_loop
from .outlet import Outlet
from .protection import confine_signals, give_way
from .questions import no_answer
from .runs import late
from .services import Services
from .shared_page import SharedPage
from .shared_text import SharedText
from .streams import OutputStream
from .usage import is_alone

__all__ = ["Interpreter"]


class Interpreter:
    """The forked child's life.

    Parameters
    ----------
    sock : socket.socket
        The channel to the supervisor.
    pipe_fds : tuple of int
        Write ends of the pipes behind fds 1 and 2.
    page, text : SharedPage, SharedText
        Shared with the supervisor.
    options : RunnerOptions
        The runner's.
    shell : BaseShell
        Built before the fork.
    """

    def __init__(
        self,
        sock: socket.socket,
        pipe_fds: Tuple[int, int],
        page: SharedPage,
        text: SharedText,
        options: RunnerOptions,
        shell: BaseShell,
    ) -> None:
        self._sock = sock
        self._options = options
        self._shell = shell
        self._interrupts = Interrupts(page)
        self._pipes = FdPipes(pipe_fds)
        self._outlet = Outlet(sock, self._interrupts, self._pipes.settle, page, text)
        self._outlet.memory_bytes = options.memory_bytes
        self._services = Services(self._outlet)
        self._comms = Comms(self._services)
        self._context = contextvars.copy_context()
        self._run: Optional[_RunClock] = None
        self._inbox: Deque[Message] = deque()
        self._cells: Deque[Message] = deque()
        self._queries: Dict[str, Callable[[Message], Dict[str, Any]]] = {
            "complete_request": self._complete,
            "inspect_request": self._inspect,
            "is_complete_request": self._is_complete,
            "comm_info_request": self._comm_info,
        }

    def run(self) -> None:
        """Serve until the supervisor goes away; never returns."""
        self._set_up()
        self._loop = make_loop(self._interrupts)
        threading.Thread(target=self._read, name="hopx-requests", daemon=True).start()
        self._outlet.pace.start()
        self._shell.activate(self._services)
        self._comms.install(self._shell)
        if self._options.beside:
            self._shell.open_beside(self._services)
        else:
            stand_in.refuse()
        self._outlet.send(Message("_ready"))
        while True:
            try:
                self._loop.run_forever()
            except (KeyboardInterrupt, SystemExit):
                continue  # of a callback that no cell waits for; the loop has reported it
            except OSError:
                leave()  # the loop's own descriptors were closed
            except MemoryError:
                limits.give_up()  # what the loop was about to do is lost

    def _set_up(self) -> None:
        gc.enable()
        self._interrupts.user_globals = self._shell.module.__dict__
        self._interrupts.explain = self._explain_interrupt
        self._interrupts.install()
        self._interrupts.guard_handlers()
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        faulthandler.enable(file=2, all_threads=False)  # the other threads are ours
        for name, fd in (("stdout", 1), ("stderr", 2)):
            stream = OutputStream(self._outlet, name, fd)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        self._services.install_stdin()
        os.register_at_fork(after_in_child=self._after_fork)
        guard_fds(self._outlet.flush)
        parents.inherit_in_threads()
        confine_signals()
        give_way()
        # Python 3.12 warns of every fork beside threads; those that a cell did not start are ours, and ready for it.
        warnings.filterwarnings("ignore", r"This process \(pid=\d+\) is multi-threaded", DeprecationWarning)
        limits.apply(self._options, is_alone())
        progress.install(
            self._services.emit,
            adapt=self._options.adapt_progress,
            count_interrupts=self._interrupts.count,
        )
        os.environ.update(self._options.env)
        _change_directory(self._options.cwd)
        sys.argv = [""]
        sys.path[0] = ""

    def _after_fork(self) -> None:
        self._interrupts.reset_after_fork()
        self._outlet.reset_after_fork()
        limits.reset_after_fork()
        self._services.allow_stdin = False
        faulthandler.disable()

    # ------------------------------------------------------------------ requests

    def _read(self) -> None:
        """The thread that reads requests, so that some are answered while the main thread runs a cell."""
        pending = bytearray()
        block = bytearray(1 << 16)
        try:
            while True:
                count = self._sock.recv_into(block)
                if not count:  # the supervisor is gone, and nobody is left to be told why this process ends
                    exit_now(1)
                limits.with_room(pending.extend, memoryview(block)[:count])
                if block.find(b"\n", 0, count) < 0:
                    continue
                *lines, pending = limits.with_room(pending.split, b"\n")
                for line in lines:
                    self._take_line(line)
        except OSError:
            return  # it was closed by user code, which the main thread comes to know
        except MemoryError:
            limits.give_up()

    def _take_line(self, line: bytearray) -> None:
        try:
            self._take(limits.with_room(_load, line))
        except (RemoteProtocolError, RuntimeError):
            return

    def _take(self, message: Message) -> None:
        if message.msg_type == "input_reply":
            self._services.take_input(message.parent_id, message.content["value"])
        elif message.msg_type == "_interrupt":
            self._interrupts.ask(message.content["number"])
        elif message.msg_type == "_environment":
            self._loop.call_soon_threadsafe(os.environ.update, message.content["env"])
        elif message.msg_type == "sandbox_reply":
            if self._services.beside is not None:
                self._services.beside.take(message)
        elif message.msg_type in self._queries and self._interrupts.code_runs and self._run is not None:
            self._answer(message)
        elif message.msg_type.startswith("comm_") and self._comms.is_control(message):
            # A page that was reloaded asks for all widgets; they are not to be missing until a cell has ended.
            self._comms.handle_control(message)
        else:
            limits.with_room(self._inbox.append, message)
            limits.with_room(self._loop.call_soon_threadsafe, self._dispatch)

    def _dispatch(self) -> None:
        """On the main thread, between and during cells as soon as the code lets it: take the next message, if there is one.

        Where there is no memory this is called, and a task made, more often than once for a message.
        """
        try:
            if self._cells:  # a task takes its first step later than what has been called soon
                limits.with_room(self._loop.call_soon, self._dispatch)
            elif self._inbox:
                self._handle(self._inbox.popleft())
        except MemoryError:
            limits.give_up()

    def _handle(self, message: Message) -> None:
        if message.msg_type == "execute_request":
            limits.with_room(self._cells.append, message)
            limits.with_room(self._start_cell)
            return
        is_query = message.msg_type in self._queries
        if is_query and self._interrupts.is_stop_behind:
            self._reply(message, {"status": "ok", **no_answer(message)})
            return
        self._interrupts.install()
        self._interrupts.code_runs, self._interrupts.asks = True, is_query
        try:
            if is_query:
                self._answer(message)
            else:
                self._comms.handle(message, idle=self._run is None)
        except KeyboardInterrupt:
            self._interrupts.code_runs = self._interrupts.asks = False
            if is_query:
                self._reply(message, {"status": "ok", **no_answer(message)})
        finally:
            self._interrupts.code_runs = self._interrupts.asks = False
            if not is_query:
                self._comms.tell_idle(message)

    # ------------------------------------------------------------------ running a cell

    def _start_cell(self) -> None:
        self._loop.create_task(self._execute())

    async def _execute(self) -> None:
        try:
            if self._cells:
                await self._run_cell(self._cells.popleft())
        except MemoryError:  # of ours: the code's own is its error
            limits.give_up()

    async def _run_cell(self, message: Message) -> None:
        parent_id = message.msg_id
        request, clock = limits.with_room(self._begin, message)
        try:
            content = await drive(self._shell.run(request), self._context, self._interrupts)
        except BaseException as exc:  # an interrupt that hit the shell's own code
            content = self._failed(exc, parent_id)
        finally:
            self._interrupts.cancel = None
            self._interrupts.end_run()
        if self._interrupts.is_forked:
            leave_forked(failed=content["status"] != "ok")
        limits.with_room(self._end, parent_id, content, clock)

    def _begin(self, message: Message) -> Tuple[CellRequest, _RunClock]:
        parent_id = message.msg_id
        request = CellRequest.from_content(message.content)
        clock = _RunClock(message.content.get("timeout_seconds"), message.content.get("started"))
        parents.set_last(parent_id)
        self._context.run(parents.current.set, parent_id)
        self._services.allow_stdin = request.allow_stdin
        self._shell.interrupted = False
        self._run = clock
        task = asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            self._shell.interrupted = True
            self._loop.call_soon_threadsafe(task.cancel)

        self._interrupts.cancel = cancel
        self._interrupts.begin_run(message.content["number"])
        self._comms.claim()
        self._interrupts.install()
        return request, clock

    def _end(self, parent_id: str, content: Dict[str, Any], clock: _RunClock) -> None:
        content.update(
            reason=clock.reason(content), stopped=True, kept=True, duration_seconds=time.monotonic() - clock.started
        )
        self._services.allow_stdin = False
        self._run = None
        progress.finish_run(parent_id)
        limits.flush_c_stdio()
        try:
            self._outlet.send(Message("execute_reply", content, parent_id=parent_id))
        except (LocalProtocolError, MemoryError) as exc:  # what user code has put into it is too much for one message
            self._outlet.send(Message("execute_reply", self._refused(content, exc, parent_id), parent_id=parent_id))
        self._pipes.restore()

    def _refused(self, content: Dict[str, Any], exc: Exception, parent_id: str) -> Dict[str, Any]:
        """What is sent in place of a reply that cannot be sent: an error that says why, without the parts of the user's."""
        failed = self._failed(exc, parent_id)
        return {**content, **failed, "reason": "raised"}

    def _failed(self, exc: BaseException, parent_id: str) -> Dict[str, Any]:
        error = limits.with_room(_content_of, exc)
        self._services.emit("error", error, parent_id=parent_id)
        return {"status": "error", **error, **limits.told(exc), "user_expressions": {}, "payload": []}

    def _explain_interrupt(self) -> str:
        run = self._run
        if run is None or not run.is_late():
            return ""
        return f"the {late(run.timeout_seconds)}"

    # ------------------------------------------------------------------ queries

    def _answer(self, message: Message) -> None:
        with limits.room():
            try:
                content = self._queries[message.msg_type](message)
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # an exit too: of an object of the user's that was asked for its names
                evalue = " ".join(filter(None, (safe_str(exc), limits.explain(exc))))
                content = {"status": "error", "ename": type(exc).__name__, "evalue": evalue, "traceback": []}
            try:
                self._reply(message, content)
            except LocalProtocolError as exc:  # it is too large
                content = {"status": "error", "ename": type(exc).__name__, "evalue": str(exc), "traceback": []}
                self._reply(message, content)

    def _reply(self, query: Message, content: Dict[str, Any]) -> None:
        reply = query.msg_type.replace("_request", "_reply")
        self._outlet.send(Message(reply, content, parent_id=query.msg_id))

    def _complete(self, message: Message) -> Dict[str, Any]:
        code, cursor_pos, own = message.content["code"], message.content["cursor_pos"], message.content.get("own")
        if own is None:
            return self._shell.complete(code, cursor_pos)
        from ..library.inside.names import complete_own

        matches = complete_own(own, code[:cursor_pos], self._shell.module.__dict__)
        return {"status": "ok", "matches": matches, "cursor_start": 0, "cursor_end": cursor_pos, "metadata": {}}

    def _inspect(self, message: Message) -> Dict[str, Any]:
        content = message.content
        level = content.get("detail_level", 0)
        omit: List[str] = [str(name) for name in content.get("omit_sections") or ()]
        return self._shell.inspect(content["code"], content["cursor_pos"], 1 if level else 0, omit)

    def _is_complete(self, message: Message) -> Dict[str, Any]:
        status, indent = self._shell.is_complete(message.content["code"])
        return {"status": status, "indent": indent} if status == "incomplete" else {"status": status}

    def _comm_info(self, message: Message) -> Dict[str, Any]:
        return {"status": "ok", "comms": self._comms.info(message.content.get("target_name"))}


class _RunClock:
    """When the present run began, and when it has to end."""

    def __init__(self, timeout_seconds: object, started: object) -> None:
        # The supervisor's own beginning: by another, its deadline would come before ours and look like an interrupt.
        self.started = started if isinstance(started, float) else time.monotonic()
        self.timeout_seconds = timeout_seconds if isinstance(timeout_seconds, (int, float)) else None

    def is_late(self) -> bool:
        return self.timeout_seconds is not None and time.monotonic() - self.started >= self.timeout_seconds

    def reason(self, content: Dict[str, Any]) -> str:
        if content["status"] == "ok":
            return "completed"
        if content.get("ename") != "KeyboardInterrupt":
            return "raised"
        return "timeout" if self.is_late() else "interrupted"


def _load(line: bytearray) -> Message:
    return load_message(bytes(line))


def _content_of(exc: BaseException) -> Dict[str, Any]:
    name = type(exc).__name__
    evalue = "\n".join(filter(None, (safe_str(exc), limits.explain(exc))))
    return error_content(name, evalue, [f"{name}: {evalue}"])


def leave() -> None:
    """End as a process whose connection is gone; the supervisor knows what it means."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.raise_signal(signal.SIGPIPE)  # `os.kill` would flush what cannot be sent any more


def _change_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as exc:
        sys.stderr.write(f"The working directory {path} cannot be used ({exc}); this is {os.getcwd()}.\n")
