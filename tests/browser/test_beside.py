"""``%%sandbox`` in a notebook of the kernel "Python (HopX sandbox)", as a person sees it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .lab import LabPage

pytestmark = pytest.mark.browser

BARS = """%%sandbox lab -i rows -o frame
import time
import pandas as pd
for i in range(20):
    progress("Sifting", 5 * (i + 1))
    if i % 5 == 0:
        print("step", i)
    time.sleep(0.2)
frame = pd.DataFrame({"degrees": rows})
frame
"""


def test_cell_beside_shows_bars_lines_and_its_frame_comes_back(lab_page: LabPage) -> None:
    lab_page.open_notebook(
        "%load_ext hopx_kernel\nrows = [4.5, 17.0]",
        BARS,
        "print(type(frame).__name__, frame.degrees.sum())\n%sandbox",
    )
    lab_page.run_to_end(0)
    output = lab_page.output(1)
    widths = lab_page.record(
        output,
        "(() => { const bar = root.querySelector('.progress-bar, [role=progressbar]');"
        " return bar ? bar.style.width || bar.getAttribute('aria-valuenow') : null; })()",
    )
    lab_page.run(1)
    expect(output).to_contain_text("Sifting", timeout=30_000)
    expect(output).to_contain_text("step 5", timeout=30_000)
    lab_page.screenshot("beside-bars")
    expect(lab_page.prompt(1)).to_have_text(re.compile(r"\[\d+\]"), timeout=60_000)
    assert len({value for _, value in lab_page.recorded(widths)}) >= 5
    expect(output).to_contain_text("100 %")
    expect(output.locator("table.dataframe")).to_contain_text("17.0")
    lab_page.run_to_end(2)
    expect(lab_page.output(2)).to_contain_text("DataFrame 21.5")
    expect(lab_page.output(2)).to_contain_text("alive")
    lab_page.screenshot("beside-record")


@pytest.mark.parametrize("way", ["toolbar", "header"])
def test_stop_ends_the_code_beside_and_keeps_both_namespaces(lab_page: LabPage, way: str) -> None:
    lab_page.open_notebook(
        "%%sandbox lab\nthere = 1",
        "here = 2",
        "%%sandbox lab\nimport time\nprogress('Waiting', 10)\nprint('started', flush=True)\ntime.sleep(300)",
        "%%sandbox lab\nprint('there is', there)",
        "print('here is', here)",
    )
    lab_page.run_to_end(0)
    lab_page.run_to_end(1)
    lab_page.run(2)
    expect(lab_page.output(2)).to_contain_text("started", timeout=30_000)
    if way == "toolbar":
        lab_page.press_stop()
    else:
        stop = lab_page.output(2).get_by_role("button", name=re.compile("stop", re.IGNORECASE))
        expect(stop).to_be_visible(timeout=30_000)
        stop.click()
    expect(lab_page.output(2)).to_contain_text("KeyboardInterrupt")
    lab_page.screenshot(f"beside-stop-{way}")
    lab_page.run_to_end(3)
    expect(lab_page.output(3)).to_contain_text("there is 1")
    lab_page.run_to_end(4)
    expect(lab_page.output(4)).to_contain_text("here is 2")
