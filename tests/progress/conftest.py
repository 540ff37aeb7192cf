"""A real kernel for the tests of what a cell's progress becomes on the iopub channel."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass
class CellOutput:
    """Everything one cell sent, each message with its moment in seconds."""

    reply: dict[str, Any] = field(default_factory=dict)
    messages: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        return Counter(msg_type for _, msg_type, _ in self.messages)

    def contents(self, msg_type: str) -> list[dict[str, Any]]:
        return [content for _, kind, content in self.messages if kind == msg_type]

    @property
    def text(self) -> str:
        return "".join(content["text"] for content in self.contents("stream"))

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


class Kernel:
    """One kernel and its client."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def start(self, code: str, **options: Any) -> str:
        return str(self.client.execute(code, **options))

    def run(self, code: str, timeout_seconds: float = 60, **options: Any) -> CellOutput:
        """Run a cell to its idle status."""
        return self.collect(self.start(code, **options), timeout_seconds)

    def collect(self, msg_id: str, timeout_seconds: float = 60) -> CellOutput:
        started, output = time.monotonic(), CellOutput()
        while True:
            message = self.client.get_iopub_msg(timeout=timeout_seconds)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            content = message["content"]
            output.messages.append((time.monotonic() - started, message["msg_type"], content))
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=timeout_seconds)
            if reply["parent_header"].get("msg_id") == msg_id:
                output.reply = reply["content"]
                return output

    def open_comms(self) -> dict[str, Any]:
        reply = self.client.comm_info(reply=True, timeout=10)
        comms: dict[str, Any] = reply["content"]["comms"]
        return comms


@pytest.fixture(scope="module")
def kernel(hopx_kernelspec: str) -> Iterator[Kernel]:
    manager, client = start_new_kernel(kernel_name=hopx_kernelspec, startup_timeout=60)
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
