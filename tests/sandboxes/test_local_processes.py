"""Processes in a local sandbox: what reaches them, what they say, how they end."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from hopx_kernel.sandboxes.local import LocalSandbox

from .inside import bash, read_all, run

pytestmark = pytest.mark.anyio


async def test_stdin_reaches_a_process_until_it_is_closed(sandbox: LocalSandbox) -> None:
    outcome = await run(sandbox, "cat", stdin=b"one\ntwo\n")
    assert (outcome.returncode, outcome.stdout) == (0, "one\ntwo\n")


async def test_stdout_and_stderr_are_apart(sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, "echo out; echo err >&2")
    assert (outcome.stdout, outcome.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize(
    "argument",
    [
        "",
        " ",
        "it's",
        '"quoted"',
        "$HOME `id` $(id)",
        "two\nlines\n",
        "*",
        "-n",
        "\\",
        "ünï ✓ 🎈",
        "\udcff",
        "a" * 90_000,
    ],
)
async def test_argument_arrives_as_it_is(sandbox: LocalSandbox, argument: str) -> None:
    source = "import sys, os; sys.stdout.buffer.write(os.fsencode(sys.argv[1]))"
    process = await sandbox.start_process([sandbox.python, "-c", source, argument])
    assert await read_all(process.stream) == os.fsencode(argument)


async def test_nul_in_an_argument_is_refused(sandbox: LocalSandbox) -> None:
    with pytest.raises(ValueError, match="NUL"):
        await sandbox.start_process(["echo", "a\0b"])
    with pytest.raises(ValueError, match="NUL"):
        await sandbox.start_process(["echo"], env={"A": "a\0b"})


@pytest.mark.parametrize("argv", [[], [""]])
async def test_no_program_is_refused(sandbox: LocalSandbox, argv: list[str]) -> None:
    with pytest.raises(ValueError, match="program"):
        await sandbox.start_process(argv)


async def test_too_many_arguments_are_refused(sandbox: LocalSandbox) -> None:
    with pytest.raises(OSError, match="longer than"):
        await sandbox.start_process(["echo", *["x" * 1000] * 1000])
    assert (await run(sandbox, "echo", "fine")).stdout == "fine\n"


async def test_unknown_program_is_not_found(sandbox: LocalSandbox) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await sandbox.start_process(["no-such-program"])
    assert caught.value.filename == "no-such-program"


async def test_program_that_is_not_one_is_not_permitted(sandbox: LocalSandbox) -> None:
    with pytest.raises(PermissionError):
        await sandbox.start_process(["/etc/passwd"])


async def test_missing_cwd_is_not_found(sandbox: LocalSandbox) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await sandbox.start_process(["echo"], cwd="/workspace/none")
    assert caught.value.filename == "/workspace/none"


async def test_cwd_is_where_it_starts(sandbox: LocalSandbox) -> None:
    assert (await run(sandbox, "pwd", cwd="/usr/lib")).stdout == "/usr/lib\n"
    assert (await run(sandbox, "pwd")).stdout == "/workspace\n"


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
async def test_exit_code_is_told(sandbox: LocalSandbox, code: int) -> None:
    assert (await bash(sandbox, f"exit {code}")).returncode == code


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGINT"])
async def test_signal_that_ended_it_is_told(sandbox: LocalSandbox, name: str) -> None:
    signum = int(getattr(signal, name))
    assert (await bash(sandbox, f"kill -{signum} $$")).returncode == -signum


class NamedNumber(int):
    """A number that is written as its name, as Python 3.10 does it with its own signals."""

    def __str__(self) -> str:
        return f"Signals.{signal.Signals(self).name}"


async def test_signal_is_sent_to_the_whole_group(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["bash", "-c", "sleep 600 & sleep 600 & echo up; wait"])
    assert await process.stream.receive() == b"up\n"
    await process.send_signal(NamedNumber(signal.SIGTERM))
    assert await process.wait() == -signal.SIGTERM
    assert process.returncode == -signal.SIGTERM
    # Its stdout ends only when the two children, which hold it too, have ended.
    with anyio.fail_after(120):
        assert await read_all(process.stream) == b""


async def test_signal_after_the_end_does_nothing(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["true"])
    assert await process.wait() == 0
    await process.send_signal(signal.SIGKILL)
    await process.kill()
    assert process.returncode == 0


async def test_returncode_is_known_without_waiting(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["bash", "-c", "read; exit 5"])
    codes = [process.returncode]
    await process.stream.send_eof()
    with anyio.fail_after(120):
        while codes[-1] is None:
            await anyio.sleep(0.001)
            codes.append(process.returncode)
    assert (codes[0], codes[-1]) == (None, 5)


async def test_signals_are_as_a_program_expects_them(sandbox: LocalSandbox) -> None:
    outcome = await run(sandbox, "cat", "/proc/self/status")
    lines = [line for line in outcome.stdout.splitlines() if line.startswith(("SigBlk", "SigIgn", "SigCgt"))]
    # Signals 32 and 33 are the C library's own: no program can set them, so what a test's parent left there stays.
    assert [int(line.split()[1], 16) & ~(0b11 << 31) for line in lines] == [0, 0, 0]


async def test_no_descriptor_is_inherited(sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, "ls /proc/$$/fd; true")
    assert outcome.stdout.split() == ["0", "1", "2"]


async def test_flood_waits_for_a_slow_reader(sandbox: LocalSandbox) -> None:
    source = "import sys\nfor n in range(300_000): print(n, 'x' * 20)"
    process = await sandbox.start_process([sandbox.python, "-c", source])
    lines = b""
    with anyio.fail_after(120):
        while True:
            try:
                lines += await process.stream.receive(10_000 if len(lines) < 1_000_000 else 1 << 20)
            except anyio.EndOfStream:
                break
            if len(lines) < 100_000:
                await anyio.sleep(0.01)
    assert lines.decode() == "".join(f"{n} {'x' * 20}\n" for n in range(300_000))


async def test_gigabyte_passes_without_being_held(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["head", "-c", str(1 << 30), "/dev/zero"])
    size, largest = 0, 0
    with anyio.fail_after(120):
        while True:
            try:
                chunk = await process.stream.receive()
            except anyio.EndOfStream:
                break
            size += len(chunk)
            largest = max(largest, len(chunk))
    assert size == 1 << 30
    assert largest <= 1 << 20


async def test_writer_waits_for_a_slow_process(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["bash", "-c", "until [ -e go ]; do sleep 0.01; done; wc -c"])
    sent = anyio.Event()

    async def send() -> None:
        await process.stream.send(bytes(20_000_000))
        sent.set()
        await process.stream.send_eof()

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await anyio.wait_all_tasks_blocked()
            assert not sent.is_set()
            await sandbox.write_file("/workspace/go", b"")
            assert (await read_all(process.stream)).strip() == b"20000000"


async def test_write_to_a_process_that_is_gone_breaks(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["true"])
    await process.wait()
    with pytest.raises(anyio.BrokenResourceError):
        await process.stream.send(b"x")


async def test_closed_stream_is_closed(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["cat"])
    await process.stream.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await process.stream.receive()
    with pytest.raises(anyio.ClosedResourceError):
        await process.stream.send(b"x")
    assert await process.wait() == -signal.SIGPIPE or process.returncode == 0


async def test_several_wait_for_one_process_and_for_others(sandbox: LocalSandbox) -> None:
    codes: dict[int, int] = {}

    async def wait(number: int) -> None:
        codes[number] = await processes[number % 5].wait()

    processes = [await sandbox.start_process(["bash", "-c", f"read; exit {n}"]) for n in range(5)]
    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
            for process in reversed(processes):
                await process.stream.send_eof()
                process.returncode  # noqa: B018 - takes events that others wait for
    assert codes == {number: number % 5 for number in range(20)}


async def test_waiting_that_is_cancelled_leaves_others_waiting(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["bash", "-c", "read; exit 4"])
    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            first = anyio.CancelScope()

            async def wait_first() -> None:
                with first:
                    await process.wait()

            async def wait_second() -> None:
                assert await process.wait() == 4

            group.start_soon(wait_first)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(wait_second)
            await anyio.wait_all_tasks_blocked()
            first.cancel()
            await anyio.wait_all_tasks_blocked()
            await process.stream.send_eof()
