"""The run header: when it appears, and Stop while the cell runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .conftest import CellOutput, Kernel


def test_header_appears_by_itself_in_a_long_run_and_stays_as_its_record(kernel: Kernel) -> None:
    output = kernel.run("input()", until=lambda output: output.views)
    (shown,) = (moment for moment, kind, _ in output.messages if kind == "display_data")
    assert shown >= 1.9, "a short run gets one too"
    (content,) = output.contents("display_data")
    assert content in output.views
    told = re.fullmatch(r"Done · ([\d.]+) s · local sandbox", output.record)
    assert told is not None and 1 <= float(told[1]) <= output.seconds + 0.1


def test_header_does_not_come_after_the_end_of_its_run(kernel: Kernel) -> None:
    late = "def late():\n    time.sleep(2.5)\n    for i in range(300): print(i); time.sleep(0.001)\n    print('late')\n"
    code = f"import threading, time\n{late}threading.Thread(target=late).start()"
    output = kernel.run(code)
    kernel.read(output, lambda output: "late" in output.text)
    kernel.run("import time; time.sleep(0.5)")
    assert not output.contents("display_data")


def test_silent_run_shows_no_header(kernel: Kernel) -> None:
    assert not kernel.run("import time; time.sleep(2.5)", silent=True).contents("display_data")


@pytest.mark.parametrize(
    ("model", "content"),
    [("AnyModel", {"type": "stop"}), ("ButtonModel", {"event": "click"})],
    ids=["anywidget", "plain"],
)
def test_stop_works_while_the_cell_runs_on_a_front_end_without_subshells(
    kernel: Kernel, model: str, content: dict[str, str]
) -> None:
    """No front end has shown the anywidget here, so the plain header takes its place after some seconds."""
    output = kernel.start("import time; kept = 43\nfor i in track(range(100_000), 'long'): time.sleep(0.01)")
    kernel.read(output, lambda output: output.model(model))
    kernel.send(output.model(model), content)
    kernel.finish(output)
    assert output.reply["ename"] == "KeyboardInterrupt"
    first = output.record.splitlines()[0]
    assert first.startswith("Stopped") and "stopped after" in first and "variables kept" in first
    assert kernel.run("print(kept)").text == "43\n"
    assert not kernel.open_comms()


def header_states(output: CellOutput) -> list[dict[str, Any]]:
    """What the header was told, in order."""
    states: list[dict[str, Any]] = output.values("AnyModel", "run")
    return states


def says_what_became_of_stop(output: CellOutput) -> bool:
    return bool((states := header_states(output)) and states[-1].get("note"))


def test_stop_that_the_code_ignores_is_said_to_have_failed_and_can_be_pressed_again(kernel: Kernel) -> None:
    output = kernel.start(
        "import time\nignored = 0\nfor _ in range(2):\n"
        "    try: progress('stubborn', 10); time.sleep(600)\n    except KeyboardInterrupt: ignored += 1\n"
    )
    kernel.read(output, lambda output: output.model("AnyModel"))
    header = output.model("AnyModel")
    # A page that shows the header says so; else plain widgets would take its place.
    kernel.send(header, {"type": "ready"})
    kernel.send(header, {"type": "stop"})
    kernel.read(output, says_what_became_of_stop)
    state = header_states(output)[-1]
    assert state["state"] == "running"
    assert state["note"].startswith("still running") and "after Stop" in state["note"]
    assert state["can_stop"] is True
    kernel.send(header, {"type": "stop"})
    kernel.finish(output)
    assert output.reply["status"] == "ok"
    assert output.record.splitlines()[0].startswith("Done") and "stopped after" not in output.record
    assert kernel.run("print(ignored)").text == "2\n"
