"""What is this sandbox's own, for the host to carry to another sandbox or from there: variables and files.

A question names what it is about; the answer is a dict and, of ``read``, bytes. One file or value is written at a time.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Optional, Protocol, Tuple

from ..library.inside.copies import NewFile, find_target, open_source, own_path
from ..library.inside.values import Malformed, Refused, dump_value, load_value

__all__ = ["Belongings"]

#: What one answer may hold, in bytes.
MAX_READ_BYTES = 1 << 20

Answer = Tuple[Dict[str, Any], Optional[bytes]]


class _Target(Protocol):
    def write(self, data: bytes) -> Any: ...

    def keep(self) -> Dict[str, Any]: ...

    def close(self) -> None: ...


class Belongings:
    """Answers the questions about them.

    Parameters
    ----------
    shell : InteractiveShell
        Whose variables are meant.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._sources: Dict[str, BinaryIO] = {}
        self._target: Optional[_Target] = None
        self._values: Dict[str, Any] = {}
        self._table: Dict[str, Callable[..., Answer]] = {
            "pack": self._pack,
            "open": self._open,
            "read": self._read,
            "find": self._find,
            "make": self._make,
            "write": self._write,
            "keep": self._keep,
            "bind": self._bind,
        }

    def answer(self, content: Dict[str, Any], buffers: Tuple[bytes, ...]) -> Answer:
        """Answer one question. Raises `OSError` with the reason, and anything for what makes no sense."""
        handler = self._table[content["question"]]
        return handler(*buffers) if content["question"] == "write" else handler(content)

    def close(self) -> None:
        """Let go of everything; what was not kept is gone."""
        for source in self._sources.values():
            source.close()
        self._sources.clear()
        self._close_target()

    # ------------------------------------------------------------------ out of here

    def _pack(self, content: Dict[str, Any]) -> Answer:
        """Variables by ``names``: their ``sizes``, and of what cannot be carried the ``faults``."""
        sizes, faults = {}, {}
        namespace = self._shell.user_ns
        for name in content["names"]:
            if name not in namespace:
                return {"missing": name}, None
            try:
                data = b"".join(dump_value(namespace[name]))
            except Refused as exc:
                faults[name] = str(exc)
                continue
            self._sources[name] = io.BytesIO(data)
            sizes[name] = len(data)
        return {"sizes": sizes, "faults": faults}, None

    def _open(self, content: Dict[str, Any]) -> Answer:
        """The file at ``path``, to be read as ``source``: its ``size`` and ``name``."""
        path = Path(own_path(content["path"]))
        file = os.fdopen(open_source(path), "rb", buffering=0)
        self._sources[content["source"]] = file
        return {"size": os.fstat(file.fileno()).st_size, "name": path.name}, None

    def _read(self, content: Dict[str, Any]) -> Answer:
        """The next bytes of ``source``, ``max_bytes`` at most; it is closed by reading none."""
        name = content["source"]
        data = self._sources[name].read(min(content["max_bytes"], MAX_READ_BYTES))
        if not data:
            self._sources.pop(name).close()
        return {}, data

    # ------------------------------------------------------------------ into here

    def _find(self, content: Dict[str, Any]) -> Answer:
        """The ``path`` of a copy of ``source`` to ``target``."""
        target = content["target"]
        path = find_target(content["source"], None if target is None else own_path(target))
        return {"path": str(path.absolute())}, None

    def _make(self, content: Dict[str, Any]) -> Answer:
        """Begin the file at ``path``, or the value of ``name``, of ``size`` bytes."""
        self._close_target()
        if "path" in content:
            self._target = _File(NewFile(Path(content["path"]), content["size"]))
        else:
            self._target = _Value(content["name"], self._values)
        return {}, None

    def _write(self, data: bytes) -> Answer:
        assert self._target is not None
        self._target.write(data)
        return {}, None

    def _keep(self, _: Dict[str, Any]) -> Answer:
        """Everything has been written; gives the ``path`` of a file, and of bytes that are no value the ``fault``."""
        assert self._target is not None
        try:
            return self._target.keep(), None
        finally:
            self._close_target()

    def _bind(self, _: Dict[str, Any]) -> Answer:
        """Make the values that were kept variables."""
        values, self._values = self._values, {}
        self._shell.push(values)
        return {}, None

    def _close_target(self) -> None:
        target, self._target = self._target, None
        if target is not None:
            target.close()


class _File:
    def __init__(self, file: NewFile) -> None:
        self.write = file.write
        self.close = file.close
        self._file = file

    def keep(self) -> Dict[str, Any]:
        self._file.keep()
        return {"path": str(self._file.path)}


class _Value:
    def __init__(self, name: str, values: Dict[str, Any]) -> None:
        self._name = name
        self._values = values
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        self._data += data

    def keep(self) -> Dict[str, Any]:
        try:
            self._values[self._name] = load_value(bytes(self._data))
        except (Malformed, Refused) as exc:
            return {"fault": str(exc)}
        return {}

    def close(self) -> None:
        self._data = bytearray()
