"""The magics ``%%sandbox`` and ``%sandbox``."""

from __future__ import annotations

import contextvars
import functools
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import wait as wait_futures
from itertools import chain
from typing import Any, ClassVar

import anyio
from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from ..errors import HopxKernelError, RemoteExecutionError
from ..library import bridge, transfer
from ..progress import ProgressOptions, RunDisplay
from ..protocol import Message
from . import languages
from .arguments import Help, cell_parser, overview, parse, split, verb_parsers
from .background import BackgroundRun
from .registry import NamedSandbox, Registry, RunLog
from .view import RunView, front_end, publish, with_traceback

__all__ = ["SandboxMagics"]

#: A copy that is larger than this shows a bar.
BAR_BYTES = 4 * 1024 * 1024

_BAR_SECONDS = 0.1


@magics_class
class SandboxMagics(Magics):
    """``%%sandbox`` and ``%sandbox``, for one IPython."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.shell: Any = shell
        self.registry = Registry()

    @cell_magic("sandbox")  # type: ignore[arg-type]  # IPython types its decorators for nothing
    def run_cell(self, line: str, cell: str) -> BackgroundRun | None:
        """Run the cell in a sandbox. ``%%sandbox --help`` says more."""
        try:
            arguments = parse(cell_parser(), split(line))
        except Help as text:
            sys.stdout.write(str(text))
            return None
        with _short_errors():
            return self._run(arguments, cell)

    @line_magic("sandbox")  # type: ignore[arg-type]
    def manage(self, line: str) -> None:
        """List and manage sandboxes. ``%sandbox --help`` says more."""
        words = split(line)
        if words[:1] in (["-h"], ["--help"]):
            sys.stdout.write(overview())
            return
        if not words:
            self._list()
            return
        name, verb, *rest = [*words, "status"] if len(words) == 1 else words
        parsers = verb_parsers()
        if verb in ("-h", "--help"):
            sys.stdout.write(overview())
            return
        if verb not in parsers:
            raise UsageError(f"%sandbox NAME has no {verb!r}; it has: {', '.join(parsers)}")
        try:
            arguments = parse(parsers[verb], rest)
        except Help as text:
            sys.stdout.write(str(text))
            return
        named = self.registry.get(name)
        with _short_errors():
            self._VERBS[verb](self, named, arguments)

    # ------------------------------------------------------------------ a cell

    def _run(self, arguments: Namespace, cell: str) -> BackgroundRun | None:
        inputs, outputs = (
            list(dict.fromkeys(chain.from_iterable(names))) for names in (arguments.input, arguments.output)
        )
        if arguments.language != "python" and (inputs or outputs):
            raise UsageError(f"-i and -o carry Python variables; a {arguments.language} cell has none: use files")
        values = self._encode(inputs)
        env = dict(arguments.env)
        named = self.registry.open(arguments.name, arguments.kind, arguments.template, arguments.network, env)
        if not named.sandbox.is_isolated and not named.logs:
            sys.stderr.write(f"Sandbox {named.name!r} of kind {named.sandbox.kind} isolates nothing.\n")
        if env:
            bridge.call(transfer.set_environment, named.session, env)
        if values:
            self._with_bar(named, functools.partial(transfer.put_values, named.session, values))
        code = (
            cell if arguments.language == "python" else languages.write_program(named.sandbox, arguments.language, cell)
        )
        can_ask = not arguments.background and _can_ask(self.shell)
        run = named.session.execute(
            code, timeout=arguments.timeout, allow_stdin=can_ask, execution_count=self.shell.displayhook.prompt_count
        )
        log = named.new_log(cell)
        view = RunView(self.shell, named, run, log, is_quiet=arguments.no_display, is_background=arguments.background)
        named.on_late(run.msg_id, _late_handler(view))
        finish = functools.partial(self._finish, named, view, arguments.language, outputs)
        if arguments.background:
            return BackgroundRun(named.name, log.number, run, functools.partial(_report, finish))
        finish()
        return None

    def _encode(self, names: list[str]) -> dict[str, bytes]:
        namespace = self.shell.user_ns
        missing = [name for name in names if name not in namespace]
        if missing:
            raise UsageError(f"there is no variable {missing[0]!r} here for -i")
        try:
            return transfer.encode_values({name: namespace[name] for name in names})
        except transfer.ValueRefusedError as exc:
            raise UsageError(str(exc)) from None

    def _finish(self, named: NamedSandbox, view: RunView, language: str, outputs: list[str]) -> None:
        try:
            view.follow()
        except RemoteExecutionError as exc:
            if language == "python":
                raise
            explained = languages.explain(language, exc)
            raise with_traceback(explained, explained.traceback) from None
        if outputs:
            try:
                values = self._with_bar(named, functools.partial(transfer.get_values, named.session, outputs))
            except transfer.ValueRefusedError as exc:
                raise UsageError(str(exc)) from None
            self.shell.push(values)

    def _with_bar(self, named: NamedSandbox, work: Callable[..., Any]) -> Any:
        """Do work in the library's loop, with bars for what is large; an interrupt stops it."""
        sizes: dict[str, tuple[int, int]] = {}

        def note(name: str, done: int, size: int) -> None:
            sizes[name] = (done, size)

        options = ProgressOptions(front_end=front_end(self.shell), header="off", kind=named.sandbox.kind)
        display = RunDisplay(lambda msg_type, content, _: publish(self.shell, msg_type, content), options)
        future = bridge.submit(functools.partial(work, on_progress=note))
        try:
            done = False
            while not done:
                done = bool(wait_futures([future], _BAR_SECONDS).done)
                for name, (sent, size) in list(sizes.items()):
                    if size >= BAR_BYTES:
                        content = {"message": name, "task": name, "current": sent, "total": size, "unit": "B"}
                        display.feed(Message("progress", content))
                display.tick()
        except BaseException:
            future.cancel()
            display.finish({"status": "error", "reason": "interrupted"})
            raise
        display.finish({"status": "ok" if future.exception() is None else "error"})
        return future.result()

    # ------------------------------------------------------------------ verbs

    def _list(self) -> None:
        rows = [("NAME", "KIND", "STATE", "RUNS", "LAST RUN")]
        for named in self.registry:
            last = named.logs[-1] if named.logs else None
            state = "alive" if named.sandbox.is_alive else "lost"
            rows.append((named.name, _kind(named), state, str(last.number if last else 0), last.title if last else ""))
        if len(rows) == 1:
            sys.stdout.write("There is no sandbox yet. A cell that starts with %%sandbox makes one.\n")
            return
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            sys.stdout.write(
                "  ".join([*(text.ljust(width) for text, width in zip(row[:4], widths, strict=True)), row[4]]).rstrip()
                + "\n"
            )

    def _restart(self, named: NamedSandbox, _arguments: Namespace) -> None:
        if named.sandbox.is_alive:
            named.session.restart()
            sys.stdout.write(f"Sandbox {named.name!r} has a fresh interpreter; its files are as they were.\n")
        else:
            named.open()
            sys.stdout.write(f"Sandbox {named.name!r} was lost and is made anew; its files are gone.\n")

    def _kill(self, named: NamedSandbox, _arguments: Namespace) -> None:
        self.registry.kill(named.name)
        sys.stdout.write(f"Sandbox {named.name!r} is gone.\n")

    def _status(self, named: NamedSandbox, _arguments: Namespace) -> None:
        usage = bridge.call(named.sandbox._owner.usage) if named.sandbox.is_alive else {}
        rows = {
            "kind": _kind(named),
            "state": "alive" if named.sandbox.is_alive else f"lost; %sandbox {named.name} restart makes it anew",
            "age": f"{time.time() - named.started:.0f} s",
            "network": "yes" if named.settings.network else "no",
        }
        if usage:
            rows["memory"] = f"{usage['memory_bytes'] / 1e6:.0f} MB"
            rows["CPU time"] = f"{usage['cpu_seconds']:.1f} s"
        for log in named.logs:
            rows[f"run {log.number}"] = f"{log.state}: {log.title}"
        for key, text in rows.items():
            sys.stdout.write(f"{key:<10}{text}\n")

    def _upload(self, named: NamedSandbox, arguments: Namespace) -> None:
        files = named.sandbox.files
        path = self._copy(named, files._upload, arguments.source, arguments.target)
        sys.stdout.write(f"{arguments.source} is now {path} in sandbox {named.name!r}.\n")

    def _download(self, named: NamedSandbox, arguments: Namespace) -> None:
        files = named.sandbox.files
        path = self._copy(named, files._download, arguments.source, arguments.target)
        sys.stdout.write(f"{arguments.source} of sandbox {named.name!r} is now {path}.\n")

    def _copy(self, named: NamedSandbox, copy: Callable[..., Any], source: str, target: str | None) -> Any:
        async def work(on_progress: Callable[[str, int, int], None]) -> Any:
            return await copy(source, target, functools.partial(on_progress, source))

        try:
            return self._with_bar(named, work)
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise UsageError(f"{getattr(exc, 'filename', None) or source}: {reason}") from None

    def _env(self, named: NamedSandbox, arguments: Namespace) -> None:
        bridge.call(transfer.set_environment, named.session, dict(arguments.variables))

    def _replay(self, named: NamedSandbox, arguments: Namespace) -> None:
        logs = {log.number: log for log in named.logs}
        number = arguments.run if arguments.run is not None else max(logs, default=0)
        if number not in logs:
            known = ", ".join(map(str, logs)) or "none"
            raise UsageError(f"sandbox {named.name!r} has no run {number}; kept are: {known}")
        RunView(self.shell, named, None, RunLog(0, "")).replay(logs[number])

    _VERBS: ClassVar[dict[str, Callable[[SandboxMagics, NamedSandbox, Namespace], None]]] = {
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


def _can_ask(shell: Any) -> bool:
    kernel = getattr(shell, "kernel", None)
    return kernel is None or bool(getattr(kernel, "_allow_stdin", True))


def _late_handler(view: RunView) -> Callable[[Message], Any]:
    """Shows late events as output of the cell that is running now."""
    context = contextvars.copy_context()

    async def show(event: Message) -> None:
        await anyio.to_thread.run_sync(context.copy().run, view.late, event)

    return show


def _report(finish: Callable[[], None]) -> None:
    """Finish a run in the background: its error is shown in its cell, as text, and raised to whoever waits."""
    try:
        finish()
    except (HopxKernelError, UsageError) as exc:
        render = getattr(exc, "_render_traceback_", None)
        lines = render() if render is not None else [f"{type(exc).__name__}: {exc}"]
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
        raise


class _short_errors:  # noqa: N801  # reads as what it does
    """This package's errors say all there is to say: IPython shows them without where they were raised."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, exc: BaseException | None, _traceback: object) -> None:
        if isinstance(exc, HopxKernelError) and not hasattr(exc, "_render_traceback_"):
            with_traceback(exc, [f"{type(exc).__name__}: {exc}"])
