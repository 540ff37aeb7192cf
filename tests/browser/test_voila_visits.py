"""Visits that end without a word, kernels that wait for visitors, and what else the README says of Voilà's pages."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from .conftest import OUTPUT
from .notebook import write_notebook
from .test_voila import DASHBOARD, move_slider, page, picture
from .voila import Voila, wait_gone

__all__ = ["page"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_page_that_crashes_leaves_nothing_where_voila_looks(hopx_kernelspec: str, page: Page) -> None:
    options = ("--MappingKernelManager.cull_interval=1", "--MappingKernelManager.cull_idle_timeout=15")
    with Voila(DASHBOARD, OUTPUT / "voila-culling.log", *options) as voila:
        while True:  # the test's own limit of time ends it
            with contextlib.suppress(Error, AssertionError):  # on a busy computer: so idle before the page was there
                voila.open(page)
                break
        expect(page.locator("img.widget-image")).to_be_visible()
        left = [*voila.kernels(), *voila.sandboxes()]
        assert len(left) >= 3
        # The process that shows the page ends at once, and with it the scripts that would say that it is left.
        with contextlib.suppress(Error):
            page.goto("chrome://crash")
        assert not wait_gone(left, 120)
        page.close()


def test_each_visitor_of_a_pool_gets_a_kernel_that_nobody_has_used(
    hopx_kernelspec: str, chromium: Browser, page: Page
) -> None:
    options = ("--preheat_kernel=True", "--pool_size=2")
    with Voila(DASHBOARD, OUTPUT / "voila-pool.log", *options) as voila:
        voila.wait_log("is filled with 2 kernel(s)")
        voila.open(page)
        before = picture(page)
        move_slider(page, "End")
        page.wait_for_function("before => document.querySelector('img.widget-image').src !== before", arg=before)
        context = chromium.new_context()
        other = context.new_page()
        voila.open(other)
        expect(other.locator(".widget-readout").first).to_have_text("1.00")
        assert voila.log().count("Using pre-heated kernel") == 2
        context.close()


def test_pages_have_no_terminal_to_open(
    hopx_kernelspec: str, page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    notebook = write_notebook(tmp_path_factory.mktemp("terminal") / "plain.ipynb", "print('here')")
    with Voila(notebook, OUTPUT / "voila-terminal.log") as voila:
        voila.open(page)
        # With the page's own cookies and token, as a script in it would ask.
        ask = """async ([url, method]) => {
          const token = document.cookie.match(/_xsrf=([^;]*)/)[1];
          return (await fetch(url, {method, headers: {"X-XSRFToken": token}})).status;
        }"""
        statuses = {page.evaluate(ask, [voila.url + "api/terminals", method]) for method in ("GET", "POST")}
        assert statuses <= {403, 404, 405}
