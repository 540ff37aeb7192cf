"""The outputs of cells and comm messages, remembered for what their threads and tasks print later; and how they look."""

from __future__ import annotations

from collections import OrderedDict

from ..config import HopxConfig
from ..progress import ProgressOptions
from ..progress.options import FrontEnd
from ..sandboxes import is_isolated
from .output import RunOutput

__all__ = ["Outputs", "progress_options"]

#: Runs and comm messages whose late output still finds its parent.
REMEMBERED_PARENTS = 1000


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
