"""What happens in a sandbox beside the kernel's own becomes output of the cell that runs it. Runs in the main loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...magics.door import WIDGETS_NOTE, dropped_note
from ...progress.model import ProgressModel
from ...protocol import Message
from ..output import RunOutput

__all__ = ["Showing", "Tasks"]

#: Events that pass as they are.
_PASSING = frozenset({"stream", "display_data", "update_display_data", "clear_output", "result", "alert"})


class Tasks:
    """Progress of another sandbox, under names that the cell's own progress does not have.

    Parameters
    ----------
    name : str
        The sandbox's.
    """

    def __init__(self, name: str) -> None:
        self._prefix = f"%sandbox {name}: "
        self._model = ProgressModel()

    def rename(self, event: Message) -> Message:
        """A ``progress`` event as the cell's."""
        content = dict(event.content)
        task, parent = content.get("task"), content.get("parent")
        known = len(self._model.tasks)
        self._model.take(content, time.monotonic())
        if "omitted" in content:
            return event
        if task is not None and not content.get("message") and len(self._model.tasks) > known:
            content["message"] = str(task)
        content["task"] = self._prefix + ("" if task is None else str(task))
        if parent is not None:
            content["parent"] = self._prefix + str(parent)
        return replace(event, content=content)

    def finish(self, reply: Mapping[str, Any]) -> list[Message]:
        """What ends the tasks that have not ended, after a run with such a reply."""
        running = [task for task in self._model.tasks.values() if task.state == "running"]
        self._model.finish(reply, time.monotonic())
        return [
            Message("progress", {"message": "", "task": self._prefix + task.key, "state": task.state})
            for task in running
        ]


class Showing:
    """Shows events of a sandbox as output of a cell.

    Parameters
    ----------
    output : RunOutput
        The cell's.
    name : str
        The sandbox's.
    on_input : callable
        Takes the content of an ``input_request``; must return at once.
    """

    def __init__(self, output: RunOutput, name: str, on_input: Callable[[dict[str, Any]], None]) -> None:
        self._output = output
        self._tasks = Tasks(name)
        self._on_input = on_input
        self._has_noted_widgets = False

    async def show(self, event: Message) -> None:
        """Show one event. Errors are raised by who waits for the run, and not shown here."""
        msg_type = event.msg_type
        if msg_type in _PASSING:
            await self._feed(event)
        elif msg_type == "execute_result":
            await self._feed(replace(event, msg_type="display_data"))
        elif msg_type == "progress":
            await self._feed(self._tasks.rename(event))
        elif msg_type == "input_request":
            self._output.flush()
            self._on_input(event.content)
        elif msg_type == "dropped":
            await self._note(dropped_note(event))
        elif msg_type == "comm_open" and not self._has_noted_widgets:
            self._has_noted_widgets = True
            await self._note(WIDGETS_NOTE)

    async def finish(self, reply: Mapping[str, Any]) -> None:
        """Take the content of the ``execute_reply``."""
        for event in self._tasks.finish(reply):
            await self._feed(event)
        self._output.flush()

    async def _note(self, text: str) -> None:
        await self._feed(Message("stream", {"name": "stderr", "text": text}))

    async def _feed(self, event: Message) -> None:
        # The envelope is the host's: no event says by itself which cell it belongs to.
        await self._output.feed(Message(event.msg_type, event.content, metadata=event.metadata))
