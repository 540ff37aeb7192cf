"""The same for a session of the library: no kernel between it and the sandbox."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import anyio
import psutil

from hopx_kernel.errors import SandboxLostError
from hopx_kernel.protocol import Message, RunnerOptions
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.sandboxes.spawn import spawn
from hopx_kernel.session import Session

from .cells import write_cell
from .history import Cell, History, Stop
from .processes import find, lives, strike, tree, wait_gone

__all__ = ["run_on_session"]

_OPTIONS = RunnerOptions(heartbeat_seconds=0.3, interrupt_grace_seconds=0.5)
_ROLES = ("interpreter", "interpreter", "supervisor", "launcher", "bwrap")


class _Sessions:
    def __init__(self, random: Random) -> None:
        self.history = History()
        self.seen: set[psutil.Process] = set()
        self._random = random
        self._count = 0

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._use_one(end)
        self.history.check()
        assert wait_gone(self.seen) == [], "processes are left"

    async def _use_one(self, end: float) -> None:
        """Use a sandbox until it is lost."""
        spawned = spawn()
        root = psutil.Process(spawned.process.pid)

        async def take(event: Message) -> None:
            await self._take(event, session)

        async with LocalSandbox.adopt(spawned) as sandbox:
            async with Session(sandbox, options=_OPTIONS, on_event=take) as session:
                while time.monotonic() < end and not session.is_lost:
                    await self._run_cell(session, root)
                    self.seen.update(tree(root))
        # Whose sandbox it was knows that it is gone.
        self.history.check()
        self.history.cells.clear()

    async def _run_cell(self, session: Session, root: psutil.Process) -> None:
        self._count += 1
        kind, code, count = write_cell(self._random, self._count)
        cell = Cell(self._count, kind, count, time.time())
        cell.began = cell.sent
        msg_id = f"cell-{self._count}"
        self.history.note(f"cell {self._count} ({kind}) sent")
        try:
            run = await session.start_run(code, msg_id=msg_id, allow_stdin=True)
        except SandboxLostError:
            return
        self.history.cells[msg_id] = cell
        cell.messages.append({"msg_type": "status", "content": {"execution_state": "busy"}})
        async with anyio.create_task_group() as group:
            for _ in range(self._random.choice([0, 0, 1, 1, 2, 6])):
                group.start_soon(self._trouble, session, root, self._random.random())
            reply = await run.wait()
        self.history.note(f"reply to {cell.number}: {reply.get('status')} {reply.get('ename', '')}")
        if reply.get("kept") is False and not session.is_lost:
            session.refresh()  # who was told counts on nothing any more

    async def _trouble(self, session: Session, root: psutil.Process, after: float) -> None:
        await anyio.sleep(after)
        if self._random.random() < 0.75:
            stop = Stop(time.time())
            self.history.stops[str(len(self.history.stops))] = stop
            self.history.note("Stop")
            try:
                content = await session.interrupt()
            except SandboxLostError as exc:
                content = {"status": "error", "evalue": str(exc)}
            stop.replies.append({"content": content})
            stop.replied = time.time()
            return
        role = self._random.choice(_ROLES)
        process = root if role == "bwrap" else find(root, role)
        if process is not None and lives(process):
            self.seen.update(tree(root))
            self.history.note(f"KILL {role}")
            await anyio.to_thread.run_sync(strike, process, "KILL")

    async def _take(self, event: Message, session: Session) -> None:
        cell = self.history.cells.get(event.parent_id)
        if cell is None or event.msg_type == "heartbeat":
            return
        content: dict[str, Any] = event.content
        cell.messages.append({"msg_type": event.msg_type, "content": content})
        if event.msg_type == "input_request":
            try:
                await session.send(Message("input_reply", {"value": "Ada"}, parent_id=event.parent_id))
            except SandboxLostError:
                return
        elif event.msg_type == "execute_reply":
            cell.messages[-1] = {"msg_type": "status", "content": {"execution_state": "idle"}}
            cell.replies.append({"content": content})
            cell.ended = cell.replied = time.time()


async def run_on_session(seed: int, seconds: float) -> History:
    """Run it once. What fails names the seed and tells all that was done."""
    sessions = _Sessions(Random(seed))
    try:
        await sessions.run(seconds)
    except AssertionError as exc:
        exc.args = (f"{exc}\nseed {seed}\n{sessions.history.describe()}",)
        raise
    return sessions.history
