"""Kernels whose cells have ``%%sandbox``: each test runs through every door, unless it names one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import DOORS, Kernel, PythonKernel, ok

_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=DOORS)
def kernel(
    request: pytest.FixtureRequest, jupyter_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    """A kernel that the tests of one module share; each test uses a sandbox of its own name."""
    with DOORS[request.param](tmp_path_factory.mktemp("cwd")) as kernel:
        yield kernel


@pytest.fixture(params=DOORS)
def fresh_kernel(
    request: pytest.FixtureRequest, jupyter_environment: dict[str, str], tmp_path: Path
) -> Iterator[Kernel]:
    """A kernel for one test."""
    with DOORS[request.param](tmp_path) as kernel:
        yield kernel


@pytest.fixture
def python_kernel(jupyter_environment: dict[str, str], tmp_path: Path) -> Iterator[PythonKernel]:
    """An ordinary kernel for one test of what only such a one does."""
    with PythonKernel(tmp_path) as kernel:
        yield kernel


@pytest.fixture
def name(kernel: Kernel) -> Iterator[str]:
    """A name for a sandbox, which is killed afterwards."""
    name = f"box{next(_numbers)}z"
    yield name
    if f"\n{name} " in ok(kernel.run("%sandbox")).text():
        ok(kernel.run(f"%sandbox {name} kill"))


@pytest.fixture
def directory(kernel: Kernel) -> Iterator[str]:
    """The name of a directory of the kernel's own, for this test alone; it is the current one."""
    directory = f"directory-{next(_numbers)}"
    ok(kernel.run(f"import os; os.mkdir({directory!r}); os.chdir({directory!r})"))
    yield directory
    ok(kernel.run("os.chdir('..')"))
