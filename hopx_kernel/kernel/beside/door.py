"""The door of the kernel's own cells: what a line does for them, in a thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import anyio
from IPython.core.error import UsageError

from ...errors import HopxKernelError, LocalProtocolError, RemoteExecutionError, SandboxError, SandboxTimeoutError
from ...library import bridge
from ...library.runs import SandboxRun
from ...magics.commands import Commands
from ...magics.door import Door, View, error_lines
from ...magics.registry import LateHandler, NamedSandbox, Registry, RunLog
from ...protocol import Message
from ..crossing import Crossing
from .carry import MagicBasket, MagicSink, MagicSource, ask
from .service import Ask
from .showing import Showing, Tasks
from .use import InterruptedUseError, Use

__all__ = ["KernelDoor", "serve"]

#: How soon an interrupt is noticed, in seconds.
_CHECK_SECONDS = 0.1

T = TypeVar("T")

_log = logging.getLogger(__name__)


def serve(door: KernelDoor, registry: Registry) -> dict[str, Any]:
    """Do what a use of the magic says; gives the content of its end."""
    begin, commands = door.use.begin, Commands(door, registry)
    try:
        if begin.cell is None:
            commands.manage(begin.line)
            return {"status": "ok", "result": None}
        return {"status": "ok", "result": commands.run_cell(begin.line, begin.cell)}
    except (KeyboardInterrupt, InterruptedUseError):
        return _error("KeyboardInterrupt", "", [])
    except SandboxTimeoutError as exc:
        return {**_error_of(exc), "output": exc.output, "alive": exc.alive}
    except RemoteExecutionError as exc:
        return {**_error_of(exc), "remote_ename": exc.ename, "remote_evalue": exc.evalue}
    except (HopxKernelError, UsageError) as exc:
        return _error_of(exc)
    except Exception as exc:  # noqa: BLE001 - the cell that waits must have an answer
        if not door.use.is_interrupted:
            _log.exception("A use of %%sandbox failed")
        return _error(SandboxError.__name__, f"{type(exc).__name__}: {exc}", [])


def _error_of(exc: BaseException) -> dict[str, Any]:
    return _error(type(exc).__name__, str(exc), error_lines(exc))


def _error(ename: str, evalue: str, traceback: list[str]) -> dict[str, Any]:
    return {"status": "error", "ename": ename, "evalue": evalue, "traceback": traceback}


class KernelDoor(Door):
    """Values and files are those of the kernel's own sandbox, and output is that of the cell in it.

    Parameters
    ----------
    use : Use
        Of the magic.
    crossing : Crossing
        The way into the main loop.
    person : async callable
        Asks the person at the cell.
    """

    def __init__(self, use: Use, crossing: Crossing, person: Ask) -> None:
        self.use = use
        self.crossing = crossing
        self.can_ask = use.begin.allow_stdin
        self.execution_count = use.begin.execution_count
        self._person = person

    def write(self, text: str, name: str = "stdout") -> None:
        self.feed(Message("stream", {"name": name, "text": text}))

    def feed(self, event: Message) -> None:
        """Show an event in the cell, when there is room for it."""
        self.crossing.submit(self.use.output.feed, event).result()

    def call(self, func: Callable[..., Awaitable[T]], *args: Any) -> T:
        pending = bridge.submit(func, *args)
        try:
            while not pending.wait(_CHECK_SECONDS):
                self.check_interrupt()
            return pending.result()
        except BaseException:
            pending.cancel()
            raise

    def check_interrupt(self) -> None:
        if self.use.is_interrupted:
            raise KeyboardInterrupt

    def pack(self, names: list[str]) -> Mapping[str, MagicSource]:
        answer = self.call(partial(ask, self.use, "pack", names=names))
        if "missing" in answer.content:
            raise UsageError(f"there is no variable {str(answer.content['missing'])[:80]!r} here for -i")
        if faults := answer.texts("faults"):
            raise UsageError("\n".join(f"{name} cannot be carried: {fault}" for name, fault in faults.items()))
        sizes = answer.get("sizes", dict)
        return {name: MagicSource(self.use, name, "", _size(sizes, name)) for name in names}

    def make_basket(self) -> MagicBasket:
        return MagicBasket(self.use)

    async def open_file(self, path: str) -> MagicSource:
        answer = await ask(self.use, "open", path=path, source="file")
        return MagicSource(self.use, "file", answer.get("name", str), answer.get("size", int))

    async def find_target(self, source: str, target: str | None) -> str:
        return (await ask(self.use, "find", source=source, target=target)).get("path", str)

    async def make_file(self, path: str, size: int) -> MagicSink:
        await ask(self.use, "make", path=path, size=size)
        return MagicSink(self.use)

    def show(self, named: NamedSandbox, run: SandboxRun, log: RunLog, *, is_quiet: bool, is_background: bool) -> View:
        return _RunView(self, named, run, log, is_quiet=is_quiet, is_background=is_background)

    def replay(self, named: NamedSandbox, log: RunLog) -> None:
        showing = Showing(self.use.output, named.name, lambda _: None)
        for event in log.again():
            self.check_interrupt()
            self.crossing.submit(showing.show, event).result()
        self.crossing.submit(showing.finish, {"status": "ok" if log.state == "ok" else "error"}).result()

    def make_bars(self, named: NamedSandbox) -> _Bars:
        return _Bars(self, named.name)

    def put_in_background(self, name: str, number: int, run: SandboxRun, follow: Callable[[], Any]) -> Any:
        """Have the magic give its cell a run, and go on with it in this thread; gives its result."""
        self.use.run = run
        self.use.tell("background", name=name, run=number).result()
        return follow()

    async def answer_input(self, run: SandboxRun, content: dict[str, Any]) -> None:
        """Put a question of a run to the person. Runs in the main loop."""
        try:
            while (value := await self._person(self.use.output, content)) is not None:
                try:
                    return await run.send_input_async(value)
                except LocalProtocolError as exc:  # it is too large: the code waits for another
                    self.use.output.publish_stream("stderr", f"The answer could not be given to the code: {exc}\n")
        except HopxKernelError as exc:
            # A run whose sandbox is lost ends by itself, and says so.
            _log.info("An answer did not reach the sandbox: %s", exc)


def _size(sizes: dict[str, Any], name: str) -> int:
    size = sizes.get(name)
    if not isinstance(size, int):
        raise SandboxError(f"the sandbox gave no size for {name!r:.80}")
    return size


class _Bars:
    """Bars for a copy, among those of the cell; see `Bars`."""

    def __init__(self, door: KernelDoor, name: str) -> None:
        self._door = door
        self._tasks = Tasks(name)

    def feed(self, event: Message) -> bool:
        self._door.feed(self._tasks.rename(event))
        return True

    def tick(self) -> None:
        """Nothing: the cell's output does so by itself."""

    def finish(self, reply: Mapping[str, Any]) -> None:
        for event in self._tasks.finish(reply):
            self._door.feed(event)


