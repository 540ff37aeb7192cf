"""A control group of a sandbox's own: the bound that the kernel holds for all that its code makes the kernel keep.

Page tables, socket buffers, segments of shared memory, empty files: what no process's own limit counts is charged to the
group. It is made where this program may make one: of version 2 beside or below its own group, where systemd has
delegated that or this program is root; of version 1 below its own, as root. No group above that has a limit is left.

Imports the standard library only, as a kernel makes one before it imports anything large.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from dataclasses import dataclass, field

__all__ = ["OVERHEAD_BYTES", "Cgroup", "Place", "find_place"]

#: What a sandbox's own processes need beside the code's: launcher, supervisor, bubblewrap, and the kernel's part of them.
#: Most of it is what code can write into files between two looks of the watch, which ends it before the bound does: files
#: that reach the bound itself would leave the next interpreter, which is to remove them, no room to start.
OVERHEAD_BYTES, OWN_PROCESSES = 256 << 20, 16

#: Of that in version 1, which counts TCP's buffers apart: what they may have.
_TCP_BYTES = 64 << 20

#: Where a sandbox sees its group's counters, under names that are the same for both versions.
COUNTERS_DIRECTORY = "/run/hopx/memory"

#: How long the kernel may take to bury the processes of a group, in seconds, before the group is left for later.
_REMOVE_SECONDS = 1.0

_PREFIX = "hopx-"

_CONTROLLERS = ("memory", "pids")

_numbers = itertools.count()

#: Groups that could not be removed yet.
_left: list[str] = []


@dataclass(frozen=True)
class Place:
    """Where a sandbox's group can be made.

    Parameters
    ----------
    version : int
        Of control groups: 1 or 2.
    parents : dict of str
        For each controller (``memory``, ``pids``) the directory that the group is made in.
    processes : int, optional
        The limit of processes of the groups that are left for it, which is its own as well.
    """

    version: int
    parents: dict[str, str]
    processes: int | None = None

    def __str__(self) -> str:
        return f"control groups v{self.version} ({', '.join(sorted(self.parents))}) in {self.parents['memory']}"


@dataclass
class Cgroup:
    """One sandbox's group.

    Attributes
    ----------
    directories : dict of str
        By controller, which are the same directory in version 2.
    limits : dict of str
        What the kernel has said that the limits are, after they were set: bytes for ``memory``, a count for ``pids``.
    """

    version: int
    directories: dict[str, str]
    limits: dict[str, int] = field(default_factory=dict)

    @classmethod
    def make(cls, memory_bytes: int | None, processes: int | None, place: Place | None = None) -> Cgroup | None:
        """Make a group with limits; None where none can be had, and where nothing is to be limited."""
        place = place or find_place()
        if place is None or memory_bytes is None:
            return None
        counts = [count for count in (processes and processes + OWN_PROCESSES, place.processes) if count is not None]
        wanted = {"memory": memory_bytes + OVERHEAD_BYTES, "pids": min(counts, default=None)}
        name = f"{_PREFIX}{_identity(os.getpid())}-{next(_numbers)}"
        group = cls(place.version, {})
        try:
            for controller, parent in place.parents.items():
                _clean(parent)
                path = os.path.join(parent, name)
                if path not in group.directories.values():
                    _make(path)
                group.directories[controller] = path
                if (limit := wanted[controller]) is not None:
                    group._set(controller, limit)
        except (OSError, ValueError):
            group.remove()
            return None
        return group

    def _set(self, controller: str, limit: int) -> None:
        directory = self.directories[controller]
        first, *others = _LIMITS[self.version][controller]
        tcp = _TCP_BYTES if _TCP_LIMIT in others else 0
        values = {_TCP_LIMIT: tcp, "memory.swap.max": 0}
        _write(os.path.join(directory, first), str(limit - tcp))
        held = int(_read(os.path.join(directory, first)))
        for name in others:
            try:
                _write(os.path.join(directory, name), str(values.get(name, limit - tcp)))
                held += int(_read(os.path.join(directory, name))) if name == _TCP_LIMIT else 0
            except (OSError, ValueError):
                continue  # of swap and of TCP, which a kernel may not count
        self.limits[controller] = held

    def take(self, pid: int) -> None:
        """Take a process in, and all that come from it: those that it starts from then on are in it by themselves.

        The first one costs the kernel some milliseconds, which are why it is not done before bubblewrap starts.
        """
        taken: set[int] = set()
        while new := _tree(pid) - taken:
            taken |= new
            for one in new:
                for path in dict.fromkeys(self.directories.values()):
                    try:
                        _write(os.path.join(path, "cgroup.procs"), str(one))
                    except OSError:
                        continue  # it has just ended; `holds` tells whether the one that counts is in

    def holds(self, pid: int) -> bool:
        """Whether a process, which lives, is in the group in all its hierarchies."""
        try:
            lines = _read(f"/proc/{pid}/cgroup").splitlines()
        except OSError:
            return False
        name = os.path.basename(self.directories["memory"])
        return sum(line.endswith(f"/{name}") for line in lines) >= len(set(self.directories.values()))

    def counters(self) -> dict[str, str]:
        """The group's files that its sandbox may read, by the paths where it sees them."""
        memory = self.directories["memory"]
        return {f"{COUNTERS_DIRECTORY}.{name}": os.path.join(memory, file) for name, file in _COUNTERS[self.version]}

    def oom_kills(self) -> int:
        """How many processes the kernel has ended since the group had no memory left for them."""
        file = dict(_COUNTERS[self.version])["events"]
        try:
            lines = _read(os.path.join(self.directories["memory"], file)).splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def kill(self) -> None:
        """End all that is in it, from outside."""
        for path in dict.fromkeys(self.directories.values()):
            try:
                _write(os.path.join(path, "cgroup.kill"), "1")
                continue
            except OSError:
                pass  # version 1, or before Linux 5.14
            try:
                pids = [int(pid) for pid in _read(os.path.join(path, "cgroup.procs")).split()]
            except OSError:
                continue
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue

    def remove(self) -> None:
        """End what is left in it and remove it. May be called twice."""
        paths = list(dict.fromkeys(self.directories.values()))
        until = time.monotonic() + _REMOVE_SECONDS
        while paths:
            paths = [path for path in paths if not _remove(path)]
            if paths and time.monotonic() > until:
                _left.extend(paths)
                return
            if paths:
                self.kill()
                time.sleep(0.001)


