"""What a local sandbox sees of the host's files, as arguments for bubblewrap.

Nothing is there but what is put there: a read-only system, the interpreter and its packages, and writable directories
of the sandbox's own. Imports the standard library only, since a kernel starts its sandbox before it imports anything
large.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .interpreter import STORES, Interpreter, is_system
from .options import SandboxOptions

__all__ = [
    "COMMANDS_DIRECTORY",
    "PACKAGES_DIRECTORY",
    "SYNTHETIC_FILES",
    "WRITABLE_DIRECTORIES",
    "inode_limit",
    "layout_arguments",
    "mount_table",
    "size_limit",
    "writable_arguments",
]

#: Writable, each a tmpfs of its own; the runner knows them too.
WRITABLE_DIRECTORIES = ("/workspace", "/app", "/tmp", "/dev/shm")

_FOR_EVERYBODY = ("/tmp", "/dev/shm")

#: What a file takes of the kernel's memory beside its content, and which part of the sandbox's memory all the files in
#: one directory may take that way.
_INODE_BYTES, _INODES_SHARE = 1024, 16

#: What it takes at most, with the longest name; and as much of that, of all files together, needs no room in
#: `memory_bytes`: the sandbox's control group has more than twice of it beside, the rest of it for the next interpreter.
_WHOLE_INODE_BYTES, _INODES_BESIDE = 1536, 96 << 20

#: The 64ths of the memory that the content of each directory's files may take: seven eighths together, so that they leave
#: the next interpreter room to remove them. What has filled a sandbox's memory for good could not be undone from inside.
_PARTS, _WHOLE = {"/workspace": 21, "/app": 7, "/tmp": 21, "/dev/shm": 7}, 64

#: A file for so many bytes of a directory's size are enough for anybody; the runner's limits.py knows it too.
_BYTES_PER_INODE = 8192

#: On PATH before all others: ``pip``, and the interpreter where its own directory does not call it ``python``.
COMMANDS_DIRECTORY = "/run/sandbox/bin"

#: Where ``pip`` in the sandbox puts what it installs; pip_command.py and launcher.py know it too.
PACKAGES_DIRECTORY = "/tmp/.packages"

#: What programs need of /etc to find libraries, certificates, fonts and names. Nothing of it says who uses the host.
_ETC_FILES = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "ssl/certs",
    "ssl/openssl.cnf",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "ca-certificates/extracted",
    "fonts",
    "manpath.config",
    "man_db.conf",
    "mime.types",
    "protocols",
    "services",
    "terminfo",
)

#: With the host's network also what finds names on it.
_ETC_NETWORK_FILES = ("resolv.conf", "host.conf", "gai.conf")

#: Made up, so that the host's users and name do not show.
SYNTHETIC_FILES = {
    "/etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nsandbox:x:1000:1000:sandbox:/workspace:/bin/sh\n",
    "/etc/group": "root:x:0:\nsandbox:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n",
    "/etc/hostname": "sandbox\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

#: Of the kernel as a whole, as container engines have them: what could be set, and what tells of the host's hardware,
#: memory and other users. There is no /sys at all.
_PROC_READ_ONLY = ("sys", "sysrq-trigger", "bus", "fs", "irq")
_PROC_MASKED = (
    *("acpi", "asound", "driver", "interrupts", "kcore", "key-users", "keys", "latency_stats", "sched_debug", "scsi"),
    *("timer_list", "timer_stats"),
)


def layout_arguments(options: SandboxOptions, interpreter: Interpreter, mounted_at: str | None = None) -> list[str]:
    """Arguments that build the sandbox's files, without those whose content the host makes up.

    The writable directories are new, or those that are at `mounted_at` already.
    """
    arguments = [*_system(options.network), *_proc(), "--dev", "/dev"]
    if mounted_at is None:
        arguments += writable_arguments(options)
    else:
        for path in WRITABLE_DIRECTORIES:
            arguments += ["--bind", mounted_at + path, path]
    # After the writable directories: an environment may well lie in one of them.
    for tree in interpreter.trees:
        arguments += ["--ro-bind", tree, tree]
    for path, target in interpreter.links.items():
        arguments += ["--symlink", target, path]
    if not interpreter.is_called_python:
        for name in ("python", "python3"):
            arguments += ["--symlink", interpreter.path, f"{COMMANDS_DIRECTORY}/{name}"]
    return arguments


def writable_arguments(options: SandboxOptions, at: str = "") -> list[str]:
    """Arguments that make the writable directories, below `at`."""
    arguments = []
    for path in WRITABLE_DIRECTORIES:
        size = size_limit(options, path)
        arguments += [] if size is None else ["--size", str(size)]
        arguments += ["--perms", _mode(path), "--tmpfs", at + path]
    return arguments


def mount_table(options: SandboxOptions, at: str) -> str:
    """The writable directories below `at` in the form of fstab(5), with the limit that bubblewrap knows no word for."""
    lines = []
    for path in WRITABLE_DIRECTORIES:
        limits = {"size": size_limit(options, path), "nr_inodes": inode_limit(options), "mode": _mode(path)}
        given = [f"{name}={value}" for name, value in limits.items() if value is not None]
        lines.append(f"hopx {at}{path} tmpfs nosuid,nodev,{','.join(given)} 0 0\n")
    return "".join(lines)


def inode_limit(options: SandboxOptions) -> int | None:
    """How many files and directories each writable directory may hold; None for what the kernel allows."""
    limits = []
    if options.memory_bytes is not None:
        limits.append(options.memory_bytes // _INODES_SHARE // _INODE_BYTES)
    if options.disk_bytes is not None:
        limits.append(options.disk_bytes // _BYTES_PER_INODE)
    return max(min(limits), 1024) if limits else None


def size_limit(options: SandboxOptions, path: str) -> int | None:
    """How many bytes a writable directory may hold; None for what the kernel allows."""
    sizes = []
    if options.disk_bytes is not None:
        sizes.append(options.disk_bytes // 4 if path == "/dev/shm" else options.disk_bytes)
    if options.memory_bytes is not None:
        inodes = (inode_limit(options) or 0) * len(WRITABLE_DIRECTORIES) * _WHOLE_INODE_BYTES
        sizes.append((options.memory_bytes - max(inodes - _INODES_BESIDE, 0)) // _WHOLE * _PARTS[path])
    return max(min(sizes), 1 << 16) if sizes else None


def _mode(path: str) -> str:
    return "1777" if path in _FOR_EVERYBODY else "0755"


def _proc() -> Iterator[str]:
    yield from ("--proc", "/proc")
    # Settings of the namespaces that are the sandbox's own would be writable in its own /proc.
    for name in filter(_is_in_proc, _PROC_READ_ONLY):
        yield from ("--ro-bind", f"/proc/{name}", f"/proc/{name}")
    for name in filter(_is_in_proc, _PROC_MASKED):
        path = f"/proc/{name}"
        if os.path.isdir(path):
            yield from ("--perms", "0555", "--size", "4096", "--tmpfs", path, "--remount-ro", path)
        else:  # a device, where there are to be none: it cannot be opened
            yield from ("--ro-bind", "/dev/null", path)


def _is_in_proc(name: str) -> bool:
    return os.path.exists(f"/proc/{name}")


def _system(network: bool) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for path in filter(is_system, sorted("/" + name for name in os.listdir("/"))):
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)
    for store in STORES:
        if os.path.isdir(store):
            yield from ("--ro-bind", store, store)
    for name in _ETC_FILES + (_ETC_NETWORK_FILES if network else ()):
        path = "/etc/" + name
        if os.path.exists(path):
            yield from ("--ro-bind", os.path.realpath(path), path)
    if os.path.islink("/etc/localtime"):  # programs read the zone's name off the link
        yield from ("--symlink", os.readlink("/etc/localtime"), "/etc/localtime")
    yield from ("--symlink", "/tmp", "/var/tmp")