class _RunView(View):
    """Shows a run in the cell. `follow` is for the door's thread, the rest for the main loop."""

    def __init__(
        self,
        door: KernelDoor,
        named: NamedSandbox,
        run: SandboxRun,
        log: RunLog,
        *,
        is_quiet: bool,
        is_background: bool,
    ) -> None:
        self._door = door
        self._run = run
        self._log = log
        self._is_quiet = is_quiet
        self._is_background = is_background
        self._showing = Showing(door.use.output, named.name, self._take_input)
        self._scope: anyio.CancelScope | None = None
        self._attention = ExitStack()
        self._attention.enter_context(run._attended())
        run._merge_reports(door.use.output.merge)

    def follow(self) -> None:
        with self._attention:
            has_left = self._door.crossing.submit(self._pump).result()
        if has_left:
            raise KeyboardInterrupt
        self._run.raise_for_error()

    @property
    def late(self) -> LateHandler:
        async def show(event: Message) -> None:
            await self._door.crossing.call(self._show, event)

        return show

    async def _pump(self) -> bool:
        """Show everything; true where the run goes on unseen, since it did not stop."""
        use = self._door.use
        use.on_interrupt = self._interrupt
        try:
            if use.is_interrupted:  # just before
                self._door.crossing.submit(self._interrupt)
            with anyio.CancelScope() as scope:
                self._scope = scope
                async for event in self._run:
                    await self._show(event)
        finally:
            use.on_interrupt = None
            await self._showing.finish(self._run.reply or {"status": "error", "reason": "interrupted"})
        return scope.cancelled_caught

    async def _show(self, event: Message) -> None:
        if event.msg_type == "heartbeat":
            return  # those of the kernel's own sandbox are shown, which do not stop
        self._log.add(event)
        if not self._is_quiet or event.msg_type == "input_request":
            await self._showing.show(event)

    async def _interrupt(self) -> dict[str, Any]:
        outcome = await self._run.interrupt_async()
        scope = self._scope
        if not outcome.get("stopped") and not self._is_background and scope is not None and not scope.cancel_called:
            self._door.use.output.publish_stream("stderr", f"{outcome.get('evalue') or 'The code did not stop.'}\n")
            scope.cancel()
        return outcome

    def _take_input(self, content: dict[str, Any]) -> None:
        self._door.crossing.submit(self._door.answer_input, self._run, content)
