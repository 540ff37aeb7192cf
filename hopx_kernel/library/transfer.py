"""Values between this program and an interpreter in a sandbox, for ``-i`` and ``-o``.

Both ends use `inside.values`; nothing is pickled, and no value ever becomes source text.
"""

from __future__ import annotations

import functools
import io
import json
import os
import uuid
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RemoteExecutionError, SandboxError
from .carry import BytesSink, BytesSource, Sink, Source
from .checks import harmless
from .inside.values import Malformed, Refused, dump_value, load_value

if TYPE_CHECKING:
    from .runs import SandboxSession

__all__ = [
    "OpenSink",
    "TransferHandler",
    "ValueRefusedError",
    "encode_values",
    "get_values",
    "put_values",
    "receive_values",
    "send_values",
]

#: Called while values are carried, with a name, the bytes so far and all of them.
TransferHandler = Callable[[str, int, int], None]

#: Opens where a value's bytes go, given its name and their number.
OpenSink = Callable[[str, int], Awaitable[Sink]]

#: Reasons, for some names.
_MAX_ANSWER_BYTES = 16 * 1024 * 1024

_DIRECTORY = "/tmp/.hopx/values"
_PROGRAM = f"{_DIRECTORY}/values.pyz"
_MODULES = ("__init__", "plain", "zones", "labels", "tables", "columns", "frames", "equal", "values")
_MAIN = "from _hopx_values.values import serve\nserve(globals()['request'], globals()['namespace'])\n"


class ValueRefusedError(SandboxError, TypeError):
    """A value cannot be carried; says which, of what type, and what works."""


def encode_values(values: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of values, by name. Raises `ValueRefusedError` that names all that cannot be carried."""
    encoded, faults = {}, {}
    for name, value in values.items():
        try:
            encoded[name] = b"".join(dump_value(value))
        except Refused as exc:
            faults[name] = str(exc)
    _raise_faults(faults)
    return encoded


async def put_values(
    session: SandboxSession, values: Mapping[str, bytes], on_progress: TransferHandler | None = None
) -> None:
    """Bind encoded values to names in the interpreter's namespace.

    Raises `ValueRefusedError` where the sandbox lacks a library for one, and what `SandboxRun.wait` raises.
    """
    await send_values(session, {name: BytesSource(data) for name, data in values.items()}, on_progress)


async def send_values(
    session: SandboxSession, values: Mapping[str, Source], on_progress: TransferHandler | None = None
) -> None:
    """As `put_values`, with bytes from anywhere."""
    async with _Exchange(session) as exchange:
        paths = {name: exchange.path(index) for index, name in enumerate(values)}
        for name, source in values.items():
            await exchange.upload(name, paths[name], source, on_progress)
        _raise_faults(await exchange.run({"put": paths}))


async def get_values(
    session: SandboxSession, names: list[str], on_progress: TransferHandler | None = None
) -> dict[str, Any]:
    """The values of names in the interpreter's namespace.

    Raises `ValueRefusedError` that names all that cannot be carried, and what `SandboxRun.wait` raises.
    """

    async def open_sink(_name: str, _size: int) -> Sink:
        return _ValueSink()

    return await receive_values(session, names, open_sink, on_progress)


async def receive_values(
    session: SandboxSession, names: list[str], open_sink: OpenSink, on_progress: TransferHandler | None = None
) -> dict[str, Any]:
    """As `get_values`, with bytes that go anywhere: gives what `Sink.keep` gives for each name.

    `open_sink` takes a name and a size. `Sink.keep` may raise `Refused` and `Malformed`.
    """
    async with _Exchange(session) as exchange:
        paths = {name: exchange.path(index) for index, name in enumerate(names)}
        faults = await exchange.run({"get": paths})
        values: dict[str, Any] = {}
        for name, path in paths.items():
            if name in faults:
                continue
            try:
                values[name] = await exchange.download(name, path, open_sink, on_progress)
            except (Refused, Malformed) as exc:
                faults[name] = str(exc)
        _raise_faults(faults)
        return values


class _ValueSink(BytesSink):
    """Reads a value when all its bytes have come."""

    async def keep(self) -> Any:
        return load_value(await super().keep())


class _Exchange:
    """A directory in the sandbox for one transfer."""

    def __init__(self, session: SandboxSession) -> None:
        self._session = session
        self._files = session.sandbox.files
        self._directory = f"{_DIRECTORY}/{uuid.uuid4().hex}"

    async def __aenter__(self) -> _Exchange:
        if not await self._files._exists(_PROGRAM):
            await self._files._write(_PROGRAM, _build_program())
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._files._remove(self._directory)
        except (OSError, SandboxError):
            pass  # nothing was written, or the sandbox is gone

    def path(self, index: int) -> str:
        return f"{self._directory}/{index}"

    async def run(self, request: dict[str, Any]) -> dict[str, str]:
        """Have the interpreter serve a request; gives what it refused."""
        await self._files._write(f"{self._directory}/request.json", json.dumps(request))
        # A constant but for the directory's name, which is made here. By way of `__import__`, since the namespace may
        # have given every other name another meaning.
        namespace = "__import__('builtins').globals()"
        variables = f"{{'request': {self._directory!r}, 'namespace': {namespace}}}"
        try:
            await self._session._run_silently(f"__import__('runpy').run_path({_PROGRAM!r}, {variables})\nNone")
        except RemoteExecutionError as exc:
            # Where in the program it was says nothing to whoever reads it, and may say anything.
            raise RemoteExecutionError(harmless(exc.ename), harmless(exc.evalue)) from None
        try:
            answer = await self._files._read(f"{self._directory}/answer.json", _MAX_ANSWER_BYTES)
            return {str(name): harmless(str(fault)) for name, fault in json.loads(answer)["faults"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as exc:
            raise SandboxError("the sandbox's answer about its values makes no sense") from exc

    async def upload(self, name: str, path: str, source: Source, on_progress: TransferHandler | None) -> None:
        await self._files._send(source, path, _named(name, on_progress))

    async def download(self, name: str, path: str, open_sink: OpenSink, on_progress: TransferHandler | None) -> Any:
        async def open_bounded(size: int) -> Sink:
            if size > self._max_bytes():
                raise Malformed(f"it is said to have {size} bytes, and no more than {self._max_bytes()} are carried")
            return await open_sink(name, size)

        return await self._files._receive(path, open_bounded, _named(name, on_progress))

    def _max_bytes(self) -> int:
        """What a value may have: a file with a hole may be larger than every memory, and cost its sandbox nothing."""
        host_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        options = self._session.sandbox._owner.options
        return min(host_bytes, (options.disk_bytes if options is not None else None) or host_bytes)


def _named(name: str, on_progress: TransferHandler | None) -> Callable[[int, int], None] | None:
    return None if on_progress is None else functools.partial(on_progress, name)


def _raise_faults(faults: Mapping[str, str]) -> None:
    if faults:
        raise ValueRefusedError("\n".join(f"{name} cannot be carried: {fault}" for name, fault in faults.items()))


@functools.lru_cache(maxsize=1)
def _build_program() -> bytes:
    """`inside.values` and what it needs, as one file that Python runs."""
    buffer = io.BytesIO()
    inside = Path(__file__).parent / "inside"
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", _MAIN)
        for name in _MODULES:
            archive.writestr(f"_hopx_values/{name}.py", inside.joinpath(f"{name}.py").read_text(encoding="utf-8"))
    return buffer.getvalue()
