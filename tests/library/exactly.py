"""What there is to tell one value from another, in full: two values are the same where this is.

Written apart from the product's own comparison, and item by item, which is slow and simple.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def exactly(value: Any) -> Any:
    """A value as nested tuples and lists of text and bytes."""
    if isinstance(value, pd.DataFrame):
        columns = [_array(value.iloc[:, i]) for i in range(value.shape[1])]
        return ("frame", exactly(value.index), exactly(value.columns), columns, *_beside(value))
    if isinstance(value, pd.Series):
        return ("series", exactly(value.index), exactly(value.name), _array(value), *_beside(value))
    if isinstance(value, pd.Index):
        return _index(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return (
            "numpy",
            str(type(value)),
            value.dtype.descr if value.dtype.names else value.dtype.str,
            value.shape,
            _bytes(value),
        )
    if isinstance(value, pd.Timestamp):
        return ("timestamp", value.unit, value.asm8.tobytes(), _zone(value.tz), value.isoformat())
    if isinstance(value, pd.Interval):
        return ("interval", exactly(value.left), exactly(value.right), value.closed)
    if isinstance(value, (list, tuple)):
        return (str(type(value)), [exactly(item) for item in value])
    if isinstance(value, dict):
        return ("dict", [(exactly(key), exactly(item)) for key, item in value.items()])
    unit = getattr(value, "unit", getattr(value, "freqstr", ""))
    return (str(type(value)), repr(value), unit)


def _beside(value: Any) -> tuple[Any, ...]:
    return exactly(value.attrs), value.flags.allows_duplicate_labels, type(value).__qualname__


def _index(index: Any) -> Any:
    names = [exactly(name) for name in index.names]
    if isinstance(index, pd.MultiIndex):
        levels = [_index(level.rename(None)) for level in index.levels]
        codes = [(codes.dtype.str, codes.tolist()) for codes in index.codes]
        return ("levels", names, levels, codes, index.sortorder)
    range_ = (index.start, index.stop, index.step) if isinstance(index, pd.RangeIndex) else None
    return (str(type(index)), names, range_, repr(getattr(index, "freq", None)), _array(index), len(index))


def _array(value: Any) -> Any:
    """The items of a series or an index, without labels, and its dtype."""
    dtype, more = value.dtype, []
    if isinstance(dtype, pd.CategoricalDtype):
        more = [_index(dtype.categories), dtype.ordered, value.array.codes.tolist()]
    if isinstance(dtype, pd.DatetimeTZDtype):
        more = [_zone(dtype.tz), dtype.unit, value.array.asi8.tolist()]
    if isinstance(dtype, pd.StringDtype):
        more = [dtype.storage, repr(dtype.na_value)]
    if isinstance(dtype, pd.IntervalDtype):
        more = [repr(dtype.subtype), dtype.closed]
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return dtype.str, _bytes(value.to_numpy())
    return str(type(dtype)), repr(dtype), more, [exactly(item) for item in value.array]


def _zone(zone: Any) -> Any:
    return type(zone).__module__, type(zone).__qualname__, str(zone)


def _bytes(array: Any) -> Any:
    if array.dtype.char in "gG":  # of these some bytes mean nothing
        return repr(np.asarray(array).tolist()), [repr(item) for item in np.asarray(array).ravel()]
    return array.tobytes()
