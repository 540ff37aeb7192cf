"""Values as bytes and back: each arrives as what it was, or is refused with the way that works."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import pathlib
import re
import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import recfunctions

from hopx_kernel.library.inside import plain
from hopx_kernel.library.inside.values import Malformed, Refused, dump_value, load_value

FRAME = pd.DataFrame(
    {
        "int": [1, 2, 3],
        "float": [1.5, np.nan, np.inf],
        "text": ["a", None, "é😀"],
        "mixed": pd.Series([1, "x", None], dtype=object),
        "time": pd.date_range("2020-01-01", periods=3),
        "zoned": pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin"),
        "delta": pd.to_timedelta([1, 2, 3], unit="s"),
        "category": pd.Categorical(["x", "y", "x"], categories=["y", "x"], ordered=True),
        "gaps": pd.array([1, None, 3], dtype="Int64"),
        "flags": pd.array([True, None, False], dtype="boolean"),
        "complex": [1j, 2, 3],
    }
)

SAME: list[Any] = [
    None,
    True,
    -7,
    10**100,
    2.5,
    float("inf"),
    "é😀\0\n\udc80",
    [1, [2, {"a": None, "": []}]],
    {},
    b"\0\xff",
    bytearray(b"x"),
]
ARRAYS = [
    np.arange(12).reshape(3, 4),
    np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    np.array(5),
    np.zeros((0, 3), dtype=np.float32),
    np.array(["a", "bé"]),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    np.array(["2020-01-01"], dtype="datetime64[D]"),
    np.array([True, False]),
    np.arange(10)[::2],
    np.array([b"x"], dtype="S3"),
    np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    np.broadcast_to(np.arange(3), (4, 3)),
    np.arange(3)[::-1],
    *(np.zeros(3, code) for code in "?bhilqBHILQefdgFDG"),
    *(np.ones((2, 3), code) for code in (">i4", ">f8", "<U3", ">U3", "V3", "m8[s]", "M8[ns]", ">M8[us]", "M8[25s]")),
    *(np.zeros(shape, code) for shape in [(), (0,), (2, 0, 3)] for code in ("i8", "U0", "S0", "V0", "M8[D]")),
    np.zeros(2, [("a", "i1"), ("b", "f8", (2, 3)), ("c", [("d", "M8[ns]"), ("é", ">i2")])]),
    np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.zeros(2, np.dtype([("a", "i1"), (("t", "b"), [("c", "i1"), ("d", "f8", (2,))], (3,))], align=True)),
    np.zeros((), np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.zeros(2, np.dtype({"names": ["a"], "formats": ["i4"], "itemsize": 16})),
    np.zeros(2, [(("a title", "a"), "i4")]),
]
FRAMES = [
    FRAME,
    FRAME.set_index("text"),
    FRAME.set_index(["int", "category"]),
    FRAME.iloc[:0],
    FRAME.set_index("time"),
    FRAME[["int", "float"]].set_axis(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"]), axis=1),
    pd.DataFrame([[1, 2]], columns=["a", "a"]),
    pd.DataFrame([[1, 2]], columns=[0, 7], index=["r"]),
    pd.DataFrame(),
    pd.DataFrame(index=[1, 2]),
    FRAME.set_flags(allows_duplicate_labels=False),
]
INDEXES = {
    "backwards": pd.RangeIndex(5, 0, -1, name="n"),
    "small numbers": pd.Index([1, 2], dtype="int8"),
    "floats": pd.Index([1.5, np.nan], dtype="f4"),
    "flags": pd.Index([True, False]),
    "complex": pd.Index([1j]),
    "mixed": pd.Index(["a", 1, None], dtype=object),
    "text": pd.Index(["a", None]),
    "string": pd.Index(["a"], dtype="string"),
    "gaps": pd.Index([1, None], dtype="Int64"),
    "twice": pd.Index([1, 1]),
    "none": pd.Index([]),
    "months": pd.date_range("2020", periods=3, freq="MS", name="n"),
    "weeks": pd.date_range("2020", periods=3, freq="W-TUE"),
    "seconds": pd.DatetimeIndex(["2020", "NaT"]).as_unit("s"),
    "zone": pd.date_range("2020-03-28", periods=4, freq="12h", tz="Europe/Berlin"),
    "hour that comes twice": pd.date_range("2020-10-25", periods=5, freq="30min", tz="Europe/Berlin"),
    "UTC": pd.date_range("2020", periods=3, tz="UTC"),
    "offset": pd.date_range("2020", periods=3, tz="+02:30"),
    "offset of datetime": pd.date_range("2020", periods=2, tz=datetime.timezone(datetime.timedelta(hours=-2))),
    "time differences": pd.timedelta_range("1h", periods=3),
    "categories": pd.CategoricalIndex(["a", "b"], categories=["b", "a", "unused"], ordered=True),
    "categories of times": pd.CategoricalIndex(pd.date_range("2020", periods=2)),
    "categories of numbers": pd.CategoricalIndex([2, 1, 2]),
    "levels": pd.MultiIndex.from_product([["b", "a"], pd.date_range("2020", periods=2)], names=["x", None]),
    "levels with gaps": pd.MultiIndex.from_arrays([["a", None], [1.0, np.nan]]),
    "levels without items": pd.MultiIndex.from_arrays([[], []], names=["a", "b"]),
    "levels that are not used": pd.MultiIndex.from_product([["a", "b"], [1, 2]])[:1],
    "levels of all kinds": pd.MultiIndex.from_arrays(
        [pd.date_range("2020", periods=2, tz="UTC"), pd.Categorical(["a", "b"])]
    ),
}
COLUMNS = {
    "small gaps": pd.array([1, None], dtype="Int8"),
    "large gaps": pd.array([2**64 - 1, None], dtype="UInt64"),
    "float gaps": pd.array([1.5, None], dtype="Float32"),
    "string": pd.array(["a", None], dtype="string"),
    "half": pd.Series([1], dtype="f2"),
    "long": pd.Series(np.array([1], dtype="g")),
    "nan in objects": pd.Series(["a", np.nan], dtype=object),
    "lists": pd.Series([[1, {"a": 2}]]),
    "milliseconds": pd.Series(pd.to_datetime(["2020"])).astype("M8[ms]"),
    "no time": pd.Series([pd.NaT, pd.Timestamp("2020", tz="Asia/Tokyo")]),
    "no category": pd.Series(pd.Categorical(["a", None])),
    "mixed categories": pd.Series(pd.Categorical([1, "a"])),
    "no rows": pd.Series(pd.Categorical([], categories=["a"])),
}


class Colour(str, enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()


class Zone(datetime.tzinfo):
    """A time zone of a program's own."""

    def utcoffset(self, _when: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(hours=1)

    def dst(self, _when: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(0)

    def tzname(self, _when: datetime.datetime | None) -> str:
        return "CET"

    def __str__(self) -> str:
        return "Europe/Berlin"


Point = collections.namedtuple("Point", "x y")
Subclass = type("Subclass", (pd.DataFrame,), {})
OVERLAPPING = np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]})
OUT_OF_ORDER = np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [4, 0]})
RECORDS = np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])

