"""Comms of the sandbox's own code: the `comm` package's classes, connected to the host."""

from __future__ import annotations

import sys
import traceback
from typing import Any, Callable, Dict, Optional, Set

from ..protocol.messages import Message
from . import limits, progress
from .base_shell import BaseShell
from .parents import current, set_last
from .services import Services

__all__ = ["Comms"]

#: The target of comms through which a page asks for the state of all widgets.
CONTROL_TARGET = "jupyter.widget.control"

#: How often that is tried while a cell makes widgets.
CONTROL_TRIES = 10


class Comms:
    """The interpreter's comms; does nothing until `comm` is imported by somebody."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._manager: Any = None
        self._package: Any = None
        self._create: Any = None
        self._show_exception: Callable[[], None] = lambda: None
        self._control_ids: Set[str] = set()

    def install(self, shell: BaseShell) -> None:
        """Make the `comm` package create comms that reach the host, where it is installed."""
        self._show_exception = shell.show_exception
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
        self._create = SandboxComm
        self._package = comm
        self.claim()
        if kernel is not None:
            kernel.comm_manager = manager

    def claim(self) -> None:
        """Make new comms ours; called before each cell, since importing ipykernel makes them its own."""
        if self._package is not None and self._package.create_comm is not self._create:
            self._package.create_comm = self._create
            self._package.get_comm_manager = lambda: self._manager

    def handle(self, message: Message, idle: bool = True) -> None:
        """Hand a comm message of the host to whoever it is for; its output belongs to this message."""
        if self._manager is None:
            sys.stderr.write(f"A {message.msg_type} came, but the sandbox has no `comm` package.\n")
            return
        token = current.set(message.msg_id)
        if idle:  # else what has no context of its own is the running cell's
            set_last(message.msg_id)
        try:
            getattr(self._manager, message.msg_type)(None, "", to_jupyter(message))
        except BaseException:  # an interrupt, or an exit; the manager has logged everything else
            self._show_exception()
        finally:
            current.reset(token)

    def tell_idle(self, message: Message) -> None:
        """Say that everything which a comm message has set off has happened."""
        with limits.room():
            progress.finish_run(message.msg_id)
            limits.flush_c_stdio()
            self._services.emit("status", {"execution_state": "idle"}, parent_id=message.msg_id)

    def is_control(self, message: Message) -> bool:
        """Whether a message asks for the state of all widgets, on a comm that is for nothing else."""
        comm_id = str(message.content.get("comm_id"))
        if message.msg_type == "comm_open" and message.content["target_name"] == CONTROL_TARGET:
            self._control_ids.add(comm_id)
        return comm_id in self._control_ids

    def handle_control(self, message: Message) -> None:
        """Answer a control message in the calling thread, whatever the main one does. Never raises."""
        comm_id = message.content["comm_id"]
        token = current.set(message.msg_id)
        try:
            if message.msg_type == "comm_msg":
                _call_patiently(self._manager.comms[comm_id], to_jupyter(message))
            else:
                getattr(self._manager, message.msg_type)(None, "", to_jupyter(message))
        except BaseException:  # of a widget that cannot tell its state; not even its exit may end the calling thread
            with limits.room():
                traceback.print_exc()
        finally:
            if message.msg_type == "comm_close":
                self._control_ids.discard(comm_id)
            current.reset(token)
            self.tell_idle(message)

    def info(self, target_name: Any) -> Dict[str, Any]:
        """The ``comms`` of a ``comm_info_reply``."""
        if self._manager is None:
            return {}
        return {
            comm_id: {"target_name": comm.target_name}
            for comm_id, comm in list(self._manager.comms.items())
            if target_name in (None, "", comm.target_name)
        }


def _call_patiently(comm: Any, message: Dict[str, Any]) -> None:
    """Call a comm's callback, again where the running cell has made or closed a widget in the meantime.

    Not by `handle_msg`, which triggers ``post_execute``: plots would be drawn in this thread.
    """
    for left in reversed(range(CONTROL_TRIES)):
        try:
            comm._msg_callback(message)
            return
        except RuntimeError:
            if not left:
                raise


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
