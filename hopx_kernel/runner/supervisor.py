"""The supervisor: one thread that never blocks, between the host and the interpreter.

It owns the transport, the log of events, the queue of runs, deadlines, limits and heartbeats, and reports truthfully
whatever becomes of the interpreter.
"""

from __future__ import annotations

import json
import os
import platform
import select
import signal
import socket
import sys
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional

from ..errors import ProtocolError
from ..protocol.connection import RunnerConnection
from ..protocol.frames import dump_message, load_message
from ..protocol.messages import REPLIES, Message, Role, check_message
from ..protocol.options import RunnerOptions
from .fd_text import FdPipe, TextJoiner
from .host_link import HostLink
from .interpreter_process import ChildMain, InterpreterProcess, describe_status
from .poller import Poller
from .runs import Death, Interrupt, Run, died_contents
from .usage import is_alone, kill_all
from .watch import Watch

__all__ = ["Supervisor"]

#: Bytes that may be unacknowledged before nothing more is taken from the interpreter, and by how much an interrupt
#: raises it, so that an interpreter that is blocked in a write can come to its end.
FULL_BYTES, ROOM_BYTES = 8 << 20, 8 << 20

#: How long the interpreter may take to answer a question before the supervisor says that there is no answer.
QUERY_SECONDS = 3.0

#: How long an interpreter may live on after its channel was closed, in seconds.
CLOSED_SECONDS = 0.25

#: Comm messages that wait for an interpreter that starts; they are for widgets that are gone, so more are not kept.
MAX_WAITING_COMMS = 1000

#: How many interpreters in a row may die before they take requests; more would be a loop.
FAILED_STARTS = 3

_STREAM = b'{"msg_type":"stream","parent_id":"'

#: Answers to questions that a busy or dead interpreter leaves open.
_NO_ANSWER: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]] = {
    "complete_request": lambda content: {
        "status": "ok",
        "matches": [],
        "cursor_start": content["cursor_pos"],
        "cursor_end": content["cursor_pos"],
        "metadata": {},
    },
    "inspect_request": lambda content: {"status": "ok", "found": False, "data": {}, "metadata": {}},
    "is_complete_request": lambda content: {"status": "unknown"},
    "comm_info_request": lambda content: {"status": "ok", "comms": {}},
}


