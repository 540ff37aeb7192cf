"""Control groups of version 2, on a hierarchy of files that keeps the kernel's rules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hopx_kernel import doctor
from hopx_kernel.runner import holdings
from hopx_kernel.sandboxes import cgroup
from hopx_kernel.sandboxes.cgroup import OVERHEAD_BYTES, OWN_PROCESSES, Cgroup

from .fake_cgroup import FakeHierarchy

GIB = 1 << 30
SLICE = "user.slice/user-1000.slice/user@1000.service/app.slice"
SCOPE = f"{SLICE}/run-1.scope"
SERVICE = "system.slice/jupyter.service"


@pytest.fixture
def tree(tmp_path: Path) -> FakeHierarchy:
    return FakeHierarchy(tmp_path)


def make(memory_bytes: int | None = GIB, processes: int | None = 512) -> Cgroup:
    group = Cgroup.make(memory_bytes, processes)
    assert group is not None
    return group


def test_scope_of_a_user_gets_a_group_beside_it(tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.add(SCOPE, [10, 11])
    tree.patch(monkeypatch, f"/{SCOPE}")
    group = make(GIB + 17)
    path = Path(group.directories["memory"])
    assert set(group.directories.values()) == {str(path)} and path.parent == tree.root / SLICE
    # As the kernel has rounded them; nothing is swapped, and no group is ended as a whole.
    assert group.limits == {"memory": GIB + OVERHEAD_BYTES, "pids": 512 + OWN_PROCESSES}
    texts = {name: (path / name).read_text().strip() for name in ("memory.max", "memory.swap.max", "memory.oom.group")}
    assert texts == {"memory.max": str(GIB + OVERHEAD_BYTES), "memory.swap.max": "0", "memory.oom.group": "0"}
    assert group.counters() == {
        "/run/hopx/memory.stat": f"{path}/memory.stat",
        "/run/hopx/memory.events": f"{path}/memory.events",
    }
    group.remove()
    assert not path.exists()


def test_limit_of_processes_that_systemd_gives_goes_with_them(
    tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.add(SCOPE, [10], pids_max="300")
    tree.patch(monkeypatch, f"/{SCOPE}")
    for processes, limit in ((512, 300), (100, 100 + OWN_PROCESSES), (None, 300)):
        group = make(GIB, processes)
        assert group.limits["pids"] == limit
        group.remove()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("memory.max", "1000000"), ("memory.high", "1000000"), ("memory.swap.max", "0")),
        *(("cpu.max", "50000 100000"), ("cpuset.cpus", "0-1"), ("cpuset.mems", "0"), ("io.max", "8:0 rbps=1")),
    ],
)
def test_limit_of_ones_own_is_not_left(
    tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (tree.add(SCOPE, [10]) / name).write_text(f"{value}\n")
    tree.patch(monkeypatch, f"/{SCOPE}")
    assert cgroup.find_place() is None and Cgroup.make(GIB, 512) is None


def test_limit_between_is_not_left_and_one_above_stays(tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.add(SCOPE, [10])
    tree.patch(monkeypatch, f"/{SCOPE}")
    (tree.root / SLICE / "memory.max").write_text("1000000\n")
    assert make().directories["memory"].startswith(str(tree.root / SLICE))  # which goes on holding for it
    tree.not_ours = {f"/{SLICE}"}
    assert cgroup.find_place() is None  # what is above would be without it


def test_groups_of_others_are_not_used(tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    # As of a login by ssh, whose scope and slice are the system's.
    own = "user.slice/user-1000.slice/session-3.scope"
    tree.add(own, [10])
    tree.not_ours = {"/", "/user.slice", "/user.slice/user-1000.slice", f"/{own}"}
    tree.patch(monkeypatch, f"/{own}")
    assert cgroup.find_place() is None


def test_service_hands_on_controllers_where_no_process_is_in_it(
    tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With Delegate=yes and DelegateSubgroup=main, and a limit of the whole service.
    (tree.add(SERVICE) / "memory.max").write_text(f"{4 * GIB}\n")
    main = tree.root / SERVICE / "main"
    tree._make(str(main))
    (main / "cgroup.procs").write_text("10\n")
    tree.not_ours = {"/", "/system.slice"}
    tree.patch(monkeypatch, f"/{SERVICE}/main")
    assert not (main / "memory.max").exists()
    group = make()
    assert Path(group.directories["memory"]).parent == tree.root / SERVICE
    assert {*(tree.root / SERVICE / "cgroup.subtree_control").read_text().split()} == {"memory", "pids"}
    assert (tree.root / SERVICE / "memory.max").read_text() == f"{4 * GIB}\n"


def test_service_with_a_process_of_its_own_hands_on_nothing(
    tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.add(SERVICE, [9])
    tree._make(str(tree.root / SERVICE / "main"))
    tree.not_ours = {"/", "/system.slice"}
    tree.patch(monkeypatch, f"/{SERVICE}/main")
    with pytest.raises(OSError, match="hands on no controllers"):
        tree._write(str(tree.root / SERVICE / "cgroup.subtree_control"), "+memory")
    assert cgroup.find_place() is None
    assert (tree.root / SERVICE / "cgroup.subtree_control").read_text() == ""


def test_container_gives_a_group_once_its_processes_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = FakeHierarchy(tmp_path, is_true_root=False)
    (tmp_path / "cgroup.procs").write_text("1\n7\n")
    tree.patch(monkeypatch, "/")
    assert cgroup.find_place() is None
    # What doctor says is to be done.
    tree._make(str(tmp_path / "init"))
    for pid in ("1", "7"):
        tree._write(str(tmp_path / "init" / "cgroup.procs"), pid)
    for name in ("memory", "pids"):
        tree._write(str(tmp_path / "cgroup.subtree_control"), f"+{name}")
    tree.patch(monkeypatch, "/init")
    assert Path(make().directories["pids"]).parent == tmp_path


@pytest.mark.parametrize("file", ["memory.swap.max", "cgroup.kill", "memory.oom.group"])
def test_kernel_that_lacks_a_part_gives_a_group(
    tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    tree.add(SCOPE, [10])
    tree.without = {file}
    tree.patch(monkeypatch, f"/{SCOPE}")
    assert make().limits["memory"] == GIB + OVERHEAD_BYTES


@pytest.mark.parametrize("file", ["memory.max", "pids.max"])
def test_group_that_takes_no_limit_is_none_and_none_is_left(
    tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    tree.add(SCOPE, [10])
    tree.without = {file}
    tree.patch(monkeypatch, f"/{SCOPE}")
    assert Cgroup.make(GIB, 512) is None
    assert not list((tree.root / SLICE).glob("hopx-*"))
    check = doctor._check_memory_bound()
    assert not check.ok and not check.required and "watched" in check.cause


def test_processes_are_taken_in_and_ended_together(tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.add(SCOPE, [10, 21, 22, 23])
    tree.patch(monkeypatch, f"/{SCOPE}")
    monkeypatch.setattr(cgroup, "_tree", lambda _: {21, 22, 23})
    group = make()
    group.take(21)
    path = group.directories["memory"]
    assert {tree.group_of(pid) for pid in (21, 22, 23)} == {f"/{SLICE}/{Path(path).name}"}
    assert tree.group_of(10) == f"/{SCOPE}"
    group.kill()
    assert sorted(tree.killed) == [21, 22, 23]
    group.remove()
    assert not Path(path).exists()


def test_process_that_cannot_be_moved_is_not_in_it(tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.add(SCOPE, [10, 21])
    tree.patch(monkeypatch, f"/{SCOPE}")
    group = make()

    def refuse(path: str, text: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(cgroup, "_write", refuse)
    group.take(os.getpid())
    assert not group.holds(os.getpid())


def test_ends_for_want_of_memory_are_counted_inside_and_outside(
    tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.add(SCOPE, [10])
    tree.patch(monkeypatch, f"/{SCOPE}")
    group = make()
    path = Path(group.directories["memory"])
    monkeypatch.setattr(holdings, "_COUNTERS", f"{path}/memory.")
    counters = holdings.Counters()
    assert counters.are_there and not counters.have_killed() and group.oom_kills() == 0
    events = "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n"
    (path / "memory.events").write_text(events)
    assert group.oom_kills() == counters.oom_kills() == 2 and counters.have_killed()
    counters.mark()
    assert not counters.have_killed()


def test_doctor_names_the_place(tree: FakeHierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.add(SCOPE, [10])
    tree.patch(monkeypatch, f"/{SCOPE}")
    check = doctor._check_memory_bound()
    assert check.ok and check.detail == f"hard, by control groups v2 (memory, pids) in {tree.root / SLICE}"
    tree.not_ours = {
        f"/{part}" for part in ("", "user.slice", "user.slice/user-1000.slice", SLICE, str(Path(SLICE).parent))
    }
    check = doctor._check_memory_bound()
    assert not check.ok and "systemd-run --user --scope" in check.remedy and "cgroup.subtree_control" in check.remedy
