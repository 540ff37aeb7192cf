"""Comm messages: the kernel's own widgets stay on the host, the sandbox's are relayed both ways.

A comm belongs to whoever registered it. What the host does not know goes to the sandbox under the message's own id, so
that what its callback prints finds the comm message as its parent. Runs in the main loop only.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import anyio

from ..errors import HopxKernelError, SandboxError
from ..protocol import Message
from ..session import Session
from ..trust import WIDGET_TARGET
from .execution import Cells
from .output import Publisher
from .own_comms import own_states
from .requests import Request

__all__ = ["Comms"]

#: The target through which a page that was reloaded asks for the state of every widget.
CONTROL_TARGET = "jupyter.widget.control"

#: How long the sandbox may take to tell its widgets' states, in seconds. Front ends give up after four.
STATES_TIMEOUT_SECONDS = 3.0

#: Comms of the sandbox that are open at one time, the longest name of one or of its target, and what all of these may
#: take together, in characters; what is over is refused, since the host and every page remember each.
MAX_COMMS = 30_000
MAX_NAME = 200
MAX_NAMES = 4_000_000

_T = TypeVar("_T", dict[str, Any], list[Any])

_log = logging.getLogger(__name__)


class Comms:
    """Routes comm messages between the front ends, the kernel's own widgets and the sandbox.

    Parameters
    ----------
    cells : Cells
        Gives the session, and the parents of what comes back.
    publisher : Publisher
        The iopub channel.
    manager : comm.base_comm.CommManager
        Holds the kernel's own comms and targets.
    """

    def __init__(self, cells: Cells, publisher: Publisher, manager: Any) -> None:
        self._cells = cells
        self._publisher = publisher
        self._manager = manager
        self._targets: dict[str, str] = {}
        self._controls: dict[str, dict[str, Any]] = {}
        self._states: dict[str, _States] = {}
        self._states_lock = anyio.Lock()
        self._relayed: dict[str, anyio.Event] = {}
        self._not_open: str | None = None
        self._names_size = 0
        self._refusals = Refusals(_log)
        cells.on_other_event = self.take
        cells.on_interpreter_gone = self.close_all

    def info(self, target_name: str | None) -> dict[str, dict[str, str]]:
        """The ``comms`` of a ``comm_info_reply``: the kernel's own and the sandbox's."""
        own = {comm_id: comm.target_name for comm_id, comm in list(self._manager.comms.items())}
        return {
            comm_id: {"target_name": name}
            for comm_id, name in {**self._targets, **own}.items()
            if target_name is None or name == target_name
        }

    # ------------------------------------------------------------------ from the front end

    async def comm_open(self, request: Request) -> None:
        """Take a ``comm_open`` of the front end."""
        comm_id, target = request.get("comm_id", str), request.get("target_name", str)
        request.get("data", dict, {})
        if target == CONTROL_TARGET:
            self._controls[comm_id] = request.message.get("metadata") or {}
        elif target in self._manager.targets:
            self._manager.comm_open(None, request.idents, request.message)
        else:
            self._add(comm_id, target)
            if target == WIDGET_TARGET:
                self._cells.trust.comm_opened_by_page(comm_id, request.get("data", dict, {}))
            if not await self._relay(request) and self._remove(comm_id):
                _log.warning("A comm for the target %.80r cannot be opened: there is no sandbox", target)
                self._publisher.publish("comm_close", {"comm_id": comm_id, "data": {}}, request.message)

    async def comm_msg(self, request: Request) -> None:
        """Take a ``comm_msg`` of the front end."""
        comm_id = request.get("comm_id", str)
        data: dict[str, Any] = request.get("data", dict, {})
        if comm_id in self._controls:
            if data.get("method") == "request_states":
                await self._tell_states(comm_id, request)
        elif comm_id in self._manager.comms:
            self._manager.comm_msg(None, request.idents, request.message)
        elif comm_id not in self._targets or not await self._relay(request):
            self._tell_not_open(comm_id)

    def _tell_not_open(self, comm_id: str) -> None:
        """Log it once, however many messages come: a slider that is dragged sends sixty a second."""
        if comm_id != self._not_open:
            self._not_open = comm_id
            _log.warning("A message came for the comm %.80s, which is not open", comm_id)

    async def comm_close(self, request: Request) -> None:
        """Take a ``comm_close`` of the front end."""
        comm_id = request.get("comm_id", str)
        request.get("data", dict, {})
        if comm_id in self._controls:
            del self._controls[comm_id]
        elif comm_id in self._manager.comms:
            self._manager.comm_close(None, request.idents, request.message)
        elif self._remove(comm_id):
            await self._relay(request)

    async def _relay(self, request: Request) -> bool:
        """Hand a message to the sandbox and wait until its callbacks have run; False where there is no sandbox.

        Front ends hold a widget's next message back until this one's ``idle``, so that a slow callback is not flooded.
        """
        content = {"data": {}, **request.content}
        buffers = tuple(bytes(buffer) for buffer in request.message.get("buffers") or ())
        metadata = request.message.get("metadata") or {}
        message = Message(request.msg_type, content, msg_id=request.msg_id, metadata=metadata, buffers=buffers)
        handled = self._relayed[request.msg_id] = anyio.Event()
        try:
            async with self._cells.way:
                session = self._cells.keeper.current
                if session is None:
                    return False
                self._cells.remember(request)
                await session.send(message)
            await handled.wait()
        except HopxKernelError as exc:
            _log.warning("A %s did not reach the sandbox: %s", request.msg_type, exc)
            return False
        finally:
            self._relayed.pop(request.msg_id, None)
        return True

    # ------------------------------------------------------------------ from the sandbox

    async def take(self, event: Message) -> None:
        """Take an event of the sandbox that belongs to no run."""
        if event.msg_type == "status":
            self._finish(event.parent_id)
            return
        handler = self._EVENTS.get(event.msg_type)
        if handler is None:
            return
        comm_id = event.content["comm_id"]
        if not _is_name(comm_id):
            self._refusals.add("a comm's name that is none, or too long")
        elif comm_id in self._states:
            self._states[comm_id].take(event)
        elif comm_id in self._manager.comms:
            _log.warning("The sandbox sent a %s for a comm of the kernel's own; it is dropped", event.msg_type)
        else:
            await self._pass_on(comm_id, event, handler)

    async def _pass_on(
        self, comm_id: str, event: Message, handler: Callable[[Comms, str, Message], str | None]
    ) -> None:
        """Give a message to the front ends, made anew from what may pass of it."""
        target = handler(self, comm_id, event)
        if target is None:
            return
        _check_buffers(event)
        passed = self._cells.trust.comm(event.msg_type, comm_id, event.content["data"], event.buffers, target)
        if passed is None:
            self._refusals.add(f"a {event.msg_type} that is not known to be harmless")
            if event.msg_type == "comm_open":
                self._remove(comm_id)
            return
        # No more than the names it is addressed by: a page would also load a module that is named here.
        content: dict[str, Any] = {"comm_id": comm_id, "data": passed[0]}
        if event.msg_type == "comm_open":
            content["target_name"] = target
        parent = self._cells.settle_parent(event.parent_id) or {}
        metadata = self._cells.trust.comm_metadata(event.metadata, target)
        self._publisher.publish(event.msg_type, content, parent, metadata, list(passed[1]))
        await self._publisher.room()

    def _finish(self, msg_id: str) -> None:
        handled = self._relayed.get(msg_id)
        if handled is not None:
            self._cells.finish_callback(msg_id)
            handled.set()

    def _opened(self, comm_id: str, event: Message) -> str | None:
        target = event.content["target_name"]
        if not _is_name(target):
            self._refusals.add("a comm for a target whose name is none, or too long")
            return None
        if comm_id in self._targets:
            what = "for another target" if self._targets[comm_id] != target else "already"
            self._refusals.add(f"a comm_open of the comm {comm_id:.80}, which is open {what}")
            return None
        if len(self._targets) >= MAX_COMMS or self._names_size + len(comm_id) + len(target) > MAX_NAMES:
            self._refuse_more(event)
            return None
        self._add(comm_id, target)
        return str(target)

    def _refuse_more(self, event: Message) -> None:
        """Refuse a comm since there are too many, and tell the person once: what they want to see will not be shown."""
        if self._refusals.add(f"one more comm than the {len(self._targets)} that are open") == 1:
            text = f"{len(self._targets)} widgets are open; more than that are not shown. Close some, or restart the kernel.\n"
            parent = self._cells.settle_parent(event.parent_id) or {}
            self._publisher.publish("stream", {"name": "stderr", "text": text}, parent)

    def _messaged(self, comm_id: str, _: Message) -> str | None:
        target = self._targets.get(comm_id)
        if target is None:
            _log.debug("The sandbox sent a message for the comm %.80s, which is not open", comm_id)
        return target

    def _closed(self, comm_id: str, _: Message) -> str | None:
        target = self._targets.get(comm_id)
        if target is not None:
            self._remove(comm_id, is_told=True)
        return target

    _EVENTS: ClassVar[dict[str, Callable[[Comms, str, Message], str | None]]] = {
        "comm_open": _opened,
        "comm_msg": _messaged,
        "comm_close": _closed,
    }

    def _add(self, comm_id: str, target: str) -> None:
        self._remove(comm_id)
        # One text for all that have the same.
        self._targets[comm_id] = sys.intern(target)
        self._names_size += len(comm_id) + len(target)

    def _remove(self, comm_id: str, is_told: bool = False) -> bool:
        """Take a comm out; the policy is told so, unless its own message does."""
        target = self._targets.pop(comm_id, None)
        if target is None:
            return False
        self._names_size -= len(comm_id) + len(target)
        if not is_told:
            self._cells.trust.comm_closed(comm_id)
        return True

    def close_all(self) -> None:
        """Close every comm of the sandbox towards the front end: what held them is gone."""
        targets, self._targets, self._names_size = self._targets, {}, 0
        self._cells.trust.comm_closed()
        for comm_id in targets:
            self._publisher.publish("comm_close", {"comm_id": comm_id, "data": {}}, {})
        for states in self._states.values():
            states.give_up()
        for msg_id in list(self._relayed):
            self._finish(msg_id)

    # ------------------------------------------------------------------ states after a reload

    async def _tell_states(self, comm_id: str, request: Request) -> None:
        """Answer ``request_states`` with the widgets of the kernel and of the sandbox together.

        Where the sandbox cannot tell all of its own at once, the comm is closed: front ends then ask each widget.
        """
        theirs = await self._sandbox_states(comm_id, request)
        if theirs is not None and theirs.is_open:
            _log.info("The sandbox's widgets could not be told at once")
            del self._controls[comm_id]
            self._publisher.publish("comm_close", {"comm_id": comm_id, "data": {}}, request.message)
            return
        data, buffers = own_states()
        if theirs is not None and theirs.message is not None:
            offered = theirs.message.content["data"]
            clean, their_buffers = self._cells.trust.comm_states(offered, theirs.message.buffers)
            data["states"] = {**_of(clean, "states", dict), **data["states"]}
            data["buffer_paths"] = [*data["buffer_paths"], *_of(clean, "buffer_paths", list)]
            buffers = [*buffers, *their_buffers]
        self._publisher.publish("comm_msg", {"comm_id": comm_id, "data": data}, request.message, None, buffers)

    async def _sandbox_states(self, comm_id: str, request: Request) -> _States | None:
        # One at a time: ipywidgets answers on the control comm that was opened last.
        async with self._states_lock:
            session = self._cells.keeper.current
            if session is None or not self._targets:
                return None
            return await self._ask_states(session, comm_id, request)

    async def _ask_states(self, session: Session, comm_id: str, request: Request) -> _States:
        states = self._states[comm_id] = _States()
        opening = {"comm_id": comm_id, "target_name": CONTROL_TARGET, "data": {}}
        asking = {"comm_id": comm_id, "data": {"method": "request_states"}}
        closing: dict[str, Any] = {"comm_id": comm_id, "data": {}}
        metadata = self._controls[comm_id]
        try:
            await session.send(Message("comm_open", opening, msg_id=request.msg_id, metadata=metadata))
            await session.send(Message("comm_msg", asking, msg_id=request.msg_id))
            with anyio.move_on_after(STATES_TIMEOUT_SECONDS):
                await states.answered.wait()
            await session.send(Message("comm_close", closing, msg_id=request.msg_id))
        except SandboxError:
            states.is_open = False  # then there are no widgets but the kernel's own
        finally:
            del self._states[comm_id]
        return states


class _States:
    """The sandbox's answer to ``request_states``."""

    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.message: Message | None = None
        #: Whether there may be widgets that have not been told.
        self.is_open = True

    def take(self, event: Message) -> None:
        if event.msg_type == "comm_msg" and event.content["data"].get("method") == "update_states":
            self.message = event
            self.is_open = False
            self.answered.set()
        elif event.msg_type == "comm_close":
            self.answered.set()

    def give_up(self) -> None:
        """Note that the interpreter is gone, and its widgets with it."""
        self.is_open = False
        self.answered.set()


def _is_name(name: object) -> bool:
    # JavaScript takes a list with one name in it for the name.
    return type(name) is str and len(name) <= MAX_NAME


class Refusals:
    """Tells in the log what was refused, and how often: the first time, the tenth, the hundredth."""

    MAX_REASONS = 100

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._counts: dict[str, int] = {}

    def add(self, reason: str) -> int:
        """Note one more, and return how many there were."""
        if len(self._counts) >= self.MAX_REASONS and reason not in self._counts:
            reason = "more"
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        if str(count).strip("0") == "1":
            self._log.warning("The sandbox sent %s; it is refused (%d of these)", reason, count)
        return count


def _check_buffers(event: Message) -> None:
    """Log that a message has not as many buffers as it says; what lacks a partner is dropped under the safe policy."""
    paths = event.content["data"].get("buffer_paths")
    if isinstance(paths, list) and len(paths) != len(event.buffers):
        _log.warning(
            "A %s of the sandbox names %d places for %d buffers", event.msg_type, len(paths), len(event.buffers)
        )


def _of(data: dict[str, Any], key: str, kind: type[_T]) -> _T:
    """A value of the sandbox's making, empty where it has another type than it should."""
    value = data.get(key)
    return value if isinstance(value, kind) else kind()
