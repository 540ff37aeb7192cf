"""A run as a whole: its state, its usage, and what Stop did to it."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.progress.run import RunRecord


def stopped_run(reply: dict[str, Any], ask_at: float | None = 10.0) -> RunRecord:
    run = RunRecord("local", True, 0)
    if ask_at is not None:
        assert run.ask_stop(ask_at)
    run.finish(reply, 10.2)
    return run


@pytest.mark.parametrize(
    ("reply", "ask_at", "state", "note"),
    [
        (
            {"status": "error", "reason": "interrupted", "kept": True},
            10.0,
            "stopped",
            "stopped after 0.2 s, variables kept",
        ),
        ({"status": "error", "reason": "interrupted", "kept": True}, None, "stopped", "stopped, variables kept"),
        (
            {"status": "error", "reason": "restarted", "kept": False},
            10.0,
            "stopped",
            "stopped after 0.2 s, variables lost",
        ),
        (
            {"status": "error", "reason": "timeout", "kept": True},
            None,
            "stopped",
            "stopped at its time limit, variables kept",
        ),
        ({"status": "error", "reason": "raised", "kept": True, "ename": "ValueError"}, None, "failed", "ValueError"),
        (
            {"status": "error", "reason": "died", "kept": False, "ename": "SandboxLostError"},
            None,
            "failed",
            "SandboxLostError, variables lost",
        ),
        ({"status": "ok", "reason": "completed", "kept": True}, 10.0, "done", ""),
    ],
)
def test_end_says_what_happened(reply: dict[str, Any], ask_at: float | None, state: str, note: str) -> None:
    run = stopped_run(reply, ask_at)
    assert (run.state, run.note) == (state, note)


def test_stop_that_did_not_stop_is_said_and_can_be_pressed_again() -> None:
    run = RunRecord("local", True, 0)
    assert run.ask_stop(1) and not run.ask_stop(1.5)
    run.interrupt_answered({"stopped": False, "evalue": "the code holds the interpreter"}, 3)
    assert run.state == "running" and run.note == "still running 2.0 s after Stop: the code holds the interpreter"
    assert run.ask_stop(4)


def test_duration_is_the_codes_own_where_it_is_known() -> None:
    run = RunRecord("local", True, 0)
    run.finish({"status": "ok", "duration_seconds": 3.5}, 99)
    assert run.elapsed(200) == 3.5


def test_usage_comes_from_heartbeats() -> None:
    run = RunRecord("local", True, 0)
    assert run.usage() == []
    run.heartbeat({"state": "busy", "memory_bytes": 120e6, "cpu_seconds": 1.0}, 5)
    run.heartbeat({"state": "busy", "memory_bytes": "junk", "cpu_seconds": 5.9}, 10)
    assert run.usage() == ["120 MB", "98 % CPU"] and run.last_sign == 10


def test_place_says_when_nothing_isolates() -> None:
    assert RunRecord("local", True, 0).place == "local sandbox"
    assert RunRecord("process", False, 0).place == "process, not isolated"
