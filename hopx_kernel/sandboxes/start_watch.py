"""Ends what a sandbox that is only coming up would leave, whoever dies. Imports the standard library only.

bubblewrap's child waits for bubblewrap before it asks to die with it. What ends bubblewrap in that moment, such as the end
of this program, leaves the child waiting for ever. So a small shell leads the process group that bubblewrap starts in: it
reads from a pipe that this process holds open, and at the pipe's end it kills the group. It is in the group itself, so the
group's number can be nobody else's, and the kernel lets no process fork out of a group that is being killed. Once the
sandbox is up, whose processes are tied to each other by then, the shell is told so and ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Any

__all__ = ["StartWatch", "group_arguments"]

_WATCH = "read -r _ || kill -s KILL 0"


class StartWatch:
    """The shell. Raises `OSError` where there can be none."""

    def __init__(self) -> None:
        null = subprocess.DEVNULL
        # Inherited, and from its first moment on: what asks everything to end is not to end it before this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH],
                stdin=subprocess.PIPE,
                stdout=null,
                stderr=null,
                env={},
                cwd="/",
                bufsize=0,
                **group_arguments(0),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._burying: threading.Thread | None = None

    @property
    def group(self) -> int:
        """The process group that it leads."""
        return self._shell.pid

    def release(self) -> None:
        """Have it end without having done anything; waits for nothing."""
        assert self._shell.stdin is not None
        with suppress(BrokenPipeError):
            self._shell.stdin.write(b"\n")
        self._shell.stdin.close()
        burying = threading.Thread(target=self._shell.wait, name="hopx-start-watch", daemon=True)
        burying.start()
        self._burying = burying

    def kill(self) -> None:
        """End it, and wait for that. May be called twice, and after `release`."""
        assert self._shell.stdin is not None
        if self._burying is not None:  # its number may be another's by now
            self._burying.join()
            return
        self._shell.kill()
        self._shell.wait()
        self._shell.stdin.close()


def group_arguments(group: int) -> dict[str, Any]:
    """What has `subprocess.Popen` start a program in a process group of this session; 0 for a new one."""
    if sys.version_info >= (3, 11):
        return {"process_group": group}
    return {"preexec_fn": partial(os.setpgid, 0, group)}
