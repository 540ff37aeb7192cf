"""One run's events into what a front end shows: live while it runs, a record when it has ended.

Knows when something is to be shown and with which message; `view` knows widgets, `snapshot` and `text` know looks.
No I/O of its own, no loop, no timer: the owner feeds events, asks for the next deadline, and calls `tick`.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..protocol import Message
from .loading import ViewLoader
from .model import ProgressModel, Task
from .options import ProgressOptions
from .results import alert_bundle, omitted_bundle, result_bundle
from .run import RunRecord
from .snapshot import snapshot_html, snapshot_text
from .text import TerminalLine, status_line
from .values import to_number

if TYPE_CHECKING:
    from .view import LiveView

__all__ = ["Publish", "RunDisplay"]

#: ``publish(msg_type, content, metadata)``: sends an iopub message with the run's parent header.
Publish = Callable[[str, dict[str, Any], dict[str, Any]], None]

#: Comm messages a second that the live view allows itself; above what a refresh of a few bars needs, below 150.
_MESSAGES_PER_SECOND = 120
#: Without widgets each refresh sends the whole table again.
_STATIC_REFRESH_SECONDS = 1.0
_POLL_SECONDS = 0.02
#: The import of ipywidgets takes a tenth of a second, once: the first bar may wait this long for it.
_FIRST_WAIT_SECONDS = 1.0
#: Alerts that are shown one by one.
MAX_ALERTS = 100
#: Ended runs whose tasks are kept for what their threads may still report.
MAX_REMEMBERED = 50
_remembered: deque[RunDisplay] = deque()

_OUTPUTS = frozenset({"stream", "display_data", "execute_result", "error", "input_request"})


class RunDisplay:
    """The display of one run. Used from one thread; only what Stop calls comes from another.

    The owner

    - calls `feed` with every event of the run *before* it publishes the event, in order, and does not publish those
      for which `feed` gives True;
    - calls `heartbeat` with the heartbeats that carry the run's id;
    - asks `next_deadline` after each of these calls, and calls `tick` when that time has come;
    - calls `finish` with the content of the ``execute_reply`` before it answers; events that come later are fed as
      before, so `next_deadline` and `tick` stay in use;
    - makes all these calls while the kernel's parent header is that of the run, since the widgets' comm messages take
      theirs from there.

    Parameters
    ----------
    publish : callable
        ``publish(msg_type, content, metadata)`` with "display_data", "update_display_data" or "stream"; the
        ``display_id`` is in the content's ``transient``, as in Jupyter.
    options : ProgressOptions
    now : callable
        The clock: seconds, monotonic.
    on_stop : callable, optional
        Called without arguments when a person presses Stop, from whatever thread the comm message arrives on. It must
        do what Interrupt does and return at once. Without it there is no Stop.

    Attributes
    ----------
    model : ProgressModel
    run : RunRecord
    """

    def __init__(
        self,
        publish: Publish,
        options: ProgressOptions | None = None,
        now: Callable[[], float] = time.monotonic,
        *,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self.options = options or ProgressOptions()
        self.model = ProgressModel()
        self.run = RunRecord(self.options.kind, self.options.is_isolated, now())
        self._omitted_results = 0
        self._publish = publish
        self._now = now
        self._on_stop = on_stop
        self._display_id = uuid.uuid4().hex
        self._loader = ViewLoader()
        self._view: LiveView | None = None
        self._is_shown = False
        self._is_dirty = False
        self._is_cleared = False
        self._refresh_due = 0.0
        self._line = TerminalLine(self._write)
        self._printed: dict[str, str] = {}
        self._handlers: dict[str, Callable[[Mapping[str, Any]], bool]] = {
            "progress": self._take_progress,
            "result": self._take_result,
            "alert": self._take_alert,
            "clear_output": self._take_clear_output,
        }

    # ------------------------------------------------------------------ what the owner calls

    def feed(self, event: Message) -> bool:
        """Take an event of the run; True when it is dealt with and must not be published."""
        self.run.last_sign = self._now()
        handler = self._handlers.get(event.msg_type)
        if handler is not None:
            return handler(event.content)
        if event.msg_type in _OUTPUTS:
            self.before_text(str(event.content.get("text", "\n")))
            self._take_new_output()
        return False

    def before_text(self, text: str) -> None:
        """Take notice of printed text that is about to be published, where that is not when it was fed: a terminal's
        line makes room for it."""
        self._erase_line()
        self._line.printed(text)

    def heartbeat(self, event: Message) -> None:
        """Take a heartbeat of the run."""
        self.run.heartbeat(event.content, self._now())
        self._is_dirty = self._is_dirty or self._is_shown

    def interrupt_answered(self, reply: Mapping[str, Any]) -> None:
        """Take the content of an ``interrupt_reply``, so that a Stop that did not stop is said to have failed.

        Nothing of it is shown once the run has ended, of which its record tells.
        """
        if self.run.ended is not None:
            return
        self.run.interrupt_answered(reply, self._now())
        self._is_dirty = self._is_dirty or self._is_shown

    def finish(self, reply: Mapping[str, Any]) -> None:
        """Take the content of the ``execute_reply``: the bars become the record, and every comm is closed."""
        now = self._now()
        self.run.finish(reply, now)
        self.model.finish(reply, now, self.run.elapsed(now))
        self._tell_omitted()
        if self.options.front_end == "text":
            self._finish_line()
        elif self._is_shown or self._has_bars:
            self._publish_snapshot()
        if self._view is not None:
            self._view.close(self._snapshot_html(now), keep=self.options.keep_view)
            self._view = None
        self._is_dirty = False
        if self._has_bars:
            _remembered.append(self)
            if len(_remembered) > MAX_REMEMBERED:
                _remembered.popleft()._forget()

    def _forget(self) -> None:
        """Keep no tasks any more; what is reported from here on is shown on its own."""
        self.model = ProgressModel()
        self._is_dirty = self._is_shown = False

    def next_deadline(self) -> float | None:
        """When `tick` is to be called next, on the clock `now`; None when only an event can change something."""
        if self.run.ended is not None:
            return self._refresh_due if self._is_dirty else None
        deadlines = []
        if self._is_dirty:
            deadlines.append(self._refresh_due)
        if not self._is_shown and self._header_is_timed:
            deadlines.append(self._header_due)
        if self._view is not None and self._view.fallback_due is not None:
            deadlines.append(self._view.fallback_due)
        return min(deadlines, default=None)

    def tick(self, now: float | None = None) -> None:
        """Do what is due; harmless when called too early or too often."""
        now = self._now() if now is None else now
        if self.run.ended is None and not self._is_shown and self._header_is_timed and now >= self._header_due:
            self._is_dirty = True
        if self._view is not None and self._view.fallback_due is not None and now >= self._view.fallback_due:
            self._view.fall_back()
            self._is_dirty = True
        if self._is_dirty and now >= self._refresh_due:
            self._refresh(now)

    # ------------------------------------------------------------------ events

    def _take_progress(self, content: Mapping[str, Any]) -> bool:
        now = self._now()
        task = self.model.take(content, now)
        if not self.options.bars:
            self._print_message(task)
        else:
            self._is_dirty = True
            if self.run.ended is not None:
                self._end_late_tasks(now)
            elif not self._is_shown:
                self.tick(now)
        return True

    def _print_message(self, task: Task | None) -> None:
        """Without bars a message is a line, once."""
        if task is not None and task.message and self._printed.get(task.key) != task.message:
            self._printed[task.key] = task.message
            self._write(f"{task.message}\n")

    def _take_result(self, content: Mapping[str, Any]) -> bool:
        if "omitted" in content:
            self._omitted_results += _count(content["omitted"])
            return True
        self._publish_bundle(*result_bundle(content.get("data")))
        return True

    def _take_alert(self, content: Mapping[str, Any]) -> bool:
        if "omitted" in content:
            self.model.alerts += _count(content["omitted"])
            return True
        self.model.alerts += 1
        self._is_dirty = self._is_dirty or self._is_shown
        if self.model.alerts <= MAX_ALERTS:
            self._publish_bundle(*alert_bundle(content.get("message", "")))
        return True

    def _take_clear_output(self, content: Mapping[str, Any]) -> bool:
        """The front end takes our display away with the rest: show it again, after the clearing."""
        if self._is_shown and self.run.ended is None and self.options.front_end != "text":
            if content.get("wait"):
                self._is_cleared = True
            else:
                self._is_shown, self._is_dirty = False, True
        return False

    def _take_new_output(self) -> None:
        """What came after ``clear_output(wait=True)`` has cleared the output now."""
        if self._is_cleared:
            self._is_dirty, self._is_cleared, self._is_shown = True, False, False

    # ------------------------------------------------------------------ showing

    def _publish_bundle(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self._erase_line()
        self._take_new_output()
        self._publish("display_data", {"data": data, "metadata": metadata, "transient": {}}, {})

    def _tell_omitted(self) -> None:
        """Say how many alerts and results are not shown, once, at the end of the run."""
        if self.model.alerts > MAX_ALERTS:
            self._publish_bundle(*omitted_bundle(self.model.alerts - MAX_ALERTS, "error"))
        if self._omitted_results:
            self._publish_bundle(*omitted_bundle(self._omitted_results, "result"))
            self._omitted_results = 0

    @property
    def _has_bars(self) -> bool:
        return self.options.bars and bool(self.model.tasks)

    @property
    def _header_is_timed(self) -> bool:
        after = self.options.header_after_seconds
        return self.options.front_end == "widgets" and self.options.header != "off" and after is not None

    @property
    def _header_due(self) -> float:
        return self.run.started + (self.options.header_after_seconds or 0.0)

    def _refresh(self, now: float) -> None:
        if self.options.front_end == "text":
            self._show_line(now)
            return
        if self.run.ended is not None or self.options.front_end == "batch" or self._loader.has_failed:
            self._publish_snapshot()
            self._refresh_due = now + _STATIC_REFRESH_SECONDS
            return
        if not self._loader.is_ready(_FIRST_WAIT_SECONDS):
            self._refresh_due = now + _POLL_SECONDS
            return
        self._show_view(now)

    def _show_view(self, now: float) -> None:
        if self._view is None:
            on_stop = None if self._on_stop is None else self._stop
            self._view = self._loader.make_view(self.options, on_stop)
        sent = self._view.update(self.model, self.run, now, bars=self.options.bars)
        self._is_dirty = False
        done = self._now()
        # A thousand tasks take a while to lay out: at most a tenth of the loop's time goes into it. What the first bar
        # takes, the import of ipywidgets above all, is taken once.
        cost = 10 * (done - now) if self._is_shown else 0.0
        self._refresh_due = done + max(self.options.refresh_seconds, 0.1, sent / _MESSAGES_PER_SECOND, cost)
        if not self._is_shown:
            self._is_shown = True
            data = {**self._view.bundle(), "text/plain": self._snapshot_text(now)}
            self._publish_display("display_data", data)
            self._view.shown(done)

    def _publish_snapshot(self) -> None:
        now = self._now()
        data = {"text/html": self._snapshot_html(now), "text/plain": self._snapshot_text(now)}
        # What a cleared output took away is shown again; the rest replaces what is on the page.
        shown = self._is_shown and not self._is_cleared
        self._publish_display("update_display_data" if shown else "display_data", data)
        self._is_shown, self._is_dirty, self._is_cleared = True, False, False

    def _publish_display(self, msg_type: str, data: dict[str, Any]) -> None:
        content = {"data": data, "metadata": {}, "transient": {"display_id": self._display_id}}
        self._publish(msg_type, content, {})

    def _snapshot_html(self, now: float) -> str:
        model = self.model if self.options.bars else ProgressModel()
        return snapshot_html(model, None if self.options.header == "off" else self.run, now)

    def _snapshot_text(self, now: float) -> str:
        model = self.model if self.options.bars else ProgressModel()
        return snapshot_text(model, None if self.options.header == "off" else self.run, now)

    def _end_late_tasks(self, now: float) -> None:
        """Threads and tasks may report after the end of their run: soon, but not with every report."""
        self._refresh_due = max(self._refresh_due, now + self.options.refresh_seconds)

    def _stop(self) -> None:
        if self._on_stop is not None and self.run.ask_stop(self._now()):
            self._on_stop()

    # ------------------------------------------------------------------ a terminal

    def _show_line(self, now: float) -> None:
        self._is_dirty, self._refresh_due = False, now + max(self.options.refresh_seconds, 0.1)
        if self._has_bars:
            self._line.show(status_line(self.model, now))
            self._is_shown = True

    def _erase_line(self) -> None:
        if self._line.erase():
            self._is_dirty = True

    def _finish_line(self) -> None:
        if self._has_bars:
            self._line.leave(self._snapshot_text(self._now()))

    def _write(self, text: str) -> None:
        self._publish("stream", {"name": "stdout", "text": text}, {})


def _count(value: Any) -> int:
    return max(0, int(to_number(value) or 0))
