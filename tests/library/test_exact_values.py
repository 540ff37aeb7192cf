"""Tables of every kind there and back: the same to the last bit, or refused by name."""

from __future__ import annotations

import base64
import datetime
import decimal
import inspect
import zlib
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytz

from hopx_kernel.library.inside import frames
from hopx_kernel.library.inside.values import Refused, dump_value, load_value

from .exactly import exactly


def round_trip(value: Any) -> Any:
    return load_value(b"".join(dump_value(value)))


def is_same(value: Any) -> None:
    assert exactly(round_trip(value)) == exactly(value)


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
#: What stands for a missing text can be chosen since pandas 2.3.
HAS_NA_VALUE = "na_value" in inspect.signature(pd.StringDtype).parameters
TEXTS: list[dict[str, Any]] = [{"na_value": pd.NA}, {"na_value": np.nan}] if HAS_NA_VALUE else [{}]
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
        f"text {storage} {words!r}": pd.Series(["é", None], dtype=pd.StringDtype(storage, **words), index=[7, 7])
        for storage in ("python", "pyarrow")
        for words in TEXTS
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
    "lists beside what is no JSON": pd.Series([[1], {"a": None}, pd.NA, {"json": 1}, (1,)], dtype=object),
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
    "the same list beside what is no JSON": (pd.Series([pd.NA, ROW, ROW]), r"\[2\] is a list that is at another place"),
    "what is behind a gap": (pd.Series([pd.NaT, 1, decimal.Decimal(1)], dtype=object), r"\[2\] is of type decimal"),
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


# ------------------------------------------------------------------ another pandas on the other side

#: What pandas 2.1 with NumPy 1.26 has written, compressed.
WRITTEN = {
    "max": (
        "eNqljr9OxDAMxgvjPUXkJSBlOSEQqphvA7EwoKqqTOsT4dykJGn5U/UpeGHiHkyMeHH85fPP3wwH6zooFewD9gRGQU8JszADphSi"
        "vJasZhe9r/KEPFI8OqTBS/QOxOOEUCo3MhsB0uvPJJ/I7N9i040D2xYTNYxPxAJIYaRsiM84yDpECjYf+ANsPY+9k43q97QbPmCp"
        "BR/t5xqqujRqe3FVL5sKJqi/7h5u7x9PiqmYdUexDbpU+sZea6P03ocU0DU+dCT6DjnmIHoNkuezrTk3alH/qM1pcaxvsfthqQ=="
    ),
    "cat": (
        "eNqlTzFOxDAQzLX3Cmsbg+TicnR5AB2IhgJFUeRLNofBsQ/bAUTIK/gwu0bRCVHixruzs7MzMzwb10MlYAh6RFACRkyagBl0SiFy"
        "tRBKLHzPcNDuiFTVOyX2SpQNTR3vVsJN1jJZW+vfYttPJ2s6nbC1+oCWtVKYkAjxUZ94ASIGgxF+S1DXeTuNjjdqMsI/sNDRr3Qf"
        "egzIzgdtI/4RGAK+nLvV86p+lspBs/5T9A6WpeEA0XzkWV1eUcpy1yzbr9v7m7uHTfFazLLH2AVZCflpSqmEHHxIdKLNpgi//rEk"
        "c0zqL/bqUolF/ONti00NmpMfoPkGLyh69g=="
    ),
    "periodq": (
        "eNqrVsrOzEtRslJQSitKzE1V0lFQyk0tSQQKVCsVZyQWpIKkgCpSK0BSEAZIriwxpzS1GMxMBFFKBalFmfkpxSBVaUWphSChQF1f"
        "xyClWqBIHshoK4W80pwchDyIVwuSLc6sAhsVbWhqFFvLNdkv1DcgkpGhjKFaPSW1OLlI3UpB3SbTQl1HQT0tv6ikKDEvPr8oJRUk"
        "7paYU5wKFAc7FcjXMNbR1FGoVaAAcJ1mgIAzUPoslAYAIi5J9Q=="
    ),
    "dates": (
        "eNqdT71OwzAQDmv3SojJ8mKQLEEpSChiQoKtiIUBRVHqJleIcOzIdvhJ5I2BHYmX4Gl4iLLyCtxl64qX++77OX0e+GNtKp4yvnaq"
        "AS4ZbyAoJAauQnCeUEQWXfAy0k6Ze0CUHUk2l2yWo2oomzLTaU1mpbV99kXVtbouVYBCqxVouhVcB2jwD6qlAPfgavB8+wRupdVd"
        "YyiRYRGavLcGKnISGJu0r6En5bJztoXDC3C6NjzGnDr4uocxPzs9zuPk4/p2cXO3kzwlg6jAl06kTJwvzjLjcyGZWFsX8GeFdRWQ"
        "dqW0x6ZibIr7/lweSBbZP98kWX6//35upsmS7b1taNqv3ZOf6R9b/W9o"
    ),
}
READ: dict[str, Any] = {
    "max": pd.Series([2], index=pd.Index(["v"], dtype=object)),
    "cat": pd.Series(pd.Categorical(["a", "b"], categories=pd.Index(["a", "b"], dtype=object))),
    "periodq": pd.period_range("2020", periods=3, freq="Q-MAR"),
    "dates": pd.Series(pd.date_range("2020", periods=3, tz=pytz.timezone("Europe/Berlin"), unit="ns")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_an_older_pandas_has_written_arrives_exactly(name: str) -> None:
    value = load_value(zlib.decompress(base64.b64decode(WRITTEN[name])))
    assert exactly(value) == exactly(READ[name])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            pd.DataFrame({"n": [1], "t": pd.Series(["a"], dtype=pd.StringDtype("python"))}),
            "its column 1: .*no such dtype of text",
        ),
        (pd.date_range("2020", periods=2, freq="ME"), "no frequency 'ME'"),
        (pd.period_range("2020", periods=2, freq="h"), "no periods of 'h'"),
    ],
    ids=["text", "frequency", "periods"],
)
def test_what_the_pandas_there_does_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: Any, message: str
) -> None:
    data = b"".join(dump_value(value))

    def unknown(*_: Any, **__: Any) -> None:
        raise ValueError

    monkeypatch.setattr(pd, "StringDtype", unknown)
    monkeypatch.setattr(pd, "PeriodDtype", unknown)
    monkeypatch.setattr(pd.tseries.frequencies, "to_offset", unknown)
    with pytest.raises(Refused, match=message):
        load_value(data)
