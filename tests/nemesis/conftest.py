"""Kernels that tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests.kernel.client import Kernel

from .faults import Kernels
from .processes import tree, wait_gone


@pytest.fixture(scope="module")
def kernels(jupyter_environment: dict[str, str]) -> Iterator[Kernels]:
    """Kernels by their options, which the faults that do not end them share."""
    running: dict[tuple[str, ...], Kernel] = {}
    seen: set[psutil.Process] = set()
    with ExitStack() as stack:

        @contextmanager
        def use(*options: str) -> Iterator[Kernel]:
            kernel = running.pop(options, None) or stack.enter_context(Kernel(*options))
            seen.update(tree(kernel.process))
            yield kernel
            running[options] = kernel  # and no other test meets one with which something was wrong
            seen.update(tree(kernel.process))

        yield use
        for kernel in running.values():
            kernel.shut_down()
    assert wait_gone(seen) == []
