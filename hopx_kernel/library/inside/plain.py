"""Values that are no tables: JSON, bytes and NumPy arrays. Standard library, NumPy where there is any, Python 3.9."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

Parts = List[bytes]
Dumped = Tuple[str, Dict[str, Any], Parts]

_MAX_DEPTH = 200

#: Python reads integers of 4300 digits at most.
_MAX_INT_BITS = 14000

#: JSON grows up to some 28 times when it becomes objects, by its lists and dicts most of all; larger values want a format
#: of their own.
MAX_JSON_BYTES, MAX_JSON_ITEMS = 64 * 1024 * 1024, 8_000_000

#: A text in JSON without its escapes.
_JSON_TEXT = re.compile(rb'"[^"]*"')

SCALARS = (type(None), bool, int, float, str)


class Refused(TypeError):  # noqa: N818  # it reads as what it is
    """A value that cannot be carried; the text says what it is and what to do."""


class Malformed(ValueError):  # noqa: N818
    """Bytes that are no value."""


# ------------------------------------------------------------------ JSON and bytes


def find_fault(value: Any, where: str = "", depth: int = 0, seen: Optional[Set[int]] = None) -> str:
    """Which part of a value is not exactly a JSON value, and what it is; empty when all are.

    A list or dict that is at two places is none: there would be two of them, and a change of one would miss the other.
    """
    kind = type(value)
    if kind is int and value.bit_length() > _MAX_INT_BITS:
        return "%s is an int of more digits than JSON readers take (use str(x))" % (where or "it")
    if kind in SCALARS:
        return ""
    if depth > _MAX_DEPTH:
        return "it is nested deeper than %d" % _MAX_DEPTH
    if kind is not list and kind is not dict:
        return "%s is of type %s%s" % (where or "it", type_name(value), _way(value, bool(where)))
    seen = set() if seen is None else seen
    if id(value) in seen:
        return "%s is a %s that is at another place of it, too (use json.loads(json.dumps(x)))" % (where, kind.__name__)
    for key, item in value.items() if kind is dict else enumerate(value):
        if kind is dict and type(key) is not str:
            return "%s has a key of type %s; keys must be str" % (where or "it", type_name(key))
        # Most values are flat lists of numbers or text: no call, and no text, for those.
        if type(item) not in SCALARS or (type(item) is int and item.bit_length() > _MAX_INT_BITS):
            fault = find_fault(item, "%s[%.40r]" % (where, key), depth + 1, seen)
            if fault:
                return fault
    seen.add(id(value))
    return ""


def is_json(value: Any) -> bool:
    return type(value) in (*SCALARS, list, dict) and not find_fault(value)


def dump_json(value: Any) -> Dumped:
    return "json", {}, [dump_text(value)]


def load_json(_meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    return load_text(next(parts))


def dump_text(value: Any) -> bytes:
    """A JSON value's bytes."""
    text = to_json(value)
    if len(text) > MAX_JSON_BYTES:
        raise Refused(
            "it is %d bytes of JSON, and no more than %d are carried; use a NumPy array or an Arrow table, or write a "
            "file" % (len(text), MAX_JSON_BYTES)
        )
    if _count_items(text) > MAX_JSON_ITEMS:
        raise Refused(
            "it has more than %d parts; use a NumPy array or an Arrow table, or write a file" % MAX_JSON_ITEMS
        )
    return text


def load_text(data: Any) -> Any:
    """The JSON value of `dump_text`'s bytes."""
    if len(data) > MAX_JSON_BYTES:
        raise Malformed("it is %d bytes of JSON" % len(data))
    if _count_items(bytes(data)) > MAX_JSON_ITEMS:
        raise Malformed("it is JSON of more than %d parts" % MAX_JSON_ITEMS)
    return from_json(data)


def _count_items(text: bytes) -> int:
    """How many values are in JSON, or more; exact enough to bound what becomes of it."""
    count = sum(map(text.count, (b",", b"[", b"{")))
    if count > MAX_JSON_ITEMS:
        # What stands in texts is no structure.
        text = _JSON_TEXT.sub(b"", text.replace(b"\\\\", b"").replace(b'\\"', b""))
        count = sum(map(text.count, (b",", b"[", b"{")))
    return count


def to_json(value: Any) -> bytes:
    """A JSON value's bytes, on one line."""
    # Not as ASCII: there two halves of a character that stand side by side become the character.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def from_json(data: Any) -> Any:
    """The JSON value of `to_json`'s bytes."""
    return json.loads(str(data, "utf-8", "surrogatepass"))


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
    if numpy is None or not isinstance(value, numpy.generic) or isinstance(value, numpy.record):
        return False
    return _is_plain(value.dtype)


def _is_plain(dtype: Any) -> bool:
    """Whether the npy format holds it as what it is: no objects, no types that others have added, nothing beside it."""
    import numpy

    parts = list(_parts(dtype))
    if dtype.hasobject or any(part.metadata for part in parts):
        return False
    if len({part.isalignedstruct for part in parts if part.names}) > 1:
        return False
    try:
        words = numpy.lib.format.dtype_to_descr(dtype)
        repr(words).encode("latin1")  # as the format's versions that others read have it
        return bool(numpy.lib.format.descr_to_dtype(words) == dtype)
    except (TypeError, ValueError):  # fields that overlap, are out of order, or have names in other alphabets
        return False


def _parts(dtype: Any) -> Iterator[Any]:
    """A dtype and all that it is made of."""
    yield dtype
    if dtype.subdtype is not None:
        yield from _parts(dtype.subdtype[0])
    for name in dtype.names or ():
        yield from _parts(dtype[name])


