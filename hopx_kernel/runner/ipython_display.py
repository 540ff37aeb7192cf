"""IPython's display publisher and display hook, sending events."""

from __future__ import annotations

import sys
import threading
from typing import Any, Callable, Dict, List, Optional

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher

from .jsonable import jsonable, safe_repr
from .parents import get_parent_id
from .services import Services

__all__ = ["SandboxDisplayHook", "SandboxDisplayPublisher"]

_Hook = Callable[[Dict[str, Any]], Optional[Dict[str, Any]]]


class _Hooks(threading.local):
    """Functions of one thread that see a message before it leaves, and may keep it (`None`)."""

    def __init__(self) -> None:
        self.functions: List[_Hook] = []


class _Sender:
    """What publisher and hook share: hooks, and sending."""

    services: Optional[Services] = None

    def register_hook(self, hook: _Hook) -> None:
        """Let a function of this thread see, change or keep every message."""
        self._hooks().functions.append(hook)

    def unregister_hook(self, hook: _Hook) -> bool:
        """Undo `register_hook`; False when it was not registered."""
        functions = self._hooks().functions
        if hook in functions:
            functions.remove(hook)
            return True
        return False

    def _hooks(self) -> _Hooks:
        hooks = self.__dict__.get("_hopx_hooks")
        if hooks is None:
            hooks = self.__dict__["_hopx_hooks"] = _Hooks()
        return hooks

    def _send(self, msg_type: str, content: Dict[str, Any]) -> None:
        functions = self._hooks().functions
        if functions:
            parent = {"msg_id": get_parent_id()}
            header = {"msg_type": msg_type}
            message: Optional[Dict[str, Any]] = {
                "header": header,
                "msg_type": msg_type,
                "parent_header": parent,
                "metadata": {},
                "content": jsonable(content),
            }
            for function in list(functions):
                message = function(message) if message is not None else None
            if message is None:
                return
            msg_type, content = message["header"]["msg_type"], message["content"]
        if self.services is not None:
            self.services.emit(msg_type, content)


class SandboxDisplayPublisher(_Sender, DisplayPublisher):
    """``display()``: events ``display_data``, ``update_display_data`` and ``clear_output``."""

    def publish(
        self,
        data: Dict[str, Any],
        metadata: Optional[Dict[str, Any]] = None,
        source: Any = None,
        *,
        transient: Optional[Dict[str, Any]] = None,
        update: bool = False,
        **options: Any,
    ) -> None:
        """Send a MIME bundle; `source` is IPython's deprecated one."""
        del source, options
        metadata = {} if metadata is None else metadata
        self._validate_data(data, metadata)
        content = {"data": _as_bundle(data), "metadata": metadata, "transient": transient or {}}
        self._send("update_display_data" if update else "display_data", content)

    def clear_output(self, wait: bool = False) -> None:
        """Clear the output of the request that the caller works for."""
        self._send("clear_output", {"wait": bool(wait)})


class SandboxDisplayHook(_Sender, DisplayHook):
    """The value of a cell's last expression: an ``execute_result`` event.

    Attributes
    ----------
    error : BaseException or None
        The limit that a value met when it was to be displayed, and was not; IPython shows it, and counts the cell as done.
    """

    error: Optional[BaseException] = None
    _content: Optional[Dict[str, Any]] = None

    def __call__(self, result: Any = None) -> None:
        try:
            super().__call__(result)
        finally:
            self._content = None

    def note_error(self, exc: Optional[BaseException]) -> None:
        """Note an error that is being shown, if a value is being displayed."""
        if self._content is not None:
            self.error = exc

    def start_displayhook(self) -> None:
        self._content = {"data": {}, "metadata": {}}

    def write_output_prompt(self) -> None:
        if self._content is not None:
            self._content["execution_count"] = self.prompt_count

    def write_format_data(self, format_dict: Dict[str, Any], md_dict: Optional[Dict[str, Any]] = None) -> None:
        if self._content is not None:
            self._content.update(data=_as_bundle(format_dict), metadata=md_dict if isinstance(md_dict, dict) else {})

    def finish_displayhook(self) -> None:
        try:
            sys.stdout.flush()
        except Exception:
            pass  # user code has put something else there, or closed it: the value is shown all the same
        content, self._content = self._content, None
        if content is not None and content["data"]:
            self.error = None  # one form of several could not be made
            self._send("execute_result", content)
        self._is_active = False


def _as_bundle(data: Dict[str, Any]) -> Dict[str, Any]:
    """The bundle as notebooks can hold it: what is neither text nor bytes, where the type is no JSON, as its text."""
    return {
        mime: value if isinstance(value, _TEXTS) or "json" in str(mime) else safe_repr(value)
        for mime, value in data.items()
    }


_TEXTS = (str, bytes, bytearray, memoryview, list)
