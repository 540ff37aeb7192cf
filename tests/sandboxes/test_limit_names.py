"""An error that comes from a limit names that limit, by what is full when it happens."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.session import Session

pytestmark = pytest.mark.anyio

MIB = 1 << 20

THREADS = """
import threading
end = threading.Event()
for _ in range(5000): threading.Thread(target=end.wait, daemon=True).start()
"""

#: The threads have ended when their error is shown.
THREADS_THAT_END = """
import threading
end, threads = threading.Event(), [threading.Thread(target=lambda: end.wait()) for _ in range(5000)]
try:
    for thread in threads: thread.start()
finally:
    end.set()
    for thread in threads:
        if thread.ident is not None: thread.join()
"""

#: The same where there is no memory: `start` of `threading` may wait there for ever for a thread that cannot say that it runs.
LOW_THREADS = """
import _thread
end = _thread.allocate_lock()
end.acquire()
for _ in range(5000): _thread.start_new_thread(end.acquire, ())
"""

LOW_THREADS_THAT_END = """
import _thread, time
end, before = _thread.allocate_lock(), _thread._count()
end.acquire()
def wait():
    with end: pass
try:
    for _ in range(5000): _thread.start_new_thread(wait, ())
finally:
    end.release()
    while _thread._count() > before: time.sleep(0.01)
"""

FILES = "import os\nos.mkdir('/tmp/d')\nfor i in range(10**8): os.mknod(f'/tmp/d/{i}')"


async def run_last(limits: dict[str, int], *codes: str) -> dict[str, Any]:
    """Run cells in a sandbox with some limits; gives the last one's reply."""
    options: dict[str, Any] = {"memory_bytes": 8 << 30, "processes": 512, "disk_bytes": 64 * MIB, **limits}
    reply: dict[str, Any] = {}
    async with (
        LocalSandbox(SandboxOptions(**options)) as sandbox,
        Session(sandbox, options=RunnerOptions(**options)) as session,
    ):
        for code in codes:
            async with session.execute(code) as run:
                reply = [event async for event in run][-1].content
    return reply


@pytest.mark.parametrize(
    ("limits", "name", "text", "code"),
    [
        ({"memory_bytes": 128 * MIB}, "memory", "memory limit of 128 MiB", LOW_THREADS),
        ({"memory_bytes": 128 * MIB}, "memory", "memory limit of 128 MiB", LOW_THREADS_THAT_END),
        ({"processes": 64}, "processes", "limit of 64 processes", THREADS),
        ({"processes": 64}, "processes", "limit of 64 processes", THREADS_THAT_END),
    ],
    ids=["memory", "memory, and they end", "processes", "processes, and they end"],
)
async def test_threads_that_cannot_start_name_what_they_lack(
    limits: dict[str, int], name: str, text: str, code: str
) -> None:
    reply = await run_last(limits, code)
    assert (reply["ename"], reply.get("limit")) == ("RuntimeError", name)
    assert text in reply["evalue"]


async def test_children_that_cannot_start_name_the_processes() -> None:
    reply = await run_last(
        {"processes": 64}, "import subprocess\nall = [subprocess.Popen(['sleep', '900']) for _ in range(99)]"
    )
    assert reply.get("limit") == "processes" and "limit of 64 processes" in reply["evalue"]


async def test_pipe_that_would_block_names_no_limit() -> None:
    reply = await run_last({}, "import os\nr, w = os.pipe()\nos.set_blocking(r, False)\nos.read(r, 1)")
    assert reply["ename"] == "BlockingIOError" and "limit" not in reply and "limit" not in reply["evalue"]


async def test_bytes_and_files_of_a_directory_name_the_disk() -> None:
    reply = await run_last({"disk_bytes": MIB}, "open('/app/x', 'wb').write(b'x' * (4 << 20))")
    assert reply.get("limit") == "disk" and "disk limit of 1 MiB was reached: /app is full" in reply["evalue"]


async def test_files_without_bytes_name_the_disk() -> None:
    reply = await run_last({"disk_bytes": MIB}, FILES)
    assert reply.get("limit") == "disk" and "disk_limit" in reply["evalue"], reply
    assert "/tmp holds as many files as its size allows" in reply["evalue"] or "/tmp is full" in reply["evalue"]


async def test_room_that_is_wanted_for_no_file_names_no_limit() -> None:
    reply = await run_last({}, "import errno\nraise OSError(errno.ENOSPC, 'inotify watch limit reached')")
    assert reply["ename"] == "OSError" and "limit" not in reply and "option" not in reply["evalue"]


async def test_shared_memory_is_told_from_the_directories() -> None:
    reply = await run_last({"disk_bytes": 4 * MIB}, "open('/dev/shm/x', 'wb').write(b'x' * (4 << 20))")
    assert reply.get("limit") == "disk" and "shared memory, /dev/shm, is full" in reply["evalue"]
