"""Reports of one task that come so fast that nobody could see them all: the later takes the place of the earlier. Pure."""

from __future__ import annotations

from typing import Any, cast

__all__ = ["merge_report"]

_NUMBERS = ("percent", "current", "total")
_REAL = (int, float)
_SIMPLE = frozenset({"message", "percent", "task"})
_MERGED = frozenset({"message", "percent", "data", "task", "current", "total", "unit", "parent"})


def merge_report(old: dict[str, Any], new: dict[str, Any], must: bool = False) -> bool:
    """Take the content of a ``progress`` event into an earlier one, so that `Task.take` of it is as of both in order.

    Gives False, and changes nothing, where the earlier one is to be seen by itself: its state, its end, a point of a
    curve. When it `must`, only the values that last are kept. What one of them leaves out stays as it was.
    """
    if new.keys() <= _SIMPLE and old.keys() == new.keys() and new["message"]:
        # What nearly all of a million are, in less time.
        before, after = old.get("percent"), new.get("percent")
        if type(before) is type(after) is float and (before <= after < 100 or must):
            old["message"], old["percent"] = new["message"], after
            return True
    if "omitted" in old or "omitted" in new:  # a count of tasks, and no task
        if not must or "omitted" not in old or "omitted" not in new:
            return False
    elif not must and not _may_merge(old, new):
        return False
    data = _as_dict(old) | _as_dict(new)
    message = new.get("message") or old.get("message", "")
    if "current" in new:
        old.pop("percent", None)  # a count takes the place of a percentage
    old.pop("state", None)  # it was that of the earlier one
    # A task's parent is that of its first report.
    parent = {"parent": old["parent"]} if "parent" in old else {}
    old.update(new)
    old.pop("parent", None)
    old.update(parent)
    old["message"] = message
    if data:
        old["data"] = data
    return True


def _as_dict(content: dict[str, Any]) -> dict[Any, Any]:
    """A report's data by label; of a value without one the label is empty."""
    data = content.get("data", {})
    return data if isinstance(data, dict) else {"": data}


def _may_merge(old: dict[str, Any], new: dict[str, Any]) -> bool:
    if "data" in new or not (old.keys() <= _MERGED and new.keys() <= _MERGED):
        return False
    for key in _NUMBERS:
        before, after = old.get(key), new.get(key)
        if before is None and after is None:
            continue
        if type(before) not in _REAL or type(after) not in _REAL or cast("float", after) < cast("float", before):
            return False
    return _is_at_end(old) == _is_at_end(new)


def _is_at_end(content: dict[str, Any]) -> bool:
    percent, current, total = (content.get(key) for key in _NUMBERS)
    if percent is not None:
        return bool(percent >= 100)
    return total is not None and current is not None and bool(current >= total)
