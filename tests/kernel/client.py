"""A kernel process and a client that collects everything the kernel says."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO

import psutil
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpec

#: Longer than anything takes on a slow and busy machine, in seconds: it costs time only where something is missing.
TIMEOUT = 60.0

#: An option for kernels whose code is to stop when it is interrupted: the two seconds of the default, after which an
#: interrupt says that the code did not, can pass without a step of it.
PATIENT = f"--HopxConfig.interrupt_grace_seconds={TIMEOUT / 2}"

#: A cell that runs for as long as a test wants it to, and then goes on to its end.
UNTIL_INTERRUPTED = (
    "import time\ntry: print('started'); time.sleep(3600)\nexcept KeyboardInterrupt: pass\nprint('done')"
)

Message = dict[str, Any]


@dataclass
class Outcome:
    """What one request gave: its iopub messages in order, and its reply."""

    messages: list[Message] = field(default_factory=list)
    reply: Message = field(default_factory=dict)

    @property
    def types(self) -> list[str]:
        """The messages' types, with the state of each status; text in a row counts once, in however many pieces it came."""
        types = [
            message["content"]["execution_state"] if message["msg_type"] == "status" else message["msg_type"]
            for message in self.messages
        ]
        return [kind for before, kind in zip(["", *types], types, strict=False) if not before == kind == "stream"]

    @property
    def content(self) -> dict[str, Any]:
        """The reply's content."""
        content: dict[str, Any] = self.reply["content"]
        return content

    def contents(self, msg_type: str) -> list[dict[str, Any]]:
        """The contents of the messages of one type."""
        return [message["content"] for message in self.messages if message["msg_type"] == msg_type]

    def text(self, name: str = "stdout") -> str:
        """Everything printed to one stream."""
        return "".join(content["text"] for content in self.contents("stream") if content["name"] == name)

    @property
    def error(self) -> dict[str, Any]:
        """The one error."""
        (error,) = self.contents("error")
        return error

    @property
    def result(self) -> str:
        """The plain text of the one result."""
        (result,) = self.contents("execute_result")
        text: str = result["data"]["text/plain"]
        return text


class Kernel:
    """A kernel of this checkout, started as Jupyter starts one.

    Parameters
    ----------
    options : str
        Command line arguments for the kernel.
    env : mapping of str
        Environment variables for it, beside this process's own.
    stderr : binary file, optional
        Takes what it writes to stderr.
    """

    def __init__(self, *options: str, env: Mapping[str, str] | None = None, stderr: BinaryIO | None = None) -> None:
        self.manager = KernelManager()
        argv = [sys.executable, "-m", "hopx_kernel", "-f", "{connection_file}", *options]
        self.manager._kernel_spec = KernelSpec(
            argv=argv, language="python", display_name="hopx", interrupt_mode="message"
        )
        self._env = {**os.environ, **(env or {})}
        self._stderr = stderr
        self.client: BlockingKernelClient
        self._early: dict[str, list[Message]] = {}
        self._replies: dict[str, Message] = {}

    def __enter__(self) -> Kernel:
        self.manager.start_kernel(env=self._env, **({} if self._stderr is None else {"stderr": self._stderr}))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=TIMEOUT)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    @property
    def process(self) -> psutil.Process:
        """The kernel's process."""
        provisioner: Any = self.manager.provisioner
        return psutil.Process(provisioner.process.pid)

    # ------------------------------------------------------------------ requests

    def send(self, code: str, **options: Any) -> str:
        """Send a cell; gives its msg_id."""
        options.setdefault("allow_stdin", False)
        return self.client.execute(code, **options)

    def run(self, code: str, **options: Any) -> Outcome:
        """Run a cell to its idle."""
        return self.collect(self.send(code, **options))

    def request(self, msg_type: str, content: Any, **header: Any) -> str:
        """Send any message on the shell channel; gives its msg_id."""
        packed = content if isinstance(content, dict) else json.dumps(content).encode()
        message: Message = self.client.session.msg(msg_type, packed)
        message["header"].update(header)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def wait_for_arrival(self) -> None:
        """Return when everything that was sent on the shell channel has arrived at the kernel; cells may run on."""
        self.reply(self.request("kernel_info_request", {}))

    def question(self) -> Message:
        """The next ``input_request``."""
        question: Message = self.client.get_stdin_msg(timeout=TIMEOUT)
        return question

    def control(self, msg_type: str, content: Any) -> Message:
        """Send a request on the control channel and wait for its reply."""
        message = self.client.session.msg(msg_type, content)
        self.client.control_channel.send(message)
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            reply = self.client.get_control_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply
        raise TimeoutError(f"no answer to {msg_type}")

    def shut_down(self) -> None:
        """End the kernel as Jupyter does, and wait until it has gone."""
        process = self.process
        self.control("shutdown_request", {"restart": False})
        process.wait(TIMEOUT)

    def interrupt(self) -> dict[str, Any]:
        """Interrupt as Jupyter does; gives the reply's content."""
        content: dict[str, Any] = self.control("interrupt_request", {})["content"]
        return content

    def press_interrupt(self) -> None:
        """The toolbar's Stop."""
        self.interrupt()

    # ------------------------------------------------------------------ messages

    def next_message(self, timeout: float = TIMEOUT) -> Message:
        """The next iopub message, whosever it is."""
        message: Message = self.client.get_iopub_msg(timeout=timeout)
        return message

    def collect(
        self,
        msg_id: str,
        until: Callable[[Message], bool] | None = None,
        timeout: float = TIMEOUT,
        with_reply: bool = True,
    ) -> Outcome:
        """Collect a request's messages to its idle, or to the one that `until` is true for, and its reply."""
        outcome = Outcome()
        deadline = time.monotonic() + timeout
        while True:
            message = self._next_of(msg_id, deadline)
            outcome.messages.append(message)
            if until(message) if until is not None else _is_idle(message):
                break
        if until is None and with_reply:
            outcome.reply = self.reply(msg_id, timeout)
        return outcome

    def _next_of(self, msg_id: str, deadline: float) -> Message:
        early = self._early.get(msg_id)
        if early:
            return early.pop(0)
        while True:
            message = self.next_message(max(0.01, deadline - time.monotonic()))
            parent = message["parent_header"].get("msg_id", "")
            if parent == msg_id:
                return message
            self._early.setdefault(parent, []).append(message)

    def reply(self, msg_id: str, timeout: float = TIMEOUT) -> Message:
        """The reply to a request on the shell channel."""
        deadline = time.monotonic() + timeout
        while msg_id not in self._replies:
            reply = self.client.get_shell_msg(timeout=max(0.01, deadline - time.monotonic()))
            self._replies[reply["parent_header"].get("msg_id", "")] = reply
        return self._replies.pop(msg_id)

    def wait_for_text(self, msg_id: str, text: str, timeout: float = TIMEOUT) -> Outcome:
        """Collect a cell's messages until it has printed a text."""
        seen = ""

        def has_come(message: Message) -> bool:
            nonlocal seen
            seen += message["content"].get("text", "") if message["msg_type"] == "stream" else ""
            return text in seen

        return self.collect(msg_id, has_come, timeout)


def _is_idle(message: Message) -> bool:
    return bool(message["msg_type"] == "status" and message["content"]["execution_state"] == "idle")


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL to each; with some, others go by themselves."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
