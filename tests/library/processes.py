"""What runs in a sandbox, and what of sandboxes runs on this computer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from hopx_kernel import Sandbox

__all__ = [
    "BUSY",
    "GONE_SECONDS",
    "is_dead",
    "is_gone",
    "is_running",
    "keep_busy",
    "marked",
    "processes_with",
    "survivors",
    "wait_gone",
]


#: What the end of processes may take on a computer that is busy with other things. Costs time only where one stays.
GONE_SECONDS = 30.0

#: A line for bash: goes on in the background, with a marker for its name, and says so when it does.
BUSY = "setsid bash -c 'touch /tmp/busy; while sleep 1; do :; done' $0 & until [ -e /tmp/busy ]; do sleep 0.01; done; echo ok"

#: Says whether a marker is in the command line of another process than its own; one that ends meanwhile has none.
_LOOK = """
import os, sys
found = False
for pid in os.listdir("/proc"):
    if pid.isdigit() and int(pid) != os.getpid():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found = found or sys.argv[1].encode() in file.read()
        except OSError:
            pass
print(found)
"""


def is_running(sandbox: Sandbox, marker: str) -> bool:
    """Whether a process whose command line holds a marker is in the sandbox; the one that looks does not count."""
    looked = sandbox.commands.run(["python", "-c", _LOOK, marker])
    assert (looked.exit_code, looked.stderr) == (0, "") and looked.stdout in ("True\n", "False\n"), looked
    return looked.stdout == "True\n"


def is_gone(sandbox: Sandbox, marker: str) -> bool:
    """Whether no such process is left: one that was killed ends when the computer comes to it."""
    deadline = time.monotonic() + GONE_SECONDS
    while is_running(sandbox, marker):
        if time.monotonic() > deadline:
            return False
    return True


def processes_with(marker: str) -> list[int]:
    """Processes of this computer, sandboxes and all, whose command line holds a marker."""
    processes = psutil.process_iter(["pid", "cmdline"])
    return [process.pid for process in processes if any(marker in word for word in process.info["cmdline"] or [])]


def wait_gone(marker: str) -> None:
    """Wait until no process of this computer has a marker in its command line."""
    deadline = time.monotonic() + GONE_SECONDS
    while left := processes_with(marker):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


@contextmanager
def marked() -> Iterator[str]:
    """A marker for a sandbox's processes, which are all gone at the end, or go by themselves."""
    marker = uuid.uuid4().hex
    yield marker
    wait_gone(marker)


def survivors(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that do not go by themselves; one whose end nobody has taken note of yet is dead all the same."""
    deadline = time.monotonic() + GONE_SECONDS
    while (left := [process for process in processes if not is_dead(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def is_dead(process: psutil.Process) -> bool:
    """Whether it has ended, also where nobody has taken note of that."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def keep_busy(sandbox: Sandbox, marker: str) -> None:
    """Have something run in the sandbox that can be found by its marker and that nobody ends."""
    assert sandbox.commands.run(["bash", "-c", BUSY, marker]).stdout == "ok\n"
    assert processes_with(marker)
