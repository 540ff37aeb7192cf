"""Streams of commands in real sandboxes: lines and events as they come, blocking and asynchronous."""

from __future__ import annotations

import gc
import itertools
import json
import math
import subprocess
import sys

import anyio
import pytest

from hopx_kernel import Sandbox, SandboxLostError, SandboxTimeoutError

from .processes import is_gone, is_running

pytestmark = pytest.mark.anyio


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
    assert is_gone(sandbox, "4321")


def test_stream_left_by_an_error_stops_the_command(sandbox: Sandbox) -> None:
    def fail() -> None:
        for line in sandbox.commands.stream("echo first; sleep 4321"):
            raise LookupError(line)

    with pytest.raises(LookupError):
        fail()
    gc.collect()
    assert is_gone(sandbox, "4321")


async def test_stream_async_left_early_stops_the_command(sandbox: Sandbox) -> None:
    async for _ in sandbox.commands.stream_async("echo first; sleep 4321"):
        break
    assert await anyio.to_thread.run_sync(is_gone, sandbox, "4321")


async def test_stream_async_under_a_deadline_of_asyncio_stops_the_command(sandbox: Sandbox) -> None:
    lines = []
    with pytest.raises(TimeoutError) as caught:
        with anyio.fail_after(None) as scope:
            async for line in sandbox.commands.stream_async("echo first; sleep 4321"):
                lines += [line]
                scope.deadline = anyio.current_time() + 0.2
    assert lines == ["first"]
    # Also while the error is kept, and with it everything that its traceback holds.
    assert await anyio.to_thread.run_sync(is_gone, sandbox, "4321")
    assert caught.tb is not None


async def test_stream_events_async_under_a_deadline_stop_the_command(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError) as caught:
        with anyio.fail_after(None) as scope:
            async for _ in sandbox.commands.stream_async("echo first; sleep 4321").events():
                scope.deadline = min(scope.deadline, anyio.current_time() + 0.2)
    assert await anyio.to_thread.run_sync(is_gone, sandbox, "4321")
    assert caught.tb is not None


def test_stream_block_left_stops_the_command(sandbox: Sandbox) -> None:
    with sandbox.commands.stream("echo first; sleep 4321") as stream:
        lines = iter(stream)
        assert next(lines) == "first"
    assert stream.exit_code == -9
    assert is_gone(sandbox, "4321")


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
    "options",
    [
        *({"buffer_size": size} for size in (0, 0.5, math.inf, math.nan, "64", None)),
        *({"on_overflow": "drop"}, {"heartbeat_seconds": 0}, {"heartbeat_seconds": -1}),
    ],
)
def test_stream_refuses_options_that_make_no_sense(sandbox: Sandbox, options: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(options))):
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
        for line in sandbox.commands.stream("echo a; echo b; sleep 60", timeout=2.5):
            lines += [line]
    assert lines == ["a", "b"]
    assert caught.value.output == "a\nb\n"
    assert caught.value.alive


def test_stream_timeout_says_how_much_output_it_does_not_keep(sandbox: Sandbox) -> None:
    last = ""
    with pytest.raises(SandboxTimeoutError, match="are not") as caught:
        for line in sandbox.commands.stream("seq 1000000000", timeout=3):
            last = line
    assert last in caught.value.output.splitlines()[-2:]
    assert len(caught.value.output) < 2_000_000


def test_stream_of_a_killed_sandbox_is_no_success(sandbox: Sandbox) -> None:
    lines = iter(sandbox.commands.stream("echo a; sleep 60"))
    assert next(lines) == "a"
    sandbox.kill()
    with pytest.raises(SandboxLostError):
        next(lines)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (r"printf 'a\r\nb\rc\n\r\n'", ["a", "b\rc", ""]),
        (r"printf 'a\n\n'", ["a", ""]),
        (r"printf '\xff\xc3\xa9\n'", ["\ufffdé"]),
        (r"printf '\xe2\x82'; sleep 0.2; printf '\xac\n'", ["€"]),
        (r"printf '\0a'", ["\0a"]),
        ("printf last >&2", ["last"]),
        ("true", []),
    ],
)
def test_stream_cuts_lines_where_they_end(sandbox: Sandbox, command: str, lines: list[str]) -> None:
    assert list(sandbox.commands.stream(command)) == lines


def test_stream_of_random_bytes_loses_none(sandbox: Sandbox) -> None:
    sandbox.commands.run("head -c 3000000 /dev/urandom | tr -d '\\r' > /tmp/random; echo >> /tmp/random")
    data = sandbox.files.read_bytes("/tmp/random")
    lines = list(sandbox.commands.stream("cat /tmp/random"))
    assert "\n".join([*lines, ""]) == data.decode("utf-8", "replace")


def test_stream_left_early_stops_children_that_left_its_group_too(sandbox: Sandbox) -> None:
    sandbox.files.write("two", "exec sleep 4322")
    sandbox.files.write("three", "import os; os.setsid(); os.system('exec sleep 4323')")
    for _ in sandbox.commands.stream("sleep 4321 & setsid sh two & python three & echo a; wait"):
        while not all(is_running(sandbox, marker) for marker in ("4321", "4322", "4323")):
            pass
        break
    assert all(is_gone(sandbox, marker) for marker in ("4321", "4322", "4323"))


