"""Ordinary Python kernels with the extension loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import PythonKernel


@pytest.fixture(scope="module")
def kernel(jupyter_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonKernel]:
    """A kernel that the tests of one module share; each test uses a sandbox of its own name."""
    with PythonKernel(tmp_path_factory.mktemp("cwd")) as kernel:
        yield kernel


@pytest.fixture
def fresh_kernel(jupyter_environment: dict[str, str], tmp_path: Path) -> Iterator[PythonKernel]:
    """A kernel for one test."""
    with PythonKernel(tmp_path) as kernel:
        yield kernel


@pytest.fixture
def name(request: pytest.FixtureRequest, kernel: PythonKernel) -> Iterator[str]:
    """A name for a sandbox, which is killed afterwards."""
    name = f"s{abs(hash(request.node.name))}"
    yield name
    kernel.run(
        f"if '{name}' in get_ipython().magics_manager.magics['line']['sandbox'].__self__.registry.names():\n"
        f"    get_ipython().run_line_magic('sandbox', '{name} kill')"
    )
