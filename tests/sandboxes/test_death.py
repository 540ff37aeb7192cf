"""When the host's process dies, however it dies, nothing of its sandbox is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .inside import processes_with

#: Starts a sandbox with many processes in it, says so, and stays.
HOST = """
import signal, sys, threading, anyio, anyio.to_thread
from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.sandboxes.spawn import spawn

how, marker = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # which who starts it in the background has it ignore

#: What process 1 would be turned into if anything in the sandbox could reach it: it wants to live on, alone.
TURNED = b'''
import ctypes, time
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG: no signal when its parent dies
serve = Launcher.serve
def stay(launcher):
    serve(launcher)
    while True:
        time.sleep(600)
Launcher.serve = stay
'''

if how in ("turned", "block"):
    import hopx_kernel.sandboxes.spawn as module
    source = module._source("launcher.py").replace(b"\\nmain()\\n", TURNED + b"\\nmain()\\n")
    module._launcher = lambda _: ("/run/hopx/launcher.py", source)

async def main():
    if how == "early":
        sandbox = LocalSandbox.adopt(spawn(SandboxOptions(), RunnerOptions()))
    else:
        sandbox = LocalSandbox()
    await sandbox.start()
    await sandbox.start_runner(RunnerOptions())
    script = 'trap "" HUP TERM INT; (setsid CHILD &) ; CHILD & wait'.replace("CHILD", "bash -c 'echo up; sleep 600; :' $0")
    process = await sandbox.start_process(["bash", "-c", script, marker])
    said = b""
    while said.count(b"up") < 2:
        said += await process.stream.receive()
    print("up", flush=True)
    if how == "block":
        await anyio.to_thread.run_sync(sys.stdin.readline)
        await sandbox.kill()
        print("over", flush=True)
    await anyio.sleep_forever()

if how == "thread":
    thread = threading.Thread(target=anyio.run, args=(main,))
    thread.start()
    thread.join()
else:
    anyio.run(main)
"""


@contextmanager
def start_host(how: str, marker: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a sandbox that is up."""
    command = [sys.executable, "-c", HOST, how, marker]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as host:
        try:
            assert host.stdout is not None
            assert host.stdout.readline() == b"up\n"
            yield host
        finally:
            host.kill()


def processes_below(pid: int) -> list[int]:
    """A process and everything that came from it."""
    pids, parents = [pid], {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass
    for parent in pids:
        pids.extend(child for child, its_parent in parents.items() if its_parent == parent)
    return pids


def wait_until_gone(pids: list[int]) -> list[int]:
    """Those of the processes that are left after two seconds, in which this process has had its turns too."""
    for _ in range(100):
        pids = [pid for pid in pids if is_alive(pid)]
        if not pids:
            break
        time.sleep(0.02)
    return pids


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


@pytest.mark.parametrize("how", ["plain", "early", "thread", "turned"])
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_of_a_sandbox_is_left_when_its_host_is_killed(how: str, signum: int) -> None:
    marker = uuid.uuid4().hex
    with start_host(how, marker) as host:
        marked = processes_with(marker)
        pids = processes_below(host.pid)
        assert len(marked) >= 4
        assert set(marked) <= set(pids)
        assert len(pids) >= 6
        os.kill(host.pid, signum)
        if how == "thread" and signum == signal.SIGINT:
            # Its main thread only waits for the other: the sandbox lives on until the process does not.
            host.kill()
        host.wait(60)
        assert wait_until_gone(pids) == []
        assert processes_with(marker) == []


@pytest.mark.parametrize("how", ["plain", "turned"])
@pytest.mark.parametrize("level", [0, 1])
def test_nothing_of_a_sandbox_is_left_when_bubblewrap_is_killed(how: str, level: int) -> None:
    with start_host(how, uuid.uuid4().hex) as host:
        pids = [pid for pid in processes_below(host.pid) if pid != host.pid]
        os.kill(pids[level], signal.SIGKILL)
        assert wait_until_gone(pids) == []


def test_nothing_of_a_sandbox_is_left_when_it_was_ended_and_process_1_would_not() -> None:
    with start_host("block", uuid.uuid4().hex) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        pids = [pid for pid in processes_below(host.pid) if pid != host.pid]
        assert len(pids) >= 6
        host.stdin.write(b"\n")
        host.stdin.flush()
        assert host.stdout.readline() == b"over\n"
        # Not in a moment: when it says that the sandbox is gone, it is.
        assert [pid for pid in pids if is_alive(pid)] == []
