"""tqdm's bars as ours: its class reports where it would have printed."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Dict, Optional

from .progress_bars import Bar, open_bar

__all__ = ["adapt_tqdm", "adapt_tqdm_notebook"]


def adapt_tqdm(module: Any) -> None:
    """Adapt the class that all of tqdm's others inherit from."""
    ours = {"display": _display, "close": _close, "__exit__": _leave, "clear": _do_nothing, "moveto": _do_nothing}
    for name, function in ours.items():
        setattr(module.tqdm, name, _choose(function, getattr(module.tqdm, name)))


def adapt_tqdm_notebook(module: Any) -> None:
    """Its widgets would be a second view of the same bar."""
    std = importlib.import_module("tqdm.std")
    module.tqdm_notebook = module.tqdm = std.tqdm
    module.tnrange = module.trange = std.trange


def _is_ours(bar: Any) -> bool:
    """Whether a bar would go to the cell's output: one that is written to a file of the user's stays as it is."""
    known = bar.__dict__.get("_hopx_is_ours")
    if known is None:
        file = getattr(bar, "fp", None)
        file = getattr(file, "_wrapped", file)
        standard = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
        known = bar.__dict__["_hopx_is_ours"] = file is not None and any(file is one for one in standard)
    return bool(known)


def _report(bar: Any, state: str) -> None:
    ours: Optional[Bar] = bar.__dict__.get("_hopx_bar")
    name = str(bar.desc or "").rstrip(": ")
    if ours is None:
        ours = bar.__dict__["_hopx_bar"] = open_bar(name)
        ours.watch(bar, _report_count)
    unit = None if bar.unit == "it" else bar.unit
    bar.__dict__["_hopx_count"] = bar.n
    ours.report(name, _postfix(bar.postfix), bar.n, bar.total, unit, state)


def _report_count(bar: Any) -> None:
    """Report what tqdm has not drawn yet."""
    ours: Optional[Bar] = bar.__dict__.get("_hopx_bar")
    if ours is not None and bar.n != bar.__dict__.get("_hopx_count"):
        _report(bar, "running")


def _choose(ours: Any, original: Any) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "disable", True) or not _is_ours(self):
            return original(self, *args, **kwargs)
        return ours(self, *args, **kwargs)

    method.__name__, method.__doc__ = original.__name__, original.__doc__
    return method


def _display(bar: Any, msg: Any = None, *_: Any, **__: Any) -> bool:
    if msg is None:
        _report(bar, "running")
    return True


def _close(bar: Any) -> None:
    _leave(bar, sys.exc_info()[0])


def _leave(bar: Any, exc_type: Any, *_: Any) -> None:
    bar.disable = True
    bar._decr_instances(bar)
    ours: Optional[Bar] = bar.__dict__.get("_hopx_bar")
    is_complete = bar.total is None or bar.n >= bar.total
    _report(bar, "done" if ours is None else ours.state_at_close(is_complete, exc_type, "tqdm"))


def _do_nothing(*_: Any, **__: Any) -> None:
    return


def _postfix(text: Any) -> Optional[Dict[str, Any]]:
    """``loss=0.31, acc=0.9``, which is all that tqdm keeps of the values, as metrics again."""
    if not text:
        return None
    data: Dict[str, Any] = {}
    for part in str(text).split(", "):
        name, equals, value = part.partition("=")
        if not equals:
            return {"": str(text)}
        try:
            data[name.strip()] = float(value)
        except ValueError:
            data[name.strip()] = value
    return data
