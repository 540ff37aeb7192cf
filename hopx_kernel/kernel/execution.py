"""Cells: from an execute_request to its reply, with everything in between routed to the right parent.

Runs in the main loop only. Knows Jupyter's words and none of its sockets.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from ..config import HopxConfig, trust_remedy
from ..errors import HopxKernelError, LocalProtocolError, SandboxLostError
from ..progress import ProgressOptions, RunDisplay, find_front_end
from ..progress.options import FrontEnd
from ..protocol import Message
from ..run import Run
from ..sandboxes.base import BaseSandbox
from ..session import Session
from ..trust import TrustPolicy
from .arrivals import Arrivals
from .beside.service import Beside
from .history import History
from .keeper import SessionKeeper
from .output import Publisher, RunOutput
from .outputs import Idle, Outputs, progress_options
from .packages import FrontEndFiles
from .replies import clean_reply
from .requests import ExecuteRequest, Request, error_content
from .shaping import StreamShaper
from .spool import Spool, SpoolDirectory
from .voila import VoilaPage

__all__ = ["Cells"]

_PAGE_LOST = "The sandbox behind this page has ended. Reload the page to start again."
_FRESH = "A fresh sandbox was started: variables and files of the one before are gone.\n"

_OTHER_EVENTS = frozenset({"interpreter_started", "interpreter_died", "status"})

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
        trusted, files = config.trust == "trusted", FrontEndFiles(config.widget_packages)
        self.trust = TrustPolicy(trusted, config.comm_targets, files, network=config.network, remedy=trust_remedy())
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
        self._spools = SpoolDirectory(config.spool_limit and 4 * config.spool_limit)
        self._outputs = Outputs()
        self._current: RunOutput | None = None
        self._current_run: Run | None = None
        self.idle = Idle()
        self._starting: anyio.CancelScope | None = None
        #: The cells that have arrived: for whom Stops are, and who counts on variables that are gone.
        self.arrivals = Arrivals()
        self._told_generation = 0
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
        self.trust.cleaner.stop()
        await self.beside.close()
        await self.keeper.close()
        self._outputs.close()
        self._spools.close()
        self._history.close()

    # ------------------------------------------------------------------ requests

    async def execute(self, request: Request) -> dict[str, Any]:
        """Run a cell; gives the content of its reply. Raises `MalformedRequestError`."""
        try:
            return await self._execute_cell(request, ExecuteRequest.read(request))
        finally:
            self.arrivals.end(request.msg_id)

    async def _execute_cell(self, request: Request, fields: ExecuteRequest) -> dict[str, Any]:
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
                session = await self._get_session(request.msg_id)
                if (refusal := self._tell_loss(request, fields, output, session)) is not None:
                    return self._end_with(output, refusal)
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
            return self._end_with(output, error_content(exc))
        if self.arrivals.is_stopped(request.msg_id) and self._group is not None:  # while it was being sent
            self._group.start_soon(self.interrupt, request.msg_id)  # which takes a sandbox that is lost by then
        content = await run.wait()
        if content.get("kept") is False and not fields.silent:
            # Its error says so: with the interpreter's end, or with that of the sandbox.
            self.arrivals.forget_loss()
            self._told_generation = self.keeper.generation
        return clean_reply(content, self.trust, is_trusted=self._config.trust == "trusted")

    def _end_with(self, output: RunOutput, content: dict[str, Any]) -> dict[str, Any]:
        """End a cell that does not run with an error of the kernel's own."""
        output.publish_error({key: content[key] for key in ("ename", "evalue", "traceback")})
        if output.display is not None:
            output.display.finish(content)
        return content

    async def _get_session(self, msg_id: str) -> Session:
        """The session, which may have to start. Raises `SandboxStartError`, and `KeyboardInterrupt` when interrupted."""
        session = self.keeper.current
        with anyio.CancelScope() as self._starting:
            try:
                session = session or await self.keeper.session()
            finally:
                self._starting = None
        if session is None:
            raise KeyboardInterrupt("interrupted while the sandbox was starting")
        if self.arrivals.is_stopped(msg_id):
            raise KeyboardInterrupt("interrupted before it began")
        return session

    async def request(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """Ask the interpreter something beside the runs. Raises `SandboxError`."""
        return await (await self.keeper.session()).request(msg_type, content)

    async def complete(self, code: str, position: int) -> dict[str, Any]:
        """The content of a ``complete_reply``. Raises `SandboxError`."""
        found = await self.beside.complete(code, position, self.request)
        return found or await self.request("complete_request", {"code": code, "cursor_pos": position})

    async def _send(self, message: Message) -> None:
        """Send a message to the interpreter, if there is one. Raises `HopxKernelError`."""
        if (session := self.keeper.current) is None:
            raise SandboxLostError("there is no sandbox")
        await session.send(message)

    async def interrupt(self, target: str | None = "") -> dict[str, Any]:
        """Interrupt a cell; gives the content of an ``interrupt_reply``.

        `target` is the cell's id, ``""`` for code of no cell, and None for a cell that has ended.
        """
        session, too_late = self.keeper.current, {"status": "ok", "stopped": True, "kept": True, "too_late": True}
        if target is None:
            return too_late
        output = self._current if self._current is not None and self._current.request.msg_id == target else None
        if output is not None:
            self._give_up_question()
        if target and (output is None or self._current_run is None):  # it has not begun, and need not
            self.arrivals.stop(target)
            if output is not None and self._starting is not None:
                self._starting.cancel()
            return {"status": "ok", "stopped": True, "kept": True}
        if session is None:
            return too_late
        if output is not None and self._publisher.is_throttled:
            output.hurry()
        # What is being made harmless stands before the sandbox's answer.
        self.trust.cleaner.stop()
        try:
            content = await session.interrupt(target)
        except HopxKernelError as exc:
            _log.info("An interrupt came too late: %s", exc)
            return {"status": "ok", "stopped": True, "kept": False}
        finally:
            self.trust.cleaner.resume()
        if output is not None and output is self._current:  # else its end has been told, and nothing comes after that
            if content.get("stopped") is False:
                output.publish_stream("stderr", f"\n{content.get('evalue') or 'The code did not stop.'}\n")
            output.interrupt_answered(content)
        return {**content, "status": "ok"}

    # ------------------------------------------------------------------ events

    def settle_parent(self, msg_id: str) -> dict[str, Any] | None:
        """The request with this id, while it is remembered, with everything that it has printed shown."""
        output = self._outputs.find(msg_id)
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
        options = replace(progress_options(self._config, front_end), header_after_seconds=None, keep_view=True)
        output.display = self._make_display(request, output, options)
        self._outputs.add_comm(output)
        return output

    def finish_callback(self, msg_id: str) -> None:
        """Note that everything which a comm message has set off has happened."""
        output = self._outputs.find_comm(msg_id)
        if output is not None:
            output.finish_callback()

    def _open_output(self, request: Request, count: int) -> RunOutput:
        found = find_front_end(request.content, request.message.get("metadata") or {}, os.environ)
        is_silent = bool(request.content.get("silent"))
        request = request.envelope()

        async def ask(content: dict[str, Any]) -> None:
            assert self._group is not None
            self._group.start_soon(self._answer_question, output, content)

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
        options = progress_options(self._config, chosen.get(self._config.progress, found))
        if is_silent:
            options = replace(options, header_after_seconds=None)
        output.display = self._make_display(request, output, options)
        self._outputs.add_cell(output)
        return output

    def _make_display(self, request: Request, output: RunOutput, options: ProgressOptions) -> RunDisplay:
        def publish(msg_type: str, content: dict[str, Any], metadata: dict[str, Any]) -> None:
            self._publisher.publish(msg_type, content, request.message, metadata)

        def stop() -> None:
            is_callback = request.msg_type != "execute_request"
            if (output is self._current or is_callback) and self._group is not None:
                self._group.start_soon(self.interrupt, "" if is_callback else request.msg_id)

        return RunDisplay(publish, options, on_stop=stop)

    async def _ask_person(self, output: RunOutput, content: dict[str, Any]) -> str | None:
        return await self._ask(output.request, self.trust.text(content["prompt"]), content["password"])

    async def _answer_question(self, output: RunOutput, content: dict[str, Any]) -> None:
        try:
            while (value := await self._ask(output.request, content["prompt"], content["password"])) is not None:
                try:
                    return await self._send(Message("input_reply", {"value": value}, parent_id=output.request.msg_id))
                except LocalProtocolError as exc:  # it is too large: the code waits for another
                    output.publish_stream("stderr", f"The answer could not be given to the code: {exc}\n")
        except Exception as exc:  # noqa: BLE001 - in a task group that holds the kernel; lost runs end by themselves
            _log.warning("An answer did not reach the sandbox: %s", exc)

    async def _on_event(self, event: Message) -> None:
        try:
            await self._take(event)
        except Exception as exc:  # noqa: BLE001 - a session's handler must not raise: one bad event must not end the others
            _log.exception("An event of type %s could not be shown", event.msg_type)
            if (output := self._outputs.find(event.parent_id)) is not None:
                output.tell_fault(event.msg_type, exc)

    async def _take(self, event: Message) -> None:
        await self.idle.wait()
        if event.msg_type in _OTHER_EVENTS or event.msg_type.startswith("comm_"):
            self._note_interpreter(event)
            if self.on_other_event is not None:
                await self.on_other_event(event)
            return
        output = self._outputs.find(event.parent_id)
        if event.msg_type == "sandbox_request":
            self.beside.take(event, output)
            return
        if output is None:
            _log.debug("An event of type %s belongs to no request that is remembered", event.msg_type)
            return
        if event.is_terminal:
            self._give_up_question()
            self.idle.expect(output is self._current)
        await output.feed(event)

    def _note_interpreter(self, event: Message) -> None:
        if event.msg_type != "interpreter_died":
            return
        evalue = str(event.content["evalue"])
        _log.warning("The interpreter died: %s", evalue)
        self.on_interpreter_gone()
        self.beside.abandon()
        self._voila.tell(_PAGE_LOST)
        # Forgotten again where it was a cell's end.
        self.arrivals.lose("InterpreterDied", f"The interpreter died between two cells: {evalue}\n")

    def _on_session_end(self) -> None:
        self.on_interpreter_gone()
        self.beside.abandon()
        self._voila.tell(_PAGE_LOST)
        if self.keeper.generation:
            told = self._told_generation == self.keeper.generation
            self.arrivals.lose(SandboxLostError.__name__, _FRESH, is_told=told, lasts=True)

    def _tell_loss(
        self, request: Request, fields: ExecuteRequest, output: RunOutput, session: Session
    ) -> dict[str, Any] | None:
        """Say that variables are gone, once; gives the content of the error of a cell that had arrived before."""
        if fields.silent:
            session.refresh()  # nobody sees what is said of it
            return None
        loss, is_refused = self.arrivals.take_loss(request.msg_id)
        if loss is None:
            return None
        session.refresh()
        if not is_refused:
            output.publish_stream("stderr", loss.notice)
            return None
        return error_content(
            SandboxLostError(), f"{loss.notice}This cell counted on them, and was not run.", loss.ename
        )
