"""Session against a scripted runner: the real protocol's bytes, no process."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import pytest

from hopx_kernel.errors import LocalProtocolError, RemoteExecutionError, SandboxLostError
from hopx_kernel.protocol import Message
from hopx_kernel.run import RUN_QUEUE_EVENTS
from hopx_kernel.session import Session
from hopx_kernel.testing import ScriptedSandbox, echo_script

pytestmark = pytest.mark.anyio


def silent(request: Message) -> Iterable[Message]:
    """A runner that takes everything and answers only a shutdown."""
    if request.msg_type == "shutdown_request":
        yield Message("shutdown_reply", {"status": "ok"}, parent_id=request.msg_id)


async def test_run_gives_events_in_order_and_ends_with_the_reply() -> None:
    async with Session(ScriptedSandbox()) as session:
        async with session.execute("hello") as run:
            events = [event async for event in run]
    assert [event.msg_type for event in events] == ["stream", "execute_reply"]
    assert events[0].content["text"] == "hello"
    assert run.reply == events[-1].content


async def test_hello_reply_is_kept_as_runner_info() -> None:
    async with Session(ScriptedSandbox()) as session:
        assert session.runner_info["python_version"] == "3.9.0"


async def test_started_run_goes_to_on_event() -> None:
    seen: list[Message] = []

    async def on_event(event: Message) -> None:
        seen.append(event)

    async with Session(ScriptedSandbox(), on_event=on_event) as session:
        run = await session.start_run("x = 1", msg_id="run-1")
        assert (await run.wait())["status"] == "ok"
    assert [(event.msg_type, event.parent_id) for event in seen] == [("stream", "run-1"), ("execute_reply", "run-1")]


async def test_event_after_the_end_of_a_run_goes_to_on_event() -> None:
    late = anyio.Event()
    seen: list[Message] = []

    async def on_event(event: Message) -> None:
        seen.append(event)
        late.set()

    sandbox = ScriptedSandbox()
    async with Session(sandbox, on_event=on_event) as session:
        async with session.execute("x", msg_id="run-1") as run:
            async for _ in run:
                pass
        sandbox.runner.emit(Message("stream", {"name": "stdout", "text": "late"}, parent_id="run-1"))
        await late.wait()
    assert seen[0].parent_id == "run-1"


async def test_request_is_answered_while_a_run_goes_on() -> None:
    def script(request: Message) -> Iterable[Message]:
        return () if request.msg_type == "execute_request" else echo_script(request)

    sandbox = ScriptedSandbox(script)
    async with Session(sandbox) as session:
        run = await session.start_run("while True: pass", msg_id="run-1")
        assert (await session.complete("pri", 3))["status"] == "ok"
        assert run.reply is None
        sandbox.runner.emit(Message("execute_reply", {"status": "ok"}, parent_id="run-1"))
        await run.wait()


@pytest.mark.parametrize("broken", [False, True])
async def test_lost_stream_ends_every_run_and_request_with_one_error(broken: bool) -> None:
    sandbox = ScriptedSandbox(silent)
    failed: list[BaseException] = []

    async def ask(session: Session) -> None:
        with pytest.raises(SandboxLostError) as caught:
            await session.complete("x", 1)
        failed.append(caught.value)

    async with Session(sandbox) as session, anyio.create_task_group() as group:
        async with session.execute("1") as run:
            group.start_soon(ask, session)
            await anyio.wait_all_tasks_blocked()
            sandbox.runner.end(broken=broken)
            events = [event.msg_type async for event in run]
        assert events == ["error", "execute_reply"]
        with pytest.raises(SandboxLostError):
            run.raise_for_error()
        assert session.is_lost
        with pytest.raises(SandboxLostError):
            await session.start_run("2")
    assert len(failed) == 1


async def test_stream_cut_inside_a_message_says_so() -> None:
    sandbox = ScriptedSandbox(silent)
    async with Session(sandbox) as session:
        run = await session.start_run("1")
        sandbox.runner.emit_bytes(b'{"seq":1,"msg_ty')
        sandbox.runner.end()
        assert "middle of a message" in (await run.wait())["evalue"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"not json\n",
        b'{"msg_type":"stream","content":{"name":"stdout","text":"x"}}\n',
        b'{"seq":9,"msg_type":"stream","content":{"name":"stdout","text":"x"}}\n',
        b'{"seq":1,"msg_type":"invented","content":{}}\n',
        b"x" * 300_000,
    ],
    ids=["not-json", "no-seq", "gap", "unknown-type", "frame-over-the-bound"],
)
async def test_garbage_from_the_runner_loses_the_session_with_a_reason(garbage: bytes) -> None:
    sandbox = ScriptedSandbox(silent)
    async with Session(sandbox) as session:
        run = await session.start_run("1")
        sandbox.runner.emit_bytes(garbage)
        reply = await run.wait()
    assert reply["ename"] == "SandboxLostError"
    assert len(reply["evalue"]) > len("The sandbox was lost: .")


async def test_runner_of_another_version_is_refused_and_both_versions_named() -> None:
    sandbox = ScriptedSandbox(silent)
    sandbox.runner.emit_bytes(b'{"msg_type":"hello_reply","content":{"status":"ok","version":99}}\n')
    with pytest.raises(SandboxLostError, match="version 99 .* version 1"):
        async with Session(sandbox):
            raise AssertionError("entered")


async def test_failed_code_raises_remote_execution_error_on_demand() -> None:
    def script(request: Message) -> Iterable[Message]:
        if request.msg_type == "execute_request":
            content = {"status": "error", "ename": "ValueError", "evalue": "no", "traceback": ["Traceback", "no"]}
            yield Message("execute_reply", content, parent_id=request.msg_id)
        else:
            yield from echo_script(request)

    async with Session(ScriptedSandbox(script)) as session:
        run = await session.start_run("raise ValueError('no')")
        await run.wait()
    with pytest.raises(RemoteExecutionError, match="ValueError: no") as caught:
        run.raise_for_error()
    assert caught.value.traceback == ["Traceback", "no"]


async def test_code_that_is_not_unicode_is_refused_and_the_session_lives() -> None:
    async with Session(ScriptedSandbox()) as session:
        with pytest.raises(LocalProtocolError):
            await session.start_run({"code": "x"})  # type: ignore[arg-type]
        run = await session.start_run("print('\\ud800')")
        assert (await run.wait())["status"] == "ok"


async def test_slow_reader_bounds_what_the_host_holds() -> None:
    many = RUN_QUEUE_EVENTS * 4

    def script(request: Message) -> Iterable[Message]:
        if request.msg_type != "execute_request":
            yield from echo_script(request)
            return
        for number in range(many):
            yield Message("stream", {"name": "stdout", "text": f"{number}\n"}, parent_id=request.msg_id)

    sandbox = ScriptedSandbox(script)
    async with Session(sandbox) as session:
        async with session.execute("x", msg_id="run-1") as run:
            await anyio.wait_all_tasks_blocked()
            assert sandbox.runner.connection.unacknowledged_bytes > 0
            # The end of a run waits behind nothing.
            sandbox.runner.emit(Message("execute_reply", {"status": "ok"}, parent_id="run-1"))
            assert (await run.wait())["status"] == "ok"
            texts = [event.content["text"] async for event in run if event.msg_type == "stream"]
        assert texts == [f"{number}\n" for number in range(many)]
        await session.complete("", 0)
    assert sandbox.runner.connection.unacknowledged_bytes < 1000


async def test_leaving_the_block_early_interrupts_the_run() -> None:
    def script(request: Message) -> Iterable[Message]:
        if request.msg_type == "interrupt_request":
            content = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
            yield Message("execute_reply", content, parent_id="run-1")
        if request.msg_type != "execute_request":
            yield from echo_script(request)

    sandbox = ScriptedSandbox(script)
    async with Session(sandbox) as session:
        async with session.execute("while True: pass", msg_id="run-1") as run:
            pass
        assert run.reply is not None and run.reply["ename"] == "KeyboardInterrupt"
    assert "interrupt_request" in [request.msg_type for request in sandbox.runner.requests]


async def test_input_reply_carries_the_run() -> None:
    sandbox = ScriptedSandbox(silent)
    async with Session(sandbox) as session:
        run = await session.start_run("input()", msg_id="run-1", allow_stdin=True)
        await run.send_input("Ada")
    sent = [request for request in sandbox.runner.requests if request.msg_type == "input_reply"]
    assert [(request.parent_id, request.content) for request in sent] == [("run-1", {"value": "Ada"})]


async def test_close_shuts_the_runner_down_and_may_be_called_twice() -> None:
    sandbox = ScriptedSandbox()
    async with Session(sandbox) as session:
        await session.aclose()
        await session.aclose()
    assert [request.msg_type for request in sandbox.runner.requests][-1] == "shutdown_request"