_TCP_LIMIT = "memory.kmem.tcp.limit_in_bytes"

#: The files that limits are written to; the first one counts.
_LIMITS = {
    1: {"memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", _TCP_LIMIT), "pids": ("pids.max",)},
    2: {"memory": ("memory.max", "memory.swap.max"), "pids": ("pids.max",)},
}

#: The files of limits, of version 2, that a process is not taken away from.
_LIMITS_TO_KEEP = ("memory.max", "memory.high", "memory.swap.max", "cpu.max", "cpuset.cpus", "cpuset.mems", "io.max")

_COUNTERS = {
    1: (("stat", "memory.stat"), ("events", "memory.oom_control"), ("kernel", "memory.kmem.usage_in_bytes")),
    2: (("stat", "memory.stat"), ("events", "memory.events")),
}


def find_place() -> Place | None:
    """Where groups can be made that have at least a limit of memory; None where nowhere."""
    mounts, own = _mounts(), _own_groups()
    if "memory" in mounts and "memory" in own:
        return _find_v1(mounts, own)
    if "" in mounts and "" in own:
        return _find_v2(mounts[""], own[""])
    return None


def _find_v1(mounts: dict[str, tuple[str, str]], own: dict[str, str]) -> Place | None:
    parents = {}
    for controller in _CONTROLLERS:
        if controller in mounts and controller in own:
            path = _path(*mounts[controller], own[controller])
            if path is not None and os.access(path, os.W_OK):
                parents[controller] = path
    # Without it a group below another one would not count for it.
    if "memory" not in parents or _value(parents["memory"], "memory.use_hierarchy") != "1":
        return None
    return Place(1, parents)


