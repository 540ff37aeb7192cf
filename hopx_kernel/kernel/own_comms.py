"""The comms of the kernel's own widgets: the `comm` package's classes, connected to the iopub channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comm
from comm.base_comm import BaseComm, CommManager

__all__ = ["install_comms"]

#: ``publish(msg_type, content, metadata, buffers)``: sends a message under the kernel's present parent.
Publish = Callable[[str, dict[str, Any], "dict[str, Any] | None", "list[Any] | None"], None]


def install_comms(publish: Publish) -> CommManager:
    """Have everything in this process that makes a comm make one whose other end is the notebook's page."""
    manager = CommManager()

    class KernelComm(BaseComm):
        """A comm of the kernel's."""

        def publish_msg(
            self,
            msg_type: str,
            data: dict[str, Any] | None = None,
            metadata: dict[str, Any] | None = None,
            buffers: list[Any] | None = None,
            **keys: Any,
        ) -> None:
            publish(msg_type, {"data": data or {}, "comm_id": self.comm_id, **keys}, metadata, buffers)

    comm.create_comm = KernelComm
    comm.get_comm_manager = lambda: manager
    return manager
