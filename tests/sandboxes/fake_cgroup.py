"""A hierarchy of control groups of version 2 in ordinary files, with the kernel's rules: see Linux's cgroup-v2.rst."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from hopx_kernel.sandboxes import cgroup

#: What a group has of each controller that its parent hands on.
FILES = {
    "memory": {
        "memory.max": "max\n",
        "memory.high": "max\n",
        "memory.swap.max": "max\n",
        "memory.oom.group": "0\n",
        "memory.stat": "anon 4096\nfile 0\nkernel 8192\nsock 0\nshmem 0\nslab_reclaimable 0\n",
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
    },
    "pids": {"pids.max": "max\n", "pids.current": "0\n"},
    "cpu": {"cpu.max": "max 100000\n"},
}


class FakeHierarchy:
    """The hierarchy; `root` stands for where it is mounted, in a namespace of control groups or not.

    Parameters
    ----------
    root : Path
        An empty directory.
    is_true_root : bool
        Whether it is the system's own root, which may have processes and hand on controllers.
    """

    def __init__(self, root: Path, is_true_root: bool = True) -> None:
        self.root, self.is_true_root = root, is_true_root
        self.killed: list[int] = []
        self.without: set[str] = set()  # files that this kernel does not know
        self.not_ours: set[str] = set()
        self._fill(root, "cpu memory pids")
        if is_true_root:
            for name in (name for files in FILES.values() for name in files):
                (root / name).unlink(missing_ok=True)

    def patch(self, monkeypatch: pytest.MonkeyPatch, own: str) -> None:
        """Have this program see this hierarchy alone, and itself in the group `own`."""
        for name in ("_make", "_remove", "_write", "_is_ours"):
            monkeypatch.setattr(cgroup, name, getattr(self, name))
        monkeypatch.setattr(cgroup, "_mounts", lambda: {"": (str(self.root), "/")})
        monkeypatch.setattr(cgroup, "_own_groups", lambda: {"": own})

    def add(self, name: str, pids: list[int] | None = None, hands_on: str = "", **limits: str) -> Path:
        """A group with those above it, which hand on all controllers; limits are named with ``_`` for the first dot."""
        path = self.root
        for part in name.split("/"):
            if not self._read(path, "cgroup.subtree_control"):
                self._hand_on(path, "cpu memory pids")
            path = path / part
            if not path.exists():
                self._make(str(path))
        if pids:
            (path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        if hands_on:
            self._hand_on(path, hands_on)
        for key, value in limits.items():
            (path / key.replace("_", ".", 1)).write_text(f"{value}\n")
        return path

    def group_of(self, pid: int) -> str:
        """The group that a process is in."""
        return next(
            f"/{file.parent.relative_to(self.root)}"
            for file in sorted(self.root.rglob("cgroup.procs"))
            if str(pid) in file.read_text().split()
        )

    def _fill(self, path: Path, controllers: str) -> None:
        files = {
            "cgroup.procs": "",
            "cgroup.controllers": controllers,
            "cgroup.subtree_control": "",
            "cgroup.kill": "",
            **{key: value for controller in controllers.split() for key, value in FILES[controller].items()},
        }
        for name, text in files.items():
            if name not in self.without and not (path / name).exists():
                (path / name).write_text(text)

    def _hand_on(self, path: Path, controllers: str) -> None:
        (path / "cgroup.subtree_control").write_text(controllers)
        for child in [child for child in path.iterdir() if child.is_dir()]:
            (child / "cgroup.controllers").write_text(controllers)
            self._fill(child, controllers)

    def _make(self, path: str) -> None:
        Path(path).mkdir()
        self._fill(Path(path), self._read(Path(path).parent, "cgroup.subtree_control"))

    def _remove(self, path: str) -> bool:
        group = Path(path)
        if not group.exists():
            return True
        if self._read(group, "cgroup.procs").split() or any(child.is_dir() for child in group.iterdir()):
            return False
        shutil.rmtree(group)
        return True

    def _is_ours(self, path: str) -> bool:
        return str(Path("/") / Path(path).relative_to(self.root)) not in self.not_ours

    def _write(self, path: str, text: str) -> None:
        file = Path(path)
        group, name = file.parent, file.name
        if not file.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if name == "cgroup.subtree_control":
            self._write_control(group, text)
        elif name == "cgroup.procs":
            if self._read(group, "cgroup.subtree_control") and not (group == self.root and self.is_true_root):
                raise OSError(errno.EBUSY, "a group that hands on controllers has no processes")
            for other in self.root.rglob("cgroup.procs"):
                other.write_text("".join(f"{pid}\n" for pid in other.read_text().split() if pid != text))
            file.write_text(file.read_text() + f"{text}\n")
        elif name == "cgroup.kill":
            self.killed += map(int, self._read(group, "cgroup.procs").split())
            (group / "cgroup.procs").write_text("")
        elif name == "memory.max" and text.isdigit():
            file.write_text(f"{int(text) // 4096 * 4096}\n")
        else:
            file.write_text(f"{text}\n")

    def _write_control(self, group: Path, text: str) -> None:
        if self._read(group, "cgroup.procs").split() and not (group == self.root and self.is_true_root):
            raise OSError(errno.EBUSY, "a group with processes hands on no controllers")
        name = text[1:]
        if name not in self._read(group, "cgroup.controllers").split():
            raise FileNotFoundError(errno.ENOENT, "no such controller")
        self._hand_on(group, f"{self._read(group, 'cgroup.subtree_control')} {name}".strip())

    def _read(self, path: Path, name: str) -> str:
        try:
            return (path / name).read_text()
        except FileNotFoundError:
            return ""
