"""Random and mutated messages and outputs, many in one page: nothing of them acts, in JupyterLab as in Voilà.

The seeds are printed; ``HOPX_FUZZ_SEED`` takes one instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect
from playwright.sync_api import TimeoutError as Timeout

from .attacks import PRELUDE
from .attacks_comms import COMM_ATTACKS, COMM_PRELUDE
from .conftest import OUTPUT
from .hostile_cells import BUNDLES, CANARY, END, LIVE, STATES, lab_cells, voila_cells
from .lab import LabPage
from .notebook import write_notebook
from .test_trust import SCAN, Watch, cells_of
from .voila import Voila

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SEEDS = [int(os.environ["HOPX_FUZZ_SEED"])] if "HOPX_FUZZ_SEED" in os.environ else [1, 2]


@pytest.mark.parametrize("which", range(len(SEEDS)), ids=lambda which: "one seed" if which == 0 else "another seed")
def test_random_messages_do_nothing_in_jupyterlab(lab_page: LabPage, which: int) -> None:
    print("seed", SEEDS[which])
    lab_page.page.add_init_script(CANARY)
    watch = Watch(lab_page)
    cells = lab_cells(SEEDS[which])
    lab_page.open_notebook(*cells)
    for index in range(len(cells)):
        lab_page.run_to_end(index)
    expect(lab_page.output(len(cells) - 1)).to_contain_text(END)
    watch.provoke()
    assert sorted(watch.acted()) == [], SEEDS[which]
    assert watch.dialogs == [], SEEDS[which]
    assert watch.threats() == [], SEEDS[which]


class _Visit:
    """Sees what a notebook achieves on a page of Voilà's."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialogs: list[str] = []
        self.asked: list[str] = []
        page.add_init_script(CANARY)
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.asked.append(request.url) if "canary" in request.url else None)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def ran(self) -> list[str]:
        """What ran in the page."""
        return list(self.page.evaluate("window.pwned || []"))

    def acted(self) -> list[Any]:
        """What ran in the page, was asked of a server, or could."""
        return [*self.ran(), *self.asked, *self.dialogs, *self.page.evaluate(SCAN)]


def _visit(voila: Voila, context: BrowserContext) -> _Visit:
    """A visit whose page is whole.

    A page that has no answer within four seconds asks each widget for its state by itself, and waits for ever for those that
    only seem to be some. Then the notebook is visited anew.
    """
    for _ in range(2):
        visit = _Visit(context.new_page())
        try:
            voila.open(visit.page)
        except Timeout:
            visit.page.close()
        else:
            return visit
    visit = _Visit(context.new_page())
    voila.open(visit.page)
    return visit


@contextmanager
def _visiting(browser: Browser, notebook: Path) -> Iterator[_Visit]:
    """A visit of a notebook, whose cells have all been run."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    try:
        with Voila(notebook, OUTPUT / f"voila-{notebook.stem}.log") as voila:
            visit = _visit(voila, context)
            expect(visit.page.get_by_text(END).first).to_be_attached()
            yield visit
            visit.page.screenshot(path=OUTPUT / f"voila-{notebook.stem}.png")
    finally:
        context.close()


def _ask_for_more(page: Page) -> None:
    page.get_by_role("button", name="More").click()
    expect(page.get_by_text("more of them came")).to_be_visible()


def test_hostile_messages_do_nothing_in_voila(hopx_kernelspec: str, chromium: Browser, tmp_path: Path) -> None:
    prelude = PRELUDE % {"server": "http://127.0.0.1:9/"} + COMM_PRELUDE
    cells = [prelude, *cells_of(COMM_ATTACKS), f"print({END!r})"]
    with _visiting(chromium, write_notebook(tmp_path / "hostile.ipynb", *cells)) as visit:
        visit.page.wait_for_load_state("networkidle")
        assert visit.acted() == []


def test_random_messages_do_nothing_in_voila(hopx_kernelspec: str, chromium: Browser, tmp_path: Path) -> None:
    print("seed", SEEDS[0])
    with _visiting(chromium, write_notebook(tmp_path / "random.ipynb", *voila_cells(SEEDS[0]))) as visit:
        _ask_for_more(visit.page)
        visit.page.wait_for_load_state("networkidle")
        assert visit.acted() == [], SEEDS[0]


def test_random_messages_act_in_voila_without_a_policy(
    hopx_kernelspec: str, chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPX_TRUST", "trusted")
    cells = voila_cells(1, is_cleaned=False)
    with _visiting(chromium, write_notebook(tmp_path / "trusted.ipynb", *cells)) as visit:
        _ask_for_more(visit.page)
        missing = {f"fuzz by way {way}" for way in (BUNDLES, STATES, LIVE)}
        deadline = time.monotonic() + 60
        while missing and time.monotonic() < deadline:
            missing -= set(visit.ran())
            visit.page.wait_for_timeout(100)
        assert sorted(missing) == []
