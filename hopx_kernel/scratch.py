"""Temporary directories that go with the process that made them, however it ends.

A small shell waits beside each: it reads from a pipe that this process holds open, and the end of the pipe is the end of
this process. Imports the standard library only.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["ScratchDirectory", "sweep"]

#: Runs beside this process, with the directory as ``$1``. More than once, since what is in there may be written to by
#: processes that end at the same time.
_WATCH = """
read -r _
for _ in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 0.2; done
"""

#: How old a directory is that `sweep` removes, in seconds.
_NEW_SECONDS = 60.0

#: How long `close` waits for it, in seconds.
_END_SECONDS = 5.0


class ScratchDirectory:
    """A private directory. Raises `OSError` where it cannot be made.

    Parameters
    ----------
    prefix : str
        What its name begins with.

    Attributes
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.gettempdir()).absolute() / f"{prefix}{os.urandom(8).hex()}"
        # Before there is anything that it would have to remove.
        self._watch = _start_watch(self.path)
        try:
            self.path.mkdir(mode=0o700)
            # Held for as long as this process lives, whatever number it has for whom: see `sweep`.
            self._lock: int | None = _lock(self.path)
        except BaseException:
            if self._watch is not None:  # somebody else's may be there
                self._watch.kill()
                self._end_watch()
            raise

    def close(self) -> None:
        """Remove it with everything in it. May be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._end_watch()

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            return
        assert watch.stdin is not None
        watch.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            watch.wait(_END_SECONDS)


def sweep(prefix: str) -> None:
    """Remove this user's directories whose processes are gone, and the shells beside them too. Never raises.

    Parameters
    ----------
    prefix : str
        What their names begin with.
    """
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            found = path.lstat()
            is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            # One that was made just now is not locked yet.
            if not is_own or time.time() - found.st_mtime < _NEW_SECONDS or (lock := _lock(path)) is None:
                continue
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _lock(path: Path) -> int | None:
    """The descriptor by which this process holds a directory; None where another one does, or nobody can."""
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _start_watch(path: Path) -> subprocess.Popen[bytes] | None:
    """The shell; none where there is none, and the directory then goes by `ScratchDirectory.close` alone."""
    if sys.platform == "win32":
        return None
    null = subprocess.DEVNULL
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    # Inherited, and from its first moment on: what asks everything to end is not to end it before this process.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "hopx-scratch", str(path)],
            stdin=subprocess.PIPE,
            stdout=null,
            stderr=null,
            cwd="/",
            env=environment,
            # What ends this process by its group is not to end this one with it.
            start_new_session=True,
        )
    except OSError:
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
