"""The arrays behind pandas' columns and indexes, by dtype. Standard library, NumPy, pandas, pyarrow, Python 3.9.

Arrays have no labels: what is put together from them is put together by position.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Iterator, List, Set

from .labels import dump_label, known_freq, known_period, load_label, period_name
from .plain import (
    Malformed,
    Parts,
    Refused,
    check_long_double,
    dump_npy,
    dump_text,
    find_fault,
    load_npy,
    load_text,
    long_double,
    need,
)
from .tables import dump_table, load_table
from .zones import dump_zone, load_zone

__all__ = ["MAX_RANGE", "bare", "dump_column", "freq_name", "load_column", "make_index", "make_range"]

Spec = Dict[str, Any]

_MASKED_DTYPES = (
    *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
    *("Float32", "Float64", "boolean"),
)
_CLOSED = ("left", "right", "both", "neither")

#: So many categories, or items of a level, may be a range, which costs nothing to write; where there are more rows, as
#: many as those.
MAX_RANGE = 1 << 16


def bare(value: Any) -> Any:
    """The array of a series or an index: NumPy's own where it is one of NumPy's dtypes."""
    import numpy

    return value.to_numpy() if isinstance(value.dtype, numpy.dtype) else value.array


def dump_column(array: Any, where: str, parts: Parts) -> Spec:
    """The words of an array, whose bytes are added to `parts`. Raises `Refused`, naming `where` it is."""
    import numpy

    pandas = sys.modules["pandas"]
    dtype = array.dtype
    if isinstance(dtype, numpy.dtype) and dtype.kind in "biufcmM":
        parts.append(dump_npy(array))
        return {"as": "npy", **long_double(dtype)}
    if isinstance(dtype, numpy.dtype) and dtype.kind == "O":
        return _dump_objects(array.tolist(), where, parts)
    for kind, dump in _dumpers(pandas).items():
        if type(dtype) is kind:
            try:
                return dump(array, where, parts)
            except Refused as exc:
                # What it is made of has said where it is by itself.
                is_said = str(exc).startswith((where + " ", where + "'s "))
                raise Refused(str(exc) if is_said else "%s: %s" % (where, exc)) from None
    way = "take pyarrow.Table.from_pandas(x)"
    if isinstance(dtype, pandas.SparseDtype):
        way = "convert it with x.sparse.to_dense()"
    raise Refused("%s is of dtype %s; %s" % (where, dtype, way))


def _dumpers(pandas: Any) -> Dict[type, Callable[[Any, str, Parts], Spec]]:
    masked = {type(pandas.api.types.pandas_dtype(name)): _dump_masked for name in _MASKED_DTYPES}
    dumpers: Dict[type, Callable[[Any, str, Parts], Spec]] = {
        **masked,
        pandas.StringDtype: _dump_text,
        pandas.DatetimeTZDtype: _dump_zoned,
        pandas.CategoricalDtype: _dump_categories,
        pandas.PeriodDtype: _dump_periods,
        pandas.IntervalDtype: _dump_intervals,
    }
    if hasattr(pandas, "ArrowDtype"):
        dumpers[pandas.ArrowDtype] = _dump_arrow
    return dumpers


def load_column(spec: Spec, parts: Iterator[Any]) -> Any:
    """The array of `dump_column`'s words. Raises `Malformed`, and `Refused` where it cannot be had here."""
    how = spec["as"]
    if how not in _LOADERS:
        raise Malformed("a column comes as %.40r" % (how,))
    return _LOADERS[how](spec, parts)


def _load_numbers(spec: Spec, parts: Iterator[Any]) -> Any:
    check_long_double(spec)
    array = load_npy(next(parts))
    if array.dtype.kind not in "biufcmM":
        raise Malformed("its numbers are none")
    return array


# ------------------------------------------------------------------ objects and text


def _dump_objects(values: List[Any], where: str, parts: Parts) -> Spec:
    if not find_fault(values):
        parts.append(dump_text(values))
        return {"as": "json"}
    words: List[Any] = []
    seen: Set[int] = set()
    for i, value in enumerate(values):
        fault = find_fault(value, "[%d]" % i, 1, seen)
        if not fault:
            words.append({"json": value} if type(value) in (list, dict) else value)
            continue
        try:
            words.append(dump_label(value))
        except Refused:
            raise Refused(
                "%s is of dtype object, and %s; give it a dtype, or convert it with .astype(str), or take "
                "pyarrow.Table.from_pandas(x)" % (where, fault)
            ) from None
    parts.append(dump_text(words))
    return {"as": "labels"}


