"""The sandboxes of one IPython, by name, and the log of their runs."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from IPython.core.error import UsageError

from ..library.runs import SandboxSession
from ..library.sandbox import DEFAULT_KIND, DEFAULT_TEMPLATE, Sandbox
from ..protocol import Message, RunnerOptions
from ..sandboxes import KINDS

__all__ = ["Call", "LateHandler", "Maker", "NamedSandbox", "Registry", "RunLog", "Settings"]

#: Runs that a sandbox's `replay` knows, and what is kept of each, in characters.
KEPT_RUNS = 20
KEPT_CHARACTERS = 2 * 1024 * 1024

#: Runs whose late output still finds its cell.
_LATE_RUNS = 100

LateHandler = Callable[[Message], Awaitable[None]]

#: Runs a coroutine function in the library's loop and waits for it, as `bridge.call`.
Call = Callable[..., Any]


@dataclass(frozen=True)
class Settings:
    """What a sandbox is made with."""

    kind: str = DEFAULT_KIND
    template: str = DEFAULT_TEMPLATE
    network: bool = False
    env: tuple[tuple[str, str], ...] = ()


class Maker:
    """Makes sandboxes, of any kind that there is and with whatever a line asks for."""

    #: What the interpreters' runners are told.
    runner_options = RunnerOptions()

    def kinds(self) -> list[str]:
        """The kinds that can be asked for."""
        return sorted(KINDS)

    def settle(
        self, kind: str | None, template: str | None, network: bool | None, env: dict[str, str], present: int
    ) -> Settings:
        """What a new sandbox is made with, where `present` are there already. Raises `UsageError` for what cannot be."""
        del present
        return Settings(kind or DEFAULT_KIND, template or DEFAULT_TEMPLATE, bool(network), tuple(sorted(env.items())))

    def make(self, settings: Settings) -> Sandbox:
        """A sandbox that is not open yet. Raises as `Sandbox.create`."""
        return Sandbox._make(settings.template, settings.kind, dict(settings.env), settings.network)


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

    def again(self) -> Iterator[Message]:
        """What to show to show it again; errors as text."""
        if self.omitted:
            yield _stderr(f"[{self.omitted} events before these are not kept]\n")
        for event in list(self.events):
            if event.msg_type == "error":
                lines = [str(line) for line in event.content["traceback"]]
                yield _stderr("\n".join(lines or [f"{event.content['ename']}: {event.content['evalue']}"]) + "\n")
            elif event.msg_type not in ("input_request", "comm_open"):
                yield event


def _stderr(text: str) -> Message:
    return Message("stream", {"name": "stderr", "text": text})


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
    """A sandbox with a name, the interpreter in it, and the log of its runs. To be opened."""

    sandbox: Sandbox
    session: SandboxSession

    def __init__(self, name: str, settings: Settings, maker: Maker) -> None:
        self.name = name
        self.settings = settings
        self.logs: deque[RunLog] = deque(maxlen=KEPT_RUNS)
        self.started = time.time()
        self._maker = maker
        self._numbers = itertools.count(1)
        self._late: OrderedDict[str, LateHandler] = OrderedDict()
        self._env: dict[str, str] = {}

    def open(self, call: Call) -> None:
        """Make the sandbox, also anew. Raises `SandboxStartError`."""
        sandbox = self._maker.make(self.settings)
        call(sandbox._owner.open)
        self.sandbox = sandbox
        options = self._maker.runner_options
        self.session = SandboxSession(sandbox, env=self._env, on_late_event=self._take_late, options=options)

    async def set_environment(self, env: dict[str, str]) -> None:
        """Set variables of the interpreter and of every one that takes its place. Raises `SandboxLostError`."""
        self._env |= env
        await self.session._set_environment(env)

    async def restart(self) -> None:
        """Give it a fresh interpreter, in the same environment."""
        await self.session._host.restart()

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
    """The sandboxes of one door.

    Parameters
    ----------
    maker : Maker, optional
        Makes them.
    """

    def __init__(self, maker: Maker | None = None) -> None:
        self.maker = maker or Maker()
        self._sandboxes: dict[str, NamedSandbox] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[NamedSandbox]:
        return iter(list(self._sandboxes.values()))

    def names(self) -> list[str]:
        """Every name, in the order of making."""
        return list(self._sandboxes)

    def get(self, name: str) -> NamedSandbox:
        """The sandbox of exactly this name. Raises `UsageError` that names those there are."""
        try:
            return self._sandboxes[name]
        except KeyError:
            known = ", ".join(self._sandboxes) or "none yet; a cell that starts with %%sandbox makes one"
            raise UsageError(f"there is no sandbox {name!r:.80}; there is: {known}") from None

    def open(
        self,
        name: str,
        kind: str | None,
        template: str | None,
        network: bool | None,
        env: dict[str, str],
        call: Call,
    ) -> NamedSandbox:
        """The sandbox of a name, made when there is none. Raises `UsageError` when there is one of another make."""
        with self._lock:
            found = self._sandboxes.get(name)
            if found is None:
                settings = self.maker.settle(kind, template, network, env, len(self._sandboxes))
                found = NamedSandbox(name, settings, self.maker)
                found.open(call)
                self._sandboxes[name] = found
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

    def kill(self, name: str, call: Call) -> None:
        """End a sandbox and forget it."""
        named = self.get(name)
        call(named.sandbox._owner.kill)
        self._sandboxes.pop(name, None)

    def kill_all(self, call: Call) -> None:
        """End every sandbox and forget it."""
        for name in self.names():
            self.kill(name, call)
