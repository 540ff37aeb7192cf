"""The outputs of cells and comm messages, remembered for what their threads and tasks print later; and how they look."""

from __future__ import annotations

from collections import OrderedDict

import anyio

from ..config import HopxConfig
from ..progress import ProgressOptions
from ..progress.options import FrontEnd
from ..sandboxes import is_isolated
from .output import RunOutput

__all__ = ["Idle", "Outputs", "progress_options"]

#: Runs and comm messages whose late output still finds its parent.
REMEMBERED_PARENTS = 1000

#: How long the events behind a cell's end may be held for its ``idle``, in seconds.
IDLE_SECONDS = 1.0


class Idle:
    """The ``idle`` of a cell that has ended: what the sandbox sends after the end waits until that is out.

    Front ends, and whoever reads up to a cell's ``idle``, would take it for the cell's own.
    """

    def __init__(self) -> None:
        self._told: anyio.Event | None = None

    def expect(self, is_cell: bool) -> None:
        """Note that a run has ended in the sandbox, and whether it was the present cell."""
        if is_cell:
            self._told = anyio.Event()

    def tell(self) -> None:
        """Note that its ``idle`` is out."""
        if self._told is not None:
            self._told.set()

    async def wait(self) -> None:
        """Wait for it, if one is expected, but not for ever."""
        if self._told is not None:
            with anyio.move_on_after(IDLE_SECONDS):
                await self._told.wait()
            self._told = None


class Outputs:
    """Those that late events may belong to, by the ids of their requests."""

    def __init__(self) -> None:
        self._cells: OrderedDict[str, RunOutput] = OrderedDict()
        self._comms: OrderedDict[str, RunOutput] = OrderedDict()

    def find(self, msg_id: str) -> RunOutput | None:
        """The output of a cell or a comm message, while it is remembered."""
        return self._cells.get(msg_id) or self._comms.get(msg_id)

    def find_comm(self, msg_id: str) -> RunOutput | None:
        """The output of a comm message."""
        return self._comms.get(msg_id)

    def add_cell(self, output: RunOutput) -> None:
        """Remember the output of a cell."""
        _remember(self._cells, output)

    def add_comm(self, output: RunOutput) -> None:
        """Remember the output of a comm message."""
        _remember(self._comms, output)

    def close(self) -> None:
        """Close them all."""
        for output in [*self._cells.values(), *self._comms.values()]:
            output.close()


def _remember(outputs: OrderedDict[str, RunOutput], output: RunOutput) -> None:
    outputs[output.request.msg_id] = output
    while len(outputs) > REMEMBERED_PARENTS:
        _, oldest = outputs.popitem(last=False)
        oldest.close()


def progress_options(config: HopxConfig, front_end: FrontEnd) -> ProgressOptions:
    """How progress looks in a front end."""
    return ProgressOptions(
        bars=config.progress != "off",
        front_end=front_end,
        header=config.header,
        header_after_seconds=config.header_after_seconds,
        kind=config.kind,
        is_isolated=is_isolated(config.kind),
    )
