"""One use of ``%sandbox``: the line goes to the host, which does what it says.

While it does, it asks here for what is this sandbox's own: values of variables and bytes of files, a piece at a time.
The thread that used the magic answers until the host says that all is done; an interrupt is passed on.
"""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from queue import SimpleQueue
from typing import Any, Callable, Dict, List, Optional

from .. import errors
from ..library.inside.background import BackgroundRun
from ..protocol.messages import Message
from .belongings import Belongings
from .parents import get_parent_id
from .services import Services

__all__ = ["Use"]


class Use:
    """One use of a magic: what it says to the host, and what it is asked."""

    def __init__(self, services: Services, shell: Any, forget: Callable[[str, None], Any]) -> None:
        self.magic_id = os.urandom(16).hex()
        self.messages: "SimpleQueue[Message]" = SimpleQueue()
        self._services = services
        self._parent_id = get_parent_id()
        self._belongings = Belongings(shell)
        self._forget = forget
        self._interrupt: Optional[KeyboardInterrupt] = None
        self._outcomes: "SimpleQueue[Dict[str, Any]]" = SimpleQueue()
        self._asking = threading.Lock()
        self._has_ended = False

    def send(self, action: str, content: Dict[str, Any], data: Optional[bytes] = None) -> None:
        """Say something to the host."""
        content = {"magic_id": self.magic_id, "action": action, **content}
        buffers: List[Any] = [] if data is None else [data]
        self._services.emit("sandbox_request", content, buffers=buffers, parent_id=self._parent_id)

    def serve(self, begin: Optional[Dict[str, Any]] = None) -> Any:
        """Answer the host until it is done; gives what the magic gives, or raises what it raises."""
        in_background = False
        try:
            while True:
                try:
                    if begin is not None:
                        content, begin = begin, None
                        self.send("begin", content)
                    message = self.messages.get()
                    action = message.content["action"]
                    if action == "question":
                        self._answer(message)
                    elif action == "interrupted":
                        self._outcomes.put(message.content)
                    elif action == "background":
                        in_background = True
                        content = message.content
                        return BackgroundRun(content["name"], content["run"], self.serve, self.interrupt)
                    elif action == "end":
                        return self._end(message.content)
                except KeyboardInterrupt as exc:
                    in_background = False
                    self._pass_on(exc)
        except KeyboardInterrupt:
            if not self._has_ended:
                self.send("leave", {})
            raise
        finally:
            if not in_background:
                self._close()

    def interrupt(self) -> Dict[str, Any]:
        """Interrupt the code in the other sandbox; gives what came of it."""
        with self._asking:
            if self._has_ended:
                return {"status": "ok", "stopped": True, "kept": True}
            self.send("interrupt", {})
            outcome = self._outcomes.get()
        return {key: outcome.get(key) for key in ("status", "stopped", "kept", "evalue") if key in outcome}

    def _pass_on(self, exc: KeyboardInterrupt) -> None:
        """Pass the first interrupt on, so that its end can be awaited; a second one leaves."""
        if self._has_ended or self._interrupt is not None:
            raise exc
        self._interrupt = exc
        self.send("interrupt", {})

    def _answer(self, message: Message) -> None:
        content: Dict[str, Any] = {"number": message.content["number"]}
        data = None
        try:
            found, data = self._belongings.answer(message.content, message.buffers)
            content.update(found)
        except OSError as exc:
            filename = exc.filename if isinstance(exc.filename, str) else None
            content.update(errno=exc.errno or 0, reason=exc.strerror or str(exc), filename=filename)
        except Exception as exc:  # of a value that cannot tell what it is, or a full memory
            content.update(fault=f"{type(exc).__name__}: {exc}")
        self.send("answer", content, data)

    def _close(self) -> None:
        self._has_ended = True
        self._forget(self.magic_id, None)
        self._belongings.close()
        self._outcomes.put({"status": "ok", "stopped": True, "kept": True})

    def _end(self, content: Dict[str, Any]) -> Any:
        self._has_ended = True
        if content["status"] == "ok":
            if self._interrupt is not None:  # it came too late for the other sandbox, but this cell is to stop
                raise self._interrupt
            return content.get("result")
        raise _make_error(content, self._interrupt)


def _make_error(content: Dict[str, Any], interrupt: Optional[KeyboardInterrupt]) -> BaseException:
    """The exception that the host's last words stand for, shown as they say."""
    name, evalue = content["ename"], content["evalue"]
    lines: List[str] = content.get("traceback") or [f"{name}: {evalue}" if evalue else name]
    error: Any
    if name == "UsageError":
        return _usage_error(evalue)
    if name == "KeyboardInterrupt" or (interrupt is not None and content.get("remote_ename") == "KeyboardInterrupt"):
        text = content.get("remote_evalue", evalue)
        error = KeyboardInterrupt(*([text] if text else []))
    elif name == "RemoteExecutionError":
        error = errors.RemoteExecutionError(content["remote_ename"], content["remote_evalue"], lines)
    elif name == "SandboxTimeoutError":
        error = errors.SandboxTimeoutError(evalue, content.get("output", ""), content.get("alive", True))
    else:
        kind = getattr(errors, name, None) if name in errors.__all__ else None
        error = (kind or errors.SandboxError)(evalue)
    error._render_traceback_ = partial(list, lines)  # IPython's protocol
    return error  # type: ignore[no-any-return]


def _usage_error(evalue: str) -> BaseException:
    error: BaseException = sys.modules["IPython.core.error"].UsageError(evalue)
    return error
