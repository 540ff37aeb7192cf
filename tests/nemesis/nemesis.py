"""Cells, Stops, deaths and restarts by chance, on a real kernel."""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random

import psutil
import zmq

from tests.kernel.client import TIMEOUT, Kernel

from .cells import write_cell
from .history import Cell, History, Stop
from .judge import STATED_SECONDS
from .processes import find, strike, tree, wait_gone

__all__ = ["run_nemesis"]

OPTIONS = ("--HopxConfig.heartbeat_seconds=0.3", "--HopxConfig.interrupt_grace_seconds=0.5")

#: What is done, and how often of a hundred times.
_DEEDS = {"cell": 50, "stop": 18, "stops": 4, "kill": 6, "pause": 3, "restart": 1, "wait": 18}

#: Whom it may hit, most often what the person's own code can kill.
_VICTIMS = {"interpreter": 4, "supervisor": 1, "launcher": 1, "bwrap": 1}

#: Cells that may wait at one time.
_QUEUED = 4


class Nemesis:
    """One run."""

    def __init__(self, kernel: Kernel, random: Random) -> None:
        self.history = History()
        self.seen: set[psutil.Process] = set()
        self._kernel = kernel
        self._random = random
        self._count = 0
        self._questions = 0

    def run(self, seconds: float) -> None:
        """Do things by chance for a time, let all come to its end, and check what came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            deed = self._random.choices(list(_DEEDS), list(_DEEDS.values()))[0]
            getattr(self, f"_{deed}")()
            self._take(self._random.choice([0.0, 0.0, 0.02, 0.2]))
        self._settle()
        self.history.check()

    # ------------------------------------------------------------------ deeds

    def _cell(self) -> None:
        if len(self.history.open_cells) >= _QUEUED:
            return
        self._count += 1
        kind, code, count = write_cell(self._random, self._count)
        msg_id = self._kernel.send(code, allow_stdin=True)
        self.history.cells[msg_id] = Cell(self._count, kind, count, time.time())
        self.history.note(f"cell {self._count} ({kind}) sent")

    def _stop(self) -> None:
        client = self._kernel.client
        message = client.session.msg("interrupt_request", {})
        self.history.stops[message["header"]["msg_id"]] = Stop(time.time())
        client.control_channel.send(message)
        self.history.note("Stop")

    def _stops(self) -> None:
        for _ in range(6):
            self._stop()
            self._take(0.05)

    def _kill(self) -> None:
        self._hit("KILL")

    def _pause(self) -> None:
        self._hit("STOP then CONT")

    def _hit(self, fault: str) -> None:
        role = self._random.choices(list(_VICTIMS), list(_VICTIMS.values()))[0]
        self.seen.update(tree(self._kernel.process))
        process = find(self._kernel.process, role)
        if process is not None:
            self.history.note(f"{fault} {role}")
            strike(process, fault)

    def _restart(self) -> None:
        self._settle()
        self.history.note("restart")
        self._kernel.manager.restart_kernel()
        self._kernel.client.wait_for_ready(timeout=TIMEOUT)
        self.history.forget_variables()

    def _wait(self) -> None:
        self._take(self._random.choice([0.1, 0.5]))

    # ------------------------------------------------------------------ messages

    def _settle(self) -> None:
        """Let everything end that is to end, and what is late come."""
        self.seen.update(tree(self._kernel.process))
        deadline = time.monotonic() + STATED_SECONDS
        while (self.history.open_cells or self.history.open_stops) and time.monotonic() < deadline:
            self._take(0.05)
        left = [(cell.number, cell.kind) for cell in self.history.open_cells]
        assert not left and not self.history.open_stops, f"no end of {left}, {len(self.history.open_stops)} Stops"
        self._take(0.3)

    def _take(self, seconds: float) -> None:
        """Take messages for a time, and answer questions."""
        client = self._kernel.client
        channels = (client.iopub_channel, client.shell_channel, client.control_channel, client.stdin_channel)
        poller = zmq.Poller()
        for channel in channels:
            poller.register(channel.socket, zmq.POLLIN)
        end = time.monotonic() + seconds
        while True:
            ready = dict(poller.poll(max(0, int(1000 * (end - time.monotonic())))))
            for channel in channels:
                if channel.socket in ready:
                    message = channel.get_msg(timeout=0)
                    if channel is client.iopub_channel:
                        self.history.take_iopub(message)
                    elif channel is client.stdin_channel:
                        client.input("Ada")
                    else:
                        self.history.take_reply(message)
            if not ready and time.monotonic() >= end:
                return


def run_nemesis(seed: int, seconds: float) -> History:
    """Run it once on a kernel of its own. What fails names the seed and tells all that was done."""
    with Kernel(*OPTIONS) as kernel:
        nemesis = Nemesis(kernel, Random(seed))
        try:
            nemesis.run(seconds)
            nemesis.seen.update(tree(kernel.process))
            kernel.shut_down()
            assert wait_gone(nemesis.seen) == [], "processes are left"
        except BaseException as exc:
            with suppress(TypeError):
                exc.args = (f"{exc}\nseed {seed}\n{nemesis.history.describe()}",)
            raise
    return nemesis.history
