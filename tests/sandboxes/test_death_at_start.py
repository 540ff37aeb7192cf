"""Whoever dies while a sandbox comes up, and whenever, nothing of it is left.

What is left is looked for by marks, not among the children of anybody: who is left has no parent any more.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hopx_kernel.sandboxes.bwrap import find_bwrap
from hopx_kernel.sandboxes.cgroup import find_place
from hopx_kernel.sandboxes.spawn import spawn

#: What never comes ends here; a machine that is slow is given its time.
TIMEOUT_SECONDS = 60

#: How many starts are ended, at moments that lie evenly between the beginning of a start and some time after its end.
MOMENTS = 40

#: Starts a sandbox of the bubblewrap in ``argv[1]``, with a mark in its environment. It is killed after the seconds in
#: ``argv[2]``, if they are any; for "held" bubblewrap stands still once it has cloned its child, which waits for it.
HOST = """
import os, signal, sys, threading, time

bwrap, how, guarded, mark = sys.argv[1:]
from hopx_kernel.sandboxes.options import SandboxOptions
from hopx_kernel.sandboxes.spawn import spawn

def full_pipe(flags):
    os.pipe2 = make_pipe
    read, write = make_pipe(flags)
    try:
        while True:
            os.write(write, bytes(4096))
    except BlockingIOError:
        os.set_blocking(write, True)
    return read, write

def die():
    time.sleep(float(how))
    os.kill(os.getpid(), signal.SIGKILL)

make_pipe = os.pipe2
if how == "held":  # what it has to say of its child finds no room
    os.pipe2 = lambda flags: full_pipe(flags) if flags & os.O_NONBLOCK else make_pipe(flags)
elif how != "whole":
    threading.Thread(target=die).start()
began = time.monotonic()
spawned = spawn(SandboxOptions(env={"MARK": mark}, start_timeout_seconds=3600), bwrap=bwrap, guarded=guarded == "guarded")
print("spawned", flush=True)

import anyio
from hopx_kernel.sandboxes.local import LocalSandbox

async def main():
    async with LocalSandbox.adopt(spawned):
        print(time.monotonic() - began, flush=True)
        sys.stdin.readline()

anyio.run(main)
"""


@contextmanager
def start_host(how: str, guarded: str = "guarded") -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process with a sandbox that comes up, and the mark of what belongs to it; it leads a session."""
    mark = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix=mark) as directory:
        Path(directory).chmod(0o755)
        bwrap = Path(directory, "bwrap")
        bwrap.symlink_to(find_bwrap())
        host = subprocess.Popen(
            [sys.executable, "-c", HOST, str(bwrap), how, guarded, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        with host:
            try:
                yield host, mark
            finally:
                host.kill()
                for pid in marked(host, mark):  # of a test that fails
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


def read_line(host: subprocess.Popen[bytes]) -> bytes:
    """The next line that a host says; empty when it has ended."""
    assert host.stdout is not None
    assert select.select([host.stdout], [], [], TIMEOUT_SECONDS)[0], "it says nothing"
    return host.stdout.readline()


def marked(host: subprocess.Popen[bytes], mark: str) -> dict[int, str]:
    """The names of the processes that are a host's by its session, their program or their environment."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name, _, fields = (path / "stat").read_text(errors="replace").rpartition(")")
            state, _, _, session = fields.split()[:4]
            words = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            if state not in "ZX" and (mark.encode() in words or int(session) == host.pid):
                found[int(path.name)] = name.partition("(")[2]
    found.pop(host.pid, None)
    return found


def wait_for_two(host: subprocess.Popen[bytes], mark: str) -> list[int]:
    """bubblewrap and its child, which waits for it."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(found := sorted(pid for pid, name in marked(host, mark).items() if name == "bwrap")) < 2:
        assert time.monotonic() < deadline, marked(host, mark)
        time.sleep(0.001)
    return found


def wait_gone(host: subprocess.Popen[bytes], mark: str) -> dict[int, str]:
    """What is left after a time."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (left := marked(host, mark)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def groups_of(pid: int) -> list[str]:
    """The control groups of a process's sandboxes."""
    place = find_place()
    parents = set(place.parents.values()) if place is not None else set()
    return [path.name for parent in parents for path in Path(parent).glob(f"hopx-*-{pid}-*")]


@pytest.mark.parametrize("guarded", ["guarded", "alone"])
def test_nothing_is_left_of_a_host_that_dies_while_bubblewraps_child_waits_for_it(guarded: str) -> None:
    with start_host("held", guarded) as (host, mark):
        wait_for_two(host, mark)
        host.kill()
        host.wait(TIMEOUT_SECONDS)
        assert wait_gone(host, mark) == {}
        # Its control group goes with the next start of anybody's.
        spawn().abandon()
        assert groups_of(host.pid) == []


@pytest.mark.parametrize("guarded", ["guarded", "alone"])
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV])
def test_bubblewrap_that_dies_while_its_child_waits_for_it_keeps_nobody_waiting(guarded: str, signum: int) -> None:
    with start_host("held", guarded) as (host, mark):
        pair = wait_for_two(host, mark)
        os.kill(pair[0], signum)
        assert read_line(host) == b"spawned\n"
        if guarded == "alone":
            assert read_line(host) == b""  # it has ended, for there is no other sandbox to start
            assert host.wait(TIMEOUT_SECONDS) == 1
        else:  # which may be what is not allowed, so another is started without
            assert float(read_line(host)) > 0
            assert not {*pair} & {*marked(host, mark)}
            host.communicate(b"\n", TIMEOUT_SECONDS)
            assert host.returncode == 0
        assert wait_gone(host, mark) == {}


def test_nothing_is_left_of_a_host_that_dies_at_any_moment_of_a_start() -> None:
    with start_host("whole") as (host, mark):
        assert read_line(host) == b"spawned\n"
        seconds = float(read_line(host))
        host.kill()
        assert wait_gone(host, mark) == {}
    for moment in range(MOMENTS):
        with start_host(str(1.2 * seconds * moment / MOMENTS)) as (host, mark):
            assert host.wait(TIMEOUT_SECONDS) == -signal.SIGKILL
            assert wait_gone(host, mark) == {}, moment


def test_the_watch_over_a_start_ends_with_it() -> None:
    with start_host("whole") as (host, mark):
        assert read_line(host) == b"spawned\n"
        assert float(read_line(host)) > 0
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while "sh" in marked(host, mark).values() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "sh" not in marked(host, mark).values()
        assert "bwrap" in marked(host, mark).values()
