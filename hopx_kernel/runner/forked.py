"""A process that a cell has forked: its events are text on its file descriptors, and it ends where the cell's code does.

Its parent goes on being the interpreter. The child has neither the connection nor the loop, so it may not come back to
them: who waits for it would wait for ever.
"""

from __future__ import annotations

import os
from typing import Any, Optional, Tuple

from ..protocol.messages import Message
from .jsonable import safe_str

__all__ = ["leave", "text_of"]


def text_of(message: Message) -> Tuple[str, str]:
    """Stream and text that say what an event says; ``""`` where a terminal would show nothing."""
    if message.msg_type == "error":
        return "stderr", "\n".join(map(str, message.content["traceback"])) + "\n"
    if message.msg_type in ("execute_result", "display_data"):
        text = message.content["data"].get("text/plain")
        return "stdout", f"{text}\n" if isinstance(text, str) else ""
    return "stdout", ""


def leave(exc: Optional[BaseException] = None, failed: bool = False) -> None:
    """End this process as the end of a script would, with the exit code that an exception or a failure has."""
    code: Any = exc.code if isinstance(exc, SystemExit) else int(failed)
    if code is not None and not isinstance(code, int):
        os.write(2, f"{safe_str(code)}\n".encode("utf-8", "replace"))  # whatever `sys.stderr` is by now
        code = 1
    os._exit((code or 0) & 0xFF)
