"""The processes of a kernel and its sandbox, found and struck from outside."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["FAULTS", "ROLES", "TIMEOUT", "find", "lives", "strike", "tree", "wait_for", "wait_gone"]

ROLES = ("interpreter", "supervisor", "launcher", "bwrap", "kernel")

FAULTS = ("KILL", "SEGV", "STOP", "STOP then CONT")

#: Waiting for what never comes ends here, in seconds; a machine that is slow is given its time.
TIMEOUT = 60.0


def tree(kernel: psutil.Process) -> list[psutil.Process]:
    """A kernel's process and all that descend from it."""
    try:
        return [kernel, *kernel.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def find(kernel: psutil.Process, role: str) -> psutil.Process | None:
    """The process that has this part at the moment, if there is one."""
    if role == "kernel":
        return kernel if lives(kernel) else None
    parts: dict[int, str] = {}
    for process in tree(kernel)[1:]:
        with suppress(psutil.Error):
            part = _part(process, parts)
            parts[process.pid] = part
            if part == role and lives(process):
                return process
    return None


def _part(process: psutil.Process, parts: dict[int, str]) -> str:
    """A process's part, by its program and its parent's part; `parts` holds those of its ancestors."""
    command = process.cmdline()
    parent = parts.get(process.ppid(), "")
    if command and Path(command[0]).name == "bwrap":
        return "bwrap" if parent != "bwrap" else ""
    if command[3:4] and command[3].endswith(("/hopx/launcher.py", "/hopx/launcher.pyc")):
        return "launcher"
    if any(word.endswith("runner.pyz") for word in command):
        return {"launcher": "supervisor", "supervisor": "interpreter"}.get(parent, "")
    return ""


def wait_for(kernel: psutil.Process, role: str) -> psutil.Process:
    """The process that has this part, as soon as there is one."""
    deadline = time.monotonic() + TIMEOUT
    while (process := find(kernel, role)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"there is no {role} among {tree(kernel)}")
        time.sleep(0.002)
    return process


def strike(process: psutil.Process, fault: str, is_deadly: bool = False) -> None:
    """Do it. One that is killed has gone, with what goes by itself then, and one that is stopped has stopped, before
    it is continued too, when this returns."""
    with suppress(psutil.NoSuchProcess):
        below = process.children(recursive=True)
        process.send_signal({"KILL": signal.SIGKILL, "SEGV": signal.SIGSEGV}.get(fault, signal.SIGSTOP))
        if fault == "KILL" or is_deadly:
            wait_gone([process, *below])
        if fault.startswith("STOP"):
            deadline = time.monotonic() + TIMEOUT
            while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{process} does not stop")
                time.sleep(0.001)
        if fault == "STOP then CONT":
            process.send_signal(signal.SIGCONT)


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one whose end nobody has taken note of yet is dead all the same."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_gone(processes: Iterable[psutil.Process], seconds: float = TIMEOUT) -> list[psutil.Process]:
    """Those that still live after a time."""
    deadline = time.monotonic() + seconds
    while (processes := [process for process in processes if lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return list(processes)
