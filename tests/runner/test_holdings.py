"""What a sandbox holds, by what its control group and /proc tell."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from hopx_kernel.runner import holdings, kept
from hopx_kernel.runner.holdings import Counters

MIB = 1 << 20


class WaitedError(Exception):
    """A wait that was not to be."""


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the counters of a control group are read; its waits fail."""

    def fail(_seconds: float) -> None:
        raise WaitedError

    monkeypatch.setattr(holdings, "_COUNTERS", f"{tmp_path}/memory.")
    monkeypatch.setattr("hopx_kernel.runner.holdings.time.sleep", fail)
    return tmp_path


def write_counters(group: Path, version: int, anon: int, shmem: int, kernel: int) -> None:
    """Write counters as the kernel shows them."""
    if version == 1:
        (group / "memory.stat").write_text(f"cache 1\nrss 1\ntotal_rss {anon}\ntotal_shmem {shmem}\n")
        (group / "memory.kernel").write_text(f"{kernel}\n")
    else:
        text = f"anon {anon}\nfile 1\nkernel {kernel + 5 * MIB}\nshmem {shmem}\nslab_reclaimable {5 * MIB}\n"
        (group / "memory.stat").write_text(text)


@pytest.mark.parametrize("version", [1, 2])
def test_room_is_waited_for_until_processes_have_given_it_back(
    group: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "_used", lambda path, _: 120 * MIB if path == "/tmp" else 0)
    write_counters(group, version, 300 * MIB, 120 * MIB, 20 * MIB)
    with pytest.raises(WaitedError):
        Counters().wait_for_room(300 * MIB, ("/tmp",))
    write_counters(group, version, 150 * MIB, 120 * MIB, 20 * MIB)
    Counters().wait_for_room(300 * MIB, ("/tmp",))


@pytest.mark.parametrize("version", [1, 2])
def test_files_that_stay_are_not_waited_for(group: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings, "_used", lambda path, _: 330 * MIB if path == "/workspace" else 0)
    write_counters(group, version, 40 * MIB, 330 * MIB, 20 * MIB)
    Counters().wait_for_room(300 * MIB, ("/workspace",))


def test_look_that_had_no_time_accuses_nobody_of_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept._Allowance, "is_over", True)
    with Path("/proc/self/stat").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert 0 < kept.estimate_locks() < MIB


@pytest.mark.parametrize(
    ("waiting", "udp", "expected_pages"),
    [(0, 0, 0), (3, 0, 3 * 2048), (0, 2, 2 * 104), (100, 50, 100 * 2048 + 50 * 104)],
)
def test_memory_of_other_networks_counts_for_no_more_than_ours_can_hold(
    waiting: int, udp: int, expected_pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["0: a b 01 00000001:00000000"] * waiting + ["0: a b 01 00000000:00000000"] * (100 - waiting)
    texts = {
        "/proc/net/sockstat": f"TCP: inuse 100 orphan 90000 tw 0 alloc 100 mem 9999999\nUDP: inuse {udp} mem 9999999\n",
    }
    monkeypatch.setattr(kept, "read_text", lambda path: texts.get(path, ""))
    monkeypatch.setattr(kept, "_rows_in_time", lambda path: [row.split() for row in rows if path == "/proc/net/tcp"])
    held, netlink = kept.estimate_uncounted()
    own = 100 * kept._TCP_OWN_BYTES + udp * kept._UDP_OWN_BYTES
    assert (held - own, netlink) == (expected_pages * os.sysconf("SC_PAGE_SIZE"), 0)