#: Refused with an expression to use instead: the expression's value is carried.
WAYS: list[Any] = [
    *((1, 2), {1, 2}, frozenset({1}), range(3), {"a": 1}.keys(), map(str, [1]), Point(1, 2), collections.deque([1])),
    *(collections.OrderedDict(a=1), collections.Counter("a"), array.array("i", [1]), memoryview(b"a"), 1j, Colour.RED),
    *(Text("a"), uuid.uuid4(), decimal.Decimal(1), pathlib.Path("x")),
    *(datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), datetime.time(1), datetime.timedelta(1)),
    *(RECORDS, np.ma.masked_array([1, 2], [True, False]), np.array(["a", 1], dtype=object)),
    *(np.zeros(2, OVERLAPPING), np.zeros(2, OUT_OF_ORDER), Subclass({"a": [1]})),
    *(pyarrow.array([1]), pyarrow.chunked_array([[1]])),
    *(polars.DataFrame({"a": [1]}), polars.Series("a", [1]), polars.LazyFrame({"a": [1]})),
]
#: The same inside of a list, where only JSON can be.
INNER_WAYS: list[Any] = [np.arange(3), np.int64(3), np.float64(0.5), pd.DataFrame({"a": [1]}), pd.Series([1]), (1,)]
REFUSED: list[tuple[Any, str]] = [
    ((1, 2), r"tuple .*list\(x\)"),
    ({1, 2}, r"set .*sorted\(x\)"),
    ({"a": [1, (2,)]}, r"\['a'\]\[1\] is of type tuple"),
    ({1: 2}, "key of type int"),
    (object(), "of type object"),
    (lambda: 1, "of type function"),
    (np, "of type module"),
    (10**5000, r"str\(x\)"),
    (np.array([object()]), "array of dtype object"),
    (np.ma.masked_array([1], [True]), "MaskedArray"),
    ([np.int64(3)], r"numpy.int64 .*tolist"),
    (datetime.datetime(2020, 1, 1), "datetime.datetime .*isoformat"),
    (pd.DataFrame({"a": [decimal.Decimal(1)]}), r"column 'a' .*decimal.Decimal"),
    (pd.DataFrame({"s": pd.arrays.SparseArray([0, 1])}), r"column 's' is of dtype Sparse.*x.sparse.to_dense"),
    (pd.Series([1], name=("a", frozenset({1}))), r"name \('a', frozenset.* is of type tuple; rename"),
    (np.zeros(1, [("Ā", "i1")]), "dtype .*rename its fields"),
    (pd.Series(pd.date_range("2020", periods=2, tz=Zone())), "time zone .*tz_convert"),
    (pd.Series(pd.date_range("2020", periods=2, tz=datetime.timezone(datetime.timedelta(0), "X"))), "time zone"),
    (pd.Index(pd.date_range("2020", periods=2, freq=pd.offsets.CDay(holidays=["2020-01-02"]))), "freq .*None"),
    (np.zeros(2, np.dtype("i4", metadata={"unit": "m"})), "dtype int32 .*astype"),
    (np.zeros(2, [("a", [("b", np.dtype("i4", metadata={"unit": "m"}), (2,))])]), "dtype .*without metadata"),
    (np.zeros(2, [("a", np.dtype([("b", "i1"), ("c", "i4")], align=True))]), "dtype .*repack_fields"),
    (np.array(["a"], dtype=np.dtypes.StringDType()), r"StringDType.*tolist"),
    (Subclass({"a": [1]}), r"Subclass \(use pandas.DataFrame\(x\)\)"),
    (pyarrow.table({"a": pyarrow.array([b"x" * 16], pyarrow.uuid())}), "extension type; cast"),
]


