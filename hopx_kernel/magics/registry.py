"""The sandboxes of one IPython, by name, and the log of their runs."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from IPython.core.error import UsageError

from ..library.runs import SandboxSession
from ..library.sandbox import DEFAULT_KIND, DEFAULT_TEMPLATE, Sandbox
from ..protocol import Message

__all__ = ["NamedSandbox", "Registry", "RunLog", "Settings"]

#: Runs that a sandbox's `replay` knows, and what is kept of each, in characters.
KEPT_RUNS = 20
KEPT_CHARACTERS = 2 * 1024 * 1024

#: Runs whose late output still finds its cell.
_LATE_RUNS = 100

LateHandler = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Settings:
    """What a sandbox is made with."""

    kind: str = DEFAULT_KIND
    template: str = DEFAULT_TEMPLATE
    network: bool = False
    env: tuple[tuple[str, str], ...] = ()


@dataclass
class RunLog:
    """What one run showed, for `replay`: the last `KEPT_CHARACTERS` of it."""

    number: int
    title: str
    started: float = field(default_factory=time.time)
    state: str = "running"
    events: deque[Message] = field(default_factory=deque)
    omitted: int = 0
    _size: int = 0

    def add(self, event: Message) -> None:
        """Keep an event."""
        self.events.append(event)
        self._size += _size(event)
        while self._size > KEPT_CHARACTERS and len(self.events) > 1:
            self._size -= _size(self.events.popleft())
            self.omitted += 1


def _size(event: Message) -> int:
    content = event.content
    if event.msg_type == "stream":
        return len(content["text"])
    return (
        100 + sum(len(value) if isinstance(value, str) else 100 for value in content.get("data", {}).values())
        if isinstance(content.get("data"), dict)
        else 100
    )


class NamedSandbox:
    """A sandbox with a name, the interpreter in it, and the log of its runs."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.logs: deque[RunLog] = deque(maxlen=KEPT_RUNS)
        self.started = time.time()
        self._numbers = itertools.count(1)
        self._late: OrderedDict[str, LateHandler] = OrderedDict()
        self.open()

    sandbox: Sandbox
    session: SandboxSession

    def open(self) -> None:
        """Make the sandbox. Raises `SandboxStartError`."""
        settings = self.settings
        self.sandbox = Sandbox.create(
            settings.template, kind=settings.kind, network=settings.network, env=dict(settings.env)
        )
        self.session = self.sandbox.session(on_late_event=self._take_late)

    def new_log(self, code: str) -> RunLog:
        """A log for a run that begins."""
        title = next((line.strip() for line in code.split("\n") if line.strip()), "")
        log = RunLog(next(self._numbers), title[:60])
        self.logs.append(log)
        return log

    def on_late(self, msg_id: str, handler: LateHandler) -> None:
        """Have a handler called with the events that come after a run's end."""
        self._late[msg_id] = handler
        while len(self._late) > _LATE_RUNS:
            self._late.popitem(last=False)

    async def _take_late(self, event: Message) -> None:
        handler = self._late.get(event.parent_id)
        if handler is not None:
            await handler(event)


class Registry:
    """The sandboxes of one IPython."""

    def __init__(self) -> None:
        self._sandboxes: dict[str, NamedSandbox] = {}

    def __iter__(self) -> itertools.chain[NamedSandbox]:
        return itertools.chain(self._sandboxes.values())

    def names(self) -> list[str]:
        """Every name, in the order of making."""
        return list(self._sandboxes)

    def get(self, name: str) -> NamedSandbox:
        """The sandbox of exactly this name. Raises `UsageError` that names those there are."""
        try:
            return self._sandboxes[name]
        except KeyError:
            known = ", ".join(self._sandboxes) or "none yet; a cell that starts with %%sandbox makes one"
            raise UsageError(f"there is no sandbox {name!r}; there is: {known}") from None

    def open(
        self, name: str, kind: str | None, template: str | None, network: bool | None, env: dict[str, str]
    ) -> NamedSandbox:
        """The sandbox of a name, made when there is none. Raises `UsageError` when there is one of another make."""
        found = self._sandboxes.get(name)
        if found is None:
            settings = Settings(
                kind or DEFAULT_KIND, template or DEFAULT_TEMPLATE, bool(network), tuple(sorted(env.items()))
            )
            found = self._sandboxes[name] = NamedSandbox(name, settings)
            return found
        asked = {"kind": kind, "template": template, "network": network}
        for option, value in asked.items():
            present = getattr(found.settings, option)
            if value is not None and value != present:
                raise UsageError(
                    f"the sandbox {name!r} has {option} {present!r}, not {value!r}; end it with %sandbox {name} kill, "
                    "or use another name"
                )
        return found

    def kill(self, name: str) -> None:
        """End a sandbox and forget it."""
        self.get(name).sandbox.kill()
        del self._sandboxes[name]

    def kill_all(self) -> None:
        """End every sandbox and forget it."""
        for name in self.names():
            self.kill(name)
