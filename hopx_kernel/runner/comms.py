"""Comms of the sandbox's own code: the `comm` package's classes, connected to the host."""

from __future__ import annotations

import sys
from typing import Any, Dict, Optional

from ..protocol.messages import Message
from .base_shell import BaseShell
from .parents import current, set_last
from .services import Services

__all__ = ["Comms"]


class Comms:
    """The interpreter's comms; does nothing until `comm` is imported by somebody."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._manager: Any = None

    def install(self, shell: BaseShell) -> None:
        """Make the `comm` package create comms that reach the host, where it is installed."""
        try:
            import comm
            import comm.base_comm
        except ImportError:
            return
        services = self._services
        kernel = getattr(shell, "kernel", None)
        self._manager = manager = comm.base_comm.CommManager()

        class SandboxComm(comm.base_comm.BaseComm):
            """A comm whose other end is the notebook's page."""

            def publish_msg(
                self,
                msg_type: str,
                data: Optional[Dict[str, Any]] = None,
                metadata: Optional[Dict[str, Any]] = None,
                buffers: Optional[Any] = None,
                **keys: Any,
            ) -> None:
                content = {"data": {} if data is None else data, "comm_id": self.comm_id, **keys}
                services.emit(msg_type, content, metadata, buffers)

        SandboxComm.kernel = kernel  # type: ignore[attr-defined]
        comm.create_comm = SandboxComm
        comm.get_comm_manager = lambda: manager
        if kernel is not None:
            kernel.comm_manager = manager

    def handle(self, message: Message) -> None:
        """Hand a comm message of the host to whoever it is for; its output belongs to this message."""
        if self._manager is None:
            print(f"A {message.msg_type} came, but the sandbox has no `comm` package.", file=sys.stderr)
            return
        token = current.set(message.msg_id)
        set_last(message.msg_id)
        try:
            getattr(self._manager, message.msg_type)(None, "", to_jupyter(message))
        finally:
            current.reset(token)

    def info(self, target_name: Any) -> Dict[str, Any]:
        """The ``comms`` of a ``comm_info_reply``."""
        if self._manager is None:
            return {}
        return {
            comm_id: {"target_name": comm.target_name}
            for comm_id, comm in list(self._manager.comms.items())
            if target_name in (None, "", comm.target_name)
        }


def to_jupyter(message: Message) -> Dict[str, Any]:
    """The message as Jupyter's own kernels hand it to callbacks."""
    return {
        "header": {"msg_id": message.msg_id, "msg_type": message.msg_type},
        "parent_header": {},
        "msg_id": message.msg_id,
        "msg_type": message.msg_type,
        "content": message.content,
        "metadata": message.metadata,
        "buffers": [memoryview(buffer) for buffer in message.buffers],
    }
