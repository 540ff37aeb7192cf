"""Tables of every kind there and back: the same to the last bit, or refused by name; never anything else."""

from __future__ import annotations

import datetime
import decimal
import json
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st
from hypothesis.extra import pandas as pandas_st

from hopx_kernel.library.inside import equal, frames
from hopx_kernel.library.inside.plain import load_text, to_json
from hopx_kernel.library.inside.values import Refused, dump_value, load_value

from .exactly import exactly


def round_trip(value: Any) -> Any:
    return load_value(b"".join(dump_value(value)))


def is_same(value: Any) -> None:
    assert exactly(round_trip(value)) == exactly(value)


def is_same_or_refused(value: Any) -> bool:
    before = exactly(value)
    try:
        data = b"".join(dump_value(value))
    except Refused as refusal:
        assert len(str(refusal)) > 10
        return False
    assert exactly(load_value(data)) == before == exactly(value)
    return True


# ------------------------------------------------------------------ what was lost


def test_series_keeps_its_values_under_its_labels() -> None:
    maxima = round_trip(pd.DataFrame({"v": [1, 2, 3]}).max())
    assert maxima.to_dict() == {"v": 3}
    ordered = round_trip(pd.DataFrame({"v": [3, 1, 2]}).sort_values("v").v)
    assert (ordered.tolist(), ordered.index.tolist()) == ([1, 2, 3], [1, 2, 0])


ZONES = [
    datetime.timezone.utc,
    datetime.timezone(datetime.timedelta(hours=-2)),
    datetime.timezone(datetime.timedelta(minutes=330)),
    zoneinfo.ZoneInfo("UTC"),
    zoneinfo.ZoneInfo("Europe/Berlin"),
    zoneinfo.ZoneInfo("America/Argentina/Buenos_Aires"),
    pytz.UTC,
    pytz.timezone("Europe/Berlin"),
    pytz.FixedOffset(90),
]
TIMES = ["2020-03-29 00:30", "2020-10-25 00:30", "2020-10-25 01:30"]
EXACT: dict[str, Any] = {
    **{f"zone {zone!r}": pd.Series(pd.DatetimeIndex(TIMES).tz_localize("UTC").tz_convert(zone)) for zone in ZONES},
    **{f"moment {zone!r}": pd.Timestamp("2020-10-25 00:30", tz="UTC").tz_convert(zone) for zone in ZONES},
    **{
        f"times of {unit}": pd.Series(pd.DatetimeIndex([*TIMES, "NaT"]).as_unit(unit))
        for unit in ("s", "ms", "us", "ns")
    },
    **{f"moment of {unit}": pd.Timestamp("2020").as_unit(unit) for unit in ("s", "ms", "us", "ns")},
    **{f"span of {unit}": pd.Timedelta("-1h").as_unit(unit) for unit in ("s", "ms", "us", "ns")},
    **{
        f"text {storage} {na!r}": pd.Series(["é", na], dtype=pd.StringDtype(storage, na_value=na), index=[7, 7])
        for storage in ("python", "pyarrow")
        for na in (pd.NA, np.nan)
    },
    "periods": pd.Series(pd.PeriodIndex(["2020-01", "NaT"], freq="M"), index=["b", "a"]),
    "index of periods": pd.period_range("2020", periods=3, freq="Q-MAR", name="q"),
    "intervals": pd.interval_range(0, 3, closed="left"),
    "intervals of times": pd.interval_range(pd.Timestamp("2020", tz="Europe/Berlin"), periods=2),
    "intervals with gaps": pd.Series(pd.arrays.IntervalArray.from_tuples([(0.5, 1), None]), index=[1, 0]),
    "bins": pd.cut(pd.Series([1, 5, 9], index=[2, 0, 1]), 3),
    "arrow ints": pd.Series([1, None], dtype="int64[pyarrow]", index=[1, 0]),
    "arrow lists": pd.Series(
        [[1], None], dtype=pd.ArrowDtype(__import__("pyarrow").list_(__import__("pyarrow").int8()))
    ),
    "arrow decimals": pd.Series([decimal.Decimal("1.10")], dtype=pd.ArrowDtype(__import__("pyarrow").decimal128(5, 2))),
    "arrow nan": pd.Series([np.nan, None], dtype="double[pyarrow]"),
    "gaps": pd.Series([None, False, None, float("nan"), pd.NaT, pd.NA, 0, -0.0, ""], dtype=object),
    "labels as objects": pd.Series(
        [pd.Timestamp("2020", tz="UTC"), (1, ("a",)), np.int64(1), np.float32(0.1)], dtype=object
    ),
    "nan and NA apart": pd.Series(pd.arrays.FloatingArray(np.array([np.nan, 1, 2]), np.array([False, False, True]))),
    "minus zero": pd.Series([0.0, -0.0], index=[-0.0, 0.0]),
    "name of two": pd.Series([1], name=("a", 1)),
    "name that is a time": pd.Series([1], name=pd.Timestamp("2020", tz="UTC")),
    "name of NumPy's": pd.DataFrame([[1, 2]], columns=[0, 7])[7],
    "row": pd.DataFrame({"a": [1.5]}, index=pd.date_range("2020", periods=1)).iloc[0],
    "names of levels": pd.MultiIndex.from_product([[1], [2]], names=[("a", 1), None]),
    "unsorted levels": pd.DataFrame(
        {"v": [1, 2]}, index=pd.MultiIndex(levels=[["b", "a"], [2, 1]], codes=[[1, 0], [0, 0]])
    ),
    "level with a freq": pd.MultiIndex.from_product([["a"], pd.date_range("2020", periods=3)]),
    "levels of gaps": pd.MultiIndex.from_arrays(
        [pd.array([1, None], dtype="Int8"), pd.period_range("2020", periods=2)]
    ),
    "twice": pd.DataFrame([[1, "a", 2.5]], columns=["x", "x", None], index=pd.Index([0], dtype="uint8")),
    "empty of each": pd.DataFrame({"a": pd.array([], "Int8"), "b": pd.array([], "string"), "c": pd.Categorical([])}),
    "categories by range": pd.Series(pd.Categorical.from_codes([0, -1], pd.RangeIndex(5))),
    "categories with a name": pd.CategoricalIndex([1], categories=pd.Index([1, 2], name="n")),
    "big endian": pd.DataFrame({"a": np.array([1, 2], ">i4"), "b": np.array([1, 2], ">f8")}, index=[2, 1]),
    "NaT": pd.NaT,
    "NA": pd.NA,
    "interval": pd.Interval(pd.Timestamp("2020"), pd.Timestamp("2021"), closed="both"),
    "interval of numbers": pd.Interval(0, 1.5),
    "period": pd.Period("2020Q1", freq="Q-JAN"),
    "business days": pd.date_range("2020", periods=3, freq="B"),
    "no rows, many labels": pd.DataFrame(columns=pd.MultiIndex.from_product([["a"], [1.5, None]])),
    "halves of characters": ["\ud83d\ude00", "\ud83d", "😀"],
    "halves of characters in a frame": pd.Series(["\ud83d\ude00"], dtype=object, name="\ud83d\ude00"),
    "zero-ended text": np.array(["a\0b", "c"]),
}


