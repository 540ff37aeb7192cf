"""A test that hangs fails after a while, and the others run: for coroutines too.

A pytest plugin. What pytest-timeout raises into an event loop ends anyio's runner of tests, which then waits for ever for
the next one. So a coroutine's process is ended with its stacks shown; pytest-xdist reports that test, and starts another.
"""

from __future__ import annotations

import inspect

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have each coroutine timed by a thread."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.timeout(method="thread"))
