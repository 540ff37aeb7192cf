"""A real kernel for the tests of what a cell's progress becomes on the iopub channel.

Nothing here depends on how fast the machine is: a cell that is to run until something has been seen calls `input`, and
is answered then; moments are those at which the kernel made its messages.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

WIDGET = "application/vnd.jupyter.widget-view+json"

#: Longer than anything here takes, on a slow machine too.
TIMEOUT_SECONDS = 60


@dataclass
class CellOutput:
    """Everything one cell has sent so far, each message with its moment by the kernel's clock, in seconds."""

    msg_id: str = ""
    reply: dict[str, Any] = field(default_factory=dict)
    messages: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    _started: datetime | None = None

    def add(self, message: dict[str, Any]) -> None:
        made: datetime = message["header"]["date"]
        self._started = self._started or made
        self.messages.append(((made - self._started).total_seconds(), message["msg_type"], message["content"]))

    @property
    def is_over(self) -> bool:
        _, msg_type, content = self.messages[-1]
        return msg_type == "status" and content["execution_state"] == "idle"

    @property
    def seconds(self) -> float:
        """From its first message to its last."""
        return self.messages[-1][0]

    def counts(self) -> Counter[str]:
        return Counter(msg_type for _, msg_type, _ in self.messages)

    def contents(self, msg_type: str) -> list[dict[str, Any]]:
        return [content for _, kind, content in self.messages if kind == msg_type]

    @property
    def comm_messages(self) -> int:
        """Messages of widgets, but for those that close them: these come at the end, all at once."""
        counts = self.counts()
        return counts["comm_open"] + counts["comm_msg"]

    @property
    def text(self) -> str:
        return "".join(content["text"] for content in self.contents("stream"))

    @property
    def views(self) -> list[dict[str, Any]]:
        """The displays of widgets."""
        return [content for content in self.contents("display_data") if WIDGET in content["data"]]

    @property
    def record(self) -> str:
        """Plain text of what stands where the bars were."""
        shown = [
            content["data"]
            for _, kind, content in self.messages
            if kind in ("display_data", "update_display_data") and content["transient"].get("display_id")
        ]
        assert shown, self.counts()
        assert WIDGET not in shown[-1], "the bars were not replaced by a record"
        assert "text/html" in shown[-1]
        return str(shown[-1]["text/plain"])

    def models(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """States of the widgets of a model's name, by comm id: the first and every update."""
        states: dict[str, list[dict[str, Any]]] = {}
        for _, kind, content in self.messages:
            if kind == "comm_open" and content["data"]["state"].get("_model_name") == name:
                states[content["comm_id"]] = [content["data"]["state"]]
            elif kind == "comm_msg" and content["comm_id"] in states and content["data"].get("method") == "update":
                states[content["comm_id"]].append(content["data"]["state"])
        return states

    def model(self, name: str) -> str:
        """The comm id of the first widget of a model's name; empty where there is none."""
        return next(iter(self.models(name)), "")

    def values(self, model_name: str, trait: str) -> list[Any]:
        """What a trait of the widgets of a model's name was, widget by widget and in order."""
        states = (state for states in self.models(model_name).values() for state in states)
        return [state[trait] for state in states if trait in state]

    @property
    def bars(self) -> dict[str, list[dict[str, Any]]]:
        return self.models("FloatProgressModel")

    def labels(self, text: str) -> bool:
        """Whether a text has been shown on the page beside a bar."""
        return any(text in value for value in self.values("HTMLModel", "value"))


Until = Callable[[CellOutput], object]


class Kernel:
    """One kernel and its client."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def start(self, code: str, **options: Any) -> CellOutput:
        """Ask for a cell; gives what will hold its output."""
        return CellOutput(str(self.client.execute(code, **options)))

    def run(self, code: str, until: Until | None = None, **options: Any) -> CellOutput:
        """Run a cell to its idle status. One that calls `input` gets its answer when `until` is true of its output."""
        output = self.start(code, **options)
        if until is not None:
            self.read(output, until)
            self.answer()
        return self.finish(output)

    def read(self, output: CellOutput, until: Until) -> None:
        """Add to an output what the cell sends, until something is true of it."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=TIMEOUT_SECONDS)
            if message["parent_header"].get("msg_id") == output.msg_id:
                output.add(message)
                if until(output):
                    return
                assert not output.is_over, f"the cell ended before that: {output.counts()}"
        self.interrupt()  # for the tests that come after this one
        raise TimeoutError(f"it did not happen in {TIMEOUT_SECONDS} s: {output.counts()}")

    def finish(self, output: CellOutput) -> CellOutput:
        """Add everything up to a cell's idle status, and its reply."""
        self.read(output, lambda output: output.is_over)
        while True:
            reply = self.client.get_shell_msg(timeout=TIMEOUT_SECONDS)
            if reply["parent_header"].get("msg_id") == output.msg_id:
                output.reply = reply["content"]
                return output

    def answer(self) -> None:
        """Answer the `input` that a cell waits for, or will."""
        self.client.get_stdin_msg(timeout=TIMEOUT_SECONDS)
        self.client.input("")

    def interrupt(self) -> None:
        self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))

    def send(self, comm_id: str, content: dict[str, Any]) -> None:
        """Send a widget's custom message, as a page does."""
        data = {"method": "custom", "content": content}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data}))

    def open_comms(self) -> dict[str, Any]:
        reply = self.client.comm_info(reply=True, timeout=TIMEOUT_SECONDS)
        comms: dict[str, Any] = reply["content"]["comms"]
        return comms


@contextmanager
def running(kernel_name: str) -> Iterator[Kernel]:
    """A kernel of its own."""
    manager, client = start_new_kernel(kernel_name=kernel_name, startup_timeout=TIMEOUT_SECONDS)
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)


@pytest.fixture(scope="module")
def kernel(hopx_kernelspec: str) -> Iterator[Kernel]:
    """A kernel that has shown its first bar: until it has imported ipywidgets, a short cell ends without one."""
    with running(hopx_kernelspec) as kernel:
        kernel.run("progress('first'); input()", until=lambda output: output.views)
        yield kernel
