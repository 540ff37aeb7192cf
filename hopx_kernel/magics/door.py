"""What the places differ in that have ``%sandbox``: how to show, and where values and files come from and go to.

An ordinary IPython is one door (`surface`), the sandbox of the kernel's own cells the other (`kernel.beside`). What a
line does is the same in both (`commands`), and is told in calls that block the thread which works for the line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from ..errors import RemoteExecutionError
from ..library.carry import Sink, Source
from ..library.runs import SandboxRun
from ..protocol import Message
from .registry import LateHandler, NamedSandbox, RunLog

__all__ = ["WIDGETS_NOTE", "Bars", "Basket", "Door", "View", "dropped_note", "error_lines"]

T = TypeVar("T")

WIDGETS_NOTE = (
    'A widget in the sandbox wants to be shown. Widgets work in cells of the kernel "Python (HopX sandbox)"; %%sandbox '
    "shows output, results and progress.\n"
)


def dropped_note(event: Message) -> str:
    """What a ``dropped`` event says."""
    return f"[{event.content['events']} events were dropped, as nobody took them]\n"


def error_lines(exc: BaseException) -> list[str]:
    """An error as it is shown: with the sandbox's traceback where it has one, without this package's own."""
    render = getattr(exc, "_render_traceback_", None)
    if render is not None:
        return list(render())
    if isinstance(exc, RemoteExecutionError):
        return exc.traceback or [str(exc)]
    return [f"{type(exc).__name__}: {exc}"]


class View(ABC):
    """Shows one run. It is attended from its making, so that nothing of the run is dropped."""

    @abstractmethod
    def follow(self) -> None:
        """Show it to its end; raises as `SandboxRun.wait`, and `KeyboardInterrupt` where it does not stop."""

    @property
    @abstractmethod
    def late(self) -> LateHandler:
        """Shows events that come after the end."""


class Bars(Protocol):
    """Bars for a copy; `progress.RunDisplay` is one."""

    def feed(self, event: Message) -> bool:
        """Take a ``progress`` event."""

    def tick(self) -> None:
        """Show what is due."""

    def finish(self, reply: Mapping[str, Any]) -> None:
        """End as the content of an ``execute_reply`` says."""


class Basket(Protocol):
    """Takes values that come back from a sandbox: all of them, or none."""

    async def open(self, name: str, size: int) -> Sink:
        """Where the bytes of one go; `Sink.keep` reads them."""

    def bind(self) -> None:
        """Make them variables."""


class Door(ABC):
    """One door. Used by one thread at a time, except for `write`.

    Attributes
    ----------
    can_ask : bool
        Whether ``input()`` of the code can ask a person.
    execution_count : int
        The cell's number.
    """

    can_ask: bool
    execution_count: int

    @abstractmethod
    def write(self, text: str, name: str = "stdout") -> None:
        """Show text in the cell."""

    @abstractmethod
    def call(self, func: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run a coroutine function in the library's loop and wait for it; an interrupt cancels it."""

    @abstractmethod
    def check_interrupt(self) -> None:
        """Raise `KeyboardInterrupt` where an interrupt does not come by itself."""

    @abstractmethod
    def pack(self, names: list[str]) -> Mapping[str, Source]:
        """Variables, as bytes. Raises `UsageError` that names those which cannot be carried."""

    @abstractmethod
    def make_basket(self) -> Basket:
        """For variables to come."""

    @abstractmethod
    async def open_file(self, path: str) -> Source:
        """One's own file. Raises `OSError` with the reason."""

    @abstractmethod
    async def find_target(self, source: str, target: str | None) -> str:
        """The path of one's own where a copy of `source` goes. Raises `OSError` with the reason."""

    @abstractmethod
    async def make_file(self, path: str, size: int) -> Sink:
        """A new file of one's own; `Sink.keep` gives its path. Raises `OSError` with the reason."""

    @abstractmethod
    def show(self, named: NamedSandbox, run: SandboxRun, log: RunLog, *, is_quiet: bool, is_background: bool) -> View:
        """Begin to show a run."""

    @abstractmethod
    def replay(self, named: NamedSandbox, log: RunLog) -> None:
        """Show again what a log has kept."""

    @abstractmethod
    def make_bars(self, named: NamedSandbox) -> Bars:
        """Bars for a copy."""

    @abstractmethod
    def put_in_background(self, name: str, number: int, run: SandboxRun, follow: Callable[[], Any]) -> Any:
        """Let the cell go on, and `follow` the run beside it; gives what the cell is given."""
