"""A program that can have no more descriptors or threads: what it starts then fails, says why, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys

import anyio
import pytest

from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.session import Session

from .inside import python

#: More than any of them needs to get to where it fails for good, or works.
_FREE = 30

_WITHOUT_DESCRIPTORS = """
import gc, glob, json, os, resource, sys
import anyio
from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.sandboxes.spawn import spawn

what = sys.argv[1]

def left():
    gc.collect()
    groups = glob.glob(f"/sys/fs/cgroup/**/hopx-*-{os.getpid()}-*", recursive=True)
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [len(os.listdir("/proc/self/fd")), len(groups), len(file.read().split())]

async def do(sandbox):
    if what == "process":
        process = await sandbox.start_process(["true"])
        await process.wait()
        await process.aclose()
    elif what == "runner":
        process = await sandbox.start_runner(RunnerOptions())
        await process.kill()
        await process.wait()
        await process.aclose()
    elif what == "read":
        await sandbox.read_file("/etc/hostname")
    elif what == "write":
        await sandbox.write_file("/tmp/file", b"x")
    elif what == "sandbox":
        spawn(SandboxOptions(), RunnerOptions()).abandon()

async def try_with(sandbox, free):
    limit = max(map(int, os.listdir("/proc/self/fd"))) + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    held = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        pass
    for _ in range(free):
        os.close(held.pop())
    error = None
    try:
        await do(sandbox)
    except Exception as exc:
        error = type(exc).__name__, str(exc)
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return error

async def main():
    async with LocalSandbox() as sandbox:
        await do(sandbox)
        for free in range(int(sys.argv[2])):
            before = left()
            error = await try_with(sandbox, free)
            print(json.dumps([free, error, before, left()]), flush=True)
        await do(sandbox)

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
anyio.run(main)
"""

_WITHOUT_THREADS = """
import queue, resource, threading
from hopx_kernel.sandboxes.starter import start_watched

def start():
    try:
        process, watch = start_watched(["/bin/true"], ())
    except RuntimeError as exc:
        answers.put(str(exc))
        return
    watch.release()
    answers.put(process.wait())

def turn():
    for _ in iter(turns.get, None):
        start()

# A thread that is there already asks for others, whose stacks there is no room for.
answers, turns = queue.Queue(), queue.Queue()
thread = threading.Thread(target=turn)
thread.start()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), hard))
threading.stack_size(1 << 31)
for _ in range(2):
    turns.put(1)
    print(answers.get(timeout=120))
threading.stack_size(0)
turns.put(1)
print(answers.get(timeout=120))
turns.put(None)
"""

_ODD_PROGRAM = """
import threading
from hopx_kernel.sandboxes.starter import start_watched

def start(program):
    try:
        process, watch = start_watched([program], ())
    except Exception as exc:
        print(type(exc).__name__)
        return
    watch.release()
    print(process.wait())

for program in ("/bin/t\\0rue", "/bin/true"):
    thread = threading.Thread(target=start, args=[program], daemon=True)
    thread.start()
    thread.join(120)
"""


def run(source: str, *argv: str) -> list[str]:
    """Run a program of its own; gives what it says."""
    done = subprocess.run(
        [sys.executable, "-c", source, *argv], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("what", ["process", "runner", "read", "write", "sandbox"])
def test_nothing_is_left_where_there_are_no_more_descriptors(what: str) -> None:
    rows = [json.loads(line) for line in run(_WITHOUT_DESCRIPTORS, what, str(_FREE))]
    assert len(rows) == _FREE
    for free, error, before, after in rows:
        assert before == after, (free, error)
        if error is not None:
            assert error[0] == ("SandboxStartError" if what == "sandbox" else "OSError")
            assert "Too many open files" in error[1]
    assert rows[0][1] is not None


def test_start_that_gets_no_thread_says_so_each_time_and_another_starts() -> None:
    assert run(_WITHOUT_THREADS) == ["can't start new thread", "can't start new thread", "0"]


def test_start_that_fails_in_any_way_is_answered() -> None:
    assert run(_ODD_PROGRAM) == ["ValueError", "0"]


@pytest.mark.anyio
async def test_interpreter_that_gets_no_process_is_told_and_comes_with_the_next_request() -> None:
    async with LocalSandbox() as sandbox, Session(sandbox) as session:

        async def execute(code: str) -> dict[str, object]:
            session.refresh()
            with anyio.fail_after(120):
                return await (await session.start_run(code)).wait()

        assert (await execute("1"))["status"] == "ok"
        # As if others had all that there may be. Code of the same user may lower it.
        lower = "import resource, sys; pid = int(sys.argv[1]); hard = resource.prlimit(pid, resource.RLIMIT_NPROC)[1]; "
        lower += "resource.prlimit(pid, resource.RLIMIT_NPROC, (int(sys.argv[2]) if sys.argv[2] else hard, hard))"
        supervisor = str(session.runner_info["pid"])
        assert (await python(sandbox, lower, supervisor, "0")).stderr == ""
        assert (await execute("import os; os._exit(3)"))["ename"] == "InterpreterDied"
        for _ in range(2):
            reply = await execute("2")
            assert "cannot be started: Resource temporarily unavailable" in str(reply["evalue"]), reply
        assert (await session.restart())["status"] == "error"
        assert not session.is_lost
        assert (await python(sandbox, lower, supervisor, "")).stderr == ""
        assert (await execute("3"))["status"] == "ok"
