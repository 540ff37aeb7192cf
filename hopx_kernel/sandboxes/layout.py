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

__all__ = ["COMMANDS_DIRECTORY", "PACKAGES_DIRECTORY", "SYNTHETIC_FILES", "WRITABLE_DIRECTORIES", "layout_arguments"]

#: Writable, each a tmpfs of its own.
WRITABLE_DIRECTORIES = ("/workspace", "/app", "/tmp")

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


def layout_arguments(options: SandboxOptions, interpreter: Interpreter) -> list[str]:
    """Arguments that build the sandbox's files, without those whose content the host makes up."""
    arguments = [*_system(options.network)]
    size = [] if options.disk_bytes is None else ["--size", str(options.disk_bytes)]
    for path in WRITABLE_DIRECTORIES:
        arguments += [*size, "--perms", "1777" if path == "/tmp" else "0755", "--tmpfs", path]
    arguments += [*_proc(), "--dev", "/dev"]
    shared = [] if options.disk_bytes is None else ["--size", str(max(options.disk_bytes // 4, 1 << 16))]
    arguments += [*shared, "--perms", "1777", "--tmpfs", "/dev/shm"]
    # After the writable directories: an environment may well lie in one of them.
    for tree in interpreter.trees:
        arguments += ["--ro-bind", tree, tree]
    for path, target in interpreter.links.items():
        arguments += ["--symlink", target, path]
    if not interpreter.is_called_python:
        for name in ("python", "python3"):
            arguments += ["--symlink", interpreter.path, f"{COMMANDS_DIRECTORY}/{name}"]
    return arguments


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