def round_trip(value: Any) -> Any:
    return load_value(b"".join(dump_value(value)))


@pytest.mark.parametrize("value", SAME, ids=lambda value: repr(value)[:20])
def test_plain_value_arrives_as_what_it_was(value: Any) -> None:
    back = round_trip(value)
    assert back == value
    assert type(back) is type(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_value_arrives_as_what_it_was(value: Any) -> None:
    assert round_trip(value) == value


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.char}{array.shape}")
def test_array_arrives_as_what_it_was(array: Any) -> None:
    back = round_trip(array)
    assert back.dtype == array.dtype and repr(back.dtype) == repr(array.dtype)
    assert back.shape == array.shape
    assert np.array_equal(back, array)
    assert back.flags.writeable
    if array.size > 1 and array.ndim > 1:
        assert back.flags.f_contiguous == array.flags.f_contiguous


@pytest.mark.parametrize("scalar", [np.float64(2.5), np.int8(3), np.bool_(True), np.datetime64("2020-01-01")])
def test_numpy_scalar_arrives_as_what_it_was(scalar: Any) -> None:
    back = round_trip(scalar)
    assert back == scalar
    assert type(back) is type(scalar)


@pytest.mark.parametrize("index", range(len(FRAMES)))
def test_frame_arrives_as_what_it_was(index: int) -> None:
    pd.testing.assert_frame_equal(round_trip(FRAMES[index]), FRAMES[index], check_flags=True)


@pytest.mark.parametrize("name", list(FRAME))
def test_series_arrives_as_what_it_was(name: str) -> None:
    pd.testing.assert_series_equal(round_trip(FRAME[name]), FRAME[name])


@pytest.mark.parametrize("name", INDEXES)
def test_index_arrives_as_what_it_was(name: str) -> None:
    index = INDEXES[name]
    back = round_trip(index)
    pd.testing.assert_index_equal(back, index, exact=True)
    assert getattr(back, "freq", None) == getattr(index, "freq", None)
    if isinstance(index, pd.MultiIndex):
        assert [[*level] for level in back.levels] == [[*level] for level in index.levels]


