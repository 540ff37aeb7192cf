"""The nemesis, in short runs; ``python -m tests.nemesis`` runs it for long. NEMESIS_SEED names the first of the seeds."""

from __future__ import annotations

import os

import pytest

from .nemesis import run_nemesis
from .on_session import run_on_session

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("NEMESIS_SEED", "1"))


@pytest.mark.parametrize("seed", range(SEED, SEED + 15))
def test_history_of_a_kernel_keeps_the_rules(jupyter_environment: dict[str, str], seed: int) -> None:
    assert run_nemesis(seed, 4).deeds


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
async def test_history_of_a_session_keeps_the_rules(seed: int) -> None:
    assert (await run_on_session(seed, 4)).deeds
