"""When the ticker leaves: who writes at that very moment does not find a flood that nobody looks after."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.runner.pace import LINES_AT_ONCE, Pace


class _Interrupted(Pace):
    """One whose ticker is interrupted by a writer of many lines, after it has changed a flag for the given time."""

    changes = -1

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("is_flood", "is_armed") and self.changes >= 0:
            self.changes -= 1
            if self.changes < 0:
                for _ in range(LINES_AT_ONCE + 1):
                    self.end_line()

    @property
    def is_looked_after(self) -> bool:
        return not self.is_flood or self._bell.is_rung

    def look_after(self) -> None:
        self._look_after()


@pytest.mark.parametrize("change", range(3))
def test_flood_that_begins_while_the_ticker_leaves_is_looked_after(change: int) -> None:
    pace = _Interrupted(lambda: None, lambda: False, lambda: 0)
    pace.is_armed = True
    pace.changes = change
    pace.look_after()
    assert pace.changes < 0
    assert pace.is_looked_after
