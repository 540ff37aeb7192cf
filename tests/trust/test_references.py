"""Widgets that hold one another: a page makes no more views of them than it can bear."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from hopx_kernel.trust.references import MAX_VIEWS, References


def _held(references: References, owner: str, *names: str) -> list[str]:
    kept = references.keep(owner, "children", [f"IPY_MODEL_{name}" for name in names])
    return [name.removeprefix("IPY_MODEL_") for name in kept]


@pytest.mark.parametrize("order", [range(29, -1, -1), range(30), [*range(0, 30, 2), *range(1, 30, 2)]])
def test_views_of_boxes_that_hold_one_another_twice_are_bounded(order: Iterable[int]) -> None:
    references = References()
    held = {number: _held(references, f"box{number}", *2 * [f"box{number + 1}"]) for number in order}
    ways = [0] * 31
    ways[0] = 1
    for number in range(30):
        ways[number] += 0 if number == 0 or ways[number] else 1  # what nobody holds is shown by itself
        ways[number + 1] = ways[number] * len(held[number])
    assert sum(ways) < 2 * MAX_VIEWS
    assert any(len(names) == 2 for names in held.values())


def test_boxes_in_one_another_are_shown_as_long_as_a_page_can_show_them() -> None:
    references = References()
    assert all(_held(references, f"box{n}", f"box{n + 1}", f"label{n}") for n in range(90))
    rows = [f"row{number}" for number in range(3_000)]
    for row in rows:
        assert len(_held(references, row, f"{row}-a", f"{row}-b")) == 2
    assert len(_held(references, "table", *rows)) == 3_000
    assert len(_held(references, "table", *rows, "more")) == 3_001


def test_box_that_lets_go_of_what_it_held_has_room_for_it_again() -> None:
    references = References()
    for number in range(12, -1, -1):
        assert len(_held(references, f"box{number}", *2 * [f"box{number + 1}"])) == 2
    for _ in range(3):
        assert len(_held(references, "top", *2 * ["box0"])) == 1
    references.forget("box0")
    assert len(_held(references, "top", *2 * ["box0"])) == 2