@pytest.mark.parametrize("name", INDEXES)
def test_index_of_rows_and_columns_arrives_as_what_it_was(name: str) -> None:
    index = INDEXES[name]
    frames = [
        pd.DataFrame({"a": np.arange(len(index))}, index=index),
        pd.DataFrame(np.zeros((2, len(index))), columns=index),
    ]
    for frame in frames:
        back = round_trip(frame)
        pd.testing.assert_frame_equal(back, frame)
        assert (type(back.index), type(back.columns)) == (type(frame.index), type(frame.columns))


@pytest.mark.parametrize("name", COLUMNS)
def test_column_arrives_as_what_it_was(name: str) -> None:
    frame = pd.DataFrame({"x": COLUMNS[name]})
    pd.testing.assert_frame_equal(round_trip(frame), frame)


def test_attributes_of_a_frame_arrive() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["unit"] = "m"
    assert round_trip(frame).attrs == {"unit": "m"}


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=lambda value: type(value).__name__)
def test_what_cannot_be_carried_is_refused_with_the_way_that_works(value: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        dump_value(value)


@pytest.mark.parametrize("value", WAYS, ids=lambda value: type(value).__name__)
def test_way_that_a_refusal_names_works(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        dump_value(value)
    use_way(caught.value, value)


@pytest.mark.parametrize("value", INNER_WAYS, ids=lambda value: type(value).__name__)
def test_way_that_a_refusal_names_works_inside_of_a_list(value: Any) -> None:
    with pytest.raises(Refused, match=r"\['k'\]\[0\] is of type") as caught:
        dump_value({"k": [value]})
    use_way(caught.value, value)


def use_way(refusal: Refused, value: Any) -> None:
    """Do what the text says, and see that it is carried."""
    way = re.search(r"\(use ((?:[^()]|\((?:[^()]|\([^()]*\))*\))+?)(, or .*)?\)", str(refusal))
    assert way is not None, str(refusal)
    numpy = type("numpy", (), {**vars(np), "lib": type("lib", (), {"recfunctions": recfunctions})})
    instead = eval(way[1], {"x": value, "numpy": numpy, "pandas": pd, "pyarrow": pyarrow})
    round_trip(instead)


def test_json_that_is_too_large_is_refused_with_the_way_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MAX_JSON_BYTES", 1000)
    for value in ("x" * 1000, pd.Series(["x" * 1000]), pd.Series(["x" * 1000], dtype=object)):
        with pytest.raises(Refused, match="bytes of JSON, .* write a file"):
            dump_value(value)
    whole = b"".join(dump_value("x" * 900))
    monkeypatch.setattr(plain, "MAX_JSON_BYTES", 800)
    with pytest.raises(Malformed, match="bytes of JSON"):
        load_value(whole)


def test_cycle_and_depth_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(Refused, match="deeper"):
        dump_value(cycle)


# ------------------------------------------------------------------ Arrow


def arrow_table() -> Any:
    return pyarrow.table({"a": [1, None, 3], "b": ["x", "y", None], "c": [[1], [2, 3], None]})


def test_arrow_tables_and_batches_arrive_as_what_they_were() -> None:
    table = arrow_table()
    (batch,) = table.to_batches()
    for value in (table, batch, table.slice(0, 0), batch.slice(0, 0)):
        back = round_trip(value)
        assert type(back) is type(value)
        assert back.equals(value)


@pytest.mark.parametrize(
    "value", [[[] for _ in range(60)], [{} for _ in range(60)], [0] * 60, {str(n): n for n in range(60)}]
)
def test_value_of_too_many_parts_is_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    data = b"".join(dump_value(value))
    monkeypatch.setattr(plain, "MAX_JSON_ITEMS", 50)
    with pytest.raises(Refused, match="more than 50 parts; use a NumPy array"):
        dump_value(value)
    with pytest.raises(ValueError, match="more than 50 parts"):
        load_value(data)


def test_text_with_many_commas_has_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MAX_JSON_ITEMS", 50)
    value = {"a": ",[{" * 100, 'b"\\': '\\",' * 100}
    assert load_value(b"".join(dump_value(value))) == value
