"""The supervisor: one thread that never blocks, between the host and the interpreter.

It owns the transport, the log of events, the queue of runs, deadlines, limits and heartbeats, and stays responsive
whatever the interpreter does.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import replace
from types import FrameType
from typing import Any, Callable, Deque, Dict, List, Optional

from ..errors import ProtocolError
from ..protocol.connection import RunnerConnection
from ..protocol.frames import dump_message
from ..protocol.messages import Message
from ..protocol.options import RunnerOptions, checked_environment
from .host_link import HostLink
from .interpreter_process import ChildMain
from .keeper import Keeper
from .outbox import Outbox
from .poller import Poller
from .questions import Questions
from .runs import Death, Run, died_contents
from .stops import Stops, told_after
from .text_memory import TextMemory
from .usage import is_alone, kill_all
from .watch import Watch

__all__ = ["Supervisor"]

#: Comm messages that may wait for an interpreter to be ready; more come from nobody who waits for an answer.
WAITING_COMMS = 1000


class Supervisor:
    """The runner's main loop.

    Parameters
    ----------
    link : HostLink
        The byte stream to the host.
    options : RunnerOptions
        What the host asked for.
    memory : TextMemory
        For what its interpreters print.
    """

    #: The sandbox's IPython, ``""`` where it has none.
    ipython_version = ""

    def __init__(self, link: HostLink, options: RunnerOptions, memory: TextMemory) -> None:
        self._link = link
        self._options = options
        self._connection = RunnerConnection()
        self._outbox = Outbox(self._connection, link, memory)
        self._questions = Questions(self._outbox)
        self._poller = Poller()
        self._keeper = Keeper(
            self._poller, self._outbox, memory, self._on_message, self._on_death, options.start_timeout_seconds
        )
        self._child_main: Optional[ChildMain] = None
        self._run: Optional[Run] = None
        self._queue: Deque[Run] = deque()
        self._stops = Stops(self._keeper, self._outbox, options.interrupt_grace_seconds)
        self._run_count = 0
        self._restarts: List[str] = []
        self._waiting_comms: Deque[Message] = deque(maxlen=WAITING_COMMS)
        self._waiting_env: Dict[str, str] = {}
        self._alone = is_alone()
        self._watch = Watch(options, self._alone)
        self._keeper.explain_kill = self._watch.explain_kill
        self._handlers: Dict[str, Callable[[Message], None]] = {
            "hello": self._on_hello,
            "heartbeat": lambda _: self._send_heartbeat(time.monotonic()),
            "execute_request": self._on_execute,
            "complete_request": self._on_question,
            "inspect_request": self._on_question,
            "is_complete_request": self._on_question,
            "comm_info_request": self._on_question,
            "input_reply": self._on_input,
            "sandbox_reply": self._on_input,
            "comm_open": self._on_comm,
            "comm_msg": self._on_comm,
            "comm_close": self._on_comm,
            "environment_request": self._on_environment,
            "interrupt_request": self._on_interrupt,
            "restart_request": self._on_restart,
            "shutdown_request": self._on_shutdown,
        }
        self._wake_reader = self._catch_signals()
        self._poller.set(link.reader, read=True)
        self._poller.set(self._wake_reader.fileno(), read=True)

    def _catch_signals(self) -> socket.socket:
        """Have the end of a child wake the loop; gives the socket that tells it."""
        reader, self._wake_writer = socket.socketpair()
        for sock in (reader, self._wake_writer):
            sock.setblocking(False)
        signal.signal(signal.SIGCHLD, _wake)
        for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(signum, signal.SIG_IGN)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        return reader

    # ------------------------------------------------------------------ the loop

    def serve_briefly(self) -> None:
        """One turn without waiting: between the steps of the start."""
        self._turn(0.0)

    def serve(self, child_main: ChildMain) -> None:
        """Start the interpreter and serve until the host goes; never returns."""
        self._child_main = child_main
        self._keeper.start(child_main)
        while True:
            self._turn(self._next_time() - time.monotonic())

    def _turn(self, timeout: float) -> None:
        self._poller.set(self._link.writer, write=self._link.has_output)
        for fd, _ in self._poller.poll(timeout):
            if fd == self._link.reader:
                self._read_host()
            elif fd == self._wake_reader.fileno():
                self._reap()
            elif fd != self._link.writer:
                self._keeper.read(fd)
        self._on_time(time.monotonic())
        if not self._link.flush():
            self._exit()
        self._keeper.set_paused(self._connection.is_full(self._stops.room))

    def _next_time(self) -> float:
        now = time.monotonic()
        times = [now + 3600.0, self._watch.next_time, self._keeper.next_time(now)]
        times += self._stops.times(self._run)
        if self._questions.next_time is not None:
            times.append(self._questions.next_time)
        return min(times)

    def _on_time(self, now: float) -> None:
        self._keeper.on_time(now)
        self._stops.on_time(self._run, now)
        self._questions.give_up(now)
        self._check_usage(now)
        if self._watch.is_beat_due(now):
            self._send_heartbeat(now)

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
            self._keeper.bury(pid, status)

    def _exit(self) -> None:
        """The host is gone, or wants us to go: leave nothing behind."""
        kill_all(False)
        os._exit(0)

    # ------------------------------------------------------------------ the host

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
                self._outbox.send("protocol_error", {"evalue": str(exc)})

    def _on_hello(self, message: Message) -> None:
        info: Dict[str, Any] = {
            "pid": os.getpid(),
            "python_version": sys.version.split()[0],
            "implementation": sys.implementation.name,
            "ipython_version": self.ipython_version,
            "platform": sys.platform,
        }
        self._link.send(self._connection.answer_hello(message, info))

    def _on_execute(self, message: Message) -> None:
        self._queue.append(Run(message))
        if self._keeper.process is None and self._child_main is not None:
            self._keeper.start(self._child_main, asked=True)
        self._start_next()

    def _on_question(self, message: Message) -> None:
        if self._questions.add(message) and self._keeper.is_ready:
            self._keeper.send(dump_message(message))

    def _on_input(self, message: Message) -> None:
        if self._keeper.is_ready:
            self._keeper.send(dump_message(message))

    def _on_comm(self, message: Message) -> None:
        if not self._keeper.is_ready:
            self._waiting_comms.append(message)
            return
        if self._run is None:
            self._keeper.parent_id = message.msg_id
        self._keeper.send(dump_message(message))

    def _on_environment(self, message: Message) -> None:
        env = checked_environment(message.content["env"])
        # Interpreters are forked from this process, with what its options say by then.
        self._options.env.update(env)
        self._waiting_env.update(env)
        self._send_environment()
        self._outbox.reply("environment_request", message.msg_id, {})

    def _send_environment(self) -> None:
        """Tell the interpreter what is new since it was forked."""
        if self._waiting_env and self._keeper.is_ready:
            env, self._waiting_env = self._waiting_env, {}
            self._keeper.send(dump_message(Message("_environment", {"env": env})))

    def _on_interrupt(self, message: Message) -> None:
        run_id, run = message.content.get("run_id"), self._run
        if run is not None and run_id in (None, run.msg_id):
            self._stops.ask(message.msg_id, run)
            return
        waiting = next((one for one in self._queue if run_id in (None, one.msg_id)), None)
        if waiting is not None and (run is None or run_id is not None):
            # It waits for an interpreter, or for its turn, and need not begin.
            self._queue.remove(waiting)
            self._fail_run(waiting, Death("interrupted", "KeyboardInterrupt", "before it began"))
        elif run_id or run is not None:
            self._stops.answer_too_late(message.msg_id)
            return
        else:
            self._stops.ask_idle()
        self._stops.answer(message.msg_id, stopped=True, kept=True)

    def _on_restart(self, message: Message) -> None:
        self._restarts.append(message.msg_id)
        death = Death("restarted", "KernelRestarted", "The interpreter was restarted.")
        if self._keeper.process is not None:
            self._keeper.end(death)
            return
        while self._queue:
            self._fail_run(self._queue.popleft(), death)
        if self._child_main is not None:
            self._keeper.start(self._child_main, asked=True)

    def _on_shutdown(self, message: Message) -> None:
        self._outbox.reply("shutdown_request", message.msg_id, {})
        os.set_blocking(self._link.writer, True)
        self._link.flush()
        self._exit()

    # ------------------------------------------------------------------ the interpreter

    def _on_message(self, message: Message, line: bytes) -> None:
        if message.msg_type == "_ready":
            self._on_ready()
        elif message.msg_type == "execute_reply":
            self._on_reply(message)
        elif message.msg_type.endswith("_reply"):
            self._questions.answer(message.parent_id, line)
        else:
            if message.msg_type == "error" and self._run is not None and message.parent_id == self._run.msg_id:
                self._run.error = {key: message.content[key] for key in ("ename", "evalue", "traceback")}
            self._outbox.send_line(line)

    def _on_ready(self) -> None:
        self._keeper.note_ready()
        if not self._keeper.is_ready:
            return  # somebody is ending it already
        for msg_id in self._restarts:
            self._outbox.reply("restart_request", msg_id, {})
        self._restarts.clear()
        self._send_environment()
        for line in self._questions.lines:
            self._keeper.send(line)
        while self._waiting_comms:
            self._on_comm(self._waiting_comms.popleft())
        self._start_next()

    def _on_reply(self, message: Message) -> None:
        run = self._run
        if run is None or message.parent_id != run.msg_id:
            return
        if run.is_late and message.content.get("reason") == "interrupted":
            message.content["reason"] = "timeout"
        self._finish_run(message.content)
        self._start_next()

    def _on_death(self, death: Death) -> None:
        # Before the run's end, so that the host sees which run it belongs to.
        self._outbox.send("interpreter_died", {"reason": death.reason, "evalue": death.evalue, **death.extra})
        if self._run is not None:
            self._fail_run(self._run, death)
        assert self._child_main is not None
        if death.reason == "restarted" or self._keeper.gives_up:
            while self._queue:
                self._fail_run(self._queue.popleft(), death)
        self._questions.give_up(float("inf"))
        if not self._keeper.gives_up:
            self._keeper.start(self._child_main)
            return
        for msg_id in self._restarts:
            self._outbox.reply("restart_request", msg_id, {"status": "error", "evalue": death.evalue})
        self._restarts.clear()

    # ------------------------------------------------------------------ runs

    def _start_next(self) -> None:
        if not self._keeper.is_ready:
            return
        while self._run is None and self._queue and self._queue[0].generation not in (None, self._keeper.generation):
            self._refuse(self._queue.popleft())
        if self._run is not None or not self._queue:
            return
        self._run_count += 1
        self._run = run = self._queue.popleft()
        run.start(self._run_count)
        self._keeper.begin_run(run.msg_id, run.started)
        self._watch.start(run.started)
        # The clock of its limit runs from here on: the interpreter tells by it why it was interrupted.
        content = {**run.request.content, "started": run.started, "number": run.number}
        self._keeper.send(dump_message(replace(run.request, content=content), 0))

    def _finish_run(self, content: Dict[str, Any]) -> None:
        run = self._run
        assert run is not None
        self._run = None
        self._watch.stop()
        self._outbox.send("execute_reply", content, parent_id=run.msg_id)
        self._stops.finish(run, bool(content.get("kept")))

    def _fail_run(self, run: Run, death: Death) -> None:
        error, reply = died_contents(death, run)
        if run.error is not None:  # it was the code's own; this one is told beside it
            self._outbox.send_text("stderr", told_after(death.evalue), run.msg_id)
        else:
            self._outbox.send("error", error, parent_id=run.msg_id)
        if run is not self._run:
            self._outbox.send("execute_reply", reply, parent_id=run.msg_id)
        else:
            self._finish_run(reply)

    def _refuse(self, run: Run) -> None:
        """Run nothing that counts on the variables of an interpreter that is gone."""
        evalue = (
            "The interpreter has died since the code before: variables are lost, and this was not run. Run it again."
        )
        self._fail_run(run, Death("died", "InterpreterDied", evalue))

    # ------------------------------------------------------------------ limits and heartbeats

    def _check_usage(self, now: float) -> None:
        excess = self._watch.check(now, self._run is not None)
        if excess is None or not self._keeper.is_ready:
            return
        limit, evalue = excess
        self._keeper.end(Death("limit", "SandboxLimitError", evalue, limit))
        self._watch.end_others(limit)

    def _send_heartbeat(self, now: float) -> None:
        run = self._run
        state = "starting" if not self._keeper.is_ready else "busy" if run is not None else "idle"
        content = {"state": state, **self._watch.beat()}
        if run is not None:
            quiet = now - max(self._keeper.last_output, run.started)
            content.update(elapsed_seconds=now - run.started, quiet_seconds=quiet)
        self._outbox.send("heartbeat", content, parent_id=run.msg_id if run is not None else "")


def _wake(signum: int, frame: Optional[FrameType]) -> None:
    """A child has ended; the wake-up descriptor tells the loop."""
    del signum, frame
