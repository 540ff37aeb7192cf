"""What libraries look for at ``get_ipython().kernel``: enough of Jupyter's own kernel for ipywidgets and its kin."""

from __future__ import annotations

from typing import Any, Dict, Optional

from .parents import current, get_parent_id
from .services import Services

__all__ = ["KernelFacade"]


class KernelFacade:
    """The kernel, as seen from a cell.

    Attributes
    ----------
    shell : InteractiveShell
        The shell that runs cells.
    comm_manager : comm.base_comm.CommManager or None
        The comms of this interpreter.
    iopub_socket : None
        There is no socket here; `send_response` takes it and ignores it.
    """

    implementation = "hopx"
    iopub_socket: Any = None
    comm_manager: Any = None

    def __init__(self, shell: Any, services: Services) -> None:
        self.shell = shell
        self._services = services

    def get_parent(self, channel: Optional[str] = None) -> Dict[str, Any]:
        """The request that the caller works for, on whatever channel it came."""
        del channel
        msg_id = get_parent_id()
        return {"header": {"msg_id": msg_id, "msg_type": "execute_request"}, "msg_id": msg_id} if msg_id else {}

    def set_parent(self, ident: Any, parent: Dict[str, Any], channel: str = "shell") -> None:
        """Make the caller's output belong to another request."""
        del ident, channel
        msg_id = (parent.get("header") or {}).get("msg_id") or parent.get("msg_id")
        if msg_id:
            current.set(msg_id)

    @property
    def _parent_header(self) -> Dict[str, Any]:
        return self.get_parent()

    def send_response(
        self, stream: Any, msg_type: str, content: Optional[Dict[str, Any]] = None, **options: Any
    ) -> None:
        """Send an event of the request that the caller works for."""
        del stream
        self._services.emit(msg_type, content or {}, options.get("metadata"), options.get("buffers"))

    def raw_input(self, prompt: str = "") -> str:
        """`input`."""
        return self._services.ask(prompt)

    def getpass(self, prompt: str = "", **options: Any) -> str:
        """`getpass.getpass`."""
        return self._services.ask_password(prompt, **options)
