"""Values as bytes and back; hostile bytes are refused, and never run."""

from __future__ import annotations

import datetime
import decimal
import json
import pickle  # to prove that it is not read
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
]
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
    (pd.Period("2020"), "Period"),
    (pd.DataFrame({"a": [decimal.Decimal(1)]}), r"column 'a' .*decimal.Decimal"),
    (pd.DataFrame({"p": pd.period_range("2020", periods=2)}), r"column 'p' is of dtype period"),
    (pd.DataFrame([[1]], columns=[("a", "b")]), "."),
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
    assert back.dtype == array.dtype
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
    pd.testing.assert_frame_equal(round_trip(FRAMES[index]), FRAMES[index])


@pytest.mark.parametrize("name", list(FRAME))
def test_series_arrives_as_what_it_was(name: str) -> None:
    pd.testing.assert_series_equal(round_trip(FRAME[name]), FRAME[name])


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(2, 10, 3, name="n"),
        pd.Index(["a", "b"]),
        pd.date_range("2020", periods=3, freq="D"),
        pd.MultiIndex.from_product([[1, 2], ["a"]], names=["x", None]),
    ],
)
def test_index_arrives_as_what_it_was(index: Any) -> None:
    pd.testing.assert_index_equal(round_trip(index), index)


def test_attributes_of_a_frame_arrive() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["unit"] = "m"
    assert round_trip(frame).attrs == {"unit": "m"}


@pytest.mark.parametrize(("value", "message"), REFUSED[:-1], ids=lambda value: type(value).__name__)
def test_what_cannot_be_carried_is_refused_with_the_way_that_works(value: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        dump_value(value)


def test_cycle_and_depth_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(Refused, match="deeper"):
        dump_value(cycle)


# ------------------------------------------------------------------ hostile bytes


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was unpickled",))


def value_bytes(kind: str, meta: dict[str, Any], *parts: bytes) -> bytes:
    header = {"kind": kind, "meta": meta, "sizes": [len(part) for part in parts]}
    return json.dumps(header).encode() + b"\n" + b"".join(parts)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


BOMB = pickle.dumps(Bomb())
PICKLED_NPY = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", BOMB)
HOSTILE = [
    b"",
    b"\n",
    b"not json\n",
    BOMB,
    b"[]\n",
    b"null\n",
    b'{"kind": "pickle", "meta": {}, "sizes": []}\n',
    b'{"kind": "json", "meta": {}, "sizes": [-1]}\n',
    b'{"kind": "json", "meta": {}, "sizes": [true]}\n1',
    b'{"kind": "json", "meta": {}, "sizes": [999999999999]}\n',
    b'{"kind": "json", "meta": [], "sizes": []}\n',
    value_bytes("json", {}),
    value_bytes("json", {}, b"{"),
    value_bytes("json", {}, b"[" * 100_000),
    value_bytes("npy", {"scalar": False}, PICKLED_NPY),
    value_bytes("npy", {"scalar": False}, BOMB),
    value_bytes("npy", {"scalar": False}, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,), }")),
    value_bytes("npy", {"scalar": False}, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }")),
    value_bytes(
        "npy", {"scalar": False}, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }", b"12345678")
    ),
    value_bytes("npy", {"scalar": False}, npy("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,), }")),
    value_bytes("npy", {"scalar": False}, npy("__import__('os').system('touch /tmp/pwned')")),
    value_bytes("frame", {"shape": "frame", "attrs": {}, "index": {"range": [0, 1, 1], "name": None}}),
    value_bytes(
        "frame",
        {"shape": "index", "index": {"values": {"as": "text", "dtype": "object"}, "name": None, "freq": None}},
        b"[]",
    ),
    value_bytes("frame", {"shape": "index", "index": {"range": [0, 1, 0], "name": None}}),
    value_bytes(
        "frame",
        {
            "shape": "series",
            "attrs": {},
            "name": None,
            "index": {"range": [0, 9, 1], "name": None},
            "columns": [{"as": "json"}],
        },
        b"[1]",
    ),
]


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_hostile_bytes_are_malformed(index: int) -> None:
    with pytest.raises(Malformed):
        load_value(HOSTILE[index])


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        load_value(data)


@given(st.sampled_from([FRAMES[0], FRAMES[2], ARRAYS[1], SAME[7]]), st.data())
def test_damaged_value_is_malformed_or_another_value_and_nothing_else(value: Any, data: st.DataObject) -> None:
    whole = bytearray(b"".join(dump_value(value)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        load_value(bytes(whole))
    except (Malformed, Refused):
        pass


# ------------------------------------------------------------------ Arrow, where it is installed


def arrow_table() -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({"a": [1, None, 3], "b": ["x", "y", None], "c": [[1], [2, 3], None]})


def test_arrow_tables_and_batches_arrive_as_what_they_were() -> None:
    table = arrow_table()
    (batch,) = table.to_batches()
    for value in (table, batch, table.slice(0, 0), batch.slice(0, 0)):
        back = round_trip(value)
        assert type(back) is type(value)
        assert back.equals(value)


@given(st.data())
def test_damaged_arrow_table_is_malformed_or_another_table_and_nothing_else(data: st.DataObject) -> None:
    whole = bytearray(b"".join(dump_value(arrow_table())))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        load_value(bytes(whole))
    except (Malformed, Refused):
        pass
