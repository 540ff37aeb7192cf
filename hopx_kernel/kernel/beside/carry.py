"""Bytes from the kernel's own sandbox and into it, by way of the magic that was used there. Nobody here reads them."""

from __future__ import annotations

import asyncio
from typing import Any

from ...errors import SandboxError
from ...library.inside.values import Refused
from .use import Answer, Use

__all__ = ["MagicBasket", "MagicSink", "MagicSource", "ask"]

#: What one message carries, in bytes.
CHUNK_BYTES = 1 << 19


async def ask(use: Use, question: str, buffers: tuple[bytes, ...] = (), **content: Any) -> Answer:
    """Ask the magic, in the library's loop. Raises `OSError` and `SandboxError`."""
    return (await asyncio.wrap_future(use.ask(question, buffers, **content))).check()


class MagicSource:
    """A variable or a file of the sandbox's; see `Source`."""

    def __init__(self, use: Use, key: str, name: str, size: int) -> None:
        if size < 0:
            raise SandboxError(f"the sandbox gave no size for {key!r:.80}")
        self.name = name
        self.size = size
        self._use = use
        self._key = key

    async def read(self, max_bytes: int) -> bytes:
        """See `Source`."""
        size = min(max_bytes, CHUNK_BYTES)
        data = (await ask(self._use, "read", source=self._key, max_bytes=size)).data
        if len(data) > size:
            raise SandboxError(f"the sandbox sent more of {self._key!r:.80} than it was asked for")
        return data

    async def aclose(self) -> None:
        """See `Source`: the magic closes it at its end."""


class MagicSink:
    """A variable or a file of the sandbox's that comes to be; see `Sink`."""

    def __init__(self, use: Use) -> None:
        self._use = use

    async def write(self, data: bytes) -> None:
        """See `Sink`."""
        for start in range(0, len(data), CHUNK_BYTES):
            await ask(self._use, "write", (data[start : start + CHUNK_BYTES],))

    async def keep(self) -> str:
        """See `Sink`; gives a file's path. Raises `Refused` for bytes that are no value there."""
        answer = await asyncio.wrap_future(self._use.ask("keep"))
        if answer.fault is not None:
            raise Refused(answer.fault)
        return str(answer.check().content.get("path", ""))

    async def aclose(self) -> None:
        """See `Sink`: the magic closes it at its end, or with the next."""


class MagicBasket:
    """Values for the sandbox's namespace; see `Basket`."""

    def __init__(self, use: Use) -> None:
        self._use = use

    async def open(self, name: str, size: int) -> MagicSink:
        """See `Basket`."""
        await ask(self._use, "make", name=name, size=size)
        return MagicSink(self._use)

    def bind(self) -> None:
        """See `Basket`."""
        self._use.ask("bind").result().check()
