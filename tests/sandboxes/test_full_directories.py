"""Writable directories that are full: what is told, and that the next cell can remove what has filled them."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.layout import WRITABLE_DIRECTORIES, inode_limit, size_limit
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.session import Session

from .attacks import FILES, LONG_NAMES
from .inside import bash

MIB, GIB = 1 << 20, 1 << 30

REMOVE = """
import subprocess
for _ in range(2):  # what goes by itself meanwhile makes the first one complain
    command = "find /workspace /app /tmp /dev/shm -xdev -type f -not -path '/tmp/.*' -delete"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
assert done.returncode == 0, done.stderr[-1000:]
room = bytearray(100 << 20)
"""


async def run(session: Session, code: str) -> dict[str, Any]:
    """Run code; gives its reply's content."""
    with anyio.fail_after(300):
        async with session.execute(code) as running:
            return [event async for event in running][-1].content


@pytest.mark.parametrize("memory", [16 * MIB, 64 * MIB, 300 * MIB, GIB, 2 * GIB, 4 * GIB, 12 * GIB, 256 * GIB, None])
@pytest.mark.parametrize("disk", [1, MIB, 64 * MIB, GIB, 64 * GIB, None])
def test_directories_that_are_full_leave_room_for_the_next_interpreter(memory: int | None, disk: int | None) -> None:
    options = SandboxOptions(memory_bytes=memory, disk_bytes=disk)
    sizes = {path: size_limit(options, path) for path in WRITABLE_DIRECTORIES}
    if memory is None and disk is None:
        assert set(sizes.values()) == {None}
        return
    assert all(sizes.values())
    files = (inode_limit(options) or 0) * len(sizes)
    if memory is not None:
        # What the longest names cost too, but for what the control group has beside the code's memory.
        assert sum(size or 0 for size in sizes.values()) <= max(memory * 7 // 8, 1 << 18)
        assert sum(size or 0 for size in sizes.values()) + files * 1536 <= memory + 96 * MIB
    if disk is not None:
        assert all((size or 0) <= max(disk, 1 << 16) for size in sizes.values())
    if disk == GIB and memory is not None and memory >= 12 * GIB:  # the defaults, on a machine of 24 GiB
        assert sizes == {"/workspace": GIB, "/app": GIB, "/tmp": GIB, "/dev/shm": GIB // 4}


@pytest.mark.anyio
async def test_files_that_fill_all_directories_can_be_removed_by_the_next_cell() -> None:
    limits: dict[str, Any] = {"memory_bytes": 300 * MIB, "processes": 512, "open_files": 4096, "disk_bytes": GIB}
    async with LocalSandbox(SandboxOptions(**limits)) as sandbox:
        async with Session(sandbox, options=RunnerOptions(**limits)) as session:
            for attack in (FILES, LONG_NAMES, FILES, LONG_NAMES + FILES, FILES):
                reply = await run(session, attack)
                assert reply["status"] == "error" and reply.get("limit") == "memory", reply
                reply = await run(session, REMOVE)
                assert reply["status"] == "ok", reply["evalue"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/app/x", "/app is full with 28 MiB, its part"),
        ("/dev/shm/x", "/dev/shm is full with 28 MiB, its part"),
        ("", "/tmp is full with 16384 of them, its part"),
    ],
)
async def test_directory_that_the_memory_keeps_small_names_the_memory(path: str, words: str) -> None:
    bytes_ = f"file = open({path!r}, 'wb', buffering=0)\nwhile True: file.write(bytes(1 << 20))"
    code = bytes_ if path else "import os\nfor i in range(10**6): os.mknod(f'/tmp/{i}')"
    limits: dict[str, Any] = {"memory_bytes": 256 * MIB, "disk_bytes": GIB}
    async with LocalSandbox(SandboxOptions(**limits)) as sandbox:
        async with Session(sandbox, options=RunnerOptions(**limits)) as session:
            reply = await run(session, code)
    assert (reply["ename"], reply.get("limit")) == ("OSError", "memory"), reply
    assert f"limit of 256 MiB has no room for more files: {words}" in reply["evalue"]
    assert "option memory_limit; in the library memory_bytes" in reply["evalue"]


@pytest.mark.anyio
async def test_files_that_the_host_writes_name_the_limit_that_has_set_the_size() -> None:
    async with LocalSandbox(SandboxOptions(memory_bytes=64 * MIB, disk_bytes=12 * MIB)) as sandbox:
        for path, words in (
            ("/workspace/x", f"disk_bytes allows {12 * MIB} bytes in /workspace, and 1536 files"),
            ("/app/x", f"memory_bytes allows {7 * MIB} bytes in /app, and 1536 files"),
        ):
            with pytest.raises(OSError, match=words):
                await sandbox.write_file(path, bytes(32 * MIB))
        sizes = (await bash(sandbox, "df --output=size -k /workspace /app /tmp /dev/shm")).stdout.split()[1:]
    assert sizes == ["12288", "7168", "12288", "3072"]
