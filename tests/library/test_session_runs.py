"""Interpreters in real sandboxes that keep their variables."""

from __future__ import annotations

import inspect
import itertools
import math
import time
from typing import Any

import anyio
import pytest

from hopx_kernel import RemoteExecutionError, Sandbox, SandboxLostError, SandboxTimeoutError
from hopx_kernel.library.commands import Commands
from hopx_kernel.library.runs import SandboxSession
from hopx_kernel.protocol import Message, RunnerOptions

pytestmark = pytest.mark.anyio


@pytest.fixture
def session(sandbox: Sandbox) -> SandboxSession:
    return sandbox.session()


def test_session_keeps_variables(session: SandboxSession) -> None:
    session.execute("x = 41")
    assert session.execute("x + 1").result == "42"


def test_run_gives_events_as_they_come(sandbox: Sandbox, session: SandboxSession) -> None:
    code = "import os, time\nprint('one')\nwhile not os.path.exists('/tmp/go'): time.sleep(0.01)\nprint('two')"
    text = ""
    for event in session.execute(code):
        if event.msg_type == "stream":
            text += event.content["text"]
            if text == "one\n":
                sandbox.files.write("/tmp/go", "")
    assert text == "one\ntwo\n"


def test_run_ends_with_one_terminal_event(session: SandboxSession) -> None:
    run = session.execute("print('a'); 1/0")
    events = list(run)
    assert [event.is_terminal for event in events] == [False] * (len(events) - 1) + [True]
    assert run.reply == events[-1].content
    with pytest.raises(RemoteExecutionError, match="ZeroDivisionError: division by zero") as caught:
        run.wait()
    assert any("1/0" in line or "0" in line for line in caught.value.traceback)


def test_result_is_kept_when_there_are_more_than_are_sent(session: SandboxSession) -> None:
    run = session.execute("for n in range(1500): result(n)")
    assert run.wait() == 999


def test_run_knows_its_output_and_what_was_given_to_result(session: SandboxSession) -> None:
    run = session.execute("import sys\nprint('a')\nsys.stderr.write('b\\n')\nresult({'k': [1]})\n7")
    assert run.wait() == {"k": [1]}
    assert run.output == "a\nb\n"


def test_run_progress_and_alerts_are_events(session: SandboxSession) -> None:
    run = session.execute("progress('half', 50)\nerror('careful')")
    contents = {event.msg_type: event.content for event in run}
    assert contents["progress"]["percent"] == 50
    assert contents["alert"]["message"] == "careful"
    run.wait()


async def test_run_serves_async_code_too(sandbox: Sandbox) -> None:
    async with sandbox.session() as session:
        run = session.execute("print('a'); 5")
        kinds = [event.msg_type async for event in run]
        assert kinds[-1] == "execute_reply"
        assert await run == "5"
        with pytest.raises(RemoteExecutionError):
            await session.execute("raise LookupError")


def test_interrupt_stops_the_code_and_keeps_variables(session: SandboxSession) -> None:
    session.execute("x = 1").wait()
    run = session.execute("print('started', flush=True)\nwhile True: pass")
    for event in run:
        if event.msg_type == "stream":
            outcome = run.interrupt()
            assert (outcome["stopped"], outcome["kept"]) == (True, True)
    with pytest.raises(RemoteExecutionError, match="KeyboardInterrupt"):
        run.wait()
    assert session.execute("x").result == "1"


def test_interrupt_of_a_queued_run_does_not_touch_the_one_before(session: SandboxSession) -> None:
    first = session.execute("import os, time\nwhile not os.path.exists('/tmp/go'): time.sleep(0.01)\n'first'")
    second = session.execute("'second'")
    assert second.interrupt() == {"status": "ok", "stopped": True, "kept": True}
    with pytest.raises(RemoteExecutionError, match="before it started"):
        second.wait()
    session.sandbox.files.write("/tmp/go", "")
    assert first.wait() == "'first'"


def test_interrupt_of_a_run_that_has_ended_does_nothing(session: SandboxSession) -> None:
    run = session.execute("1")
    run.wait()
    assert run.interrupt()["stopped"]
    assert session.execute("2").result == "2"


def test_timeout_carries_the_output_and_says_that_the_sandbox_lives(session: SandboxSession) -> None:
    session.execute("x = 1").wait()
    run = session.execute("print('before', flush=True)\nwhile True: pass", timeout=2.5)
    with pytest.raises(SandboxTimeoutError, match=r"2.5 s .* lives") as caught:
        run.wait()
    assert caught.value.output == "before\n"
    assert caught.value.alive
    assert session.execute("x").result == "1"


