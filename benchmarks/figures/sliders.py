"""Widgets of the sandbox: a slider that is dragged, and what its callback sends back."""

from __future__ import annotations

import time
from typing import Any

from ..kernel import BenchKernel
from .base import Figure, Row, Sample, percentile_95

MOVES = 600
INTERVAL_SECONDS = 1 / 60

CODE = f"""
import ipywidgets
slider = ipywidgets.IntSlider(max={MOVES})
label = ipywidgets.Label()
def moved(change):
    label.value = str(change["new"])
slider.observe(moved, "value")
"""


def measure(kernel: BenchKernel) -> Sample:
    models: dict[str, str] = {}
    for received in kernel.run(CODE):
        if received.msg_type == "comm_open":
            models[received.content["data"]["state"]["_model_name"]] = received.content["comm_id"]
        if received.msg_type == "error":
            raise RuntimeError(f"{kernel.name}: {received.content['evalue']}")
    answers = _drag(kernel, models["IntSliderModel"], models["LabelModel"])
    order = [value for value, _ in answers]
    if order != sorted(order) or order[-1] != MOVES:
        raise RuntimeError(f"{kernel.name}: values out of order, or the last one lost: {order[-5:]}")
    return {"delay": [1000 * delay for _, delay in answers], "answers": [len(answers)]}


def _drag(kernel: BenchKernel, slider: str, label: str) -> list[tuple[int, float]]:
    """Move the slider 60 times a second; gives each value that came back, with its round trip in seconds."""
    socket = kernel.client.iopub_channel.socket
    started = time.time()
    sent: dict[int, float] = {}
    answers: list[tuple[int, float]] = []
    while not answers or answers[-1][0] < MOVES:
        if len(sent) < MOVES and time.time() >= started + len(sent) * INTERVAL_SECONDS:
            value = len(sent) + 1
            sent[value] = time.time()
            _move(kernel, slider, value)
        due = started + len(sent) * INTERVAL_SECONDS - time.time()
        if not socket.poll(max(0, due * 1000) if len(sent) < MOVES else 10_000):
            if len(sent) == MOVES:
                raise TimeoutError(f"{kernel.name}: the last value never came back")
            continue
        received = kernel.receive(socket)
        value = _answer(received.msg_type, received.content, label)
        if value:
            answers.append((value, received.at - sent[value]))
    return answers


def _move(kernel: BenchKernel, comm_id: str, value: int) -> None:
    data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data}))


def _answer(msg_type: str, content: dict[str, Any], label: str) -> int:
    """The label's new value in a message, 0 where there is none."""
    if msg_type != "comm_msg" or content["comm_id"] != label or content["data"].get("method") != "update":
        return 0
    return int(content["data"]["state"].get("value") or 0)


FIGURE = Figure(
    "sliders",
    measure,
    (
        Row("delay", "slider at 60 moves a second: round trip, median", "ms", at_most=15),
        Row("delay", "the same, 95 %", "ms", percentile_95),
        Row("answers", f"the same, answers to {MOVES} moves", ""),
    ),
    repetitions=2,
    fresh=True,
)
