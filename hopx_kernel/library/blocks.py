"""Both kinds of ``with`` block, for what ends in a blocking and in an awaited way."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

__all__ = ["BothBlocks"]

SelfT = TypeVar("SelfT", bound="BothBlocks")


class BothBlocks:
    """``with x`` and ``async with x``, which end it by `close` and `aclose`."""

    def close(self) -> None:
        """End it, and wait until it has ended."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """As `close`."""
        raise NotImplementedError

    def __enter__(self: SelfT) -> SelfT:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self: SelfT) -> SelfT:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()