def test_unread_run_does_not_keep_the_next_one_waiting(session: SandboxSession) -> None:
    run = session.execute("for i in range(200000): print(i); import sys; sys.stdout.flush() if i % 500 == 0 else None")
    assert session.execute("i").wait() == "199999"
    events = list(run)
    assert events[-1].is_terminal
    text = run.output
    assert text.endswith("199999\n")


def test_broken_off_iteration_can_be_taken_up_again(session: SandboxSession) -> None:
    run = session.execute("import time\nfor i in range(3): print(i, flush=True); time.sleep(0.1)")
    seen = []
    for event in run:
        seen.append(event)
        break
    seen += run
    assert "".join(event.content["text"] for event in seen if event.msg_type == "stream") == "0\n1\n2\n"


def test_broken_off_iteration_loses_nothing_of_what_came_at_once(session: SandboxSession) -> None:
    run = session.execute("for i in range(5): progress(str(i), i, task=i)\n1")
    seen: list[Message] = []
    while not seen or not seen[-1].is_terminal:
        for event in run:
            seen.append(event)
            break
    assert [event.content["percent"] for event in seen if event.msg_type == "progress"] == [0, 1, 2, 3, 4]
    assert list(run) == []


async def test_broken_off_wait_loses_nothing(session: SandboxSession) -> None:
    run = session.execute("import time\nfor i in range(100): print(i, flush=True); time.sleep(0.002)")
    seen: list[Message] = []
    for turn in itertools.count():
        with anyio.move_on_after(0.003 if turn < 50 else math.inf):
            async for event in run:
                seen += [event]
        if seen and seen[-1].is_terminal:
            break
    text = "".join(event.content["text"] for event in seen if event.msg_type == "stream")
    assert text == "".join(f"{i}\n" for i in range(100))


def test_heartbeats_tell_time_and_memory_of_a_run(sandbox: Sandbox) -> None:
    with SandboxSession(sandbox, options=RunnerOptions(heartbeat_seconds=0.2)) as session:
        beats = []
        for event in session.execute("import os, time\nwhile not os.path.exists('/tmp/go'): time.sleep(0.01)"):
            beats += [event.content] if event.msg_type == "heartbeat" else []
            if len(beats) == 2:
                sandbox.files.write("/tmp/go", "")
    assert beats[-1]["elapsed_seconds"] > beats[0]["elapsed_seconds"] > 0
    assert beats[-1]["quiet_seconds"] > 0
    assert beats[-1]["memory_bytes"] > 1_000_000
    assert beats[-1]["cpu_seconds"] >= 0


def test_heartbeat_comes_every_five_seconds_unless_something_else_is_said() -> None:
    assert RunnerOptions().heartbeat_seconds == 5
    assert inspect.signature(Commands.stream).parameters["heartbeat_seconds"].default == 5


def test_event_of_any_size_leaves_the_sandbox_of_a_small_memory_alive() -> None:
    with Sandbox.create(memory_bytes=400 << 20) as sandbox, sandbox.session() as session:
        for mebibytes in (30, 45, 55, 70, 100, 120):
            run = session.execute(f"error('x' * ({mebibytes} << 20))")
            events = list(run)
            assert run.reply is not None and run.reply.get("reason") != "lost", run.reply
            assert [event.msg_type for event in events if event.is_terminal] == ["execute_reply"]
            assert session.execute("1 + 1").wait() == "2"


def test_limit_that_is_reached_is_named() -> None:
    with Sandbox.create(memory_bytes=300 << 20, open_files=64) as sandbox, sandbox.session() as session:
        with pytest.raises(RemoteExecutionError, match=r"300 MiB .*memory_bytes"):
            session.execute("large = bytearray(1 << 30)").wait()
        with pytest.raises(RemoteExecutionError, match="64 .*open_files"):
            session.execute("files = [open('/dev/null') for _ in range(100)]").wait()
        assert session.execute("1 + 1").wait() == "2"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "1"])
def test_timeout_that_is_none_is_refused(session: SandboxSession, timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="timeout"):
        session.execute("1", timeout=timeout)


@pytest.mark.parametrize("code", [None, b"1", 1])
def test_code_that_is_none_is_refused(session: SandboxSession, code: Any) -> None:
    with pytest.raises(TypeError, match="code is a str"):
        session.execute(code)
    assert session.execute("1").wait() == "1"


def test_environment_that_cannot_be_set_is_refused(sandbox: Sandbox) -> None:
    for make in (sandbox.session, Sandbox.create):
        with pytest.raises(ValueError, match="environment variable"):
            make(env={"A=B": "c"})


