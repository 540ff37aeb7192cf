"""What a sandbox holds, by what its control group and /proc tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from hopx_kernel.runner import holdings
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