@pytest.mark.parametrize("name", EXACT)
def test_value_arrives_exactly(name: str) -> None:
    is_same(EXACT[name])


def holidays() -> pd.Index:
    return pd.date_range("2020", periods=3, freq=pd.offsets.CDay(holidays=["2020-01-02"]))


class Labels(pd.Index):
    """An index of a program's own."""


ROW: list[Any] = [0]
REFUSED: dict[str, tuple[Any, str]] = {
    "text of NumPy that ends in zeros": (np.str_("a\0"), "values would not arrive"),
    "bytes of NumPy that end in zeros": (np.bytes_(b"a\0"), "values would not arrive"),
    "a list at two places": ([ROW, ROW], r"^\[1\] is a list that is at another place"),
    "a dict at two places": ({"a": {"b": ROW}, "c": [ROW]}, r"\['c'\]\[0\] is a list that is at another place"),
    "the same list in two rows": (pd.Series([ROW, ROW]), "it is of dtype object, and .1. is a list"),
    "dates": (pd.DataFrame({"when": [datetime.date(2020, 1, 1)]}), "column 'when' .*datetime.date"),
    "sparse": (pd.DataFrame({"s": pd.arrays.SparseArray([0, 1])}), "column 's' .*Sparse"),
    "index of dates": (pd.Series([1], index=pd.Index([datetime.date(2020, 1, 1)])), "its index .*datetime.date"),
    "level of decimals": (pd.MultiIndex.from_arrays([[decimal.Decimal(1)], [2]]), "a level of it .*Decimal"),
    "labels of decimals": (pd.DataFrame([[1]], columns=[decimal.Decimal(1)]), "its columns' index .*Decimal"),
    "name of another kind": (pd.Series([1], name=decimal.Decimal(1)), "the name .*Decimal"),
    "attrs of another kind": (pd.Series([1]).pipe(lambda s: s.attrs.update(a=(1,)) or s), "attrs .*tuple"),
    "zone of a file": (pd.Series(pd.date_range("2020", periods=1, tz="dateutil/Europe/Berlin")), "it: its time zone"),
    "categories of dates": (pd.Categorical([datetime.date(2020, 1, 1)]).categories, "datetime.date"),
    "frequency with holidays": (pd.DataFrame({"v": range(3)}, index=holidays()), "freq .* None"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_change_is_refused_with_its_place(name: str) -> None:
    value, message = REFUSED[name]
    with pytest.raises(Refused, match=message):
        dump_value(value)


def test_lists_that_share_much_are_refused_at_once() -> None:
    """As text it would be 2 to the 100 lists."""
    value: list[Any] = []
    for _ in range(100):
        value = [value, value]
    with pytest.raises(Refused, match="another place"):
        dump_value(value)


@pytest.mark.parametrize("fault", ["index", "values", "name", "attrs", "dtype"])
def test_fault_in_the_encoding_is_a_refusal(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Whatever a library does to a value on its way: it is seen before the value leaves."""
    real = frames.load_frame

    def faulty(meta: dict[str, Any], parts: Any) -> Any:
        value = real(meta, parts)
        if fault == "index":
            return value.reset_index(drop=True)
        if fault == "values":
            return value.sort_values()
        if fault == "name":
            return value.rename(None)
        if fault == "attrs":
            value.attrs = {}
        return value.astype("f8") if fault == "dtype" else value

    monkeypatch.setitem(dump_value.__globals__["_LOADERS"], "frame", faulty)
    series = pd.Series([3, 1], index=[0, 5], name="n")
    series.attrs["unit"] = "m"
    with pytest.raises(Refused, match="would not arrive as what it is"):
        dump_value(series)


# ------------------------------------------------------------------ pandas' own strategies, and others beside

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
