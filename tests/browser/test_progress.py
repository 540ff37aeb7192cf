"""Progress in a real JupyterLab: live bars and header, Stop while the cell runs, and the record that stays."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect

from hopx_kernel.progress.model import ProgressModel
from hopx_kernel.progress.run import RunRecord
from hopx_kernel.progress.snapshot import snapshot_html

from .conftest import LabServer, set_theme
from .lab import LabPage
from .looks import box, faint_texts, measure

pytestmark = pytest.mark.browser

NESTED = """
import time, math
kept = 42
for epoch in track(range(20), "Training"):
    for phase in track(("train", "validate"), "Phases"):
        for batch in track(range(100), "Batches", unit="rows"):
            time.sleep(0.02)
            step = epoch * 40 + batch
            progress("Metrics", task="metrics", data={"loss": math.exp(-step / 40), "accuracy": 1 - math.exp(-step / 30)})
""".strip()

_TEXT = "(root) => root.innerText"

EVIL = "<img src=x onerror=\"document.title='owned'\"> $x^2$ <b>bold</b>"


class Frames:
    """Moments at which the page got a message of its kernel, in seconds."""

    def __init__(self, page: Page) -> None:
        self.received: list[float] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        if "/channels" in socket.url:
            socket.on("framereceived", lambda _: self.received.append(time.monotonic()))

    def longest_silence(self, moments: list[float]) -> int:
        """How many of these moments at most lie between two messages, or behind the last."""
        ends = [*self.received, float("inf")]
        return max(sum(start < moment < end for moment in moments) for start, end in pairwise(ends))


def header(lab: LabPage, cell: int) -> Any:
    return lab.output(cell).locator(".hopx-header-root")


def wait_for_text(lab: LabPage, cell: int, text: str) -> None:
    expect(lab.output(cell)).to_contain_text(text, timeout=30_000)


def test_nested_bars_move_stop_works_and_the_record_survives_everything(lab_page: LabPage, tmp_path: Path) -> None:
    path = lab_page.open_notebook(NESTED, "print(kept)")
    read = "Array.from(root.querySelectorAll('.progress-bar')).slice(0, 3).map(bar => bar.style.width).join(' ')"
    recording = lab_page.record(lab_page.output(0), read)
    lab_page.run(0)
    bars = lab_page.output(0).locator(".progress-bar")
    expect(bars).to_have_count(4)
    wait_for_text(lab_page, 0, "1/20")
    lab_page.screenshot("progress-live-light")
    seen = [widths for _, widths in lab_page.recorded(recording)]
    inner = {widths.split()[2] for widths in seen if len(widths.split()) == 3}
    assert len(inner) >= 5, seen
    assert len({widths.split()[1] for widths in seen if len(widths.split()) == 3}) >= 2, seen

    stop = header(lab_page, 0).get_by_role("button", name="Stop")
    stop.click()
    wait_for_text(lab_page, 0, "variables kept")
    record = lab_page.output(0).locator("[data-mime-type='text/html']").first
    expect(record).to_contain_text("Stopped")
    expect(record).to_contain_text("stopped after")
    expect(bars).to_have_count(0)
    lab_page.run_to_end(1)
    wait_for_text(lab_page, 1, "42")
    lab_page.screenshot("progress-record-light")

    shown = measure(record, _TEXT)
    lab_page.save()
    lab_page.reload()
    again = lab_page.output(0).locator("[data-mime-type='text/html']").first
    expect(again).to_contain_text("Training")
    assert measure(again, _TEXT) == shown
    expect(lab_page.output(0).locator(".jupyter-widgets")).to_have_count(0)
    expect(lab_page.output(0)).not_to_contain_text("model not found")

    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [output for output in notebook["cells"][0]["outputs"] if output["output_type"] == "display_data"]
    assert len(outputs) == 1 and "application/vnd.jupyter.widget-view+json" not in outputs[0]["data"]
    html = export(path, tmp_path)
    for text in ("Stopped", "variables kept", "Training", "Batches"):
        assert text in html


def export(path: Path, folder: Path) -> str:
    """What nbconvert makes of a notebook."""
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", str(path), "--output-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return (folder / path.with_suffix(".html").name).read_text(encoding="utf-8")


def test_clock_ticks_without_messages(lab_page: LabPage) -> None:
    frames = Frames(lab_page.page)
    lab_page.open_notebook("import time; time.sleep(600)")
    lab_page.run(0)
    expect(header(lab_page, 0)).to_be_visible()
    clock = header(lab_page, 0).locator(".hopx-header-clock")
    # Until it has ticked three times without a message between; heartbeats are five seconds apart.
    ticks: list[float] = []
    text, deadline = clock.inner_text(), time.monotonic() + 60
    while frames.longest_silence(ticks) < 3:
        assert time.monotonic() < deadline, (ticks, frames.received)
        lab_page.page.wait_for_timeout(50)
        if (now := clock.inner_text()) != text:
            text = now
            ticks.append(time.monotonic())


def test_header_is_reachable_by_keyboard_and_named(lab_page: LabPage) -> None:
    lab_page.open_notebook("import time; time.sleep(60)")
    lab_page.run(0)
    expect(header(lab_page, 0)).to_be_visible()
    expect(lab_page.output(0).get_by_role("group", name="Run")).to_be_visible()
    expect(lab_page.output(0).get_by_role("timer")).to_be_visible()
    button = header(lab_page, 0).get_by_role("button", name="Stop")
    button.focus()
    expect(button).to_be_focused()
    lab_page.page.keyboard.press("Enter")
    wait_for_text(lab_page, 0, "variables kept")


def test_page_that_is_reloaded_while_the_cell_runs_shows_its_bars_and_then_the_record(lab_page: LabPage) -> None:
    lab_page.open_notebook("import time\nfor i in track(range(6000), 'Long work'): time.sleep(0.1)")
    lab_page.run(0)
    expect(lab_page.output(0).locator(".progress-bar")).to_be_visible()
    lab_page.save()
    lab_page.page.reload()
    expect(lab_page.page.locator(".jp-Notebook")).to_be_visible(timeout=60_000)
    expect(lab_page.output(0).locator(".progress-bar")).to_be_visible()
    expect(header(lab_page, 0)).to_be_visible()
    header(lab_page, 0).get_by_role("button", name="Stop").click()
    wait_for_text(lab_page, 0, "variables kept")
    expect(lab_page.output(0)).to_contain_text("Long work")
    expect(lab_page.output(0).locator(".progress-bar")).to_have_count(0)


def test_markup_from_a_message_is_shown_as_text(lab_page: LabPage) -> None:
    source = f"import time\nevil = {EVIL!r}\nprogress(evil, 40, data={{evil: evil}})\nresult({{evil: evil}}); error(evil)\ntime.sleep(600)"
    lab_page.open_notebook(source)
    lab_page.run(0)
    expect(header(lab_page, 0)).to_be_visible()
    assert_harmless(lab_page)
    header(lab_page, 0).get_by_role("button", name="Stop").click()
    wait_for_text(lab_page, 0, "variables kept")
    expect(lab_page.prompt(0)).to_have_text("[1]:")
    assert_harmless(lab_page)


def assert_harmless(lab: LabPage) -> None:
    output = lab.output(0)
    expect(output).to_contain_text("$x^2$")
    assert output.locator("img, b, mjx-container, .MathJax").count() == 0
    assert lab.page.title() != "owned"


@pytest.fixture
def dark_theme(lab_server: LabServer) -> Iterator[None]:
    """The user's setting, as JupyterLab itself stores it."""
    set_theme(lab_server, "JupyterLab Dark")
    yield
    set_theme(lab_server, "JupyterLab Light")


