"""The kernel in a real JupyterLab: what a person sees while cells run, and what the toolbar's buttons do."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .lab import LabPage

pytestmark = pytest.mark.browser

TEN_STEPS = """
import time
for step in range(1, 11):
    print("step", step, "of ten")
    time.sleep(0.5)
"""


def test_launcher_offers_the_kernel(lab_page: LabPage) -> None:
    launcher = lab_page.open_launcher()
    card = launcher.locator(
        ".jp-LauncherCard[title='Python (HopX sandbox)'], .jp-LauncherCard[data-category='Notebook']"
    )
    expect(card.filter(has_text="Python (HopX sandbox)").first).to_be_visible()
    logo = card.filter(has_text="Python (HopX sandbox)").first.locator("img")
    expect(logo).to_have_js_property("complete", True)
    assert logo.evaluate("image => image.naturalWidth") > 0


def test_lines_come_while_the_cell_runs(lab_page: LabPage) -> None:
    lab_page.open_notebook(TEN_STEPS)
    recording = lab_page.record(lab_page.output(0), "root.textContent.match(/step \\d+/g)?.length ?? 0")
    lab_page.run_to_end(0)
    expect(lab_page.output(0)).to_contain_text("step 10 of ten")
    moments = [(moment, count) for moment, count in lab_page.recorded(recording) if 0 < count < 10]
    assert len(moments) >= 5, moments
    assert moments[-1][0] - moments[0][0] > 1000, moments
    assert [count for _, count in moments] == sorted(count for _, count in moments)


def test_bar_moves_while_the_cell_runs(lab_page: LabPage) -> None:
    lab_page.open_notebook(
        "import time\nfor n in range(3000):\n    progress('Loading the data', n / 30); time.sleep(0.05)"
    )
    recording = lab_page.record(lab_page.output(0), "root.querySelector('.progress-bar')?.style.width ?? null")
    lab_page.run(0)
    expect(lab_page.output(0).locator(".progress-bar")).to_be_visible()
    expect(lab_page.output(0)).to_contain_text("Loading the data")
    lab_page.page.wait_for_function("seen => new Set(seen.map(([_, width]) => width)).size >= 8", arg=recording)
    lab_page.screenshot("progress-bar-moving")
    expect(lab_page.prompt(0)).to_have_text("[*]:")
    lab_page.press_stop()
    expect(lab_page.prompt(0)).to_have_text("[1]:")
    widths = [float(width.rstrip("%")) for _, width in lab_page.recorded(recording) if width.endswith("%")]
    assert widths == sorted(widths), widths


def test_stop_ends_a_sleep_and_keeps_variables(lab_page: LabPage) -> None:
    lab_page.open_notebook("kept = 42; import time; print('asleep'); time.sleep(600)", "kept")
    lab_page.run(0)
    expect(lab_page.output(0)).to_contain_text("asleep")
    lab_page.press_stop()
    expect(lab_page.output(0)).to_contain_text("KeyboardInterrupt")
    lab_page.run_to_end(1)
    expect(lab_page.output(1)).to_contain_text("42")


def test_restart_forgets_variables_and_the_next_cell_runs(lab_page: LabPage) -> None:
    lab_page.open_notebook("kept = 42; print('set')", "print('kept' in globals())")
    lab_page.run_to_end(0)
    lab_page.press_restart()
    lab_page.run_to_end(1)
    expect(lab_page.output(1)).to_contain_text("False")


def test_crash_is_reported_and_the_next_cell_runs(lab_page: LabPage) -> None:
    lab_page.open_notebook("print('before'); import os; os._exit(3)", "print(6 * 7)")
    lab_page.run(0)
    expect(lab_page.output(0)).to_contain_text("before")
    expect(lab_page.output(0)).to_contain_text("exited with code 3; variables are lost")
    lab_page.run_to_end(1)
    expect(lab_page.output(1)).to_contain_text("42")
