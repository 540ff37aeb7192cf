"""Whether two values of NumPy and pandas are the same, to the last bit of what can be told. Standard library, Python 3.9.

Stricter than their own comparisons, which take an empty index for every other, and 1 for True.
"""

from __future__ import annotations

import sys
from typing import Any

from .columns import bare
from .labels import same_label
from .plain import SCALARS
from .zones import dump_zone

__all__ = ["difference"]

_CHUNK = 1 << 20


def difference(one: Any, other: Any) -> str:
    """What differs between two, in words; empty where nothing does."""
    if type(one) is not type(other):
        return "its type"
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        if isinstance(one, pandas.Index):
            return _index_difference(pandas, one, other, "its index")
        if isinstance(one, (pandas.DataFrame, pandas.Series)):
            return _frame_difference(pandas, one, other)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(one, (numpy.ndarray, numpy.generic)):
        return "" if _same_numbers(numpy.asanyarray(one), numpy.asanyarray(other)) else "its values"
    return "" if same_label(one, other) else "it"


def _frame_difference(pandas: Any, one: Any, other: Any) -> str:
    if not _same_object(one.attrs, other.attrs):
        return "its attrs"
    if one.flags.allows_duplicate_labels != other.flags.allows_duplicate_labels:
        return "its flags"
    found = _index_difference(pandas, one.index, other.index, "its index")
    if found:
        return found
    if isinstance(one, pandas.Series):
        if not same_label(one.name, other.name):
            return "its name"
        return _column_difference(bare(one), bare(other), "its values")
    found = _index_difference(pandas, one.columns, other.columns, "its columns' index")
    if found:
        return found
    for i, label in enumerate(one.columns):
        found = _column_difference(bare(one.iloc[:, i]), bare(other.iloc[:, i]), "column %r" % (label,))
        if found:
            return found
    return ""


def _index_difference(pandas: Any, one: Any, other: Any, where: str) -> str:
    if type(one) is not type(other) or len(one) != len(other):
        return where
    if len(one.names) != len(other.names) or not all(map(same_label, one.names, other.names)):
        return "the name of %s" % where
    if isinstance(one, pandas.MultiIndex):
        if one.sortorder != other.sortorder or one.nlevels != other.nlevels:
            return "the order of %s" % where
        for level, code, level2, code2 in zip(one.levels, one.codes, other.levels, other.codes):
            if not _same_numbers(code, code2):
                return "the codes of %s" % where
            found = _index_difference(pandas, level.rename(None), level2.rename(None), "a level of %s" % where)
            if found:
                return found
        return ""
    if isinstance(one, pandas.RangeIndex):
        return "" if (one.start, one.stop, one.step) == (other.start, other.stop, other.step) else where
    if getattr(one, "freq", None) != getattr(other, "freq", None):
        return "the freq of %s" % where
    return _column_difference(bare(one), bare(other), where)


def _column_difference(one: Any, other: Any, where: str) -> str:
    """What differs between two of pandas' arrays."""
    import numpy

    pandas = sys.modules["pandas"]
    if type(one) is not type(other) or one.dtype != other.dtype or len(one) != len(other):
        return "the dtype of %s" % where
    dtype = one.dtype
    if isinstance(dtype, numpy.dtype):
        return "" if _same_numbers(one, other) else where
    if isinstance(dtype, pandas.CategoricalDtype):
        found = _index_difference(pandas, one.categories, other.categories, "the categories of %s" % where)
        return found or ("" if _same_numbers(one.codes, other.codes) else where)
    if isinstance(dtype, pandas.IntervalDtype):
        found = _column_difference(bare(one.left), bare(other.left), where)
        return found or _column_difference(bare(one.right), bare(other.right), where)
    if isinstance(dtype, pandas.DatetimeTZDtype) and dump_zone(dtype.tz) != dump_zone(other.dtype.tz):
        return "the time zone of %s" % where
    if isinstance(dtype, (pandas.DatetimeTZDtype, pandas.PeriodDtype)):
        return "" if _same_numbers(one.asi8, other.asi8) else where
    if isinstance(dtype, pandas.StringDtype):
        pairs = zip(one.to_numpy(dtype=object).tolist(), other.to_numpy(dtype=object).tolist())
        # What is no text is a gap.
        return "" if all(type(a) is type(b) and (type(a) is not str or a == b) for a, b in pairs) else where
    if hasattr(pandas, "ArrowDtype") and isinstance(dtype, pandas.ArrowDtype):
        return "" if _same_arrow(one.__arrow_array__(), other.__arrow_array__()) else where
    gaps = one.isna()
    if not _same_numbers(gaps, other.isna()):
        return where
    number = dtype.numpy_dtype
    zero = False if number.kind == "b" else 0
    same = _same_numbers(one.to_numpy(number, na_value=zero), other.to_numpy(number, na_value=zero))
    return "" if same else where


def _same_arrow(one: Any, other: Any) -> bool:
    if one.equals(other):
        return True
    # There NaN is not NaN; text and its order are.
    return bool(one.type == other.type and repr(one.to_pylist()) == repr(other.to_pylist()))


def _same_numbers(one: Any, other: Any) -> bool:
    """Whether two of NumPy's arrays are the same; minus zero is not zero, NaN is NaN."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.hasobject:
        return all(map(_same_object, one.ravel().tolist(), other.ravel().tolist()))
    if one.ndim == 0:
        one, other = one.reshape(1), other.reshape(1)
    rows = max(1, _CHUNK // max(1, one[:1].nbytes))
    return all(_same_rows(one[i : i + rows], other[i : i + rows]) for i in range(0, len(one), rows))


def _same_rows(one: Any, other: Any) -> bool:
    import numpy

    if one.dtype.names:
        return all(_same_rows(one[name], other[name]) for name in one.dtype.names)
    if one.dtype.kind in "fc" and one.dtype.char in "gG":
        # Of these some bytes mean nothing.
        if one.dtype.kind == "c":
            return _same_rows(one.real, other.real) and _same_rows(one.imag, other.imag)
        same = (one == other) & (numpy.signbit(one) == numpy.signbit(other))
        return bool((same | (numpy.isnan(one) & numpy.isnan(other))).all())
    return bool(one.tobytes() == other.tobytes())


def _same_object(one: Any, other: Any) -> bool:
    """Whether two JSON values, or two labels, are the same."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is list:
        return len(one) == len(other) and all(map(_same_object, one, other))
    if kind is dict:
        return list(one) == list(other) and all(map(_same_object, one.values(), other.values()))
    if kind in SCALARS and kind is not float:
        return bool(one == other)
    return same_label(one, other)
