"""What goes to and fro between the host and one runner: reading, delivering in order, watching, and the end.

Whoever takes events may be slow, or take nothing any more: that keeps neither replies nor the news of an end from
arriving. Imports anyio and the layers below; a session owns one of these.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from .endings import last_events, missing_words
from .errors import ProtocolError, RemoteProtocolError, SandboxLostError
from .protocol import HostConnection, Message, RunnerOptions
from .protocol.amounts import measure
from .run import Reply, Run
from .sandboxes.base import BaseSandbox, SandboxProcess, SandboxState
from .sandboxes.options import START_TIMEOUT_NAMES
from .sender import Sender
from .watchdog import Silence, Watchdog

__all__ = ["EventHandler", "Exchange"]

EventHandler = Callable[[Message], Awaitable[None]]

#: What a runner's own stderr may hold of its last words, in bytes.
_LAST_WORDS_BYTES = 8192

#: Bytes of events that may wait for whoever takes them before nothing more is read. A runner holds its code back at half
#: of it; one that does not is not to fill this program's memory.
WAITING_BYTES = 16 << 20

#: How long those who take events have once there are no more, in seconds; then runs end without their having taken them.
LAST_SECONDS = 3.0

#: How long a runner that nothing more comes from may take to end before what it has written is counted, and how long
#: that is to stay the same, in seconds.
ENDING_SECONDS, STILL_SECONDS = 1.0, 0.01

#: How much later than a runner should have ended a run at its limit of time the host does so by itself, in seconds: one
#: that is silent, and one that is there.
SILENT_LATE_SECONDS, LATE_SECONDS = 3.0, 60.0


class Exchange:
    """The exchange with one runner.

    Parameters
    ----------
    sandbox : BaseSandbox
        Where the runner runs.
    process : SandboxProcess
        The runner.
    options : RunnerOptions
        What it was started with.
    on_event : async callable, optional
        Takes the events that no run's block takes.

    Attributes
    ----------
    runs, replies : dict
        What has not ended, and what is waited for, by the ids of the requests.
    lost : SandboxLostError or None
        Why nothing more comes.
    generation : int or None
        The interpreter whose variables those who ask count on; None where any will do.
    is_closing : bool
        Whether the end is wanted, so that what no run waits for need not be told.
    """

    def __init__(
        self, sandbox: BaseSandbox, process: SandboxProcess, options: RunnerOptions, on_event: EventHandler | None
    ) -> None:
        self.runs: dict[str, Run] = {}
        self.replies: dict[str, Reply] = {}
        self.lost: SandboxLostError | None = None
        self.ended = anyio.Event()
        self.generation: int | None = None
        self.is_closing = False
        self.connection = HostConnection()
        self.sender = Sender(process.stream)
        self.watchdog = Watchdog(options.heartbeat_seconds, options.loss_seconds, options.start_timeout_seconds)
        self._sandbox = sandbox
        self._process = process
        self._options = options
        self._on_event = on_event
        self._last_generation: int | None = None
        self._has_died = False  # and the next has not been heard of
        self._waiting: deque[tuple[Message, int]] = deque()
        self._waiting_bytes = 0
        self._is_reading, self._is_delivering = True, False
        self._changed = anyio.Event()
        self._patience = anyio.CancelScope()
        self._patient_until = float("inf")
        self._wanted = anyio.Event()
        self._received = (0, 0)  # lines and characters of text
        self._last_printed = ""
        self._last_words = b""
        self._scopes: list[anyio.CancelScope] = []

    def start(self, group: TaskGroup) -> None:
        """Start the tasks of it: they go on until `stop`, whatever is cancelled around them."""
        for work in (self._read, self._deliver_all, self._send, self._watch, self._read_stderr):
            group.start_soon(self._shielded, work)

    async def _shielded(self, work: Callable[[], Awaitable[None]]) -> None:
        with anyio.CancelScope(shield=True) as scope:
            self._scopes.append(scope)
            await work()

    async def stop(self) -> None:
        """End everything that has not ended, within seconds."""
        with anyio.CancelScope(shield=True):
            self.is_closing = True
            self.lose("the session was closed")
            with anyio.move_on_after(2 * LAST_SECONDS):
                await self.ended.wait()
        for scope in self._scopes:
            scope.cancel()

    # ------------------------------------------------------------------ out

    async def send(self, data: bytes) -> None:
        """Send a request's bytes. Raises `SandboxLostError`."""
        if self.lost is not None:
            raise self.lost
        await self.sender.send(data)

    def want(self) -> None:
        """Something is waited for from here on: the runner's silence counts."""
        self._wanted.set()

    def refresh(self) -> None:
        """Count on the variables of whatever interpreter there is: those who ask know that others are gone."""
        self.generation = None if self._has_died else self._last_generation

    async def _send(self) -> None:
        try:
            await self.sender.run()
        except SandboxLostError as exc:
            with anyio.move_on_after(
                LAST_SECONDS
            ):  # mostly its stream has ended, and what it said before is read first
                await self.ended.wait()
            if self.lost is None:
                await self._give_up(str(exc))

    # ------------------------------------------------------------------ in

    async def _read(self) -> None:
        """Read the runner's events until they end, whoever takes them."""
        cause = "the runner's stream ended"
        try:
            while True:
                self._is_reading = self._waiting_bytes < WAITING_BYTES
                if not self._is_reading:
                    await self._changed.wait()
                    continue
                data = await self._process.stream.receive()
                self.watchdog.heard()
                self.connection.receive_data(data)
                self._take_messages(len(data))
        except anyio.EndOfStream:
            try:
                self.connection.receive_eof()
            except RemoteProtocolError as exc:
                cause = str(exc)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            cause = "the sandbox broke the connection"
        except ProtocolError as exc:
            cause = str(exc)
        finally:
            self._is_reading = True
            self.lose(cause)

    def _take_messages(self, size: int) -> None:
        while (event := self.connection.next_message()) is not None:
            self._note(event)
            if event.msg_type == "stream":
                self._count(event)
            reply = self.replies.get(event.parent_id)
            if reply is not None and event.msg_type.endswith("_reply"):
                reply.set(event.content)
            elif event.msg_type == "protocol_error":
                raise RemoteProtocolError(f"the runner refused a request: {event.content['evalue']}")
            elif event.is_terminal or not event.msg_type.endswith("_reply"):  # who asked may have gone
                if event.is_terminal and (run := self.runs.get(event.parent_id)) is not None:
                    run.release()
                self._put(event, size)
                size = 0
        if not self._waiting and not self._is_delivering:
            self._acknowledge(None)  # replies wait for nobody

    def _count(self, event: Message) -> None:
        self._last_printed = event.parent_id
        lines, characters = measure(event.content["text"])
        self._received = self._received[0] + lines, self._received[1] + characters

    def _acknowledge(self, seq: int | None, force: bool = False) -> None:
        if acknowledgement := self.connection.acknowledgement(force=force, seq=seq):
            self.sender.post(acknowledgement)

    def _note(self, event: Message) -> None:
        """Keep account of the interpreters."""
        if event.msg_type == "interpreter_started":
            number = event.content.get("generation")
            self._last_generation = number if isinstance(number, int) else None
            self._has_died = False
            if self.generation is None:
                self.generation = self._last_generation
        elif event.msg_type == "interpreter_died":
            self._has_died = True
        elif event.msg_type == "restart_reply":
            self.generation = self._last_generation
        elif event.is_terminal and event.content.get("kept") is False:
            # Who asked is told that the variables are gone; the next interpreter may be there already.
            self.generation = None if self.generation == self._last_generation else self._last_generation

    def _put(self, event: Message, size: int = 0) -> None:
        self._waiting.append((event, size))
        self._waiting_bytes += size
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _deliver_all(self) -> None:
        """Hand on one event after another; at the end, the runs' ends."""
        while self.lost is None or self._waiting:
            if not self._waiting:
                await self._changed.wait()
                continue
            event, size = self._waiting.popleft()
            self._is_delivering = True
            await self._deliver(event)
            self._is_delivering = False
            self._waiting_bytes -= size
            if not self._is_reading:
                self._tell()
            if event.seq is not None:
                self._acknowledge(event.seq, force=event.is_terminal)
        missing = await self._count_missing() if self.runs or not self.is_closing else None
        if not self.runs and missing is not None and any(missing):  # of what a run has left to go on
            text = f"\n{self.lost}{missing_words(missing)}\n"
            await self._deliver(Message("stream", {"name": "stderr", "text": text}, parent_id=self._last_printed))
        for number, run in enumerate(list(self.runs.values())):
            words = "" if number else missing_words(missing)  # it is the first that goes
            for event in last_events(run, self.lost, words):
                await self._deliver(event)
        self.ended.set()

    async def _count_missing(self) -> tuple[int, int] | None:
        """How many lines and characters the sandbox has written that have not come; None where that cannot be told."""
        with anyio.move_on_after(ENDING_SECONDS):
            with suppress(SandboxLostError):
                await self._process.wait()
            # What its end ends may go on writing meanwhile.
            while (written := self._process.count_written()) is not None:
                await anyio.sleep(STILL_SECONDS)
                if self._process.count_written() == written:
                    break
        if (written := self._process.count_written()) is None:
            return None
        return max(written[0] - self._received[0], 0), max(written[1] - self._received[1], 0)

    async def _deliver(self, event: Message) -> None:
        run = self.runs.get(event.parent_id)
        # A deadline that has passed still lets everything happen that needs no waiting.
        with anyio.CancelScope(deadline=self._patient_until) as self._patience:
            if not (run is not None and await run.take(event)) and self._on_event is not None:
                await self._on_event(event)
        if run is not None and event.msg_type == "error":
            run.error = event.content
        if run is not None and event.is_terminal:
            self.runs.pop(run.msg_id, None)
            run.finish(event.content)

    async def _read_stderr(self) -> None:
        if self._process.stderr is None:
            return
        try:
            async for data in self._process.stderr:
                self._last_words = (self._last_words + data)[-_LAST_WORDS_BYTES:]
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass

    # ------------------------------------------------------------------ silence and deadlines

    async def _watch(self) -> None:
        while self.lost is None:
            if not self.runs and not self.replies:
                self.watchdog.rest()
                self._wanted = anyio.Event()
                await self._wanted.wait()
                continue
            is_starting = self._last_generation is None
            news = self.watchdog.tick(time.monotonic(), is_starting)
            if not self._is_reading:
                self.watchdog.heard()  # there is more of it than anybody takes
            elif news is Silence.LOST and is_starting:
                limit = self._options.start_timeout_seconds
                await self._give_up(f"its interpreter has not started within {limit:g} s ({START_TIMEOUT_NAMES})")
            elif news is Silence.LOST:
                await self._give_up(f"it has said nothing for {self.watchdog.silent_seconds:.0f} s")
            elif news is not Silence.NOTHING:
                self._tell_silence()
            await self._check_deadlines()
            if self.watchdog.is_question_due():
                self.sender.post(self.connection.send(Message("heartbeat")))
            await anyio.sleep(self.watchdog.tick_seconds)

    def _tell_silence(self) -> None:
        watchdog = self.watchdog
        content = {
            "is_silent": watchdog.is_silent,
            "seconds": watchdog.silent_seconds,
            "lost_after_seconds": watchdog.lost_after_seconds,
        }
        for msg_id in list(self.runs):
            self._put(Message("silence", content, parent_id=msg_id))

    async def _check_deadlines(self) -> None:
        """See to it that the first run, which is the one that goes, ends at its limit of time."""
        run = next(iter(self.runs.values()), None)
        clock = self.watchdog.clock
        if run is None or run.timeout_seconds is None:
            return
        if run.began is None:
            run.began = clock
        over = clock - run.began - run.timeout_seconds - self._options.interrupt_grace_seconds
        # While it starts, a silence says nothing yet.
        is_silent = self._last_generation is not None and self.watchdog.silent_seconds >= SILENT_LATE_SECONDS
        if over >= (SILENT_LATE_SECONDS if is_silent else LATE_SECONDS):
            run.is_late = True
            await self._give_up(f"the run's limit of {run.timeout_seconds:g} s has passed, and it was not ended")

    async def _give_up(self, cause: str) -> None:
        """The runner is there, and is of no use: end it."""
        self.lose(cause)
        with anyio.move_on_after(LAST_SECONDS) as scope:
            try:
                await self._process.kill()
                await self._process.wait()
            except SandboxLostError:
                pass
        if scope.cancelled_caught:  # nothing in that sandbox answers
            await self._sandbox.kill()

    # ------------------------------------------------------------------ the end

    def lose(self, cause: str) -> None:
        """Note that nothing more comes; runs end as soon as what has come is delivered, or those who take it had time to."""
        if self.lost is not None:
            return
        if self._sandbox.state is SandboxState.KILLED:
            cause = "it was killed"  # by this program, whatever the stream said of it
        words = self._last_words.decode("utf-8", "replace").strip()
        self.lost = error = SandboxLostError(f"The sandbox was lost: {cause}." + (f"\n{words}" if words else ""))
        self.sender.fail(error)
        for reply in list(self.replies.values()):
            reply.fail(error)
        for run in list(self.runs.values()):
            run.release()
        self._patient_until = anyio.current_time() + LAST_SECONDS
        self._patience.deadline = self._patient_until
        self._wanted.set()
        self._tell()
