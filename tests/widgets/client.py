"""A kernel, and comm messages of a front end's to it, over jupyter_client."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

__all__ = ["FrontEnd", "running"]

#: Longer than anything here takes, on a slow machine too.
TIMEOUT_SECONDS = 120

Message = dict[str, Any]


@contextmanager
def running(kernel_name: str) -> Iterator[FrontEnd]:
    """A kernel of its own."""
    with tempfile.NamedTemporaryFile() as log:
        manager, client = start_new_kernel(kernel_name=kernel_name, stderr=log)
        try:
            yield FrontEnd(manager, client, Path(log.name))
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=False)


class FrontEnd:
    """One client of a kernel; keeps what it has seen of comms."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient, log: Path) -> None:
        self.manager = manager
        self.client = client
        self._log = log
        #: Every iopub message so far.
        self.seen: list[Message] = []

    # ------------------------------------------------------------------ asking

    def run(self, code: str) -> list[Message]:
        """Run a cell to its end; gives its iopub messages."""
        return self.until_idle(self.start(code))

    def start(self, code: str) -> str:
        """Ask for a cell; gives the id of the request."""
        return str(self.client.execute(code))

    def send(self, msg_type: str, content: Message, buffers: list[bytes] | None = None, **metadata: Any) -> str:
        """Send a comm message; gives its id."""
        message = self.client.session.msg(msg_type, content, metadata=metadata)
        message["buffers"] = buffers or []
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def update(self, comm_id: str, state: Message, buffers: list[bytes] | None = None, paths: Any = ()) -> str:
        """Send a widget's traits, as a page does."""
        data = {"method": "update", "state": state, "buffer_paths": list(paths)}
        return self.send("comm_msg", {"comm_id": comm_id, "data": data}, buffers)

    def click(self, comm_id: str) -> str:
        """Press a button."""
        data = {"method": "custom", "content": {"event": "click"}}
        return self.send("comm_msg", {"comm_id": comm_id, "data": data})

    def answer(self, text: str) -> None:
        """Answer the `input` that a cell waits for, or will."""
        self.client.get_stdin_msg(timeout=TIMEOUT_SECONDS)
        self.client.input(text)

    def request_states(self) -> Message:
        """Ask for all widgets as a page does that was reloaded; gives the ``update_states`` message."""
        comm_id = uuid.uuid4().hex
        target = "jupyter.widget.control"
        self.send("comm_open", {"comm_id": comm_id, "target_name": target, "data": {}}, version="1.0.0")
        self.send("comm_msg", {"comm_id": comm_id, "data": {"method": "request_states"}})
        return self.until(lambda message: message["content"].get("comm_id") == comm_id)

    def comm_info(self, target_name: str | None = None) -> Message:
        """The ``comms`` of a ``comm_info_reply``."""
        reply = self.client.comm_info(target_name, reply=True, timeout=TIMEOUT_SECONDS)
        comms: Message = reply["content"]["comms"]
        return comms

    # ------------------------------------------------------------------ hearing

    def next(self) -> Message:
        """The next iopub message."""
        message: Message = self.client.get_iopub_msg(timeout=TIMEOUT_SECONDS)
        self.seen.append(message)
        return message

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """The first message from now on that is wanted."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if wanted(message := self.next()):
                return message
        raise TimeoutError("the message did not come")

    def until_idle(self, msg_id: str) -> list[Message]:
        """The messages of a request, up to and with its ``idle``; the others are in `seen`.

        A comm's may begin before the ``idle`` of the cell that it waited for, and so be there already.
        """
        found = [message for message in self.seen if message["parent_header"].get("msg_id") == msg_id]
        while not any(message["content"].get("execution_state") == "idle" for message in found):
            message = self.next()
            if message["parent_header"].get("msg_id") == msg_id:
                found.append(message)
        return found

    def log_lines(self, about: str) -> list[str]:
        """The lines of the kernel's log that hold these words."""
        return [line for line in self._log.read_text("utf-8", "replace").splitlines() if about in line]

    def model(self, name: str, nth: int = -1) -> str:
        """The comm of a widget, by its ``_model_name``."""
        opened = [message["content"] for message in self.seen if message["msg_type"] == "comm_open"]
        found = [c["comm_id"] for c in opened if c["data"].get("state", {}).get("_model_name") == name]
        return str(found[nth])


def texts(messages: list[Message], name: str = "stdout") -> str:
    """What was printed."""
    return "".join(
        message["content"]["text"]
        for message in messages
        if message["msg_type"] == "stream" and message["content"]["name"] == name
    )
