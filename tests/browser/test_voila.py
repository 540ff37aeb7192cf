"""Dashboards in a real Voilà: what visitors see and do, and what becomes of the sandboxes behind their pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ..kernel.client import kill_all
from .conftest import OUTPUT
from .notebook import write_notebook
from .voila import Voila, wait_gone

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARD = ROOT / "examples" / "dashboard.ipynb"


@pytest.fixture(scope="module")
def dashboard(hopx_kernelspec: str) -> Iterator[Voila]:
    with Voila(DASHBOARD, OUTPUT / "voila.log") as voila:
        yield voila


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A visitor's page, with a profile of its own; its last sight is kept."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    yield page
    if not page.is_closed():
        page.screenshot(path=OUTPUT / f"{request.node.name}.png")
    context.close()


def picture(page: Page) -> str:
    """The address of the plot's present picture."""
    source = page.locator("img.widget-image").get_attribute("src")
    assert source is not None
    return source


def move_slider(page: Page, key: str, index: int = 0) -> None:
    page.locator(".noUi-handle").nth(index).focus()
    page.keyboard.press(key)


def start_job(page: Page) -> None:
    page.get_by_role("button", name="Start the job").click()


def test_slider_redraws_the_plot(dashboard: Voila, page: Page) -> None:
    dashboard.open(page)
    image = page.locator("img.widget-image")
    expect(image).to_be_visible()
    before = picture(page)
    move_slider(page, "ArrowRight")
    page.wait_for_function("before => document.querySelector('img.widget-image').src !== before", arg=before)
    expect(page.locator(".widget-readout").first).to_have_text("1.10")


def test_button_starts_a_job_whose_bars_move(dashboard: Voila, page: Page) -> None:
    dashboard.open(page)
    widths = page.evaluate_handle(
        """() => {
          const seen = new Set();
          const look = () => {
            for (const bar of document.querySelectorAll(".hopx-run .progress-bar")) seen.add(bar.style.width);
            requestAnimationFrame(look);
          };
          look();
          return seen;
        }"""
    )
    start_job(page)
    expect(page.locator(".hopx-run .progress-bar").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"π is about 3\.\d+"))).to_be_visible()
    assert len(page.evaluate("seen => [...seen]", widths)) >= 5
    expect(page.get_by_text("Done").first).to_be_visible()
    expect(page.get_by_text("100 %").first).to_be_visible()


def test_stop_ends_the_job_and_the_page_goes_on(dashboard: Voila, page: Page) -> None:
    dashboard.open(page)
    move_slider(page, "End", 1)  # ten rounds: nothing ends before it is stopped
    start_job(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("KeyboardInterrupt").first).to_be_visible()
    before = picture(page)
    move_slider(page, "ArrowRight")
    page.wait_for_function("before => document.querySelector('img.widget-image').src !== before", arg=before)


def test_two_visitors_have_two_sandboxes(dashboard: Voila, chromium: Browser, page: Page) -> None:
    known = set(dashboard.kernels())
    dashboard.open(page)
    other_context = chromium.new_context()
    other = other_context.new_page()
    dashboard.open(other)
    assert len(set(dashboard.kernels()) - known) == 2
    unmoved = picture(other)
    before = picture(page)
    move_slider(page, "End")
    page.wait_for_function("before => document.querySelector('img.widget-image').src !== before", arg=before)
    expect(page.locator(".widget-readout").first).to_have_text("5.00")
    expect(other.locator(".widget-readout").first).to_have_text("1.00")
    assert picture(other) == unmoved
    other_context.close()


def test_reload_shows_the_dashboard_anew_and_ends_the_old_sandbox(dashboard: Voila, page: Page) -> None:
    known = set(dashboard.kernels())
    dashboard.open(page)
    old = sorted(set(dashboard.kernels()) - known, key=lambda process: process.create_time())
    processes = [child for kernel in old for child in kernel.children(recursive=True)]
    assert processes
    move_slider(page, "End")
    page.reload()
    dashboard.wait_shown(page)
    expect(page.locator(".widget-readout").first).to_have_text("1.00")
    expect(page.locator("img.widget-image")).to_be_visible()
    assert not wait_gone([*old, *processes])


