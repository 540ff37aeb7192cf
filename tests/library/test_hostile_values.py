"""Bytes that a hostile sandbox gives for values: refused, never run, and never more than they are."""

from __future__ import annotations

import json
import os
import pickle  # to prove that it is not read
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopx_kernel.library.inside.values import Malformed, Refused, dump_value, load_value

from .test_exact_values import EXACT

WHOLE = [
    pd.DataFrame({"a": [1.5, None], "b": ["x", None]}),
    pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)])),
    np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    [1, [2, {"a": None, "": []}]],
    pyarrow.table({"a": [1, None, 3], "b": ["x", "y", None], "c": [[1], [2, 3], None]}),
]


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


@pytest.mark.filterwarnings("ignore::FutureWarning")
@settings(deadline=None)
@given(st.sampled_from([*WHOLE, *EXACT.values()]), st.data())
def test_damaged_value_is_malformed_or_another_value_and_nothing_else(value: Any, data: st.DataObject) -> None:
    whole = bytearray(b"".join(dump_value(value)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        load_value(bytes(whole))
    except (Malformed, Refused):
        pass


# ------------------------------------------------------------------ frames


def index_bytes(spec: dict[str, Any], *parts: bytes) -> bytes:
    return value_bytes("frame", {"shape": "index", "index": spec}, *parts)


TIMES = npy("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }", bytes(8))


@pytest.mark.parametrize("library", ["zoneinfo", "pytz"])
@pytest.mark.parametrize("zone", ["dateutil/{}", "tz{}", "../../../../..{}", "{}"])
def test_time_zone_opens_no_file_of_the_host(tmp_path: Path, library: str, zone: str) -> None:
    """Whoever opens a pipe to read it waits here until the test ends."""
    os.mkfifo(tmp_path / "pipe")
    place = {library: zone.format(tmp_path / "pipe")}
    spec = {"values": {"as": "zoned", "zone": place}, "name": None, "freq": None}
    with pytest.raises(Malformed):
        load_value(index_bytes(spec, TIMES))


@pytest.mark.parametrize(
    "spec",
    [
        {"range": [0, 10**400, 1], "name": None},
        {"range": [0, True, 1], "name": None},
        {"values": {"as": "npy"}, "name": None, "freq": 7},
        {"values": {"as": "json"}, "name": None, "freq": "D"},
        {"levels": [{"range": [0, 1, 1], "name": None}], "names": ["a"], "sortorder": None},
    ],
    ids=str,
)
def test_index_that_makes_no_sense_is_malformed(spec: dict[str, Any]) -> None:
    part = b"[1]" if "values" in spec and spec["values"]["as"] == "json" else TIMES
    with pytest.raises(Malformed):
        load_value(index_bytes(spec, part))


NUMBERS = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", bytes(8))
SQUARE = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1), }", bytes(8))
CODES = npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1,), }", bytes(1))
TEXTS = npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", bytes(4))


