"""The messaging protocol's wire format: messages as signed frames, without a socket.

jupyter_client has it too, in a package that also brings clients and managers of kernels: a sixth of the memory of a
kernel at rest, for what these few lines do.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from ..protocol.depth import is_deeper

__all__ = ["PROTOCOL_VERSION", "Wire"]

#: Of the messaging protocol, as headers and a ``kernel_info_reply`` tell it.
PROTOCOL_VERSION = "5.4"

_DELIMITER = b"<IDS|MSG>"

#: Signatures that are remembered, so that no message is taken twice.
_REMEMBERED_SIGNATURES = 1 << 16

#: How deep each part of a message may be nested: below what the sandbox is sent, so that it passes on as it came.
_MAX_DEPTH = 200

#: A header is remembered with its request, and sent along with every answer.
_MAX_HEADER_BYTES = 64 << 10

#: Frames of one message, buffers included.
_MAX_FRAMES = 10_000


class Wire:
    """Packs and unpacks the messages of one kernel.

    Parameters
    ----------
    key : bytes
        Signs messages; empty for none.
    signature_scheme : str
        ``hmac-`` and the name of a hash.

    Raises
    ------
    ValueError
        There is no such scheme.
    """

    def __init__(self, key: bytes = b"", signature_scheme: str = "hmac-sha256") -> None:
        kind, _, name = signature_scheme.partition("-")
        if kind != "hmac" or name not in hashlib.algorithms_available:
            raise ValueError(f"the signature scheme {signature_scheme!r} is not known")
        self._signer = hmac.new(key, digestmod=name) if key else None
        self._session = uuid.uuid4().hex
        self._username = os.environ.get("USER", "username")
        self._count = 0
        self._seen: dict[bytes, None] = {}

    def header(self, msg_type: str) -> dict[str, Any]:
        """The header of a new message."""
        self._count += 1
        return {
            "msg_id": f"{self._session}_{os.getpid()}_{self._count}",
            "msg_type": msg_type,
            "username": self._username,
            "session": self._session,
            "date": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
            "version": PROTOCOL_VERSION,
        }

    def pack(
        self,
        header: dict[str, Any],
        content: dict[str, Any],
        parent: dict[str, Any],
        *,
        idents: Iterable[bytes] = (),
        metadata: dict[str, Any] | None = None,
        buffers: Sequence[Any] = (),
    ) -> list[Any]:
        """The frames of a message. `parent` is the message that it answers, empty for none."""
        parts = [_dump(part) for part in (header, parent.get("header") or {}, metadata or {}, content)]
        return [*idents, _DELIMITER, self._sign(parts), *parts, *buffers]

    def unpack(self, frames: Sequence[bytes]) -> tuple[list[bytes], dict[str, Any]]:
        """The identities that a message came with, and the message.

        Raises `ValueError` for what is not signed with the key, was here before, or has no header to answer to. What is
        wrong with its content stands under ``fault``, else that is None.
        """
        if len(frames) > _MAX_FRAMES:
            raise ValueError(f"it has {len(frames)} frames")
        if _DELIMITER not in frames:
            raise ValueError("it has no delimiter")
        index = frames.index(_DELIMITER)
        signature, *parts = frames[index + 1 :] or [b""]
        if len(parts) < 4:
            raise ValueError(f"it has {len(parts)} parts")
        self._check(signature, parts[:4])
        header = _read_header(parts[0])
        (parent, _), (metadata, _), (content, fault) = (_read_part(part) for part in parts[1:4])
        message = {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": header["msg_type"],
            "parent_header": parent if isinstance(parent, dict) else {},
            "metadata": metadata if isinstance(metadata, dict) else {},
            "content": content,
            "fault": fault,
            "buffers": parts[4:],
        }
        return list(frames[:index]), message

    def _sign(self, parts: Iterable[bytes]) -> bytes:
        if self._signer is None:
            return b""
        signer = self._signer.copy()
        for part in parts:
            signer.update(part)
        return signer.hexdigest().encode()

    def _check(self, signature: bytes, parts: Iterable[bytes]) -> None:
        if self._signer is None:
            return
        if not hmac.compare_digest(signature, self._sign(parts)):
            raise ValueError("its signature is wrong")
        if signature in self._seen:
            raise ValueError("it was here before")
        self._seen[signature] = None
        if len(self._seen) > _REMEMBERED_SIGNATURES:
            del self._seen[next(iter(self._seen))]


def _read_header(part: bytes) -> dict[str, Any]:
    """A header with every field of the kind that it has. Raises `ValueError`."""
    if len(part) > _MAX_HEADER_BYTES:
        raise ValueError(f"its header has {len(part)} bytes")
    header, fault = _read_part(part)
    if fault is not None:
        raise ValueError(f"its header is not readable: {fault}")
    if not isinstance(header, dict) or not {"msg_id", "msg_type"} <= header.keys():
        raise ValueError("its header lacks the id or the type")
    for key, value in header.items():
        if key in ("msg_id", "msg_type") and not isinstance(value, str):
            raise ValueError(f"{key} in its header is no text")
    if not isinstance(header.get("subshell_id"), (str, type(None))):
        raise ValueError("subshell_id in its header is no text")
    return header


def _read_part(part: bytes) -> tuple[Any, str | None]:
    """The value of a part, and what is wrong with it where it cannot be had."""
    try:
        value = json.loads(part.decode("utf-8", "replace"))
    except RecursionError:
        return None, "it is nested too deep"
    except MemoryError:
        return None, "it is too large"
    except ValueError as exc:  # no JSON, or a number of too many digits
        return None, f"it is not JSON: {exc}"
    return (None, "it is nested too deep") if is_deeper(value, part, _MAX_DEPTH) else (value, None)


def _dump(part: Any) -> bytes:
    try:
        text = json.dumps(part, ensure_ascii=False, allow_nan=False)
    except ValueError:  # NaN and the infinities, for which JSON has no words
        text = json.dumps(_spelled(part), ensure_ascii=False, allow_nan=False)
    # Halves of surrogate pairs, which no UTF-8 can carry, become question marks.
    return text.encode("utf-8", "replace")


def _spelled(value: Any) -> Any:
    """A value with its numbers that are none as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(item) for item in value]
    return value