class Supervisor:
    """The runner's main loop.

    Parameters
    ----------
    link : HostLink
        The byte stream to the host.
    options : RunnerOptions
        What the host asked for.
    """

    def __init__(self, link: HostLink, options: RunnerOptions) -> None:
        self._link = link
        self._options = options
        self._connection = RunnerConnection()
        self._poller = Poller()
        self._interpreter: Optional[InterpreterProcess] = None
        self._child_main: Optional[ChildMain] = None
        self._generation = 0
        self._failed_starts = 0
        self._run: Optional[Run] = None
        self._queue: Deque[Run] = deque()
        self._last_parent = ""
        self._queries: Dict[str, tuple[Message, float]] = {}
        self._interrupts: List[Interrupt] = []
        self._restarts: List[str] = []
        self._waiting_comms: Deque[Message] = deque()
        self._death: Optional[Death] = None
        self._joiner = TextJoiner()
        self._room = 0
        self._paused = False
        self._closed_at = 0.0
        self._alone = is_alone()
        self._watch = Watch(options, self._alone)
        self._handlers: Dict[str, Callable[[Message], None]] = {
            "hello": self._on_hello,
            "execute_request": self._on_execute,
            "complete_request": self._on_query,
            "inspect_request": self._on_query,
            "is_complete_request": self._on_query,
            "comm_info_request": self._on_query,
            "input_reply": self._on_input,
            "comm_open": self._on_comm,
            "comm_msg": self._on_comm,
            "comm_close": self._on_comm,
            "interrupt_request": self._on_interrupt,
            "restart_request": self._on_restart,
            "shutdown_request": self._on_shutdown,
        }
        self._wake_reader, self._wake_writer = socket.socketpair()
        for sock in (self._wake_reader, self._wake_writer):
            sock.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(signum, signal.SIG_IGN)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        self._poller.set(link.reader, read=True)
        self._poller.set(self._wake_reader.fileno(), read=True)

    # ------------------------------------------------------------------ the loop

    def serve_briefly(self) -> None:
        """One turn without waiting: between the steps of the start."""
        self._turn(0.0)

    def serve(self, child_main: ChildMain) -> None:
        """Start the interpreter and serve until the host goes; never returns."""
        self._child_main = child_main
        self._start_interpreter()
        while True:
            self._turn(self._next_timer() - time.monotonic())

    def _turn(self, timeout: float) -> None:
        self._poller.set(self._link.writer, write=self._link.has_output)
        if self._interpreter is not None and not self._closed_at:
            # A request that its socket did not take whole goes on when there is room.
            sock = self._interpreter.sock.fileno()
            self._poller.set(sock, read=not self._paused, write=self._interpreter.has_output)
        for fd, _ in self._poller.poll(timeout):
            interpreter = self._interpreter
            if fd == self._link.reader:
                self._read_host()
            elif fd == self._wake_reader.fileno():
                self._reap()
            elif interpreter is not None and fd == interpreter.sock.fileno():
                self._read_interpreter()
                interpreter.flush()
            elif interpreter is not None:
                self._read_fd(fd)
        self._on_timers()
        if not self._link.flush():
            self._exit()
        self._set_paused()

    def _next_timer(self) -> float:
        now = time.monotonic()
        times = [now + 3600.0]
        run = self._run
        if run is not None:
            times += [at for at in (run.deadline, run.kill_at) if at is not None]
        times += [interrupt.until for interrupt in self._interrupts]
        times += [until for _, until in self._queries.values()]
        times.append(self._watch.next_time(run is not None))
        if self._closed_at:
            times.append(self._closed_at + CLOSED_SECONDS)
        if self._joiner.due is not None:
            times.append(self._joiner.due)
        if self._interpreter is not None and any(p.is_wide and p.can_narrow for p in self._interpreter.pipes):
            times.append(now + 0.05)
        return min(times)

    def _on_timers(self) -> None:
        now = time.monotonic()
        due = self._joiner.due
        if due is not None and now >= due:
            self._send_text(now)
        self._check_deadline(now)
        if self._closed_at and now - self._closed_at > CLOSED_SECONDS:
            evalue = "The interpreter's channel to its supervisor was closed; it was ended."
            self._end_interpreter(Death("died", "InterpreterDied", evalue))
        for interrupt in [one for one in self._interrupts if now >= one.until]:
            self._interrupts.remove(interrupt)
            evalue = f"the code did not stop within {self._options.interrupt_grace_seconds:g} s; a restart ends it"
            self._reply("interrupt_request", interrupt.msg_id, {"stopped": False, "kept": True, "evalue": evalue})
        for msg_id in [key for key, (_, until) in self._queries.items() if now >= until]:
            self._leave_unanswered(msg_id)
        self._watch_usage(now)
        interpreter = self._interpreter
        if interpreter is not None and not self._paused:
            for pipe in interpreter.pipes:
                if pipe.settle(now):
                    self._poller.set(pipe.reader, read=True, edge=True, again=True)

    def _exit(self) -> None:
        """The host is gone, or wants us to go: leave nothing behind."""
        kill_all(False)
        os._exit(0)

    # ------------------------------------------------------------------ the host

    def _send(self, msg_type: str, content: Dict[str, Any], parent_id: str = "") -> None:
        try:
            self._link.send(self._connection.send(Message(msg_type, content, parent_id=parent_id)))
        except ProtocolError as exc:
            self._link.send(self._connection.send(Message("protocol_error", {"evalue": str(exc)})))

    def _reply(self, request_type: str, msg_id: str, content: Dict[str, Any]) -> None:
        self._send(REPLIES[request_type], {"status": "ok", **content}, parent_id=msg_id)

    def _read_host(self) -> None:
        data = self._link.read()
        if data == b"":
            self._exit()
        if not data:
            return
        self._connection.receive_data(data)
        while True:
            try:
                message = self._connection.next_message()
                if message is None:
                    return
                self._handlers[message.msg_type](message)
            except ProtocolError as exc:
                self._send("protocol_error", {"evalue": str(exc)})

    def _on_hello(self, message: Message) -> None:
        info: Dict[str, Any] = {
            "pid": os.getpid(),
            "python_version": platform.python_version(),
            "implementation": sys.implementation.name,
            "ipython_version": self.ipython_version,
            "platform": sys.platform,
        }
        self._link.send(self._connection.answer_hello(message, info))

    #: The sandbox's IPython, ``""`` where it has none.
    ipython_version = ""

    def _on_execute(self, message: Message) -> None:
        self._queue.append(Run(message))
        self._start_next()

    def _on_query(self, message: Message) -> None:
        self._queries[message.msg_id] = (message, time.monotonic() + QUERY_SECONDS)
        if self._interpreter is not None and self._interpreter.is_ready:
            self._interpreter.send(dump_message(message))

    def _on_input(self, message: Message) -> None:
        if self._interpreter is not None:
            self._interpreter.send(dump_message(message))

    def _on_comm(self, message: Message) -> None:
        if self._interpreter is not None and self._interpreter.is_ready:
            self._last_parent = self._last_parent if self._run is not None else message.msg_id
            self._interpreter.send(dump_message(message))
        elif len(self._waiting_comms) < MAX_WAITING_COMMS:
            self._waiting_comms.append(message)
        else:
            self._send("status", {"execution_state": "idle"}, parent_id=message.msg_id)

    def _on_interrupt(self, message: Message) -> None:
        if self._interpreter is not None and self._interpreter.is_ready:
            self._room += ROOM_BYTES
            self._interpreter.interrupt()
        if self._run is None:
            self._reply("interrupt_request", message.msg_id, {"stopped": True, "kept": True})
            return
        until = time.monotonic() + self._options.interrupt_grace_seconds
        self._interrupts.append(Interrupt(message.msg_id, self._run, until))

    def _on_restart(self, message: Message) -> None:
        self._restarts.append(message.msg_id)
        self._failed_starts = 0
        if self._interpreter is None:
            if self._child_main is not None:
                self._start_interpreter()
            return
        self._end_interpreter(Death("restarted", "KernelRestarted", "The interpreter was restarted."))

    def _on_shutdown(self, message: Message) -> None:
        self._reply("shutdown_request", message.msg_id, {})
        os.set_blocking(self._link.writer, True)
        self._link.flush()
        self._exit()

    # ------------------------------------------------------------------ runs

    def _start_next(self) -> None:
        interpreter = self._interpreter
        if interpreter is None and self._queue and self._child_main is not None:
            self._failed_starts = 0
            self._start_interpreter()
            return
        if self._run is not None or not self._queue or interpreter is None or not interpreter.is_ready:
            return
        self._run = run = self._queue.popleft()
        run.start()
        self._last_parent = run.msg_id
        self._watch.start(run.started)
        interpreter.send(dump_message(run.request))

    def _check_deadline(self, now: float) -> None:
        run, interpreter = self._run, self._interpreter
        if run is None or interpreter is None:
            return
        if run.deadline is not None and now >= run.deadline:
            run.deadline, run.is_late = None, True
            run.kill_at = now + self._options.interrupt_grace_seconds
            self._room += ROOM_BYTES
            interpreter.interrupt()
        elif run.kill_at is not None and now >= run.kill_at:
            run.kill_at = None
            evalue = f"The run's limit of {run.timeout_seconds:g} s has passed, and the code did not stop; "
            self._end_interpreter(Death("timeout", "SandboxTimeoutError", evalue + "its interpreter was ended."))

    def _finish_run(self, content: Dict[str, Any]) -> None:
        run = self._run
        assert run is not None
        self._run = None
        self._room = 0
        self._watch.stop()
        self._send("execute_reply", content, parent_id=run.msg_id)
        answer = {"stopped": True, "kept": bool(content.get("kept"))}
        for interrupt in [one for one in self._interrupts if one.run is run]:
            self._interrupts.remove(interrupt)
            self._reply("interrupt_request", interrupt.msg_id, dict(answer))

    def _leave_unanswered(self, msg_id: str) -> None:
        message, _ = self._queries.pop(msg_id)
        self._reply(message.msg_type, msg_id, _NO_ANSWER[message.msg_type](message.content))

    # ------------------------------------------------------------------ the interpreter's output

    def _set_paused(self) -> None:
        paused = self._connection.unacknowledged_bytes >= FULL_BYTES + self._room
        if paused == self._paused:
            return
        self._paused = paused
        if self._interpreter is not None:
            self._watch_interpreter(self._interpreter)

    def _watch_interpreter(self, interpreter: InterpreterProcess) -> None:
        read = not self._paused
        self._poller.set(interpreter.sock.fileno(), read=read, write=interpreter.has_output)
        for pipe in interpreter.pipes:
            self._poller.set(pipe.reader, read=read, edge=not pipe.is_wide, again=True)

    def _read_interpreter(self) -> bool:
        """Take what the channel has; False when there was nothing."""
        interpreter = self._interpreter
        if interpreter is None or self._paused:
            return False
        try:
            lines, is_open = interpreter.receive()
        except ValueError:
            lines, is_open = [], False
        for line in lines:
            self._take_line(line)
        if not is_open and self._death is None:
            # Most often it is dying, and how it died is known in a moment.
            self._closed_at = self._closed_at or time.monotonic()
        self._poller.set(interpreter.sock.fileno(), read=is_open, write=is_open and interpreter.has_output)
        return bool(lines)

    def _take_line(self, line: bytes) -> None:
        now = time.monotonic()
        self._send_text(now)
        if self._run is not None:
            self._run.last_output = now
        if line.startswith(_STREAM):
            self._link.send(self._connection.send_line(line))
            return
        try:
            message = load_message(line)
            if message.msg_type == "_ready":
                self._on_ready()
                return
            fault = check_message(Role.RUNNER, message)
        except ProtocolError as exc:
            fault = str(exc)
        if fault is not None:
            evalue = f"The interpreter's channel to its supervisor was garbled ({fault}); it was ended."
            self._end_interpreter(Death("died", "InterpreterDied", evalue))
        elif message.msg_type == "execute_reply":
            self._on_reply(message)
        elif message.msg_type.endswith("_reply"):
            if self._queries.pop(message.parent_id, None) is not None:
                self._link.send(self._connection.send_line(line))
        else:
            self._link.send(self._connection.send_line(line))

    def _on_reply(self, message: Message) -> None:
        run = self._run
        if run is None or message.parent_id != run.msg_id or self._death is not None:
            return
        if run.is_late and message.content.get("reason") == "interrupted":
            message.content["reason"] = "timeout"
        self._finish_run(message.content)
        self._start_next()

    def _read_fd(self, fd: int) -> None:
        interpreter = self._interpreter
        if interpreter is None or self._paused:
            return
        # What was sent by the channel was sent before: its sender waits for the pipes to be empty.
        self._read_interpreter()
        if self._interpreter is not interpreter:
            return
        for pipe, other in (interpreter.pipes, interpreter.pipes[::-1]):
            if pipe.reader == fd:
                now = time.monotonic()
                self._take_text(pipe, pipe.read(now), now)
                if pipe.adapt(other, now):
                    self._poller.set(fd, read=True, edge=not pipe.is_wide, again=True)

    def _take_text(self, pipe: FdPipe, text: str, now: float) -> None:
        if not text:
            return
        if self._run is not None:
            self._run.last_output = now
        for name, part in self._joiner.add(pipe.name, text, now):
            self._send("stream", {"name": name, "text": part}, parent_id=self._last_parent)

    def _send_text(self, now: float) -> None:
        for name, part in self._joiner.take(now):
            self._send("stream", {"name": name, "text": part}, parent_id=self._last_parent)

    # ------------------------------------------------------------------ the interpreter's life

    def _start_interpreter(self) -> None:
        assert self._child_main is not None
        self._generation += 1
        self._death = None
        self._closed_at = 0.0
        self._interpreter = interpreter = InterpreterProcess(self._generation, self._child_main)
        self._send("interpreter_started", {"pid": interpreter.pid, "generation": self._generation})
        self._watch_interpreter(interpreter)

    def _on_ready(self) -> None:
        interpreter = self._interpreter
        assert interpreter is not None
        interpreter.is_ready = True
        self._failed_starts = 0
        for msg_id in self._restarts:
            self._reply("restart_request", msg_id, {})
        self._restarts.clear()
        for message, _ in self._queries.values():
            interpreter.send(dump_message(message))
        while self._waiting_comms:
            interpreter.send(dump_message(self._waiting_comms.popleft()))
        self._start_next()

    def _end_interpreter(self, death: Death) -> None:
        """Kill the interpreter; the rest follows when it has died."""
        if self._interpreter is None:
            return
        if self._death is None:
            self._death = death
        self._interpreter.kill()

    def _reap(self) -> None:
        try:
            self._wake_reader.recv(4096)
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self._interpreter is not None and pid == self._interpreter.pid:
                self._bury(status)

    def _bury(self, status: int) -> None:
        """The interpreter has died: deliver what it left, say why it died, start the next one."""
        interpreter = self._interpreter
        assert interpreter is not None
        self._drain(interpreter)
        text, signal_name, exit_code = describe_status(status)
        death = self._death or Death("died", "InterpreterDied", f"The interpreter {text}; variables are lost.")
        was_ready = interpreter.is_ready
        self._failed_starts += 0 if was_ready else 1
        self._interpreter = None
        for fd in (interpreter.sock.fileno(), *(pipe.reader for pipe in interpreter.pipes)):
            self._poller.forget(fd)
        interpreter.kill()
        kill_all(False)
        interpreter.close()
        if self._run is not None:
            self._fail_run(self._run, death)
        if death.reason == "restarted":
            while self._queue:
                self._fail_run(self._queue.popleft(), death)
        for msg_id in list(self._queries):
            self._leave_unanswered(msg_id)
        cause = {"signal": signal_name} if signal_name is not None else {"exit_code": exit_code}
        self._send("interpreter_died", {"reason": death.reason, "evalue": death.evalue, **cause})
        if self._failed_starts < FAILED_STARTS:
            self._start_interpreter()
            return
        while self._queue:
            self._fail_run(self._queue.popleft(), death)
        for msg_id in self._restarts:
            self._send("restart_reply", {"status": "error", "evalue": death.evalue}, parent_id=msg_id)
        self._restarts.clear()

    def _fail_run(self, run: Run, death: Death) -> None:
        error, reply = died_contents(death, run)
        self._send("error", error, parent_id=run.msg_id)
        if run is not self._run:
            self._send("execute_reply", reply, parent_id=run.msg_id)
        else:
            self._finish_run(reply)

    def _drain(self, interpreter: InterpreterProcess) -> None:
        self._paused, paused = False, self._paused
        death, self._death = self._death, self._death or Death("", "", "")
        while self._read_interpreter():
            continue
        self._death = death
        now = time.monotonic()
        for pipe in interpreter.pipes:
            for _ in range(1024):
                text = pipe.read(now)
                if not text:
                    break
                self._take_text(pipe, text, now)
            self._take_text(pipe, pipe.finish(), now)
        self._send_text(now)
        self._paused = paused

    # ------------------------------------------------------------------ limits and heartbeats

    def _watch_usage(self, now: float) -> None:
        run = self._run
        excess = self._watch.check(now, run is not None)
        if excess is not None and self._interpreter is not None and self._death is None:
            limit, evalue = excess
            kill_everything = limit == "processes"
            self._end_interpreter(Death("limit", "SandboxLimitError", evalue, limit))
            if kill_everything:
                kill_all(self._alone)
        if self._watch.is_beat_due(now, run is not None):
            self._send_heartbeat(now)

    def _send_heartbeat(self, now: float) -> None:
        run = self._run
        state = "busy" if run is not None else "idle"
        if self._interpreter is None or not self._interpreter.is_ready:
            state = "starting"
        content = {"state": state, **self._watch.beat(now)}
        if run is not None:
            content.update(elapsed_seconds=now - run.started, quiet_seconds=now - run.last_output)
        self._send("heartbeat", content, parent_id=run.msg_id if run is not None else "")