@pytest.mark.parametrize(
    ("column", "parts"),
    [
        ({"as": "npy"}, [SQUARE]),
        ({"as": "npy"}, [TEXTS]),
        ({"as": ["npy"]}, [NUMBERS]),
        ({"as": "json"}, [b'{"a": 1}']),
        ({"as": "json"}, [b'"a"']),
        ({"as": "labels"}, [b'[{"timestamp": [1, "D", null]}]']),
        ({"as": "labels"}, [b'[{"timestamp": [1e3, "s", null]}]']),
        ({"as": "labels"}, [b'[{"timestamp": [1, "s", {"offset": 1e9}]}]']),
        ({"as": "labels"}, [b'[{"timestamp": [1, "s", {"utc": true, "zoneinfo": "UTC"}]}]']),
        ({"as": "labels"}, [b'[{"numpy": ["O", 1]}]']),
        ({"as": "labels"}, [b'[{"numpy": ["i1", 1000]}]']),
        ({"as": "labels"}, [b'[{"missing": "os"}]']),
        ({"as": "labels"}, [b'[{"interval": [1, 2, "no"]}]']),
        ({"as": "labels"}, [b'[{"period": ["1", "D"]}]']),
        ({"as": "labels"}, [b'[{"tuple": 1}]']),
        ({"as": "labels"}, [b"[" + b'{"tuple": [' * 100 + b"1" + b"]}" * 100 + b"]"]),
        ({"as": "labels"}, [b"[[1]]"]),
        ({"as": "text", "na": "none", "storage": None}, [b'["a"]']),
        ({"as": "text", "na": "NA", "storage": "os"}, [b'["a"]']),
        ({"as": "text", "na": "NA", "storage": None}, [b"[1]"]),
        ({"as": "masked", "dtype": "object"}, [NUMBERS, NUMBERS]),
        ({"as": "masked", "dtype": "Int64"}, [NUMBERS, NUMBERS]),
        ({"as": "masked", "dtype": "Int8"}, [CODES, CODES]),
        ({"as": "zoned", "zone": {"utc": True}}, [NUMBERS]),
        ({"as": "zoned", "zone": {}}, [TIMES]),
        ({"as": "zoned", "zone": {"utc": 1}}, [TIMES]),
        ({"as": "periods", "freq": 7}, [NUMBERS]),
        ({"as": "periods", "freq": "D"}, [TIMES]),
        ({"as": "periods", "freq": "1" * 100_000 + "D"}, [NUMBERS]),
        ({"as": "intervals", "closed": "no", "sides": [{"as": "npy"}] * 2}, [NUMBERS, NUMBERS]),
        ({"as": "intervals", "closed": "left", "sides": [{"as": "npy"}] * 2}, [NUMBERS, TIMES]),
        ({"as": "intervals", "closed": "left", "sides": [{"as": "npy"}]}, [NUMBERS]),
        ({"as": "categories", "ordered": 1, "name": None, "range": [0, 1, 1]}, [CODES]),
        ({"as": "categories", "ordered": True, "name": None, "range": [0, 10**12, 1]}, [CODES]),
        ({"as": "categories", "ordered": True, "name": None, "range": [0, 0, 1]}, [CODES]),
        ({"as": "arrow"}, [b"ARROW1"]),
    ],
    ids=str,
)
def test_column_that_makes_no_sense_is_malformed(column: dict[str, Any], parts: list[bytes]) -> None:
    series = {"shape": "series", "attrs": {}, "allows_duplicate_labels": True, "name": None, "columns": [column]}
    rows = {"range": [0, 1, 1], "name": None}
    with pytest.raises(Malformed):
        load_value(value_bytes("frame", {**series, "index": rows}, *parts))
    with pytest.raises(Malformed):
        load_value(index_bytes({"values": column, "name": None, "freq": None}, *parts))


@pytest.mark.parametrize("spec", [{"zoneinfo": "No/Such_Zone"}, {"pytz": "No/Such_Zone"}], ids=str)
def test_zone_that_is_not_known_here_is_refused(spec: dict[str, str]) -> None:
    values = {"as": "zoned", "zone": spec}
    with pytest.raises(Refused, match="No/Such_Zone"):
        load_value(index_bytes({"values": values, "name": None, "freq": None}, TIMES))


def test_columns_of_another_length_than_their_labels_are_malformed() -> None:
    frame = {"shape": "frame", "attrs": {}, "allows_duplicate_labels": True, "columns": [{"as": "npy"}]}
    rows, labels = {"range": [0, 1, 1], "name": None}, {"range": [0, 2, 1], "name": None}
    with pytest.raises(Malformed, match="as many columns"):
        load_value(value_bytes("frame", {**frame, "index": rows, "labels": labels}, NUMBERS))


