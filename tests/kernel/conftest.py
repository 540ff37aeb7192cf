"""Real kernels for the tests: a process, its sandbox, and a client that sees every message."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import Kernel


@pytest.fixture(scope="module")
def kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that the tests of one module share: none may leave it unusable."""
    with Kernel() as kernel:
        yield kernel


@pytest.fixture
def fresh_kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel for one test."""
    with Kernel() as kernel:
        yield kernel
