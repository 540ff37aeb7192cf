"""Which widgets hold which others, so that none holds itself.

A page that makes a widget waits for all that it holds, and takes no other message meanwhile: for a widget that holds
itself, by whatever way, it waits for ever.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, Final

__all__ = ["REFERENCES", "References"]

#: Kinds of values that hold widgets, by their names.
REFERENCES: Final = frozenset({"ref", "refs", "refmap", "refsmap"})
_PREFIX = "IPY_MODEL_"

#: References of all widgets together, and how many widgets are looked at for one of them; what is over is refused.
MAX_REFERENCES = 300_000
MAX_LOOKED_AT = 20_000


class References:
    """Who holds whom."""

    def __init__(self) -> None:
        #: What each widget holds, by key.
        self._held: dict[str, dict[str, tuple[str, ...]]] = {}
        self._holders: Counter[str] = Counter()
        self._count = 0

    def keep(self, owner: str, key: str, value: Any) -> Any:
        """What of a value passes, which is from now on what the widget holds under a key."""
        self._drop(self._held.get(owner, {}).pop(key, ()))
        held: list[str] = []
        kept = self._filtered(owner, value, held)
        if held:
            self._held.setdefault(owner, {})[key] = tuple(held)
            self._holders.update(held)
            self._count += len(held)
        return kept

    def forget(self, owner: str) -> None:
        """Note that a widget is gone, and holds nothing more."""
        for held in self._held.pop(owner, {}).values():
            self._drop(held)

    def _drop(self, held: tuple[str, ...]) -> None:
        self._count -= len(held)
        for name in held:
            self._holders[name] -= 1
            if not self._holders[name]:
                del self._holders[name]

    def _filtered(self, owner: str, value: Any, held: list[str]) -> Any:
        if isinstance(value, str):
            name = sys.intern(value.removeprefix(_PREFIX))
            if not self._may_hold(owner, name) or self._count + len(held) >= MAX_REFERENCES:
                return None
            held.append(name)
            return value
        if isinstance(value, list):
            each = (self._filtered(owner, item, held) for item in value)
            return [item for item, given in zip(each, value, strict=True) if item is not None or given is None]
        if isinstance(value, dict):
            found = {key: self._filtered(owner, item, held) for key, item in value.items()}
            return {key: item for key, item in found.items() if item is not None or value[key] is None}
        return value

    def _may_hold(self, owner: str, name: str) -> bool:
        # What nobody holds, as most widgets when they are opened, is not held by what it holds.
        return name != owner and (owner not in self._holders or not self._leads(name, owner))

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
