"""A program whose sandbox says nothing, or loses an interpreter: it is told, within a stated time."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from hopx_kernel import RemoteExecutionError, Sandbox, SandboxLostError, SandboxTimeoutError
from hopx_kernel.library import runs
from hopx_kernel.protocol import RunnerOptions

#: Longer than anything takes on a slow machine, in seconds; costs time only where something is missing.
PATIENCE = 60.0


def tree() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def runners(processes: set[psutil.Process]) -> list[psutil.Process]:
    """The supervisors among them."""
    found = [one for one in processes if any("runner.pyz" in word for word in one.cmdline())]
    return [one for one in found if one.parent() not in found]


def open_session(sandbox: Sandbox, **options: float) -> tuple[runs.SandboxSession, psutil.Process]:
    """A session, and its supervisor as this computer sees it."""
    before = tree()
    session = runs.SandboxSession(sandbox, options=RunnerOptions(**options))  # type: ignore[arg-type]
    session.execute("1").wait()
    (supervisor,) = runners(tree() - before)
    return session, supervisor


def test_limit_of_time_holds_beside_a_stopped_supervisor() -> None:
    with Sandbox.create() as sandbox:
        session, supervisor = open_session(sandbox, interrupt_grace_seconds=0.2)
        supervisor.suspend()
        started = time.monotonic()
        with pytest.raises(SandboxTimeoutError, match="longer than 1 s"):
            session.execute("while True: pass", timeout=1).wait()
        assert time.monotonic() - started < PATIENCE


def test_silence_shows_and_is_a_loss() -> None:
    with Sandbox.create() as sandbox:
        session, supervisor = open_session(sandbox, heartbeat_seconds=0.2, loss_seconds=1.0)
        assert session.silent_seconds == 0
        supervisor.suspend()
        run = session.execute("1")
        kinds = [event.msg_type for event in run if event.msg_type != "heartbeat"]
        assert kinds == ["silence", "error", "execute_reply"]
        with pytest.raises(SandboxLostError, match="said nothing for"):
            run.raise_for_error()
        assert sandbox.commands.run("echo here").stdout == "here\n"  # the runner alone was lost
        session.restart()
        assert session.execute("1 + 1").wait() == "2"


def test_supervisor_that_comes_back_loses_nothing() -> None:
    with Sandbox.create() as sandbox:
        session, supervisor = open_session(sandbox, heartbeat_seconds=0.2, loss_seconds=3600.0)
        supervisor.suspend()
        run = session.execute("print('done')")
        events = iter(run)
        assert next(events).msg_type == "silence" and session.silent_seconds > 0
        supervisor.resume()
        assert run.wait() is None and run.output == "done\n"
        assert session.silent_seconds == 0


def test_run_after_the_death_of_an_interpreter_says_so_once() -> None:
    with Sandbox.create() as sandbox:
        session, _ = open_session(sandbox)
        session.execute("x = 1").wait()
        session.execute("import os, threading; threading.Timer(0.05, os.kill, (os.getpid(), 9)).start()").wait()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                assert session.execute("'x' in globals()").wait() == "True"
            except RemoteExecutionError as exc:
                assert exc.ename == "InterpreterDied" and "ariables are lost" in exc.evalue
                break
        assert session.execute("'x' in globals()").wait() == "False"


def test_run_that_was_asked_for_before_a_death_is_not_run() -> None:
    with Sandbox.create() as sandbox:
        session, _ = open_session(sandbox)
        code = "import os, time\nwhile not os.path.exists('/tmp/go'): time.sleep(0.01)\nos._exit(1)"
        first = session.execute(code)
        behind = session.execute("open('/tmp/ran', 'w')")
        sandbox.files.write("/tmp/go", "")
        for run in (first, behind):
            with pytest.raises(RemoteExecutionError, match="InterpreterDied"):
                run.wait()
        assert sandbox.commands.run("ls /tmp/ran").exit_code != 0
        assert session.execute("1 + 1").wait() == "2"


def test_end_of_the_sandbox_waits_for_no_reader() -> None:
    with Sandbox.create() as sandbox:
        session, supervisor = open_session(sandbox)
        run = session.execute("from IPython.display import display\nwhile True: display('x' * 1000)")
        events = iter(run)
        next(events)  # and no more: the code waits
        supervisor.kill()
        deadline = time.monotonic() + PATIENCE
        while run.reply is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert run.reply is not None and run.reply["ename"] == "SandboxLostError"
        assert [event.msg_type for event in events][-2:] == ["error", "execute_reply"]


def test_interrupt_of_a_run_that_has_ended_is_too_late() -> None:
    with Sandbox.create() as sandbox:
        session, _ = open_session(sandbox)
        first = session.execute("1")
        first.wait()
        second = session.execute("import time; time.sleep(0.5); 2")
        assert first.interrupt()["too_late"] is True
        assert second.wait() == "2"


def test_launcher_that_says_nothing_is_a_loss() -> None:
    with Sandbox.create(start_timeout_seconds=5) as sandbox:
        for process in tree():
            process.suspend()
        with pytest.raises(SandboxLostError, match="has not answered for 5 s"):
            sandbox.commands.run("true")
    assert not [one for one in tree() if one.status() == psutil.STATUS_STOPPED]


def test_command_s_limit_of_time_is_of_its_start_too() -> None:
    with Sandbox.create() as sandbox:
        stopped = tree()
        for process in stopped:
            process.suspend()
        with pytest.raises(SandboxTimeoutError, match="took longer than 1 s"):
            sandbox.commands.run("true", timeout=1)
        for process in stopped:
            process.resume()
        assert sandbox.commands.run("echo on").stdout == "on\n"


def test_command_s_limit_of_time_holds_beside_a_stopped_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hopx_kernel.library.command.KILL_SECONDS", 1.0)
    with Sandbox.create() as sandbox:
        before = tree()
        with sandbox.commands.stream("echo on; exec sleep 3600", timeout=3) as lines:
            following = iter(lines)
            assert next(following) == "on"
            for process in before | tree():
                os.kill(process.pid, signal.SIGSTOP)
            with pytest.raises(SandboxTimeoutError):
                list(following)
