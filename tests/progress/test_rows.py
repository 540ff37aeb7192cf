"""What is seen of a model: children under parents, finished ones folded, the rest counted."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.progress.model import ProgressModel
from hopx_kernel.progress.rows import Row, make_rows


def make(*contents: dict[str, Any], limit: int = 50) -> tuple[list[Row], int]:
    model = ProgressModel()
    for content in contents:
        model.take({"message": content.get("task", ""), **content}, 0)
    return make_rows(model, 1.0, limit)


def test_children_stand_under_their_parents_whatever_the_order() -> None:
    rows, _ = make({"task": "c", "parent": "b"}, {"task": "a"}, {"task": "b", "parent": "a"}, {"task": "z"})
    assert [(row.label, row.depth) for row in rows] == [("a", 0), ("b", 1), ("c", 2), ("z", 0)]


def test_finished_children_fold_but_for_the_latest() -> None:
    children = [{"task": f"c{n}", "parent": "a", "state": "done"} for n in range(5)]
    rows, _ = make({"task": "a"}, *children, {"task": "bad", "parent": "a", "state": "failed"})
    assert [row.label for row in rows][:2] == ["a", "4 finished"]
    assert {row.label for row in rows} >= {"bad"}
    assert len(rows[1].folded) == 4


def test_two_finished_children_do_not_fold() -> None:
    rows, _ = make({"task": "a"}, *({"task": f"c{n}", "parent": "a", "state": "done"} for n in range(2)))
    assert len(rows) == 3 and not any(row.folded for row in rows)


def test_many_finished_loops_of_one_cell_fold_but_for_the_latest() -> None:
    few, _ = make(*({"task": f"t{n}", "state": "done"} for n in range(12)))
    assert len(few) == 12
    model = ProgressModel()
    for n in range(40):
        model.take({"message": f"t{n}", "task": f"t{n}", "state": "done"}, n)
    model.take({"message": "now", "task": "now"}, 41)
    rows, hidden = make_rows(model, 42, 50)
    assert [row.label for row in rows] == [
        "34 finished",
        "t34",
        "t35",
        "t36",
        "t37",
        "t38",
        "t39",
        "now",
    ] and hidden == 0


def test_parents_in_a_circle_and_of_themselves_are_shown() -> None:
    rows, _ = make({"task": "a", "parent": "b"}, {"task": "b", "parent": "a"}, {"task": "s", "parent": "s"})
    assert {row.label for row in rows} == {"a", "b", "s"}


def test_a_thousand_deep_is_shown_without_recursion() -> None:
    rows, _ = make(*({"task": f"t{n}", "parent": f"t{n - 1}"} for n in range(1000)), limit=2000)
    assert len(rows) == 1000 and max(row.depth for row in rows) <= 6


def test_failed_and_running_go_before_finished_when_there_is_no_room() -> None:
    tasks = [{"task": f"t{n}", "state": "done"} for n in range(30)]
    tasks += [{"task": "r"}, {"task": "f", "state": "failed"}]
    rows, hidden = make(*tasks, limit=5)
    assert {"r", "f"} <= {row.label for row in rows} and len(rows) == 5 and hidden == 27


def test_alert_turns_the_runs_own_bar_red_and_no_other() -> None:
    model = ProgressModel()
    model.alerts = 1
    for key in ("a", None, "b"):
        model.take({"message": "x", "task": key}, 0)
    assert [row.is_red for row in make_rows(model, 1, 9)[0]] == [False, True, False]


_parents = st.lists(
    st.tuples(st.integers(0, 6), st.none() | st.integers(0, 6), st.sampled_from(["done", "running"])), max_size=20
)


@given(_parents, st.integers(1, 10))
def test_every_task_is_a_row_or_folded_or_counted(tasks: list[tuple[int, int | None, str]], limit: int) -> None:
    model = ProgressModel()
    for key, parent, state in tasks:
        model.take({"message": "", "task": key, "parent": parent, "state": state}, 0)
    rows, hidden = make_rows(model, 1, limit)
    assert len(rows) <= limit
    assert sum(max(1, len(row.folded)) for row in rows) + hidden == len(model.tasks)
