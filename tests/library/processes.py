"""What runs in a sandbox, and what of sandboxes runs on this computer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from hopx_kernel import Sandbox

__all__ = ["BUSY", "is_running", "keep_busy", "marked", "processes_with"]


#: A line for bash: goes on in the background, with a marker for its name, and says so when it does.
BUSY = "setsid bash -c 'touch /tmp/busy; while sleep 1; do :; done' $0 & until [ -e /tmp/busy ]; do sleep 0.01; done; echo ok"


def is_running(sandbox: Sandbox, marker: str) -> bool:
    """Whether a process whose command line holds a marker is in the sandbox; the one that looks does not count."""
    script = (
        "import os, sys\n"
        "lines = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]\n"
        "print(any(sys.argv[1] in line for line in lines))\n"
    )
    return sandbox.commands.run(["python", "-c", script, marker]).stdout == "True\n"


def processes_with(marker: str) -> list[int]:
    """Processes of this computer, sandboxes and all, whose command line holds a marker."""
    processes = psutil.process_iter(["pid", "cmdline"])
    return [process.pid for process in processes if any(marker in word for word in process.info["cmdline"] or [])]


@contextmanager
def marked() -> Iterator[str]:
    """A marker for a sandbox's processes, which are all gone at the end, two seconds later at most."""
    marker = uuid.uuid4().hex
    yield marker
    deadline = time.monotonic() + 2
    while left := processes_with(marker):
        assert time.monotonic() < deadline, left


def keep_busy(sandbox: Sandbox, marker: str) -> None:
    """Have something run in the sandbox that can be found by its marker and that nobody ends."""
    assert sandbox.commands.run(["bash", "-c", BUSY, marker]).stdout == "ok\n"
    assert processes_with(marker)
