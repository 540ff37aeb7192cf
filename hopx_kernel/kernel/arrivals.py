"""The cells that have arrived and not ended, in their order: which of them a Stop is for, and what they count on.

Pure: no channel and no clock. A Stop is for the cell that is at its turn when it arrives, and for no other.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .requests import Request

__all__ = ["Arrivals", "Loss"]

#: How much older than a cell a Stop can be that comes after it, in seconds: by more a clock was put back in between.
_ON_ITS_WAY_SECONDS = 60.0

#: An id as jupyter_client makes them, which counts its messages.
_NUMBER = re.compile(r"(.+)_([0-9]{1,15})")


@dataclass
class Loss:
    """Variables that were lost, and whom that has not been told.

    Parameters
    ----------
    ename : str
        What has died, as the name of an error.
    notice : str
        A line that says so.
    before : int
        Cells that had arrived until then counted on them: they are refused. 0 where an error has told it already.
    lasts : bool
        Whether the cell after one that was refused is told too.
    """

    ename: str
    notice: str
    before: int = 0
    lasts: bool = False


class Arrivals:
    """Cells, by the ids of their requests."""

    def __init__(self) -> None:
        self._cells: OrderedDict[str, tuple[Request, int]] = OrderedDict()
        self._count = 0
        self._targets: dict[str, str | None] = {}
        self._stopped: set[str] = set()
        self._loss: Loss | None = None

    # ------------------------------------------------------------------ cells

    def arrive(self, request: Request) -> None:
        """An ``execute_request`` has come."""
        self._count += 1
        self._cells[request.msg_id] = (request.envelope(), self._count)

    def end(self, msg_id: str) -> None:
        """A cell has ended, or never will begin."""
        self._cells.pop(msg_id, None)
        self._stopped.discard(msg_id)

    # ------------------------------------------------------------------ Stops

    def first(self) -> str:
        """The cell that is at its turn, ``""`` where there is none."""
        return next(iter(self._cells), "")

    def bind(self, stop: Request) -> None:
        """An ``interrupt_request`` has come: note whom it is for."""
        target = self.first()
        if target and _is_older(stop.message["header"], self._cells[target][0].message["header"]):
            self._targets[stop.msg_id] = None  # it was sent before that cell was
        else:
            self._targets[stop.msg_id] = target

    def take_target(self, stop_id: str) -> str | None:
        """Whom a Stop was for when it came: ``""`` for no cell; None where it is too late."""
        target = self._targets.pop(stop_id, "")
        return target if not target or target in self._cells else None

    def stop(self, msg_id: str) -> None:
        """Have a cell stopped that has not begun."""
        self._stopped.add(msg_id)

    def is_stopped(self, msg_id: str) -> bool:
        """Whether a cell was stopped before it began."""
        return msg_id in self._stopped

    # ------------------------------------------------------------------ losses

    def lose(self, ename: str, notice: str, *, is_told: bool = False, lasts: bool = False) -> None:
        """Variables are gone; `is_told` where the error of a cell has said so."""
        self._loss = Loss(ename, notice, 0 if is_told else self._count, lasts)

    def forget_loss(self) -> None:
        """What is gone has been told."""
        self._loss = None

    def take_loss(self, msg_id: str) -> tuple[Loss | None, bool]:
        """What is to be told to a cell that is to begin, and whether it counts on what was lost."""
        loss, self._loss = self._loss, None
        is_refused = loss is not None and self._cells.get(msg_id, (None, self._count))[1] <= loss.before
        if loss is not None and is_refused and loss.lasts:
            self._loss = Loss(loss.ename, loss.notice)
        return loss, is_refused


def _is_older(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a message was made before another, as far as their client says, by its clock and by its counting."""
    if not one.get("session") or one.get("session") != other.get("session"):
        return False
    numbers = [_NUMBER.fullmatch(str(header.get("msg_id"))) for header in (one, other)]
    if numbers[0] and numbers[1] and numbers[0][1] == numbers[1][1] and int(numbers[0][2]) > int(numbers[1][2]):
        return False
    try:
        dates = [datetime.fromisoformat(str(header.get("date")).replace("Z", "+00:00")) for header in (one, other)]
        return 0 < (dates[1] - dates[0]).total_seconds() < _ON_ITS_WAY_SECONDS
    except (ValueError, TypeError):
        return False
