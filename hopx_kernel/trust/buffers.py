"""Where the buffers of a message belong, by the paths that it names for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Pairs", "odd_place", "pair", "place_is_free", "split", "without_prototypes"]

#: Parts of a path by which JavaScript reaches an object's prototype.
_PROTOTYPES = frozenset({"__proto__", "constructor", "prototype"})
MAX_PATH = 64

#: Each buffer with its path.
Pairs = list[tuple[list[Any], Any]]


def pair(data: dict[str, Any], buffers: Sequence[Any]) -> Pairs:
    """The buffers with their paths; what lacks a partner is left out."""
    paths = data.get("buffer_paths")
    if not isinstance(paths, list | tuple):
        return []
    return [(path, buffer) for path, buffer in zip(paths, buffers, strict=False) if not odd_place(path)]


def split(pairs: Pairs) -> dict[str, Pairs]:
    """The pairs of an answer for all widgets, by widget, with what is left of their paths below its state."""
    found: dict[str, Pairs] = {}
    for path, buffer in pairs:
        if len(path) > 2 and type(path[0]) is str and path[1] == "state":
            found.setdefault(path[0], []).append((path[2:], buffer))
    return found


def odd_place(path: Any) -> bool:
    """Whether a path is none, or leads to a prototype."""
    if type(path) is not list or not 0 < len(path) <= MAX_PATH:
        return True
    return not all(type(part) is int or (type(part) is str and part not in _PROTOTYPES) for part in path)


def place_is_free(state: dict[str, Any], path: list[Any]) -> bool:
    """Whether a path leads to where something can be put in a state, without taking anything's place."""
    place: Any = state
    for part in path[:-1]:
        if not (_is_in_dict(place, part) or _is_in_list(place, part)):
            return False
        place = place[part]
    last = path[-1]
    if type(place) is list:
        return _is_in_list(place, last) and place[last] is None
    return type(place) is dict and type(last) is str and place.get(last) is None


def _is_in_dict(place: Any, part: Any) -> bool:
    return type(place) is dict and type(part) is str and part in place


def _is_in_list(place: Any, part: Any) -> bool:
    return type(place) is list and type(part) is int and 0 <= part < len(place)


def without_prototypes(data: dict[str, Any] | list[Any], max_depth: int) -> bool:
    """Take out, in place and at any depth, the keys that set an object's prototype; False where it is too deep."""
    level: list[Any] = [data]
    for _ in range(max_depth):
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                container.pop("__proto__", None)
            values = container.values() if type(container) is dict else container
            below.extend(value for value in values if isinstance(value, dict | list | tuple))
        level = below
        if not level:
            return True
    return False