def test_long_doubles_of_another_machine_are_refused() -> None:
    _, _, data = b"".join(dump_value(np.zeros(1, "g"))).partition(b"\n")
    with pytest.raises(Refused, match="another precision"):
        load_value(value_bytes("npy", {"scalar": False, "mantissa_bits": 112}, data))


def test_level_that_takes_no_bytes_and_all_of_the_memory_is_malformed() -> None:
    spec = {"levels": [{"range": [0, 10**12, 1], "name": None}], "names": ["a"], "sortorder": None}
    with pytest.raises(Malformed, match="too long"):
        load_value(index_bytes(spec, CODES))


def test_codes_outside_of_their_level_are_malformed() -> None:
    codes = npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1,), }", b"\x05")
    with pytest.raises(Malformed):
        load_value(
            index_bytes({"levels": [{"range": [0, 1, 1], "name": None}], "names": ["a"], "sortorder": None}, codes)
        )


# ------------------------------------------------------------------ Arrow


def arrow_bytes(table: pyarrow.Table, **options: Any) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema, options=pyarrow.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return value_bytes("arrow", {"batch": False}, sink.getvalue().to_pybytes())


TABLE = pyarrow.table({"a": np.zeros(1_000_000), "b": pyarrow.array(["x"] * 1_000_000).dictionary_encode()})


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("columns", [["a", "b"], ["a"], ["b"]])
def test_compressed_arrow_table_is_malformed(codec: str, columns: list[str]) -> None:
    with pytest.raises(Malformed, match="compressed"):
        load_value(arrow_bytes(TABLE.select(columns), compression=codec))
    assert load_value(arrow_bytes(TABLE.select(columns))).equals(TABLE.select(columns))


def test_compressed_arrow_bomb_takes_no_memory() -> None:
    """A gigabyte of zeros is some kilobytes; where it were unpacked, the limit would end the program."""
    program = (
        "import resource, sys; sys.path.insert(0, '.')\n"
        "import pyarrow\n"
        "from hopx_kernel.library.inside.values import Malformed, load_value\n"
        "data = sys.stdin.buffer.read()\n"
        "before = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (before + 200_000_000,) * 2)\n"
        "try: load_value(data)\n"
        "except Malformed as exc: print(exc)\n"
    )
    bomb = arrow_bytes(pyarrow.table({"a": np.zeros(125_000_000)}), compression="zstd")
    assert len(bomb) < 1_000_000
    ended = subprocess.run([sys.executable, "-c", program], input=bomb, capture_output=True, check=False)
    assert (ended.stdout, ended.stderr) == (b"it is compressed\n", b"")


def test_arrow_version_before_5_is_malformed() -> None:
    """It says elsewhere whether it is compressed."""
    data = arrow_bytes(TABLE.slice(0, 5), metadata_version=pyarrow.ipc.MetadataVersion.V4)
    with pytest.raises(Malformed, match="version"):
        load_value(data)


class Reader(pyarrow.ExtensionType):
    """An extension type as programs register them, whose reading may do anything."""

    read = False

    def __init__(self) -> None:
        super().__init__(pyarrow.int64(), "hopx.test.reader")

    def __arrow_ext_serialize__(self) -> bytes:
        return BOMB

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: Any, _data: bytes) -> Reader:
        cls.read = True
        return cls()


@pytest.mark.parametrize("nested", [False, True])
def test_arrow_extension_type_is_malformed_and_its_reader_is_not_called(nested: bool) -> None:
    column = pyarrow.ExtensionArray.from_storage(Reader(), pyarrow.array([1]))
    if nested:
        column = pyarrow.ListArray.from_arrays([0, 1], column)
    data = arrow_bytes(pyarrow.table({"a": column}))
    pyarrow.register_extension_type(Reader())
    try:
        Reader.read = False
        with pytest.raises(Malformed, match="extension type"):
            load_value(data)
        assert not Reader.read
    finally:
        pyarrow.unregister_extension_type("hopx.test.reader")
