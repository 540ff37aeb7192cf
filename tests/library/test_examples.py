"""Every program in ``examples/`` runs by itself and prints what it promises, without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

#: What each prints, among other things, in this order.
PRINTED: dict[str, list[str]] = {
    "basic_streaming": [r"\[OUTPUT\] Processing step 1/10", r"step 10/10", r"\[OUTPUT\] Complete!", r"exit code 0"],
    "async_streaming": [r"(first|second) received: Step 1", r"(first|second) received: Step 5", r"received: Step 5"],
    "structured_progress": [r"\[0%\] Starting", r"\[100%\] Processing batch 5", r"remarks", r"Result: .*'success'"],
    "progress_bar": [r"\[\.{20}\]   0 % Loading", r"\[#{20}\] 100 %", r"mean: 2500.0"],
    "heartbeat": [
        r"alive after \d+\.\d s, .* [1-9]\d* MB",
        r"'complete', 'output': 'thinking\\ndone\\n', 'exit_code': 0",
    ],
    "timeout_partial_results": [r"'row 0'", r"'partial_output': 'row 0\\n.*'alive': True", r"still here"],
    "backpressure": [r"wait: 200000 lines came, 0", r"drop_oldest: every line came or is counted: 200000"],
    "clean_up": [r"it's fine; echo", r"ERROR: 3\nafter the block: the sandbox was killed", r"the sandbox is gone"],
}


def test_every_example_is_known_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_promises(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search("(?s)" + ".*".join(PRINTED[name]), ended.stdout), ended.stdout
