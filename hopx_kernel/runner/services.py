"""What the interpreter's parts share: sending an event, asking the person, explaining a limit."""

from __future__ import annotations

import builtins
import getpass
import queue
import sys
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from ..protocol.messages import Message, Role, check_message
from .forked import leave
from .outlet import Outlet
from .parents import get_parent_id

if TYPE_CHECKING:
    from .beside import Beside

__all__ = ["Services", "StdinNotImplementedError"]


class StdinNotImplementedError(NotImplementedError, OSError):
    """`input()` was called where nobody can answer, and there is no IPython to have a class of this name."""


class Services:
    """One interpreter's way to the host.

    Attributes
    ----------
    allow_stdin : bool
        Whether the present run may ask for input.
    beside : Beside or None
        Serves ``%sandbox``, where the host makes sandboxes beside this one.
    payload : list of dict
        The present run's Jupyter payloads, where no shell keeps them.
    """

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.allow_stdin = False
        self.beside: "Optional[Beside]" = None
        self._answers: "queue.SimpleQueue[Tuple[str, str]]" = queue.SimpleQueue()

    def emit(
        self,
        msg_type: str,
        content: Dict[str, Any],
        metadata: Optional[Dict[str, Any]] = None,
        buffers: Optional[List[Any]] = None,
        parent_id: Optional[str] = None,
    ) -> None:
        """Send an event of the request that the caller works for, or of `parent_id`.

        Raises `TypeError` for a content that the message type cannot have: user code may have made it.
        """
        parent = get_parent_id() if parent_id is None else parent_id
        parts = tuple(bytes(memoryview(part).cast("B")) for part in buffers or ())
        message = Message(msg_type, content, parent_id=parent, metadata=metadata or {}, buffers=parts)
        fault = check_message(Role.RUNNER, message)
        if fault is not None or not isinstance(message.metadata, dict):
            raise TypeError(fault or f"the {msg_type}'s metadata is of type {type(metadata).__name__}")
        self.outlet.send(message)

    def leave_if_forked(self, exc: Optional[BaseException]) -> None:
        """`sys.exit` ends a process that user code has forked."""
        if self.outlet.is_forked and isinstance(exc, SystemExit):
            leave(exc)

    # ------------------------------------------------------------------ stdin

    def take_input(self, parent_id: str, value: str) -> None:
        """Hand over the person's answer; called by the thread that reads requests."""
        self._answers.put((parent_id, value))

    def ask(self, prompt: object = "", /) -> str:
        """`input`, asked of the person at the notebook."""
        return self._request("input", str(prompt), password=False)

    def ask_password(self, prompt: str = "Password: ", stream: Any = None, **options: Any) -> str:
        """`getpass.getpass`, asked of the person at the notebook."""
        del options  # what only a terminal knows
        if stream is not None:
            warnings.warn("getpass's `stream` has no effect in a notebook", UserWarning, stacklevel=2)
        return self._request("getpass", prompt, password=True)

    def _request(self, name: str, prompt: str, password: bool) -> str:
        if not self.allow_stdin:
            error = getattr(sys.modules.get("IPython.core.error"), "StdinNotImplementedError", StdinNotImplementedError)
            raise error(f"{name} was called, but this frontend does not support input requests.")
        while not self._answers.empty():
            self._answers.get()
        parent_id = get_parent_id()
        self.emit("input_request", {"prompt": prompt, "password": password}, parent_id=parent_id)
        while True:
            answered, value = self._answers.get()
            if answered in ("", parent_id):
                if value == "\x04":  # how a front end sends Ctrl-D
                    raise EOFError
                return value

    def install_stdin(self) -> None:
        """Make `input`, `getpass.getpass` and `sys.stdin` ask the person."""
        from .streams import StdinStream

        builtins.input = self.ask
        getpass.getpass = self.ask_password
        sys.stdin = sys.__stdin__ = StdinStream(self.ask)  # type: ignore[assignment,misc]
