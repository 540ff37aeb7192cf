"""Files of a local sandbox, read and written from outside."""

from __future__ import annotations

import errno
import os

import anyio
import pytest

from hopx_kernel.errors import SandboxLostError
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox

from .inside import bash, run

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("data", [b"", b"text\n", bytes(range(256)), os.urandom(5_000_000)])
async def test_bytes_come_back_as_they_were_written(sandbox: LocalSandbox, data: bytes) -> None:
    await sandbox.write_file("/workspace/file", data)
    assert await sandbox.read_file("/workspace/file") == data


@pytest.mark.parametrize("name", ["it's", "two\nlines", "$(id)", "-n", "ünï ✓", "a b", "\udcff", "x" * 255])
async def test_odd_name_is_a_name(sandbox: LocalSandbox, name: str) -> None:
    await sandbox.write_file(f"/workspace/{name}", b"data")
    assert await sandbox.read_file(f"/workspace/{name}") == b"data"


async def test_nul_in_a_path_is_refused(sandbox: LocalSandbox) -> None:
    with pytest.raises(ValueError, match="NUL"):
        await sandbox.read_file("/workspace/a\0b")


async def test_directories_are_made_and_relative_is_to_the_workspace(sandbox: LocalSandbox) -> None:
    await sandbox.write_file("a/b/c.txt", b"deep")
    assert await sandbox.read_file("/workspace/a/b/c.txt") == b"deep"


async def test_file_is_replaced_and_seen_inside(sandbox: LocalSandbox) -> None:
    await sandbox.write_file("/app/file", b"a long first content")
    await sandbox.write_file("/app/file", b"short")
    assert (await run(sandbox, "cat", "/app/file")).stdout == "short"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/workspace/none", FileNotFoundError),
        ("/workspace", IsADirectoryError),
        ("/workspace/closed", PermissionError),
        ("/etc/passwd/x", NotADirectoryError),
        ("/workspace/" + "x" * 300, OSError),
    ],
)
async def test_read_that_fails_says_why(sandbox: LocalSandbox, path: str, error: type[OSError]) -> None:
    await bash(sandbox, "touch /workspace/closed; chmod 000 /workspace/closed")
    with pytest.raises(error) as caught:
        await sandbox.read_file(path)
    assert caught.value.filename == path
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/workspace", IsADirectoryError),
        ("/workspace/closed/file", PermissionError),
        ("/workspace/file/x", NotADirectoryError),
    ],
)
async def test_write_that_fails_says_why(sandbox: LocalSandbox, path: str, error: type[OSError]) -> None:
    await bash(sandbox, "touch /workspace/file; mkdir -m 000 /workspace/closed")
    with pytest.raises(error) as caught:
        await sandbox.write_file(path, b"data")
    assert caught.value.filename == path


async def test_write_outside_of_the_writable_directories_is_refused(sandbox: LocalSandbox) -> None:
    with pytest.raises(OSError, match="Read-only") as caught:
        await sandbox.write_file("/usr/lib/none-such", b"data")
    assert caught.value.errno == errno.EROFS


async def test_full_disk_names_the_limit() -> None:
    async with LocalSandbox(SandboxOptions(disk_bytes=1 << 20)) as sandbox:
        with pytest.raises(OSError, match="disk_bytes allows 1048576 bytes") as caught:
            await sandbox.write_file("/workspace/file", bytes(3 << 20))
        assert caught.value.errno == errno.ENOSPC
        outcome = await bash(sandbox, "head -c 3000000 /dev/zero > /app/file")
        assert "No space left" in outcome.stderr
        await sandbox.write_file("/tmp/file", bytes(1 << 19))


async def test_file_larger_than_may_be_held_is_given_up(monkeypatch: pytest.MonkeyPatch, sandbox: LocalSandbox) -> None:
    """A file with a hole costs the sandbox nothing, and may be larger than every memory."""
    monkeypatch.setattr("hopx_kernel.sandboxes.local._MAX_READ_BYTES", 1 << 20)
    object.__setattr__(sandbox.options, "disk_bytes", 1 << 20)
    await bash(sandbox, "truncate -s 1000G /workspace/file")
    with anyio.fail_after(120), pytest.raises(OSError, match="larger than") as caught:
        await sandbox.read_file("/workspace/file")
    assert caught.value.errno == errno.EFBIG
    assert (await run(sandbox, "echo", "alive")).stdout == "alive\n"


@pytest.mark.parametrize(
    "make", ["mkfifo file", "mkfifo file; sleep 60 < file & sleep 60 > file &", "ln -s /dev/zero file"]
)
async def test_pipes_and_devices_are_refused(sandbox: LocalSandbox, make: str) -> None:
    await bash(sandbox, f"cd /workspace; exec >/dev/null 2>&1; {make}")
    with anyio.fail_after(120), pytest.raises(OSError, match="not an ordinary file"):
        await sandbox.read_file("/workspace/file")
    with anyio.fail_after(120), pytest.raises(OSError, match="not an ordinary file"):
        await sandbox.write_file("/workspace/file", b"x")


async def test_kill_ends_what_left_the_process_s_group(sandbox: LocalSandbox) -> None:
    process = await sandbox.start_process(["bash", "-c", "setsid sleep 4321 & echo started; wait"])
    assert await process.stream.receive() == b"started\n"
    found = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null | grep -c ^sleep.4321"
    while (await bash(sandbox, found)).stdout == "0\n":
        pass
    await process.kill()
    while (await bash(sandbox, found)).stdout != "0\n":  # killed, and soon gone
        pass


async def test_file_of_a_sandbox_that_is_over_is_lost(sandbox: LocalSandbox) -> None:
    await sandbox.kill()
    with pytest.raises(SandboxLostError):
        await sandbox.read_file("/workspace/file")
