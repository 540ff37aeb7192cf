"""Runners for tests: bare ones, and ones in a process namespace of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import HoldGil, RunnerClient, open_runner

#: A process namespace of its own, with us as its first process; everything else is the machine's.
NAMESPACE = (
    *("bwrap", "--unshare-user", "--unshare-pid", "--die-with-parent", "--as-pid-1"),
    *("--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
)


@pytest.fixture
def runner() -> Iterator[RunnerClient]:
    with open_runner() as client:
        yield client


@pytest.fixture
def hold_gil(tmp_path: Path) -> HoldGil:
    return HoldGil(tmp_path / "fifo")


@pytest.fixture
def namespace() -> tuple[str, ...]:
    """What to start a runner with where its code must not reach this machine's processes."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    return NAMESPACE
