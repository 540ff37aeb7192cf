"""How progress looks in a real JupyterLab: everything at once, in both themes, wide and narrow, live and as a record."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect

from .conftest import LabServer, set_theme
from .lab import LabPage
from .looks import columns, faint_texts, overflowing

pytestmark = pytest.mark.browser

#: Shows tasks in every state, and waits to be stopped.
GALLERY = """
import math, time
for epoch in track(range(3), "Training"):
    for phase in track(("train", "validate"), "Phases"):
        for n in track(range(1000), "Batches", unit="rows"):
            time.sleep(0.02)
            progress("Metrics", task="m", data={"loss": math.exp(-n / 20), "accuracy": 1 - math.exp(-n / 30)})
            if n == 3 and phase == "train":
                for part in range(6):
                    for _ in track(range(3), f"part {part}"): pass
                progress("Downloading a file with a name that cannot be read at once.tar.gz", task="c",
                         current=1.5e6, total=2e7, unit="B")
                progress("مرحبا بالعالم (1)", 60, task="d"); progress("进度：正在处理数据 👩‍👩‍👧‍👦", 99.7, task="e")
                progress("<b>bold</b> & 'quotes' $x^2$", 0, task="f")
                progress("went wrong", 30, task="g", state="failed"); progress("left off", 70, task="h", state="stopped")
                progress("no end", task="i", current=1234567, unit="items", data={"mode": "train"})
                error("the loss went up, and this is said at length " * 5)
                result({"loss": 0.01, "layers": [64, {"units": 128}]})
""".strip()
MANY = "import time\nfor n in range(30): progress(f'File {n}', task=f'f{n}', current=n, total=100, unit='files')\ntime.sleep(60)"
WIDE: ViewportSize = {"width": 1280, "height": 1000}
NARROW: ViewportSize = {"width": 760, "height": 1100}


@pytest.fixture
def browser_context(chromium: Browser) -> Iterator[BrowserContext]:
    """Twice as many pixels, so that the screenshots show what a good screen shows."""
    context = chromium.new_context(viewport=WIDE, device_scale_factor=2)
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest, lab_server: LabServer) -> Iterator[str]:
    """Both of JupyterLab's themes in turn."""
    name: str = request.param
    set_theme(lab_server, f"JupyterLab {name.capitalize()}")
    yield name
    set_theme(lab_server, "JupyterLab Light")


def stop(lab: LabPage) -> None:
    lab.output(0).get_by_role("button", name="Stop").click()
    expect(lab.output(0)).to_contain_text("variables kept")
    expect(lab.output(0).locator(".progress-bar")).to_have_count(0)
    expect(lab.output(0).locator("tr").first).to_be_visible()


def test_everything_is_readable_and_the_record_stands_where_the_bars_stood(lab_page: LabPage, theme: str) -> None:
    lab_page.open_notebook(GALLERY)
    lab_page.run(0)
    output = lab_page.output(0)
    expect(output).to_contain_text("no end", timeout=30_000)
    expect(output).to_contain_text(re.compile(r"\d\d/1,000 rows"))
    lab_page.screenshot(f"looks-live-{theme}")
    assert faint_texts(output) == []
    assert overflowing(output.locator(".hopx-run")) == []
    live = columns(output, live=True)
    lab_page.page.set_viewport_size(NARROW)
    expect(output.locator(".hopx-run")).to_be_visible()
    lab_page.screenshot(f"looks-live-narrow-{theme}")
    assert overflowing(output.locator(".hopx-run")) == []
    lab_page.page.set_viewport_size(WIDE)

    stop(lab_page)
    lab_page.screenshot(f"looks-record-{theme}")
    assert [text for part in output.locator("[data-mime-type='text/html']").all() for text in faint_texts(part)] == []
    record = columns(output.locator("table").first, live=False)
    assert len(live) >= 10 and record == {name: live[name] for name in record}
    assert overflowing(output.locator("table").first) == []
    lab_page.page.set_viewport_size(NARROW)
    lab_page.screenshot(f"looks-record-narrow-{theme}")
    assert overflowing(output.locator("table").first) == []


