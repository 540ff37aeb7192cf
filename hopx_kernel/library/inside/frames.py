"""pandas frames, series and indexes, column by column. Standard library, NumPy, pandas, Python 3.9."""

from __future__ import annotations

import sys
from typing import Any, Dict, Iterator, Tuple

from .plain import (
    SCALARS,
    Dumped,
    Malformed,
    Parts,
    Refused,
    dump_npy,
    dump_text,
    find_fault,
    load_npy,
    load_text,
    need,
    type_name,
)

#: What a frame's header may name as the type of a column of text or of numbers with gaps.
_TEXT_DTYPES = ("str", "string")
_MASKED_DTYPES = (
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Float32",
    "Float64",
    "boolean",
)


#: Names of time zones behind which pandas would open a file of any path.
_ZONES_BY_PATH = ("dateutil/", "tz")


def _pandas() -> Any:
    return sys.modules.get("pandas")


def is_frame(value: Any) -> bool:
    pandas = _pandas()
    return pandas is not None and type(value) in (pandas.DataFrame, pandas.Series, *_index_types(pandas))


def _index_types(pandas: Any) -> Tuple[type, ...]:
    return (
        pandas.Index,
        pandas.RangeIndex,
        pandas.MultiIndex,
        pandas.DatetimeIndex,
        pandas.TimedeltaIndex,
        pandas.CategoricalIndex,
    )


def dump_frame(value: Any) -> Dumped:
    pandas = _pandas()
    parts: Parts = []
    if isinstance(value, pandas.Index):
        return "frame", {"shape": "index", "index": _dump_index(value, parts)}, parts
    if find_fault(value.attrs):
        raise Refused("its attrs are no JSON value: %s" % find_fault(value.attrs))
    meta: Dict[str, Any] = {
        "attrs": value.attrs,
        "index": _dump_index(value.index, parts),
        "allows_duplicate_labels": value.flags.allows_duplicate_labels,
    }
    if isinstance(value, pandas.Series):
        meta.update(shape="series", name=_label(value.name), columns=[_dump_column(value, "it", parts)])
    else:
        columns = [
            _dump_column(value.iloc[:, i], "column %r" % (label,), parts) for i, label in enumerate(value.columns)
        ]
        meta.update(shape="frame", labels=_dump_index(value.columns, parts), columns=columns)
        # The parts of the labels come last, as their place in the bytes is where they were written.
    return "frame", meta, parts


def _label(name: Any) -> Any:
    if type(name) not in SCALARS:
        raise Refused("the name %.60r is of type %s; rename it to a str" % (name, type_name(name)))
    return name


def _dump_index(index: Any, parts: Parts) -> Dict[str, Any]:
    pandas = _pandas()
    if type(index) is pandas.RangeIndex:
        return {"range": [index.start, index.stop, index.step], "name": _label(index.name)}
    if isinstance(index, pandas.MultiIndex):
        levels = [_dump_index(level.rename(None), parts) for level in index.levels]
        for codes in index.codes:
            parts.append(dump_npy(codes))
        return {"levels": levels, "names": [_label(name) for name in index.names]}
    spec = {"values": _dump_column(index.to_series(), "an index", parts), "name": _label(index.name)}
    return {**spec, "freq": _freq(index)}


def _freq(index: Any) -> Any:
    """The name of an index's frequency, which must say all there is to it: one with holidays has more."""
    freq = getattr(index, "freq", None)
    if freq is None:
        return None
    pandas = _pandas()
    try:
        if pandas.tseries.frequencies.to_offset(index.freqstr) == freq:
            return index.freqstr
    except ValueError:
        pass
    raise Refused("an index has a freq that cannot be carried, %r; set x.index.freq = None" % freq)


def _zone(dtype: Any) -> str:
    """The name of a column's time zone, by which it is found on the other side."""
    pandas, name = _pandas(), str(dtype.tz)
    try:
        if not name.startswith(_ZONES_BY_PATH) and pandas.DatetimeTZDtype(dtype.unit, name) == dtype:
            return name
    except (KeyError, TypeError, ValueError, pandas.errors.ParserError):
        pass
    raise Refused("its time zone %r has no name that others know; convert it with .dt.tz_convert('UTC')" % dtype.tz)