@pytest.mark.usefixtures("dark_theme")
def test_dark_theme_is_followed(lab_page: LabPage) -> None:
    lab_page.open_notebook("result({'loss': 0.01, 'layers': [64, 128]}); error('the loss went up')\n" + NESTED)
    expect(lab_page.page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    lab_page.run(0)
    expect(header(lab_page, 0)).to_be_visible()
    wait_for_text(lab_page, 0, "1/2")
    assert faint_texts(header(lab_page, 0)) == []
    lab_page.screenshot("progress-live-dark")
    header(lab_page, 0).get_by_role("button", name="Stop").click()
    wait_for_text(lab_page, 0, "variables kept")
    lab_page.screenshot("progress-record-dark")


def test_record_keeps_its_looks_in_a_notebook_that_is_not_trusted(lab_page: LabPage) -> None:
    path = lab_page.open_notebook("pass", name="from-somewhere-else.ipynb")
    model, run = ProgressModel(), RunRecord("local", True, 0)
    model.take({"message": "Costs $5 and $6", "current": 3, "total": 4, "data": {"loss": 0.5}}, 0)
    for index in range(5):
        model.take({"message": f"part {index}", "task": f"t{index}", "parent": "", "state": "done"}, 1)
    run.finish({"status": "ok"}, 12)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    data = {"text/html": snapshot_html(model, run, 12) + "<script>document.title = 'owned'</script>"}
    notebook["cells"][0]["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    lab_page.page.goto(f"{lab_page.url}lab/tree/{path.name}?reset")
    output = lab_page.output(0)
    expect(output).to_contain_text("Costs $5 and $6")
    assert lab_page.page.title() != "owned"
    assert output.locator("mjx-container").count() == 0
    track = box(output.locator("td:nth-child(2) > div").first)
    fill = box(output.locator("td:nth-child(2) > div > div").first)
    assert fill["height"] == 8
    assert fill["width"] == pytest.approx(track["width"] * 0.75, rel=0.02)
    summary = output.locator("summary")
    expect(summary).to_contain_text("4 finished")
    summary.click()
    expect(output).to_contain_text("part 0")
    lab_page.screenshot("progress-record-untrusted")