def test_stream_has_no_deadline_for_its_reader(sandbox: Sandbox) -> None:
    """The command is done in time; that its lines are read later is no fault of its own."""
    stream = sandbox.commands.stream("seq 5000; touch /tmp/written", timeout=4, buffer_size=64)
    lines = iter(stream)
    came = [next(lines)]
    while not sandbox.files.exists("/tmp/written"):
        pass
    sandbox.commands.run("sleep 4")
    came += lines
    assert came == [str(i) for i in range(1, 5001)]
    assert stream.exit_code == 0


async def test_stream_async_wait_that_is_broken_off_loses_nothing(sandbox: Sandbox) -> None:
    command = "i=0; until [ -e /tmp/enough ]; do i=$((i + 1)); echo $i; sleep 0.001; done; echo $i > /tmp/enough"
    stream = sandbox.commands.stream_async(command)
    lines = stream.__aiter__()
    came: list[str] = []
    broken_off = 0
    while True:
        with anyio.move_on_after(0.0005 if broken_off < 50 else math.inf) as scope:
            try:
                came.append(await lines.__anext__())
            except StopAsyncIteration:
                break
        broken_off += scope.cancelled_caught
        if broken_off == 50 and scope.cancelled_caught:
            await sandbox.files.write_async("/tmp/enough", "")
    assert came == [str(i) for i in range(1, int(sandbox.files.read("/tmp/enough")) + 1)]
    assert stream.exit_code == 0


MEMORY = """
import sys, time
from pathlib import Path
from hopx_kernel import Sandbox

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1000

with Sandbox.create() as sandbox:
    command, policy, is_slow = sys.argv[1:]
    list(sandbox.commands.stream("seq 100000"))
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    stream = sandbox.commands.stream(command, on_overflow=policy, buffer_size=65536)
    size = 0
    for line in stream:
        if is_slow == "slow" and not size:
            sandbox.commands.run("sleep 2")
        size += len(line)
    print(peak() - before)
"""


@pytest.mark.parametrize(
    ("command", "policy", "speed"),
    [
        ("yes $(head -c 1000 /dev/zero | tr '\\0' x) | head -c 300000000", "wait", "fast"),
        ("head -c 300000000 /dev/zero", "wait", "fast"),
        ("yes | head -c 30000000", "wait", "slow"),
        ("yes | head -c 300000000", "drop_oldest", "slow"),
    ],
)
def test_stream_holds_little_memory(command: str, policy: str, speed: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY, command, policy, speed], capture_output=True, text=True, check=True, timeout=200
    )
    # A line without end is held in some copies of its largest piece.
    assert float(ended.stdout) < (60 if "zero -" in command or command.endswith("/dev/zero") else 20)


# ------------------------------------------------------------------ events


def test_events_are_heartbeats_output_and_one_end(sandbox: Sandbox) -> None:
    command = "echo a; until [ -e /tmp/enough ]; do sleep 0.01; done; exit 2"
    stream = sandbox.commands.stream(command, heartbeat_seconds=0.2)
    events = []
    for event in stream.events():
        events.append(event)
        # A busy sandbox may not tell what it uses, now and then.
        if sum("memory_bytes" in event.content for event in events) == 2:
            sandbox.files.write("/tmp/enough", "")
    assert [event.content for event in events if event.msg_type == "stream"] == [{"name": "stdout", "text": "a\n"}]
    beats = [event.content for event in events if "memory_bytes" in event.content]
    assert beats[0]["elapsed_seconds"] < beats[-1]["elapsed_seconds"]
    assert 0 < beats[-1]["quiet_seconds"] <= beats[-1]["elapsed_seconds"]
    assert beats[-1]["memory_bytes"] > 100_000
    assert beats[-1]["cpu_seconds"] >= 0
    assert [event.is_terminal for event in events].count(True) == 1
    assert events[-1].content["exit_code"] == 2 == stream.exit_code


def test_events_tell_of_a_deadline_instead_of_raising(sandbox: Sandbox) -> None:
    *_, last = sandbox.commands.stream("echo a; sleep 60", timeout=2.5).events()
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
    command = "echo a; until [ -e /tmp/enough ]; do sleep 0.01; done; echo b"
    events = sandbox.commands.stream(command, heartbeat_seconds=0.05).events()
    while next(events).msg_type != "stream":
        pass
    sandbox.commands.run("sleep 1")
    sandbox.files.write("/tmp/enough", "")
    beats = [event.content for event in events if event.msg_type == "heartbeat"]
    # Of those from before the reader woke: one that came with the line, and the one that each newer one replaced.
    assert sum(beat["elapsed_seconds"] < 1 for beat in beats) <= 2


async def test_events_go_on_after_a_wait_that_was_broken_off(sandbox: Sandbox) -> None:
    events = sandbox.commands.stream_async("for i in $(seq 50); do echo $i; sleep 0.001; done").events()
    text = ""
    kinds: list[str] = []
    for turn in itertools.count():
        with anyio.move_on_after(0.001 if turn < 30 else math.inf):
            event = await events.__anext__()
            kinds.append(event.msg_type)
            text += event.content.get("text", "")
        if kinds[-1:] == ["execute_reply"]:
            break
    assert text == "".join(f"{i}\n" for i in range(1, 51))
    assert kinds.count("execute_reply") == 1
