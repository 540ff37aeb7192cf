"""Commands in real sandboxes, blocking and asynchronous."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from pathlib import Path

import anyio
import pytest

from hopx_kernel import Sandbox, SandboxLostError, SandboxTimeoutError

pytestmark = pytest.mark.anyio


def is_running(sandbox: Sandbox, marker: str) -> bool:
    """Whether a process whose command line holds a marker is in the sandbox; the one that looks does not count."""
    script = (
        "import os, sys\n"
        "lines = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]\n"
        "print(any(sys.argv[1] in line for line in lines))\n"
    )
    return sandbox.commands.run(["python", "-c", script, marker]).stdout == "True\n"


# ------------------------------------------------------------------ run


def test_run_gives_both_streams_exit_code_and_duration(sandbox: Sandbox) -> None:
    result = sandbox.commands.run("echo out; echo err >&2; sleep 0.2; exit 3")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    assert 0.2 <= result.duration_seconds < 5


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
    started = time.monotonic()
    assert sandbox.commands.run("sleep 60 & echo started").stdout == "started\n"
    assert time.monotonic() - started < 10


def test_run_gives_a_last_line_without_end_that_a_child_holds_open(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("printf tail; sleep 60 &").stdout == "tail"


def test_run_raises_for_a_program_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.commands.run(["no-such-program"])
    assert sandbox.commands.run("no-such-program").exit_code == 127


def test_run_raises_for_a_directory_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        sandbox.commands.run("true", cwd="/nowhere")


@pytest.mark.parametrize("command", ["", "  ", [], "a\0b", ["a", "b\0"]])
def test_run_refuses_what_is_no_command(sandbox: Sandbox, command: str | list[str]) -> None:
    with pytest.raises((ValueError, TypeError)):
        sandbox.commands.run(command)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_run_refuses_what_is_no_timeout(sandbox: Sandbox, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        sandbox.commands.run("true", timeout=timeout)


def test_run_timeout_carries_the_output_and_says_that_the_sandbox_lives(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxTimeoutError, match=r"0.5 s .* lives") as caught:
        sandbox.commands.run("echo before; echo more >&2; sleep 333", timeout=0.5)
    assert sorted(caught.value.output.splitlines()) == ["before", "more"]
    assert caught.value.alive
    assert isinstance(caught.value, TimeoutError)
    assert not is_running(sandbox, "333")


def test_run_timeout_ends_also_when_a_child_keeps_writing(sandbox: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(SandboxTimeoutError):
        sandbox.commands.run("setsid sh -c 'while sleep 0.02; do echo x; done' & sleep 60", timeout=0.3)
    assert time.monotonic() - started < 10


# ------------------------------------------------------------------ stream


def test_stream_gives_lines_as_they_come(sandbox: Sandbox) -> None:
    """Each line is answered before the next is written: it cannot have waited for it."""
    command = "for i in 1 2 3; do echo $i; until [ -e /tmp/go$i ]; do sleep 0.01; done; done; printf end"
    lines = []
    for line in sandbox.commands.stream(command):
        lines.append(line)
        sandbox.files.write(f"/tmp/go{line}", "")
    assert lines == ["1", "2", "3", "end"]


async def test_stream_async_gives_lines_as_they_come(sandbox: Sandbox) -> None:
    command = "for i in 1 2 3; do echo $i; until [ -e /tmp/go$i ]; do sleep 0.01; done; done; printf end"
    lines = []
    async for line in sandbox.commands.stream_async(command):
        lines.append(line)
        await sandbox.files.write_async(f"/tmp/go{line}", "")
    assert lines == ["1", "2", "3", "end"]


def test_stream_tells_the_streams_apart_for_who_asks(sandbox: Sandbox) -> None:
    lines = {line: line.name for line in sandbox.commands.stream("echo out; echo err >&2")}
    assert lines == {"out": "stdout", "err": "stderr"}


def test_stream_has_the_exit_code_at_its_end(sandbox: Sandbox) -> None:
    stream = sandbox.commands.stream("echo a; exit 7")
    codes = [stream.exit_code, *(stream.exit_code for _ in stream), stream.exit_code]
    assert codes == [None, None, 7]
    assert stream.duration_seconds is not None


def test_stream_lines_are_text_like_any(sandbox: Sandbox) -> None:
    (line,) = sandbox.commands.stream("echo 'ERROR: x'")
    assert line.startswith("ERROR:")
    assert json.dumps({"content": line}) == '{"content": "ERROR: x"}'


def test_stream_left_early_stops_the_command(sandbox: Sandbox) -> None:
    stream = sandbox.commands.stream("echo first; sleep 4321")
    for _ in stream:
        break
    assert stream.exit_code == -9
    assert not is_running(sandbox, "4321")


def test_stream_left_by_an_error_stops_the_command(sandbox: Sandbox) -> None:
    def fail() -> None:
        for line in sandbox.commands.stream("echo first; sleep 4321"):
            raise LookupError(line)

    with pytest.raises(LookupError):
        fail()
    gc.collect()
    assert not is_running(sandbox, "4321")


async def test_stream_async_left_early_stops_the_command(sandbox: Sandbox) -> None:
    async for _ in sandbox.commands.stream_async("echo first; sleep 4321"):
        break
    # The one that looks is asked after the one that stops.
    assert not await anyio.to_thread.run_sync(is_running, sandbox, "4321")


async def test_stream_async_under_a_deadline_of_asyncio_stops_the_command(sandbox: Sandbox) -> None:
    lines = []
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.5):
            async for line in sandbox.commands.stream_async("echo first; sleep 4321"):
                lines += [line]
    assert lines == ["first"]
    assert not await anyio.to_thread.run_sync(is_running, sandbox, "4321")


def test_stream_block_left_stops_the_command(sandbox: Sandbox) -> None:
    with sandbox.commands.stream("echo first; sleep 4321") as stream:
        lines = iter(stream)
        assert next(lines) == "first"
    assert stream.exit_code == -9
    assert not is_running(sandbox, "4321")


def test_stream_that_is_never_read_starts_nothing(sandbox: Sandbox) -> None:
    sandbox.commands.stream("touch /tmp/started", buffer_size=64)
    assert not sandbox.files.exists("/tmp/started")


def test_stream_is_read_once(sandbox: Sandbox) -> None:
    stream = sandbox.commands.stream("echo a")
    assert list(stream) == ["a"]
    with pytest.raises(RuntimeError, match="once"):
        list(stream)


@pytest.mark.parametrize("buffer_size", [1, 64, 4096, 1 << 20])
def test_stream_is_whole_with_any_buffer_size(sandbox: Sandbox, buffer_size: int) -> None:
    lines = list(sandbox.commands.stream("seq 300; echo é€😀; printf last", buffer_size=buffer_size))
    assert lines == [*map(str, range(1, 301)), "é€😀", "last"]


@pytest.mark.parametrize(
    "options", [{"buffer_size": 0}, {"on_overflow": "drop"}, {"heartbeat_seconds": 0}, {"heartbeat_seconds": -1}]
)
def test_stream_refuses_options_that_make_no_sense(sandbox: Sandbox, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        sandbox.commands.stream("true", **options)  # type: ignore[arg-type]


def test_stream_gives_a_million_lines_in_order(sandbox: Sandbox) -> None:
    for expected, line in enumerate(sandbox.commands.stream("seq 1000000"), 1):
        assert int(line) == expected
    assert expected == 1_000_000


def test_stream_gives_a_line_over_the_bound_in_pieces(sandbox: Sandbox) -> None:
    lines = list(sandbox.commands.stream("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo next"))
    assert "".join(lines[:-1]) == "x" * 10_000_000
    assert [line.is_whole for line in lines[:-1]] == [False] * (len(lines) - 2) + [True]
    assert lines[-1] == "next"


def test_stream_makes_the_command_wait_for_a_slow_reader(sandbox: Sandbox) -> None:
    """What the command has written is bounded by the buffers on the way, while nobody reads."""
    command = ["python", "-u", "-c", "for i in range(10**6):\n print(i)\n open('/tmp/n','w').write(str(i))"]
    lines = iter(sandbox.commands.stream(command, buffer_size=1000))
    next(lines)
    written, before = 0, -1
    while written != before or not written:
        before = written
        written = int(sandbox.commands.run("sleep 0.3; cat /tmp/n").stdout or 0)
    assert written < 300_000


def test_stream_dropping_the_oldest_counts_every_line_it_drops(sandbox: Sandbox) -> None:
    stream = sandbox.commands.stream("seq 200000; touch /tmp/written", buffer_size=4096, on_overflow="drop_oldest")
    lines = iter(stream)
    came = [next(lines)]
    # A command that had to wait would never come to this.
    while not sandbox.files.exists("/tmp/written"):
        pass
    came += lines
    assert came[-1] == "200000"
    assert stream.dropped_lines > 0
    assert len(came) + stream.dropped_lines == 200_000
    assert stream.dropped_bytes == sum(len(str(i)) + 1 for i in range(1, 200_001)) - sum(len(x) + 1 for x in came)


def test_stream_timeout_raises_after_the_last_line(sandbox: Sandbox) -> None:
    lines = []
    with pytest.raises(SandboxTimeoutError) as caught:
        for line in sandbox.commands.stream("echo a; echo b; sleep 60", timeout=0.5):
            lines += [line]
    assert lines == ["a", "b"]
    assert caught.value.output == "a\nb\n"
    assert caught.value.alive


def test_stream_timeout_says_how_much_output_it_does_not_keep(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxTimeoutError, match="are not") as caught:
        for _ in sandbox.commands.stream("seq 1000000; sleep 60", timeout=3):
            pass
    assert caught.value.output.endswith("1000000\n")
    assert len(caught.value.output) < 2_000_000


def test_stream_of_a_killed_sandbox_is_no_success(sandbox: Sandbox) -> None:
    lines = iter(sandbox.commands.stream("echo a; sleep 60"))
    assert next(lines) == "a"
    sandbox.kill()
    with pytest.raises(SandboxLostError):
        next(lines)


# ------------------------------------------------------------------ events


def test_events_are_heartbeats_output_and_one_end(sandbox: Sandbox) -> None:
    stream = sandbox.commands.stream("echo a; sleep 1; exit 2", heartbeat_seconds=0.2)
    events = list(stream.events())
    assert [event.content for event in events if event.msg_type == "stream"] == [{"name": "stdout", "text": "a\n"}]
    beats = [event.content for event in events if event.msg_type == "heartbeat"]
    assert len(beats) >= 2
    assert beats[0]["elapsed_seconds"] < beats[-1]["elapsed_seconds"]
    assert 0 < beats[-1]["quiet_seconds"] <= beats[-1]["elapsed_seconds"]
    assert beats[-1]["memory_bytes"] > 100_000
    assert beats[-1]["cpu_seconds"] >= 0
    assert [event.is_terminal for event in events].count(True) == 1
    assert events[-1].content["exit_code"] == 2 == stream.exit_code


def test_events_tell_of_a_deadline_instead_of_raising(sandbox: Sandbox) -> None:
    *_, last = sandbox.commands.stream("echo a; sleep 60", timeout=0.4).events()
    assert last.content["reason"] == "timeout"
    assert last.content["output"] == "a\n"
    assert last.content["alive"] is True


async def test_events_count_what_was_dropped(sandbox: Sandbox) -> None:
    stream = sandbox.commands.stream_async(
        "seq 200000; touch /tmp/written", buffer_size=4096, on_overflow="drop_oldest"
    )
    events = stream.events()
    first = await events.__anext__()
    while not await sandbox.files.exists_async("/tmp/written"):
        pass
    rest = [event async for event in events]
    dropped = sum(event.content["lines"] for event in rest if event.msg_type == "dropped")
    came = sum(event.content["text"].count("\n") for event in [first, *rest] if event.msg_type == "stream")
    assert dropped > 0
    assert came + dropped == 200_000


def test_heartbeats_do_not_pile_up_before_a_reader_that_sleeps(sandbox: Sandbox) -> None:
    events = sandbox.commands.stream("echo a; sleep 1; echo b", heartbeat_seconds=0.05).events()
    assert next(events).msg_type == "stream"
    sandbox.commands.run("sleep 0.9")
    assert sum(event.msg_type == "heartbeat" for event in events) < 8


# ------------------------------------------------------------------ loops and threads


def test_blocking_form_works_inside_a_running_loop(sandbox: Sandbox) -> None:
    async def main() -> list[str]:
        return list(sandbox.commands.stream("seq 3"))

    assert asyncio.run(main()) == ["1", "2", "3"]


def test_sandbox_outlives_the_loop_that_made_it() -> None:
    sandbox = asyncio.run(Sandbox.create_async())
    try:
        assert asyncio.run(sandbox.commands.run_async("echo a")).stdout == "a\n"
        assert sandbox.commands.run("echo b").stdout == "b\n"
    finally:
        asyncio.run(sandbox.kill_async())


async def test_many_streams_at_a_time_in_one_sandbox(sandbox: Sandbox) -> None:
    results: dict[int, list[str]] = {}

    async def collect(number: int) -> None:
        results[number] = [line async for line in sandbox.commands.stream_async(f"seq {number} {number + 999}")]

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(collect, number)
    assert results == {number: [str(i) for i in range(number, number + 1000)] for number in range(20)}


def test_streams_leave_no_descriptors_open(sandbox: Sandbox) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))

    sandbox.commands.run("true")
    before = descriptors()
    for _ in range(20):
        sandbox.commands.run("echo a")
        for _line in sandbox.commands.stream("yes"):
            break
    gc.collect()
    assert descriptors() <= before + 2


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="there is no Python of the system here")
def test_python_is_the_sandbox_s_python_also_where_it_has_another_name() -> None:
    with Sandbox.create(python="/usr/bin/python3") as sandbox:
        code = "import sys; print(sys.prefix)"
        for name in ("python", "python3"):
            assert sandbox.commands.run([name, "-c", code]).stdout == "/usr\n"
        assert sandbox.commands.run(f"python -c '{code}'").stdout == "/usr\n"
