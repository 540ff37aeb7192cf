"""What was sent and what came, and the rules that it must keep."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from tests.kernel.client import Message, Outcome

from .judge import STATED_SECONDS, announces_loss

__all__ = ["Cell", "History", "Stop"]

#: A Stop is for the cell that runs when it arrives, at the latest so many seconds after it was sent.
ON_ITS_WAY_SECONDS = 2.0


@dataclass
class Cell:
    """One execute_request and everything that came of it."""

    number: int
    kind: str
    count: int
    sent: float
    messages: list[Message] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    replied: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """As other tests see it."""
        return Outcome(self.messages, self.replies[0])

    @property
    def is_over(self) -> bool:
        """Whether both its reply and its idle have come."""
        return bool(self.replies) and bool(self.ended)


@dataclass
class Stop:
    """One interrupt_request."""

    sent: float
    replies: list[Message] = field(default_factory=list)
    replied: float = 0.0


class History:
    """Everything in one run of the nemesis, in order.

    Attributes
    ----------
    deeds : list of str
        What was done, for whoever reads a failure.
    """

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}
        self.stops: dict[str, Stop] = {}
        self.deeds: list[str] = []
        self._began = time.time()

    def note(self, deed: str) -> None:
        """Note what was done."""
        self.deeds.append(f"{time.time() - self._began:7.3f} {deed}")

    @property
    def open_cells(self) -> list[Cell]:
        """Cells that are not over."""
        return [cell for cell in self.cells.values() if not cell.is_over]

    @property
    def open_stops(self) -> list[Stop]:
        """Stops that were not answered."""
        return [stop for stop in self.stops.values() if not stop.replies]

    def take_iopub(self, message: Message) -> None:
        """Note a message of the iopub channel."""
        cell = self.cells.get(message["parent_header"].get("msg_id", ""))
        if cell is None:
            return
        cell.messages.append(message)
        if message["msg_type"] == "status":
            date = message["header"]["date"].timestamp()
            if message["content"]["execution_state"] == "idle":
                cell.ended = date
            else:
                cell.began = cell.began or date

    def take_reply(self, message: Message) -> None:
        """Note a reply."""
        msg_id = message["parent_header"].get("msg_id", "")
        request = self.cells.get(msg_id) or self.stops.get(msg_id)
        if request is not None:
            request.replies.append(message)
            request.replied = time.time()
            content = message["content"]
            self.note(
                f"reply to {getattr(request, 'number', 'Stop')}: {content.get('status')} {content.get('ename', '')}"
            )

    # ------------------------------------------------------------------ the rules

    def check(self) -> None:
        """Raise `AssertionError` for the first rule that was not kept."""
        for stop in self.stops.values():
            assert len(stop.replies) == 1, f"{len(stop.replies)} replies to a Stop"
            assert stop.replied - stop.sent < STATED_SECONDS, (
                f"a Stop was answered after {stop.replied - stop.sent:.1f} s"
            )
        for cell in self.cells.values():
            self._check_messages(cell)
            self._check_lines(cell)
            self._check_stop(cell)
        self._check_variables()

    def _check_messages(self, cell: Cell) -> None:
        name = f"cell {cell.number} ({cell.kind})"
        assert len(cell.replies) == 1, f"{name} has {len(cell.replies)} replies"
        states = [one["content"]["execution_state"] for one in cell.messages if one["msg_type"] == "status"]
        assert states.count("idle") == 1 and states[0] == "busy", f"{name} went {states}"
        idle = next(i for i, one in enumerate(cell.messages) if one["content"].get("execution_state") == "idle")
        late = {one["msg_type"] for one in cell.messages[idle + 1 :]}
        assert late <= ({"stream"} if cell.kind == "thread" else set()), f"{name} has {late} after idle"
        errors = len(cell.outcome.contents("error"))
        status = cell.outcome.content["status"]
        assert errors == int(status == "error"), f"{name} ended {status} with {errors} errors"

    def _check_lines(self, cell: Cell) -> None:
        """Lines come in order and once; all of them where the cell says how many it has printed."""
        text = cell.outcome.text()
        for word in ("line", "later"):
            shown = [int(number) for number in re.findall(rf"^{word} (\d+)$", text, re.MULTILINE)]
            told = sum(int(n.replace(",", "")) for n in re.findall(r"(\d[\d,]*) lines?\b", cell.outcome.text("stderr")))
            assert shown == sorted(set(shown)), f"cell {cell.number}: {word}s out of order or twice"
            assert not shown or shown[-1] + 1 - len(shown) <= told, f"cell {cell.number}: {word}s are missing"
        shown = re.findall(r"^line (\d+)$", text, re.MULTILINE)
        reached = re.search(r"^reached (\d+)$", text, re.MULTILINE)
        if cell.outcome.content["status"] == "ok":
            assert len(shown) == cell.count, f"cell {cell.number} showed {len(shown)} of {cell.count} lines"
        elif reached is not None:
            assert len(shown) >= int(reached[1]), f"cell {cell.number} showed {len(shown)} of {reached[1]} lines"

    def _check_stop(self, cell: Cell) -> None:
        """Whom no Stop was meant for is not interrupted."""
        was_hit = cell.outcome.content.get("ename") == "KeyboardInterrupt" or "caught" in cell.outcome.text()
        if was_hit:
            before = cell.began - ON_ITS_WAY_SECONDS
            assert any(before <= stop.sent <= cell.ended for stop in self.stops.values()), (
                f"cell {cell.number} was interrupted, and no Stop was pressed while it ran"
            )

    def _check_variables(self) -> None:
        """What a cell that ended well has set is there later, unless a loss was told of in between, which is then true."""
        expected: set[str] = set()
        for cell in sorted(self.cells.values(), key=lambda cell: cell.began):
            outcome = cell.outcome
            have = re.search(r"^have (.*)\.$", outcome.text(), re.MULTILINE)
            is_told = "fresh sandbox" in outcome.text("stderr") or "interpreter died" in outcome.text("stderr")
            if have is not None:
                there = set(have[1].split())
                if is_told:
                    assert not expected & there, f"cell {cell.number} was told of a loss that was none"
                    expected.clear()
                assert expected <= there, f"cell {cell.number} silently lost {expected - there}"
            if outcome.content["status"] == "ok":
                expected.add(f"set_by_{cell.number}")
            elif announces_loss([outcome]):
                expected.clear()

    def forget_variables(self) -> None:
        """Begin again: the kernel was restarted by its person."""
        self.check()
        self.cells.clear()
        self.stops.clear()

    def describe(self) -> str:
        """All that was done."""
        return "\n".join(self.deeds)
