"""Runners for tests: bare ones, and ones in a process namespace of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hopx_kernel.sandboxes.bwrap import find_bwrap

from .client import HoldGil, RunnerClient, open_runner

#: A process namespace of its own, with the runner as its first process; everything else is the machine's.
_NAMESPACE = (
    *("--unshare-user", "--unshare-pid", "--die-with-parent", "--as-pid-1"),
    *("--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
)


@pytest.fixture
def runner() -> Iterator[RunnerClient]:
    with open_runner() as client:
        yield client


@pytest.fixture
def hold_gil(tmp_path: Path) -> HoldGil:
    return HoldGil(tmp_path / "fifo")


@pytest.fixture(scope="session")
def namespace() -> tuple[str, ...]:
    """What to start a runner with where its code must not reach this machine's processes: the product's own bubblewrap."""
    return (find_bwrap(), *_NAMESPACE)
