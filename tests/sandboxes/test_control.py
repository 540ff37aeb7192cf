"""What a launcher says is checked: code in the sandbox may have got hold of it."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from hopx_kernel.errors import SandboxLostError
from hopx_kernel.sandboxes.control import Control

pytestmark = pytest.mark.anyio


@pytest.fixture
def ends() -> Iterator[tuple[Control, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    control = Control(ours, answer_seconds=30.0)
    with ours, theirs:
        yield control, theirs


@pytest.mark.parametrize(
    "packet",
    [
        b"x",
        b"\0",
        b"\0" * 1000,
        b"started",
        b"started\0",
        b"started\x001",
        b"started\x001\0x",
        b"started\x00-1\x005",
        b"started\x001\x00" + b"9" * 100,
        "started\x001\x00٣".encode(),
        b"started\x00999\x005",
        b"started\x001\x005\x006\x007",
        b"exited\x001\x000",
        b"failed\x001\x0099999\0program",
        b"failed\x001\x002",
        b"unknown\x001\x005",
        b"ready" * 200,
        os.urandom(256),
    ],
)
async def test_packet_that_cannot_be_ends_the_sandbox(ends: tuple[Control, socket.socket], packet: bytes) -> None:
    control, theirs = ends
    status = control.expect(1)
    theirs.send(packet)
    with pytest.raises(SandboxLostError, match="cannot have said"):
        await control.wait(lambda: status.pid is not None)
    with pytest.raises(SandboxLostError):
        await control.start(["true"], "/", {})


async def test_process_cannot_start_or_end_twice(ends: tuple[Control, socket.socket]) -> None:
    control, theirs = ends
    status = control.expect(1)
    for packet in (b"started\x001\x007", b"exited\x001\x003", b"exited\x001\x004"):
        theirs.send(packet)
    control.drain()
    assert (status.pid, status.returncode) == (7, 3)
    assert control.lost is not None


async def test_descriptors_that_come_along_are_not_taken(ends: tuple[Control, socket.socket]) -> None:
    control, theirs = ends
    status = control.expect(1)
    gc.collect()  # what others have left open is not to be closed in between
    before = sorted(Path("/proc/self/fd").iterdir())
    with Path("/etc/passwd").open() as file:
        socket.send_fds(theirs, [b"started\x001\x007"], [file.fileno()] * 20)
    with anyio.fail_after(120):
        await control.wait(lambda: status.pid == 7)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


async def test_flood_of_events_leaves_others_their_turn(ends: tuple[Control, socket.socket]) -> None:
    control, theirs = ends
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            theirs.send(b"ready")
    control.drain()
    assert control.ready
    assert control.lost is None


async def test_launcher_that_takes_nothing_makes_a_request_wait(ends: tuple[Control, socket.socket]) -> None:
    control, theirs = ends
    sent = 0
    with anyio.move_on_after(0.3) as scope:
        while True:
            await control.signal(1, 9)
            sent += 1
    assert scope.cancelled_caught
    assert sent > 10
    assert theirs.recv(100) == b"signal\x001\x009"
    with anyio.fail_after(120):
        await control.signal(1, 9)


async def test_close_wakes_who_waits(ends: tuple[Control, socket.socket]) -> None:
    control, _ = ends
    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            group.start_soon(_close_soon, control)
            with pytest.raises(SandboxLostError, match="was killed"):
                await control.wait(lambda: False)


async def _close_soon(control: Control) -> None:
    await anyio.wait_all_tasks_blocked()
    control.close("the sandbox was killed")
