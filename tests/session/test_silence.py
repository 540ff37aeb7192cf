"""A runner that says nothing, and events that nobody takes: everything is answered within a stated time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio
import pytest

import hopx_kernel.sender
import hopx_kernel.session
from hopx_kernel import exchange
from hopx_kernel.errors import SandboxLostError, SandboxTimeoutError
from hopx_kernel.protocol import Message, RunnerOptions
from hopx_kernel.session import Session
from hopx_kernel.testing import ScriptedSandbox, echo_script
from hopx_kernel.watchdog import Silence, Watchdog

pytestmark = pytest.mark.anyio

#: Seconds that nothing here takes, on however slow a machine.
PATIENCE = 60.0

#: Quick to notice a silence, and to call it a loss.
IMPATIENT = RunnerOptions(heartbeat_seconds=0.05, loss_seconds=0.2, interrupt_grace_seconds=0.05)
#: Quick to notice, and patient.
PATIENT = RunnerOptions(heartbeat_seconds=0.05, loss_seconds=3600.0, interrupt_grace_seconds=0.05)


def runs_on(request: Message) -> Iterable[Message]:
    """A script for code that never ends."""
    return () if request.msg_type == "execute_request" else echo_script(request)


def started(sandbox: ScriptedSandbox, generation: int = 1) -> None:
    sandbox.runner.emit(Message("interpreter_started", {"pid": 1, "generation": generation}))


@pytest.fixture
def seen() -> list[Message]:
    return []


@pytest.fixture
def keep(seen: list[Message]) -> Callable[[Message], object]:
    async def on_event(event: Message) -> None:
        seen.append(event)

    return on_event


async def wait_until(is_there: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not is_there():
            await anyio.sleep(0.01)


async def test_silence_shows_and_is_a_loss_that_names_it(seen: list[Message], keep: exchange.EventHandler) -> None:
    sandbox = ScriptedSandbox(runs_on)
    with anyio.fail_after(PATIENCE):
        async with Session(sandbox, options=IMPATIENT, on_event=keep) as session:
            started(sandbox)
            run = await session.start_run("while True: pass", msg_id="run-1")
            await session.complete("", 0)
            sandbox.runner.stop()
            reply = await run.wait()
            assert reply["ename"] == "SandboxLostError" and "said nothing for" in reply["evalue"]
            assert session.is_lost
            with pytest.raises(SandboxLostError, match="said nothing"):
                await session.complete("", 0)
    kinds = [event.msg_type for event in seen if event.msg_type != "heartbeat"]
    assert kinds == ["interpreter_started", "silence", "error", "execute_reply"]
    (silence,) = [event for event in seen if event.msg_type == "silence"]
    assert silence.content["is_silent"] is True and silence.parent_id == "run-1"


async def test_runner_that_comes_back_goes_on_and_loses_nothing(
    seen: list[Message], keep: exchange.EventHandler
) -> None:
    sandbox = ScriptedSandbox(runs_on)
    async with Session(sandbox, options=PATIENT, on_event=keep) as session:
        started(sandbox)
        run = await session.start_run("work()", msg_id="run-1")
        await session.complete("", 0)
        assert session.silent_seconds == 0
        sandbox.runner.stop()
        await wait_until(lambda: session.silent_seconds > 0)
        sandbox.runner.go_on()
        await wait_until(lambda: [event.msg_type for event in seen].count("silence") == 2)
        assert session.silent_seconds == 0
        sandbox.runner.emit(Message("stream", {"name": "stdout", "text": "done"}, parent_id="run-1"))
        sandbox.runner.emit(Message("execute_reply", {"status": "ok"}, parent_id="run-1"))
        assert (await run.wait())["status"] == "ok"
    told = [event.content.get("is_silent", event.msg_type) for event in seen if event.msg_type != "heartbeat"]
    assert told == ["interpreter_started", True, False, "stream", "execute_reply"]


async def test_runner_that_never_starts_is_given_up_when_its_time_is_over(
    seen: list[Message], keep: exchange.EventHandler
) -> None:
    # Long after that nobody waits for a loss: it is of a runner that has started.
    options = RunnerOptions(heartbeat_seconds=0.05, loss_seconds=3600.0, start_timeout_seconds=1.0)
    sandbox = ScriptedSandbox(runs_on)
    with anyio.fail_after(PATIENCE):
        async with Session(sandbox, options=options, on_event=keep) as session:
            sandbox.runner.stop()
            reply = await (await session.start_run("x", msg_id="run-1")).wait()
    assert reply["ename"] == "SandboxLostError" and "not started within 1 s" in reply["evalue"]
    assert "HOPX_START_TIMEOUT_SECONDS" in reply["evalue"]
    assert [event.msg_type for event in seen] == ["error", "execute_reply"]


async def test_runner_that_says_no_hello_is_given_up_when_its_time_is_over() -> None:
    options = RunnerOptions(heartbeat_seconds=0.05, loss_seconds=3600.0, start_timeout_seconds=1.0)
    sandbox = ScriptedSandbox()
    sandbox.runner.stop()
    with anyio.fail_after(PATIENCE), pytest.raises(SandboxLostError, match="not started within 1 s"):
        await Session(sandbox, options=options).__aenter__()


async def test_nothing_is_a_silence_that_nobody_waits_for() -> None:
    sandbox = ScriptedSandbox()
    async with Session(sandbox, options=IMPATIENT) as session:
        started(sandbox)
        await session.complete("", 0)
        sandbox.runner.stop()
        await anyio.sleep(1.0)  # several times what would be a loss
        assert not session.is_lost
        sandbox.runner.go_on()
        assert (await session.complete("", 0))["status"] == "ok"


async def test_interrupt_of_a_silent_runner_is_answered() -> None:
    sandbox = ScriptedSandbox(runs_on)
    async with Session(sandbox, options=PATIENT) as session:
        await session.start_run("x", msg_id="run-1")
        sandbox.runner.stop()
        with anyio.fail_after(PATIENCE):
            answer = await session.interrupt("run-1")
        assert (answer["stopped"], answer["kept"]) == (False, True)
        assert "has not answered" in answer["evalue"]
        sandbox.runner.go_on()
        sandbox.runner.emit(Message("execute_reply", {"status": "ok"}, parent_id="run-1"))


async def test_request_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hopx_kernel.session, "REQUEST_TIMEOUT_SECONDS", 0.05)
    sandbox = ScriptedSandbox()
    async with Session(sandbox, options=PATIENT) as session:
        sandbox.runner.stop()
        with anyio.fail_after(PATIENCE), pytest.raises(SandboxTimeoutError, match="complete_request"):
            await session.complete("", 0)
        sandbox.runner.go_on()
        assert not session.is_lost


async def test_run_s_limit_of_time_is_the_host_s_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "SILENT_LATE_SECONDS", 0.1)
    sandbox = ScriptedSandbox(runs_on)
    async with Session(sandbox, options=PATIENT) as session:
        started(sandbox)
        run = await session.start_run("x", msg_id="run-1", timeout_seconds=0.2)
        sandbox.runner.stop()
        with anyio.fail_after(PATIENCE):
            reply = await run.wait()
    assert (reply["ename"], reply["reason"], reply["kept"]) == ("SandboxTimeoutError", "timeout", False)
    assert "0.2 s" in reply["evalue"]


async def test_loss_is_told_beside_somebody_who_takes_nothing() -> None:
    sandbox = ScriptedSandbox(runs_on)
    stuck = anyio.Event()

    async def on_event(event: Message) -> None:
        if event.msg_type == "stream":
            stuck.set()
            await anyio.sleep_forever()

    with anyio.fail_after(PATIENCE):
        async with Session(sandbox, on_event=on_event) as session:
            run = await session.start_run("x", msg_id="run-1")
            sandbox.runner.emit(Message("stream", {"name": "stdout", "text": "x"}, parent_id="run-1"))
            await stuck.wait()
            assert (await session.complete("", 0))["status"] == "ok"  # behind nobody
            sandbox.runner.end(broken=True)
            assert (await run.wait())["ename"] == "SandboxLostError"
            assert "broke the connection" in str(await session.wait_lost())


async def test_end_of_a_run_waits_behind_no_full_queue() -> None:
    def script(request: Message) -> Iterable[Message]:
        if request.msg_type == "execute_request":
            for number in range(1000):
                yield Message("stream", {"name": "stdout", "text": f"{number}\n"}, parent_id=request.msg_id)
        else:
            yield from echo_script(request)

    sandbox = ScriptedSandbox(script)
    async with Session(sandbox) as session, session.execute("x", msg_id="run-1") as run:
        await anyio.wait_all_tasks_blocked()
        sandbox.runner.end(broken=True)
        with anyio.fail_after(PATIENCE):
            assert (await run.wait())["ename"] == "SandboxLostError"
        kinds = [event.msg_type async for event in run]  # all there is can still be had
    assert kinds == ["stream"] * 1000 + ["error", "execute_reply"]


async def test_end_after_an_error_is_no_second_error() -> None:
    def script(request: Message) -> Iterable[Message]:
        if request.msg_type == "execute_request":
            content = {"ename": "ValueError", "evalue": "no", "traceback": []}
            yield Message("error", content, parent_id=request.msg_id)

    sandbox = ScriptedSandbox(script)
    async with Session(sandbox) as session, session.execute("x", msg_id="run-1") as run:
        await anyio.wait_all_tasks_blocked()
        sandbox.runner.end()
        events = [event async for event in run]
    assert [event.msg_type for event in events] == ["error", "stream", "execute_reply"]
    assert "sandbox was lost" in events[1].content["text"]
    assert (events[2].content["ename"], events[2].content["reason"]) == ("ValueError", "lost")
    with pytest.raises(SandboxLostError, match="sandbox was lost"):
        run.raise_for_error()


async def test_send_that_stalls_is_a_loss_and_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hopx_kernel.sender, "STALL_SECONDS", 0.2)
    sandbox = ScriptedSandbox()
    with anyio.fail_after(PATIENCE):
        async with Session(sandbox) as session:
            sandbox.runner.stall()
            with pytest.raises(SandboxLostError, match="took nothing"):
                await session.start_run("x")
                await session.complete("", 0)


async def test_session_whose_transport_stalls_is_left_within_seconds() -> None:
    sandbox = ScriptedSandbox(runs_on)
    with anyio.fail_after(PATIENCE):
        async with Session(sandbox) as session:
            await session.start_run("x")
            sandbox.runner.stall()


async def test_run_counts_on_the_interpreter_that_is_known() -> None:
    sandbox = ScriptedSandbox()

    def generations() -> list[object]:
        sent = [request for request in sandbox.runner.requests if request.msg_type == "execute_request"]
        return [request.content.get("generation") for request in sent]

    async with Session(sandbox) as session:
        await (await session.start_run("any will do")).wait()
        started(sandbox, 1)
        await session.complete("", 0)
        await (await session.start_run("the first")).wait()
        started(sandbox, 2)
        await session.complete("", 0)
        await (await session.start_run("the first still")).wait()
        session.refresh()
        await (await session.start_run("the second")).wait()
    assert generations() == [None, 1, 1, 2]


async def test_who_has_heard_of_a_death_counts_on_no_dead_interpreter() -> None:
    """Told once that variables are gone, nobody's code is refused for that again."""
    sandbox = ScriptedSandbox()
    async with Session(sandbox) as session:
        started(sandbox, 1)
        await session.complete("", 0)
        sandbox.runner.emit(Message("interpreter_died", {"reason": "died", "evalue": "it was killed"}))
        await session.complete("", 0)
        session.refresh()
        await (await session.start_run("any will do")).wait()
        started(sandbox, 2)
        await session.complete("", 0)
        await (await session.start_run("the second")).wait()
    sent = [request for request in sandbox.runner.requests if request.msg_type == "execute_request"]
    assert [request.content.get("generation") for request in sent] == [None, 2]


