"""Every process of a sandbox stands still at every moment, for good or for a moment: as `test_deaths`."""

from __future__ import annotations

import pytest

from .faults import DEADLINE, OPTIONS, PARTS, STARTS_SOON, Kernels, check_fault
from .phases import PHASES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("role", PARTS)
@pytest.mark.parametrize("fault", ["STOP", "STOP then CONT"])
def test_pause_is_told_truthfully_and_the_next_cell_runs(kernels: Kernels, fault: str, role: str, phase: str) -> None:
    options = list(OPTIONS)
    if fault == "STOP" and role == "interpreter":
        options.append(DEADLINE)
    if fault == "STOP" and phase in ("starting", "restarting"):
        options.append(STARTS_SOON)
    with kernels(*options) as kernel:
        check_fault(kernel, fault, role, phase)
