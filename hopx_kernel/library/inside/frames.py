"""pandas frames, series and indexes, column by column. Standard library, NumPy, pandas, Python 3.9.

What is loaded is put together by position alone, and is of the dtypes that its bytes name, or is refused.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, Iterator, List, Tuple

from .columns import MAX_RANGE, bare, dump_column, freq_name, load_column, make_index, make_range
from .labels import dump_label, load_label
from .plain import Dumped, Malformed, Parts, Refused, dump_npy, find_fault, load_npy, need, type_name

__all__ = ["dump_frame", "is_frame", "load_frame"]

#: What a range without columns may have: it takes no memory, until someone looks at it.
_MAX_RANGE = 1 << 63


def _pandas() -> Any:
    return sys.modules.get("pandas")


def is_frame(value: Any) -> bool:
    pandas = _pandas()
    return pandas is not None and type(value) in (pandas.DataFrame, pandas.Series, *_index_types(pandas))


def _index_types(pandas: Any) -> Tuple[type, ...]:
    # Before pandas 2 each dtype of numbers had a type of index of its own.
    numeric = sys.modules.get("pandas.core.indexes.numeric")
    names = ("Int64Index", "UInt64Index", "Float64Index")
    return (
        *(getattr(numeric, name) for name in names if hasattr(numeric, name)),
        pandas.Index,
        pandas.RangeIndex,
        pandas.MultiIndex,
        pandas.DatetimeIndex,
        pandas.TimedeltaIndex,
        pandas.PeriodIndex,
        pandas.IntervalIndex,
        pandas.CategoricalIndex,
    )


def dump_frame(value: Any) -> Dumped:
    pandas = _pandas()
    parts: Parts = []
    if isinstance(value, pandas.Index):
        return "frame", {"shape": "index", "index": _dump_index(value, "it", parts)}, parts
    if find_fault(value.attrs):
        raise Refused("its attrs are no JSON value: %s" % find_fault(value.attrs))
    meta: Dict[str, Any] = {
        "attrs": value.attrs,
        "index": _dump_index(value.index, "its index", parts),
        "allows_duplicate_labels": value.flags.allows_duplicate_labels,
    }
    if isinstance(value, pandas.Series):
        columns = [dump_column(bare(value), "it", parts)]
        meta.update(shape="series", name=_dump_name(value.name), columns=columns)
    else:
        columns = [
            dump_column(bare(value.iloc[:, i]), "column %r" % (label,), parts) for i, label in enumerate(value.columns)
        ]
        # The parts of the labels come last, as their place in the bytes is where they were written.
        meta.update(shape="frame", columns=columns, labels=_dump_index(value.columns, "its columns' index", parts))
    return "frame", meta, parts


def _dump_name(name: Any) -> Any:
    try:
        return dump_label(name)
    except Refused:
        raise Refused("the name %.60r is of type %s; rename it to a str" % (name, type_name(name))) from None


def _dump_index(index: Any, where: str, parts: Parts) -> Dict[str, Any]:
    pandas = _pandas()
    if type(index) not in _index_types(pandas):
        raise Refused("%s is of type %s; convert it with pandas.Index(x)" % (where, type_name(index)))
    if type(index) is pandas.RangeIndex:
        return {"range": [index.start, index.stop, index.step], "name": _dump_name(index.name)}
    if type(index) is pandas.MultiIndex:
        names = [_dump_name(name) for name in index.names]
        # Its levels have names of their own only as long as nobody looks.
        levels = [_dump_index(level.rename(None), "a level of %s" % where, parts) for level in index.levels]
        for codes in index.codes:
            parts.append(dump_npy(codes))
        return {"levels": levels, "names": names, "sortorder": index.sortorder}
    spec = {"values": dump_column(bare(index), where, parts), "name": _dump_name(index.name)}
    return {**spec, "freq": freq_name(index)}


def load_frame(meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    index = _load_index(meta["index"], parts)
    if meta["shape"] == "index":
        return index
    columns = [_load_series(spec, parts, len(index), place) for place, spec in enumerate(meta["columns"])]
    if type(meta["attrs"]) is not dict or type(meta["allows_duplicate_labels"]) is not bool:
        raise Malformed("its attrs make no sense")
    if meta["shape"] == "series":
        (value,) = columns
        value.name = load_label(meta["name"])
        value.index = index
    else:
        value = _join(columns, index, _load_index(meta["labels"], parts))
    value.attrs = meta["attrs"]
    return value if meta["allows_duplicate_labels"] else value.set_flags(allows_duplicate_labels=False)


def _load_series(spec: Dict[str, Any], parts: Iterator[Any], length: int, place: int) -> Any:
    pandas = need("pandas")
    try:
        array = load_column(spec, parts)
    except Refused as exc:  # its label comes later
        raise Refused("its column %d: %s" % (place, exc)) from None
    if len(array) != length or array.ndim != 1:
        raise Malformed("a column is not as long as the index")
    column = pandas.Series(array, dtype=array.dtype, copy=False)
    if column.dtype != array.dtype:  # older ones know fewer units of time
        words = (place, column.dtype, array.dtype)
        raise Refused("its column %d: the pandas where it goes makes %s of %s" % words)
    return column


def _join(columns: List[Any], index: Any, labels: Any) -> Any:
    """A frame of series that have no index yet, which nothing is aligned by."""
    if len(columns) != len(labels):
        raise Malformed("it has not as many columns as labels")
    pandas = need("pandas")
    rows = pandas.RangeIndex(len(index))
    frame = pandas.DataFrame(dict(enumerate(columns)), index=rows, columns=pandas.RangeIndex(len(columns)))
    frame.index, frame.columns = index, labels
    return frame


def _load_index(spec: Dict[str, Any], parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    if "range" in spec:
        return make_range(spec["range"], load_label(spec["name"]), _MAX_RANGE)
    if "levels" in spec:
        levels = [_load_index(level, parts) for level in spec["levels"]]
        if any(isinstance(level, pandas.MultiIndex) for level in levels):
            raise Malformed("its levels have levels")
        codes = [load_npy(next(parts)) for _ in levels]
        if any(array.dtype.kind != "i" or array.ndim != 1 for array in codes):
            raise Malformed("its codes are no numbers")
        if any(len(level) > max(len(codes[0]), MAX_RANGE) for level in levels if type(level) is pandas.RangeIndex):
            raise Malformed("a level of it is too long")
        if type(spec["sortorder"]) not in (int, type(None)):
            raise Malformed("its sortorder makes no sense")
        names, order = [load_label(name) for name in spec["names"]], spec["sortorder"]
        return pandas.MultiIndex(levels=levels, codes=codes, names=names, sortorder=order, verify_integrity=True)
    array = load_column(spec["values"], parts)
    if array.ndim != 1:
        raise Malformed("an index has more than one dimension")
    return make_index(array, load_label(spec["name"]), spec["freq"])
