"""What ``%sandbox`` and ``%%sandbox`` lines do, whatever door they came in by."""

from __future__ import annotations

import functools
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any, ClassVar

from IPython.core.error import UsageError

from ..errors import HopxKernelError, RemoteExecutionError
from ..library import bridge, transfer
from ..library.runs import SandboxRun
from ..protocol import Message
from . import languages
from .arguments import Help, cell_parser, overview, parse, split, verb_parsers
from .door import Door, View, error_lines
from .registry import NamedSandbox, Registry, RunLog

__all__ = ["Commands"]

#: A copy that is larger than this shows a bar.
BAR_BYTES = 4 * 1024 * 1024

_BAR_SECONDS = 0.1

_Progress = Callable[[str, int, int], None]


class Commands:
    """Does what the lines of one door say. Raises `UsageError`, `HopxKernelError` and `KeyboardInterrupt`.

    Parameters
    ----------
    door : Door
    registry : Registry
    """

    def __init__(self, door: Door, registry: Registry) -> None:
        self._door = door
        self._registry = registry

    def run_cell(self, line: str, cell: str) -> Any:
        """Do what ``%%sandbox`` does."""
        try:
            arguments = parse(cell_parser(), split(line))
        except Help as text:
            self._door.write(str(text))
            return None
        return self._run(arguments, cell)

    def manage(self, line: str) -> None:
        """Do what ``%sandbox`` does."""
        words = split(line)
        if words[:1] in (["-h"], ["--help"]) or words[1:2] in (["-h"], ["--help"]):
            self._door.write(overview())
            return
        if not words:
            self._list()
            return
        name, verb, *rest = [*words, "status"] if len(words) == 1 else words
        parsers = verb_parsers()
        if verb not in parsers:
            raise UsageError(f"%sandbox NAME has no {verb!r:.80}; it has: {', '.join(parsers)}")
        try:
            arguments = parse(parsers[verb], rest)
        except Help as text:
            self._door.write(str(text))
            return
        self._VERBS[verb](self, self._registry.get(name), arguments)

    # ------------------------------------------------------------------ a cell

    def _run(self, arguments: Namespace, cell: str) -> Any:
        door = self._door
        inputs, outputs = (
            list(dict.fromkeys(chain.from_iterable(names))) for names in (arguments.input, arguments.output)
        )
        if arguments.language != "python" and (inputs or outputs):
            raise UsageError(f"-i and -o carry Python variables; a {arguments.language} cell has none: use files")
        values = door.pack(inputs) if inputs else {}
        named = self._open(arguments)
        if values:
            self._with_bar(named, functools.partial(transfer.send_values, named.session, values))
        code = cell
        if arguments.language != "python":
            code = languages.write_program(named.sandbox, arguments.language, cell, door.call)
        run = named.session.execute(
            code,
            timeout=arguments.timeout,
            allow_stdin=door.can_ask and not arguments.background,
            execution_count=door.execution_count,
        )
        log = named.new_log(cell)
        view = door.show(named, run, log, is_quiet=arguments.no_display, is_background=arguments.background)
        named.on_late(run.msg_id, view.late)
        finish = functools.partial(self._finish, named, run, log, view, arguments.language, outputs)
        if arguments.background:
            return door.put_in_background(named.name, log.number, run, functools.partial(self._report, finish))
        finish()
        return None

    def _open(self, arguments: Namespace) -> NamedSandbox:
        env = dict(arguments.env)
        asked = (arguments.kind, arguments.template, arguments.network, env)
        named = self._registry.open(arguments.name, *asked, self._door.call)
        if not named.sandbox.is_isolated and not named.logs:
            self._door.write(f"Sandbox {named.name!r} of kind {named.sandbox.kind} isolates nothing.\n", "stderr")
        if env:
            self._door.call(named.set_environment, env)
        return named

    def _finish(
        self, named: NamedSandbox, run: SandboxRun, log: RunLog, view: View, language: str, outputs: list[str]
    ) -> Any:
        try:
            view.follow()
        except RemoteExecutionError as exc:
            if language == "python":
                raise
            raise languages.explain(language, exc) from None
        finally:
            if run.reply is not None:
                ok = run.reply.get("status") == "ok"
                log.state = "ok" if ok else str(run.reply.get("reason", "error"))
        if outputs:
            self._bring_back(named, outputs)
        return run.result

    def _bring_back(self, named: NamedSandbox, names: list[str]) -> None:
        basket = self._door.make_basket()
        try:
            self._with_bar(named, functools.partial(transfer.receive_values, named.session, names, basket.open))
        except transfer.ValueRefusedError as exc:
            raise UsageError(str(exc)) from None
        basket.bind()

    def _report(self, finish: Callable[[], Any]) -> Any:
        """Finish a run in the background: its error is shown in its cell, as text, and raised to whoever waits."""
        try:
            return finish()
        except (HopxKernelError, UsageError) as exc:
            self._door.write("\n".join(error_lines(exc)) + "\n", "stderr")
            raise

    def _with_bar(self, named: NamedSandbox, work: Callable[..., Awaitable[Any]]) -> Any:
        """Do work in the library's loop, with bars for what is large; an interrupt stops it."""
        sizes: dict[str, tuple[int, int]] = {}

        def note(name: str, done: int, size: int) -> None:
            sizes[name] = (done, size)

        bars = self._door.make_bars(named)
        pending = bridge.submit(functools.partial(work, on_progress=note))
        try:
            done = False
            while not done:
                done = pending.wait(_BAR_SECONDS)
                self._door.check_interrupt()
                for name, (sent, size) in list(sizes.items()):
                    if size >= BAR_BYTES:
                        content = {"message": name, "task": name, "current": sent, "total": size, "unit": "B"}
                        bars.feed(Message("progress", content))
                bars.tick()
        except BaseException:
            pending.cancel()
            bars.finish({"status": "error", "reason": "interrupted"})
            raise
        bars.finish({"status": "ok" if pending.error is None else "error"})
        return pending.result()

    # ------------------------------------------------------------------ verbs

    def _list(self) -> None:
        rows = [("NAME", "KIND", "STATE", "RUNS", "LAST RUN")]
        for named in self._registry:
            last = named.logs[-1] if named.logs else None
            state = "alive" if named.sandbox.is_alive else "lost"
            rows.append((named.name, _kind(named), state, str(last.number if last else 0), last.title if last else ""))
        if len(rows) == 1:
            self._door.write("There is no sandbox yet. A cell that starts with %%sandbox makes one.\n")
            return
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join([*(text.ljust(width) for text, width in zip(row[:4], widths, strict=True)), row[4]]).rstrip()
            for row in rows
        ]
        self._door.write("\n".join(lines) + "\n")

    def _restart(self, named: NamedSandbox, _arguments: Namespace) -> None:
        if named.sandbox.is_alive:
            self._door.call(named.restart)
            self._door.write(f"Sandbox {named.name!r} has a fresh interpreter; its files are as they were.\n")
        else:
            named.open(self._door.call)
            self._door.write(f"Sandbox {named.name!r} was lost and is made anew; its files are gone.\n")

    def _kill(self, named: NamedSandbox, _arguments: Namespace) -> None:
        self._registry.kill(named.name, self._door.call)
        self._door.write(f"Sandbox {named.name!r} is gone.\n")

    def _status(self, named: NamedSandbox, _arguments: Namespace) -> None:
        is_alive = named.sandbox.is_alive
        usage = self._door.call(named.sandbox._owner.usage) if is_alive else {}
        rows = {
            "kind": _kind(named),
            "state": "alive" if is_alive else f"lost; %sandbox {named.name} restart makes it anew",
            "age": f"{time.time() - named.started:.0f} s",
            "network": "yes" if named.settings.network else "no",
        }
        if usage:
            rows["memory"] = f"{usage['memory_bytes'] / 1e6:.0f} MB"
            rows["CPU time"] = f"{usage['cpu_seconds']:.1f} s"
        for log in list(named.logs):
            rows[f"run {log.number}"] = f"{log.state}: {log.title}"
        self._door.write("".join(f"{key:<10}{text}\n" for key, text in rows.items()))

    def _upload(self, named: NamedSandbox, arguments: Namespace) -> None:
        async def copy(on_progress: _Progress) -> Any:
            source = await self._door.open_file(arguments.source)
            try:
                note = functools.partial(on_progress, arguments.source)
                return await named.sandbox.files._send(source, arguments.target, note)
            finally:
                await source.aclose()

        path = self._copy(named, arguments.source, copy)
        self._door.write(f"{arguments.source} is now {path} in sandbox {named.name!r}.\n")

    def _download(self, named: NamedSandbox, arguments: Namespace) -> None:
        async def copy(on_progress: _Progress) -> Any:
            target = await self._door.find_target(arguments.source, arguments.target)
            make_file = functools.partial(self._door.make_file, target)
            note = functools.partial(on_progress, arguments.source)
            return await named.sandbox.files._receive(arguments.source, make_file, note)

        path = self._copy(named, arguments.source, copy)
        self._door.write(f"{arguments.source} of sandbox {named.name!r} is now {path}.\n")

    def _copy(self, named: NamedSandbox, source: str, copy: Callable[..., Awaitable[Any]]) -> Any:
        try:
            return self._with_bar(named, copy)
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise UsageError(f"{getattr(exc, 'filename', None) or source}: {reason}") from None

    def _env(self, named: NamedSandbox, arguments: Namespace) -> None:
        self._door.call(named.set_environment, dict(arguments.variables))

    def _replay(self, named: NamedSandbox, arguments: Namespace) -> None:
        logs = {log.number: log for log in named.logs}
        number = arguments.run if arguments.run is not None else max(logs, default=0)
        if number not in logs:
            known = ", ".join(map(str, logs)) or "none"
            raise UsageError(f"sandbox {named.name!r} has no run {number}; kept are: {known}")
        self._door.replay(named, logs[number])

    _VERBS: ClassVar[dict[str, Callable[[Commands, NamedSandbox, Namespace], None]]] = {
        "restart": _restart,
        "kill": _kill,
        "status": _status,
        "upload": _upload,
        "download": _download,
        "env": _env,
        "replay": _replay,
    }


def _kind(named: NamedSandbox) -> str:
    return named.sandbox.kind if named.sandbox.is_isolated else f"{named.sandbox.kind} (not isolated)"