def test_plain_widgets_show_the_same_where_the_page_has_no_anywidget(lab_page: LabPage, theme: str) -> None:
    lab_page.page.route("**/extensions/anywidget/**", lambda route: route.abort())
    lab_page.open_notebook(
        "import time\nkept = 44\nfor n in track(range(1000), 'Long work', unit='rows'): time.sleep(0.05)", "print(kept)"
    )
    lab_page.run(0)
    output = lab_page.output(0)
    plain = output.locator(".hopx-plain-header")
    expect(plain).to_be_visible()
    for text in ("Running", "local sandbox"):
        expect(plain).to_contain_text(text)
    clock = plain.inner_text()
    expect(plain).not_to_have_text(clock)
    assert faint_texts(output) == [] and overflowing(output.locator(".hopx-run")) == []
    lab_page.screenshot(f"looks-plain-{theme}")
    live = columns(output, live=True)
    stop(lab_page)
    assert columns(output.locator("table").first, live=False) == live
    lab_page.run_to_end(1)
    expect(lab_page.output(1)).to_contain_text("44")


def test_export_shows_the_record_on_screen_and_on_paper(
    lab_page: LabPage, tmp_path: Path, browser_context: BrowserContext
) -> None:
    path = lab_page.open_notebook(
        "for n in track(range(30), 'Reading files'): progress('Fit', 75, {'loss': 1 / (n + 1)}, task='f')"
    )
    lab_page.run_to_end(0)
    expect(lab_page.output(0).locator("tr")).to_have_count(2)
    lab_page.save()
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", str(path), "--output-dir", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    page = browser_context.new_page()
    page.route("http*://**", lambda route: route.abort())
    page.goto((tmp_path / f"{path.stem}.html").as_uri())
    record = page.locator("table").last
    bars = columns(record, live=False)
    assert set(bars) == {"Reading files", "Fit"} and faint_texts(record) == []
    fill = record.locator("tr").nth(1).locator("td").nth(1).locator("div > div")
    left, right = bars["Fit"][1:3]
    box = fill.bounding_box()
    assert box and box["width"] == pytest.approx(0.75 * (right - left), abs=2)
    assert fill.evaluate("one => getComputedStyle(one).printColorAdjust") == "exact"
    page.screenshot(path=lab_page.output_path("looks-export"))
    page.pdf(path=lab_page.screenshots / "looks-export.pdf")


def test_many_tasks_are_bars_and_the_rest_is_counted(lab_page: LabPage) -> None:
    lab_page.open_notebook(MANY)
    lab_page.run(0)
    output = lab_page.output(0)
    expect(output).to_contain_text("more tasks")
    expect(output.locator(".progress-bar")).to_have_count(24)
    lab_page.screenshot("looks-many-live")
    stop(lab_page)
    expect(output.locator("tr")).to_have_count(30)
    lab_page.screenshot("looks-many-record")


def test_nothing_moves_but_the_numbers(lab_page: LabPage) -> None:
    """What stands behind a number stays where it is, however many digits the number has."""
    lab_page.open_notebook(
        "import time\nfor n in track(range(1, 1200), 'Rows', unit='rows'):\n"
        "    time.sleep(0.005)\n    progress('Metrics', task='m', current=n, data={'loss': 1 / n, 'n': n})\n"
    )
    # The ends of the places that count and first metric have, and where the rate begins.
    places = (
        "Array.from(root.querySelectorAll('.hopx-run .widget-html span')).filter(one => /(\\/1,199 rows|\\d\\/s)$/.test(one.textContent)"
        " && one.style.whiteSpace === 'nowrap').map(one => one.textContent.endsWith('/s')"
        " ? 'rate ' + Math.round(one.getBoundingClientRect().left) : 'count ' + Math.round(one.getBoundingClientRect().right))"
        ".join(', ') || null"
    )
    recording = lab_page.record(lab_page.output(0), places)
    lab_page.run_to_end(0)
    seen = [value for _, value in lab_page.recorded(recording)]
    ends = {part for value in seen for part in value.split(", ")}
    assert len([part for part in ends if part.startswith("count")]) == 1, seen
    assert len([part for part in ends if part.startswith("rate")]) <= 2, seen