# ---------------------------------------------------------------------- the clock


def test_watchdog_tells_a_silence_once_and_its_end() -> None:
    watchdog = Watchdog(heartbeat_seconds=1.0, loss_seconds=2.0)
    news = [watchdog.tick(float(now)) for now in range(5)]
    assert news == [Silence.NOTHING] * 3 + [Silence.BEGAN, Silence.NOTHING]
    watchdog.heard()
    assert [watchdog.tick(5.0), watchdog.tick(6.0)] == [Silence.ENDED, Silence.NOTHING]


def test_watchdog_gives_up_after_a_stated_time() -> None:
    watchdog = Watchdog(heartbeat_seconds=1.0, loss_seconds=2.0)
    news = [watchdog.tick(float(now)) for now in range(6)]
    assert news[-1] is Silence.LOST and Silence.LOST not in news[:-1]


def test_time_in_which_the_host_was_stopped_is_nobody_s_silence() -> None:
    watchdog = Watchdog(heartbeat_seconds=1.0, loss_seconds=2.0)
    watchdog.tick(0.0)
    assert watchdog.tick(1000.0) is Silence.NOTHING
    assert watchdog.silent_seconds <= 2.0


def test_silence_of_a_start_shows_nowhere_and_is_a_loss_when_its_time_is_over() -> None:
    watchdog = Watchdog(heartbeat_seconds=1.0, loss_seconds=100.0, start_timeout_seconds=6.0)
    news = [watchdog.tick(float(now), is_starting=True) for now in range(7)]
    assert news == [Silence.NOTHING] * 6 + [Silence.LOST]


def test_start_that_speaks_now_and_then_may_take_longer() -> None:
    watchdog = Watchdog(heartbeat_seconds=1.0, loss_seconds=100.0, start_timeout_seconds=6.0)
    for now in range(20):
        assert watchdog.tick(float(now), is_starting=True) is Silence.NOTHING
        if now % 2:
            watchdog.heard()
    assert [watchdog.tick(20.0 + now, is_starting=True) for now in range(3)][-1] is Silence.LOST


def test_each_missing_heartbeat_is_asked_for_once() -> None:
    watchdog = Watchdog(heartbeat_seconds=1.0, loss_seconds=100.0)
    asked = []
    for now in range(6):
        watchdog.tick(now / 2)
        asked.append(watchdog.is_question_due())
    assert asked == [False, False, True, False, True, False]