def _dump_column(column: Any, where: str, parts: Parts) -> Dict[str, Any]:
    import numpy

    pandas = _pandas()
    dtype = column.dtype
    name = str(dtype)
    if isinstance(dtype, numpy.dtype) and dtype.kind in "biufcmM":
        parts.append(dump_npy(column.to_numpy()))
        return {"as": "npy"}
    if isinstance(dtype, pandas.StringDtype):
        parts.append(dump_text([None if gap else str(text) for gap, text in zip(column.isna(), column)]))
        return {"as": "text", "dtype": name if name in _TEXT_DTYPES else "string"}
    if name in _MASKED_DTYPES:
        parts.append(dump_npy(column.isna().to_numpy(bool)))
        parts.append(dump_npy(column.fillna(False if name == "boolean" else 0).to_numpy(dtype.numpy_dtype)))
        return {"as": "masked", "dtype": name}
    if isinstance(dtype, pandas.DatetimeTZDtype):
        zone = _zone(dtype)
        parts.append(dump_npy(column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()))
        return {"as": "zoned", "tz": zone}
    if isinstance(dtype, pandas.CategoricalDtype):
        parts.append(dump_npy(column.cat.codes.to_numpy()))
        return {"as": "categories", "ordered": bool(dtype.ordered), "categories": _dump_index(dtype.categories, parts)}
    if name == "object":
        values = column.tolist()
        fault = find_fault(values)
        if not fault:
            parts.append(dump_text(values))
            return {"as": "json"}
        raise Refused(
            "%s is of dtype object, and %s; give it a dtype, or convert it with .astype(str), or take pyarrow.Table.from_pandas(x)"
            % (where, fault)
        )
    way = "take pyarrow.Table.from_pandas(x)"
    if isinstance(dtype, pandas.SparseDtype):
        way = "convert it with x.sparse.to_dense()"
    elif isinstance(dtype, (pandas.IntervalDtype, pandas.PeriodDtype)):
        way = "convert it with .astype(str)"
    raise Refused("%s is of dtype %s; %s" % (where, name, way))


def load_frame(meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    index = _load_index(meta["index"], parts)
    if meta["shape"] == "index":
        return index
    columns = [_load_column(spec, parts) for spec in meta["columns"]]
    if any(len(column) != len(index) for column in columns):
        raise Malformed("a column is not as long as the index")
    if meta["shape"] == "series":
        value = pandas.Series(columns[0], index=index, name=meta["name"])
    else:
        labels = _load_index(meta["labels"], parts)
        value = pandas.DataFrame(dict(enumerate(columns)), index=range(len(index)), columns=range(len(columns)))
        value.index, value.columns = index, labels
    value.attrs = dict(meta["attrs"])
    return value if meta["allows_duplicate_labels"] else value.set_flags(allows_duplicate_labels=False)


def _load_index(spec: Dict[str, Any], parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    if "range" in spec:
        if not all(type(number) is int and abs(number) < 1 << 63 for number in spec["range"]):
            raise Malformed("its range has no end")
        return pandas.RangeIndex(*spec["range"], name=spec["name"])
    if "levels" in spec:
        levels = [_load_index(level, parts) for level in spec["levels"]]
        codes = [load_npy(next(parts)) for _ in levels]
        if any(array.dtype.kind != "i" for array in codes):
            raise Malformed("its codes are no numbers")
        return pandas.MultiIndex(levels=levels, codes=codes, names=spec["names"], verify_integrity=True)
    index = pandas.Index(_load_column(spec["values"], parts), name=spec["name"])
    if spec["freq"] is not None:
        if not isinstance(index, (pandas.DatetimeIndex, pandas.TimedeltaIndex)) or type(spec["freq"]) is not str:
            raise Malformed("it has a freq and no times")
        index.freq = spec["freq"]
    return index


def _load_column(spec: Dict[str, Any], parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    how = spec["as"]
    if how == "npy":
        return pandas.Series(load_npy(next(parts)))
    if how == "text" and spec["dtype"] in _TEXT_DTYPES:
        return pandas.Series(load_text(next(parts)), dtype=spec["dtype"])
    if how == "masked" and spec["dtype"] in _MASKED_DTYPES:
        gaps, values = load_npy(next(parts)), load_npy(next(parts))
        column = pandas.Series(values).astype(spec["dtype"])
        column[gaps] = pandas.NA
        return column
    if how == "zoned":
        if type(spec["tz"]) is not str or spec["tz"].startswith(_ZONES_BY_PATH):
            raise Malformed("its time zone is no name")
        return pandas.Series(load_npy(next(parts))).dt.tz_localize("UTC").dt.tz_convert(spec["tz"])
    if how == "categories":
        codes = load_npy(next(parts))
        categories = _load_index(spec["categories"], parts)
        return pandas.Series(pandas.Categorical.from_codes(codes, categories, ordered=spec["ordered"]))
    if how == "json":
        return pandas.Series(load_text(next(parts)), dtype=object)
    raise Malformed("a column comes as %r" % (how,))
