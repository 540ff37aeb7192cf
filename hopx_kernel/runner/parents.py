"""Whose output is it: the request that the running thread or task works for.

A request's code runs with `current` set to its id. Tasks inherit it with their context; threads are given it here.
What has no context of its own (threads of C libraries, file descriptors) counts as the last request's.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

from . import limits

__all__ = ["current", "get_parent_id", "inherit_in_threads", "last", "set_last"]

#: The request that output without a context belongs to: one item, which `set_last` replaces.
last = [""]

#: The ``msg_id`` of the request that this context works for; unset where nobody set it.
current: ContextVar[str] = ContextVar("hopx_parent_id")


def get_parent_id() -> str:
    """The ``msg_id`` that output of the calling context belongs to, ``""`` before the first request."""
    return current.get(last[0])


def set_last(parent_id: str) -> None:
    """Note the request that output without a context belongs to."""
    last[0] = parent_id


def inherit_in_threads() -> None:
    """Make threads that are started from now on work for the request that started them."""
    start, bootstrap = threading.Thread.start, threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def start_with_parent(self: threading.Thread) -> None:
        self.__dict__["_hopx_parent_id"] = get_parent_id()
        try:
            start(self)
        except RuntimeError as exc:
            limits.note_thread_failure(exc)
            raise

    def bootstrap_with_parent(self: Any) -> None:
        parent_id = self.__dict__.pop("_hopx_parent_id", None)
        if parent_id is not None:
            current.set(parent_id)
        bootstrap(self)

    start_with_parent.__doc__ = start.__doc__
    threading.Thread.start = start_with_parent  # type: ignore[method-assign]
    threading.Thread._bootstrap_inner = bootstrap_with_parent  # type: ignore[attr-defined]
