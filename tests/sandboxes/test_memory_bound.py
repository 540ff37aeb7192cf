"""What code makes the computer keep stays within `memory_limit`, and the code is told that it was that limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from hopx_kernel.errors import SandboxLostError
from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.sandboxes import SandboxOptions, cgroup
from hopx_kernel.sandboxes.cgroup import OVERHEAD_BYTES, Cgroup
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.session import Session

from .attacks import ALL
from .inside import bash

pytestmark = pytest.mark.anyio

MIB = 1 << 20

LIMITS: dict[str, Any] = {"memory_bytes": 300 * MIB, "processes": 512, "open_files": 4096, "disk_bytes": 1 << 30}

#: By how much the sum may pass the limit where nothing but the runner's watch holds it: what code takes between two looks.
#: A machine that does other things too looks seldom; without a watch each of them takes gigabytes.
WATCHED_OVERSHOOT = 2048 * MIB


class Meter(Cgroup):
    """A group that holds no bound and shows its sandbox nothing: it only measures."""

    @classmethod
    def make(cls, memory_bytes: int | None, processes: int | None, place: cgroup.Place | None = None) -> Cgroup | None:
        del memory_bytes
        return super().make(1 << 50, processes, place)

    def counters(self) -> dict[str, str]:
        return {}


def peak(group: Cgroup) -> int:
    """The most that a group has held, in bytes."""
    name = "memory.max_usage_in_bytes" if group.version == 1 else "memory.peak"
    return int(Path(group.directories["memory"], name).read_text())


def group_of(sandbox: LocalSandbox) -> Cgroup | None:
    """A running sandbox's control group, where this computer lets it have one."""
    assert sandbox._spawned is not None
    return sandbox._spawned.cgroup


def check_named(reply: dict[str, Any], name: str) -> None:
    """Whether the code was told the limit that it has reached."""
    if name == "notices" and reply["status"] == "ok":
        return  # the system's own limits of them are smaller here
    assert reply["status"] == "error", reply
    if name == "segments" and "no more segments" in reply["evalue"]:
        return  # the system's own limits of them are smaller still
    assert reply.get("limit") == "memory", reply
    assert "memory limit of 300 MiB" in reply["evalue"] and "memory_limit" in reply["evalue"]


async def run(session: Session, code: str) -> dict[str, Any]:
    """Run code; gives its reply's content."""
    with anyio.fail_after(300):
        async with session.execute(code) as running:
            return [event async for event in running][-1].content


@pytest.mark.parametrize("name", ALL)
async def test_attack_on_the_memory_ends_at_the_hard_bound(name: str) -> None:
    async with LocalSandbox(SandboxOptions(**LIMITS)) as sandbox:
        async with Session(sandbox, options=RunnerOptions(**LIMITS)) as session:
            group = group_of(sandbox)
            assert (group is not None) == bool(sandbox.hard_limits) == (cgroup.find_place() is not None)
            reply = await run(session, ALL[name])
            check_named(reply, name)
            reply = await run(session, "1 + 1")
            assert reply["status"] == "ok", reply
            if group is not None:
                assert peak(group) <= LIMITS["memory_bytes"] + OVERHEAD_BYTES


@pytest.mark.parametrize("name", ALL)
async def test_attack_on_the_memory_is_seen_by_the_watch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hopx_kernel.sandboxes.spawn.Cgroup", Meter)
    async with LocalSandbox(SandboxOptions(**LIMITS)) as sandbox:
        async with Session(sandbox, options=RunnerOptions(**LIMITS)) as session:
            reply = await run(session, ALL[name])
            check_named(reply, name)
            if (group := group_of(sandbox)) is not None:
                assert peak(group) <= LIMITS["memory_bytes"] + WATCHED_OVERSHOOT
            # Whatever it was, the next cell runs.
            assert (await run(session, "1 + 1"))["status"] == "ok"


async def test_connections_that_nobody_accepts_are_seen_on_the_network_of_the_computer_too() -> None:
    if "connections" not in ALL:
        pytest.skip("all of TCP may hold less here")
    async with LocalSandbox(SandboxOptions(network=True, **LIMITS)) as sandbox:
        async with Session(sandbox, options=RunnerOptions(**LIMITS)) as session:
            check_named(await run(session, ALL["connections"]), "connections")
            assert (await run(session, "1 + 1"))["status"] == "ok"


async def test_ordinary_code_is_far_from_the_bound() -> None:
    code = """
import os, socket, subprocess, tempfile
kept = [socket.socketpair() for _ in range(60)], [os.pipe() for _ in range(400)]
data = bytearray(150 << 20)
with tempfile.NamedTemporaryFile() as file: file.write(b'x' * (20 << 20))
for _ in range(20): subprocess.run(['true'], check=True)
import time; time.sleep(1)
"""
    async with LocalSandbox(SandboxOptions(**LIMITS)) as sandbox:
        async with Session(sandbox, options=RunnerOptions(**LIMITS)) as session:
            assert (await run(session, code))["status"] == "ok"


async def test_every_process_is_in_the_group_and_none_is_left_of_it() -> None:
    async with LocalSandbox(SandboxOptions(**LIMITS)) as sandbox:
        group = group_of(sandbox)
        outcome = await bash(sandbox, "cat /run/hopx/memory.stat | wc -l; echo 1 > /run/hopx/memory.events")
        if group is None:
            assert outcome.stdout == "0\n"
            return
        await sandbox.start_process(["sleep", "900"])
        listed = {path: len(Path(path, "cgroup.procs").read_text().split()) for path in group.directories.values()}
        assert all(count >= 3 for count in listed.values()), listed  # bubblewrap, launcher, sleep
        assert int(outcome.stdout) > 5 and "Read-only file system" in outcome.stderr
        assert sandbox.hard_limits["memory_bytes"] == LIMITS["memory_bytes"] + OVERHEAD_BYTES
    assert not [path for path in group.directories.values() if Path(path).exists()]


async def test_sandbox_without_limits_has_no_group() -> None:
    async with LocalSandbox(SandboxOptions(memory_bytes=None, processes=None)) as sandbox:
        assert group_of(sandbox) is None and sandbox.hard_limits == {}


async def test_end_of_a_sandbox_whose_memory_was_used_up_says_so() -> None:
    # Commands alone, with no runner that watches them: the kernel ends what is largest, which may be the first process.
    async with LocalSandbox(SandboxOptions(**LIMITS)) as sandbox:
        group = group_of(sandbox)
        if group is None:
            pytest.skip("the sum of commands has no bound here, as is told: no control group can be had")
        process = await sandbox.start_process([sandbox.python, "-c", ALL["memfd"]])
        with anyio.fail_after(120):
            try:
                assert await process.wait() == -9
                assert (await bash(sandbox, "echo alive")).stdout == "alive\n"
            except SandboxLostError as exc:
                assert "memory limit" in str(exc) and "memory_limit" in str(exc)
        assert group.oom_kills() and peak(group) <= LIMITS["memory_bytes"] + OVERHEAD_BYTES
