"""Films and sounds that bring along all that is played.

A browser takes a list of addresses (HLS) for a film too, whatever it is said to be, and fetches what is in it.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["holds_addresses", "plays_itself"]

#: With this such a list begins, and each of its lines that says something.
_LIST = b"#EXT"
#: More than a browser looks at to tell what it has.
_HEAD = 64 << 10
_ADDRESS = re.compile(r"\s*data:(?:audio|video)/([a-z0-9.+-]+)([^,]*),", re.IGNORECASE | re.ASCII)


def holds_addresses(data: Any) -> bool:
    """Whether bytes are a list of addresses that would be played."""
    return _LIST in bytes(memoryview(data)[:_HEAD])


def plays_itself(address: str) -> bool:
    """Whether an address is one of a film or a sound that is in it."""
    address = re.sub("[\t\n\r]", "", address)  # a browser reads over them, wherever they are
    match = _ADDRESS.match(address)
    if match is None or "mpegurl" in match[1].lower():
        return False
    # Percent signs make three characters of a byte, and base64 four of three bytes.
    head = unquote_to_bytes(address[match.end() : match.end() + 4 * _HEAD])
    plain = re.sub(rb"[^A-Za-z0-9+/]", b"", head) if "base64" in match[2].lower() else b""
    return not holds_addresses(head) and not holds_addresses(base64.b64decode(plain[: len(plain) // 4 * 4]))
