"""Tasks of a run: honest numbers out of whatever is reported. Time is passed in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.progress.model import MAX_TASKS, ProgressModel, Task


def make(*contents: dict[str, Any], step: float = 1.0) -> tuple[ProgressModel, Task]:
    """A model that takes one content a second, and its last task."""
    model, task = ProgressModel(), None
    for index, content in enumerate(contents):
        task = model.take({"message": "", **content}, index * step)
    assert task is not None
    return model, task


def test_percent_wins_over_the_count_and_the_count_gives_one() -> None:
    assert make({"percent": 40})[1].percent == 40
    assert make({"current": 3, "total": 12})[1].percent == 25
    assert make({"percent": 40}, {"current": 3, "total": 12})[1].percent == 25


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"current": 3},
        {"current": 3, "total": 0},
        {"percent": "abc"},
        {"current": 1, "total": "x"},
        {"total": -1, "current": 1},
    ],
)
def test_unknown_end_is_indeterminate(content: dict[str, Any]) -> None:
    assert make(content)[1].percent is None


def test_latest_value_wins_and_what_is_left_out_stays() -> None:
    task = make(
        {"message": "a", "current": 1, "total": 9, "unit": "rows"}, {"current": 2}, {"message": "b", "current": 3}
    )[1]
    assert (task.message, task.current, task.total, task.unit) == ("b", 3, 9, "rows")


def test_hundred_percent_is_done_and_less_runs_again() -> None:
    model, task = make({"percent": 100})
    assert (str(task.state), task.ended) == ("done", 0)
    model.take({"message": "", "percent": 20}, 5)
    assert (str(task.state), task.elapsed(7)) == ("running", 2)


def test_rate_and_time_left_follow_the_last_seconds() -> None:
    task = make(*({"current": n * 10, "total": 1000} for n in range(11)))[1]
    assert task.rate(10) == pytest.approx(10)
    assert task.time_left(10) == pytest.approx(90)


def test_task_that_hangs_gets_slower() -> None:
    task = make(*({"current": n * 10, "total": 1000} for n in range(11)))[1]
    assert (task.time_left(60) or 0) > 4 * (task.time_left(10) or 0)


def test_time_left_of_percentages() -> None:
    task = make(*({"percent": n * 5} for n in range(5)))[1]
    assert task.time_left(4) == pytest.approx(16)


def test_rate_of_an_ended_task_is_that_of_all_of_it() -> None:
    task = make({"current": 0, "total": 100}, {"current": 90, "total": 100}, {"current": 100, "state": "done"})[1]
    assert task.rate(99) == 50 and task.time_left(99) is None


@pytest.mark.parametrize(
    ("reply", "known", "unknown"),
    [
        ({"status": "ok", "reason": "completed"}, "stopped", "done"),
        ({"status": "error", "reason": "raised"}, "failed", "failed"),
        ({"status": "error", "reason": "interrupted"}, "stopped", "stopped"),
        ({"status": "error", "reason": "timeout"}, "stopped", "stopped"),
        ({"status": "error", "reason": "died"}, "failed", "failed"),
        ({"status": "error", "reason": "limit"}, "failed", "failed"),
        ({"status": "error", "reason": "restarted"}, "stopped", "stopped"),
        ({"status": "error", "ename": "SandboxLostError"}, "failed", "failed"),
        ({"status": "error", "reason": ["?"]}, "stopped", "stopped"),
    ],
)
def test_run_that_ends_ends_its_tasks(reply: dict[str, Any], known: str, unknown: str) -> None:
    model = ProgressModel()
    for key, percent in (("known", 40), ("unknown", None), ("finished", 100)):
        model.take({"message": "", "task": key, "percent": percent}, 0)
    model.finish(reply, 3)
    assert [task.state for task in model.tasks.values()] == [known, unknown, "done"]
    assert model.tasks["known"].percent == 40 and model.tasks["known"].elapsed(99) == 3


def test_no_task_took_longer_than_its_run() -> None:
    model = ProgressModel()
    model.take({"message": "", "task": "late", "current": 0, "total": 40}, 0)
    model.take({"message": "", "task": "open"}, 0)
    model.take({"message": "", "task": "short", "percent": 0}, 0)
    model.take({"message": "", "task": "short", "percent": 100}, 1)
    model.take({"message": "", "task": "late", "current": 40}, 5)
    model.finish({"status": "ok"}, 6, longest=2)
    assert [model.tasks[key].elapsed(9) for key in ("late", "open", "short")] == [2, 2, 1]
    assert model.tasks["late"].rate(9) == 20


def test_tasks_over_the_cap_are_counted_by_name() -> None:
    model = ProgressModel()
    for index in range(MAX_TASKS + 500):
        for _ in range(2):
            model.take({"message": "", "task": f"t{index}"}, 0)
    model.take({"message": "", "omitted": 99_000}, 0)
    model.take({"message": "", "omitted": "junk"}, 0)
    assert len(model.tasks) <= MAX_TASKS + 1 and model.omitted >= 99_500


def test_finished_tasks_make_room_for_new_ones_and_are_counted() -> None:
    model = ProgressModel()
    model.take({"message": "", "task": "outer", "current": 0}, 0)
    for index in range(MAX_TASKS + 500):
        model.take({"message": "", "task": f"t{index}", "parent": "outer"}, index)
        model.take({"message": "", "task": f"t{index}", "state": "done"}, index)
    assert len(model.tasks) == MAX_TASKS and model.omitted == 501
    assert "outer" in model.tasks and f"t{MAX_TASKS + 499}" in model.tasks and "t0" not in model.tasks
    model.take({"message": "", "task": "t0", "percent": 5}, 1)
    assert model.tasks["t0"].percent == 5 and model.omitted == 502


def test_parents_and_what_still_runs_are_not_forgotten() -> None:
    model = ProgressModel()
    model.take({"message": "", "task": "parent", "state": "done"}, 0)
    model.take({"message": "", "task": "child", "parent": "parent"}, 0)
    for index in range(MAX_TASKS):
        model.take({"message": "", "task": f"t{index}", "state": ("done", "failed")[index % 2]}, index)
        model.take({"message": "", "task": f"n{index}"}, index)
    assert {"parent", "child", "t1"} <= model.tasks.keys() and "t0" not in model.tasks
    assert len(model.tasks) == MAX_TASKS and len(model.tasks) + model.omitted == 2 + 2 * MAX_TASKS


def test_metrics_are_kept_with_their_history_and_notes_beside() -> None:
    task = make({"data": {"loss": 1.0, "mode": "train"}}, {"data": {"loss": 0.5, "mode": None}})[1]
    assert task.metrics["loss"].points == [1.0, 0.5]
    assert task.notes == {"mode": "None"}


def test_metrics_are_capped() -> None:
    task = make({"data": {f"m{index}": index for index in range(50)}})[1]
    assert len(task.metrics) == 6


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(
    ["message", "percent", "data", "task", "current", "total", "unit", "state", "parent", "omitted"]
)


@given(st.lists(st.dictionaries(_keys, _values, max_size=6), max_size=12))
def test_nothing_that_a_sandbox_sends_raises(contents: list[dict[str, Any]]) -> None:
    model = ProgressModel()
    for now, content in enumerate(contents):
        model.take(content, float(now))
    for task in model.tasks.values():
        percent = task.percent
        assert percent is None or 0 <= percent <= 100
        assert (task.time_left(20) or 0) >= 0 and task.elapsed(20) >= 0
        task.rate(20)
    model.finish({}, 30)
    assert all(task.state != "running" for task in model.tasks.values())
