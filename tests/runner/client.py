"""A small host for tests: the real bundle as a real process, spoken to through `HostConnection`."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hopx_kernel.protocol import HostConnection, Message, RunnerOptions
from hopx_kernel.runner.bundle import build_bundle

#: Waiting for what never comes ends here; a machine that is slow is given its time.
TIMEOUT_SECONDS = 60.0


class RunnerClient:
    """One runner process and everything that it has said."""

    def __init__(self, argv: Sequence[str], env: dict[str, str] | None = None) -> None:
        self.connection = HostConnection()
        self.events: list[Message] = []
        self.acknowledges = True
        self._count = 0
        self._backlog = b""
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=env
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()

    def hello(self, resume: bool = False) -> dict[str, Any]:
        """Greet the runner; gives the content of its answer."""
        self.write(self.connection.hello("hello", resume))
        return self.wait_for(lambda event: event.msg_type == "hello_reply").content

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        while data:
            data = data[os.write(self._in, data) :]

    def request(self, msg_type: str, **content: Any) -> str:
        """Send a request; gives its id."""
        self._count += 1
        msg_id = f"request-{self._count}"
        self.write(self.connection.send(Message(msg_type, content, msg_id=msg_id)))
        return msg_id

    def send(self, message: Message) -> None:
        """Send a message that has no answer."""
        self.write(self.connection.send(message))

    def receive(self, timeout: float = TIMEOUT_SECONDS) -> Message:
        """The next event, kept in `events` too."""
        deadline = time.monotonic() + timeout
        while True:
            event = self.connection.next_message()
            if event is not None:
                self.events.append(event)
                if self.acknowledges and (data := self.connection.acknowledgement(force=event.is_terminal)):
                    self.write(data)
                return event
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._out], [], [], left)[0]:
                raise TimeoutError(f"nothing more after {[one.msg_type for one in self.events[-5:]]}")
            data = os.read(self._out, 1 << 18)
            if not data:
                raise EOFError(self.last_words())
            self.connection.receive_data(data)

    def wait_for(self, wanted: Callable[[Message], bool], timeout: float = TIMEOUT_SECONDS) -> Message:
        """The first event from now on that is wanted."""
        deadline = time.monotonic() + timeout
        while True:
            event = self.receive(max(deadline - time.monotonic(), 0.001))
            if wanted(event):
                return event

    def reply_to(self, msg_id: str, timeout: float = TIMEOUT_SECONDS) -> dict[str, Any]:
        """The content of the answer to a request."""
        return self.wait_for(lambda e: e.parent_id == msg_id and e.msg_type.endswith("_reply"), timeout).content

    def ask(self, msg_type: str, **content: Any) -> dict[str, Any]:
        """Send a request and wait for its answer's content."""
        return self.reply_to(self.request(msg_type, **content))

    def run(self, code: str, **options: Any) -> RunResult:
        """Run code to its end."""
        timeout = options.pop("timeout", TIMEOUT_SECONDS)
        msg_id = self.request("execute_request", code=code, **options)
        return self.finish(msg_id, timeout)

    def finish(self, msg_id: str, timeout: float = TIMEOUT_SECONDS) -> RunResult:
        """Wait for the end of a run that was started."""
        self.reply_to(msg_id, timeout)
        return self.result(msg_id)

    def result(self, msg_id: str) -> RunResult:
        """What is known of a run up to now."""
        return RunResult([event for event in self.events if event.parent_id == msg_id])

    def wait_text(self, msg_id: str, text: str, timeout: float = TIMEOUT_SECONDS) -> None:
        """Wait until a run has printed `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.result(msg_id).text:
            self.receive(max(deadline - time.monotonic(), 0.001))

    def last_words(self) -> str:
        """What the runner wrote to its own stderr before its end."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode("utf-8", "replace")

    def close(self) -> None:
        """End the process by closing its stdin."""
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()  # twice is no harm
        try:
            self.process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


class RunResult:
    """The events of one run, without its heartbeats: how many of those there are is the machine's affair."""

    def __init__(self, events: list[Message]) -> None:
        self.events = [event for event in events if event.msg_type != "heartbeat"]

    def of(self, msg_type: str) -> list[dict[str, Any]]:
        """Contents of the events of one type."""
        return [event.content for event in self.events if event.msg_type == msg_type]

    @property
    def reply(self) -> dict[str, Any]:
        (reply,) = self.of("execute_reply")
        return reply

    @property
    def error(self) -> dict[str, Any]:
        (error,) = self.of("error")
        return error

    @property
    def text(self) -> str:
        """stdout and stderr as they came."""
        return "".join(content["text"] for content in self.of("stream"))

    def stream(self, name: str) -> str:
        """One of the two."""
        return "".join(content["text"] for content in self.of("stream") if content["name"] == name)

    @property
    def value(self) -> str:
        """The last expression's value as text."""
        (result,) = self.of("execute_result")
        return str(result["data"]["text/plain"])


class HoldGil:
    """Code that holds the GIL in a call of C until it is told to go on."""

    def __init__(self, fifo: Path) -> None:
        os.mkfifo(fifo)
        self._fifo = fifo
        #: Prints ``on`` before it does so.
        self.code = (
            f"import ctypes, os\nfd = os.open({str(fifo)!r}, os.O_RDWR)\n"
            "read, buffer = ctypes.PyDLL(None).read, ctypes.create_string_buffer(1)\n"
            "print('on', flush=True)\n_ = read(fd, buffer, 1)"
        )

    def release(self) -> None:
        """Let it go on."""
        with self._fifo.open("wb") as file:
            file.write(b"x")


@contextmanager
def open_runner(
    options: RunnerOptions | None = None,
    *,
    python: Sequence[str] = (sys.executable,),
    prefix: Sequence[str] = (),
    env: dict[str, str] | None = None,
    greet: bool = True,
) -> Iterator[RunnerClient]:
    """A runner in a directory of its own, ended at the end."""
    with tempfile.TemporaryDirectory() as directory:
        bundle = Path(directory, "runner.pyz")
        bundle.write_bytes(build_bundle())
        # A machine that is slow is no reason to say of code that it did not stop.
        options = options or RunnerOptions(cwd=directory, interrupt_grace_seconds=TIMEOUT_SECONDS)
        client = RunnerClient([*prefix, *python, str(bundle), options.to_json()], env)
        try:
            if greet:
                client.hello()
            yield client
        finally:
            client.close()
