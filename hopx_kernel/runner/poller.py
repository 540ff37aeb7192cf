"""Waiting for file descriptors, with what the order of stdout and stderr needs where the system has it."""

from __future__ import annotations

import select
from typing import Dict, List, Tuple

__all__ = ["Poller"]


class Poller:
    """`select.epoll`, or `select.poll` where there is none.

    `modify` with `edge` reports a descriptor once for each time it gets ready, in the order in which that happened.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll(sizehint=16) if hasattr(select, "epoll") else None
        self._poll = select.poll() if self._epoll is None else None
        self._masks: Dict[int, int] = {}

    def set(self, fd: int, read: bool = False, write: bool = False, edge: bool = False, again: bool = False) -> None:
        """Watch `fd` for this from now on, and for nothing else; `again` reports an edge that was reported before."""
        mask = (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
        if self._epoll is None:
            assert self._poll is not None
            self._poll.register(fd, mask)
            return
        if edge and read:
            mask |= select.EPOLLET
        old = self._masks.get(fd)
        if old is None:
            self._epoll.register(fd, mask)
        elif old != mask or again:
            self._epoll.modify(fd, mask)
        self._masks[fd] = mask

    def forget(self, fd: int) -> None:
        """Watch `fd` no more."""
        if self._masks.pop(fd, None) is not None and self._epoll is not None:
            self._epoll.unregister(fd)
        elif self._poll is not None:
            try:
                self._poll.unregister(fd)
            except KeyError:
                pass

    def poll(self, timeout: float) -> List[Tuple[int, int]]:
        """Wait at most `timeout` seconds; gives descriptors and event masks."""
        if self._epoll is not None:
            return self._epoll.poll(max(timeout, 0))
        assert self._poll is not None
        return self._poll.poll(max(timeout, 0) * 1000)
