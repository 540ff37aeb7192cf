"""Every process of a sandbox is killed at every moment: a truthful reply in time, and a next cell that runs."""

from __future__ import annotations

import pytest

from .faults import OPTIONS, PARTS, Kernels, check_fault
from .phases import PHASES


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("role", PARTS)
@pytest.mark.parametrize("fault", ["KILL", "SEGV"])
def test_death_is_told_truthfully_and_the_next_cell_runs(kernels: Kernels, fault: str, role: str, phase: str) -> None:
    with kernels(*OPTIONS) as kernel:
        check_fault(kernel, fault, role, phase)
