"""Starts bubblewrap from a thread that lasts. Imports the standard library only.

"Die with the parent" means, to the kernel, with the thread that forked: a sandbox started from a worker thread would die
as soon as that thread does.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Sequence

from .start_watch import StartWatch, group_arguments

__all__ = ["start_watched"]

_Answer = queue.SimpleQueue["subprocess.Popen[bytes] | Exception"]
_Request = tuple[list[str], Sequence[int], "int | None", _Answer]


def start_watched(command: list[str], fds: Sequence[int]) -> tuple[subprocess.Popen[bytes], StartWatch | None]:
    """Start a program that inherits `fds`, no environment, and stderr as a pipe; it is to die with this process.

    What sees to that while it starts is given too, unless there can be none.
    """
    try:
        watch = StartWatch()
    except OSError:
        return _start_lasting(command, fds, None), None
    try:
        return _start_lasting(command, fds, watch.group), watch
    except BaseException:
        watch.kill()
        raise


def _start_lasting(command: list[str], fds: Sequence[int], group: int | None) -> subprocess.Popen[bytes]:
    if threading.current_thread() is threading.main_thread():
        return _start(command, fds, group)
    answer: _Answer = queue.SimpleQueue()
    _requests().put((command, fds, group, answer))
    result = answer.get()
    if isinstance(result, Exception):
        raise result
    return result


def _start(command: list[str], fds: Sequence[int], group: int | None) -> subprocess.Popen[bytes]:
    null = subprocess.DEVNULL
    return subprocess.Popen(
        command,
        stdin=null,
        stdout=null,
        stderr=subprocess.PIPE,
        pass_fds=fds,
        env={},
        cwd="/",
        bufsize=0,
        # An interrupt goes to this program's whole process group, and is not meant to end the sandbox.
        **({"start_new_session": True} if group is None else group_arguments(group)),
    )


def _serve(requests: queue.SimpleQueue[_Request]) -> None:
    while True:
        command, fds, group, answer = requests.get()
        try:
            answer.put(_start(command, fds, group))
        except Exception as exc:  # noqa: BLE001 - whatever it is, somebody waits for it
            answer.put(exc)


_lock = threading.Lock()
_threads: dict[int, queue.SimpleQueue[_Request]] = {}


def _requests() -> queue.SimpleQueue[_Request]:
    """The queue of the lasting thread, which is started once in every process: a fork has none of its parent's."""
    pid = os.getpid()
    with _lock:
        if pid not in _threads:
            _threads.clear()
            requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
            threading.Thread(target=_serve, args=(requests,), name="hopx-starter", daemon=True).start()
            _threads[pid] = requests  # not before: where there can be no more threads, nobody would ever answer
        return _threads[pid]