def _find_v2(mount: tuple[str, str], own: str) -> Place | None:
    path = _path(*mount, own)
    top = mount[0]
    counts: list[int] = []
    while path is not None and path != top and path.startswith(top):
        # A group whose processes are in it cannot have groups with limits below it. So they are made beside it, but not
        # beside one that has a limit itself, which they would leave. One of processes they can have as well: systemd
        # gives every service and scope one.
        if any(_value(path, name).split()[:1] not in ([], ["max"]) for name in _LIMITS_TO_KEEP):
            return None
        if (count := _value(path, "pids.max")).isdigit():
            counts.append(int(count))
        path = os.path.dirname(path)
        if not _is_ours(path):
            continue
        if path != top and not _value(path, "cgroup.procs"):
            _enable(path)
        controllers = _value(path, "cgroup.subtree_control").split()
        if "memory" in controllers and ("pids" in controllers or not counts):
            parents = {name: path for name in controllers if name in _CONTROLLERS}
            return Place(2, parents, min(counts, default=None))
    return None


def _is_ours(path: str) -> bool:
    """Whether groups can be made in one, and processes moved to them from others below it."""
    return os.access(path, os.W_OK) and os.access(os.path.join(path, "cgroup.procs"), os.W_OK)


def _enable(path: str) -> None:
    """Let groups below one have limits, where that may be: a part of a service that was delegated to this program."""
    missing = set(_value(path, "cgroup.controllers").split()) - set(_value(path, "cgroup.subtree_control").split())
    for name in missing.intersection(_CONTROLLERS):
        try:
            _write(os.path.join(path, "cgroup.subtree_control"), f"+{name}")
        except OSError:
            continue


def _tree(pid: int) -> set[int]:
    """A process and all that come from it."""
    found, new = {pid}, [pid]
    while new:
        one = new.pop()
        try:
            threads = os.listdir(f"/proc/{one}/task")
        except OSError:
            continue
        for thread in threads:
            children = {int(text) for text in _value(f"/proc/{one}/task/{thread}", "children").split()} - found
            found |= children
            new += children
    return found


def _mounts() -> dict[str, tuple[str, str]]:
    """By controller, ``""`` for version 2: where its hierarchy is mounted, and which part of it is there."""
    found: dict[str, tuple[str, str]] = {}
    for line in _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            found.setdefault("", (fields[4], fields[3]))
        elif kind[0] == "cgroup":
            for option in kind[2].split(","):
                found.setdefault(option, (fields[4], fields[3]))
    return found


def _own_groups() -> dict[str, str]:
    """By controller, ``""`` for version 2: the path of this program's group in its hierarchy."""
    found = {}
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _path(mount: str, root: str, group: str) -> str | None:
    """The directory of a group, where the mounted part of the hierarchy has it."""
    if root != "/":
        if group != root and not group.startswith(root + "/"):
            return None
        group = group[len(root) :]
    return os.path.normpath(f"{mount}/{group}") if "/.." not in group else None


def _clean(parent: str) -> None:
    """Remove groups of programs that have ended without doing so, and those that were left before."""
    _left[:] = [path for path in _left if not _remove(path)]
    space, _, _ = _identity(os.getpid()).split("-")
    with os.scandir(parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(f"{_PREFIX}{space}-")]
    for name in names:
        identity = name[len(_PREFIX) :].rpartition("-")[0]
        pid = identity.split("-")[1]
        if pid.isdigit() and _identity(int(pid)) != identity:
            _remove(os.path.join(parent, name))


def _identity(pid: int) -> str:
    """What no other process has: pid namespace, pid, and when it started; another's without the last, when it has ended."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
        started = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return f"{pid}"
    return f"{space}-{pid}-{started}"


def _make(path: str) -> None:
    os.mkdir(path)
    os.chmod(path, 0o755)  # whatever the umask: its counters are shown by one who is not root


def _remove(path: str) -> bool:
    """Remove a group; False when something is in it."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _value(directory: str, name: str) -> str:
    try:
        return _read(os.path.join(directory, name)).strip()
    except OSError:
        return ""


def _lines(path: str) -> list[str]:
    try:
        return _read(path).splitlines()
    except OSError:
        return []


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
