"""Limits of a local sandbox, reached from inside."""

from __future__ import annotations

import os

import anyio
import pytest

from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.session import Session

from .inside import TIMEOUT_SECONDS, bash, python, run

pytestmark = pytest.mark.anyio


async def test_memory_over_the_limit_is_refused() -> None:
    async with LocalSandbox(SandboxOptions(memory_bytes=256 << 20)) as sandbox:
        fits = await python(sandbox, "print(len(bytearray(100 << 20)))")
        refused = await python(sandbox, "try: bytearray(4 << 30)\nexcept MemoryError: print('MemoryError')")
    assert fits.stdout == f"{100 << 20}\n"
    assert refused.stdout == "MemoryError\n"


async def test_open_files_over_the_limit_are_refused() -> None:
    source = "import os\nfds = []\ntry:\n  while True: fds.append(os.open('/', 0))\nexcept OSError as e: print(len(fds), e.errno)"
    async with LocalSandbox(SandboxOptions(open_files=64)) as sandbox:
        outcome = await python(sandbox, source)
    assert outcome.stdout == "61 24\n"


async def test_limits_cannot_be_raised_from_inside() -> None:
    async with LocalSandbox(SandboxOptions(open_files=64)) as sandbox:
        assert (await bash(sandbox, "ulimit -n 128")).returncode != 0


async def test_processes_over_the_limit_are_refused() -> None:
    source = """
import os, signal
pids = []
try:
    while len(pids) < 1000:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        pids.append(pid)
except OSError as exc:
    print(len(pids), exc.errno)
for pid in pids:
    os.kill(pid, 9)
"""
    async with LocalSandbox(SandboxOptions(processes=50)) as sandbox:
        with anyio.fail_after(120):
            outcome = await python(sandbox, source)
        count, number = map(int, outcome.stdout.split())
    assert number == 11
    assert 40 <= count <= 50


async def test_fork_bomb_leaves_the_sandbox_usable_and_dies_with_it() -> None:
    async with LocalSandbox(SandboxOptions(processes=100)) as sandbox:
        bomb = await sandbox.start_process(["bash", "-c", "b() { b | b & b; }; b"])
        with anyio.fail_after(120):
            assert bomb.stderr is not None
            said = b""
            while b"fork" not in said:  # what bash says when there is no room for another process
                said += await bomb.stderr.receive()
            await bomb.kill()
            await sandbox.write_file("/workspace/file", b"fine")
            assert await sandbox.read_file("/workspace/file") == b"fine"
        with anyio.fail_after(120):
            await sandbox.kill()


@pytest.mark.parametrize("directory", ["/workspace", "/app", "/tmp"])
async def test_disk_over_the_limit_is_refused(directory: str) -> None:
    async with LocalSandbox(SandboxOptions(disk_bytes=1 << 20)) as sandbox:
        outcome = await bash(sandbox, 'head -c 2000000 /dev/zero > "$1/file"; stat -c %s "$1/file"', directory)
    assert outcome.stdout == f"{1 << 20}\n"
    assert "No space left on device" in outcome.stderr


async def test_nothing_is_limited_where_limits_are_none() -> None:
    options = SandboxOptions(memory_bytes=None, disk_bytes=None, processes=None, open_files=None)
    async with LocalSandbox(options) as sandbox:
        outcome = await bash(sandbox, "ulimit -d; df --output=size -B1 /workspace | tail -1")
    memory, disk = outcome.stdout.split()
    assert memory == "unlimited"
    assert int(disk) > 1 << 30


async def test_shell_command_that_fills_a_directory_is_told_the_limit() -> None:
    options = RunnerOptions(disk_bytes=1 << 20)
    async with (
        LocalSandbox(SandboxOptions(disk_bytes=1 << 20)) as sandbox,
        Session(sandbox, options=options) as session,
    ):
        note = "disk limit of 1 MiB was reached: /app is full (option disk_limit"
        for code, is_told in (("!false", False), ("!head -c 2000000 /dev/zero > /app/file", True)):
            async with session.execute(code) as run:
                text = "".join([event.content["text"] async for event in run if event.msg_type == "stream"])
            assert (note in text) is is_told


async def test_crash_leaves_no_core_file() -> None:
    async with LocalSandbox() as sandbox:
        outcome = await bash(sandbox, "ulimit -c; cd /workspace; bash -c 'kill -SEGV $$'; ls -A /workspace")
    assert outcome.stdout == "0\n"


FIXED = """
import resource
names = ("CORE", "RTPRIO", "NICE", "MEMLOCK", "MSGQUEUE", "SIGPENDING")
found = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names}
"""


async def test_what_the_kernel_keeps_for_a_user_is_limited_in_programs_and_in_cells() -> None:
    values = {"CORE": 0, "RTPRIO": 0, "NICE": 0, "MEMLOCK": 8 << 20, "MSGQUEUE": 819200, "SIGPENDING": 16384}
    async with LocalSandbox() as sandbox, Session(sandbox, options=RunnerOptions()) as session:
        told = (await python(sandbox, FIXED + "print(found)")).stdout
        async with session.execute(FIXED + "print(found)") as run:
            shown = "".join([event.content["text"] async for event in run if event.msg_type == "stream"])
    for text in (told, shown):
        found = eval(text)
        assert set(found) == set(values)
        # As the host's own are where those are lower.
        assert all(soft == hard <= values[name] for name, (soft, hard) in found.items()), found


async def test_limit_above_the_hosts_own_is_the_hosts() -> None:
    async with LocalSandbox(SandboxOptions(open_files=1 << 30)) as sandbox:
        outcome = await run(sandbox, "bash", "-c", "ulimit -n")
    assert int(outcome.stdout) == os.sysconf("SC_OPEN_MAX") or int(outcome.stdout) > 1000


@pytest.mark.parametrize("name", ["memory_bytes", "disk_bytes", "processes", "open_files"])
def test_limit_that_is_none_at_all_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        SandboxOptions(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("env", [{"": "x"}, {"A=B": "x"}, {"A": "x\0y"}])
def test_variable_that_cannot_be_one_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="environment variable"):
        SandboxOptions(env=env)


async def test_code_that_takes_the_supervisor_its_sight_is_ended_and_told_why() -> None:
    # With no descriptor left it would read nothing of what others use.
    code = "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))\nwhile True: pass"
    async with (
        LocalSandbox() as sandbox,
        Session(sandbox, options=RunnerOptions(memory_bytes=1 << 30, processes=512)) as session,
    ):
        with anyio.fail_after(TIMEOUT_SECONDS):
            reply = await (await session.start_run(code)).wait()
    assert reply["ename"] == "SandboxLostError" and "could no longer watch" in reply["evalue"], reply
