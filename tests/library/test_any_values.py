"""Whatever pandas' own strategies make, and others beside: it arrives exactly, or is refused; never anything else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st
from hypothesis.extra import pandas as pandas_st

from hopx_kernel.library.inside import equal
from hopx_kernel.library.inside.plain import load_text, to_json
from hopx_kernel.library.inside.values import Refused, dump_value, load_value

from .exactly import exactly
from .test_exact_values import ZONES, is_same


def is_same_or_refused(value: Any) -> bool:
    before = exactly(value)
    try:
        data = b"".join(dump_value(value))
    except Refused as refusal:
        assert len(str(refusal)) > 10
        return False
    assert exactly(load_value(data)) == before == exactly(value)
    return True


UNITS = ("s", "ms", "us", "ns")
DTYPES = st.one_of(
    numpy_st.boolean_dtypes(),
    numpy_st.integer_dtypes(endianness="="),
    numpy_st.floating_dtypes(endianness="=", sizes=(32, 64)),
    numpy_st.complex_number_dtypes(endianness="="),
    st.sampled_from([np.dtype(f"{kind}8[{unit}]") for kind in "mM" for unit in UNITS]),
)
INDEX_DTYPES = st.sampled_from(["i8", "u1", "i2", "f8", "f4", "?", "M8[ns]", "m8[s]"]).map(np.dtype)
PLAIN_INDEXES = INDEX_DTYPES.flatmap(lambda dtype: pandas_st.indexes(dtype=dtype, max_size=5, unique=False))
PLAIN_SERIES = DTYPES.flatmap(
    lambda dtype: PLAIN_INDEXES.flatmap(lambda index: pandas_st.series(dtype=dtype, index=st.just(index)))
)
NAMES = st.one_of(
    *(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.tuples(st.text(), st.integers())),
    *(numpy_st.from_dtype(np.dtype("i8")), st.just(pd.NaT), st.just(pd.Timestamp("2020", tz="Asia/Tokyo"))),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
HASHABLE = st.one_of(
    *(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.just(pd.NA),
        st.just(pd.NaT),
        st.tuples(st.text(), st.integers()),
    ),
    *(numpy_st.from_dtype(np.dtype(code)) for code in ("i1", "u8", "f2", "f4", "f8", "?")),
    *(st.dates(), st.decimals(allow_nan=False), st.binary(max_size=4), st.fractions(), st.timedeltas()),
)
SCALARS = HASHABLE | JSON | st.sets(st.integers())
ZONED = st.builds(
    lambda moments, zone, unit: (
        pd.DatetimeIndex(np.array(moments, "M8[s]")).as_unit(unit).tz_localize("UTC").tz_convert(zone)
    ),
    st.lists(st.integers(0, 2**32), max_size=5),
    st.sampled_from(ZONES),
    st.sampled_from(UNITS),
)
TEXT_DTYPES = ("string[python]", "string[pyarrow]", "str", "object", "category")
TEXT = st.builds(
    lambda texts, dtype: pd.Index(pd.array(texts, dtype=dtype)) if dtype != "object" else pd.Index(texts, dtype=object),
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=5),
    st.sampled_from(TEXT_DTYPES),
)
GAPS = st.builds(
    lambda items, dtype: pd.Index(pd.array(items, dtype=dtype)),
    st.lists(st.none() | st.integers(0, 100), max_size=5),
    st.sampled_from(["Int8", "UInt64", "Float32", "Int64", "int64[pyarrow]", "double[pyarrow]"]),
)
PERIODS = st.builds(
    lambda ordinals, freq: pd.PeriodIndex.from_ordinals(ordinals, freq=freq),
    st.lists(st.integers(-1000, 1000), max_size=5),
    st.sampled_from(["D", "M", "Q-MAR", "Y", "h", "B", "W-TUE"]),
)
INTERVALS = st.builds(
    lambda breaks, closed: pd.IntervalIndex.from_breaks(sorted(breaks), closed=closed),
    st.lists(st.integers(-9, 9) | st.floats(-9, 9), max_size=5) | st.lists(st.integers(-9, 9), max_size=5),
    st.sampled_from(["left", "right", "both", "neither"]),
)
CATEGORIES = st.builds(
    lambda base, ordered: pd.CategoricalIndex(pd.Categorical(base, ordered=ordered)),
    st.one_of(PLAIN_INDEXES.map(lambda index: index.unique()), TEXT, ZONED, PERIODS),
    st.booleans(),
)
RANGES = st.builds(
    pd.RangeIndex, st.integers(-9, 9), st.integers(-9, 9), st.integers(-3, 3).filter(bool)
) | pandas_st.range_indexes(max_size=5)
FLAT = st.one_of(
    PLAIN_INDEXES,
    *(RANGES, ZONED, TEXT, GAPS, PERIODS, INTERVALS, CATEGORIES),
    st.lists(HASHABLE, max_size=4).map(lambda items: pd.Index(pd.Series(items, dtype=object), dtype=object)),
)


def to_length(index: pd.Index, length: int, order: list[int]) -> pd.Index:
    """An index's items in some order, some of them twice; empty ones stay so."""
    return index.take([place % len(index) for place in order[:length]]) if len(index) else index


