"""Cells: from an execute_request to its reply, with everything in between routed to the right parent.

Runs in the main loop only. Knows Jupyter's words and none of its sockets.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from ..config import HopxConfig
from ..errors import HopxKernelError, SandboxLostError
from ..progress import ProgressOptions, RunDisplay, find_front_end
from ..progress.options import FrontEnd
from ..protocol import Message
from ..run import Run
from ..sandboxes.base import BaseSandbox
from ..session import Session
from ..trust import TrustPolicy
from .beside.service import Beside
from .history import History
from .keeper import SessionKeeper
from .output import Publisher, RunOutput
from .packages import FrontEndFiles
from .requests import ExecuteRequest, Request, error_content
from .shaping import StreamShaper
from .spool import Spool, SpoolDirectory
from .voila import VoilaPage

__all__ = ["Cells"]

#: Runs and comm messages whose late output still finds its parent.
REMEMBERED_PARENTS = 1000

_PAGE_LOST = "The sandbox behind this page has ended. Reload the page to start again."
_FRESH = "A fresh sandbox was started: variables and files of the one before are gone.\n"

_log = logging.getLogger(__name__)

Ask = Callable[[Request, str, bool], Awaitable["str | None"]]


class Cells:
    """Runs cells in a sandbox that is kept for them.

    Parameters
    ----------
    config : HopxConfig
        The options.
    publisher : Publisher
        The iopub channel.
    make_sandbox : callable
        Makes each sandbox.
    ask : async callable
        Puts a question to the person who sent a request: request, prompt, whether it is a password.
    behind_server : bool
        Whether the rate limits of a Jupyter Server hold.
    """

    def __init__(
        self,
        config: HopxConfig,
        publisher: Publisher,
        make_sandbox: Callable[[], BaseSandbox],
        *,
        ask: Ask,
        give_up_question: Callable[[], None],
        history: History,
        behind_server: bool,
    ) -> None:
        self.execution_count = 0
        self.keeper = SessionKeeper(make_sandbox, config.runner_options(), self._on_event, self._on_session_end)
        self.trust = TrustPolicy(config.trust == "trusted", config.comm_targets, FrontEndFiles(config.widget_packages))
        #: Called with the events that belong to no run: comm messages and the interpreter's life.
        self.on_other_event: Callable[[Message], Awaitable[None]] | None = None
        #: Called when an interpreter or its sandbox is gone, with everything in it.
        self.on_interpreter_gone: Callable[[], None] = lambda: None
        self._config = config
        self._publisher = publisher
        self._ask = ask
        self._give_up_question = give_up_question
        self._history = history
        self._limit_bytes = config.output_limit_bytes(behind_server)
        self._spools = SpoolDirectory()
        self._outputs: OrderedDict[str, RunOutput] = OrderedDict()
        self._comm_outputs: OrderedDict[str, RunOutput] = OrderedDict()
        self._current: RunOutput | None = None
        self._current_run: Run | None = None
        self._starting: anyio.CancelScope | None = None
        self._notice = ""
        self._voila = VoilaPage(publisher)
        #: The sandboxes that cells make beside theirs.
        self.beside = Beside(config, self._send, self._ask_person)
        #: The way into the sandbox, for one message at a time and in the order of arrival: whoever sends, holds it. Where it
        #: is free, nothing between a message's arrival and its sending may let another one past.
        self.way = anyio.Lock(fast_acquire=True)
        self._group: TaskGroup | None = None

    async def run(self, group: TaskGroup) -> None:
        """Keep sandboxes until `close`; questions to the person wait in `group`."""
        self._group = group
        self.beside.start(group)
        self.keeper.start()
        await self.keeper.run()

    async def close(self) -> None:
        """End the sandboxes and forget everything."""
        await self.beside.close()
        await self.keeper.close()
        for output in [*self._outputs.values(), *self._comm_outputs.values()]:
            output.close()
        self._spools.close()
        self._history.close()

    # ------------------------------------------------------------------ requests

    async def execute(self, request: Request) -> dict[str, Any]:
        """Run a cell; gives the content of its reply. Raises `MalformedRequestError`."""
        fields = ExecuteRequest.read(request)
        if self._voila.swallows(fields):
            return {"status": "ok", "execution_count": self.execution_count, "user_expressions": {}, "payload": []}
        count = self.execution_count + 1
        if fields.store_history:
            self.execution_count = count
            self._history.store(count, fields.code)
        if not fields.silent:
            self._publisher.publish("execute_input", {"code": fields.code, "execution_count": count}, request.message)
            await self._voila.show(request)
        output = self._open_output(request, count)
        self._current = output
        try:
            content = await self._execute(request, fields, output, count)
        finally:
            self._current = self._current_run = None
            output.flush()
        if fields.store_history and output.result_text is not None:
            self._history.store_output(count, output.result_text)
        content["execution_count"] = self.execution_count
        return content

    async def _execute(self, request: Request, fields: ExecuteRequest, output: RunOutput, count: int) -> dict[str, Any]:
        try:
            async with self.way:
                session = await self._get_session()
                if not fields.silent:
                    self._tell_notice(output)
                run = self._current_run = await session.start_run(
                    fields.code,
                    msg_id=request.msg_id,
                    silent=fields.silent,
                    store_history=fields.store_history,
                    user_expressions=fields.user_expressions,
                    allow_stdin=fields.allow_stdin,
                    timeout_seconds=self._config.timeout_seconds or None,
                    cell_id=fields.cell_id,
                    execution_count=count,
                )
        except (HopxKernelError, KeyboardInterrupt) as exc:
            content = error_content(exc)
            output.publish_error({key: content[key] for key in ("ename", "evalue", "traceback")})
            if output.display is not None:
                output.display.finish(content)
            return content
        return self._reply_content(await run.wait())

    async def _get_session(self) -> Session:
        """The session, which may have to start. Raises `SandboxStartError`, and `KeyboardInterrupt` when interrupted."""
        if (session := self.keeper.current) is not None:
            return session
        try:
            with anyio.CancelScope() as self._starting:
                return await self.keeper.session()
        finally:
            self._starting = None
        raise KeyboardInterrupt("interrupted while the sandbox was starting")

    async def request(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """Ask the interpreter something beside the runs. Raises `SandboxError`."""
        session = await self.keeper.session()
        return await session.request(msg_type, content)

    async def complete(self, code: str, position: int) -> dict[str, Any]:
        """The content of a ``complete_reply``. Raises `SandboxError`."""
        found = await self.beside.complete(code, position, self.request)
        return found or await self.request("complete_request", {"code": code, "cursor_pos": position})

    async def _send(self, message: Message) -> None:
        """Send a message to the interpreter, if there is one. Raises `HopxKernelError`."""
        if (session := self.keeper.current) is None:
            raise SandboxLostError("there is no sandbox")
        await session.send(message)

    async def interrupt(self) -> dict[str, Any]:
        """Interrupt what runs; gives the content of an ``interrupt_reply``. Harmless when nothing does."""
        if self._starting is not None:
            self._starting.cancel()
        self._give_up_question()
        session, output = self.keeper.current, self._current
        if session is None:
            return {"status": "ok"}
        if output is not None and self._publisher.is_throttled:
            output.hurry()
        try:
            content = await session.interrupt()
        except HopxKernelError as exc:
            _log.info("An interrupt came too late: %s", exc)
            return {"status": "ok", "stopped": True, "kept": False}
        if output is not None and output is self._current and content.get("stopped") is False:
            output.publish_stream("stderr", f"\n{content.get('evalue') or 'The code did not stop.'}\n")
        if output is not None:
            output.interrupt_answered(content)
        return {**content, "status": "ok"}

    # ------------------------------------------------------------------ events

    def settle_parent(self, msg_id: str) -> dict[str, Any] | None:
        """The request with this id, while it is remembered, with everything that it has printed shown."""
        output = self._find_output(msg_id)
        if output is None:
            return None
        # An Output widget takes what is printed between two of its messages.
        output.flush()
        return output.parent

    def remember(self, request: Request) -> RunOutput:
        """Let the events of a comm message find their parent."""
        request = request.envelope()
        shaper = StreamShaper(self._limit_bytes)
        output = RunOutput(request, self._publisher, trust=self.trust, shaper=shaper)
        # Where a callback's output is shown is the front end's matter; a header appears only together with bars.
        front_end: FrontEnd = "text" if self._config.progress == "text" else "widgets"
        options = replace(self._progress_options(front_end), header_after_seconds=None, keep_view=True)
        output.display = self._make_display(request, output, options)
        _remember(self._comm_outputs, request.msg_id, output)
        return output

    def finish_callback(self, msg_id: str) -> None:
        """Note that everything which a comm message has set off has happened."""
        output = self._comm_outputs.get(msg_id)
        if output is not None:
            output.finish_callback()

    def _find_output(self, msg_id: str) -> RunOutput | None:
        return self._outputs.get(msg_id) or self._comm_outputs.get(msg_id)

    def _open_output(self, request: Request, count: int) -> RunOutput:
        found = find_front_end(request.content, request.message.get("metadata") or {}, os.environ)
        is_silent = bool(request.content.get("silent"))
        request = request.envelope()

        async def ask(content: dict[str, Any]) -> None:
            assert self._group is not None
            self._group.start_soon(self._answer_question, request, content)

        spool = None
        if self._limit_bytes is not None:
            spool = Spool(self._spools, f"cell-{count}-{os.urandom(4).hex()}.txt", self._config.spool_limit)
        output = RunOutput(
            request,
            self._publisher,
            trust=self.trust,
            shaper=StreamShaper(self._limit_bytes),
            spool=spool,
            ask=ask,
            execution_count=count,
        )
        chosen: dict[str, FrontEnd] = {"widgets": "widgets", "text": "text"}
        options = self._progress_options(chosen.get(self._config.progress, found))
        if is_silent:
            options = replace(options, header_after_seconds=None)
        output.display = self._make_display(request, output, options)
        _remember(self._outputs, request.msg_id, output)
        return output

    def _progress_options(self, front_end: FrontEnd) -> ProgressOptions:
        config = self._config
        return ProgressOptions(
            bars=config.progress != "off",
            front_end=front_end,
            header=config.header,
            header_after_seconds=config.header_after_seconds,
            kind=config.kind,
            is_isolated=config.kind != "process",
        )

    def _make_display(self, request: Request, output: RunOutput, options: ProgressOptions) -> RunDisplay:
        def publish(msg_type: str, content: dict[str, Any], metadata: dict[str, Any]) -> None:
            self._publisher.publish(msg_type, content, request.message, metadata)

        def stop() -> None:
            is_callback = request.msg_type != "execute_request"
            if (output is self._current or is_callback) and self._group is not None:
                self._group.start_soon(self.interrupt)

        return RunDisplay(publish, options, on_stop=stop)

    async def _ask_person(self, output: RunOutput, content: dict[str, Any]) -> str | None:
        return await self._ask(output.request, self.trust.text(content["prompt"]), content["password"])

    async def _answer_question(self, request: Request, content: dict[str, Any]) -> None:
        try:
            value = await self._ask(request, content["prompt"], content["password"])
            session = self.keeper.current
            if value is not None and session is not None:
                await session.send(Message("input_reply", {"value": value}, parent_id=request.msg_id))
        except HopxKernelError as exc:
            # A run whose sandbox is lost ends by itself, and says so; one that waits for this answer can be interrupted.
            _log.warning("An answer did not reach the sandbox: %s", exc)

    async def _on_event(self, event: Message) -> None:
        try:
            await self._take(event)
        except Exception:  # noqa: BLE001 - a session's handler must not raise: one bad event must not end the others
            _log.exception("An event of type %s could not be shown", event.msg_type)

    async def _take(self, event: Message) -> None:
        if event.msg_type in _OTHER_EVENTS or event.msg_type.startswith("comm_"):
            self._note_interpreter(event)
            if self.on_other_event is not None:
                await self.on_other_event(event)
            return
        output = self._find_output(event.parent_id)
        if event.msg_type == "sandbox_request":
            self.beside.take(event, output)
            return
        if output is None:
            _log.debug("An event of type %s belongs to no request that is remembered", event.msg_type)
            return
        if event.is_terminal:
            self._give_up_question()
        await output.feed(event)

    def _note_interpreter(self, event: Message) -> None:
        if event.msg_type != "interpreter_died":
            return
        evalue = str(event.content["evalue"])
        _log.warning("The interpreter died: %s", evalue)
        self.on_interpreter_gone()
        self.beside.abandon()
        self._voila.tell(_PAGE_LOST)
        if self._current is None:
            self._notice = f"The interpreter died between two cells: {evalue}\n"

    def _on_session_end(self) -> None:
        self.on_interpreter_gone()
        self.beside.abandon()
        self._voila.tell(_PAGE_LOST)
        if self.keeper.generation:
            self._notice = _FRESH

    def _tell_notice(self, output: RunOutput) -> None:
        if self._notice:
            output.publish_stream("stderr", self._notice)
            self._notice = ""

    def _reply_content(self, reply: dict[str, Any]) -> dict[str, Any]:
        """An ``execute_reply``'s content, with what output is in it made as harmless as other output."""
        content = dict(reply)
        if content.get("status") != "ok":
            content.setdefault("traceback", [])
            return content
        content["user_expressions"] = {
            name: self._safe_expression(value) for name, value in (content.get("user_expressions") or {}).items()
        }
        payload = content.get("payload")
        content["payload"] = [p for p in map(self._safe_payload, payload if isinstance(payload, list) else []) if p]
        return content

    def _safe_expression(self, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("data"), dict):
            data, metadata = self.trust.bundle(value["data"], value.get("metadata") or {})
            return {**value, "data": data, "metadata": metadata}
        return value

    def _safe_payload(self, payload: Any) -> dict[str, Any] | None:
        """A payload acts in the front end: only those pass that neither open a file nor a program there."""
        if not isinstance(payload, dict):
            return None
        source = payload.get("source")
        if source == "page" and isinstance(payload.get("data"), dict):
            data, _ = self.trust.bundle(payload["data"], {})
            return {**payload, "data": data}
        return payload if source in ("set_next_input", "ask_exit") or self._config.trust == "trusted" else None


_OTHER_EVENTS = frozenset({"interpreter_started", "interpreter_died", "status"})


def _remember(outputs: OrderedDict[str, RunOutput], msg_id: str, output: RunOutput) -> None:
    outputs[msg_id] = output
    while len(outputs) > REMEMBERED_PARENTS:
        _, oldest = outputs.popitem(last=False)
        oldest.close()
