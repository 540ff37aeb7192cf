"""Real sandboxes for the library's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hopx_kernel import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of the local kind, of this test alone."""
    with Sandbox.create() as sandbox:
        yield sandbox
