"""Control groups: where one can be made, and that none outlives its program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hopx_kernel.sandboxes import cgroup
from hopx_kernel.sandboxes.cgroup import Cgroup, Place


def make_tree(root: Path, groups: dict[str, dict[str, str]]) -> None:
    """Directories as a hierarchy of version 2 has them; files that are not named have a new group's content."""
    for name, files in groups.items():
        path = root / name
        path.mkdir(parents=True, exist_ok=True)
        usual = {"memory.max": "max", "memory.high": "max", "pids.max": "max", "cgroup.procs": "1\n"}
        for file, text in {**usual, "cgroup.subtree_control": "", **files}.items():
            (path / file).write_text(text)


def find_v2(root: Path, own: str) -> Place | None:
    return cgroup._find_v2((str(root), "/"), own)


def test_group_is_made_beside_the_scope_that_systemd_gave(tmp_path: Path) -> None:
    slice_ = "user.slice/user-1000.slice/user@1000.service/app.slice"
    make_tree(tmp_path, {slice_: {"cgroup.subtree_control": "cpu memory pids", "cgroup.procs": ""}})
    make_tree(tmp_path, {f"{slice_}/run-1.scope": {}})
    place = find_v2(tmp_path, f"/{slice_}/run-1.scope")
    assert place == Place(2, {"memory": str(tmp_path / slice_), "pids": str(tmp_path / slice_)})
    assert "v2" in str(place) and "memory, pids" in str(place)


@pytest.mark.parametrize("limit", ["memory.max", "memory.high"])
def test_limit_of_a_service_is_not_left(tmp_path: Path, limit: str) -> None:
    make_tree(tmp_path, {"system.slice": {"cgroup.subtree_control": "memory pids", "cgroup.procs": ""}})
    make_tree(tmp_path, {"system.slice/jupyter.service": {limit: "1000000"}})
    assert find_v2(tmp_path, "/system.slice/jupyter.service") is None


def test_part_that_a_service_delegates_is_used(tmp_path: Path) -> None:
    # As with Delegate=yes and DelegateSubgroup=main: the service's group has no process of its own.
    make_tree(tmp_path, {"system.slice/jupyter.service": {"cgroup.procs": "", "memory.max": "1000000"}})
    make_tree(tmp_path, {"system.slice/jupyter.service/main": {}})
    service = tmp_path / "system.slice/jupyter.service"
    assert find_v2(tmp_path, "/system.slice/jupyter.service/main") is None  # no controller can be had
    (service / "cgroup.subtree_control").write_text("memory")
    assert find_v2(tmp_path, "/system.slice/jupyter.service/main") == Place(2, {"memory": str(service)})


def test_hierarchy_without_the_controller_gives_none(tmp_path: Path) -> None:
    make_tree(tmp_path, {".": {}, "a": {}})
    assert find_v2(tmp_path, "/a") is None
    assert find_v2(tmp_path, "/") is None


def test_group_outside_of_what_is_mounted_gives_none(tmp_path: Path) -> None:
    assert cgroup._find_v2((str(tmp_path), "/docker/1"), "/other") is None
    assert cgroup._find_v2((str(tmp_path), "/"), "/../..") is None


LEAVE = """
import os, signal
from hopx_kernel.sandboxes.cgroup import Cgroup
group = Cgroup.make(1 << 30, 100)
print(*(group.directories.values() if group is not None else ()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_groups_of_a_program_that_was_killed_go_with_the_next() -> None:
    left = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, check=False).stdout.split()
    assert bool(left) == (cgroup.find_place() is not None)
    group = Cgroup.make(1 << 30, 100)
    assert not [path for path in left if Path(path).exists()]
    if group is not None:
        paths = list(group.directories.values())
        assert all(Path(path).exists() for path in paths)
        other = Cgroup.make(1 << 30, 100)  # which removes none of a program that lives
        assert all(Path(path).exists() for path in paths) and other is not None
        for one in (group, other):
            one.remove()
            one.remove()  # which is no harm
        assert not any(Path(path).exists() for path in paths)


def test_processes_that_are_in_it_end_with_it() -> None:
    group = Cgroup.make(1 << 30, 100)
    if group is None:
        assert cgroup.find_place() is None
        pytest.skip("no control group can be had here")
    process = subprocess.Popen(["sh", "-c", "sleep 900 & sleep 900"])
    group.take(process.pid)
    assert group.holds(process.pid) and not group.holds(os.getpid())
    group.kill()
    assert process.wait(60) == -9
    group.remove()
    assert not any(Path(path).exists() for path in group.directories.values())
