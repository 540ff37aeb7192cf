"""When a run's display shows what, with a clock of the test's own and no page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hopx_kernel.progress import ProgressOptions, RunDisplay
from hopx_kernel.progress.display import MAX_REMEMBERED
from hopx_kernel.progress.loading import ViewLoader
from hopx_kernel.progress.text import ERASE_LINE
from hopx_kernel.protocol import Message

OK = {"status": "ok", "reason": "completed", "kept": True}


class Owner:
    """Does with a display what the kernel does."""

    def __init__(self, **options: Any) -> None:
        self.clock = 0.0
        self.sent: list[tuple[float, str, dict[str, Any]]] = []
        self.display = RunDisplay(self._publish, ProgressOptions(**options), lambda: self.clock)

    def _publish(self, msg_type: str, content: dict[str, Any], metadata: dict[str, Any]) -> None:
        self.sent.append((self.clock, msg_type, content))

    def feed(self, msg_type: str, **content: Any) -> bool:
        return self.display.feed(Message(msg_type, content))

    def wait(self, seconds: float) -> None:
        """Let time pass, calling `tick` exactly when the display asks for it."""
        end = self.clock + seconds
        while (due := self.display.next_deadline()) is not None and due <= end:
            self.clock = max(self.clock, due)
            self.display.tick()
            assert self.display.next_deadline() != due, "a deadline that has passed is asked for again"
        self.clock = end

    def types(self) -> list[str]:
        return [msg_type for _, msg_type, _ in self.sent]

    def text(self) -> str:
        return "".join(content["text"] for _, msg_type, content in self.sent if msg_type == "stream")


def test_nothing_is_shown_of_a_run_without_progress() -> None:
    owner = Owner(front_end="batch")
    assert owner.feed("stream", name="stdout", text="x") is False
    owner.wait(60)
    owner.display.finish(OK)
    assert owner.sent == [] and owner.display.next_deadline() is None


def test_batch_shows_one_display_and_updates_it_to_the_record() -> None:
    owner = Owner(front_end="batch")
    for percent in range(100):
        assert owner.feed("progress", message="work", percent=percent) is True
        owner.wait(0.1)
    owner.display.finish(OK)
    assert owner.types()[0] == "display_data" and set(owner.types()[1:]) == {"update_display_data"}
    assert len(owner.sent) <= 13
    assert len({content["transient"]["display_id"] for _, _, content in owner.sent}) == 1
    assert "99 %" in owner.sent[-1][2]["data"]["text/plain"]


def test_progress_after_the_end_of_the_run_updates_the_record() -> None:
    owner = Owner(front_end="batch")
    owner.feed("progress", message="thread", percent=10)
    owner.wait(1)
    owner.display.finish(OK)
    for percent in (50, 90, 100):
        owner.feed("progress", message="thread", percent=percent)
    owner.wait(5)
    assert owner.sent[-1][1] == "update_display_data" and "100 %" in owner.sent[-1][2]["data"]["text/plain"]


def test_interrupt_of_a_run_without_bars_shows_nothing() -> None:
    owner = Owner(front_end="batch")
    owner.display.interrupt_answered({"stopped": False, "evalue": "it holds the interpreter"})
    owner.wait(5)
    owner.display.finish({"status": "error", "reason": "interrupted"})
    assert owner.sent == []


def test_answer_to_a_stop_that_comes_after_the_end_shows_nothing() -> None:
    owner = Owner(front_end="batch")
    owner.feed("progress", message="work", percent=10)
    owner.display.finish({"status": "error", "reason": "interrupted", "ename": "KeyboardInterrupt"})
    before = list(owner.sent)
    owner.display.interrupt_answered({"stopped": True, "kept": True})
    owner.wait(5)
    assert owner.sent == before


def test_messages_are_printed_once_where_bars_are_off() -> None:
    owner = Owner(front_end="batch", bars=False)
    for percent in range(10):
        assert owner.feed("progress", message="loading", percent=percent) is True
    owner.feed("progress", message="reading", percent=10)
    assert owner.feed("result", data=[1])
    owner.wait(5)
    owner.display.finish(OK)
    assert owner.text() == "loading\nreading\n"
    assert owner.types() == ["stream", "stream", "display_data"]


def test_first_bar_moves_on_at_once_however_long_its_widgets_took_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(front_end="widgets")
    is_ready = ViewLoader.is_ready

    def is_ready_after_a_second(loader: ViewLoader, _: float) -> bool:
        owner.clock += 0.0 if owner.sent else 1.0
        return is_ready(loader, 60)

    monkeypatch.setattr(ViewLoader, "is_ready", is_ready_after_a_second)
    owner.feed("progress", message="work", percent=1)
    assert [(moment, msg_type) for moment, msg_type, _ in owner.sent] == [(1.0, "display_data")]
    owner.feed("progress", message="work", percent=2)
    due = owner.display.next_deadline()
    assert due is not None and 1.1 <= due <= 1.5
    owner.display.finish(OK)


@pytest.mark.parametrize("wait", [False, True])
def test_cleared_output_gets_its_bars_again(wait: bool) -> None:
    owner = Owner(front_end="batch")
    owner.feed("progress", message="work", percent=10)
    owner.wait(2)
    assert owner.feed("clear_output", wait=wait) is False
    owner.feed("stream", name="stdout", text="x")
    owner.wait(2)
    owner.display.finish(OK)
    assert owner.types().count("display_data") == 2 and owner.types()[-1] == "update_display_data"


def test_terminal_gets_one_line_that_updates_and_the_record_at_the_end() -> None:
    owner = Owner(front_end="text")
    for percent in range(0, 100, 10):
        owner.feed("progress", message="work", percent=percent)
        owner.wait(0.3)
    owner.display.finish(OK)
    assert set(owner.types()) == {"stream"}
    lines = owner.text().split(ERASE_LINE)
    assert all("\n" not in line for line in lines[:-1]) and len(lines) >= 8
    assert "90 %" in lines[-1] and lines[-1].endswith("\n")


def test_terminal_line_is_erased_before_other_output_and_drawn_again() -> None:
    owner = Owner(front_end="text")
    owner.feed("progress", message="work", percent=10)
    owner.wait(0.5)
    owner.feed("stream", name="stdout", text="printed")
    assert owner.text().endswith(ERASE_LINE)
    owner.wait(0.5)
    assert owner.text().count("work") == 2


def test_terminal_line_does_not_erase_what_was_printed_without_an_end() -> None:
    owner = Owner(front_end="text")
    owner.feed("stream", name="stdout", text="no end")
    owner.feed("progress", message="work", percent=10)
    owner.wait(0.5)
    assert owner.text().startswith("\n" + ERASE_LINE)
    owner.display.before_text("more")
    owner.display.finish(OK)
    assert owner.text().split(ERASE_LINE)[-1].startswith("\nDone")


def _floods() -> list[Callable[[Owner, int], None]]:
    return [
        lambda owner, n: owner.feed("progress", message="x", percent=n % 100) and None,
        lambda owner, n: owner.feed("progress", message="x", task=str(n)) and None,
    ]


@pytest.mark.parametrize("flood", _floods())
def test_flood_of_events_sends_few_messages(flood: Callable[[Owner, int], None]) -> None:
    owner = Owner(front_end="batch")
    for n in range(20_000):
        flood(owner, n)
        if n % 200 == 0:
            owner.wait(0.1)
    owner.display.finish(OK)
    assert len(owner.sent) <= 15


def test_alerts_over_the_cap_are_counted_at_the_end() -> None:
    owner = Owner(front_end="batch")
    for n in range(150):
        owner.feed("alert", message=f"e{n}")
    owner.feed("alert", message="", omitted=1000)
    owner.display.finish(OK)
    assert len(owner.sent) == 101
    assert owner.sent[-1][2]["data"]["text/plain"] == "… and 1,050 more errors of this cell"


@pytest.mark.parametrize("content", [{}, {"omitted": []}, {"message": None}, {"data": {}}])
def test_odd_contents_do_no_harm(content: dict[str, Any]) -> None:
    owner = Owner(front_end="batch")
    for msg_type in ("progress", "alert", "result", "clear_output"):
        owner.feed(msg_type, **content)
    owner.display.heartbeat(Message("heartbeat", content))
    owner.display.interrupt_answered(content)
    owner.wait(3)
    owner.display.finish(content)


def test_tasks_of_long_ended_runs_are_forgotten() -> None:
    first = Owner(front_end="batch")
    first.feed("progress", message="old", percent=10)
    first.display.finish(OK)
    owner = first
    for _ in range(MAX_REMEMBERED):
        owner = Owner(front_end="batch")
        owner.feed("progress", message="new", percent=10)
        owner.display.finish(OK)
    assert not first.display.model.tasks and owner.display.model.tasks
    first.feed("progress", message="late", percent=50)
    first.wait(2)
    assert first.types()[-1] == "display_data" and "late" in first.sent[-1][2]["data"]["text/plain"]
