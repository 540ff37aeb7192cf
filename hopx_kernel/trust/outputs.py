"""The outputs that an Output widget keeps, each made anew as a cell's own would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .text import clean_text
from .values import REFUSED

__all__ = ["clean_outputs", "clean_transient"]

Bundle = dict[str, Any]
#: Makes a MIME bundle and its metadata harmless.
Cleaner = Callable[[Bundle, Bundle], tuple[Bundle, Bundle]]


def clean_outputs(outputs: Any, bundle: Cleaner) -> Any:
    """The outputs that are such; `REFUSED` where a value is no list of them."""
    if outputs is None:
        return []
    if type(outputs) not in (list, tuple):
        return REFUSED
    found = (_output(output, bundle) for output in outputs if type(output) is dict)
    return [output for output in found if output is not None]


def clean_transient(transient: Any) -> Bundle:
    """What an output says for the moment alone: the name by which it is updated, which programs look up in tables."""
    name = transient.get("display_id") if isinstance(transient, dict) else None
    return {"display_id": name} if type(name) in (str, int) else {}


def _output(output: Bundle, bundle: Cleaner) -> Bundle | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = output.get("name")
        return {
            "output_type": "stream",
            "name": "stderr" if name == "stderr" else "stdout",
            "text": _text(output.get("text")),
        }
    if kind == "error":
        lines = output.get("traceback")
        traceback = [_text(line) for line in lines] if isinstance(lines, list | tuple) else []
        names = {key: _text(output.get(key)) for key in ("ename", "evalue")}
        return {"output_type": "error", **names, "traceback": traceback}
    if kind not in ("display_data", "execute_result"):
        return None
    given, about = output.get("data"), output.get("metadata")
    data, metadata = bundle(given if type(given) is dict else {}, about if type(about) is dict else {})
    shown: Bundle = {"output_type": kind, "data": data, "metadata": metadata}
    if kind == "execute_result":
        count = output.get("execution_count")
        shown["execution_count"] = count if type(count) is int else None
    return shown


def _text(value: Any) -> str:
    if type(value) in (list, tuple):
        value = "".join(each for each in value if type(each) is str)
    return clean_text(value) if type(value) is str else ""
