"""Values as bytes and back, between the host and a sandbox: JSON, bytes, NumPy arrays, pandas and Arrow tables.

Nothing is pickled, and reading never runs anything that came with the bytes. A value arrives as what it was, or is
refused by type, with the way that works. The same code serves on both sides: in the sandbox the host has `serve` run.

A value is a header, one line of JSON (``kind``, ``meta``, and the ``sizes`` of the parts), and the parts.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Iterator, List, Tuple

from .equal import difference
from .frames import dump_frame, is_frame, load_frame
from .labels import dump_scalar, is_scalar, load_scalar
from .plain import (
    Dumped,
    Malformed,
    Parts,
    Refused,
    array_fault,
    dump_array,
    dump_bytes,
    dump_json,
    dump_numpy_scalar,
    find_fault,
    from_json,
    is_array,
    is_json,
    is_numpy_scalar,
    load_array,
    load_bytes,
    load_json,
    to_json,
)
from .tables import dump_table, is_table, load_table

__all__ = ["Malformed", "Refused", "dump_value", "load_value", "serve"]


#: A column has some ten to hundred bytes there.
_MAX_HEADER_BYTES = 1 << 24


def dump_value(value: Any) -> Parts:
    """The bytes of a value, as parts to be joined. Raises `Refused`."""
    for test, dump in _DUMPERS:
        if test(value):
            kind, meta, parts = dump(value)
            break
    else:
        raise Refused(_refusal(value))
    if kind in _CHECKED:
        _check(value, kind, meta, parts)
    header = {"kind": kind, "meta": meta, "sizes": [len(part) for part in parts]}
    line = to_json(header) + b"\n"
    if len(line) > _MAX_HEADER_BYTES:
        raise Refused("it has too many columns, or attributes that are too large; write a file")
    return [line, *parts]


def load_value(data: bytes) -> Any:
    """The value of `dump_value`'s bytes. Raises `Malformed`, and `Refused` where a library for it is missing here."""
    line, _, _ = bytes(data[:_MAX_HEADER_BYTES]).partition(b"\n")
    try:
        header = from_json(line)
        load, meta, sizes = _LOADERS[header["kind"]], header["meta"], header["sizes"]
        if not isinstance(meta, dict) or any(type(size) is not int or size < 0 for size in sizes):
            raise Malformed("its header makes no sense")
        if len(line) + 1 + sum(sizes) != len(data):
            raise Malformed("its size is not what its header says")
        parts, start, view = [], len(line) + 1, memoryview(data)
        for size in sizes:
            parts.append(view[start : start + size])
            start += size
        return load(meta, iter(parts))
    except (Malformed, Refused):
        raise
    except Exception as exc:  # NumPy and pandas raise what they like on bytes that make no sense
        raise Malformed("it makes no sense: %s: %s" % (type(exc).__name__, exc)) from exc


#: What is read again before it leaves. JSON, bytes and Arrow's streams hold by themselves exactly what they are let hold.
_CHECKED = ("npy", "frame", "scalar")


def _check(value: Any, kind: str, meta: Dict[str, Any], parts: Parts) -> None:
    """Read a value's bytes, and raise `Refused` where they are not the value.

    So nothing that NumPy or pandas have and this program does not know can be lost on the way without a word.
    """
    try:
        found = difference(value, _LOADERS[kind](from_json(to_json(meta)), map(memoryview, parts)))
    except Refused:
        raise
    except Exception as exc:  # see `load_value`
        raise Refused("it could not be read again (%s: %s); write a file" % (type(exc).__name__, exc)) from exc
    if found:
        raise Refused("%s would not arrive as what it is; write a file in a format of its own" % found)


# ------------------------------------------------------------------ what is what

_Dumper = Callable[[Any], Dumped]

_DUMPERS: List[Tuple[Callable[[Any], bool], _Dumper]] = [
    (lambda value: type(value) in (bytes, bytearray), dump_bytes),
    (is_json, dump_json),
    (is_array, dump_array),
    (is_numpy_scalar, dump_numpy_scalar),
    (is_frame, dump_frame),
    (is_scalar, dump_scalar),
    (is_table, dump_table),
]
_LOADERS: Dict[str, Callable[[Dict[str, Any], Iterator[Any]], Any]] = {
    "json": load_json,
    "bytes": load_bytes,
    "npy": load_array,
    "frame": load_frame,
    "scalar": load_scalar,
    "arrow": load_table,
}


def _refusal(value: Any) -> str:
    fault = array_fault(value) or find_fault(value)
    return (
        "%s. Carried are JSON values, bytes, NumPy arrays, pandas and Arrow tables; for anything else write a file in "
        "a format of its own and upload or download that" % fault
    )


# ------------------------------------------------------------------ in the sandbox


def serve(directory: str, namespace: Dict[str, Any]) -> None:
    """Do what ``request.json`` in a directory asks of a namespace; the outcome goes to ``answer.json``.

    The request holds ``put`` and ``get``, from names to files there.
    """
    with open(directory + "/request.json", encoding="utf-8") as file:
        request = json.load(file)
    faults = {}
    for name, path in request.get("put", {}).items():
        try:
            with open(path, "rb") as file:
                namespace[name] = load_value(file.read())
        except (Refused, Malformed) as exc:
            faults[name] = str(exc)
    for name, path in request.get("get", {}).items():
        try:
            if name not in namespace:
                raise Refused("there is no variable of this name")
            with open(path, "wb") as file:
                file.writelines(dump_value(namespace[name]))
        except (Refused, OSError) as exc:
            faults[name] = str(exc)
            # What was written of it is in the way of the answer when the disk is full.
            if os.path.exists(path):
                os.remove(path)
    with open(directory + "/answer.json", "w", encoding="utf-8") as file:
        json.dump({"faults": faults}, file)