@st.composite
def any_indexes(draw: st.DrawFn, length: int | None = None) -> pd.Index:
    order = draw(st.lists(st.integers(0, 99), min_size=6, max_size=6))
    size = draw(st.integers(0, 6)) if length is None else length
    if draw(st.integers(0, 3)):
        index = draw(FLAT)
        if length is None and draw(st.booleans()):
            return index.rename(draw(NAMES))
        made = to_length(index, size, order)
        return (made if len(made) == size else pd.RangeIndex(size)).rename(draw(NAMES))
    levels = [to_length(draw(FLAT), size, order) for _ in range(draw(st.integers(1, 3)))]
    levels = [level if len(level) == size else pd.RangeIndex(size) for level in levels]
    names = [draw(NAMES) for _ in levels]
    made = pd.MultiIndex.from_arrays(levels, names=names)
    return made[:: draw(st.sampled_from([1, -1]))]


@st.composite
def any_series(draw: st.DrawFn, length: int | None = None) -> pd.Series:
    if length is None and draw(st.booleans()):
        series = draw(PLAIN_SERIES)
    elif length is None and draw(st.booleans()):
        series = pd.Series(draw(st.lists(SCALARS, max_size=4)), dtype=object)
        series.index = draw(any_indexes(len(series)))
    else:
        items = draw(any_indexes(length).filter(lambda index: not isinstance(index, pd.MultiIndex)))
        series = pd.Series(items.array, index=draw(any_indexes(len(items))), dtype=items.dtype)
    series.name = draw(NAMES)
    series.attrs = draw(st.dictionaries(st.text(), JSON, max_size=1))
    return series


@st.composite
def any_frames(draw: st.DrawFn) -> pd.DataFrame:
    if draw(st.booleans()):
        columns = [pandas_st.column(name, dtype=draw(DTYPES)) for name in draw(st.sets(st.text(), max_size=3))]
        return draw(pandas_st.data_frames(columns=columns, index=pandas_st.range_indexes(max_size=4)))
    length, width = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    columns = [draw(any_series(length)).reset_index(drop=True) for _ in range(width)]
    frame = pd.DataFrame(dict(enumerate(columns)), index=range(length), columns=range(width))
    frame.index, frame.columns = draw(any_indexes(length)), draw(any_indexes(width))
    frame.attrs = draw(st.dictionaries(st.text(), JSON, max_size=1))
    return frame


many = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
#: What pandas warns of while values are made for a test.
_MAKING = ("ignore::FutureWarning", "ignore::RuntimeWarning", "ignore:.*:pandas.errors.PerformanceWarning")
pytestmark = pytest.mark.filterwarnings(*_MAKING)


@many
@given(any_indexes())
def test_any_index_arrives_exactly_or_is_refused(index: Any) -> None:
    is_same_or_refused(index)


@many
@given(any_series())
def test_any_series_arrives_exactly_or_is_refused(series: Any) -> None:
    is_same_or_refused(series)


@many
@given(any_frames())
def test_any_frame_arrives_exactly_or_is_refused(frame: Any) -> None:
    is_same_or_refused(frame)


@many
@given(PLAIN_SERIES)
def test_series_of_numbers_and_times_are_never_refused(series: Any) -> None:
    assert is_same_or_refused(series)


@many
@given(
    numpy_st.arrays(numpy_st.array_dtypes() | numpy_st.scalar_dtypes(), numpy_st.array_shapes(min_dims=0, min_side=0))
)
def test_any_array_arrives_exactly_or_is_refused(array: Any) -> None:
    if isinstance(array, np.ndarray):
        is_same_or_refused(array)


@many
@given(SCALARS | NAMES | st.text(st.characters()) | st.lists(SCALARS, max_size=3))
def test_any_scalar_arrives_exactly_or_is_refused(value: Any) -> None:
    is_same_or_refused(value)


@many
@given(JSON)
def test_any_json_value_arrives_exactly(value: Any) -> None:
    is_same(json.loads(json.dumps(value)))
    assert exactly(load_text(to_json(value))) == exactly(value)


@many
@given(any_frames() | any_series() | any_indexes(), any_frames() | any_series() | any_indexes())
def test_comparison_tells_apart_what_differs(one: Any, other: Any) -> None:
    """The product's comparison finds whatever this one finds: it may refuse too much, never too little."""
    try:
        found = equal.difference(one, other)
    except Refused:
        return
    assert found or exactly(one) == exactly(other)
