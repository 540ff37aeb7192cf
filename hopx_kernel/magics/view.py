"""How a run in a sandbox is shown in the IPython that started it.

A view belongs to one run and is used by one thread at a time: the one that runs the cell, or one of its own for a run
in the background; after the run's end, whichever brings late output.
"""

from __future__ import annotations

import contextvars
import getpass
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import anyio

from ..errors import HopxKernelError, RemoteExecutionError
from ..library import bridge
from ..library.runs import SandboxRun
from ..progress import ProgressOptions, RunDisplay, find_front_end, merge_report
from ..protocol import Message
from ..trust import TrustPolicy, clean_line, clean_transient
from .door import WIDGETS_NOTE, View, dropped_note
from .registry import LateHandler, NamedSandbox, RunLog

__all__ = ["RunView", "publish", "with_traceback"]


#: How to have what was left out of a sandbox's output: its policy knows no exception here.
_REMEDY = "If you trust the code, run it in a cell without %%sandbox: then its output acts in this page as you."


def publish(shell: Any, msg_type: str, content: dict[str, Any]) -> None:
    """Show one piece of output in the present cell."""
    if msg_type == "stream":
        stream = sys.stderr if content["name"] == "stderr" else sys.stdout
        stream.write(content["text"])
    elif msg_type == "clear_output":
        shell.display_pub.clear_output(content.get("wait", False))
    else:
        transient = content.get("transient") or {}
        update = msg_type == "update_display_data"
        shell.display_pub.publish(content["data"], content.get("metadata") or {}, transient=transient, update=update)


def flush() -> None:
    """Let what was written be seen now, and not at ipykernel's next interval."""
    sys.stdout.flush()
    sys.stderr.flush()


def with_traceback(error: HopxKernelError, lines: list[str]) -> HopxKernelError:
    """Have IPython show these lines for an error, and not where in this package it was raised."""
    error._render_traceback_ = partial(list, lines)  # type: ignore[attr-defined]  # IPython's protocol
    return error


