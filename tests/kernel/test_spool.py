"""The file with a cell's whole output: what is missing from it, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from hopx_kernel.kernel.spool import MEMORY_BYTES, Spool, SpoolDirectory

from .client import Kernel


class Directory(SpoolDirectory):
    """One that a test has made."""

    def __init__(self, directory: Path, limit_bytes: int | None = None) -> None:
        super().__init__(limit_bytes)
        self._path = directory

    def path(self, name: str) -> Path:
        return self._path / name


def test_whole_output_is_told_by_its_path_alone(tmp_path: Path) -> None:
    spool = Spool(Directory(tmp_path), "cell", None)
    spool.write("x" * MEMORY_BYTES + "é")
    assert spool.where() == str(tmp_path / "cell")
    spool.close()
    assert (tmp_path / "cell").read_text() == "x" * MEMORY_BYTES + "é"


def test_output_over_the_limit_names_its_option(tmp_path: Path) -> None:
    spool = Spool(Directory(tmp_path), "cell", 10)
    spool.write("x" * 11)
    assert spool.where() == f"{tmp_path / 'cell'} (cut at its size limit, option spool_limit)"
    spool.close()
    assert (tmp_path / "cell").read_text() == "x" * 10


def test_full_disk_of_the_computer_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "cell").symlink_to("/dev/full")
    spool = Spool(Directory(tmp_path), "cell", 1 << 30)
    spool.write("x" * MEMORY_BYTES)
    where = spool.where()
    assert where.endswith("(cut where this computer's disk was full: No space left on device)")
    spool.close()
    assert spool.where() == where


def test_file_that_cannot_be_made_is_told_with_the_reason(tmp_path: Path) -> None:
    spool = Spool(Directory(tmp_path / "missing"), "cell", None)
    spool.write("x")
    assert "No such file or directory" in spool.where()
    spool.close()


@pytest.mark.parametrize("limit", [5, None])
def test_small_output_makes_no_file_before_it_is_asked_for(tmp_path: Path, limit: int | None) -> None:
    spool = Spool(Directory(tmp_path), "cell", limit)
    spool.write("small")
    assert not list(tmp_path.iterdir())
    assert spool.where() == str(tmp_path / "cell")
    spool.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_file_is_open_between_two_writes(tmp_path: Path) -> None:
    directory, before = Directory(tmp_path), open_files()
    spools = [Spool(directory, f"cell-{number}", None) for number in range(50)]
    for spool in spools:
        spool.write("x" * MEMORY_BYTES)
    assert open_files() == before
    for spool in spools:  # what a thread prints after its cell
        spool.where()
        spool.write("late")
        spool.close()
    assert {path.read_text()[-5:] for path in tmp_path.iterdir()} == {"xlate"}
    assert open_files() == before


def test_all_files_are_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 3 * MEMORY_BYTES)
    spools = [Spool(directory, str(number), None) for number in range(5)]
    for spool in spools:
        spool.write("x" * MEMORY_BYTES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "4"]
    assert spools[0].where() == "it was removed to make room for the output of later cells"
    spools[1].write("y" * MEMORY_BYTES)
    assert spools[1].where() == spools[0].where()
    assert spools[4].where() == str(tmp_path / "4")
    spools[4].discard()
    spools[3].write("x" * MEMORY_BYTES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]


def test_cells_over_the_limit_hold_no_descriptors() -> None:
    with Kernel("--HopxConfig.output_limit=1KiB") as kernel:
        kernel.run("1")
        before = kernel.process.num_fds()
        for number in range(20):
            assert "All of it: " in kernel.run(f"print('{number}\\n' * 200_000)").text("stderr")
        # The directory's own, and that of the process that removes it.
        assert kernel.process.num_fds() - before < 10