def test_closing_the_page_ends_its_sandbox(dashboard: Voila, page: Page) -> None:
    known = set(dashboard.kernels())
    dashboard.open(page)
    ours = list(set(dashboard.kernels()) - known)
    processes = [child for kernel in ours for child in kernel.children(recursive=True)]
    assert len(ours) == 1 and processes
    page.close()
    assert not wait_gone([*ours, *processes])


def test_killed_kernel_is_told_on_the_page(dashboard: Voila, page: Page) -> None:
    known = set(dashboard.kernels())
    dashboard.open(page)
    (kernel,) = set(dashboard.kernels()) - known
    kernel.kill()
    expect(page.get_by_role("alert")).to_contain_text("The kernel behind this page has ended")
    page.get_by_role("alert").get_by_role("button", name="Reload").click()
    dashboard.wait_shown(page)
    expect(page.locator("img.widget-image")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_bars_stay_in_their_columns_when_the_kernel_is_gone(dashboard: Voila, page: Page) -> None:
    """ipywidgets puts a sign before each widget then, which would take a place of the grid."""
    known = set(dashboard.kernels())
    dashboard.open(page)
    move_slider(page, "End", 1)  # ten rounds: it goes on until the kernel is gone
    start_job(page)
    expect(page.locator(".hopx-run .progress-bar").first).to_be_visible()
    (kernel,) = set(dashboard.kernels()) - known
    kernel.kill()
    signs = page.locator(".hopx-run .widget-gridbox > .jupyter-widgets-disconnected")
    expect(signs.first).to_be_visible()
    assert set(signs.evaluate_all("all => all.map(each => getComputedStyle(each, '::before').content)")) == {"none"}


def test_killed_sandbox_is_told_on_the_page(dashboard: Voila, page: Page) -> None:
    known = set(dashboard.kernels())
    dashboard.open(page)
    (kernel,) = set(dashboard.kernels()) - known
    kill_all(kernel.children(recursive=True))
    expect(page.get_by_role("alert")).to_contain_text("The sandbox behind this page has ended")


def test_preheated_pool_serves_its_kernels(hopx_kernelspec: str, page: Page) -> None:
    options = ("--preheat_kernel=True", "--pool_size=2")
    with Voila(DASHBOARD, OUTPUT / "voila-preheated.log", *options) as voila:
        voila.wait_log("is filled with 2 kernel(s)")
        heated = set(voila.kernels())
        assert len(heated) == 2
        voila.open(page)
        assert "Using pre-heated kernel" in voila.log()
        before = picture(page)
        move_slider(page, "ArrowRight")
        page.wait_for_function("before => document.querySelector('img.widget-image').src !== before", arg=before)


ENVIRONMENT = """
import os
names = sorted(name for name in os.environ if name.startswith(("VOILA", "SERVER", "SCRIPT", "QUERY", "PATH_INFO")))
print("names:", names)
"""


def test_environment_cell_does_not_reach_the_sandbox(hopx_kernelspec: str, page: Page, tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "environment.ipynb", ENVIRONMENT, "print('os' in dir())")
    with Voila(notebook, OUTPUT / "voila-environment.log") as voila:
        voila.open(page)
        expect(page.get_by_text("names: []")).to_be_visible()


def test_error_is_shown_in_voilas_way(hopx_kernelspec: str, page: Page, tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "error.ipynb", "secret = 'hidden'\n1 / 0")
    with Voila(notebook, OUTPUT / "voila-error.log") as voila:
        voila.open(page)
        expect(page.get_by_text("There was an error when executing cell")).to_be_visible()
        expect(page.get_by_text("hidden")).to_have_count(0)
    with Voila(notebook, OUTPUT / "voila-tracebacks.log", "--show_tracebacks=True") as voila:
        voila.open(page)
        expect(page.get_by_text("ZeroDivisionError").first).to_be_visible()
