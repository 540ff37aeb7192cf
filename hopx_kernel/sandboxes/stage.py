"""Gives root's rights up before bubblewrap starts, when it is root who starts a sandbox.

A user namespace does not turn root into somebody else: what belongs to root outside, such as the kernel's settings in
/proc/sys, belongs to root's code inside. So bubblewrap itself runs as a user who owns nothing. Interpreters that lie
where that user cannot go, such as /root, are shown to it in a mount namespace of its own, at the paths where they are.

A program, not imported by the package: ``stage.py UID HIDDEN... -- TREE... -- COMMAND...``, where each HIDDEN directory
is covered by an empty one in which the TREEs are shown again. It imports the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 0x1000, 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def call(what: str, result: int) -> None:
    """Raise for a C function that failed."""
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount, as mount(2)."""
    texts = [os.fsencode(text) for text in (source, target, kind, data)]
    call(f"cannot mount on {target}", _libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]))


def show_again(hidden: list[str], trees: list[str]) -> None:
    """Cover directories that only root may enter, and show the trees in them again."""
    call("cannot make a mount namespace", _libc.unshare(CLONE_NEWNS))
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    fds = {tree: os.open(tree, os.O_PATH | os.O_CLOEXEC) for tree in trees}
    for directory in hidden:
        mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    for tree, fd in fds.items():
        os.makedirs(tree, 0o755, exist_ok=True)
        mount(f"/proc/self/fd/{fd}", tree, "", MS_BIND | MS_REC)


def main(arguments: list[str]) -> None:
    uid = int(arguments[0])
    first = arguments.index("--")
    second = arguments.index("--", first + 1)
    hidden, trees, command = arguments[1:first], arguments[first + 1 : second], arguments[second + 1 :]
    try:
        os.umask(0o022)
        if hidden:
            show_again(hidden, trees)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError as exc:
        sys.exit(f"stage: {exc.strerror}")
    try:
        os.execv(command[0], command)
    except OSError as exc:
        sys.exit(f"{command[0]} cannot be run: {exc.strerror}")


main(sys.argv[1:])
