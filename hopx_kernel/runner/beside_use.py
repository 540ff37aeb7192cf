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
from .stand_in import make_error

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
        self._answers: "SimpleQueue[Optional[Message]]" = SimpleQueue()
        self._asking = threading.Lock()
        self._number = 0
        self._output = ""
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
                    elif action in ("interrupted", "output"):
                        self._answers.put(message)
                    elif action == "background":
                        in_background = True
                        content = message.content
                        name, number = content["name"], content["run"]
                        return BackgroundRun(name, number, self.serve, self.interrupt, self.get_output)
                    elif action == "end":
                        self._output = _text(message)
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
        answer = self._ask("interrupt")
        outcome = {"status": "ok", "stopped": True, "kept": True} if answer is None else answer.content
        return {key: outcome.get(key) for key in ("status", "stopped", "kept", "evalue") if key in outcome}

    def get_output(self) -> str:
        """What the code in the other sandbox has written so far."""
        answer = self._ask("output")
        return self._output if answer is None else _text(answer)

    def _ask(self, action: str) -> Optional[Message]:
        """Ask the host something while another thread serves; None where the end has come before the answer."""
        with self._asking:
            if self._has_ended:
                return None
            self._number += 1
            self.send(action, {"number": self._number})
            while True:
                answer = self._answers.get()
                # An answer to what was asked before came too late, for somebody who was interrupted.
                if answer is None or answer.content.get("number") == self._number:
                    return answer

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
        self._answers.put(None)

    def _end(self, content: Dict[str, Any]) -> Any:
        self._has_ended = True
        if content["status"] == "ok":
            if self._interrupt is not None:  # it came too late for the other sandbox, but this cell is to stop
                raise self._interrupt
            return content.get("result")
        raise _make_error(content, self._interrupt)


def _text(message: Message) -> str:
    return message.buffers[0].decode("utf-8", "surrogatepass") if message.buffers else ""


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
        error = make_error(name, content["remote_ename"], content["remote_evalue"], lines)
    elif name == "SandboxTimeoutError":
        error = make_error(name, evalue, content.get("output", ""), content.get("alive", True))
    else:
        error = make_error(name if name in errors.__all__ else "SandboxError", evalue)
    error._render_traceback_ = partial(list, lines)  # IPython's protocol
    return error  # type: ignore[no-any-return]


def _usage_error(evalue: str) -> BaseException:
    error: BaseException = sys.modules["IPython.core.error"].UsageError(evalue)
    return error
