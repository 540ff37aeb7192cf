"""Arrow tables and record batches, as IPC streams. Standard library, pyarrow where there is any, Python 3.9."""

from __future__ import annotations

import struct
import sys
from typing import Any, Dict, Iterator

from .plain import Dumped, Malformed, Refused, need

#: Older ones unpickle extension types by themselves (CVE-2023-47248).
_SAFE_VERSION = 15

#: A field that is of an extension type has this key in its metadata; the type's own code would read what follows it.
_EXTENSION = b"ARROW:extension:name"

# Arrow's format/Message.fbs: the places of fields in tables, and values of enumerations.
_VERSION, _HEADER_TYPE, _HEADER = 0, 1, 2
_DICTIONARY_DATA, _COMPRESSION = 1, 3
_METADATA_V5, _DICTIONARY_BATCH, _RECORD_BATCH = 4, 2, 3


def is_table(value: Any) -> bool:
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and type(value) in (arrow.Table, arrow.RecordBatch)


def dump_table(value: Any) -> Dumped:
    import pyarrow

    # Written and read again, since a type may hide in another: a list of them, say.
    if _EXTENSION in value.schema.serialize().to_pybytes():
        raise Refused("it has a column of an extension type; cast it to the type that it is stored as")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, value.schema) as writer:
        writer.write(value)
    return "arrow", {"batch": type(value) is pyarrow.RecordBatch}, [sink.getvalue().to_pybytes()]


def load_table(meta: Dict[str, Any], parts: Iterator[Any]) -> Any:
    pyarrow = need("pyarrow")
    if int(pyarrow.__version__.split(".")[0]) < _SAFE_VERSION:
        raise Refused("pyarrow %s reads such tables unsafely; install pyarrow 15 or newer" % pyarrow.__version__)
    data = pyarrow.py_buffer(bytes(next(parts)))
    try:
        for message in pyarrow.ipc.MessageReader.open_stream(data):
            _check_message(bytes(message.metadata))
        with pyarrow.ipc.open_stream(data) as reader:
            table = _read_batch(reader) if meta["batch"] else reader.read_all()
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, MemoryError) as exc:
        raise Malformed("it is no Arrow stream: %s" % exc) from exc
    return table


def _read_batch(reader: Any) -> Any:
    batch = reader.read_next_batch()
    try:
        reader.read_next_batch()
    except StopIteration:
        return batch
    raise Malformed("it is more than one batch")


# ------------------------------------------------------------------ what a stream may hold


def _check_message(metadata: bytes) -> None:
    """Raise `Malformed` for what `dump_table` never writes: extension types, and compressed buffers.

    A few kilobytes that are compressed may become more than the host has memory.
    """
    if _EXTENSION in metadata:
        raise Malformed("it has a column of an extension type")
    message = _indirect(metadata, 0)
    version = _field(metadata, message, _VERSION)
    if not version or struct.unpack_from("<h", metadata, version)[0] != _METADATA_V5:
        raise Malformed("its Arrow format is not version 5")
    kind, place = (_field(metadata, message, field) for field in (_HEADER_TYPE, _HEADER))
    number = metadata[kind] if kind else 0
    if number not in (_DICTIONARY_BATCH, _RECORD_BATCH) or not place:
        return
    header = _indirect(metadata, place)
    if number == _DICTIONARY_BATCH:
        place = _field(metadata, header, _DICTIONARY_DATA)
        header = _indirect(metadata, place) if place else header
    if _field(metadata, header, _COMPRESSION):
        raise Malformed("it is compressed")


def _indirect(data: bytes, place: int) -> int:
    """Where an offset in a flatbuffer leads."""
    return int(place + struct.unpack_from("<I", data, place)[0])


def _field(data: bytes, table: int, index: int) -> int:
    """The place of a table's field in a flatbuffer; 0 where it has its default."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    slot = 4 + 2 * index
    offset = struct.unpack_from("<H", data, vtable + slot)[0] if slot < size else 0
    return int(table + offset) if offset else 0