def _load_objects(spec: Spec, parts: Iterator[Any]) -> Any:
    import numpy

    values = load_text(next(parts))
    if type(values) is not list:
        raise Malformed("a column is no list")
    array = numpy.empty(len(values), dtype=object)
    # One by one, since NumPy looks into lists that are inside of a list.
    for i, value in enumerate(values):
        array[i] = value if spec["as"] == "json" else _load_object(value)
    return array


def _load_object(words: Any) -> Any:
    return words["json"] if type(words) is dict and tuple(words) == ("json",) else load_label(words)


def _string_dtype(pandas: Any, na: str, storage: Any) -> Any:
    """A dtype of text; a storage of None is what this pandas takes by itself, which may depend on pyarrow."""
    words = {} if storage is None else {"storage": storage}
    try:
        dtype = pandas.StringDtype(**words, **({"na_value": float("nan")} if na == "nan" else {}))
    except (TypeError, ImportError, ValueError):
        dtype = None
    if dtype is None or _na_of(dtype) != na:
        raise Refused("the pandas where it goes has no such dtype of text; convert it with .astype(object)")
    return dtype


def _na_of(dtype: Any) -> str:
    return "NA" if getattr(dtype, "na_value", None) is sys.modules["pandas"].NA else "nan"


def _dump_text(array: Any, where: str, parts: Parts) -> Spec:
    pandas, dtype = sys.modules["pandas"], array.dtype
    na = _na_of(dtype)
    gaps = array.isna().tolist()
    values = [None if gap else text for gap, text in zip(gaps, array.to_numpy(dtype=object).tolist())]
    if any(text is not None and type(text) is not str for text in values):
        raise Refused("%s has text of a type that is built on str; convert it with .astype(object).map(str)" % where)
    parts.append(dump_text(values))
    is_usual = dtype == _string_dtype(pandas, na, None)
    return {"as": "text", "na": na, "storage": None if is_usual else dtype.storage}