def test_deadline_is_an_event_for_who_iterates(session: SandboxSession) -> None:
    *_, last = session.execute("print('before', flush=True)\nwhile True: pass", timeout=0.5)
    assert (last.msg_type, last.content["status"], last.content["reason"]) == ("execute_reply", "error", "timeout")
    assert last.content["stopped"] is True and last.content["kept"] is True


def test_crashed_interpreter_is_told_and_the_next_run_works(session: SandboxSession) -> None:
    session.execute("x = 1").wait()
    with pytest.raises(RemoteExecutionError):
        session.execute("import os; os._exit(3)").wait()
    assert session.execute("'x' in globals()").result == "False"


def test_kill_of_the_sandbox_ends_the_run_as_lost(sandbox: Sandbox, session: SandboxSession) -> None:
    run = session.execute("print('started', flush=True)\nimport time\ntime.sleep(60)")
    events = iter(run)
    while next(events).msg_type != "stream":
        pass
    sandbox.kill()
    assert list(events)[-1].is_terminal
    with pytest.raises(SandboxLostError, match="it was killed"):
        run.wait()
    with pytest.raises(SandboxLostError):
        session.execute("1")


def test_kill_of_the_sandbox_ends_a_run_that_waits_for_its_reader(sandbox: Sandbox, session: SandboxSession) -> None:
    code = "for i in range(10**9):\n  print('x' * 10_000, flush=True)\n  with open('/tmp/count', 'w') as f: f.write(str(i))"
    events = iter(session.execute(code))
    assert next(events).msg_type == "stream"
    counts = [""]
    while len(counts) < 5 or len(set(counts[-5:])) > 1:  # until it waits
        time.sleep(0.1)
        counts.append(sandbox.files.read("/tmp/count"))
    sandbox.kill()
    assert [event.msg_type for event in events][-2:] == ["error", "execute_reply"]


def test_restart_takes_variables_and_keeps_files(sandbox: Sandbox, session: SandboxSession) -> None:
    session.execute("x = 1; open('/app/a', 'w').close()").wait()
    assert session.restart()["status"] == "ok"
    assert session.execute("'x' in globals()").result == "False"
    assert sandbox.files.exists("/app/a")


def test_close_ends_the_interpreter_and_not_the_sandbox(sandbox: Sandbox, session: SandboxSession) -> None:
    session.execute("1").wait()
    session.close()
    with pytest.raises(SandboxLostError, match="closed"):
        session.execute("1").wait()
    assert sandbox.commands.run("echo a").stdout == "a\n"


def test_sessions_of_one_sandbox_share_files_and_not_variables(sandbox: Sandbox) -> None:
    with sandbox.session() as one, sandbox.session() as other:
        one.execute("x = 1; open('/app/a', 'w').write('1')").wait()
        assert other.execute("'x' in globals(), open('/app/a').read()").result == "(False, '1')"


def test_session_env_reaches_the_interpreter(sandbox: Sandbox) -> None:
    with sandbox.session(env={"A": "b c"}) as session:
        assert session.execute("import os; os.environ['A']").result == "'b c'"


#: Prints when the next run says so.
LATER = (
    "import threading\ngo_on = threading.Event()\n"
    "thread = threading.Thread(target=lambda: (go_on.wait(), print('later')))\nthread.start()"
)


async def test_output_after_the_end_goes_to_on_late_event(sandbox: Sandbox) -> None:
    late: list[Message] = []
    arrived = anyio.Event()

    async def take(event: Message) -> None:
        late.append(event)
        if event.msg_type == "stream" and event.content["text"].endswith("\n"):
            anyio.from_thread.run_sync(arrived.set, token=token)

    token = anyio.lowlevel.current_token()
    session = sandbox.session(on_late_event=take)
    run = session.execute(LATER)
    await run
    await session.execute("go_on.set()")
    with anyio.fail_after(60):
        await arrived.wait()
    assert {event.parent_id for event in late if event.msg_type == "stream"} == {run.msg_id}
    assert "".join(event.content["text"] for event in late if event.msg_type == "stream") == "later\n"


def test_input_is_asked_and_answered(session: SandboxSession) -> None:
    run = session.execute("name = input('Who? ')\nprint('hello', name)", allow_stdin=True)
    for event in run:
        if event.msg_type == "input_request":
            assert event.content["prompt"] == "Who? "
            run.send_input("you")
    assert run.output.endswith("hello you\n")


def test_output_beyond_the_bound_is_counted(session: SandboxSession) -> None:
    run = session.execute("for _ in range(10): print('x' * 999_999)")
    run.wait()
    first, _, rest = run.output.partition("\n")
    assert first.startswith("[") and "omitted" in first
    assert int(first.strip("[").split()[0]) + len(rest) == 10_000_000


def test_completion_is_answered(session: SandboxSession) -> None:
    session.execute("spectacular = 1").wait()
    assert "spectacular" in session.complete("specta", 6)["matches"]


