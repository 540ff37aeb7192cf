"""Single values of NumPy and pandas: names, labels, and times. Standard library, NumPy, pandas, Python 3.9.

A label's words are a JSON scalar, or an object with one key that says what it is.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Tuple

from .plain import SCALARS, Dumped, Malformed, Refused, find_fault, need, type_name
from .zones import dump_zone, load_zone

__all__ = [
    "dump_label",
    "dump_scalar",
    "is_scalar",
    "known_freq",
    "known_period",
    "load_label",
    "load_scalar",
    "period_name",
    "same_label",
]

_MAX_DEPTH = 8
#: Of a frequency, or of a length of periods: ``12345BQE-DEC``.
_MAX_NAME_CHARS = 40
_UNITS = ("s", "ms", "us", "ns")
_CLOSED = ("left", "right", "both", "neither")
_NUMBERS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def _pandas() -> Any:
    return sys.modules.get("pandas")


def _named(pandas: Any) -> Tuple[Tuple[str, Any], ...]:
    return ("NA", pandas.NA), ("NaT", pandas.NaT)


def is_scalar(value: Any) -> bool:
    """Whether it is a single value of pandas' own."""
    pandas = _pandas()
    if pandas is None:
        return False
    kinds = (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval)
    return type(value) in kinds or any(value is each for _, each in _named(pandas))


def dump_scalar(value: Any) -> Dumped:
    return "scalar", {"value": dump_label(value)}, []


def load_scalar(meta: Dict[str, Any], _parts: Any) -> Any:
    return load_label(meta["value"])


def dump_label(value: Any, depth: int = 0) -> Any:
    """The words of a label. Raises `Refused`."""
    if type(value) in SCALARS:
        fault = find_fault(value)
        if fault:
            raise Refused("the label %s" % fault.replace("it is", "is"))
        return value
    if depth > _MAX_DEPTH:
        raise Refused("a label is nested deeper than %d" % _MAX_DEPTH)
    if type(value) is tuple:
        return {"tuple": [dump_label(item, depth + 1) for item in value]}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        code = value.dtype.str.lstrip("<>|=").replace("b1", "?")
        if code in _NUMBERS and type(value) is numpy.dtype(code).type:
            return {"numpy": [code, value.item()]}
    elif is_scalar(value):
        return _dump_pandas(_pandas(), value, depth)
    raise Refused("%.60r is of type %s" % (value, type_name(value)))


def _dump_pandas(pandas: Any, value: Any, depth: int) -> Dict[str, Any]:
    for name, each in _named(pandas):
        if value is each:
            return {"missing": name}
    if type(value) is pandas.Period:
        return {"period": [int(value.ordinal), period_name(pandas.PeriodDtype(value.freq))]}
    if type(value) is pandas.Interval:
        return {"interval": [dump_label(value.left, depth + 1), dump_label(value.right, depth + 1), value.closed]}
    import numpy

    moment = value.asm8
    unit = numpy.datetime_data(moment.dtype)[0]
    if type(value) is pandas.Timedelta:
        return {"timedelta": [int(moment.view("i8")), unit]}
    return {"timestamp": [int(moment.view("i8")), unit, None if value.tz is None else dump_zone(value.tz)]}


def load_label(words: Any, depth: int = 0) -> Any:
    """The label of `dump_label`'s words. Raises `Malformed`, and `Refused` where it cannot be had here."""
    if type(words) in SCALARS:
        return words
    if type(words) is not dict or len(words) != 1 or depth > _MAX_DEPTH:
        raise Malformed("a label makes no sense")
    ((kind, what),) = words.items()
    if kind == "tuple" and type(what) is list:
        return tuple(load_label(item, depth + 1) for item in what)
    if kind == "interval":
        left, right, closed = what
        if closed not in _CLOSED:
            raise Malformed("an interval is closed nowhere")
        return need("pandas").Interval(load_label(left, depth + 1), load_label(right, depth + 1), closed)
    if kind not in _LOADERS:
        raise Malformed("a label of this kind is not known")
    return _LOADERS[kind](what)


def _load_numpy(what: Any) -> Any:
    code, item = what
    if code not in _NUMBERS or type(item) is not {"?": bool, "f": float}.get(code[0], int):
        raise Malformed("a number makes no sense")
    return need("numpy").dtype(code).type(item)


def _load_missing(what: Any) -> Any:
    return dict(_named(need("pandas")))[what]


def _load_period(what: Any) -> Any:
    ordinal, freq = what
    if type(ordinal) is not int:
        raise Malformed("a period makes no sense")
    return need("pandas").Period(ordinal=ordinal, freq=known_period(freq).freq)


def _load_time(kind: str, value: Any, unit: Any) -> Any:
    if type(value) is not int or unit not in _UNITS:
        raise Malformed("a time makes no sense")
    return getattr(need("numpy"), kind)(value, unit)


def _load_timedelta(what: Any) -> Any:
    value, unit = what
    return _in_unit(need("pandas").Timedelta(_load_time("timedelta64", value, unit)), unit)


def _load_timestamp(what: Any) -> Any:
    value, unit, zone = what
    moment = _in_unit(need("pandas").Timestamp(_load_time("datetime64", value, unit)), unit)
    return moment if zone is None else moment.tz_localize("UTC").tz_convert(load_zone(zone))


def _in_unit(value: Any, unit: str) -> Any:
    import numpy

    if value is _pandas().NaT or numpy.datetime_data(value.asm8.dtype)[0] != unit:
        raise Refused("the pandas where it goes has no times of unit %r" % unit)
    return value


def known_freq(freq: str) -> Any:
    """A frequency by its name, of which pandas' versions have different ones."""
    pandas = need("pandas")
    if len(freq) > _MAX_NAME_CHARS:
        raise Malformed("its freq is no name")
    try:
        return pandas.tseries.frequencies.to_offset(freq)
    except ValueError:
        raise Refused("the pandas where it goes has no frequency %.40r" % freq) from None


def period_name(dtype: Any) -> str:
    """The name of the length of periods, which is not that of a frequency in all versions: M, and ME."""
    return str(dtype)[len("period[") : -1]


def known_period(name: Any) -> Any:
    """The dtype of periods of a length."""
    if type(name) is not str or len(name) > _MAX_NAME_CHARS:
        raise Malformed("its periods have no length")
    try:
        return need("pandas").PeriodDtype(name)
    except ValueError:
        raise Refused("the pandas where it goes has no periods of %.40r" % name) from None


_LOADERS: Dict[str, Callable[[Any], Any]] = {
    "numpy": _load_numpy,
    "missing": _load_missing,
    "period": _load_period,
    "timedelta": _load_timedelta,
    "timestamp": _load_timestamp,
}


def same_label(one: Any, other: Any) -> bool:
    """Whether two are one value of one type; NaN is NaN, and zero is not minus zero."""
    # Their words hold all that is to be told from others, and the text of floats tells zero from minus zero.
    if type(one) is not type(other):
        return False
    if one is other or (type(one) is str and one == other):
        return True
    try:
        return repr(dump_label(one)) == repr(dump_label(other))
    except Refused:
        return False