def front_end(shell: Any) -> Any:
    """Who looks: ``widgets``, ``text`` or ``batch``, as `find_front_end` names them."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "text"
    try:
        parent = kernel.get_parent()
    except (AttributeError, TypeError, LookupError):
        parent = {}
    try:
        command = Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        command = ""
    return find_front_end(parent.get("content") or {}, parent.get("metadata") or {}, os.environ, command)


class _PageReplies:
    """Lets the page's answers to the view's widgets in while the cell runs, for Stop.

    The page sends them to a subshell, so that a busy main shell does not keep them waiting. ipykernel from 7.4 on takes
    them to the main shell nonetheless, since the widgets were made there. Here they stay where the page sent them.
    """

    def __init__(self, shell: Any) -> None:
        manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
        self._comms: dict[str, Any] = getattr(manager, "comms", {})
        self._known = set(self._comms)

    def let_in(self) -> None:
        """Do it for the comms that have been opened since the last call."""
        for comm_id in self._comms.keys() - self._known:
            self._known.add(comm_id)
            comm = self._comms.get(comm_id)
            if comm is not None and hasattr(comm, "_reply_subshell_for"):
                comm._reply_subshell_for = _as_addressed


def _as_addressed(_data: Any, subshell_id: str | None) -> str | None:
    return subshell_id


class RunView(View):
    """The output of one run.

    Parameters
    ----------
    shell : InteractiveShell
        The IPython that shows it.
    named : NamedSandbox
        Where the run runs.
    run : SandboxRun or None
        The run; None for a view that only replays.
    log : RunLog
        Keeps what is shown.
    is_quiet : bool
        Show nothing but errors, and ask for input.
    is_background : bool
        An interrupt of the cell is none of the run's.
    """

    def __init__(
        self,
        shell: Any,
        named: NamedSandbox,
        run: SandboxRun | None,
        log: RunLog,
        *,
        is_quiet: bool = False,
        is_background: bool = False,
    ) -> None:
        self._shell = shell
        self._run = run
        self._log = log
        self._is_quiet = is_quiet
        self._is_background = is_background
        self._trust = TrustPolicy(network=named.sandbox.has_network, remedy=_REMEDY)
        self._filters = {name: self._trust.text_filter() for name in ("stdout", "stderr")}
        options = ProgressOptions(
            front_end=front_end(shell),
            kind=named.sandbox.kind,
            is_isolated=named.sandbox.is_isolated,
            bars=not is_quiet,
        )
        self._display = RunDisplay(self._publish, options, on_stop=None if run is None else self._stop)
        self._events: deque[Message] = deque()
        self._page_replies = _PageReplies(shell)
        self._attention = ExitStack()
        if run is not None:
            self._attention.enter_context(run._attended())
            run._merge_reports(merge_report)
        self._has_noted_widgets = False
        self._interrupt_taken = False

    def follow(self) -> None:
        """Show the run until its end. Raises as `SandboxRun.wait`, with the run's own traceback to be shown."""
        try:
            with self._attention:
                self._follow()
        except BaseException:
            self._display.finish({"status": "error", "reason": "interrupted", "stopped": False})
            raise
        self._display.finish(self._live.reply or {})
        flush()
        self._raise_for_error()
        if self._interrupt_taken:  # it came too late for the sandbox, but what runs the cell is to stop
            raise KeyboardInterrupt

    def _follow(self) -> None:
        while True:
            try:
                if not self._step():
                    break
            except KeyboardInterrupt:
                self._interrupt_taken = True
                if self._events and self._events[0].msg_type == "input_request":
                    self._events.popleft()  # who was asked has answered, by the interrupt
                if self._is_background or not self._interrupt():
                    raise

    def replay(self, log: RunLog) -> None:
        """Show again what a log has kept."""
        for event in log.again():
            self._take(event)
        self._display.finish({"status": "ok" if log.state == "ok" else "error"})
        flush()

    @property
    def late(self) -> LateHandler:
        """Shows late events as output of the cell that is running when it is asked for."""
        context = contextvars.copy_context()

        async def show(event: Message) -> None:
            await anyio.to_thread.run_sync(context.copy().run, self._take_late, event)

        return show

    def _take_late(self, event: Message) -> None:
        self._take(event)
        flush()

    # ------------------------------------------------------------------ steps

    @property
    def _live(self) -> SandboxRun:
        if self._run is None:
            raise RuntimeError("this view only replays")
        return self._run

    def _step(self) -> bool:
        while self._events:
            self._take(self._events[0])
            self._events.popleft()
        self._display.tick()
        self._page_replies.let_in()
        flush()
        deadline = self._display.next_deadline()
        events = self._live._receive(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if events is not None:
            self._events.extend(events)
        return events is None or bool(events)

    def _take(self, event: Message) -> None:
        if event.msg_type == "heartbeat":
            self._display.heartbeat(event)
            return
        self._log.add(event)
        if self._is_quiet and event.msg_type not in ("error", "input_request"):
            return
        if self._display.feed(event):
            return
        handler = self._HANDLERS.get(event.msg_type)
        if handler is not None:
            handler(self, event)

    def _publish(self, msg_type: str, content: dict[str, Any], _metadata: dict[str, Any]) -> None:
        publish(self._shell, msg_type, content)

    def _stop(self) -> None:
        bridge.submit(self._live._execution.interrupt)

    def _interrupt(self) -> bool:
        """Pass an interrupt on to the sandbox; False when it did not stop the code there, twice."""
        outcome = self._live.interrupt()
        self._display.interrupt_answered(outcome)
        if outcome.get("stopped"):
            return True
        sys.stderr.write(f"{outcome.get('evalue') or 'The code did not stop.'}\n")
        return False

    def _raise_for_error(self) -> None:
        try:
            self._live.raise_for_error()
        except RemoteExecutionError as exc:
            lines = [self._trust.text(line) for line in exc.traceback] or [
                f"{clean_line(exc.ename, 200)}: {self._trust.text(exc.evalue)}"
            ]
            raise with_traceback(exc, lines) from None
        except HopxKernelError as exc:
            raise with_traceback(exc, [f"{type(exc).__name__}: {self._trust.text(str(exc))}"]) from None

    # ------------------------------------------------------------------ events

    def _take_stream(self, event: Message) -> None:
        name = "stderr" if event.content["name"] == "stderr" else "stdout"
        publish(self._shell, "stream", {"name": name, "text": self._filters[name].feed(event.content["text"])})

    def _take_bundle(self, event: Message) -> None:
        heavy = self._trust.heavy(event.content["data"])
        done = self._trust.cleaner.clean(heavy) if heavy else None
        data, metadata = self._trust.bundle(event.content["data"], event.content["metadata"], done)
        msg_type = "display_data" if event.msg_type == "execute_result" else event.msg_type
        transient = clean_transient(event.content.get("transient"))
        publish(self._shell, msg_type, {"data": data, "metadata": metadata, "transient": transient})

    def _take_clear_output(self, event: Message) -> None:
        publish(self._shell, "clear_output", event.content)

    def _take_input_request(self, event: Message) -> None:
        ask: Callable[[str], str] = getpass.getpass if event.content["password"] else input
        flush()
        self._live.send_input(ask(self._trust.text(event.content["prompt"])))

    def _take_dropped(self, event: Message) -> None:
        publish(self._shell, "stream", {"name": "stderr", "text": dropped_note(event)})

    def _take_comm(self, _event: Message) -> None:
        if not self._has_noted_widgets:
            self._has_noted_widgets = True
            publish(self._shell, "stream", {"name": "stderr", "text": WIDGETS_NOTE})

    _HANDLERS: ClassVar[dict[str, Callable[[RunView, Message], None]]] = {
        "stream": _take_stream,
        "display_data": _take_bundle,
        "update_display_data": _take_bundle,
        "execute_result": _take_bundle,
        "clear_output": _take_clear_output,
        "input_request": _take_input_request,
        "dropped": _take_dropped,
        "comm_open": _take_comm,
    }