def test_markers_of_a_child_are_events_and_no_text(session: SandboxSession) -> None:
    lines = 'echo before; printf \'__PROG\'; sleep 0.5; printf \'RESS__{"message": "m", "percent": 4}\\n\'; echo after'
    run = session.execute(f"import subprocess; subprocess.run(['bash', '-c', {lines!r}])\nNone")
    events = list(run)
    assert [event.content["percent"] for event in events if event.msg_type == "progress"] == [4]
    assert run.output == "before\nafter\n"
    kinds = [kind for kind, _ in itertools.groupby(event.msg_type for event in events) if kind != "heartbeat"]
    assert kinds == ["stream", "progress", "stream", "execute_reply"]


_MANY = 50_000
_MARKERS = (
    f'for n in range({_MANY}): print(\'__PROGRESS__{{"current": %d, "message": "m"}}\' % n)\n'
    "print('__RESULT__{\"data\": 7}')\nprint('end')"
)


def test_each_of_many_markers_is_an_event_in_its_order(session: SandboxSession) -> None:
    run = session.execute(_MARKERS)
    events = [event for event in run if event.msg_type not in ("heartbeat", "status")]
    reports = [event.content["current"] for event in events if event.msg_type == "progress"]
    assert reports == list(range(_MANY))
    assert [event.msg_type for event in events[_MANY:]] == ["result", "stream", "execute_reply"]
    assert {event.parent_id for event in events} == {run.msg_id}
    assert (run.result, run.output) == (7, "end\n")


def test_markers_that_nobody_takes_are_dropped_and_counted(session: SandboxSession) -> None:
    run = session.execute(_MARKERS)
    assert run.wait() == 7
    events = [event for event in run if event.msg_type != "heartbeat"]
    dropped = sum(event.content["events"] for event in events if event.msg_type == "dropped")
    kept = [event for event in events if event.msg_type != "dropped"]
    reports = [event.content["current"] for event in kept if event.msg_type == "progress"]
    assert reports == list(range(_MANY - len(reports), _MANY))
    assert dropped + len(reports) >= _MANY  # heartbeats are counted, too
    assert [event.msg_type for event in kept[len(reports) :]] == ["result", "stream", "execute_reply"]


def test_break_among_many_markers_loses_none(session: SandboxSession) -> None:
    run = session.execute(_MARKERS)
    reports: list[int] = []
    while len(reports) < _MANY:
        for event in run:
            if event.msg_type == "progress":
                reports.append(event.content["current"])
                if not len(reports) % 7919:
                    break
    assert reports == list(range(_MANY))


def test_marker_of_a_child_goes_on_behind_what_the_code_reports_meanwhile(session: SandboxSession) -> None:
    lines = 'printf \'__PROGRESS__{"message":\'; read; echo \'"m", "percent": 4}\''
    run = session.execute(
        f"import subprocess, time\nchild = subprocess.Popen(['bash', '-c', {lines!r}], stdin=subprocess.PIPE)\n"
        "time.sleep(0.5); progress('own', 50); _ = child.communicate(b'\\n')"
    )
    assert [event.content["percent"] for event in run if event.msg_type == "progress"] == [50, 4]
    assert run.output == ""


def test_text_that_only_begins_like_a_marker_is_shown_while_the_code_waits(session: SandboxSession) -> None:
    run = session.execute(
        "import os, time\nprint('Name__', end='', flush=True)\nwhile not os.path.exists('/tmp/go'): time.sleep(0.01)"
    )
    text = ""
    for event in run:
        if event.msg_type == "stream":
            text += event.content["text"]
        if text == "Name__":
            session.sandbox.files.write("/tmp/go", "")
    assert text == "Name__"


@pytest.mark.parametrize("seconds", [0, 0.01, 0.1, 0.3])
def test_restart_ends_every_run_that_was_asked_for_before(session: SandboxSession, seconds: float) -> None:
    runs = [session.execute("import time; time.sleep(100)") for _ in range(3)]
    session.sandbox.commands.run(["sleep", str(seconds)])
    session.restart()
    for run in runs:
        with pytest.raises(RemoteExecutionError):
            run.wait()
    assert session.execute("1 + 1").wait() == "2"


def test_handler_of_late_events_that_fails_does_not_end_the_session(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(event: Message) -> None:
        raise LookupError(event.msg_type)

    session = sandbox.session(on_late_event=fail)
    session.execute(LATER).wait()
    assert session.execute("go_on.set(); thread.join(); 7").wait() == "7"
    deadline = time.monotonic() + 60
    while "LookupError: stream" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert session.execute("8").wait() == "8"
