"""A kernel that runs, seen from outside: its sockets, its process tree. Knows nothing of what is measured."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import LocalProvisioner

__all__ = ["KERNELS", "BenchKernel", "Received"]

#: What is measured, by the name of its kernelspec.
KERNELS = {"hopx": "hopx", "ipykernel": "python3"}

#: Where the kernels' own words go.
LOGS = Path("test-output")

#: Longer than any figure takes, in seconds: a kernel that says nothing for this long is stuck.
SILENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Received:
    """A message and the moment it left the socket, in seconds since the epoch (`time.time`)."""

    at: float
    message: dict[str, Any]

    @property
    def msg_type(self) -> str:
        return str(self.message["header"]["msg_type"])

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = self.message["content"]
        return content


class BenchKernel:
    """Start a kernel and hold a client of it. Sockets are read raw: jupyter_client's own waiting costs more than a message.

    Parameters
    ----------
    name : str
        A key of `KERNELS`.
    wait : bool
        Whether to wait until it answers; the figure of the start does not.
    """

    def __init__(self, name: str, *, wait: bool = True) -> None:
        self.name = name
        self.started_at = time.time()
        self.manager = KernelManager(kernel_name=KERNELS[name])
        LOGS.mkdir(exist_ok=True)
        # Open as long as the kernel may be restarted: the manager then starts it with the same files.
        self._log = (LOGS / f"bench-{name}.log").open("ab")
        self.manager.start_kernel(stdout=self._log, stderr=self._log, env=_environment())
        self.client = self.manager.blocking_client()
        self.client.start_channels(hb=False, stdin=False)
        if wait:
            self.client.wait_for_ready(timeout=60)

    def __enter__(self) -> BenchKernel:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=exc is not None)
        self._log.close()

    def run(self, code: str) -> Iterator[Received]:
        """Run a cell; gives its iopub messages as they come, the last of them its ``idle``."""
        yield from self.messages(self.execute(code))

    def execute(self, code: str, **expressions: str) -> str:
        """Ask for a cell as JupyterLab does, with the cell's id; gives the request's own id."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": expressions,
            "allow_stdin": True,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content, metadata={"cellId": uuid.uuid4().hex})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def messages(self, msg_id: str) -> Iterator[Received]:
        """The iopub messages of a request, until its ``idle``."""
        while True:
            received = self.receive(self.client.iopub_channel.socket)
            if received.message["parent_header"].get("msg_id") != msg_id:
                continue
            yield received
            if received.msg_type == "status" and received.content["execution_state"] == "idle":
                return

    def check(self, code: str) -> None:
        """Run a cell whose output is of no interest; raises `RuntimeError` when it raised."""
        for received in self.run(code):
            if received.msg_type == "error":
                raise RuntimeError(f"{self.name}: {received.content['ename']}: {received.content['evalue']}")

    def reply(self, msg_id: str) -> Received:
        """The shell's reply to a request."""
        while True:
            received = self.receive(self.client.shell_channel.socket)
            if received.message["parent_header"].get("msg_id") == msg_id:
                return received

    def receive(self, socket: Any) -> Received:
        """The next message of a socket."""
        if not socket.poll(int(SILENCE_SECONDS * 1000)):
            raise TimeoutError(f"{self.name} said nothing for {SILENCE_SECONDS:.0f} s")
        frames = socket.recv_multipart()
        at = time.time()
        session = self.client.session
        return Received(at, session.deserialize(session.feed_identities(frames)[1]))

    def processes(self) -> list[psutil.Process]:
        """The kernel's process and everything below it, its sandbox's included."""
        provisioner = self.manager.provisioner
        assert isinstance(provisioner, LocalProvisioner)
        root = psutil.Process(provisioner.pid)
        return [root, *root.children(recursive=True)]

    def memory_bytes(self) -> int:
        """Proportional set size of the process tree; of a process that hides it, the resident size, which is more."""
        total = 0
        for process in self.processes():
            try:
                total += process.memory_full_info().pss
            except psutil.AccessDenied:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total


def _environment() -> dict[str, str]:
    """This process's environment, in which Python keeps bytecode, as an installed package has it."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
