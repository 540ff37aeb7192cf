"""Calls into an asyncio loop from other threads. Imports the standard library only."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

__all__ = ["call_soon_threadsafe"]


def call_soon_threadsafe(loop: asyncio.AbstractEventLoop, func: Callable[..., object], *args: Any) -> None:
    """As the loop's method of this name, for functions that call anyio. Raises `RuntimeError` once the loop has ended.

    Where sniffio is installed (openai and trio bring it), anyio asks it which loop runs, and sniffio recognises only
    tasks: in a bare callback, anyio would find no loop.
    """
    context = copy_context()
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        context.run(sniffio.current_async_library_cvar.set, "asyncio")
    loop.call_soon_threadsafe(func, *args, context=context)
