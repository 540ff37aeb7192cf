"""A local sandbox for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox


@pytest.fixture
async def sandbox(anyio_backend: str) -> AsyncIterator[LocalSandbox]:
    async with LocalSandbox(SandboxOptions(memory_bytes=1 << 30)) as running:
        yield running