def _load_text(spec: Spec, parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    if spec["na"] not in ("NA", "nan") or spec["storage"] not in (None, "python", "pyarrow"):
        raise Malformed("its dtype of text is none")
    values = load_text(next(parts))
    if type(values) is not list or any(text is not None and type(text) is not str for text in values):
        raise Malformed("its text is none")
    return pandas.array(values, dtype=_string_dtype(pandas, spec["na"], spec["storage"]))


# ------------------------------------------------------------------ numbers with gaps, times, categories


def _dump_masked(array: Any, _where: str, parts: Parts) -> Spec:
    parts.append(dump_npy(array.isna()))
    zero = False if array.dtype.name == "boolean" else 0
    parts.append(dump_npy(array.to_numpy(array.dtype.numpy_dtype, na_value=zero)))
    return {"as": "masked", "dtype": array.dtype.name}


def _load_masked(spec: Spec, parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    if spec["dtype"] not in _MASKED_DTYPES:
        raise Malformed("its dtype is none with gaps")
    dtype = pandas.api.types.pandas_dtype(spec["dtype"])
    gaps, values = load_npy(next(parts)), load_npy(next(parts))
    if gaps.dtype != bool or values.dtype != dtype.numpy_dtype or gaps.shape != values.shape or gaps.ndim != 1:
        raise Malformed("its gaps do not fit its values")
    return dtype.construct_array_type()(values, gaps)


def _dump_zoned(array: Any, _where: str, parts: Parts) -> Spec:
    zone = dump_zone(array.dtype.tz)
    parts.append(dump_npy(array.tz_convert("UTC").tz_localize(None).to_numpy()))
    return {"as": "zoned", "zone": zone}


def _load_zoned(spec: Spec, parts: Iterator[Any]) -> Any:
    pandas, zone = need("pandas"), load_zone(spec["zone"])
    moments = load_npy(next(parts))
    if moments.dtype.kind != "M":
        raise Malformed("its times are none")
    index = pandas.DatetimeIndex(moments)
    if index.dtype != moments.dtype:
        raise Refused("the pandas where it goes makes %s of %s" % (index.dtype, moments.dtype))
    return index.tz_localize("UTC").tz_convert(zone).array


def _dump_categories(array: Any, where: str, parts: Parts) -> Spec:
    parts.append(dump_npy(array.codes))
    categories = array.categories
    pandas = sys.modules["pandas"]
    is_range = type(categories) is pandas.RangeIndex
    freq = freq_name(categories)
    return {
        "as": "categories",
        "ordered": bool(array.ordered),
        "name": dump_label(categories.name),
        "freq": freq,
        "range": [categories.start, categories.stop, categories.step] if is_range else None,
        "categories": None if is_range else dump_column(bare(categories), "%s's categories" % where, parts),
    }


def _load_categories(spec: Spec, parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    codes = load_npy(next(parts))
    if codes.dtype.kind != "i" or codes.ndim != 1 or type(spec["ordered"]) is not bool:
        raise Malformed("its codes are none")
    name = load_label(spec["name"])
    if spec["range"] is not None:
        categories = make_range(spec["range"], name, max(len(codes), MAX_RANGE))
    else:
        categories = make_index(load_column(spec["categories"], parts), name, spec["freq"])
    dtype = pandas.CategoricalDtype(categories, ordered=spec["ordered"])
    return pandas.Categorical.from_codes(codes, dtype=dtype)


def _dump_periods(array: Any, _where: str, parts: Parts) -> Spec:
    parts.append(dump_npy(array.asi8))
    return {"as": "periods", "freq": period_name(array.dtype)}


def _load_periods(spec: Spec, parts: Iterator[Any]) -> Any:
    pandas = need("pandas")
    ordinals = load_npy(next(parts))
    if ordinals.dtype != "i8" or ordinals.ndim != 1:
        raise Malformed("its periods are none")
    return pandas.arrays.PeriodArray(ordinals, dtype=known_period(spec["freq"]))


def _dump_intervals(array: Any, where: str, parts: Parts) -> Spec:
    sides = [dump_column(bare(side), "%s's intervals" % where, parts) for side in (array.left, array.right)]
    return {"as": "intervals", "sides": sides, "closed": array.closed}


def _load_intervals(spec: Spec, parts: Iterator[Any]) -> Any:
    if spec["closed"] not in _CLOSED:
        raise Malformed("its intervals are closed nowhere")
    left, right = (load_column(side, parts) for side in spec["sides"])
    return need("pandas").arrays.IntervalArray.from_arrays(left, right, closed=spec["closed"])


def _dump_arrow(array: Any, _where: str, parts: Parts) -> Spec:
    import pyarrow

    column = array.__arrow_array__()
    chunks = column if isinstance(column, pyarrow.ChunkedArray) else pyarrow.chunked_array([column])
    _, _, (data,) = dump_table(pyarrow.table({"x": chunks}))
    parts.append(data)
    return {"as": "arrow"}


def _load_arrow(_spec: Spec, parts: Iterator[Any]) -> Any:
    need("pyarrow")
    table = load_table({"batch": False}, parts)
    if table.num_columns != 1:
        raise Malformed("its Arrow table has not one column")
    try:
        return need("pandas").arrays.ArrowExtensionArray(table.column(0))
    except AttributeError:
        raise Refused("the pandas where it goes has no dtypes of Arrow") from None


# ------------------------------------------------------------------ indexes of one level


def freq_name(index: Any) -> Any:
    """The name of an index's frequency, which must say all there is to it: one with holidays has more."""
    freq = getattr(index, "freq", None)
    pandas = sys.modules["pandas"]
    if freq is None or type(index) is pandas.PeriodIndex:  # there it is in the dtype
        return None
    try:
        if pandas.tseries.frequencies.to_offset(index.freqstr) == freq:
            return index.freqstr
    except ValueError:
        pass
    raise Refused("an index has a freq that cannot be carried, %r; set x.index.freq = None" % freq)


def make_range(bounds: Any, name: Any, max_length: int) -> Any:
    """A range of no more than `max_length` items, as it must have where something else says how many there are."""
    if len(bounds) != 3 or not all(type(number) is int and abs(number) < 1 << 63 for number in bounds):
        raise Malformed("its range has no end")
    index = need("pandas").RangeIndex(*bounds, name=name)
    if len(index) > max_length:
        raise Malformed("its range is too long")
    return index


def make_index(array: Any, name: Any, freq: Any) -> Any:
    """An index of an array's dtype. Raises `Refused` where this pandas has none."""
    pandas = need("pandas")
    try:
        index = pandas.Index(array, dtype=array.dtype, name=name, tupleize_cols=False)
    except ValueError:
        index = None
    if index is None or index.dtype != array.dtype:
        raise Refused("the pandas where it goes has no index of %s; convert it with .reset_index()" % array.dtype)
    if freq is not None:
        if not isinstance(index, (pandas.DatetimeIndex, pandas.TimedeltaIndex)) or type(freq) is not str:
            raise Malformed("it has a freq and no times")
        index.freq = known_freq(freq)
    return index


_LOADERS: Dict[str, Callable[[Spec, Iterator[Any]], Any]] = {
    "npy": _load_numbers,
    "json": _load_objects,
    "labels": _load_objects,
    "text": _load_text,
    "masked": _load_masked,
    "zoned": _load_zoned,
    "categories": _load_categories,
    "periods": _load_periods,
    "intervals": _load_intervals,
    "arrow": _load_arrow,
}
