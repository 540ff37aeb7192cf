"""The comms of the kernel's own widgets: the `comm` package's classes, connected to the iopub channel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import comm
from comm.base_comm import BaseComm, CommManager

__all__ = ["install_comms", "own_states"]

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


class _Recorder:
    """Stands where ipywidgets expects a comm, and keeps what it sends."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {"method": "update_states", "states": {}, "buffer_paths": []}
        self.buffers: list[Any] = []
        self.callback: Callable[[dict[str, Any]], None] | None = None

    def on_msg(self, callback: Callable[[dict[str, Any]], None]) -> None:
        self.callback = callback

    def send(self, data: dict[str, Any], buffers: list[Any] | None = None) -> None:
        self.data, self.buffers = data, list(buffers or [])


def own_states() -> tuple[dict[str, Any], list[Any]]:
    """``update_states`` for the kernel's own widgets; nothing is imported where there are none."""
    recorder = _Recorder()
    module = sys.modules.get("ipywidgets")
    # Another thread may be importing it right now; then there are no widgets yet.
    widget = getattr(module, "Widget", None)
    if module is not None and widget is not None:
        version = module._version.__control_protocol_version__
        widget.handle_control_comm_opened(recorder, {"metadata": {"version": version}})
        assert recorder.callback is not None
        recorder.callback({"content": {"data": {"method": "request_states"}}})
    return recorder.data, recorder.buffers
