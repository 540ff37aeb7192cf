"""Commands in real sandboxes, run to their end, blocking and awaited."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hopx_kernel import Sandbox, SandboxError, SandboxTimeoutError

from .processes import is_gone, is_running

pytestmark = pytest.mark.anyio


def test_run_gives_both_streams_exit_code_and_duration(sandbox: Sandbox) -> None:
    began = time.monotonic()
    result = sandbox.commands.run("echo out; echo err >&2; sleep 0.2; exit 3")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    assert 0.2 <= result.duration_seconds <= time.monotonic() - began


async def test_run_async_gives_the_same(sandbox: Sandbox) -> None:
    result = await sandbox.commands.run_async("echo out; exit 3")
    assert (result.stdout, result.exit_code) == ("out\n", 3)


def test_run_takes_an_argument_list_past_any_shell(sandbox: Sandbox) -> None:
    words = ["a b", "$HOME", "'", '"', "x;y", "", "é\n"]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert json.loads(sandbox.commands.run(["python", "-c", code, *words]).stdout) == words


def test_run_tells_the_signal_that_ended_the_command(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("kill -TERM $$").exit_code == -15


def test_run_python_is_the_sandbox_s_python(sandbox: Sandbox) -> None:
    code = "import sys; print(sys.version_info[0] >= 3, sys.executable)"
    assert sandbox.commands.run(["python", "-c", code]).stdout.startswith("True /")


def test_run_replaces_bytes_that_are_no_utf_8(sandbox: Sandbox) -> None:
    assert sandbox.commands.run(r"printf '\xff\xc3\xa9\n'").stdout == "\ufffdé\n"


def test_run_has_nothing_on_its_stdin(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("cat; echo end").stdout == "end\n"


def test_run_takes_cwd_and_env(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("pwd; echo $GREETING", cwd="/app", env={"GREETING": "a b"}).stdout == "/app\na b\n"


def test_run_does_not_wait_for_what_it_leaves_in_the_background(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("sleep 321 & echo started").stdout == "started\n"
    assert is_running(sandbox, "321")


def test_run_gives_a_last_line_without_end_that_a_child_holds_open(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("printf tail; sleep 60 &").stdout == "tail"


def test_run_says_whether_what_it_leaves_in_the_background_may_write_on(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("echo text").output_closed
    assert sandbox.commands.run("sleep 60 > /dev/null 2>&1 & echo text").output_closed
    left = sandbox.commands.run("(sleep 60; echo late) & echo text")
    assert (left.stdout, left.output_closed) == ("text\n", False)
    assert sandbox.commands.run("(sleep 0.3; echo late) & echo text; wait").stdout == "text\nlate\n"


def test_stream_says_whether_its_output_was_closed(sandbox: Sandbox) -> None:
    for line, is_closed in (("echo text", True), ("sleep 60 & echo text", False)):
        stream = sandbox.commands.stream(line)
        assert list(stream) == ["text"]
        assert stream.output_closed is is_closed
        reply = list(sandbox.commands.stream(line).events())[-1]
        assert reply.content["output_closed"] is is_closed


def test_run_raises_for_a_program_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.commands.run(["no-such-program"])
    assert sandbox.commands.run("no-such-program").exit_code == 127


def test_run_raises_for_a_directory_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        sandbox.commands.run("true", cwd="/nowhere")


@pytest.mark.parametrize("command", ["", "  ", [], [""], ["a", 1], b"true", "a\0b", ["a", "b\0"], "\ud800"])
def test_run_refuses_what_is_no_command(sandbox: Sandbox, command: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        sandbox.commands.run(command)


@pytest.mark.parametrize("cwd", ["", "a\0b", "\ud800", 3, Path("/app")])
def test_run_refuses_what_is_no_directory(sandbox: Sandbox, cwd: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="a path"):
        sandbox.commands.run("true", cwd=cwd)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1"])
def test_run_refuses_what_is_no_timeout(sandbox: Sandbox, timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="timeout"):
        sandbox.commands.run("true", timeout=timeout)


def test_run_timeout_carries_the_output_and_says_that_the_sandbox_lives(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxTimeoutError, match=r"2.5 s .* lives") as caught:
        sandbox.commands.run("echo before; echo more >&2; sleep 333", timeout=2.5)
    assert sorted(caught.value.output.splitlines()) == ["before", "more"]
    assert caught.value.alive
    assert isinstance(caught.value, TimeoutError)
    assert is_gone(sandbox, "333")


def test_run_timeout_ends_also_when_a_child_keeps_writing(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxTimeoutError):
        sandbox.commands.run("setsid sh -c 'while sleep 0.02; do echo x; done' & sleep 60", timeout=1)
    assert is_gone(sandbox, "sleep 0.02")


def test_run_timeout_ends_also_what_only_the_background_writes(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    # A machine with much to do leaves pauses of a tenth of a second between two lines, with which the output is over.
    monkeypatch.setattr("hopx_kernel.library.command.QUIET_SECONDS", 1.0)
    with pytest.raises(SandboxTimeoutError) as caught:
        sandbox.commands.run("echo started; while sleep 0.01; do echo x; done &", timeout=2.5)
    assert caught.value.output.startswith("started\n")
    assert caught.value.alive


async def test_run_async_timeout_carries_the_output(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxTimeoutError) as caught:
        await sandbox.commands.run_async("echo before; sleep 60", timeout=2.5)
    assert caught.value.output == "before\n"


def test_run_of_more_output_than_may_be_held_is_stopped_and_says_what_works(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="more than 1000000 bytes .* `stream`"):
        sandbox.commands.run(["yes", "marker-7531"], max_output_bytes=1_000_000)
    assert is_gone(sandbox, "marker-7531")
    assert len(sandbox.commands.run("head -c 1000000 /dev/zero", max_output_bytes=1_000_000).stdout) == 1_000_000


@pytest.mark.parametrize(
    ("env", "error"),
    [
        ({"": "x"}, ValueError),
        ({"A=B": "x"}, ValueError),
        ({"A\0": "x"}, ValueError),
        ({"A": "x\0"}, ValueError),
        ({"A": "\ud800"}, ValueError),
        ({"A": 1}, TypeError),
        ({1: "x"}, TypeError),
        (["A=B"], TypeError),
    ],
)
def test_environment_that_cannot_be_set_is_refused(sandbox: Sandbox, env: Any, error: type[Exception]) -> None:
    for call in (sandbox.commands.run, sandbox.commands.stream):
        with pytest.raises(error, match="environment variable"):
            call("true", env=env)


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="there is no Python of the system here")
def test_python_is_the_sandbox_s_python_also_where_it_has_another_name() -> None:
    with Sandbox.create(python="/usr/bin/python3") as sandbox:
        code = "import sys; print(sys.prefix)"
        for name in ("python", "python3"):
            assert sandbox.commands.run([name, "-c", code]).stdout == "/usr\n"
        assert sandbox.commands.run(f"python -c '{code}'").stdout == "/usr\n"
