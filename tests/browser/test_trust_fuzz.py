"""Random and mutated messages and outputs, many in one page: nothing of them acts in JupyterLab; nor do attacks in Voilà.

The seeds are printed; ``HOPX_FUZZ_SEED`` takes one instead.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from ..trust.hostile import Hostile
from .attacks import PRELUDE
from .attacks_comms import COMM_ATTACKS, COMM_PRELUDE
from .conftest import OUTPUT
from .lab import LabPage
from .notebook import write_notebook
from .test_trust import SCAN, Watch, cells_of
from .voila import Voila

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SEEDS = [int(os.environ["HOPX_FUZZ_SEED"])] if "HOPX_FUZZ_SEED" in os.environ else [1, 2]
#: JupyterLab shows no more than 50 outputs of a cell.
CELLS, MESSAGES, SHOWN = 3, 50, 20

#: What the messages call. A script in a closed frame cannot reach the page's.
_CANARY = (
    "window.canary = () => { try { (top.pwned = top.pwned || []).push('fuzz'); } catch { /* a closed frame */ } };"
)

#: Sends what was made, as it was made: nothing of ipywidgets looks at it.
_SEND = """
import base64, json
from comm import create_comm
from IPython.display import display
messages, bundles = json.loads(base64.b64decode({encoded!r}))
seen = []
for msg_type, comm_id, data, buffers in messages:
    comm = create_comm(target_name="jupyter.widget", comm_id=comm_id, primary=False)
    names = {{"target_name": "jupyter.widget"}} if msg_type == "comm_open" else {{}}
    comm.publish_msg(msg_type, data=data, metadata={{"version": "2.1.0"}}, buffers=[b"png"] * buffers, **names)
    if msg_type == "comm_open" and comm_id not in seen:
        seen.append(comm_id)
for comm_id in seen[:{shown}]:
    view = {{"model_id": comm_id, "version_major": 2, "version_minor": 0}}
    display({{"application/vnd.jupyter.widget-view+json": view, "text/plain": "instead"}}, raw=True)
for data, metadata in bundles:
    display(data, metadata=metadata, raw=True)
"""


def _cell(hostile: Hostile, number: int) -> str:
    is_bundles = number == CELLS - 1
    messages = [] if is_bundles else [(*message, len(buffers)) for *message, buffers in hostile.messages(MESSAGES)]
    bundles = [hostile.bundle() for _ in range(SHOWN)] if is_bundles else []
    encoded = base64.b64encode(json.dumps([messages, bundles]).encode()).decode()
    return _SEND.format(encoded=encoded, shown=SHOWN)


def _cells(seed: int) -> list[str]:
    print("seed", seed)
    hostile = Hostile(seed)
    return [*(_cell(hostile, number) for number in range(CELLS)), "print('all of them came')"]


@pytest.mark.parametrize("which", range(len(SEEDS)), ids=lambda which: "one seed" if which == 0 else "another seed")
def test_random_messages_do_nothing_in_jupyterlab(lab_page: LabPage, which: int) -> None:
    lab_page.page.add_init_script(_CANARY)
    watch = Watch(lab_page)
    cells = _cells(SEEDS[which])
    lab_page.open_notebook(*cells)
    for index in range(len(cells)):
        lab_page.run_to_end(index)
    expect(lab_page.output(len(cells) - 1)).to_contain_text("all of them came")
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
        page.add_init_script(_CANARY)
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.asked.append(request.url) if "canary" in request.url else None)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def acted(self) -> list[Any]:
        """What ran in the page, was asked of a server, or could."""
        pwned = self.page.evaluate("window.pwned || []")
        return [*pwned, *self.asked, *self.dialogs, *self.page.evaluate(SCAN)]


def test_hostile_messages_do_nothing_in_voila(hopx_kernelspec: str, chromium: Browser, tmp_path: Path) -> None:
    prelude = PRELUDE % {"server": "http://127.0.0.1:9/"} + COMM_PRELUDE
    cells = [prelude, *cells_of(COMM_ATTACKS), "print('all of them came')"]
    notebook = write_notebook(tmp_path / "hostile.ipynb", *cells)
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    try:
        with Voila(notebook, OUTPUT / "voila-hostile.log") as voila:
            visit = _Visit(context.new_page())
            voila.open(visit.page)
            expect(visit.page.get_by_text("all of them came").first).to_be_attached()
            visit.page.wait_for_load_state("networkidle")
            visit.page.screenshot(path=OUTPUT / "voila-hostile.png")
            assert visit.acted() == []
    finally:
        context.close()
