"""``%%sandbox`` in a notebook of the ordinary Python kernel, as a person sees it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .lab import LabPage

pytestmark = pytest.mark.browser

BARS = """%%sandbox lab
import time
for i in range(20):
    progress("Sifting", 5 * (i + 1))
    if i % 5 == 0:
        print("step", i)
    time.sleep(0.2)
"""

FRAME = """%%sandbox lab -o frame
import pandas as pd
frame = pd.DataFrame({"city": ["Oslo", "Rome"], "degrees": [4.5, 17.0]})
frame
"""


def load(lab_page: LabPage, *cells: str) -> None:
    lab_page.open_notebook("%load_ext hopx_kernel", *cells, kernel="python3")
    lab_page.run_to_end(0)


def test_bars_move_lines_come_in_and_a_record_stays(lab_page: LabPage) -> None:
    load(lab_page, BARS)
    output = lab_page.output(1)
    widths = lab_page.record(
        output,
        "(() => { const bar = root.querySelector('.progress-bar, [role=progressbar]');"
        " return bar ? bar.style.width || bar.getAttribute('aria-valuenow') : null; })()",
    )
    text = lab_page.record(output, "(root.textContent.match(/step \\d+/g) || []).length")
    lab_page.run(1)
    expect(output).to_contain_text("Sifting", timeout=30_000)
    lab_page.screenshot("magic-bars")
    expect(lab_page.prompt(1)).to_have_text(re.compile(r"\[\d+\]"), timeout=60_000)
    assert len({value for _, value in lab_page.recorded(widths)}) >= 5
    assert max(value for _, value in lab_page.recorded(text)) == 4
    assert len({value for _, value in lab_page.recorded(text)}) >= 3
    expect(output).to_contain_text("100 %")
    lab_page.screenshot("magic-record")


def test_stop_ends_the_cell_and_keeps_both_namespaces(lab_page: LabPage) -> None:
    load(
        lab_page,
        "%%sandbox lab\nthere = 1",
        "here = 2",
        "%%sandbox lab\nimport time\nprint('started', flush=True)\ntime.sleep(300)",
        "%%sandbox lab\nprint('there is', there)",
        "print('here is', here)",
    )
    lab_page.run_to_end(1)
    lab_page.run_to_end(2)
    lab_page.run(3)
    expect(lab_page.output(3)).to_contain_text("started", timeout=30_000)
    lab_page.press_stop()
    expect(lab_page.output(3)).to_contain_text("KeyboardInterrupt")
    lab_page.run_to_end(4)
    expect(lab_page.output(4)).to_contain_text("there is 1")
    lab_page.run_to_end(5)
    expect(lab_page.output(5)).to_contain_text("here is 2")


def test_stop_in_the_header_ends_the_cell(lab_page: LabPage) -> None:
    load(lab_page, "%%sandbox lab\nimport time\nprogress('Waiting', 10)\ntime.sleep(300)")
    lab_page.run(1)
    stop = lab_page.output(1).get_by_role("button", name=re.compile("stop", re.IGNORECASE))
    expect(stop).to_be_visible(timeout=30_000)
    stop.click()
    expect(lab_page.output(1)).to_contain_text("KeyboardInterrupt")


def test_frame_comes_back_as_a_frame_of_this_kernel(lab_page: LabPage) -> None:
    load(lab_page, FRAME, "print(type(frame).__name__, frame.degrees.sum())")
    lab_page.run_to_end(1)
    expect(lab_page.output(1).locator("table")).to_contain_text("Oslo")
    lab_page.run_to_end(2)
    expect(lab_page.output(2)).to_contain_text("DataFrame 21.5")
    lab_page.screenshot("magic-frame")


def test_error_stops_run_all(lab_page: LabPage) -> None:
    load(lab_page, "%%sandbox lab\nprint('before')\n1 / 0", "print('must not run')")
    lab_page.page.get_by_role("menuitem", name="Run", exact=True).click()
    lab_page.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(lab_page.output(1)).to_contain_text("ZeroDivisionError", timeout=30_000)
    lab_page.wait_idle()
    expect(lab_page.output(1)).to_contain_text("before")
    expect(lab_page.prompt(2)).to_have_text(re.compile(r"\[ \]"))
    expect(lab_page.output(2)).not_to_contain_text("must not run")
    lab_page.screenshot("magic-error")
