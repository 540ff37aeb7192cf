"""Progress in a terminal: `jupyter console` on the kernel, driven through a pseudoterminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

ERASE = "\r\x1b[K"


@pytest.fixture
def console(hopx_kernelspec: str) -> Iterator[Any]:
    command = ["-m", "jupyter_console", "--kernel", hopx_kernelspec, "--simple-prompt"]
    child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=60, dimensions=(30, 100))
    child.expect(r"In \[1\]: ")
    yield child
    child.close(force=True)


def run(console: Any, number: int, code: str) -> str:
    """Type a cell; gives everything that was written until the next prompt."""
    console.sendline(code)
    console.expect(rf"In \[{number + 1}\]: ")
    return str(console.before)


def test_bar_is_one_line_that_updates_and_then_a_record(console: Any) -> None:
    run(console, 1, "import time")
    # Long enough for a few refreshes where each comes late.
    written = run(console, 2, "for i in track(range(40), 'work'): time.sleep(0.1)\n")
    lines = written.split(ERASE)
    assert len(lines) >= 6, written
    assert all("\n" not in line for line in lines[1:-1]), written
    assert "40/40" in lines[-1] and "100 %" in lines[-1] and "Done" in lines[-1]
    assert "Widget" not in written and "Box(" not in written


def test_result_and_alert_are_plain_text(console: Any) -> None:
    written = run(console, 1, "result({'rows': 3}); error('careful')")
    assert '"rows": 3' in written and "Error: careful" in written
