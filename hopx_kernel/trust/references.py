"""Which widgets hold which others, so that none holds itself, and none is shown more often than a page can bear.

A page that makes a widget waits for all that it holds, and takes no other message meanwhile: for a widget that holds
itself, by whatever way, it waits for ever. And it makes a view for each way that leads to a widget: of thirty boxes, each of
which holds the next one twice, a thousand million.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Any, Final

__all__ = ["REFERENCES", "References"]

#: Kinds of values that hold widgets, by their names.
REFERENCES: Final = frozenset({"ref", "refs", "refmap", "refsmap"})
_PREFIX = "IPY_MODEL_"

#: References of all widgets together, and how many widgets are looked at for one of them; what is over is refused.
MAX_REFERENCES = 300_000
MAX_LOOKED_AT = 20_000
#: Views of a widget with all that it holds, up to which a reference may make more than one of them; and how deep widgets that are shown lie in one another.
MAX_VIEWS = 20_000
MAX_NESTED = 100
#: What is held for its looks; it holds nothing itself.
_UNSEEN = frozenset({"layout", "style"})


class _Hold:
    """What one widget comes to hold under a key.

    Parameters
    ----------
    ways : int
        How many views there are of the widget itself; 0 where what it holds has none.
    above : collection of str
        What holds it, and what holds that.
    """

    def __init__(self, ways: int = 0, above: Collection[str] = ()) -> None:
        self.ways = ways
        self.above = above
        self.names: list[str] = []
        #: How many views there are of what it may hold, as far as they were counted.
        self.views: dict[str, int] = {}
        #: How many there are already of all that holds it, with what that holds, once it was counted.
        self.made: int | None = None


def _bounded(counts: Iterable[int], start: int, depth: int) -> int:
    """A sum, up to where it is too much anyhow, which it is too where widgets lie too deep in one another."""
    if depth > MAX_NESTED:
        return MAX_VIEWS + 1
    for count in counts:
        start += count
        if start > MAX_VIEWS:
            break
    return start


class References:
    """Who holds whom."""

    def __init__(self) -> None:
        #: What each widget holds, by key.
        self._held: dict[str, dict[str, tuple[str, ...]]] = {}
        #: Who holds each widget, and how often.
        self._holders: dict[str, dict[str, int]] = {}
        self._count = 0

    def keep(self, owner: str, key: str, value: Any) -> Any:
        """What of a value passes, which is from now on what the widget holds under a key."""
        self._drop(owner, self._held.get(owner, {}).pop(key, ()))
        hold = _Hold() if key in _UNSEEN else self._room_for(owner)
        kept = self._filtered(owner, value, hold)
        if hold.names:
            self._held.setdefault(owner, {})[key] = tuple(hold.names)
            for name in hold.names:
                holders = self._holders.setdefault(name, {})
                holders[owner] = holders.get(owner, 0) + 1
            self._count += len(hold.names)
        return kept

    def forget(self, owner: str) -> None:
        """Note that a widget is gone, and holds nothing more."""
        for held in self._held.pop(owner, {}).values():
            self._drop(owner, held)

    def _room_for(self, owner: str) -> _Hold:
        above: dict[str, int] = {}
        return _Hold(self._ways_to(owner, above, 0), above)

    def _has_room(self, hold: _Hold, name: str) -> bool:
        """Whether a widget, with all that it holds, finds room still; what has one view only takes none."""
        if not hold.ways:
            return True
        more = hold.ways * self._views_of(name, hold.views, 0)
        if more == 1:
            return True
        if hold.made is None:
            tops = (top for top in hold.above if top not in self._holders)
            hold.made = max(self._views_of(top, hold.views, 0) for top in tops)
        if hold.made + more > MAX_VIEWS:
            return False
        hold.made += more
        return True

    def _drop(self, owner: str, held: tuple[str, ...]) -> None:
        self._count -= len(held)
        for name in held:
            holders = self._holders[name]
            holders[owner] -= 1
            if not holders[owner]:
                del holders[owner]
            if not holders:
                del self._holders[name]

    def _filtered(self, owner: str, value: Any, hold: _Hold) -> Any:
        if isinstance(value, str):
            name = sys.intern(value.removeprefix(_PREFIX))
            if not self._may_hold(owner, name) or self._count + len(hold.names) >= MAX_REFERENCES:
                return None
            if not self._has_room(hold, name):
                return None
            hold.names.append(name)
            return value
        if isinstance(value, list):
            each = (self._filtered(owner, item, hold) for item in value)
            return [item for item, given in zip(each, value, strict=True) if item is not None or given is None]
        if isinstance(value, dict):
            found = {key: self._filtered(owner, item, hold) for key, item in value.items()}
            return {key: item for key, item in found.items() if item is not None or value[key] is None}
        return value

    def _may_hold(self, owner: str, name: str) -> bool:
        # What nobody holds, as most widgets when they are opened, is not held by what it holds.
        return name != owner and (owner not in self._holders or not self._leads(name, owner))

    def _views_of(self, name: str, known: dict[str, int], depth: int) -> int:
        """How many views there are of a widget and all that it holds; more than `MAX_VIEWS` where nobody counts further."""
        if name not in known:
            held = self._held.get(name)
            if held is None or _UNSEEN.issuperset(held):
                return 1
            below = (item for key, names in held.items() if key not in _UNSEEN for item in names)
            known[name] = _bounded((self._views_of(item, known, depth + 1) for item in below), 1, depth)
        return known[name]

    def _ways_to(self, name: str, known: dict[str, int], depth: int) -> int:
        """How many views there are of a widget by all that hold it; more than `MAX_VIEWS` where nobody counts further."""
        if name not in known:
            holders = self._holders.get(name, {}).items()
            ways = _bounded((count * self._ways_to(holder, known, depth + 1) for holder, count in holders), 0, depth)
            known[name] = max(1, ways)
        return known[name]

    def _leads(self, start: str, goal: str) -> bool:
        """Whether a widget holds another, or what holds it; also where that would take too long to say."""
        seen, waiting = {start}, [start]
        while waiting:
            for names in self._held.get(waiting.pop(), {}).values():
                for name in names:
                    if name == goal or len(seen) > MAX_LOOKED_AT:
                        return True
                    if name not in seen:
                        seen.add(name)
                        waiting.append(name)
        return False