def _align(dtype: Any) -> Any:
    """A dtype of records that says of each that it is aligned, as those of C are."""
    import numpy

    if dtype.subdtype is not None:
        return numpy.dtype((_align(dtype.subdtype[0]), dtype.shape))
    if dtype.names is None:
        return dtype
    fields = [dtype.fields[name] for name in dtype.names]
    words: Any = {
        "names": dtype.names,
        "formats": [_align(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": [(*field, None)[2] for field in fields],
        "itemsize": dtype.itemsize,
    }
    return numpy.dtype(words, align=True)


def array_fault(value: Any) -> str:
    """Why an array is not carried, and what works; empty for what is none."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray:
        return ""
    dtype, way = value.dtype, "use x.astype(...) with a dtype of NumPy's own"
    if dtype.names and any(part.metadata for part in _parts(dtype)):
        way = "give it fields without metadata"
    elif dtype.hasobject or dtype.char == "T":
        way = "use x.tolist(), or give it a dtype"
    elif dtype.names and not repr(dtype.names).isascii():
        way = "rename its fields with numpy.lib.recfunctions.rename_fields(x, ...)"
    elif dtype.names:
        way = "use numpy.lib.recfunctions.repack_fields(x)"
    return "it is an array of dtype %s (%s)" % (dtype, way)


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
    return "npy", {"scalar": False, **_beside_format(value.dtype)}, [dump_npy(value)]


def dump_numpy_scalar(value: Any) -> Dumped:
    return "npy", {"scalar": True, **_beside_format(value.dtype)}, [dump_npy(value)]


def _beside_format(dtype: Any) -> Dict[str, Any]:
    """What the npy format does not tell of a dtype."""
    aligned = {"aligned": True} if any(part.isalignedstruct for part in _parts(dtype)) else {}
    return {**aligned, **long_double(dtype)}


def load_array(meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    need("numpy")
    check_long_double(meta)
    array = load_npy(next(parts))
    if meta.get("aligned"):
        array = array.view(_align(array.dtype))
    return array[()] if meta["scalar"] else array


def long_double(dtype: Any) -> Dict[str, Any]:
    """Of a dtype with long doubles, how long they are: the same bytes are other numbers on other machines."""
    import numpy

    if dtype.subdtype is not None:
        return long_double(dtype.subdtype[0])
    if dtype.names is not None:
        return next((found for found in (long_double(dtype[name]) for name in dtype.names) if found), {})
    return {"mantissa_bits": int(numpy.finfo("g").nmant)} if dtype.char in "gG" else {}


def check_long_double(meta: Dict[str, Any]) -> None:
    """Raise `Refused` where long doubles are others."""
    if "mantissa_bits" in meta and meta["mantissa_bits"] != need("numpy").finfo("g").nmant:
        raise Refused("it has long doubles, which have another precision where it goes; use x.astype('f8')")


# ------------------------------------------------------------------ what to say

_MEMBERS = ("tuple", "range", "generator", "map", "filter", "zip", "dict_keys", "dict_values", "dict_items")
_DATED = ("datetime.datetime", "datetime.date", "datetime.time", "pandas.Timestamp", "pandas.Timedelta")

#: By package and name of a type, or of one that it is built on: what can be carried instead.
_WAYS = {
    **dict.fromkeys((*_MEMBERS, "collections.deque", "array.array", "list"), "use list(x)"),
    **dict.fromkeys(("set", "frozenset"), "use sorted(x)"),
    **dict.fromkeys(_DATED, "use x.isoformat()"),
    **dict.fromkeys(("decimal.Decimal", "fractions.Fraction", "pathlib.PurePath", "uuid.UUID", "str"), "use str(x)"),
    **dict.fromkeys(("function", "type"), "define it on the other side"),
    **dict.fromkeys(("pyarrow.Array", "pyarrow.ChunkedArray"), "use pyarrow.table({'x': x})"),
    "bytes": "use bytes(x)",
    "complex": "use [x.real, x.imag]",
    "datetime.timedelta": "use x.total_seconds()",
    "dict": "use dict(x)",
    "enum.Enum": "use x.value",
    "int": "use int(x)",
    "matplotlib.Figure": "save it with x.savefig(...) and download the file",
    "memoryview": "use bytes(x)",
    "module": "import it on the other side",
    "numpy.generic": "use x.tolist()",
    "numpy.MaskedArray": "use x.filled()",
    "numpy.ndarray": "use numpy.array(x, subok=False)",
    "pandas.DataFrame": "use pandas.DataFrame(x)",
    "pandas.Series": "use pandas.Series(x)",
    "polars.DataFrame": "use x.to_arrow()",
    "polars.LazyFrame": "use x.collect().to_arrow()",
    "polars.Series": "use x.to_frame().to_arrow()",
    "torch.Tensor": "use x.numpy(force=True)",
}

#: The same for what is inside of another value, where only JSON can be.
_INNER_WAYS = {
    "numpy.ndarray": "use x.tolist()",
    "pandas.DataFrame": "use x.to_dict('list')",
    "pandas.Series": "use x.tolist()",
}


def type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def _way(value: Any, is_inner: bool) -> str:
    """How a value, or what it is built on, can be carried; empty where nothing is known."""
    kinds = type(value).__mro__
    names = [
        kind.__qualname__
        if kind.__module__ == "builtins"
        else "%s.%s" % (kind.__module__.split(".")[0], kind.__qualname__)
        for kind in kinds
    ]
    if "enum.Enum" in names:  # whatever else it is
        names = ["enum.Enum"]
    ways = {**_WAYS, **_INNER_WAYS} if is_inner else _WAYS
    return next((" (%s)" % ways[name] for name in names if name in ways), "")


def need(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise Refused("%s is not installed where the value goes" % name) from None
