"""The file with a cell's whole output: what is missing from it, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from hopx_kernel.kernel.spool import MEMORY_BYTES, Spool, SpoolDirectory


class Directory(SpoolDirectory):
    """One that a test has made."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
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
    assert "No space left on device" in where and "this computer" in where and "limit" not in where
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
