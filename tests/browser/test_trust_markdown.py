"""Markdown of a sandbox in JupyterLab: nothing that its own parser takes for markup gets to it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from hopx_kernel.trust import TrustPolicy

from ..trust.test_markdown import CODE, EVIL, TRAPS
from ..trust.test_properties import MARKDOWN_PIECES as PIECES
from .lab import LabPage

pytestmark = pytest.mark.browser


def random_documents(count: int) -> list[str]:
    """Documents of what has a meaning in Markdown, the same in each run."""
    chooser = random.Random(5)
    parts = ["".join(chooser.choices(PIECES, k=chooser.randint(1, 16))) for _ in range(2 * count)]
    block = f"\n\n```\n{EVIL}\n```\n\n"
    return [before + chooser.choice(("", block)) + after for before, after in zip(parts[::2], parts[1::2], strict=True)]


def clean(source: str) -> dict[str, Any]:
    """What a page gets for a document."""
    return TrustPolicy().bundle({"text/markdown": source}, {})[0]


def show(lab: LabPage, *documents: dict[str, Any]) -> Locator:
    """Open a notebook with these documents as outputs, as a page gets them; JupyterLab takes scripts out of them, and
    leaves the elements. Gives the notebook."""
    # JupyterLab shows fifty outputs of a cell.
    parts = [documents[start : start + 40] for start in range(0, len(documents), 40)]
    path = lab.open_notebook(*["pass"] * len(parts))
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell, part in zip(notebook["cells"], parts, strict=True):
        cell["outputs"] = [{"output_type": "display_data", "data": document, "metadata": {}} for document in part]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    lab.page.goto(f"{lab.url}lab/tree/{path.name}?reset")
    shown = lab.page.locator(".jp-Notebook")
    expect(shown.locator(".jp-OutputArea-child")).to_have_count(len(documents), timeout=60_000)
    expect(lab.output(len(parts) - 1)).to_contain_text("the end", timeout=60_000)
    return shown


_END = {"text/plain": "the end"}


def test_traps_are_real(lab_page: LabPage) -> None:
    shown = show(lab_page, *({"text/markdown": source} for source in TRAPS.values()), _END)
    expect(shown.locator(".jp-RenderedMarkdown img").nth(len(TRAPS) // 2)).to_be_attached()


def test_no_document_makes_an_element(lab_page: LabPage) -> None:
    shown = show(lab_page, *map(clean, (*TRAPS.values(), *random_documents(400))), _END)
    assert shown.locator(".jp-OutputArea-output img").count() == 0


def test_source_that_passes_makes_no_element_either(lab_page: LabPage) -> None:
    documents = map(clean, ("# plain", *random_documents(800)))
    passed = [{"text/markdown": each["text/markdown"]} for each in documents if "text/markdown" in each]
    shown = show(lab_page, *passed, _END)
    # JupyterLab's own links are those of headings to themselves.
    made = shown.locator(".jp-OutputArea-output").locator("img, a:not(.jp-InternalAnchorLink), mjx-container")
    assert [made.nth(index).evaluate("element => element.outerHTML") for index in range(made.count())] == []


def test_code_is_shown_as_it_stands(lab_page: LabPage) -> None:
    shown = show(lab_page, *map(clean, CODE.values()), _END)
    code = shown.locator(".jp-OutputArea-output code", has_text=EVIL)
    expect(code).to_have_count(sum(source.count(EVIL) for source in CODE.values()))
    assert shown.locator(".jp-OutputArea-output img").count() == 0
    assert not any("&lt;" in text for text in shown.locator(".jp-OutputArea-output").all_inner_texts())
