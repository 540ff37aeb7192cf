"""Progress and Stop in Voilà, where code runs when somebody presses a button."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from .conftest import OUTPUT
from .looks import columns, faint_texts, overflowing
from .notebook import write_notebook
from .voila import Voila

pytestmark = pytest.mark.browser

JOB = """
import time, ipywidgets
out = ipywidgets.Output(); button = ipywidgets.Button(description="Start")
def start(_):
    with out:
        for i in track(range(10_000), "Long work", unit="rows"):
            progress("Fit", i / 100, data={"loss": 1 / (i + 1)}, task="fit"); time.sleep(0.05)
button.on_click(start)
ipywidgets.VBox([button, out])
""".strip()


@pytest.fixture
def dashboard(hopx_kernelspec: str, tmp_path: Path) -> Iterator[Voila]:
    notebook = write_notebook(tmp_path / "job.ipynb", JOB, kernel=hopx_kernelspec)
    with Voila(notebook, OUTPUT / "voila-job.log") as voila:
        yield voila


def test_stop_works_while_a_callback_runs_and_all_of_it_can_be_read(
    dashboard: Voila, browser_context: BrowserContext
) -> None:
    page = browser_context.new_page()
    dashboard.open(page)
    page.get_by_role("button", name="Start").click()
    run = page.locator(".hopx-run")
    bar = run.locator(".progress-bar").first
    expect(bar).to_be_visible(timeout=30_000)
    first = bar.evaluate("bar => bar.style.width")
    expect(bar).not_to_have_attribute("style", f"width: {first};")
    assert faint_texts(run) == [] and overflowing(run) == []
    assert set(columns(run, live=True)) == {"Long work", "Fit"}
    page.screenshot(path=OUTPUT / "looks-voila.png")
    page.locator(".hopx-header-stop").click()
    expect(page.locator("body")).to_contain_text("variables kept")
    for text in ("stopped after", "Long work", "loss"):
        expect(page.locator("body")).to_contain_text(text)
    expect(page.locator(".progress-bar")).to_have_count(0)
    page.screenshot(path=OUTPUT / "looks-voila-record.png")
