"""The magics of an ordinary IPython, and the door that they open."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from ..errors import HopxKernelError
from ..library import bridge, transfer
from ..library.carry import BytesSink, BytesSource, FileSink, FileSource, Sink, Source
from ..library.inside.background import BackgroundRun
from ..library.inside.copies import find_target, own_path
from ..library.inside.values import load_value
from ..library.runs import SandboxRun
from ..progress import ProgressOptions, RunDisplay
from ..trust import clean_text
from .commands import Commands
from .door import Basket, Door, View, error_lines
from .registry import NamedSandbox, Registry, RunLog
from .view import RunView, front_end, publish, with_traceback

__all__ = ["SandboxMagics"]

T = TypeVar("T")


@magics_class
class SandboxMagics(Magics):
    """``%%sandbox`` and ``%sandbox``, for one IPython."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.shell: Any = shell
        self.registry = Registry()
        self._commands = Commands(IPythonDoor(shell), self.registry)

    @cell_magic("sandbox")  # type: ignore[arg-type]  # IPython types its decorators for nothing
    def run_cell(self, line: str, cell: str) -> BackgroundRun | None:
        """Run the cell in a sandbox. ``%%sandbox --help`` says more."""
        with _short_errors():
            run: BackgroundRun | None = self._commands.run_cell(line, cell)
            return run

    @line_magic("sandbox")  # type: ignore[arg-type]
    def manage(self, line: str) -> None:
        """List and manage sandboxes. ``%sandbox --help`` says more."""
        with _short_errors():
            self._commands.manage(line)

    def kill_all(self) -> None:
        """End every sandbox."""
        self.registry.kill_all(bridge.call)


class IPythonDoor(Door):
    """The door of an ordinary IPython: values are its variables, files are this computer's."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    @property
    def can_ask(self) -> bool:  # type: ignore[override]  # it changes from cell to cell
        kernel = getattr(self._shell, "kernel", None)
        return kernel is None or bool(getattr(kernel, "_allow_stdin", True))

    @property
    def execution_count(self) -> int:  # type: ignore[override]
        return int(self._shell.displayhook.prompt_count)

    def write(self, text: str, name: str = "stdout") -> None:
        stream = getattr(sys, name)
        stream.write(clean_text(text))  # it may hold names that a sandbox has chosen
        stream.flush()

    def call(self, func: Callable[..., Awaitable[T]], *args: Any) -> T:
        return bridge.call(func, *args)

    def check_interrupt(self) -> None:
        """Nothing: it is raised by a signal."""

    def pack(self, names: list[str]) -> Mapping[str, Source]:
        namespace = self._shell.user_ns
        missing = [name for name in names if name not in namespace]
        if missing:
            raise UsageError(f"there is no variable {missing[0]!r} here for -i")
        try:
            encoded = transfer.encode_values({name: namespace[name] for name in names})
        except transfer.ValueRefusedError as exc:
            raise UsageError(str(exc)) from None
        return {name: BytesSource(data) for name, data in encoded.items()}

    def make_basket(self) -> Basket:
        return _Basket(self._shell)

    async def open_file(self, path: str) -> Source:
        return FileSource(Path(own_path(path)))

    async def find_target(self, source: str, target: str | None) -> str:
        return str(find_target(source, None if target is None else own_path(target)))

    async def make_file(self, path: str, size: int) -> Sink:
        return FileSink(path, path, size)

    def show(self, named: NamedSandbox, run: SandboxRun, log: RunLog, *, is_quiet: bool, is_background: bool) -> View:
        return RunView(self._shell, named, run, log, is_quiet=is_quiet, is_background=is_background)

    def replay(self, named: NamedSandbox, log: RunLog) -> None:
        RunView(self._shell, named, None, RunLog(0, "")).replay(log)

    def make_bars(self, named: NamedSandbox) -> RunDisplay:
        options = ProgressOptions(
            front_end=front_end(self._shell),
            header="off",
            kind=named.sandbox.kind,
            is_isolated=named.sandbox.is_isolated,
        )
        return RunDisplay(lambda msg_type, content, _: publish(self._shell, msg_type, content), options)

    def put_in_background(
        self, name: str, number: int, run: SandboxRun, follow: Callable[[], Any]
    ) -> IPythonBackgroundRun:
        return IPythonBackgroundRun(name, number, run, follow)


class IPythonBackgroundRun(BackgroundRun):
    """A run of the library's in the background."""

    def __init__(self, name: str, number: int, run: SandboxRun, follow: Callable[[], Any]) -> None:
        super().__init__(name, number, follow, run.interrupt, run._written)

    async def _wait_async(self) -> Any:
        # IPython runs cells in other loops than asyncio's, too. No thread may wait here, which would outlive an interrupt:
        # Python ends only after its threads.
        await bridge.call_async(self._until_done)
        return self.wait()


class _Basket:
    """Values for an IPython's namespace."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._values: dict[str, Any] = {}

    async def open(self, name: str, _size: int) -> Sink:
        return _ValueSink(self._values, name)

    def bind(self) -> None:
        self._shell.push(self._values)


class _ValueSink(BytesSink):
    def __init__(self, values: dict[str, Any], name: str) -> None:
        super().__init__()
        self._values = values
        self._name = name

    async def keep(self) -> None:
        self._values[self._name] = load_value(await super().keep())


class _short_errors:  # noqa: N801  # reads as what it does
    """This package's errors say all there is to say: IPython shows them without where they were raised."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, exc: BaseException | None, _traceback: object) -> None:
        if isinstance(exc, HopxKernelError):
            with_traceback(exc, error_lines(exc))
