"""Values that are no tables: JSON, bytes and NumPy arrays. Standard library, NumPy where there is any, Python 3.9."""

from __future__ import annotations

import io
import json
import math
import sys
from typing import Any, Dict, Iterator, List, Tuple

Parts = List[bytes]
Dumped = Tuple[str, Dict[str, Any], Parts]

_MAX_DEPTH = 200

#: Python reads integers of 4300 digits at most.
_MAX_INT_BITS = 14000

SCALARS = (type(None), bool, int, float, str)


class Refused(TypeError):  # noqa: N818  # it reads as what it is
    """A value that cannot be carried; the text says what it is and what to do."""


class Malformed(ValueError):  # noqa: N818
    """Bytes that are no value."""


# ------------------------------------------------------------------ JSON and bytes


def find_fault(value: Any, where: str = "", depth: int = 0) -> str:
    """Which part of a value is not exactly a JSON value, and what it is; empty when all are."""
    kind = type(value)
    if kind is int and value.bit_length() > _MAX_INT_BITS:
        return "%s is an int of more digits than JSON readers take (use str(x))" % (where or "it")
    if kind in SCALARS:
        return ""
    if depth > _MAX_DEPTH:
        return "it is nested deeper than %d" % _MAX_DEPTH
    if kind is not list and kind is not dict:
        return "%s is of type %s%s" % (where or "it", type_name(value), _way(value))
    for key, item in value.items() if kind is dict else enumerate(value):
        if kind is dict and type(key) is not str:
            return "%s has a key of type %s; keys must be str" % (where or "it", type_name(key))
        # Most values are flat lists of numbers or text: no call, and no text, for those.
        if type(item) not in SCALARS or (type(item) is int and item.bit_length() > _MAX_INT_BITS):
            fault = find_fault(item, "%s[%.40r]" % (where, key), depth + 1)
            if fault:
                return fault
    return ""


def is_json(value: Any) -> bool:
    return type(value) in (*SCALARS, list, dict) and not find_fault(value)


def dump_json(value: Any) -> Dumped:
    return "json", {}, [json.dumps(value).encode("ascii")]


def load_json(_meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    return json.loads(bytes(next(parts)))


def dump_bytes(value: Any) -> Dumped:
    return "bytes", {"mutable": type(value) is bytearray}, [bytes(value)]


def load_bytes(meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    return (bytearray if meta["mutable"] else bytes)(next(parts))


# ------------------------------------------------------------------ NumPy


def is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray and _is_plain(value.dtype)


def is_numpy_scalar(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic) and _is_plain(value.dtype)


def _is_plain(dtype: Any) -> bool:
    """Whether the npy format holds it without pickle: no objects, no strings of variable length."""
    return not dtype.hasobject and dtype.char != "T"


def dump_npy(array: Any) -> bytes:
    import numpy

    buffer = io.BytesIO()
    numpy.lib.format.write_array(buffer, numpy.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def load_npy(data: Any) -> Any:
    """An array of its own memory. The header is checked against the bytes before anything is allocated for it."""
    import numpy

    buffer = io.BytesIO(data)
    version = numpy.lib.format.read_magic(buffer)
    if version not in ((1, 0), (2, 0)):
        raise Malformed("its npy version %s is unknown" % (version,))
    read = numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(buffer)
    start = buffer.tell()
    count = math.prod(shape)
    if dtype.hasobject or any(size < 0 for size in shape) or count * dtype.itemsize != len(data) - start:
        raise Malformed("its npy header does not fit its size")
    if dtype.itemsize == 0:
        return numpy.empty(shape, dtype) if count <= len(data) else _too_many()
    array = numpy.frombuffer(data, dtype, count, start)
    return (array.reshape(shape[::-1]).transpose() if fortran else array.reshape(shape)).copy(order="K")


def _too_many() -> Any:
    raise Malformed("it has more empty items than bytes")


def dump_array(value: Any) -> Dumped:
    return "npy", {"scalar": False}, [dump_npy(value)]


def dump_numpy_scalar(value: Any) -> Dumped:
    return "npy", {"scalar": True}, [dump_npy(value)]


def load_array(meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    need("numpy")
    array = load_npy(next(parts))
    return array[()] if meta["scalar"] else array


# ------------------------------------------------------------------ what to say

#: By type: what can be carried instead.
_WAYS = {
    "tuple": "use list(x)",
    "set": "use sorted(x)",
    "frozenset": "use sorted(x)",
    "memoryview": "use bytes(x)",
    "range": "use list(x)",
    "complex": "use [x.real, x.imag]",
    "generator": "use list(x)",
    "datetime.datetime": "use x.isoformat()",
    "datetime.date": "use x.isoformat()",
    "decimal.Decimal": "use str(x)",
    "pathlib.PosixPath": "use str(x)",
    "module": "import it on the other side",
    "function": "define it on the other side",
    "type": "define it on the other side",
    "matplotlib.figure.Figure": "save it with x.savefig(...) and download the file",
    "numpy.ma.MaskedArray": "use x.filled()",
    "numpy.matrix": "use numpy.asarray(x)",
    "collections.OrderedDict": "use dict(x)",
    "collections.defaultdict": "use dict(x)",
    "collections.Counter": "use dict(x)",
}


def type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def _way(value: Any) -> str:
    name = type_name(value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return " (use x.tolist())"
    return " (%s)" % _WAYS[name] if name in _WAYS else ""


def need(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise Refused("%s is not installed where the value goes" % name) from None
